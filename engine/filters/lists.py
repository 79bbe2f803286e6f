"""Filters for lists, for choosing among values, and for looking values up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.filters.base import MAX_ITEMS, ArgumentError, fold, is_empty, joined, plain, too_many, words


def split(value: Any, separator: str) -> list[str]:
    """The parts between separators, trimmed, without empty ones."""
    source, separator = plain(value), words(separator, "separator")
    if source.count(separator) >= MAX_ITEMS:
        raise too_many()
    return [part.strip() for part in source.split(separator) if part.strip()]


def join(value: Any, separator: str = "; ") -> str:
    """The items of a list with `separator` between them."""
    if not isinstance(separator, str):
        raise ArgumentError("separator is a text")
    return joined(value if isinstance(value, (list, tuple)) else [value], separator)


def first(value: Any) -> Any:
    """The first item of a list, or the first character of a text."""
    return value[0] if value else ""


def last(value: Any) -> Any:
    """The last item of a list, or the last character of a text."""
    return value[-1] if value else ""


def unique(value: Any) -> list[Any]:
    """The items of a list, each once, in their order."""
    if is_empty(value):
        return []
    found: dict[tuple[type, str], Any] = {}
    for item in value if isinstance(value, (list, tuple)) else [value]:
        found.setdefault((item.__class__, plain(item)), item)
    return list(found.values())


def default(value: Any, fallback: Any) -> Any:
    """The fallback where the value is empty; 0 and false are values."""
    return fallback if is_empty(value) else value


def coalesce(value: Any, *others: Any) -> Any:
    """The first of several values that is not empty."""
    return next((each for each in (value, *others) if not is_empty(each)), "")


def lookup(value: Any, table: Mapping[str, str] | Exception, default: Any = "") -> Any:
    """What a lookup table has for the value, or else the default; of a list, what it has for each item."""
    if isinstance(table, Exception):
        raise ValueError(f"the lookup table cannot be read: {str(table).splitlines()[0]}")
    if isinstance(value, (list, tuple)):
        found = [table.get(fold(plain(item)), default) for item in value]
        return [each for each in found if not is_empty(each)]
    return "" if is_empty(value) else table.get(fold(plain(value)), default)
