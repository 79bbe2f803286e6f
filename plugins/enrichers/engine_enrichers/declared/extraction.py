"""Reads the values out of a declared provider's answer, in normal form, with how sure the provider is of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from engine.asking import Finding
from engine.filters import title
from engine.records import EMAIL_STATUSES
from engine_enrichers.declared.costs import number
from engine_enrichers.declared.inputs import region_of, value_of
from engine_enrichers.declared.provider import Confidence, Extraction, Provider, Query
from engine_enrichers.offline.contacts import is_email, normal_domain, normal_email, normal_phone, normal_url
from engine_enrichers.offline.emails import kind_of
from engine_enrichers.offline.text import clean

_PHONES = frozenset({"phone", "mobile_phone", "company_phone"})
_PROFILES = frozenset({"linkedin_url", "company_linkedin_url"})
_URLS = frozenset({"website", "twitter_url", "facebook_url", *_PROFILES})
_CONTACTS = frozenset({"email", *_PHONES})
#: They say which country the phone numbers of the answer are of.
_PLACES = ("country_code", "country")
_ADDRESS = re.compile(r"https?://[^\s/]+\.[^\s/]+(?:/\S*)?")
_HOST = re.compile(r"[^\s/@]+\.[^\s/@.]+")


def extract(
    provider: Provider,
    body: Any,
    lead: Mapping[str, Any],
    confidence: float,
    within: str = "",
    taken: Mapping[str, Any] | None = None,
) -> dict[str, Finding]:
    """Every value that the answer has. `body`: the part of the answer that is read; `lead`: who was asked about.

    `within`: the path of that part, for people. `taken`: what the calls before gave.
    """
    places = {name: text for name in _PLACES if (text := _found(provider, name, body)[0])}
    region = region_of(places) or region_of(lead)
    found: dict[str, Finding] = {}
    for field, extraction in provider.extract.items():
        raw, path = _found(provider, field, body)
        value = _normal(field, raw, region) if raw else ""
        if not value:
            continue
        found[field] = Finding(
            value,
            confidence
            if extraction.confidence is None
            else certainty(extraction.confidence, body, taken or {}, confidence),
            _status(provider, extraction, body, value, lead) if field == "email" else "",
            f"{within}.{path}" if within else path,
        )
    return found


def certainty(confidence: Confidence, body: Any, taken: Mapping[str, Any], missing: float = 0.0) -> float:
    """The provider's certainty from 0 to 1; `missing` where neither the answer nor what was `taken` before has one."""
    if confidence.taken:
        score = taken.get(confidence.taken)
    elif confidence.query is not None:
        score = confidence.query.of(body)
    else:
        return confidence.fixed
    if confidence.map:
        return confidence.map.get(str(score).strip().casefold(), missing)
    figure = number(score)
    return missing if figure is None else min(1.0, figure / confidence.scale)


def _found(provider: Provider, field: str, body: Any) -> tuple[str, str]:
    """The value of a field as text, and the path where it stood; empty for everything that stands for nothing."""
    extraction = provider.extract.get(field)
    if extraction is None or (extraction.when is not None and not extraction.when.holds(body)):
        return "", ""
    ways: tuple[Query, ...] = extraction.queries
    for query in ways:
        if text := _as_text(provider, field, extraction, query.of(body)):
            return text, query.text
    if extraction.formula is not None:
        return _as_text(provider, field, extraction, extraction.formula.of(body)), extraction.formula.text
    return "", ""


def _as_text(provider: Provider, field: str, extraction: Extraction, raw: Any) -> str:
    word = str(raw).lower() if isinstance(raw, bool) else _plain(raw)
    mapped = extraction.map.get(word.strip().casefold()) if extraction.map else None
    if mapped is None and isinstance(raw, bool):
        return ""
    text = clean(word if mapped is None else mapped)
    if extraction.strip:
        text = text.strip(extraction.strip).strip()
    if not text or text.casefold() in provider.placeholders or _is_masked(field, text):
        return ""
    if field == "email_status":
        return text if text in EMAIL_STATUSES else "unknown"
    if extraction.prefix and not text.lower().startswith(extraction.prefix.lower()) and "://" not in text:
        text = extraction.prefix + text
    if extraction.case and mapped is None:
        text = text.lower() if extraction.case == "lower" else title(text)
    return text


def _plain(raw: Any) -> str:
    """A text or a figure as text; empty for anything else."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, float):
        if not math.isfinite(raw):
            return ""
        return str(int(raw)) if raw.is_integer() else repr(raw)
    return str(raw) if isinstance(raw, int) else ""


def _is_masked(field: str, text: str) -> bool:
    """A contact with any star in it is masked; elsewhere one star can be a name's own (`E*Trade`)."""
    return "*" in text if field in _CONTACTS else "**" in text or not text.strip("*")


def _normal(field: str, text: str, region: str | None) -> str:
    """The normal form; empty for a contact or an address that is none."""
    if field == "email":
        address = normal_email(text)
        return address if is_email(address) else ""
    if field in _PHONES:
        number_ = normal_phone(text, region)
        return number_ if sum(character.isdigit() for character in number_) > 4 else ""
    if field in _URLS:
        address = clean(normal_url(text, keep_query=field not in _PROFILES))
        return address if _ADDRESS.fullmatch(address) else ""
    if field == "company_domain":
        host = normal_domain(text)
        return host if _HOST.fullmatch(host) else ""
    return text


def _status(provider: Provider, extraction: Extraction, body: Any, address: str, lead: Mapping[str, Any]) -> str:
    """What is known of an address that was found: `wrong_kind` where it is no person's work address."""
    said = extraction.status.of(body) if extraction.status is not None else None
    word = str(said).lower() if isinstance(said, bool) else _plain(said)
    status = extraction.status_map.get(word.strip().casefold(), "unknown") if extraction.status is not None else ""
    if status == "invalid" or address == value_of("email", lead):
        return status
    return status if kind_of(address) == "business" else "wrong_kind"
