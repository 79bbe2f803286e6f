"""The closed list of filters for expressions. Each is pure, bounded, and takes an empty value without complaint."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

#: No expression makes a text longer than this many characters.
MAX_TEXT = 100_000

_WORD_START = re.compile(r"(^|[-\s({\[<]+)(\w)")


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


def fold(value: str) -> str:
    """A text reduced to what identity and events are compared by: compatibility forms, case and white space folded."""
    if not value.isascii():
        value = unicodedata.normalize("NFKC", value)
    return " ".join(value.casefold().split())


def bounded(value: str) -> str:
    """Return `value`; raises ValueError where it is longer than an expression may make it."""
    if len(value) > MAX_TEXT:
        raise ValueError(f"the result is longer than {MAX_TEXT} characters")
    return value


def title(value: Any) -> str:
    """First letter of each word in upper case, the rest in lower: `ADA LOVELACE` becomes `Ada Lovelace`."""
    return _WORD_START.sub(lambda match: match[1] + match[2].upper(), text(value).lower())


def upper(value: Any) -> str:
    """All letters in upper case."""
    return text(value).upper()


def lower(value: Any) -> str:
    """All letters in lower case."""
    return text(value).lower()


def capitalize(value: Any) -> str:
    """The first letter in upper case, all others in lower."""
    return text(value).capitalize()


def trim(value: Any) -> str:
    """Without white space at both ends."""
    return text(value).strip()


def replace(value: Any, old: str, new: str) -> str:
    """Every `old` replaced by `new`."""
    if not old:
        raise ValueError("replace needs something to look for")
    source = text(value)
    if len(source) + source.count(old) * (len(new) - len(old)) > MAX_TEXT:
        raise ValueError(f"the result is longer than {MAX_TEXT} characters")
    return source.replace(old, new)


def default(value: Any, fallback: Any) -> Any:
    """The fallback where the value is empty; 0 and false are values."""
    return fallback if value is None or value in ("", []) else value


def truncate(value: Any, length: int) -> str:
    """At most `length` characters."""
    return text(value)[: max(0, length)]


def split(value: Any, separator: str) -> list[str]:
    """The parts between separators, trimmed, without empty ones."""
    return [part.strip() for part in text(value).split(separator) if part.strip()]


def join(value: Any, separator: str = "; ") -> str:
    """The items of a list with `separator` between them."""
    items = value if isinstance(value, (list, tuple)) else ([value] if value not in ("", None) else [])
    return bounded(separator.join(text(item) for item in items))


def first(value: Any) -> Any:
    """The first item of a list, or the first character of a text."""
    return value[0] if value else ""


def last(value: Any) -> Any:
    """The last item of a list, or the last character of a text."""
    return value[-1] if value else ""


def digits(value: Any) -> str:
    """Only the digits."""
    return "".join(character for character in text(value) if character.isdecimal())


def int_(value: Any) -> Any:
    """A whole number; an empty value stays empty."""
    return "" if value in ("", None) else int(text(value))


def float_(value: Any) -> Any:
    """A number with a point; an empty value stays empty."""
    return "" if value in ("", None) else float(text(value))


BUILT_IN: Mapping[str, Callable[..., Any]] = {
    "capitalize": capitalize,
    "default": default,
    "digits": digits,
    "first": first,
    "float": float_,
    "int": int_,
    "join": join,
    "last": last,
    "lower": lower,
    "replace": replace,
    "split": split,
    "string": text,
    "title": title,
    "trim": trim,
    "truncate": truncate,
    "upper": upper,
}
