"""What a row of a source says of a lead, and whether that is enough for the lead to go on. Knows no state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.columns import recognise
from engine.errors import SpecError
from engine.expressions import suggestion
from engine.records import Failure
from engine.specs import Integration


def column_plan(integration: Integration, header: Sequence[str]) -> list[tuple[str, str]]:
    """Which column becomes which field. Raises SpecError where the profile names a column that is not there."""
    profile = integration.source
    if header:
        named = [*profile.columns, *(row.column for row in profile.qualifiers.values())]
        absent = [name for name in named if name not in header]
        if absent:
            raise SpecError(
                f"the source has no column {absent[0]!r}",
                where=integration.place(f"source.columns.{absent[0]}"),
                why=f"its columns are: {', '.join(header)}",
                fix=suggestion(absent[0], header) or "Correct `source.columns` or the file.",
            )
    plan = list(profile.columns.items())
    taken = {field for _, field in plan}
    answers = {row.column for row in profile.qualifiers.values()}
    for column in header:
        field = recognise(column)
        if field and field not in taken and column not in profile.columns and column not in answers:
            plan.append((column, field))
            taken.add(field)
    return plan


class RowReader:
    """Reads the rows of a source by the column profile of an integration.

    `header` is empty where rows need not share columns. Raises SpecError where the profile names a column that is not
    in it.
    """

    def __init__(self, integration: Integration, header: Sequence[str]) -> None:
        self._source = integration.source
        self._plan = column_plan(integration, header)
        self._answers = [(name, row.column, row.separator) for name, row in integration.source.qualifiers.items()]
        self._open_ended = not header
        self._seen_columns: dict[str, str | None] = {}

    def read(self, values: Mapping[str, str]) -> dict[str, Any]:
        """The lead's data from one row: fields, qualifier answers, and one scan at its event."""
        if self._open_ended:
            self._extend_plan(values)
        fields = {}
        for column, field in self._plan:
            value = values.get(column)
            if value:
                value = value.strip()
                if value:
                    fields[field] = value
        answers: dict[str, Any] = {}
        for name, column, separator in self._answers:
            answer = (values.get(column) or "").strip()
            if answer:
                parts = [part.strip() for part in answer.split(separator)] if separator else []
                answers[name] = [part for part in parts if part] if separator else answer
        event = fields.get("event") or self._source.event
        if event:
            fields["event"] = event
        return {"f": fields, "q": answers, "e": {event: 1}}

    def _extend_plan(self, values: Mapping[str, str]) -> None:
        """Rows that need not share columns: recognise each column when it is met first."""
        answers = {column for _, column, _ in self._answers}
        for column in values:
            if column in self._seen_columns or column in self._source.columns or column in answers:
                continue
            field = recognise(column)
            self._seen_columns[column] = field
            if field:
                # In front, for of two columns that mean one field the later in the plan wins: the one known first.
                self._plan.insert(0, (column, field))


def missing_fields(integration: Integration, fields: Mapping[str, Any]) -> list[str]:
    """The required fields that a lead lacks."""
    return [name for name in integration.required if not fields.get(name)]


def refused(integration: Integration, fields: Mapping[str, Any], problem: str = "") -> Failure | None:
    """Why a captured lead cannot go on: the `problem` of its row, or the required fields that it lacks."""
    if problem:
        return Failure("UNREADABLE_ROW", problem)
    if missing := missing_fields(integration, fields):
        return Failure("MISSING_REQUIRED_VALUE", f"no {', no '.join(missing)}", field=",".join(missing))
    return None
