"""How dates are written: the directives of strptime that mean the same everywhere, read and written by the engine.

Names are English, whatever the machine's language, and nothing depends on the system's own library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import pairwise

from engine.filters.base import ArgumentError, shown, words

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MAX_FORMAT = 100
_MAX_WRITTEN = 200
_DIRECTIVE = re.compile(r"%(.?)|\s+|[^%\s]+", re.DOTALL)


def _either(names: tuple[str, ...], length: int | None = None) -> str:
    return "|".join(name[:length] for name in names)


_READ: Mapping[str, str] = {
    "d": "[0-9]{1,2}", "m": "[0-9]{1,2}", "Y": "[0-9]{4}", "y": "[0-9]{2}", "H": "[0-9]{1,2}", "I": "[0-9]{1,2}",
    "M": "[0-9]{1,2}", "S": "[0-9]{1,2}", "f": "[0-9]{1,6}", "p": "AM|PM", "z": "Z|[+-][0-9]{2}:?[0-9]{2}",
    "B": _either(MONTHS), "b": _either(MONTHS, 3), "A": _either(DAYS), "a": _either(DAYS, 3),
}  # fmt: skip
_WRITE: Mapping[str, Callable[[datetime], str]] = {
    "d": lambda moment: f"{moment.day:02}",
    "m": lambda moment: f"{moment.month:02}",
    "Y": lambda moment: f"{moment.year:04}",
    "y": lambda moment: f"{moment.year % 100:02}",
    "H": lambda moment: f"{moment.hour:02}",
    "I": lambda moment: f"{(moment.hour + 11) % 12 + 1:02}",
    "M": lambda moment: f"{moment.minute:02}",
    "S": lambda moment: f"{moment.second:02}",
    "f": lambda moment: f"{moment.microsecond:06}",
    "p": lambda moment: "AM" if moment.hour < 12 else "PM",
    "z": lambda moment: f"{moment:%z}",
    "B": lambda moment: MONTHS[moment.month - 1],
    "b": lambda moment: MONTHS[moment.month - 1][:3],
    "A": lambda moment: DAYS[moment.weekday()],
    "a": lambda moment: DAYS[moment.weekday()][:3],
}
#: Directives of which a form can have one.
_SAME = ("mBb", "Yy", "HI", "Aa")


def write(moment: datetime, form: str) -> str:
    """A moment in a form. Raises ArgumentError where the form is none."""
    return "".join("%" if part == "%%" else _WRITE[part[1]](moment) if part[0] == "%" else part for part in parts(form))


def read(written: str, form: str) -> datetime:
    """The moment that is written in a form; without an offset where the form has none.

    Raises ValueError where it is written otherwise, ArgumentError where the form is none.
    """
    found = reader(form).fullmatch(written.strip()) if len(written) <= _MAX_WRITTEN else None
    try:
        if found is None:
            raise ValueError
        return _moment(found.groupdict())
    except ValueError:
        raise ValueError(f"{shown(written)} is no date of the form {form!r}") from None


@lru_cache(maxsize=256)
def parts(form: str) -> tuple[str, ...]:
    """A form taken apart: directives, white space, and other text. Raises ArgumentError."""
    if len(words(form, "the format")) > _MAX_FORMAT:
        raise ArgumentError(f"a format may have {_MAX_FORMAT} characters")
    found = tuple(match[0] for match in _DIRECTIVE.finditer(form))
    for part in found:
        if part[0] == "%" and part != "%%" and part[1:] not in _WRITE:
            raise ArgumentError(f"a format has no {part!r}; it has {' '.join(f'%{name}' for name in _WRITE)}")
    return found


@lru_cache(maxsize=256)
def reader(form: str) -> re.Pattern[str]:
    """What a text in the form looks like. Raises ArgumentError where the form does not tell a date."""
    used = [part[1] for part in parts(form) if part[0] == "%" and part != "%%"]
    for names in (*_SAME, *_READ):
        if sum(used.count(name) for name in names) > 1:
            raise ArgumentError(f"the format tells one thing twice ({', '.join(f'%{name}' for name in names)})")
    if not ("d" in used and set("mBb") & set(used) and set("Yy") & set(used)):
        raise ArgumentError("the format needs a day (%d), a month (%m, %b or %B) and a year (%Y or %y)")
    if ("I" in used) != ("p" in used):
        raise ArgumentError("%I and %p go together: the hour of a half of the day, and which half")
    pattern = ""
    for part, following in pairwise((*parts(form), " ")):
        if part[0] == "%" and part != "%%":
            # With nothing in between, only a fixed number of digits tells where one ends and the next begins.
            digits = _READ[part[1]].replace("{1,", "{") if following[0] == "%" else _READ[part[1]]
            pattern += f"(?P<{part[1]}>{digits})"
        else:
            pattern += r"\s+" if part.isspace() else re.escape(part.replace("%%", "%"))
    return re.compile(pattern.removesuffix(r"\s+").removeprefix(r"\s+"), re.IGNORECASE)


def _moment(found: dict[str, str]) -> datetime:
    if "y" in found:
        short = int(found["y"])
        year = short + (1900 if short >= 69 else 2000)
    else:
        year = int(found["Y"])
    name = (found.get("B") or found.get("b") or "")[:3].lower()
    month = int(found["m"]) if "m" in found else [each[:3].lower() for each in MONTHS].index(name) + 1
    hour = int(found.get("H", 0))
    if "I" in found:
        if not 1 <= int(found["I"]) <= 12:
            raise ValueError
        hour = int(found["I"]) % 12 + (12 if found["p"].upper() == "PM" else 0)
    micro = int(found.get("f", "0").ljust(6, "0"))
    zone = _offset(found["z"]) if "z" in found else None
    minute, second = int(found.get("M", 0)), int(found.get("S", 0))
    return datetime(year, month, int(found["d"]), hour, minute, second, micro, zone)


def _offset(written: str) -> timezone:
    digits = "+0000" if written in "Zz" else written.replace(":", "")
    found = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    return timezone(-found if digits[0] == "-" else found)
