"""Filters that read values which are written in another form than a field takes: numbers with thousands, dates."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.casts import CASTS
from engine.filters import BUILT_IN


@dataclass(frozen=True, slots=True)
class FormReader:
    """A filter and what it reads. `tolerant`: one that does the same to such values and leaves any other as it is."""

    what: str
    filter: str
    read: Callable[[Any], Any]
    tolerant: str = ""


_GROUPED = re.compile(r"[^\d,.]*\d{1,3}(?:,\d{3})+(?:\.\d+)?[^\d,.]*")


def _without_commas(value: str) -> str:
    if _GROUPED.fullmatch(value) is None:
        raise ValueError("is no number with commas between thousands")
    return value.replace(",", "")


def _numbers(what: str, decimal: str, thousands: str, tolerant: str = "") -> FormReader:
    given = [f"decimal='{decimal}'"] * (decimal != ".") + [f"thousands='{thousands}'"] * bool(thousands)
    number = BUILT_IN["number"]
    return FormReader(what, f"number({', '.join(given)})",
                      lambda value: number(value, decimal=decimal, thousands=thousands), tolerant)  # fmt: skip


def _dates(form: str, kind: str) -> FormReader:
    read = BUILT_IN[kind]
    return FormReader(f"dates of the form {form}", f"{kind}('{form}')", lambda value: read(value, form))


_NUMBERS = (
    _numbers("numbers with commas between thousands", ".", ",", "replace(',', '')"),
    _numbers("numbers with points between thousands", ",", "."),
    _numbers("numbers with spaces between thousands", ".", " ", "replace(' ', '')"),
    _numbers("numbers with spaces between thousands and a decimal comma", ",", " "),
    # With a currency or a per cent sign, which the type of the field takes off.
    FormReader("numbers with commas between thousands", "replace(',', '')", _without_commas,
               "replace(',', '')"),
)  # fmt: skip
_DATE_FORMS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d", "%d %b %Y", "%d %B %Y", "%B %d, %Y")
_YES_NO = FormReader("marks such as x and ✓", "boolean", BUILT_IN["boolean"])


def reader_for(kind: str, values: Sequence[str]) -> FormReader | None:
    """The form in which all values are written that a field of a type is to take.

    None where there is none, and for dates where two would do that read them differently. Numbers that can be read with
    thousands are.
    """
    if kind in ("integer", "float", "currency", "percent"):
        return next((form for form in _NUMBERS if all(_reads(form, kind, value) for value in values)), None)
    forms: Sequence[FormReader]
    if kind == "boolean":
        forms = (_YES_NO,)
    elif kind in ("date", "datetime"):
        times = ("", " %H:%M", " %H:%M:%S") if kind == "datetime" else ("",)
        forms = [_dates(form + time, kind) for form in _DATE_FORMS for time in times]
    else:
        return None
    fitting = [form for form in forms if all(_reads(form, kind, value) for value in values)]
    # Of forms that read the same, any will do: then it is the first.
    told = {tuple(CASTS[kind](form.read(value)) for value in values) for form in fitting}
    return fitting[0] if len(told) == 1 else None


def _reads(form: FormReader, kind: str, value: str) -> bool:
    try:
        CASTS[kind](form.read(value))
    except ValueError:
        return False
    return True
