"""Field pairs as rows of a mapping, and the part of the source that these need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.authoring.guesses import own_name
from engine.authoring.pairs import Pair
from engine.authoring.words import meant_by, plain
from engine.authoring.yaml_text import comment, flow, flow_list, line, scalar
from engine.columns import recognise
from engine.records import LEAD_FIELDS

_EXPRESSION = re.compile(r"\blead\.[a-z_]|\bqualifiers\[")
_SCANS = frozenset({"scans", "scan count", "number of scans", "badge scans"})
_SURELY = 0.9


@dataclass
class Converted:
    """What pairs become, as plain values of a spec. notes: what people wrote, by the vendor's field.

    columns and qualifier_columns: what the source has to list; required: as the integration has it, empty where
    nothing is said.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    qualifiers: dict[str, dict[str, Any]] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    qualifier_columns: dict[str, str] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)


def convert(
    pairs: Sequence[Pair], columns: Mapping[str, str], qualifiers: Mapping[str, str] | None = None
) -> Converted:
    """Make rows of pairs. `columns`: those that a source lists already, with their fields; `qualifiers` by column."""
    made = Converted()
    named: dict[str, str] = {field: column for column, field in columns.items()}
    for pair in pairs:
        if pair.notes:
            made.notes[pair.target] = pair.notes
        if pair.options:
            name = (qualifiers or {}).get(pair.source, pair.source)
            made.qualifiers[name] = {"field": pair.target, "options": dict(pair.options)}
            if pair.write != "overwrite":
                made.qualifiers[name]["write"] = pair.write
            if pair.source not in (qualifiers or {}):
                made.qualifier_columns[name] = pair.source
            continue
        if pair.fixed:
            made.fields[pair.target] = _row(pair, _literal(pair.fixed))
            continue
        if _EXPRESSION.search(pair.source):
            made.fields[pair.target] = _row(pair, pair.source)
            continue
        lead_field = columns.get(pair.source) or _lead_field(pair, named, made)
        if pair.required and lead_field not in made.required:
            made.required.append(lead_field)
        made.fields[pair.target] = _row(pair, f"lead.{lead_field}")
    return made


def mapping_text(made: Converted, origin: str) -> str:
    """The rows as a mapping of its own, with the part of the source in comments at its end."""
    lines = [comment(0, f"The field pairs of {origin}. An integration takes them by `mapping: FILE`."), "version: 1"]
    lines.append("fields:")
    lines += [line(2, target, _yaml(row), made.notes.get(target, "")) for target, row in made.fields.items()]
    if made.qualifiers:
        lines.append("qualifiers:")
        lines += [line(2, name, _yaml(row), made.notes.get(row["field"], "")) for name, row in made.qualifiers.items()]
    return "\n".join([*lines, *_source_part(made)]) + "\n"


def _source_part(made: Converted) -> Iterator[str]:
    if made.columns or made.qualifier_columns:
        yield ""
        yield "# The integration's source needs this, for columns that are not recognised by their names:"
        yield "# source:"
    if made.columns:
        yield "#   columns:"
        yield from (f"#     {line(0, column, name)}" for column, name in made.columns.items())
    if made.qualifier_columns:
        yield "#   qualifiers:"
        yield from (f"#     {line(0, name, scalar(column))}" for name, column in made.qualifier_columns.items())
    if made.required:
        yield ""
        yield "# And the integration, for fields that a lead must have:"
        yield f"# required: {flow_list(made.required)}"


def _lead_field(pair: Pair, named: dict[str, str], made: Converted) -> str:
    """The lead field that our side of a pair means; a column that means none, or one that is taken, gets an own one."""
    source = pair.source
    if plain(source) in _SCANS:
        return "scans"
    meant = meant_by(source)
    name = source if source in LEAD_FIELDS else recognise(source) or ""
    if not name and meant is not None and meant[1] >= _SURELY:
        name = meant[0]
    if not name or named.get(name, source) != source:
        name = next((known for known, column in named.items() if column == source), "")
        name = name or own_name(source, named, pair.line)
    named[name] = source
    if source != name and (recognise(source) != name):
        made.columns[source] = name
    return name


def _row(pair: Pair, value: str) -> str | dict[str, Any]:
    """A row in its short form, where there is nothing more to say than its value."""
    if pair.length:
        value += f" | truncate({pair.length})"
    more: dict[str, Any] = {}
    if pair.type:
        more["type"] = pair.type
    if pair.write != "overwrite":
        more["write"] = pair.write
    if pair.default:
        more["default"] = pair.default
    if pair.truncate:
        more["too_long"] = "truncate"
    return {"value": value, **more} if more else value


def _literal(text: str) -> str:
    """A fixed text as an expression."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def _yaml(row: Any) -> str:
    if isinstance(row, str):
        return scalar(row)
    return flow({key: flow({k: scalar(v) for k, v in value.items()}) if isinstance(value, dict) else scalar(value)
                 for key, value in row.items()})  # fmt: skip
