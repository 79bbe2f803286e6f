"""Splits a person's whole name into its parts, or says that it cannot be split without guessing.

The order of the parts is known where a comma, capitals (`LOVELACE Ada`), the script or a patronymic shows it, or where
it is usual in the lead's country. nameparser does the splitting; it is imported by the first name that needs it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from engine_enrichers.offline.casing import clean_name, name_case
from engine_enrichers.offline.places import fold
from engine_enrichers.offline.text import clean

if TYPE_CHECKING:
    from nameparser import ParsedName, Parser

Order = Literal["detect", "given_first", "family_first"]

#: Not one person's name: an address, a number, two people, a name with a remark.
_NOT_A_NAME = re.compile(r"[@\d/&+|:;_*#<>=]|\s[-–—]\s|\s(?:and|AND|And|und|UND|et|y|e|i|en)\s|^M\.?\s")
_PLAIN = re.compile(r"[A-Z][a-z]{2,} [A-Z][a-z]{2,}")
_HAN = "\u3005\u3006\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_EAST_ASIAN = re.compile(f"[{_HAN}\u3040-\u30ff\uff65-\uff9f\uac00-\ud7a3]")
_KATAKANA = re.compile(r"[\u30a0-\u30ff\uff65-\uff9f\s]+")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_RUSSIAN_SURNAME = re.compile(r"(?:[оеё]в|[иы]н|ский|цкий|[оеё]ва|[иы]на|ская|цкая|енко|чук)$", re.IGNORECASE)
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
#: Where names are written in either order when they are written in Latin letters.
_EITHER_ORDER = frozenset({"CN", "HK", "HU", "JP", "KH", "KR", "MO", "SG", "TW", "VN"})
_TWO_SURNAMES = frozenset(
    ("AR", "BO", "CL", "CO", "CR", "CU", "DO", "EC", "ES", "GT", "HN", "MX", "NI", "PA", "PE", "PR", "PY", "SV", "UY",
     "VE")
)  # fmt: skip
_VIETNAMESE = frozenset(
    ("nguyễn", "trần", "lê", "phạm", "huỳnh", "hoàng", "vũ", "võ", "đặng", "bùi", "đỗ", "hồ", "ngô", "dương", "lý")
)
_THAI_TITLES = ("นาย", "นาง", "นางสาว", "ดร", "คุณ")
_TITLE = re.compile(
    r"(?:(?:mr|mrs|ms|miss|mx|dr|prof|professor|doctor|sir|rev|herr|hr|frau|fr|mme|mlle|madame|monsieur|sr|sra|srta"
    r"|señor|señora|dott|dott\.ssa|dottssa|sig|sigra|ing|dipl\.?-ing|drs|ir|mgr|mudr|judr|phdr|rndr|lic|mag"
    r"|г-н|г-жа|д-р|проф|κ|κα|δρ|นาย|นาง|นางสาว)(?:\.\s*|\s+))+",
    re.IGNORECASE,
)
_SUFFIX = re.compile(
    r"(?:(?:,\s*|\s+)(?:jr|sr|ii|iii|iv|ph\.?\s?d|d\.?phil|m\.?d|esq|mba|cpa|cfa|pmp|dds|llm|m\.?sc|b\.?sc)\.?)+$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class NameParts:
    """The parts of a name; empty where it has none. `confidence`: how sure the split is, 0 to 1."""

    first_name: str = ""
    middle_name: str = ""
    last_name: str = ""
    salutation: str = ""
    name_suffix: str = ""
    confidence: float = 1.0


def split(full_name: str, order: Order = "detect", country: str | None = None) -> NameParts | None:
    """The parts of a whole name, in proper case; None where it is one word, no name, or could be split in two ways.

    `country`: ISO 3166 alpha-2 code of the person's country, None where it is not known.
    """
    name = clean(full_name)
    if not name or _NOT_A_NAME.search(name) or name.count(" ") > 7:
        return None
    if _EAST_ASIAN.search(name):
        return _east_asian(name, order)
    capital = _capital_surname(name)
    name = clean_name(name, country, whole="," not in name)
    if capital:
        order = "family_first" if capital == "front" else "given_first"
    elif "," not in name:
        found = _usual_order(name, order, country)
        if found is None:
            return None
        order = found
    if order == "given_first" and _PLAIN.fullmatch(name) and _vocabulary().isdisjoint(name.lower().split(" ")):
        first, last = name.split(" ")
        return NameParts(first, last_name=last)
    spanish = country in _TWO_SURNAMES and "," not in name
    vietnamese = country == "VN" or fold(name.split(" ")[0]) in _vietnamese_surnames()
    parser = _parser(order, cyrillic=bool(_CYRILLIC.search(name)), spanish=spanish, vietnamese=vietnamese)
    return _parts(name, parser, country, spanish=spanish)


def leading_title(name: str) -> tuple[str, str]:
    """Titles at the front of a given or family name, and what follows them: `Dr. Ada` is `Dr.` and `Ada`."""
    found = _TITLE.match(name)
    rest = name[found.end() :] if found else ""
    return (found[0].strip(), rest) if found and any(map(str.isalpha, rest)) else ("", name)


def trailing_suffix(name: str) -> tuple[str, str]:
    """What is before the degrees and generations at the end of a family name, and these: `King`, `Jr.`"""
    found = _SUFFIX.search(name)
    return (name[: found.start()], found[0].lstrip(", ")) if found and found.start() else (name, "")


def joined(first: str, middle: str, last: str, suffix: str, country: str | None) -> str:
    """The whole name from its parts, in the order that its script is read in."""
    if _EAST_ASIAN.search(first) and _EAST_ASIAN.search(last):
        kana = _KATAKANA.fullmatch(first) and _KATAKANA.fullmatch(last)
        if kana:
            return f"{first}・{last}" if country not in ("JP", None) else f"{last} {first}"
        korean = "\uac00" <= last[0] <= "\ud7a3"
        return f"{last}{first}" if korean or country in ("CN", "TW", "HK", "MO", "SG") else f"{last} {first}"
    family_first = country == "HU" or (country == "VN" and last.lower() in _VIETNAMESE)
    words = [last, middle, first] if family_first else [first, middle, last]
    return " ".join(word for word in [*words, suffix] if word)


def same_name(one: str, other: str) -> bool:
    """Whether two spellings are of one name: case, accents and punctuation do not matter."""
    return fold(one) == fold(other)


def _capital_surname(name: str) -> str:
    """Where the words in capitals stand, `front` or `back`, if they are a surname beside a given name."""
    words = name.split(" ")
    shouted = [len(word) > 2 and word.isalpha() and word.isupper() and bool(_LATIN.match(word)) for word in words]
    count = sum(shouted)
    if "," in name or not count or any(word.isupper() and word.lower() in _vocabulary() for word in words):
        return ""
    if shouted[:count] == [True] * count and any(map(str.islower, name)) and _given(words[count:]):
        return "front"
    return "back" if shouted[-count:] == [True] * count and _given(words[:-count]) else ""


def _given(words: list[str]) -> bool:
    return bool(words) and all(word[:1].isupper() and word[1:].islower() for word in words)


def _usual_order(name: str, order: Order, country: str | None) -> Order | None:
    """The order of a name without a comma; None where it is not known."""
    if order != "detect":
        return order
    words = name.split(" ")
    if words[0].lower() in _VIETNAMESE:
        return "family_first"
    if country in _EITHER_ORDER and _LATIN.search(name):
        return None
    if country in _TWO_SURNAMES and len([word for word in words if word[:1].isupper()]) == 3:
        return None  # two given names and a surname, or one and two
    if len(words) == 2 and _RUSSIAN_SURNAME.search(words[0]) and not _RUSSIAN_SURNAME.search(words[1]):
        return None
    return "given_first"


def _east_asian(name: str, order: Order) -> NameParts | None:
    if _LATIN.search(name):
        return None
    if _KATAKANA.fullmatch(name):
        pieces = name.split("・")
        if len(pieces) == 2:
            return NameParts(pieces[0].strip(), last_name=pieces[1].strip())  # a foreign name in its own order
        pieces = name.split(" ")
        if len(pieces) != 2 or order == "detect":
            return None
        first, last = reversed(pieces) if order == "family_first" else pieces
        return NameParts(first, last_name=last)
    parsed = _parser("given_first").parse(name)
    if not parsed.given or not parsed.family or parsed.middle or parsed.ambiguities:
        return None
    # A Korean name without a space is split by its syllables: nearly always right.
    return NameParts(
        parsed.given, last_name=parsed.family, name_suffix=parsed.suffix, confidence=1.0 if " " in name else 0.9
    )


def _parts(name: str, parser: Parser, country: str | None, *, spanish: bool) -> NameParts | None:
    parsed = parser.parse(name)
    title = parsed.title if name.startswith(parsed.title) else ""
    if not parsed.given or not parsed.family or (spanish and len(parsed.middle.split()) > 1):
        return NameParts(salutation=title, name_suffix=parsed.suffix) if title else None
    return NameParts(
        first_name=_cased(parsed.given, country),
        middle_name=_cased(parsed.middle, country),
        last_name=_cased(parsed.family, country),
        salutation=title,
        name_suffix=parsed.suffix,
        confidence=_confidence(parsed),
    )


def _confidence(parsed: ParsedName) -> float:
    if parsed.ambiguities:
        return 0.7
    initials = all(len(word.rstrip(".")) == 1 for word in parsed.middle.split())
    return 1.0 if initials else 0.8  # a middle word may belong to either neighbour


def _cased(part: str, country: str | None) -> str:
    return name_case(part, country) if len(part) > 2 else part


@lru_cache(maxsize=16)
def _parser(order: Order, *, cyrillic: bool = False, spanish: bool = False, vietnamese: bool = False) -> Parser:
    from nameparser import FAMILY_FIRST, FAMILY_FIRST_GIVEN_LAST, Lexicon, Parser, PatronymicRule, Policy

    rules = frozenset({PatronymicRule.EAST_SLAVIC}) if cyrillic else frozenset[PatronymicRule]()
    if order == "family_first":
        policy = Policy(name_order=FAMILY_FIRST_GIVEN_LAST if vietnamese else FAMILY_FIRST, patronymic_rules=rules)
    else:
        policy = Policy(patronymic_rules=rules, two_family_names=spanish)
    lexicon = Lexicon.default().add(titles=_THAI_TITLES)
    if vietnamese:
        lexicon = lexicon.remove(particles=("van",), particles_ambiguous=("van",))  # Văn is a middle name
    return Parser(lexicon, policy)


@lru_cache(maxsize=1)
def _vietnamese_surnames() -> frozenset[str]:
    return frozenset(map(fold, _VIETNAMESE))


@lru_cache(maxsize=1)
def _vocabulary() -> frozenset[str]:
    """Words that are more than a part of a name to nameparser."""
    from nameparser import Lexicon

    known = Lexicon.default()
    return (
        known.titles | known.suffix_words | known.suffix_acronyms | known.suffix_acronyms_ambiguous | known.particles
        | known.conjunctions | known.bound_given_names | known.maiden_markers
    )  # fmt: skip
