"""What people set or cleared in a lead: it goes before everything that was captured or found, and stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def edited(data: Mapping[str, Any], edits: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A lead's data with the edits in it.

    edits: by field, `v` the value (empty: cleared), `by` whom and `at` when (Unix time).
    """
    if not edits:
        return dict(data)
    fields = {name: value for name, value in data["f"].items() if name not in edits}
    fields |= {name: edit["v"] for name, edit in edits.items() if edit["v"]}
    found = [name for name in data.get("n", ()) if name not in edits]
    return {**data, "f": fields, "n": found, "h": dict(edits)}
