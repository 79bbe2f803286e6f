"""What a provider is asked with: the lead's own fields in normal form, and what follows from them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from engine.records import LEAD_FIELDS
from engine_enrichers.declared.provider import InputSet, Provider
from engine_enrichers.offline.contacts import is_email, normal_domain, normal_email, normal_phone, normal_url
from engine_enrichers.offline.domains import website_domain
from engine_enrichers.offline.places import country_code

Lead = Mapping[str, Any]

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_SLUG = re.compile(r"[^\s/?#\x00-\x1f]+")


def choose(provider: Provider, lead: Lead) -> Chosen | None:
    """The first set of inputs that the lead has complete, and what is sent beside it; None if no set is complete."""
    for candidate in provider.inputs:
        values = {name: value_of(name, lead) for name in candidate.inputs}
        if all(values.values()):
            beside = {name: value_of(name, lead) for name in provider.also if name not in values}
            return Chosen(candidate, {name: value for name, value in {**beside, **values}.items() if value})
    return None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The set that a lead is asked about with, and its inputs by name, those that are sent beside it among them."""

    set: InputSet
    values: Mapping[str, str]


def value_of(name: str, lead: Lead) -> str:
    """One input of a lead; empty where the lead has none, or what it has is not of the kind."""
    derive = _DERIVED.get(name)
    return derive(lead) if derive else _text(lead, name)


def _text(lead: Lead, name: str) -> str:
    value = lead.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join(str(value).split())


def _full_name(lead: Lead) -> str:
    given = _text(lead, "full_name")
    first, last = _text(lead, "first_name"), _text(lead, "last_name")
    return given or (f"{first} {last}" if first and last else "")


def _email(lead: Lead) -> str:
    address = normal_email(_text(lead, "email"))
    return address if is_email(address) else ""


def _email_domain(lead: Lead) -> str:
    return _email(lead).rpartition("@")[2]


def _email_digest(algorithm: str) -> Callable[[Lead], str]:
    def digest(lead: Lead) -> str:
        address = _email(lead)
        return hashlib.new(algorithm, address.encode(), usedforsecurity=False).hexdigest() if address else ""

    return digest


def _company_domain(lead: Lead) -> str:
    """The company's own domain: captured, else of its website, else of the person's address."""
    for host in (_text(lead, "company_domain"), _text(lead, "website"), _email_domain(lead)):
        if host and (domain := website_domain(normal_domain(host))):
            return domain
    return ""


def _linkedin_slug(lead: Lead) -> str:
    """The name of a public profile; the longer pages under /pub/ do not give it."""
    try:
        parts = urlsplit(normal_url(_text(lead, "linkedin_url"), keep_query=False))
    except ValueError:
        return ""
    host = parts.hostname or ""
    if host != "linkedin.com" and not host.endswith(".linkedin.com"):
        return ""
    path = [part for part in parts.path.split("/") if part]
    if len(path) < 2 or path[0].lower() not in ("in", "pub") or (path[0].lower() == "pub" and len(path) > 2):
        return ""
    slug = unquote(path[1])
    return slug if _SLUG.fullmatch(slug) else ""


def _linkedin_url(lead: Lead) -> str:
    slug = _linkedin_slug(lead)
    return f"https://www.linkedin.com/in/{quote(slug, safe='')}" if slug else ""


def _phone(name: str) -> Callable[[Lead], str]:
    def number(lead: Lead) -> str:
        text = _text(lead, name)
        normal = normal_phone(text, region_of(lead)).partition(" x")[0] if text else ""
        return normal if _E164.fullmatch(normal) else ""

    return number


def region_of(lead: Lead) -> str | None:
    """The country (ISO 3166 alpha-2) of a lead, for numbers without a country prefix; None where it is not known."""
    for name in ("country_code", "country"):
        if code := country_code(_text(lead, name)):
            return code
    return None


_DERIVED: Mapping[str, Callable[[Lead], str]] = {
    "full_name": _full_name,
    "email": _email,
    "email_domain": _email_domain,
    "email_sha256": _email_digest("sha256"),
    "email_md5": _email_digest("md5"),
    "company_domain": _company_domain,
    "linkedin_slug": _linkedin_slug,
    "linkedin_url": _linkedin_url,
    "phone": _phone("phone"),
    "mobile_phone": _phone("mobile_phone"),
    "company_phone": _phone("company_phone"),
}

#: Everything that a provider file may name as an input.
INPUTS: frozenset[str] = frozenset({*LEAD_FIELDS, *_DERIVED})
