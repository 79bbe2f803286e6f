"""What the values of a column are: addresses, phone numbers, dates, answers to a question, free text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from engine.casts import EMAIL
from engine.filters import fold

Kind = Literal[
    "empty", "email", "linkedin", "url", "datetime", "date", "yes_no", "salutation", "country", "phone", "postal",
    "integer", "decimal", "code", "long", "person", "text",
]  # fmt: skip
#: Tells whether a text is the name or the code of a country.
IsCountry = Callable[[str], bool]

_YES = frozenset({
    "yes", "y", "true", "1", "on", "x", "ja", "j", "oui", "o", "si", "sí", "sim", "s", "tak", "kyllä",
})  # fmt: skip
_NO = frozenset({
    "no", "n", "false", "0", "off", "nein", "non", "nei", "nej", "nee", "não", "nao", "nie", "ei",
})  # fmt: skip
_SALUTATIONS = frozenset({
    "mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "herr", "frau", "hr", "fr", "m", "mme", "mlle",
    "monsieur", "madame", "sr", "sra", "srta", "señor", "señora", "dhr", "mevr", "mw", "fru", "sig", "sig.ra",
    "dott", "ing",
})  # fmt: skip
_URL = re.compile(r"(?:https?://|www\.)\S+|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}(?:/\S*)?", re.IGNORECASE)
_LINKEDIN = re.compile(r"(?:https?://)?(?:[a-z]{2,3}\.)?linkedin\.com/\S*", re.IGNORECASE)
#: Written with signs between the digits, and not a range of numbers such as 1001-5000.
_PHONE = re.compile(
    r"(?=.*[+(\s./-])(?=[+(0]|(?:\D*\d){9})[+(]?\d[\d\s()./-]{5,24}\d(?:\s*(?:x|ext\.?)\s*\d{1,6})?", re.IGNORECASE
)
_POSTAL = re.compile(
    r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d|\d{4} ?[A-Z]{2}|\d{5}-\d{4}", re.IGNORECASE
)
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_DECIMAL = re.compile(r"[+-]?\d{1,15}[.]\d{1,9}")
_CODE = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9_-]{3,39}")
#: Two to four words that begin with a capital, or with a letter of a script that has none.
_WORD = r"(?![a-zß-ÿ])[^\W\d_]+(?:['’.-][^\W\d_]+)*\.?"
_PERSON = re.compile(rf"{_WORD}(?:,? {_WORD}){{1,3}}")
#: How dates are written where it is not as in ISO 8601, and what follows of the time of the day.
_DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y")
_TIMES = (" %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_MOSTLY = 0.8
_MOST_ANSWERS = 15


@dataclass(frozen=True, slots=True)
class Content:
    """What a column holds.

    share: of the filled cells, how many are of the kind, 0 to 1. answers: the different values where they are a small
    set, the most frequent first, or the parts of those between `separator`. forms: how dates may be written, empty for
    ISO 8601. longest: characters of the longest value. examples: a few values, for people alone.
    """

    kind: Kind = "empty"
    share: float = 0.0
    filled: int = 0
    answers: tuple[str, ...] = ()
    separator: str = ""
    forms: tuple[str, ...] = ()
    longest: int = 0
    examples: tuple[str, ...] = ()


def is_yes(value: str) -> bool:
    return fold(value) in _YES


def yes_or_no(answers: Sequence[str]) -> bool:
    """Whether answers are yes and no, or one of the two, in a language that is known here."""
    return bool(answers) and all(fold(answer) in _YES | _NO for answer in answers)


def content(cells: Sequence[str], is_country: IsCountry) -> Content:
    """Say what a column holds, from its first few hundred cells."""
    values = [stripped for cell in cells if (stripped := cell.strip())]
    if not values:
        return Content()
    counts = Counter(values)
    answers, separator = _answers(values, counts)
    kind, share, forms = _kind(values, counts, is_country)
    if answers and (kind == "code" or (kind == "person" and not _people(answers)) or (kind == "long" and separator)):
        kind = "text"
    choice = kind in ("text", "yes_no", "integer")
    return Content(
        kind, share, len(values), answers if choice else (), separator if choice else "", forms,
        longest=max(map(len, values)), examples=tuple(list(counts)[:3]),
    )  # fmt: skip


def _people(answers: Sequence[str]) -> bool:
    """Whether a small set of values may be people, whose names are not to be written into a spec.

    Answers to a question tend to share words (Hot lead, Cold lead); names of colleagues do not.
    """
    words = Counter(word for answer in answers for word in {*fold(answer).split()})
    return max(words.values()) == 1


def _kind(
    values: Sequence[str], counts: Mapping[str, int], is_country: IsCountry
) -> tuple[Kind, float, tuple[str, ...]]:
    """The kind of most values, the share of it, and the forms of dates."""
    if yes_or_no(list(counts)) and not all(_INTEGER.fullmatch(value) for value in counts):
        return "yes_no", 1.0, ()
    if _share(values, lambda value: "@" in value[1:]) >= 0.5:
        return "email", _share(values, _whole(EMAIL)), ()
    tests: Sequence[tuple[Kind, Callable[[str], bool]]] = (
        ("linkedin", _whole(_LINKEDIN)),
        ("url", _whole(_URL)),
        ("salutation", lambda value: fold(value).rstrip(".") in _SALUTATIONS),
        ("country", is_country),
    )
    for kind, test in tests:
        if (share := _share(values, test)) >= _MOSTLY:
            return kind, share, ()
    if found := _dates(list(counts)):
        return found
    numbers: Sequence[tuple[Kind, re.Pattern[str]]] = (("integer", _INTEGER), ("decimal", _DECIMAL))
    for kind, pattern in numbers:
        if (share := _share(values, _whole(pattern))) >= _MOSTLY:
            return kind, share, ()
    if (share := _share(values, _whole(_PHONE))) >= 0.5:
        return "phone", share, ()
    if (share := _share(values, _whole(_POSTAL))) >= _MOSTLY:
        return "postal", share, ()
    if sum(map(len, values)) / len(values) > 40 or any("\n" in value for value in values):
        return "long", 1.0, ()
    if (share := _share(values, _whole(_CODE))) >= 0.9:
        return "code", share, ()
    if (share := _share(values, _whole(_PERSON))) >= _MOSTLY:
        return "person", share, ()
    return "text", 1.0, ()


def _whole(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.fullmatch(value) is not None


def _share(values: Sequence[str], test: Callable[[str], bool]) -> float:
    return sum(map(test, values)) / len(values)


def _dates(values: Sequence[str]) -> tuple[Kind, float, tuple[str, ...]] | None:
    """The kind and the forms where all but a few values are dates; several forms where these cannot be told apart."""
    iso = [value for value in values if _iso(value)]
    if len(iso) >= len(values) * _MOSTLY:
        timed = any(len(value) > 10 for value in iso)
        return "datetime" if timed else "date", len(iso) / len(values), ()
    written: Sequence[tuple[Kind, Sequence[str]]] = (("date", ("",)), ("datetime", _TIMES))
    for kind, endings in written:
        forms = [form + ending for form in _DATES for ending in endings]
        fitting = [form for form in forms if all(_written(value, form) for value in values)]
        if fitting:
            return kind, 1.0, tuple(fitting)
    return None


def _iso(value: str) -> bool:
    if len(value) < 10 or value[4] != "-":
        return False
    try:
        return datetime.fromisoformat(value) is not None
    except ValueError:
        return False


def _written(value: str, form: str) -> bool:
    try:
        return datetime.strptime(value, form) is not None
    except ValueError:
        return False


def _answers(values: Sequence[str], counts: Counter[str]) -> tuple[tuple[str, ...], str]:
    """The answers where the values are a small set, and what stands between several; nothing where they are not."""
    for separator in (";", "|"):
        several = sum(separator in value for value in values)
        parts = [part for value in values for each in value.split(separator) if (part := each.strip())]
        if several >= max(2, len(values) * 0.1) and _few(Counter(parts)):
            return tuple(part for part, _ in Counter(parts).most_common()), separator
    return (tuple(value for value, _ in counts.most_common()), "") if _few(counts) else ((), "")


def _few(counts: Counter[str]) -> bool:
    """Whether there are few different values, which recur."""
    total, different = counts.total(), len(counts)
    recurring = sum(count > 1 for count in counts.values())
    return (
        total >= 4
        and different <= min(_MOST_ANSWERS, total / 2)
        and recurring >= different / 2
        and max(map(len, counts)) <= 60
    )
