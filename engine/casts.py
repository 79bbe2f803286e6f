"""Text to the vendor's types: what a value must look like to be written to a field of a type."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from engine.filters import text

#: One address, ASCII, as every vendor takes it; finer rules are the vendor's own.
EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+(?:[A-Za-z]{2,63}|xn--[A-Za-z0-9-]{1,59})"
)
_INTEGER = re.compile(r"[+-]?\d{1,19}")
_CURRENCY = re.compile(r"^(?:[A-Z]{3}|[$€£¥])\s*(?=[\d.+-])|(?<=\d)\s*(?:[A-Z]{3}|[$€£¥])$")
_TRUE = frozenset({"true", "yes", "y", "1", "on"})
_FALSE = frozenset({"false", "no", "n", "0", "off"})

#: Types that stay text.
TEXT_TYPES = frozenset({"string", "text", "phone", "url", "reference"})


def email(value: Any) -> str:
    """An email address."""
    found = text(value)
    if EMAIL.fullmatch(found) is None:
        raise ValueError("is no email address")
    return found


def integer(value: Any) -> int:
    """A whole number; `1,200` and `12.5` are refused, not guessed at."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    found = text(value).strip()
    if _INTEGER.fullmatch(found) is None or not -(2**63) <= int(found) < 2**63:
        raise ValueError("is no whole number")
    return int(found)


def number(value: Any) -> float | int:
    """A number with or without decimals."""
    if isinstance(value, int) and not isinstance(value, bool):
        return integer(value)
    try:
        found = float(value if isinstance(value, float) else text(value).strip())
    except ValueError:
        raise ValueError("is no number") from None
    if not math.isfinite(found):
        raise ValueError("is no number")
    return found


def boolean(value: Any) -> bool:
    """true, yes, y, 1, on, and their opposites."""
    if isinstance(value, bool):
        return value
    found = text(value).strip().lower()
    if found in _TRUE:
        return True
    if found in _FALSE:
        return False
    raise ValueError("is neither true nor false")


def iso_date(value: Any) -> str:
    """A date as YYYY-MM-DD; a date with a time loses its time."""
    found = text(value).strip()
    try:
        return datetime.fromisoformat(found).date().isoformat()
    except ValueError:
        raise ValueError("is no date of the form YYYY-MM-DD") from None


def iso_datetime(value: Any) -> str:
    """A point in time as ISO 8601; without an offset it is taken as UTC."""
    found = text(value).strip()
    try:
        moment = datetime.fromisoformat(found)
    except ValueError:
        raise ValueError("is no date and time of the form YYYY-MM-DDTHH:MM:SS+00:00") from None
    return moment.isoformat() if moment.tzinfo else f"{moment.isoformat()}Z"


def currency(value: Any) -> float | int:
    """An amount; a currency's sign or ISO code at either end is left out, separators of thousands are refused."""
    if isinstance(value, (int, float)):
        return number(value)
    return number(_CURRENCY.sub("", text(value).strip()).strip())


def percent(value: Any) -> int:
    """Whole per cent, with or without the sign."""
    return integer(text(value).strip().removesuffix("%")) if isinstance(value, str) else integer(value)


def stored_as(sent: Any, held: Any) -> bool:
    """Whether a value that the vendor holds is the one that was sent, in whatever form the vendor gives it back."""
    if sent is None:
        return held in (None, "", False, [])
    if isinstance(sent, bool) or isinstance(held, bool):
        return text(sent).lower() == text(held).lower()
    one, other = text(sent).strip(), text(held).strip()
    if one == other:
        return True
    for form in (float, datetime.fromisoformat):
        try:
            return _plain(form(one)) == _plain(form(other))
        except (ValueError, OverflowError):
            continue
    return False


def _plain(value: float | datetime) -> float:
    """A number as it is; a moment as whole seconds, for vendors keep no fractions; without an offset it is UTC."""
    if isinstance(value, float):
        return value
    return float(int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()))


CASTS: Mapping[str, Callable[[Any], Any]] = {
    "email": email,
    "integer": integer,
    "percent": percent,
    "float": number,
    "currency": currency,
    "boolean": boolean,
    "date": iso_date,
    "datetime": iso_datetime,
}
