"""Where each value of a lead came from, through capture, enrichment and edits, and where at the vendor it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.columns import recognise
from engine.errors import SpecError
from engine.expressions import ExpressionError, Names, parse
from engine.records import LEAD_FIELDS
from engine.specs import Integration
from engine.stages.rows import column_plan

Story = Mapping[str, Any]

_KINDS = {"fields": "overwrite", "if_blank": "if_blank", "on_create": "on_create"}


def ways(
    story: Story, calls: Mapping[int, Mapping[str, Any]], integration: Integration | None, names: Names | None
) -> list[dict[str, Any]]:
    """The way of each field of a lead, in the order of the lead fields, as JSON values.

    `story` as `Reports.lead` tells it, `calls` those of the ledger that it names. Without the integration (and the
    names that its expressions may use) it is not known which vendor field a value went to.
    """
    cells = _cells(story, integration)
    written = _written(story, integration, names)
    fields = {*story["fields"], *story["edits"], *cells, *written}
    fields |= {value["field"] for value in (*story["values"], *story["rejected"])}
    order = {name: place for place, name in enumerate(LEAD_FIELDS)}
    return [
        {
            "field": name,
            "value": story["fields"].get(name),
            "captured": cells.get(name, []),
            "normalised": [
                {"by": each["provider"], "from": each["replaced"], "to": each["value"], "at": each["at"]}
                for each in story["values"]
                if each["field"] == name and each["replaced"] is not None
            ],
            "found": [
                {key: each[key] for key in ("value", "provider", "confidence", "cost", "at", "status", "verifier",
                                            "path")} | {"call": _call(calls, each["call"])}
                for each in story["values"]
                if each["field"] == name and each["replaced"] is None
            ],
            "rejected": [
                {key: each[key] for key in ("value", "provider", "confidence", "reason", "at", "call")}
                for each in story["rejected"]
                if each["field"] == name
            ],
            "edits": _edits(story["edits"].get(name)),
            "vendor": written.get(name, []),
        }
        for name in sorted(fields, key=lambda name: (order.get(name, len(order)), name))
    ]  # fmt: skip


def unexplained(story: Story, shown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was to be written that comes from no lead field: constants, answers to qualifiers, or all of it."""
    told = {target["field"] for way in shown for target in way["vendor"]}
    return {name: value for name, (value, _) in _payload(story).items() if name not in told}


def _call(calls: Mapping[int, Mapping[str, Any]], id: int | None) -> Mapping[str, Any] | None:
    return None if id is None else calls.get(id)


def _edits(edit: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """All edits of a field, the oldest first; an empty value cleared it."""
    if edit is None:
        return []
    return [{"value": each["v"], "by": each["by"], "at": each["at"]} for each in (*edit.get("was", ()), edit)]


def _cells(story: Story, integration: Integration | None) -> dict[str, list[dict[str, Any]]]:
    """The captured cells by lead field: file, line, column and what stood there."""
    found: dict[str, list[dict[str, Any]]] = {}
    for capture in story["captures"]:
        raw = capture["raw"]
        for column, name in _plan(integration, list(raw)):
            if raw.get(column):
                cell = {"source": capture["source"], "line": capture["line"], "column": column, "raw": raw[column]}
                found.setdefault(name, []).append(cell)
    return found


def _plan(integration: Integration | None, columns: Sequence[str]) -> list[tuple[str, str]]:
    if integration is not None:
        try:
            return column_plan(integration, columns)
        except SpecError:  # the row had other columns than the spec expects today
            named = integration.source.columns
            return [(column, named[column]) for column in columns if column in named]
    return [(column, name) for column in columns if (name := recognise(column))]


def _payload(story: Story) -> dict[str, tuple[Any, str]]:
    """What the last delivery was to write, by vendor field: the value and how it is written."""
    if not story["deliveries"]:
        return {}
    payload = story["deliveries"][-1]["payload"]
    return {name: (value, kind) for key, kind in _KINDS.items() for name, value in payload.get(key, {}).items()}


def _written(story: Story, integration: Integration | None, names: Names | None) -> dict[str, list[dict[str, Any]]]:
    """What was to be written, by the lead fields that the mapping made it from."""
    payload = _payload(story)
    found: dict[str, list[dict[str, Any]]] = {}
    if integration is None or names is None:
        return found
    for row in integration.mapping.fields:
        if row.target not in payload:
            continue
        try:
            read = parse(row.value, names).lead_fields
        except ExpressionError:  # the spec has changed since, and is wrong now
            continue
        value, kind = payload[row.target]
        for name in sorted(read):
            target = {"field": row.target, "value": value, "write": kind, "expression": row.value}
            found.setdefault(name, []).append(target)
    return found
