"""Reads a declared provider's answer: what kind it is, who it is about, what it says and what it cost."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC
from difflib import SequenceMatcher
from email.utils import parsedate_to_datetime
from typing import Any

from engine.adapters import Finding
from engine.http import Reply
from engine_enrichers.contacts import is_email
from engine_enrichers.provider_files import Extraction, OutcomeName, Provider

_DEFAULT_OUTCOMES: Mapping[int, OutcomeName] = {
    204: "miss",
    401: "auth",
    402: "quota",
    403: "auth",
    429: "throttled",
    451: "suppressed",
}
_WORD = re.compile(r"[^\W\d_]+")
#: Letters that Unicode does not take apart into a base letter and an accent.
_PLAIN_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})
#: Two names that share this much are spellings of one (`Smyth` and `Smith`: 0.8).
_SAME_NAME = 0.75
_CONTACTS = frozenset({"email", "phone", "mobile_phone"})


def classify(provider: Provider, status: int, body: Any) -> OutcomeName:
    """The outcome by the file's rules, then by what statuses mean everywhere."""
    for rule in provider.rules:
        if (not rule.statuses or status in rule.statuses) and (rule.when is None or rule.when.of(body)):
            return rule.outcome
    return _DEFAULT_OUTCOMES.get(status, "hit" if 200 <= status < 300 else "error")


def cost_of(provider: Provider, reply: Reply, *, hit: bool) -> float:
    """Credits charged: what the answer reports, otherwise the file's figure."""
    reported = reply.headers.get(provider.cost_header, "") if provider.cost_header else ""
    try:
        charged = float(reported)
    except ValueError:
        charged = math.nan
    if math.isfinite(charged) and charged >= 0:
        return charged
    return provider.hit_cost if hit else provider.miss_cost


def confidence_of(provider: Provider, body: Any) -> float:
    """The provider's own certainty from 0 to 1; 1 where it declares no score, 0 where the score is missing."""
    if provider.score is None:
        return 1.0
    score = provider.score.of(body)
    if isinstance(score, bool) or not isinstance(score, int | float):
        return 0.0
    return min(1.0, max(0.0, score / provider.scale))


def extract(provider: Provider, body: Any, wanted: Sequence[str], confidence: float) -> dict[str, Finding]:
    """The wanted values that the answer has, as text, without placeholders and addresses that are none."""
    found: dict[str, Finding] = {}
    for field, extraction in provider.extract.items():
        if field in wanted and (value := _value(provider, field, extraction, body)):
            found[field] = Finding(value, confidence)
    return found


def _value(provider: Provider, field: str, extraction: Extraction, body: Any) -> str:
    """The value as text; empty for everything that stands for nothing."""
    raw = extraction.query.of(body)
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return ""
    text = str(raw).strip().strip(extraction.strip or None)
    if not text or text.casefold() in provider.placeholders or _is_masked(field, text):
        return ""
    if field == "email" and not is_email(text.lower()):
        return ""
    needs_prefix = extraction.prefix and not text.lower().startswith(extraction.prefix.lower())
    return extraction.prefix + text if needs_prefix and "://" not in text else text


def _is_masked(field: str, text: str) -> bool:
    """A contact with any star in it is masked; elsewhere one star can be a name's own (`E*Trade`)."""
    return "*" in text if field in _CONTACTS else "**" in text or not text.strip("*")


def other_person(provider: Provider, body: Any, lead: Mapping[str, Any]) -> str:
    """Why the answer is about somebody else, or an empty text.

    Compares last names, by full name where the answer has no last name of its own. Accents, order, double names and
    small differences of spelling are no difference, and names in different scripts cannot be told apart.
    """
    ours = _words(lead.get("last_name"))
    for query in (provider.last_name, provider.full_name):
        theirs = _words(query.of(body)) if query else []
        if ours and theirs:
            return "" if _alike(ours, theirs) else "the answer is about a person of another name"
    return ""


def _words(name: Any) -> list[str]:
    """A name's words in small letters without accents."""
    if not isinstance(name, str) or "*" in name:
        return []
    bare = unicodedata.normalize("NFKD", name.casefold().translate(_PLAIN_LETTERS).replace("'", "").replace("’", ""))
    return _WORD.findall("".join(letter for letter in bare if not unicodedata.combining(letter)))


def _alike(ours: list[str], theirs: list[str]) -> bool:
    if _is_latin(ours) != _is_latin(theirs):
        return True
    if len("".join(ours)) == 1 or len("".join(theirs)) == 1:  # an initial
        return ours[0][0] == theirs[0][0]
    candidates = [(one, other) for one in ours for other in theirs if min(len(one), len(other)) > 1]
    candidates.append(("".join(ours), "".join(theirs)))
    return any(SequenceMatcher(None, one, other).ratio() >= _SAME_NAME for one, other in candidates)


def _is_latin(words: list[str]) -> bool:
    return "".join(words).isascii()


def wait_of(reply: Reply, now: float) -> float:
    """Seconds to wait before asking again: `Retry-After` as seconds or date, else 5; between 1 and 3600."""
    given = reply.headers.get("retry-after", "")
    try:
        wait = float(given)
    except ValueError:
        wait = _seconds_until(given, now)
    return min(3600.0, max(1.0, wait)) if math.isfinite(wait) else 5.0


def _seconds_until(date: str, now: float) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return 5.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
