"""Import files: which values a cell can carry, how rows become a file, and how reports on single rows are read.

A file is CSV in UTF-8. What a vendor makes of an empty cell differs from field to field, so all rows of a file have the
same columns and every cell has a text. The first column is the key by which the vendor finds the record of a row.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: One row: its texts by column; the first column is the key.
Cells = Mapping[str, str]


def row_cells(column: str, key: str, fields: Mapping[str, Any], largest: int) -> Cells | None:
    """Return the row with this key, or None where not every value can be carried in a file of `largest` bytes."""
    cells = {column: _cell(key)}
    for name, value in fields.items():
        if name != column:
            cells[name] = _cell(value)
    carried = {name: text for name, text in cells.items() if text is not None}
    return carried if len(carried) == len(cells) and _size(carried) + _size(carried.values()) <= largest else None


def _cell(value: Any) -> str | None:
    """The text of a value, or None where it is open what the vendor would make of it.

    Open is: a cell without text, or with NULL; blanks around a text; line breaks and whatever else does not print;
    numbers with an exponent; several values.
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


def fitting(rows: Iterable[tuple[Hashable, Cells | None]], largest: int) -> int:
    """How many of the first rows go into one file of `largest` bytes; each with what else its file has in common.

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
            key = folded(cells[column])
            size += _size(cells.values()) + (0 if count else _size(cells))
            if count and (key in keys or size > largest):
                return count
            keys.add(key)
        if count and kind != common:
            return count
        common = kind
        count += 1
    return count


def folded(key: str) -> str:
    """A key as keys are compared: without letter case, blanks around it, and zeros before a number."""
    key = key.strip().lower()
    return key.lstrip("0") if key.isascii() and key.isdigit() else key


@dataclass(frozen=True, slots=True)
class Report:
    """What a vendor reports on single rows: key (folded) and reason. `columns`: of the import, key included."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()

    def accounts_for(self, keys: Sequence[str], failed: int | None, done: int | None) -> bool:
        """Whether a row of the import that this report of failed rows does not name was imported.

        It is so where all reported rows are known, as many as the vendor counts as `failed`, and none is missing that
        is not among those `done`. `keys`: of all rows, folded. A count that is not told is None.
        """
        reported = {key for key, _ in self.rows}
        if len(reported) < len(self.rows) or not reported <= set(keys):
            return False
        return failed in {len(reported), None} and (done is None or done + len(reported) >= len(keys))


def read_report(content: bytes, column: str) -> Report | None:
    """Read a report: the columns of the import, `column` being the key, then the reason. None where it is no such file.

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
    rows = [(folded(line[place]), ",".join(line[last:]).strip()) for line in given if len(line) > place]
    return Report(tuple(header[:-1]), tuple(rows)) if len(rows) == len(given) else None


def count_of(given: Any) -> int | None:
    """A count as a vendor tells it, or None where it tells none."""
    text = str(given)
    return int(text) if text.isascii() and text.isdigit() else None
