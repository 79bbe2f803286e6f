"""Repairs of free text and of people's names: pure functions of text, each idempotent, none of which raises.

Text that is plain ASCII with single spaces, and a name that is already capitalised, are recognised by one regular
expression and returned as they are: that is nearly every value of a real export.
"""

from __future__ import annotations

import re
import unicodedata

_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")
_PLAIN_LINES = re.compile(r"[!-~]+(?:[ \n][!-~]+)*")
_SPACES = re.compile(r"\s+")
_SPACES_IN_LINE = re.compile(r"[^\S\n]+")
_LINE_BREAKS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACED_BREAK = re.compile(r" *\n *")
#: Controls, soft hyphen, zero-width characters and marks of writing direction.
_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
#: Joiners mean something between letters of other scripts (Persian, Hindi) and in emoji, never beside Latin.
_JOINER_BY_LATIN = re.compile(r"(?<![^\x00-\u024f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\u024f])")

_TO_BYTE = {bytes([byte]).decode("cp1252", "replace"): byte for byte in range(256)} | {
    chr(byte): byte for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}
#: First characters of misread UTF-8 whose result is Latin, Greek, Cyrillic or of three bytes and more. The others
#: (`É®` would be a phonetic letter) also occur in sound text.
_MISREAD = re.compile(r"[ÂÃÄÅÎÏÐÑâ-ïð][^\x00-\x7f]")

_NAME = re.compile(r"[A-Z][a-z]+(?:[ '-][A-Z][a-z]+)*")
_NAME_PART = re.compile(r"[^\s'’-]+|[\s'’-]+")
_ROMAN = frozenset({"ii", "iii", "iv", "vi", "vii", "viii"})
_PARTICLES = frozenset(
    ("van", "von", "der", "den", "dem", "zu", "zum", "zur", "ten", "ter", "de", "da", "das", "do", "dos", "du", "del",
     "y", "bin", "ibn")
)  # fmt: skip
_AFTER_DE = frozenset({"la", "las", "los"})
_VOWELS = frozenset("aeiouy")


def clean(text: str) -> str:
    """One line without invisible characters, space runs and misread UTF-8, in composed form (NFC)."""
    if _PLAIN.fullmatch(text):
        return text
    return _settle(text, lines=False)


def clean_lines(text: str) -> str:
    """As `clean`, for notes and addresses: line breaks stay, as `\\n`."""
    if _PLAIN_LINES.fullmatch(text):
        return text
    return _settle(text, lines=True)


def _settle(text: str, *, lines: bool) -> str:
    # One repair can uncover the next (text misread twice), so it goes on until nothing changes.
    while True:
        repaired = _INVISIBLE.sub("", _JOINER_BY_LATIN.sub("", repair_encoding(_LINE_BREAKS.sub("\n", text))))
        if lines:
            repaired = _SPACED_BREAK.sub("\n", _SPACES_IN_LINE.sub(" ", repaired)).strip()
        else:
            repaired = _SPACES.sub(" ", repaired).strip()
        repaired = unicodedata.normalize("NFC", repaired)
        if repaired == text:
            return text
        text = repaired


def repair_encoding(text: str) -> str:
    """Undo UTF-8 that was read as Windows-1252 (`JosÃ©` is `José`), if the whole text can be undone."""
    if not _MISREAD.search(text):
        return text
    try:
        return bytes([_TO_BYTE[character] for character in text]).decode("utf-8")
    except (KeyError, UnicodeDecodeError):
        return text


def clean_name(text: str) -> str:
    """As `clean`, and capitalised by `name_case`."""
    cleaned = clean(text)
    cased = name_case(cleaned)
    # A capital can make sound text look misread (`î¡`, `Î¡`); such a name keeps its case.
    return cased if clean(cased) == cased else cleaned


def name_case(name: str) -> str:
    """Capitalise a name that is all capitals or all small letters; a name of mixed case is somebody's choice.

    Particles before the last word become small (`VAN DER BERG` is `van der Berg`); initials such as `TJ` or `J.R.`
    and Roman numerals stay capitals.
    """
    if _NAME.fullmatch(name):
        return name
    lowered, uppered = name.lower(), name.upper()
    if lowered == uppered or name not in (lowered, uppered):
        return name
    words = name.split(" ")
    cased = " ".join(_word(word, index, words) for index, word in enumerate(words))
    return unicodedata.normalize("NFC", cased)


def _word(word: str, index: int, words: list[str]) -> str:
    low = word.lower()
    last = index == len(words) - 1
    if not last and (low in _PARTICLES or (low in _AFTER_DE and index > 0 and words[index - 1].lower() == "de")):
        return low
    if index > 0 and low in _ROMAN:
        return low.upper()
    if word == word.upper() and _is_initials(low):
        return word
    parts = _NAME_PART.findall(word)
    return "".join(_part(part, after=parts[place - 1] if place else "") for place, part in enumerate(parts))


def _is_initials(low: str) -> bool:
    if "." in low:
        return all(len(piece) <= 1 for piece in low.split("."))
    return len(low) == 2 and low.isalpha() and (low[1] == "j" or not _VOWELS & set(low)) and low.isascii()


def _part(part: str, *, after: str) -> str:
    low = part.lower().replace("i\u0307", "i")  # Turkish İ
    if after in ("'", "’") and len(low) == 1:
        return low
    if low.startswith("mc") and len(low) > 3:
        return "Mc" + low[2].title() + low[3:]
    return (part[:1] if part.startswith("İ") else low[:1].title()) + low[1:]
