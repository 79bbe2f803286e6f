"""What a sandbox holds at its start: read from a file, and checked for names that the sandbox does not know."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


def known(where: str, given: Iterable[str], names: Collection[str]) -> None:
    """Raise ValueError where `where` names something that is not among `names`; an empty list knows everything."""
    for name in given:
        if names and name not in names:
            meant = get_close_matches(name, names, n=1)
            raise ValueError(f"{where} has no {name!r}" + (f"; did you mean {meant[0]!r}?" if meant else ""))


def read_seed(path: Path, people: str = "") -> dict[str, Any]:
    """A seed from a YAML, JSON or CSV file.

    Each row of a CSV file is one entry of the list `people`: the header names its fields, a numeric `id` becomes a
    number, empty cells are left out. Raises ValueError, which says why, where the file cannot be used.
    """
    if path.suffix.lower() == ".csv":
        if not people:
            raise ValueError("this sandbox takes no CSV; write a YAML or JSON seed")
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = [{name: text for name, text in row.items() if name and text} for row in csv.DictReader(file)]
        except csv.Error as error:
            raise ValueError(f"not CSV: {error}") from None
        return {people: [{**row, "id": int(row["id"])} if row.get("id", "").isdecimal() else row for row in rows]}
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    except YAMLError as error:
        raise ValueError(f"not YAML or JSON: {error}") from None
    if content is not None and not isinstance(content, dict):
        raise ValueError("a seed is a mapping")
    return content or {}
