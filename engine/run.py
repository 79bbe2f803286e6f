"""Open a run, drive the stages, resume, count. Starting and resuming are the same code."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from engine import check
from engine.adapters import Adapter, Context, Source, Vendor
from engine.callbacks import CallbackServer
from engine.codes import NOTICES
from engine.codes import code as code_of
from engine.errors import AbortRun, CredentialsError, EngineError, RunStopped, SpecError
from engine.limits import LimitedGate
from engine.logs import BoundLogger
from engine.observers import Everybody, Nobody, Observers
from engine.plugins import Plugins, build
from engine.prepare import prepared
from engine.settings import ReferredSecrets, resolve
from engine.specs import Integration
from engine.stages.base import Circumstances, Stage, Tallies
from engine.stages.bulk import BulkStage
from engine.stages.capture import CaptureStage
from engine.stages.enrich import EnrichStage
from engine.stages.enroll import EnrollStage
from engine.stages.map import MapStage
from engine.stages.match import MatchStage
from engine.stages.rows import column_plan
from engine.stages.sync import SyncStage
from engine.stages.waterfall import Waterfall
from engine.state import Store
from engine.summary import Summary, log_abort, log_end
from engine.waterfalls import WaterfallMaker

_WAITING = ("captured", "enriched", "mapped", "matched", "unknown", "written")


Progress = Callable[["Run"], None]


def source_of(integration: Integration, plugins: Plugins, path: str | None, context: Context) -> Source:
    """The source that a run reads: the file at `path` (from the working folder), or the spec's own.

    Raises SpecError, EnvironmentFault.
    """
    spec = integration.source
    if not (path or spec.path):
        raise SpecError(
            "no source file is given",
            where=integration.place("source"),
            fix="Name it: `engine run SPEC FILE`, or `-` for standard input, or `source.path` in the spec.",
        )
    adapter = plugins.source(spec.use)
    config = resolve(spec.config, adapter.secrets, integration.folder, where="source.config", place=integration.place)
    folder = Path.cwd() if path else integration.folder
    return build(adapter, {**config, "path": path or spec.path}, replace(context, folder=folder))


@dataclass
class Run:
    """One run of an integration on a state. `go()` does it all and returns the summary.

    path: the source file, where not the spec's own. capture: read the source at all (a retry does not). bulk: hand
    over files whatever the number of leads, where the vendor takes them. wait: seconds for another run on the state to
    end.
    prepare: called once the state is this run's alone. guard: lets something watch, or stand in for, the vendor.
    progress: called a few times a second. by: who runs it, for the record.
    stop: set it from outside to end the run early; it is then resumable.
    """

    integration: Integration
    store: Store
    plugins: Plugins
    path: str | None = None
    capture: bool = True
    bulk: bool = False
    wait: float = 0.0
    now: Callable[[], float] = time.time
    progress: Progress = lambda run: None
    stop: threading.Event = field(default_factory=threading.Event)
    prepare: Callable[[], None] = lambda: None
    guard: Callable[[Vendor], Vendor] = lambda vendor: vendor
    by: str = "somebody"
    log: BoundLogger = field(default_factory=BoundLogger)

    circumstances: Circumstances | None = None
    source: Source | None = None
    observers: Observers = field(default_factory=Nobody)
    _adapters: list[Adapter] = field(default_factory=list)
    _inbox: CallbackServer | None = None

    @property
    def tallies(self) -> Tallies:
        return self.circumstances.tallies if self.circumstances else Tallies()

    def go(self) -> Summary:
        """Run to the end. Raises AbortRun only before anything was opened; later it becomes the summary's exit code."""
        self.log.fields.update(integration=self.integration.name, vendor=self.integration.destination.use)
        try:
            check.refuse_if_wrong(self.integration, self.plugins)
            self.store.database.hold(self.wait, self._sleep)
        except AbortRun as error:
            log_abort(self.log, error)
            raise
        try:
            self.prepare()
            return self._opened()
        except AbortRun as error:
            log_abort(self.log, error)
            raise
        finally:
            if self._inbox:
                self._inbox.close()
            for adapter in self._adapters:
                adapter.close()
            self.store.database.release()

    def _opened(self) -> Summary:
        integration = self.integration
        source = self.source = self._source() if self.capture else None
        vendor, gate = self._vendor()
        run = self.store.runs.begin(
            integration.name,
            str(integration.path.resolve()),
            integration.digest,
            source.label if source else "retry",
            self.now(),
            account=vendor.account,
            settle_after=vendor.settle_after,
            import_settle_after=vendor.bulk.settle_after if vendor.bulk else 0.0,
        )
        gate.declare(vendor.account, vendor.limits)
        self.log.fields.update(run=run.id)
        self.log.info("the run has started")
        self.circumstances = Circumstances(self.store, run, integration, self.now, vendor.account, log=self.log)
        self.observers = self._observers(self.circumstances)
        self.circumstances.on_failure = self.observers.lead_failed
        lost = self.store.ledger.close_open(self.now())
        if lost:
            self.circumstances.note(
                f"{lost} paid calls were in flight when an earlier run was killed: possibly charged"
            )
        error: AbortRun | None = None
        started = time.monotonic()
        try:
            self._drive(source, vendor)
        except AbortRun as raised:
            error = raised
        except RunStopped:
            self.circumstances.log.info("stopped before the vendor was reached")
        if source:
            for text in source.notes():
                self.circumstances.note(f"{source.label}: {text}", level=logging.INFO)
        return self._finish(error, time.monotonic() - started)

    # What a run is made of --------------------------------------------------------------------------------------

    def _context(self, config: Mapping[str, Any], where: str, **gate_settings: Any) -> tuple[Context, LimitedGate]:
        """What an adapter is handed whose `config` stands at `where` in the spec."""
        own = self.integration.folder
        settings = {"now": self.now, "sleep": self._sleep, "tell": self._tell, "log": self.log, **gate_settings}
        gate = LimitedGate(self.store.quotas, **settings)
        secrets = ReferredSecrets(config, own, where=where, sleep=self._sleep)
        return Context(self.now, self._sleep, own, gate, secrets=secrets, log=self.log), gate

    def _tell(self, text: str) -> None:
        """What a gate has to say to people."""
        if self.circumstances is not None:
            self.circumstances.note(text)

    def _observers(self, run: Circumstances) -> Observers:
        return Everybody(self.plugins, run)

    def _sleep(self, seconds: float) -> None:
        """Wait, unless the run is being stopped."""
        if self.stop.wait(seconds):
            raise RunStopped("the run is being stopped", after=0.0)

    def _source(self) -> Source:
        context = self._context(self.integration.source.config, "source.config")[0]
        source = source_of(self.integration, self.plugins, self.path, context)
        self._adapters.append(source)
        column_plan(self.integration, source.columns())
        return source

    def _vendor(self) -> tuple[Vendor, LimitedGate]:
        spec = self.integration.destination
        adapter = self.plugins.vendor(spec.use)
        where = "destination.config"
        context, gate = self._context(spec.config, where)
        config = resolve(
            spec.config,
            adapter.secrets,
            self.integration.folder,
            where=where,
            place=self.integration.place,
        )
        vendor = self.guard(build(adapter, config, context))
        self._adapters.append(vendor)
        return vendor, gate

    def _waterfall(self) -> Waterfall:
        assert self.circumstances is not None  # noqa: S101 - set before the stages are made
        spec = self.integration.enrichment
        maker = WaterfallMaker(self.integration, self.plugins, self._context)
        if spec.listen:
            self._inbox = CallbackServer(self.store.callbacks, spec.listen, spec.callback_url, self.now)
            maker.inbox = self._inbox
        try:
            waterfall = maker.make(self.circumstances)
        finally:
            self._adapters += maker.made
        if self._inbox:
            self._inbox.start([step.enricher for step in waterfall.online])
        return waterfall

    # Driving ----------------------------------------------------------------------------------------------------

    def _drive(self, source: Source | None, vendor: Vendor) -> None:
        assert self.circumstances is not None  # noqa: S101 - set by the only caller
        run = self.circumstances
        stages: list[Stage] = [CaptureStage(run, source)] if source else []
        try:
            try:
                catalog = self.store.catalog
                mapping, keys = prepared(self.integration, self.plugins, vendor, catalog, self.now, self._sleep)
                waterfall = self._waterfall()
            except EngineError:
                # What can be read is kept, though nothing can be sent: standard input is not there a second time.
                self._loop(stages)
                raise
            mode = self.integration.destination.sync_mode
            of, acts = run.run.integration_id, self.store.actions
            acts.switched(of, mode, self.by, self.now())
            if mode == "automatic" and (released := self.store.queue.release_all(of)):
                acts.add(of, released, "release", "the sync mode is automatic", self.by, self.now())
            mapper = MapStage(run, mapping, keys, vendor.searched)
            stages += [self._enriching(run, waterfall), mapper]
            if mode != "disabled":
                stages += self._sending(vendor)
            self._loop(stages)
        finally:
            for stage in stages:
                stage.close()
        if source:
            for text in mapper.notes():
                run.note(text, logged="events of leads and events of programs differ")

    def _enriching(self, run: Circumstances, waterfall: Waterfall) -> Stage:
        return EnrichStage(run, waterfall)

    def _sending(self, vendor: Vendor) -> list[Stage]:
        """The stages that talk to the vendor."""
        assert self.circumstances is not None  # noqa: S101 - set by the only caller
        run, threshold = self.circumstances, self.integration.destination.bulk_from
        if vendor.bulk is None:
            if self.bulk or threshold is not None:
                run.note(f"{vendor.name} has no bulk import: leads go the ordinary way")
            return [MatchStage(run, vendor), SyncStage(run, vendor), EnrollStage(run, vendor)]
        # Made first, so that what an import may still write has its keys before anything that only waits.
        files = BulkStage(run, vendor, vendor.bulk, threshold=threshold, forced=self.bulk)
        return [MatchStage(run, vendor), files, SyncStage(run, vendor, files.keeps), EnrollStage(run, vendor)]

    def _loop(self, stages: Sequence[Stage]) -> None:
        """Step every stage in turn until nothing is left to do. Raises the first AbortRun, after settling the rest."""
        failure: AbortRun | None = None
        shown = 0.0
        while not self.stop.is_set() and failure is None:
            did = False
            quiet = True
            for stage in stages:
                try:
                    moved = stage.step(flush=quiet)
                except AbortRun as error:
                    failure = failure or error
                    break
                if moved:
                    self._log_step(stage)
                did = did or moved
                quiet = quiet and not moved and not stage.in_flight
            if time.monotonic() - shown > 0.1:
                shown = time.monotonic()
                self.progress(self)
                self.observers.tick()
            if not did and failure is None and not self._wait(stages):
                break
        self._settle(stages)
        self._finish_capture(stages)
        self.progress(self)
        if failure is not None:
            raise failure

    def _finish_capture(self, stages: Sequence[Stage]) -> None:
        """Where the rest had to end early, read the source to its end all the same: what can be kept is kept."""
        capture = next((stage for stage in stages if isinstance(stage, CaptureStage)), None)
        while capture is not None and not self.stop.is_set() and capture.step(flush=True):
            self.progress(self)

    def _wait(self, stages: Sequence[Stage]) -> bool:
        """Wait for a call to end or a delayed lead to come due; False when there is nothing to wait for."""
        assert self.circumstances is not None  # noqa: S101 - set before the loop
        futures = [future for stage in stages for future in stage.in_flight]
        if futures:
            wait(futures, timeout=0.25, return_when=FIRST_COMPLETED)
            return True
        disabled = self.integration.destination.sync_mode == "disabled"
        waiting = _WAITING[:2] if disabled else _WAITING  # what no stage moves on is not waited for
        delayed = self.store.queue.next_due(self.circumstances.run.integration_id, waiting, self.now())
        awaited = [delayed, *(stage.next_due for stage in stages)]
        due = min((moment for moment in awaited if moment is not None), default=None)
        pause = 0.25 if due is None else min(0.25, max(0.0, due - self.now()))
        if due is None or len(stages) <= 1:
            return False
        self.stop.wait(pause)
        return True

    def _settle(self, stages: Sequence[Stage]) -> None:
        """Wait for what is in flight and store it: a call that was made is never forgotten."""
        for stage in stages:
            stage.settle()
        while True:
            futures = [future for stage in stages for future in stage.in_flight]
            if not futures:
                return
            wait(futures, timeout=0.5, return_when=FIRST_COMPLETED)
            for stage in stages:
                stage.settle()

    # The end ----------------------------------------------------------------------------------------------------

    def _finish(self, error: AbortRun | None, seconds: float) -> Summary:
        assert self.circumstances is not None  # noqa: S101 - set by the only caller
        run = self.circumstances.run
        for code_name, count, example in self.store.reports.notices(run.id):
            leads = "1 lead" if count == 1 else f"{count} leads"
            noticed = f"{code_name}, {leads}: {NOTICES.get(code_name, '')}"
            self.circumstances.note(f"{noticed} E.g. {example}", logged=noticed)
        totals = self.store.reports.totals(self.integration.name)
        status, code, message = "done", 1 if totals["failed"] else 0, ""
        if error is not None:
            status, code, message = "aborted", error.exit_code, str(error)
        elif self.stop.is_set():
            status, code = "interrupted", 130
        if isinstance(error, CredentialsError):
            self.store.connections.pause(run.integration_id, error.failure, message, self.now())
            self.log.warning("the connection is paused", extra={"code": error.failure, "printed": True})
        elif status == "done":
            self.store.connections.resume(run.integration_id)
        self.store.runs.end(run.id, status, code, self.now(), message)
        summary = Summary(
            run=run.id,
            integration=self.integration.name,
            vendor=self.integration.destination.use,
            exit_code=code,
            status=status,
            message=message,
            seconds=seconds,
            this_run=asdict(self.circumstances.tallies),
            failures=[
                {"code": each, "owner": code_of(each, self.plugins.codes).owner, "leads": count}
                for each, count in sorted(self.circumstances.failures.items())
            ],
            totals=totals,
            written=self.store.reports.written(self.integration.name),
            enriched=self.store.reports.enriched(self.integration.name),
            paid=self.store.provider_stats.paid(run.id),
            notes=tuple(self.circumstances.notes),
        )
        if error is not None:
            log_abort(self.log, error)
        log_end(self.log, summary)
        self.observers.run_finished(summary.as_json())
        return replace(summary, notes=tuple(self.circumstances.notes))  # an observer may have added to them

    def _log_step(self, stage: Stage) -> None:
        if self.log.isEnabledFor(logging.DEBUG):
            self.log.debug("a batch has moved on", extra={**asdict(self.tallies), "stage": stage.name})
