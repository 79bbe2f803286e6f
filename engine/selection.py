"""The leads that people mean: by number, address or key, by group, by event, or by an expression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import SpecError
from engine.expressions import ExpressionError, Names, function, parse, suggestion
from engine.filters import fold
from engine.records import DERIVED_FIELDS, LEAD_FIELDS
from engine.state import Store


@dataclass(frozen=True, slots=True)
class Selection:
    """What people said. `where` is an expression over `lead` and `qualifiers`. Nothing said means all."""

    leads: tuple[str, ...] = ()
    group: str | None = None
    event: str | None = None
    where: str | None = None

    @property
    def is_all(self) -> bool:
        return not (self.leads or self.group or self.event or self.where)

    def __str__(self) -> str:
        """For the record of who did what: names no person."""
        parts = [f"group {self.group}" if self.group else "", f"event {self.event}" if self.event else "",
                 "an expression" if self.where else "", f"{len(self.leads)} named" if self.leads else ""]  # fmt: skip
        return ", ".join(part for part in parts if part) or "all"


def selected(
    store: Store, integration: str, meant: Selection, statuses: Sequence[str] = ("failed",), names: Names | None = None
) -> list[int]:
    """The leads of some statuses that are meant, in order. Raises SpecError where a name means nothing here.

    names: what an expression may refer to, where the spec is at hand; without it, the usual lead fields and whatever
    the leads have.
    """
    ids = _named(store, integration, meant.leads)
    found = list(store.selections.leads(integration, statuses, meant.group))
    if meant.group and not found:
        codes = store.selections.codes(integration, statuses[0])
        raise SpecError(
            f"no lead is {_said(statuses)} with {meant.group}",
            why=f"codes of {_said(statuses)} leads: {', '.join(codes) or 'none'}",
            fix=suggestion(meant.group, codes),
        )
    if meant.event is not None:
        wanted = fold(meant.event)
        events = store.selections.events(integration)
        if wanted not in map(fold, events):
            raise SpecError(
                f"no lead was captured at {meant.event!r}",
                why=f"events: {', '.join(events) or 'none'}",
                fix=suggestion(meant.event, events),
            )
        found = [each for each in found if wanted in map(fold, each[2].get("e", {}))]
    if ids is not None:
        found = [each for each in found if each[0] in ids]
        if not found:
            fix = "`engine reconcile show LEAD` tells where a lead is."
            raise SpecError(f"none of these leads is {_said(statuses)}", fix=fix)
    if meant.where is not None:
        found = _true_of(found, meant.where, names)
    return [id for id, _, _ in found]


def _said(statuses: Sequence[str]) -> str:
    return " or ".join("waiting" if status == "presync" else status for status in statuses)


def _named(store: Store, integration: str, leads: Sequence[str]) -> set[int] | None:
    if not leads:
        return None
    ids: set[int] = set()
    for text in leads:
        found = store.reports.find(integration, text)
        if not found:
            raise SpecError(f"no lead of {integration} is {text!r}", fix="Give its number, address or key.")
        ids.update(found)
    return ids


def _true_of(
    leads: list[tuple[int, str, dict[str, Any]]], where: str, names: Names | None
) -> list[tuple[int, str, dict[str, Any]]]:
    """The leads of which an expression is true. Raises SpecError where it is none, or breaks on a lead."""
    if names is None:
        fields = {*LEAD_FIELDS, *DERIVED_FIELDS, *(name for _, _, data in leads for name in data["f"])}
        names = Names(fields, {name for _, _, data in leads for name in data.get("q", {})})
    try:
        condition = function(parse(where, names), names)
    except ExpressionError as error:
        raise SpecError(f"{where!r}: {error.what}", where="--where", fix=error.fix, code=error.code) from error
    kept = []
    for lead in leads:
        data = lead[2]
        try:
            if condition({**data["f"], "scans": sum(data.get("e", {}).values())}, data.get("q", {})):
                kept.append(lead)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise SpecError(f"{where!r} cannot be worked out for lead {lead[0]}: {error}", where="--where",
                            fix="Say what holds for every lead, as in `lead.scans > 1`.") from error  # fmt: skip
    return kept
