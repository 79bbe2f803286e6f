"""A bench for the bulk stage: leads that are already mapped, stages that are stepped by hand, time that tests move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import wait
from pathlib import Path
from typing import Any

from engine import specs
from engine.adapters import Context
from engine.records import Membership
from engine.stages.base import Circumstances
from engine.stages.bulk import BulkStage
from engine.stages.capture import CaptureStage
from engine.stages.enroll import EnrollStage
from engine.stages.sync import SyncStage
from engine.state import Store
from engine.state.moves import Job, Mapped
from tests.unit_helpers import Depot, open_csv, write_csv, write_spec

#: Steps after which a bench takes a run for one that never ends.
MAX_STEPS = 2_000


class BulkBench:
    """A state, and one vendor that all its runs write to. `kill` ends a run as `kill -9` does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec = specs.load(write_spec(folder))
        self.vendor = Depot({"label": str(folder)}, Context())
        self.now = 1_000.0
        self.vendor.bulk.clock = lambda: self.now
        self._serial = 0
        self._open = False

    def __enter__(self) -> BulkBench:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def open(
        self, name: str = "expo", *, threshold: int | None = None, forced: bool = False, account: str = "shelf:one"
    ) -> None:
        """Begin a run; one that is at work is killed."""
        self.kill()
        self._open = True
        self.store = Store(self.folder / "state.db", check=False)
        run = self.store.runs.begin(
            name, "spec.yaml", "one", "rows", self.now, account=account, settle_after=self.vendor.settle_after,
            import_settle_after=self.vendor.bulk.settle_after,
        )  # fmt: skip
        self.integration_id = run.integration_id
        self.circumstances = Circumstances(self.store, run, self.spec, lambda: self.now, account=account)
        bulk = self.vendor.bulk
        self.bulk_stage = BulkStage(self.circumstances, self.vendor, bulk, threshold=threshold, forced=forced)
        self.sync_stage = SyncStage(self.circumstances, self.vendor, self.bulk_stage.keeps)
        self.enroll_stage = EnrollStage(self.circumstances, self.vendor)

    def kill(self) -> None:
        """End the run without storing what its calls brought."""
        if self._open:
            for stage in (self.bulk_stage, self.sync_stage, self.enroll_stage):
                wait(stage.in_flight)
                stage.close()
            self.store.close()
        self._open = False

    # Leads ------------------------------------------------------------------------------------------------------

    def capture(self, emails: Iterable[str]) -> None:
        rows = []
        for email in emails:
            self._serial += 1
            rows.append(["P", "Q", f"G{self._serial}", email])
        source = open_csv(write_csv(self.folder / "leads.csv", rows))
        stage = CaptureStage(self.circumstances, source)
        while stage.step(flush=True):
            pass
        stage.close()
        source.close()

    def matched(
        self,
        emails: Iterable[str],
        *,
        key_of: Mapping[str, str] | None = None,
        fields: Mapping[str, Any] | None = None,
        memberships: Sequence[Membership] = (),
    ) -> None:
        """Capture persons and take them to `matched`. key_of: the address that one is matched by, where not its own."""
        self.capture(emails)
        queue, run = self.store.queue, self.circumstances.run
        results = []
        for lead in queue.leads(run.integration_id, "enriched", "", 100_000, self.now):
            email = lead.fields["email"]
            payload: dict[str, Any] = {
                "fields": {"email": email, **(fields or {})},
                "keys": [["email", (key_of or {}).get(email, email)]],
                "digest": "00" * 8,
            }
            if memberships:
                payload["memberships"] = [(place.target, place.status) for place in memberships]
            results.append(Mapped(lead.id, "matched", payload, memberships=memberships))
        queue.save_mapped(run.id, "one", "map", results, self.now)

    @property
    def statuses(self) -> dict[str, int]:
        return self.store.queue.counts(self.integration_id)

    def jobs(self, status: str) -> list[Job]:
        return self.store.queue.jobs(self.integration_id, status, 1_000, self.now)

    # Stepping ---------------------------------------------------------------------------------------------------

    def step(self, *, flush: bool = True, ordinary: bool = False) -> None:
        """Step once, and store what the calls that were started brought."""
        for stage in [self.bulk_stage, self.sync_stage, self.enroll_stage] if ordinary else [self.bulk_stage]:
            stage.step(flush=flush)
            wait(stage.in_flight)
            stage.settle()

    def finish(self) -> None:
        """Step as a run does until nothing is left to wait for; the time moves on to what is due next."""
        stages = [self.bulk_stage, self.sync_stage, self.enroll_stage]
        for _ in range(MAX_STEPS):
            did, quiet = False, True
            for stage in stages:
                moved = stage.step(flush=quiet)
                did = did or moved
                quiet = quiet and not moved and not stage.in_flight
            futures = [future for stage in stages for future in stage.in_flight]
            if futures:
                wait(futures)
            elif not did:
                waiting = ("matched", "unknown", "written")
                found = [self.bulk_stage.next_due, self.store.queue.next_due(self.integration_id, waiting, self.now)]
                due = [each for each in found if each is not None]
                if not due:
                    return
                assert min(due) > self.now, "a run would spin"
                self.now = min(due)
        raise AssertionError(f"the run never ends: {self.statuses}")
