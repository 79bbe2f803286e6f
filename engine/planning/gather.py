"""Put a plan together from what the stages have left on the copy of the state, and what the vendor was to write."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine import check
from engine.expressions import parse
from engine.filters import fold, text
from engine.planning.guard import Allowed, guarded_place
from engine.planning.records import Plan, PlannedLead, PlannedPlace, Word
from engine.planning.vendor import PLAN_ALONE, PlanningVendor
from engine.plugins import Plugins
from engine.run import Run
from engine.specs import Integration
from engine.state.plans import PlaceRow
from engine.summary import Summary

#: Leads that a note names.
_NAMED = 5


def gathered(
    integration: Integration, run: Run, vendor: PlanningVendor, open_: Mapping[int, Sequence[str]], summary: Summary,
    paid: Mapping[str, Any], notes: Sequence[str],
) -> tuple[Plan, Allowed]:  # fmt: skip
    """The plan, and what a run that keeps to it may send. `open_`: by lead, the fields that may still be filled."""
    store, now = run.store, run.now()
    leads = _leads(run, vendor, summary.run)
    rows = store.plans.places(summary.run)
    for row in rows:
        lead = leads.setdefault(row.lead, PlannedLead(row.lead, row.key, "skip", sent=False))
        lead.record = lead.record or row.record  # an earlier run has written the person
        lead.places.append(_place(row, vendor))
        if lead.word == "skip" and lead.alters:
            lead.word = "update"
    for id, key, code, message in store.plans.failed(summary.run):
        tried = vendor.tried.get(id)
        by, value = (tried[-1].decision.by, tried[-1].decision.value) if tried else ("", "")
        places = leads[id].places if id in leads else []
        leads[id] = PlannedLead(id, key, "fail", by, value, sent=False, places=places, code=code, message=message)
    for id, code, message in store.plans.notices(summary.run):
        if id in leads:
            leads[id].notices = [*leads[id].notices, f"{code}: {message}"]
    depends = _dependents(integration, run.plugins)
    for id, names in open_.items():
        if names and id in leads:
            leads[id].open = names
            leads[id].depends = sorted({target for name in names for target in depends.get(name, ())})
    limits, left = vendor.limits, None
    if limits.daily is not None:
        used = store.quotas.used(vendor.account, now, limits.day(now))
        left = max(0, limits.daily - limits.reserve - used)
    planned = [leads[id] for id in sorted(leads)]
    failed = len(store.reports.failed(integration.name))
    plan = Plan(
        integration.name, integration.destination.use, vendor.account, integration.digest,
        run.source.label if run.source else "", _content(run, integration),
        datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        summary.this_run["rows"], summary.this_run["known_rows"], planned,
        {what: count for what, count in vendor.calls.counts.items() if what != PLAN_ALONE}, left, paid,
        failed - sum(lead.word == "fail" for lead in planned),
        tuple(dict.fromkeys([*notes, *_further(planned, vendor)])),
    )  # fmt: skip
    return plan, _allowed(plan, vendor, rows)


def _leads(run: Run, vendor: PlanningVendor, run_id: str) -> dict[int, PlannedLead]:
    """The leads that the run has had in its hands; one that nothing was sent of holds all of it already."""
    leads = {}
    for id, key in run.store.plans.touched(run_id, vendor.sent).items():
        sending = vendor.sent.get(id)
        if sending is None:
            leads[id] = PlannedLead(id, key, "skip", sent=False)
            continue
        word: Word = "create" if sending.created else "update" if sending.changes else "skip"
        decision = sending.delivery.decision
        leads[id] = PlannedLead(
            id, key, word, decision.by, decision.value, sending.record, changes=sending.changes,
            unchanged=sending.unchanged,
        )  # fmt: skip
    return leads


def _place(row: PlaceRow, vendor: PlanningVendor) -> PlannedPlace:
    before = vendor.before.get((row.target, row.record, row.status))
    old, kept = (before.status, before.reached) if before else ("", False)
    return PlannedPlace(row.kind, row.target, row.status, row.data, old, kept)


def _further(leads: Sequence[PlannedLead], vendor: PlanningVendor) -> list[str]:
    """Notes on what the plan cannot know."""
    found = []
    open_ = [lead.key for lead in leads if lead.open]
    if open_:
        found.append(f"{_some(open_)} may still be filled in by providers: `engine run --plan` does not hold them to"
                     " the plan")  # fmt: skip
    unsure = _unsure(leads)
    if unsure:
        found.append("in which order these leads are written is not certain, and they concern the same records by other"
                     f" keys: {_some(unsure)}")  # fmt: skip
    unasked = [lead.key for lead in leads if lead.lead in vendor.unasked]
    if unasked:
        found.append(f"{vendor.name} cannot be asked by the key of {_some(unasked)}: they may be known there, and then"
                     " are updated")  # fmt: skip
    return found


def _unsure(leads: Sequence[PlannedLead]) -> list[str]:
    """The leads that write one record and find it by several keys, or that look for a key which another one changes."""
    writers: dict[str, list[PlannedLead]] = {}
    left: dict[tuple[str, str], set[int]] = {}
    for lead in leads:
        if lead.by and lead.record:
            writers.setdefault(lead.record, []).append(lead)
        for change in lead.changes:
            left.setdefault((change.field, fold(text(change.old))), set()).add(lead.lead)
    several = [each for each in writers.values() if len({(lead.by, lead.value) for lead in each}) > 1]
    found = {lead.key: None for each in several for lead in each}
    return [*found, *(lead.key for lead in leads if lead.key not in found
                      and left.get((lead.by, fold(lead.value)), set()) - {lead.lead})]  # fmt: skip


def _some(keys: Sequence[str]) -> str:
    named = ", ".join(keys[:_NAMED])
    return named if len(keys) <= _NAMED else f"{named} and {len(keys) - _NAMED} more leads"


def _allowed(plan: Plan, vendor: PlanningVendor, rows: Sequence[PlaceRow]) -> Allowed:
    return Allowed(
        vendor.tried,
        {lead: sending.record for lead, sending in vendor.sent.items()},
        frozenset(guarded_place(row.record, row.target, row.status, row.data) for row in rows),
        frozenset(lead.lead for lead in plan.leads if lead.open),
    )


def _dependents(integration: Integration, plugins: Plugins) -> dict[str, set[str]]:
    """The vendor's fields that are worked out from each lead field."""
    names = check.names_of(integration, plugins)
    found: dict[str, set[str]] = {}
    for row in integration.mapping.fields:
        for expression in filter(None, (row.value, row.when)):
            for name in parse(expression, names).lead_fields:
                found.setdefault(name, set()).add(row.target)
    return found


def _content(run: Run, integration: Integration) -> str:
    """What stands for the content of the source file; empty where it is none."""
    path = Path(run.path) if run.path else integration.folder / integration.source.path
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
