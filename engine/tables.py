"""Lookup tables: CSV files with a header row, which expressions look values up in."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from engine.errors import Place, SpecError
from engine.expressions import suggestion
from engine.filters import MAX_TEXT, fold
from engine.specs import Integration, TableRow

MAX_BYTES = 8 * 2**20
MAX_ROWS = 100_000
_DELIMITERS = ",;\t"


def read_all(integration: Integration) -> dict[str, Mapping[str, str] | SpecError]:
    """The tables of an integration by name: what each has by folded key, or why it cannot be read."""
    found: dict[str, Mapping[str, str] | SpecError] = {}
    for name, row in integration.mapping.tables.items():
        try:
            found[name] = read(integration.folder / row.file, row, integration.place(f"mapping.tables.{name}"))
        except SpecError as error:
            found[name] = error
    return found


def read(path: Path, row: TableRow, where: Place) -> Mapping[str, str]:
    """What a table has by folded key. `where`: its place in the spec.

    UTF-8; the delimiter is a comma, a semicolon or a tab. A key may stand twice with one value. Raises SpecError, at a
    line of the file where it is the file that is wrong.
    """
    text = _text(path, where)
    rows = _rows(text, path)
    _, header = next(rows, (0, []))
    key, value = _columns([name.strip() for name in header], row, path, where)
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, (line, cells) in enumerate(rows, 1):
        at = Place(str(path), line)
        if number > MAX_ROWS:
            raise _error(f"a lookup table may have {MAX_ROWS} rows", at, "Leave out what no lead has.")
        if any(cell.strip() for cell in cells[len(header) :]):
            what = f"the row has {len(cells)} cells, and the header {len(header)}"
            raise _error(what, at, "Put a value with the delimiter in it in quotes.")
        written, given = (cells[index].strip() if index < len(cells) else "" for index in (key, value))
        folded = fold(written)
        if not folded or len(given) > MAX_TEXT:
            what = "the value is too long" if folded else "the row has no key"
            raise _error(what, at, "Correct the row, or remove it.")
        if found.setdefault(folded, given) != given:
            what = f"{written!r} stands for {found[folded]!r} in line {lines[folded]} and for {given!r} here"
            raise _error(what, at, "Remove one of the two rows.")
        lines.setdefault(folded, line)
    return found


def _text(path: Path, where: Place) -> str:
    try:
        if not path.is_file():
            raise _error(f"there is no file {str(path)!r}", where, "Paths start at the spec's folder.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _error(f"{str(path)!r} cannot be read: {error.strerror}", where, "Correct the path.") from error
    if len(content) > MAX_BYTES:
        raise _error(f"a lookup table may have {MAX_BYTES} bytes", Place(str(path)), "Leave out what no lead has.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _error("the lookup table is not UTF-8 text", Place(str(path), line), "Save it as CSV UTF-8.") from error


def _rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, the header first, each with the line that it begins in."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    bare = re.sub(r'"[^"]*"', "", first)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(_DELIMITERS, key=bare.count), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        fix = "Close each quote, and write a quote within quotes twice."
        raise _error(f"the row cannot be read: {error}", Place(str(path), line), fix) from error


def _columns(header: Sequence[str], row: TableRow, path: Path, where: Place) -> tuple[int, int]:
    """Where the keys stand and where the values."""
    if not header:
        raise _error("the lookup table is empty", Place(str(path)), "Give it a header row and a row for each key.")
    if len(header) < 2:
        what = "the lookup table has one column, and needs one for keys and one for values"
        raise _error(what, Place(str(path), 1), "Separate them by commas, semicolons or tabs.")
    found = [0, 1]
    for index, name in enumerate((row.key, row.value)):
        if name and name not in header:
            fix = suggestion(name, header) or f"It has: {', '.join(header[:20])}."
            raise _error(f"{path.name!r} has no column {name!r}", where, fix)
        if name:
            found[index] = header.index(name)
    if found[0] == found[1]:
        what = f"keys and values of {path.name!r} would both come from the column {header[found[0]]!r}"
        raise _error(what, where, "Name `key` and `value`, and two columns.")
    return found[0], found[1]


def _error(what: str, where: Place, fix: str) -> SpecError:
    return SpecError(what, where=where, fix=fix, code="unknown-table")
