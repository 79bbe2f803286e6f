"""Make a plan: the run's own stages at work on a copy of the state, with a vendor that is only read."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.adapters import Context, Vendor
from engine.errors import CredentialsError, EnvironmentFault, SpecError, VendorUnavailable
from engine.estimate import estimate
from engine.limits import LimitedGate, OpenGate
from engine.logs import NAME as LOGGER
from engine.observers import Nobody, Observers
from engine.planning.calls import CountingGate
from engine.planning.enriching import PlannedEnrichStage
from engine.planning.front import in_front
from engine.planning.gather import gathered
from engine.planning.guard import Allowed
from engine.planning.records import Plan
from engine.planning.stages import AtOnce
from engine.planning.vendor import PlanningVendor
from engine.plugins import Plugins
from engine.run import Run
from engine.specs import Integration
from engine.stages.base import Circumstances, Stage
from engine.stages.waterfall import Waterfall
from engine.state import Store
from engine.state.copies import copy_state
from engine.waterfalls import rehearsed

STANDARD_INPUT = "-"
_RAISED = {2: SpecError, 3: EnvironmentFault, 4: CredentialsError, 5: VendorUnavailable}


@dataclass
class _PlanningRun(Run):
    """A run that writes nothing and tells nobody."""

    vendor: PlanningVendor | None = None
    enriching: PlannedEnrichStage | None = None
    calls: CountingGate = field(default_factory=lambda: CountingGate(OpenGate()))
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guard = self._planned
        self.log.disabled = True

    def _context(self, config: Mapping[str, Any], where: str, **gate_settings: Any) -> tuple[Context, LimitedGate]:
        context, gate = super()._context(config, where, **gate_settings)
        if where != "destination.config":
            return context, gate
        self.calls = CountingGate(gate)
        # The run itself says nothing; what a vendor's plugin has to say is still said.
        return replace(context, gate=self.calls, log=logging.getLogger(LOGGER)), gate

    def _planned(self, real: Vendor) -> Vendor:
        self.vendor = in_front(PlanningVendor, real, self.calls)
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

    def _sending(self, vendor: Vendor) -> list[Stage]:
        return [AtOnce(stage) for stage in super()._sending(vendor)]

    def _observers(self, run: Circumstances) -> Observers:
        return Nobody()


def make(
    integration: Integration,
    plugins: Plugins,
    state: Path,
    path: str | None = None,
    now: Callable[[], float] = time.time,
    progress: Callable[[Run], None] = lambda run: None,
) -> tuple[Plan, Allowed]:
    """Plan a run that would read the file at `path`, or the spec's own source, on the state, if there is one.

    Returns the plan, and what a run that keeps to it may send. The vendor is read, within its limits. Raises SpecError,
    EnvironmentFault, CredentialsError, VendorUnavailable.
    """
    mode = integration.destination.sync_mode
    spec = replace(integration, destination=replace(integration.destination, sync_mode="automatic", bulk_from=None))
    notes = []
    if mode != "automatic":
        what = "hold these leads until `engine release`" if mode == "manual" else "send nothing"
        notes.append(f"the sync mode is {mode}: a run would {what}; this is what sending them would do")
    if integration.destination.bulk_from is not None:
        notes.append("files are left out of account: this is what sending the leads the ordinary way would do")
    with TemporaryDirectory(prefix="engine-plan-") as folder:
        if (path or spec.source.path) == STANDARD_INPUT:
            path = _kept(Path(folder))  # it is read more than once
        paid: Mapping[str, Any] = {}
        if any(plugins.enrichers[step.use].online for _, step in spec.enrichment.placed()
               if step.use in plugins.enrichers):  # fmt: skip
            paid = asdict(estimate(integration, plugins, state, path, now))
        copy = Path(folder) / "state.db"
        if state.exists():
            copy_state(state, copy)
        with _opened(copy, state) as store:
            moving = store.plans.take_up(spec.name)
            if moving:
                leads = "1 lead is" if moving == 1 else f"{moving} leads are"
                notes.append(f"{leads} on the way since a run that was interrupted, and looked up first")
            run = _PlanningRun(spec, store, plugins, path=path, now=now, progress=progress)
            summary = run.go()
            if summary.status == "aborted":
                raise _RAISED.get(summary.exit_code, EnvironmentFault)(summary.message)
            assert run.vendor is not None and run.enriching is not None  # noqa: S101 - the run has ended well
            notes += [*summary.notes, *run.told]
            return gathered(integration, run, run.vendor, run.enriching.open, summary, paid, notes)


def _kept(folder: Path) -> str:
    """Standard input as a file of its name."""
    path = folder / "standard input"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return str(path)


def _opened(copy: Path, state: Path) -> Store:
    """The copy; where it cannot be read, the state itself is named."""
    try:
        return Store(copy, check=False)
    except EnvironmentFault as error:
        error.where = str(state)
        raise
