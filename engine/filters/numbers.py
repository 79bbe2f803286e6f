"""Filters for numbers, read and written exactly: all rounding is of decimals, half away from zero."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from engine.filters.base import MAX_DIGITS, ArgumentError, is_empty, plain, shown, whole

_EXACT = Context(prec=3 * MAX_DIGITS, rounding=ROUND_HALF_UP)
_TRUE = frozenset({"true", "yes", "y", "1", "on", "x", "✓"})
_FALSE = frozenset({"false", "no", "n", "0", "off"})
#: White space that stands between thousands.
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " "})


def int_(value: Any) -> Any:
    """A whole number; an empty value stays empty."""
    return "" if is_empty(value) else int(_short(value))


def float_(value: Any) -> Any:
    """A number with a point; an empty value stays empty."""
    if is_empty(value):
        return ""
    found = float(_short(value))
    if not math.isfinite(found):
        raise ValueError(f"{shown(value)} is no number")
    return found


def number(value: Any, decimal: str = ".", thousands: str = "") -> Any:
    """The number in a text that is written with these signs; whole where it has no decimals."""
    pattern = _written(decimal, thousands)
    if is_empty(value) or isinstance(value, (int, float)):
        return "" if is_empty(value) else value
    found = pattern.fullmatch(_short(value).translate(_SPACES))
    if found is None:
        raise ValueError(f"{shown(value)} is no number that is written so")
    digits = f"{'-' if found[1] in ('-', '−') else ''}{re.sub('[^0-9]', '', found[2])}"
    return float(f"{digits}.{found[3]}") if found[3] else int(digits)


def round_(value: Any, digits: int = 0) -> Any:
    """The nearest number with so many decimals, a half away from zero; whole where `digits` is 0."""
    digits = whole(digits, "digits", 0, 15)
    if is_empty(value):
        return ""
    found = _rounded(value, digits)
    return float(found) if digits else int(found)


def format_number(value: Any, digits: int = 0, decimal: str = ".", thousands: str = ",") -> str:
    """A number as text, with so many decimals and these signs."""
    digits = whole(digits, "digits", 0, 15)
    _written(decimal, thousands)
    if is_empty(value):
        return ""
    whole_part, _, fraction = f"{_rounded(value, digits):,f}".partition(".")
    return whole_part.replace(",", thousands) + (f"{decimal}{fraction}" if fraction else "")


def boolean(value: Any) -> Any:
    """True or false for yes, y, true, 1, on, x and their opposites; anything else fails the lead."""
    if is_empty(value):
        return ""
    found = plain(value)[:MAX_DIGITS].strip().lower()
    if found in _TRUE or found in _FALSE:
        return found in _TRUE
    raise ValueError(f"{shown(value)} is neither yes nor no")


@lru_cache(maxsize=64)
def _written(decimal: str, thousands: str) -> re.Pattern[str]:
    """The form of a number that is written with these signs. Raises ArgumentError where they are none."""
    for name, sign, least in (("decimal", decimal, 1), ("thousands", thousands, 0)):
        if not isinstance(sign, str) or not least <= len(sign) <= 1 or sign.isalnum() or sign in ("+", "-"):
            raise ArgumentError(f"{name} is the one sign that stands there, such as a point or a comma")
    if decimal == thousands:
        raise ArgumentError("decimal and thousands are different signs")
    grouped = rf"[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{2,3}})*{re.escape(thousands)}[0-9]{{3}}|"
    return re.compile(rf"([+−-]?)({grouped if thousands else ''}[0-9]+)(?:{re.escape(decimal)}([0-9]+))?")


def _short(value: Any) -> str:
    """A number as it is written. Raises ValueError where it is longer than any number."""
    found = plain(value).strip()
    if len(found) > MAX_DIGITS:
        raise ValueError(f"a number may have {MAX_DIGITS} digits")
    return found


def _rounded(value: Any, digits: int) -> Decimal:
    """A value as an exact number with so many decimals. Raises ValueError."""
    try:
        found = Decimal(_short(value))
    except InvalidOperation:
        raise ValueError(f"{shown(value)} is no number") from None
    if not found.is_finite() or found.adjusted() > MAX_DIGITS:
        raise ValueError(f"{shown(value)} is no number, or too large a one")
    rounded = found.quantize(Decimal(1).scaleb(-digits), context=_EXACT)
    return rounded if rounded else abs(rounded)  # a negative number that rounds to nothing is 0, not -0
