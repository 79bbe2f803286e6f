"""Make a plan: the run's own stages at work on a copy of the state, with a vendor that is only read."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from engine import check
from engine.adapters import Vendor
from engine.errors import CredentialsError, EnvironmentFault, SpecError, VendorUnavailable
from engine.estimate import estimate
from engine.expressions import parse
from engine.planning.enriching import PlannedEnrichStage
from engine.planning.records import Plan, PlannedLead, PlannedPlace
from engine.planning.vendor import PlanningVendor, planning
from engine.plugins import Plugins
from engine.records import Failure
from engine.run import Run, Summary
from engine.specs import Integration
from engine.stages.base import Circumstances, Stage
from engine.stages.waterfall import Waterfall
from engine.state import Store
from engine.state.copies import copy_state
from engine.waterfalls import rehearsed

#: Where the effect of a lead's sending is being decided: an interrupted run has left it there.
_ON_THE_WAY = ("sending", "submitting", "resolving", "unknown", "importing")
_RAISED = {2: SpecError, 3: EnvironmentFault, 4: CredentialsError, 5: VendorUnavailable}


@dataclass
class _PlanningRun(Run):
    """A run that writes nothing and tells nobody."""

    vendor: PlanningVendor | None = None
    enriching: PlannedEnrichStage | None = None
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guard = self._planned

    def _planned(self, real: Vendor) -> Vendor:
        self.vendor = planning(real)
        return self.vendor

    def _waterfall(self) -> Waterfall:
        assert self.circumstances is not None  # noqa: S101 - set before the stages are made
        maker = rehearsed(self.integration, self.plugins, self.now, self.told.append)
        try:
            return maker.make(self.circumstances)
        finally:
            self._adapters += maker.made

    def _enriching(self, run: Circumstances, waterfall: Waterfall) -> Stage:
        self.enriching = PlannedEnrichStage(run, waterfall)
        return self.enriching

    def _observe_failure(self, lead_id: int, failure: Failure) -> None:
        """A plan is nobody's news."""

    def _observe(self, call: Callable[[], object]) -> None:
        """A plan is nobody's news."""


def make(
    integration: Integration,
    plugins: Plugins,
    state: Path,
    path: str | None = None,
    now: Callable[[], float] = time.time,
    progress: Callable[[Run], None] = lambda run: None,
) -> Plan:
    """Plan a run that would read the file at `path`, or the spec's own source, on the state, if there is one.

    The vendor is read, within its limits. Raises SpecError, EnvironmentFault, CredentialsError, VendorUnavailable.
    """
    mode = integration.destination.sync_mode
    spec = replace(integration, destination=replace(integration.destination, sync_mode="automatic", bulk_from=None))
    notes = []
    if mode != "automatic":
        what = "hold these leads until `engine release`" if mode == "manual" else "send nothing"
        notes.append(f"the sync mode is {mode}: a run would {what}; this is what sending them would do")
    paid: Mapping[str, Any] = {}
    if any(plugins.enricher(step.use).online for _, step in spec.enrichment.placed() if step.use in plugins.enrichers):
        paid = asdict(estimate(integration, plugins, state, path, now))
    with TemporaryDirectory(prefix="engine-plan-") as folder:
        copy = Path(folder) / "state.db"
        if state.exists():
            copy_state(state, copy)
        with Store(copy, check=False) as store:
            moving = _take_up(store, spec)
            if moving:
                notes.append(
                    f"{moving} leads are on their way since a run that was interrupted; they are looked up first"
                )
            run = _PlanningRun(spec, store, plugins, path=path, now=now, progress=progress)
            summary = run.go()
            if summary.status == "aborted":
                raise _RAISED.get(summary.exit_code, EnvironmentFault)(summary.message)
            return _plan(integration, run, summary, paid, [*notes, *summary.notes, *run.told], now)


def _take_up(store: Store, spec: Integration) -> int:
    """Let what an interrupted run has left on its way be looked up at once; returns how many leads that are."""
    last = store.runs.last(spec.name)
    moving = 0
    for status in _ON_THE_WAY if last is not None else ():
        assert last is not None  # noqa: S101 - the loop is empty then
        leads = store.queue.leads(last.integration_id, status, "", 2**31, float("inf"))
        store.queue.delay([lead.id for lead in leads], "unknown", 0.0)
        moving += len(leads)
    return moving


def _plan(
    integration: Integration, run: _PlanningRun, summary: Summary, paid: Mapping[str, Any], notes: list[str],
    now: Callable[[], float],
) -> Plan:  # fmt: skip
    store, vendor, stage = run.store, run.vendor, run.enriching
    assert vendor is not None and stage is not None  # noqa: S101 - the run has ended well
    leads: dict[int, PlannedLead] = {}
    for id, key in store.plans.mapped(summary.run).items():
        sending = vendor.sent.get(id)
        if sending is None:
            leads[id] = PlannedLead(id, key, "skip", sent=False)
            continue
        word = "create" if not sending.remote_id else "update" if sending.changes else "skip"
        decision = sending.decision
        leads[id] = PlannedLead(
            id, key, word, decision.by, decision.value, sending.remote_id,  # type: ignore[arg-type]
            changes=sending.changes, unchanged=sending.unchanged,
        )  # fmt: skip
    for id, key, kind, target, status, data in store.plans.places(summary.run):
        # One whose person an earlier run has written lacks its memberships only.
        leads.setdefault(id, PlannedLead(id, key, "update", sent=False))
        leads[id].places.append(PlannedPlace(kind, target, status, orjson.loads(data) if data else {}))
        if leads[id].word == "skip":
            leads[id].word = "update"
    for id, key, code, message in store.plans.failed(summary.run):
        places = leads[id].places if id in leads else []
        leads[id] = PlannedLead(id, key, "fail", sent=False, places=places, code=code, message=message)
    for id, code, message in store.plans.notices(summary.run):
        if id in leads:
            leads[id].notices = [*leads[id].notices, f"{code}: {message}"]
    depends = _dependents(integration, run.plugins)
    for id, names in stage.open.items():
        if names and id in leads:
            leads[id].open = names
            leads[id].depends = sorted({target for name in names for target in depends.get(name, ())})
    failed = len(store.reports.failed(integration.name))
    limits = vendor.limits
    left = None
    if limits.daily is not None:
        left = max(0, limits.daily - store.quotas.used(vendor.account, now(), limits.day(now())))
    return Plan(
        integration.name, integration.destination.use, vendor.account, integration.digest,
        run.source.label if run.source else "", _content(run, integration),
        datetime.fromtimestamp(now(), UTC).isoformat(timespec="seconds"), summary.this_run["rows"],
        [leads[id] for id in sorted(leads)], dict(vendor.calls), left, paid,
        failed - sum(lead.word == "fail" for lead in leads.values()), tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _dependents(integration: Integration, plugins: Plugins) -> dict[str, set[str]]:
    """The vendor's fields that are worked out from each lead field."""
    names = check.names_of(integration, plugins)
    found: dict[str, set[str]] = {}
    for row in integration.mapping.fields:
        for text in filter(None, (row.value, row.when)):
            for name in parse(text, names).lead_fields:
                found.setdefault(name, set()).add(row.target)
    return found


def _content(run: _PlanningRun, integration: Integration) -> str:
    """What stands for the content of the source file; empty for standard input."""
    path = Path(run.path) if run.path else integration.folder / integration.source.path
    if run.path == "-" or not path.is_file():
        return ""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            digest.update(block)
    return digest.hexdigest()
