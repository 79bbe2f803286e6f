"""Import files: which values a cell can carry, how rows are written, and how the files of failed rows are read.

A file is CSV in UTF-8, its header the REST names of the fields. What an empty cell does is not documented, so all rows
of a file have the same columns and every cell has a text.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-lead-import
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.records import Delivery, Field, Membership
from engine_marketo.lookup import is_id

#: One row: its texts by column; the first column is the key.
Cells = Mapping[str, str]

#: The largest file in bytes: the vendor takes 10 MB, and the frame of the form that carries the file counts.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-import
MAX_FILE = 9_990_000

EMAIL, ID = "email", "id"

#: What says that a value was wrong, as opposed to the record or the import.
_WRONG_VALUE = re.compile(r"\b(invalid|not valid|exceed\w*|too long|length|format|data type|range)\b", re.IGNORECASE)
#: What stands before the name of a field.
_FIELD = re.compile(r"\bfields?\b:? ?['\"]?", re.IGNORECASE)


def lead_cells(delivery: Delivery) -> Cells | None:
    """Return the row of a person, or None where an import would not write the delivery as it is meant.

    An import inserts or updates by the email address and only updates by the id.
    """
    decision, fields = delivery.decision, dict(delivery.fields)
    value = decision.value.strip()
    if decision.by == EMAIL and decision.action == "upsert" and decision.duplicates == "fail":
        return _cells(EMAIL, value, fields)
    if decision.by == "lead_id" and decision.action != "create_only" and is_id(value):
        if not decision.update_email:
            fields.pop(EMAIL, None)
        return _cells(ID, str(int(value)), fields)
    return None


def member_cells(delivery: Delivery, place: Membership) -> Cells | None:
    """Return the row of a program member, or None where an import cannot carry it.

    Members are found by their address and nothing else, so one that was written by another key is not among them.
    """
    known = delivery.decision.by == EMAIL and place.kind == "program" and is_id(place.target) and place.status
    return _cells(EMAIL, delivery.decision.value.strip(), place.data) if known else None


def row_key(delivery: Delivery, column: str) -> str:
    """The key of a delivery's row as files are searched by it; empty where the file has no row for it."""
    by = {EMAIL: EMAIL, ID: "lead_id"}[column]
    return _folded(delivery.decision.value, column) if delivery.decision.by == by else ""


def _cells(column: str, key: str, fields: Mapping[str, Any]) -> Cells | None:
    cells = {column: _cell(key)}
    for name, value in fields.items():
        if name != column:
            cells[name] = _cell(value)
    carried = {name: text for name, text in cells.items() if text is not None}
    return carried if len(carried) == len(cells) and _size(carried) + _size(carried.values()) <= MAX_FILE else None


def _cell(value: Any) -> str | None:
    """The text of a value, or None where it is open what the vendor would make of it.

    Open is: a cell without text, or with NULL; blanks around a text; line breaks and whatever else does not print;
    numbers with an exponent.
    """
    if isinstance(value, str):
        certain = value and value.isprintable() and value == value.strip() and value.lower() != "null"
        return value if certain else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        return text if math.isfinite(value) and "e" not in text else None
    return None


def _size(texts: Collection[str]) -> int:
    """The most bytes that a line of these texts has."""
    line = ",".join(texts)
    quotes = 2 * len(texts) + line.count('"') if '"' in line or line.count(",") >= len(texts) else 0
    return len(line.encode()) + quotes + len("\r\n")


def encode(rows: Sequence[Cells]) -> bytes:
    """Write rows that all have the columns of the first. A text that looks like a formula stays as it is."""
    columns = list(rows[0])
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([cells[name] for name in columns] for cells in rows)
    return text.getvalue().encode()


def fitting(rows: Iterable[tuple[Hashable, Cells | None]]) -> int:
    """How many of the first rows go into one file; each with what else its file must have in common.

    Rows that no file can carry (None) stand together. No key stands in a file twice.
    """
    count, size, keys = 0, 0, set[str]()
    common: Hashable = None
    for condition, cells in rows:
        if cells is None:
            kind: Hashable = (condition, None)
        else:
            column = next(iter(cells))
            kind = (condition, column, frozenset(cells))
            key = _folded(cells[column], column)
            size += _size(cells.values()) + (0 if count else _size(cells))
            if count and (key in keys or size > MAX_FILE):
                return count
            keys.add(key)
        if count and kind != common:
            return count
        common = kind
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class Report:
    """The rows of a file of failures or warnings: key and reason. `columns` are those of the import, key included."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()


def read_report(content: bytes, column: str) -> Report | None:
    """Read such a file: the original columns, then the reason. None where it is not what was expected.

    An import without such rows has a file without a byte.
    """
    lines = csv.reader(io.StringIO(content.decode("utf-8-sig", "replace"), newline=""))
    try:
        header = next(lines, None)
        given = [line for line in lines if line]
    except csv.Error:
        return None
    if header is None:
        return Report()
    if column not in header[:-1]:
        return None
    # A reason with commas need not be quoted.
    place, last = header.index(column), len(header) - 1
    rows = [(_folded(line[place], column), ",".join(line[last:]).strip()) for line in given if len(line) > place]
    return Report(tuple(header[:-1]), tuple(rows)) if len(rows) == len(given) else None


def _folded(key: str, column: str) -> str:
    key = key.strip()
    return key.lstrip("0") if column == ID else key.lower()


def wrong_field(reason: str, columns: Sequence[str], fields: Sequence[Field]) -> str:
    """The field of the import whose value a reason calls wrong, or "" where it does not say so beyond doubt.

    Reasons name a field by its display name, as in "Invalid data type in field Lead Score".
    """
    if _WRONG_VALUE.search(reason) is None:
        return ""
    rests = [reason[found.end() :].lower() for found in _FIELD.finditer(reason)]
    named = [(label.lower(), field.name) for field in fields for label in (field.label, field.name) if label]
    found = [(len(label), name) for label, name in named if any(_starts(rest, label) for rest in rests)]
    # One display name can be the start of another, and two fields can have the same.
    longest = max((length for length, _ in found), default=0)
    names = {name for length, name in found if length == longest} & set(columns)
    return names.pop() if len(names) == 1 else ""


def _starts(text: str, label: str) -> bool:
    return text.startswith(label) and not text[len(label) : len(label) + 1].isalnum()
