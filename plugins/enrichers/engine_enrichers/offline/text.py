"""Repairs of free text: pure functions of text, each idempotent, none of which raises.

Text that is plain ASCII with single spaces is recognised by one regular expression and returned as it is: that is
nearly every value of a real export.
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
