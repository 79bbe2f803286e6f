"""Filters for dates and times. None knows what time it is now, and the time zones are those of one pinned library."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from engine.filters import date_forms
from engine.filters.base import ArgumentError, is_empty, plain, shown, whole, words

_MAX_DAYS = 100_000


def date_(value: Any, format: str = "") -> str:
    """The date that is written in a format, as YYYY-MM-DD; without a format, it is read as ISO 8601."""
    if format:
        date_forms.reader(words(format, "format"))
    return "" if is_empty(value) else _read(value, format).date().isoformat()


def datetime_(value: Any, format: str = "", zone: str = "UTC") -> str:
    """The date and time that is written in a format, as ISO 8601; without an offset, it is the time of the zone."""
    if format:
        date_forms.reader(words(format, "format"))
    there = zone_of(zone)
    if is_empty(value):
        return ""
    moment = _read(value, format)
    return (moment if moment.tzinfo else moment.replace(tzinfo=there)).isoformat()


def in_zone(value: Any, zone: str) -> str:
    """The same moment by the clocks of a zone; of an ISO 8601 time, which without an offset is UTC."""
    there = zone_of(zone)
    if is_empty(value):
        return ""
    moment = _iso(value)
    if not isinstance(moment, datetime):
        raise ValueError(f"{shown(value)} has no time of the day")
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(there).isoformat()
    except OverflowError:
        raise ValueError(f"{shown(value)} is in no year from 1 to 9999 there") from None


def format_date(value: Any, format: str) -> str:
    """An ISO 8601 date or time, written in a format."""
    date_forms.parts(words(format, "format"))
    if is_empty(value):
        return ""
    return date_forms.write(_read(value, ""), format)


def add_days(value: Any, days: int) -> str:
    """An ISO 8601 date or time so many days later, or earlier where `days` is negative."""
    days = whole(days, "days", -_MAX_DAYS, _MAX_DAYS)
    if is_empty(value):
        return ""
    try:
        return (_iso(value) + timedelta(days=days)).isoformat()
    except OverflowError:
        raise ValueError(f"{shown(value)} and {days} days are in no year from 1 to 9999") from None


def _read(value: Any, format: str) -> datetime:
    if format:
        return date_forms.read(plain(value), format)
    found = _iso(value)
    return found if isinstance(found, datetime) else datetime(found.year, found.month, found.day)


def _iso(value: Any) -> date | datetime:
    """A date where the text is one, or else a moment. Raises ValueError."""
    written = plain(value)[:100].strip()
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(written)
        except ValueError:
            continue
    raise ValueError(f"{shown(value)} is no date or time of the form YYYY-MM-DDTHH:MM:SS")


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name. Raises ArgumentError where there is none."""
    if words(name, "zone") not in _zones():
        close = get_close_matches(name[:60], _zones(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else "it is written as in 'Europe/Oslo'"
        raise ArgumentError(f"there is no time zone {shown(name)}; {hint}")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@cache
def _zones() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())
