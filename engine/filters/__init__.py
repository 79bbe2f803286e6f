"""The closed list of filters for expressions. Each is pure, bounded, and leaves an empty value empty.

None depends on the time, the language or the environment of the machine: the same lead gives the same value anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.filters import dates, hashes, lists, numbers, texts
from engine.filters.base import MAX_DIGITS, MAX_ITEMS, MAX_TEXT, ArgumentError, bounded, fold, is_empty, plain, text
from engine.filters.texts import title

__all__ = [
    "BUILT_IN",
    "MAX_DIGITS",
    "MAX_ITEMS",
    "MAX_TEXT",
    "ArgumentError",
    "bounded",
    "fold",
    "is_empty",
    "plain",
    "text",
    "title",
]

BUILT_IN: Mapping[str, Callable[..., Any]] = {
    "add_days": dates.add_days,
    "after": texts.after,
    "before": texts.before,
    "boolean": numbers.boolean,
    "capitalize": texts.capitalize,
    "coalesce": lists.coalesce,
    "contains": texts.contains,
    "date": dates.date_,
    "datetime": dates.datetime_,
    "default": lists.default,
    "digits": texts.digits,
    "domain": texts.domain,
    "ends_with": texts.ends_with,
    "first": lists.first,
    "float": numbers.float_,
    "format_date": dates.format_date,
    "format_number": numbers.format_number,
    "in_zone": dates.in_zone,
    "initials": texts.initials,
    "int": numbers.int_,
    "join": lists.join,
    "last": lists.last,
    "length": texts.length,
    "lookup": lists.lookup,
    "lower": texts.lower,
    "md5": hashes.md5,
    "number": numbers.number,
    "pad": texts.pad,
    "replace": texts.replace,
    "round": numbers.round_,
    "sha1": hashes.sha1,
    "sha256": hashes.sha256,
    "split": lists.split,
    "squeeze": texts.squeeze,
    "starts_with": texts.starts_with,
    "string": plain,
    "title": title,
    "trim": texts.trim,
    "truncate": texts.truncate,
    "truncate_bytes": texts.truncate_bytes,
    "unique": lists.unique,
    "upper": texts.upper,
    "without_accents": texts.without_accents,
}
