"""What all filters share: values as text, the bounds of results, and the error for arguments that make no sense."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

#: No expression makes a text longer than this many characters, …
MAX_TEXT = 100_000
#: … a list with more items, …
MAX_ITEMS = 10_000
#: … or a number with more digits.
MAX_DIGITS = 100
#: Normal forms are made in pieces of so many characters: a long run of accents costs the square of its length.
_PIECE = 1_000


class ArgumentError(ValueError):
    """A filter is given arguments that it takes for no value at all: `engine check` says so where they are constants.

    A filter that raises this must do so for an empty value, too.
    """


def text(value: Any) -> str:
    """Write a value as text: numbers plainly, true and false in lower case, a list joined by `;`."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ";".join(text(item) for item in value)
    return str(value)


def plain(value: Any) -> str:
    """Write a value as text: numbers plainly, true and false in lower case, a list joined by `;`."""
    if isinstance(value, str):
        return value
    return joined(value, ";") if isinstance(value, (list, tuple)) else text(value)


def joined(items: Sequence[Any], separator: str) -> str:
    """The items as one text. Raises ValueError, before it is made, where that is too long."""
    texts = [plain(item) for item in items]
    if sum(map(len, texts)) + len(separator) * (len(texts) - 1) > MAX_TEXT:
        raise too_long()
    return separator.join(texts)


def too_long() -> ValueError:
    """The error for a text that an expression may not make."""
    return ValueError(f"the result is longer than {MAX_TEXT} characters")


def too_many() -> ValueError:
    """The error for a list that an expression may not make."""
    return ValueError(f"the list has more than {MAX_ITEMS} items")


def bounded(value: str) -> str:
    """Return `value`; raises ValueError where it is longer than an expression may make it."""
    if len(value) > MAX_TEXT:
        raise too_long()
    return value


def grown(value: str, source: str) -> str:
    """Return `value`, made of `source`; raises ValueError where it has become longer than it may."""
    if len(value) > MAX_TEXT and len(value) > len(source):
        raise too_long()
    return value


def is_empty(value: Any) -> bool:
    """Whether a value counts as empty; 0 and false do not."""
    return value is None or value in ("", [])


def fold(value: str) -> str:
    """A text reduced to what identity and events are compared by: compatibility forms, case and white space folded."""
    if not value.isascii():
        if len(value) <= _PIECE:
            value = unicodedata.normalize("NFKC", value)
        else:
            pieces = (value[start : start + _PIECE] for start in range(0, len(value), _PIECE))
            value = "".join(unicodedata.normalize("NFKC", piece) for piece in pieces)
    return " ".join(value.casefold().split())


def whole(value: Any, name: str, least: int, most: int) -> int:
    """An argument that is a whole number from `least` to `most`. Raises ArgumentError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentError(f"{name} is a whole number, not {shown(value)}")
    if not least <= value <= most:
        raise ArgumentError(f"{name} is between {least} and {most}")
    return value


def words(value: Any, name: str) -> str:
    """An argument that is a text with something in it. Raises ArgumentError."""
    if not isinstance(value, str):
        raise ArgumentError(f"{name} is a text, not {shown(value)}")
    if not value:
        raise ArgumentError(f"{name} is empty")
    return value


def shown(value: Any) -> str:
    """A value in a message: in quotes where it is a text, and never long."""
    found = repr(value if isinstance(value, (int, float)) else plain(value)[:60])
    return found if len(found) <= 60 else f"{found[:57]}…'"
