"""Filters for text: case, white space, parts of it, comparison, length."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from engine.filters.base import (
    MAX_TEXT,
    ArgumentError,
    bounded,
    fold,
    grown,
    is_empty,
    plain,
    too_long,
    whole,
    words,
)

_WORD_START = re.compile(r"(?<![^-\s({\[<])\w")
#: More than any length that a text is cut at.
_ANY = 10**9
#: Latin letters that are no letter with an accent.
_LETTERS = {
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ħ": "h", "Ħ": "H", "ı": "i", "ŋ": "n", "Ŋ": "N",
}  # fmt: skip


def title(value: Any) -> str:
    """First letter of each word in upper case, the rest in lower: `ADA LOVELACE` becomes `Ada Lovelace`."""
    source = plain(value)
    return grown(_WORD_START.sub(lambda match: match[0].upper(), source.lower()), source)


def upper(value: Any) -> str:
    """All letters in upper case."""
    source = plain(value)
    return grown(source.upper(), source)


def lower(value: Any) -> str:
    """All letters in lower case."""
    source = plain(value)
    return grown(source.lower(), source)


def capitalize(value: Any) -> str:
    """The first letter in upper case, all others in lower."""
    source = plain(value)
    return grown(source.capitalize(), source)


def initials(value: Any) -> str:
    """The first letter of each word, in upper case."""
    firsts = (next(filter(str.isalnum, word), "") for word in plain(value).split())
    return bounded("".join(firsts).upper())


def without_accents(value: Any) -> str:
    """Latin letters without their accents: `Åse Müßig` becomes `Ase Mussig`. Other scripts stay as they are."""
    source = plain(value)
    if source.isascii():
        return source
    found: list[str] = []
    for character in source:
        bare = _bare(character)
        # A mark that stands by itself, or belongs to another script, is kept.
        if bare or not (found and found[-1].isascii() and found[-1].isalpha()):
            found.append(bare or character)
    return grown("".join(found), source)


@lru_cache(maxsize=4096)
def _bare(character: str) -> str:
    """A Latin letter without accents, nothing for an accent, and everything else as it is."""
    if unicodedata.combining(character):
        return ""
    base = _LETTERS.get(character) or unicodedata.normalize("NFD", character)[0]
    return base if base.isascii() and base.isalpha() else _LETTERS.get(base, character)


def trim(value: Any) -> str:
    """Without white space at both ends."""
    return plain(value).strip()


def squeeze(value: Any) -> str:
    """Without white space at both ends, and with one space for any white space in between."""
    return " ".join(plain(value).split())


def digits(value: Any) -> str:
    """Only the digits."""
    return "".join(character for character in plain(value) if character.isdecimal())


def replace(value: Any, old: str, new: str) -> str:
    """Every `old` replaced by `new`."""
    if not old:
        raise ArgumentError("replace needs something to look for")
    source, old, new = plain(value), words(old, "old"), plain(new)
    growth = source.count(old) * (len(new) - len(old))
    if growth > 0 and len(source) + growth > MAX_TEXT:
        raise too_long()
    return source.replace(old, new)


def truncate(value: Any, length: int, end: str = "") -> str:
    """At most `length` characters. With an `end` such as `…`, words stay whole and the end shows what was cut."""
    if length.__class__ is not int:
        whole(length, "length", -_ANY, _ANY)
    source = plain(value)
    if not end:
        return source[:length] if length > 0 else ""
    if len(words(end, "end")) > length:
        raise ArgumentError(f"the end is longer than the {length} characters of the length")
    if len(source) <= length:
        return source
    kept = source[: length - len(end)]
    if not source[len(kept)].isspace() and (cut := re.search(r"\s\S*\Z", kept[-200:])):
        kept = kept[: len(kept) - len(cut[0])]
    return kept.rstrip() + end


def truncate_bytes(value: Any, length: int) -> str:
    """At most `length` bytes of UTF-8, without half a character and without letters that lose their accents."""
    length = max(0, whole(length, "length", -_ANY, _ANY))
    source = plain(value)
    if len(source.encode()) <= length:
        return source
    kept = len(source.encode()[:length].decode(errors="ignore"))
    while kept and unicodedata.combining(source[kept]):
        kept -= 1
    return source[:kept]


def pad(value: Any, width: int, fill: str = "0") -> str:
    """At least `width` characters, with `fill` put in front: what a spreadsheet took from a postal code."""
    width, fill = whole(width, "width", 0, MAX_TEXT), words(fill, "fill")
    if len(fill) != 1:
        raise ArgumentError("fill is one character")
    return "" if is_empty(value) else plain(value).rjust(width, fill)


def before(value: Any, separator: str) -> str:
    """What stands before the first `separator`, trimmed; all of it where there is none."""
    return plain(value).partition(words(separator, "separator"))[0].strip()


def after(value: Any, separator: str) -> str:
    """What stands after the first `separator`, trimmed; nothing where there is none."""
    return plain(value).partition(words(separator, "separator"))[2].strip()


def contains(value: Any, part: str) -> Any:
    """Whether the text has this part, or the list this item, in capitals or not; an empty value stays empty."""
    part = fold(words(part, "part"))
    if is_empty(value):
        return ""
    if isinstance(value, (list, tuple)):
        return any(fold(plain(item)) == part for item in value)
    return part in fold(plain(value))


def starts_with(value: Any, part: str) -> Any:
    """Whether the text begins so, in capitals or not; an empty value stays empty."""
    part = fold(words(part, "part"))
    return "" if is_empty(value) else fold(plain(value)).startswith(part)


def ends_with(value: Any, part: str) -> Any:
    """Whether the text ends so, in capitals or not; an empty value stays empty."""
    part = fold(words(part, "part"))
    return "" if is_empty(value) else fold(plain(value)).endswith(part)


def length(value: Any) -> int:
    """The number of characters of a text, or of items of a list; 0 of an empty value."""
    return len(value) if isinstance(value, (list, tuple)) else len(plain(value))


def domain(value: Any) -> str:
    """The host of an email or web address, in small letters and without `www.`; nothing where there is none."""
    address = plain(value).strip().lower()
    if len(address) > MAX_TEXT:
        return ""
    host = re.split(r"[/?#]", address.partition("://")[2] or address, maxsplit=1)[0]
    host = re.sub(r":\d{0,5}\Z", "", host.rpartition("@")[2].rstrip(".> "))
    host = host.removeprefix("www.")
    labels = host.split(".")
    sound = all(label.replace("-", "").isalnum() and len(label) <= 63 for label in labels)
    return host if sound and len(labels) > 1 and len(host) <= 253 and not labels[-1].isdigit() else ""
