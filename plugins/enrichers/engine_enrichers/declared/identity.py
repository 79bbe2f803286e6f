"""Tells an answer that is about somebody else than the lead."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from engine_enrichers.declared.inputs import choose
from engine_enrichers.declared.provider import Provider
from engine_enrichers.offline.contacts import normal_domain
from engine_enrichers.offline.domains import registrable

_WORD = re.compile(r"[^\W\d_]+")
_HOST = re.compile(r"[^\s/@]+\.[^\s/@.]+")
#: Letters that Unicode does not take apart into a base letter and an accent.
_PLAIN_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})
#: Two names that share this much are spellings of one (`Smyth` and `Smith`: 0.8).
_SAME_NAME = 0.75


def about(provider: Provider, body: Any) -> dict[str, Any]:
    """Whom the answer says that it is about: texts, and lists of them, by the names that the file has for them."""
    found: dict[str, Any] = {}
    for name, query in provider.identity.items():
        value = query.of(body)
        if isinstance(value, list):
            value = [each for each in value if isinstance(each, str) and each]
        if isinstance(value, str | list) and value:
            found[name] = value
    return found


def contradiction(provider: Provider, lead: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """Why an answer is about somebody else than the lead, or an empty text. `told`: what `about` read in it.

    Compares last names, by full name where the answer has no last name of its own; addresses where the lead was asked
    about by its address; registered domains where the company's was sent. Accents, order, double names and small
    differences of spelling are no difference, and names in different scripts cannot be told apart.
    """
    ours = _words(lead.get("last_name")) or _words(lead.get("full_name"))
    for name in ("last_name", "full_name"):
        theirs = _words(told.get(name))
        if ours and theirs:
            if not _alike(ours, theirs):
                return "the answer is about a person of another name"
            break
    chosen = choose(provider, lead)
    if chosen is None:
        return ""
    email = chosen.values.get("email", "") if "email" in chosen.set.inputs else ""
    addresses = [each.strip().casefold() for each in _list(told.get("email")) if "@" in each and "*" not in each]
    if email and addresses and email.casefold() not in addresses:
        return "the answer is about another email address"
    domain = chosen.values.get("company_domain", "")
    domains = {registrable(host) for each in _list(told.get("domain")) if _HOST.fullmatch(host := normal_domain(each))}
    if domain and domains and registrable(domain) not in domains:
        return "the answer is about a company with another domain"
    return ""


def _list(value: Any) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


def _words(name: Any) -> list[str]:
    """A name's words in small letters without accents."""
    name = next(iter(name), "") if isinstance(name, list) else name
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
