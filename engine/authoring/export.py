"""Reads an export for a first look: its columns, and what the first few hundred rows of each hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from engine.adapters import Context
from engine.authoring.content import Content, IsCountry, content
from engine.casts import EMAIL
from engine.errors import SpecError
from engine.plugins import Plugins, build

#: Rows that are looked at.
ROWS = 400
_LINES = (".jsonl", ".ndjson")
_LOOKS_LIKE_DATA = re.compile(r"https?://\S+|\+?\d[\d\s()./:-]{6,}\d")


@dataclass(frozen=True, slots=True)
class Export:
    """What an export holds, as far as it was read. use: the source adapter. notes: what the adapter noticed."""

    path: Path
    use: str
    columns: Mapping[str, Content]
    rows: int
    notes: Sequence[str] = ()


def read_export(path: Path, plugins: Plugins) -> Export:
    """Look at an export through its source adapter. Raises SpecError where it cannot be read or has no header."""
    use = "jsonl" if path.suffix.lower() in _LINES else "csv"
    source = build(plugins.source(use), {"path": str(path.resolve())}, Context())
    try:
        header = list(source.columns())
        rows = [row.values for row in islice(source.rows(), ROWS) if not row.problem]
        names = header or list(dict.fromkeys(name for row in rows for name in row))
        notes = tuple(source.notes())
    finally:
        source.close()
    if not names:
        what = "the export has no columns"
        raise SpecError(what, where=str(path), fix="Name a file with a header row, or with one JSON object a line.")
    data = next((name for name in names if EMAIL.fullmatch(name) or _LOOKS_LIKE_DATA.fullmatch(name)), None)
    if data is not None and header:
        raise SpecError(
            "the first row holds data, where the names of the columns are expected",
            where=f"{path}:1", fix="Put a row with the names of the columns in front, as in: Name,Email",
        )  # fmt: skip
    is_country = country_test(plugins)
    found = {name: content([row.get(name, "") for row in rows], is_country) for name in names}
    return Export(path, use, found, len(rows), notes)


def country_test(plugins: Plugins) -> IsCountry:
    """Tells countries by the filters for them; where no plugin brings these, nothing counts as a country."""
    code, name = plugins.filters.get("country_code"), plugins.filters.get("country_name")
    if code is None or name is None:
        return lambda value: False
    known: dict[str, bool] = {}

    def test(value: str) -> bool:
        if value not in known:
            # A name becomes a code, and a code a name; what is neither stays as it is.
            known[value] = len(value) <= 60 and (code(value) != value or name(value) != value)
        return known[value]

    return test
