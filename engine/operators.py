"""What operators and lists do where plain Python would do more, or without bound.

Generated code calls these by the names in HELPERS.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from engine.filters import MAX_DIGITS, MAX_ITEMS, MAX_TEXT, bounded, is_empty, plain

_MAX_BITS = (10**MAX_DIGITS).bit_length()


def concatenate(*parts: Any) -> str:
    """All parts as one text. Raises ValueError, before it is made, where that is too long."""
    texts = [part if part.__class__ is str else plain(part) for part in parts]
    if sum(map(len, texts)) > MAX_TEXT:
        raise ValueError(f"the result is longer than {MAX_TEXT} characters")
    return "".join(texts)


def items(*parts: Any) -> list[Any]:
    """A list. Raises ValueError where it holds too much, the lists within it included."""
    found = list(parts)
    _weigh(found)
    return found


def checked(value: Any) -> Any:
    """What a plugin's filter gives; what is no value of an expression becomes text.

    Raises ValueError where it is larger than an expression may make it.
    """
    if isinstance(value, (list, tuple)):
        _weigh(value)
    elif isinstance(value, int):
        if value.bit_length() > _MAX_BITS:
            raise ValueError(f"the number has more than {MAX_DIGITS} digits")
    elif not isinstance(value, float):
        return bounded(plain(value))
    return value


def add(one: Any, other: Any) -> Any:
    """The sum of two numbers, or the items of two lists. Raises ValueError."""
    if isinstance(one, list) and isinstance(other, list):
        return items(*one, *other)
    return _calculated("+", operator.add, one, other)


def subtract(one: Any, other: Any) -> Any:
    """The difference of two numbers. Raises ValueError."""
    return _calculated("-", operator.sub, one, other)


def divide(one: Any, other: Any) -> Any:
    """One number divided by another. Raises ValueError, ArithmeticError."""
    return _calculated("/", operator.truediv, one, other)


def divide_whole(one: Any, other: Any) -> Any:
    """The whole part of that, rounded down. Raises ValueError, ArithmeticError."""
    return _calculated("//", operator.floordiv, one, other)


def is_none(value: Any) -> bool:
    """Whether there is no value, or an empty text."""
    return value is None or value == ""


HELPERS: Mapping[str, Callable[..., Any]] = {
    "add": add,
    "cat": concatenate,
    "checked": checked,
    "divide": divide,
    "divide_whole": divide_whole,
    "is_blank": is_empty,
    "is_none": is_none,
    "items": items,
    "subtract": subtract,
    "text": plain,
}


def _calculated(sign: str, calculate: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    for value in (one, other):
        if not isinstance(value, (int, float)):
            what = "an empty value" if is_empty(value) else "a list" if isinstance(value, list) else "a text"
            more = "; text is joined by ~" if sign == "+" else ""
            raise ValueError(f"{sign} works on numbers, not on {what}{more}")
    found = calculate(one, other)
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError(f"the result of {sign} is too large")
    return found


def _weigh(value: Any) -> int:
    """The characters and items of a value. Raises ValueError where a list has more of them than it may."""
    if isinstance(value, str):
        return len(value)
    if not isinstance(value, (list, tuple)):
        return 1
    if len(value) > MAX_ITEMS:
        raise ValueError(f"the list has more than {MAX_ITEMS} items")
    weight = len(value) + sum(_weigh(item) for item in value)
    if weight > MAX_TEXT:
        raise ValueError(f"the list is longer than {MAX_TEXT} characters")
    return weight
