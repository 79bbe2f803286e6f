"""The store under any order of captures, claims, results and kills: every lead is somewhere, and none is stuck."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine import specs
from engine.adapters import Context, Source
from engine.records import Failure, Membership, RawLead, Value
from engine.stages import reconcile
from engine.stages.base import Circumstances
from engine.stages.capture import CaptureStage
from engine.state import Store
from engine.state.moves import Enriched, Job, Mapped, Matched, Sent
from tests.unit_helpers import adds_up, all_leads, write_spec

HELD = ("enriching", "matching", "submitting", "sending", "resolving", "enrolling")
WAITING = ("captured", "enriched", "frozen", "mapped", "matched", "importing", "unknown", "written")
KNOWN = (*WAITING, "cleared", "failed", *HELD)
NAMES = [f"p{number}" for number in range(6)]
SETTLE = 90.0


class Rows(Source):
    """The rows it is given."""

    name = "rows"
    summary = "Rows in memory."
    label = "rows"

    def __init__(self, rows: Sequence[RawLead]) -> None:
        super().__init__({}, Context())
        self._rows = rows

    def columns(self) -> Sequence[str]:
        return ["first_name", "last_name", "company", "email", "notes"]

    def rows(self) -> Iterator[RawLead]:
        return iter(self._rows)


def where(*statuses: str) -> Any:
    """A rule for which leads must have one of these statuses: else most rules would find nothing to do."""
    return precondition(lambda self: not self.store.queue.counts(self.run.integration_id).keys().isdisjoint(statuses))


class StoreMachine(RuleBasedStateMachine):
    """What may be done with a store, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.spec = specs.load(write_spec(Path(self.folder.name), enrichment=[{"use": "normalize"}]))
        self.now = 1_000.0
        self.rows_seen = 0
        self.keys: set[str] = set()
        self.serial = 0
        self.open()

    def open(self, digest: str = "one") -> None:
        """Open the state and begin a run, as every command does."""
        self.store = Store(Path(self.folder.name) / "state.db", check=False)
        self.run = self.store.runs.begin("expo", "spec.yaml", digest, "rows", self.now, account="a",
                                         settle_after=SETTLE, import_settle_after=SETTLE)  # fmt: skip

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @property
    def leads(self) -> list[dict[str, Any]]:
        return all_leads(self.store)

    def of(self, *statuses: str) -> list[dict[str, Any]]:
        return [lead for lead in self.leads if lead["status"] in statuses]

    @rule(
        who=st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(["G", ""]), st.booleans()), min_size=1, max_size=5
        )
    )
    def capture(self, who: list[tuple[str, str, bool]]) -> None:
        rows = []
        for name, company, readable in who:
            self.serial += 1
            values = {"first_name": name, "last_name": "Q", "company": company, "email": f"{name}@g.example",
                      "notes": str(self.serial)}  # fmt: skip
            rows.append(RawLead(values, self.serial, "" if readable else "torn"))
            self.rows_seen += 1
            if readable:
                self.keys.add(f"email:{name}@g.example")
        circumstances = Circumstances(self.store, self.run, self.spec, lambda: self.now)
        stage = CaptureStage(circumstances, Rows(rows))
        while stage.step(flush=True):
            pass

    @where("captured")
    @rule(limit=st.integers(1, 4))
    def claim_for_enrichment(self, limit: int) -> None:
        self.store.queue.leads(self.run.integration_id, "captured", "a", limit, self.now, hold="enriching")

    @where("enriching")
    @rule(found=st.booleans())
    def enrichment_ends(self, found: bool) -> None:
        results = []
        for lead in self.of("enriching"):
            data = {"f": {**lead["fields"], "job_title": "Buyer"}, "q": lead["qualifiers"], "e": lead["events"]}
            values = [Value("job_title", "Buyer", "guess", at=self.now)] if found else []
            results.append(Enriched(lead["lead"], data, values))
        self.store.queue.save_enriched(self.run.id, results, self.now)

    @where("enriched")
    @rule(limit=st.integers(1, 4), status=st.sampled_from(["mapped", "matched", "frozen", "written", "failed"]),
          programs=st.booleans())  # fmt: skip
    def map(self, limit: int, status: str, programs: bool) -> None:
        leads = self.store.queue.leads(self.run.integration_id, "enriched", "a", limit, self.now)
        failure = Failure("NO_TAG_MAPPING", "x") if status == "failed" else None
        results = []
        for lead in leads:
            payload: dict[str, Any] = {"fields": lead.fields, "keys": [["email", lead.key]], "digest": "00" * 8}
            memberships = [Membership("7", "Member")] if programs else []
            results.append(Mapped(lead.id, status, None if failure else payload, failure,
                                  () if failure else memberships))  # fmt: skip
        self.store.queue.save_mapped(self.run.id, "one", "map", results, self.now)

    @where("mapped", "matched", "unknown")
    @rule(start=st.sampled_from([("mapped", "matching"), ("matched", "sending"), ("unknown", "resolving")]),
          limit=st.integers(1, 4))  # fmt: skip
    def claim_for_a_call(self, start: tuple[str, str], limit: int) -> None:
        jobs = self.store.queue.jobs(self.run.integration_id, start[0], limit, self.now)
        self.store.queue.hold([job.lead_id for job in jobs], start[1], self.now)
        for job in jobs:
            assert job.payload["fields"]["email"] == job.key.removeprefix("email:")

    @where("matching")
    @rule(fails=st.booleans())
    def matching_ends(self, fails: bool) -> None:
        held = self.store.queue.jobs(self.run.integration_id, "matching", 99, self.now)
        failure = Failure("AMBIGUOUS_MATCH", "x") if fails else None
        results = [Matched(job, None if fails else {**job.payload, "matched": True}, failure, job.rule) for job in held]
        self.store.queue.save_matched(self.run.id, "a", results, self.now)

    @where("matched")
    @rule(limit=st.integers(1, 4))
    def hand_a_file_over(self, limit: int) -> None:
        jobs = self.store.imports.matched(self.run.integration_id, limit, self.now)
        self.store.imports.hold([job.lead_id for job in jobs], self.now, writes=True)

    @where("submitting")
    @rule(taken=st.booleans())
    def a_file_was_handed_over(self, taken: bool) -> None:
        jobs = self.store.queue.jobs(self.run.integration_id, "submitting", 99, self.now)
        if taken:
            self.serial += 1
            self.store.imports.submitted(self.run.id, "a", "person", f"t{self.serial}", jobs, self.now, self.now)
        else:
            self.store.queue.delay([job.lead_id for job in jobs], "matched", 0.0)

    @where("importing")
    @rule(outcome=st.sampled_from(["cleared", "written", "failed", "unknown", "matched"]))
    def an_import_ends(self, outcome: str) -> None:
        row = self.store.imports.open(self.run.integration_id)[0]
        content = self.store.imports.content(row.id)
        assert all(waits for _, waits in content)
        self.save([job for job, _ in content], outcome)
        self.store.imports.close(row.id, "done")

    @where("sending", "resolving")
    @rule(outcome=st.sampled_from(["cleared", "written", "failed", "unknown", "matched"]),
          held=st.sampled_from(["sending", "resolving"]))  # fmt: skip
    def a_call_ends(self, outcome: str, held: str) -> None:
        self.save(self.store.queue.jobs(self.run.integration_id, held, 3, self.now), outcome)

    def save(self, jobs: Sequence[Job], outcome: str) -> None:
        """Store one outcome for all jobs, as a call's or an import's."""
        results = []
        for job in jobs:
            wants = any(row["state"] == "wanted" for row in (self.store.reports.lead(job.lead_id) or {})["memberships"])
            next_status = "written" if outcome == "cleared" and wants else outcome
            results.append(Sent(
                job.lead_id, job.delivery_id, "person", "created", "email", next_status,
                remote_id=job.key if outcome in {"cleared", "written"} else None,
                failure=Failure("UNKNOWN", "x") if outcome == "failed" else None,
                not_before=self.now + SETTLE if outcome == "unknown" else 0.0,
            ))  # fmt: skip
        self.store.queue.save_sent(self.run.id, "a", results, self.now)

    @where("written")
    @rule(succeeds=st.booleans())
    def enroll(self, succeeds: bool) -> None:
        places = self.store.queue.places(self.run.integration_id, "a", 3, self.now)
        self.store.queue.hold([place.lead_id for place in places], "enrolling", self.now)
        if succeeds:
            self.store.queue.save_sent(self.run.id, "a", [
                Sent(place.lead_id, place.delivery_id, "program", "created", "lead_id", "written",
                     membership=(place.target, place.status)) for place in places
            ], self.now)  # fmt: skip

    @where("failed")
    @rule()
    def retry_what_failed(self) -> None:
        reconcile.retry(self.store, self.spec, self.store.reports.failed("expo"), self.now)

    @where("frozen")
    @rule()
    def release(self) -> None:
        self.store.queue.release_all(self.run.integration_id)
        assert not self.of("frozen")

    @rule(seconds=st.sampled_from([1.0, SETTLE + 1]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(digest=st.sampled_from(["one", "two"]))
    def killed_and_started_again(self, digest: str) -> None:
        before = {lead["lead"]: lead["status"] for lead in self.leads}
        self.store.close()
        self.now += 1
        self.open(digest)
        assert not self.of(*HELD), "a held lead is freed"
        for lead in self.leads:
            if before[lead["lead"]] in {"sending", "submitting"}:
                assert lead["status"] == "unknown", "what was being sent may have arrived"
            if before[lead["lead"]] == "importing":
                assert lead["status"] == "importing", "what the vendor has taken over goes on"
        jobs = self.store.queue.jobs(self.run.integration_id, "unknown", 99, self.now + 2 * SETTLE)
        assert {job.lead_id for job in jobs} == {lead["lead"] for lead in self.of("unknown")}

    @precondition(lambda self: self.serial)
    @invariant()
    def every_row_and_lead_is_accounted_for(self) -> None:
        totals = self.store.reports.totals("expo")
        leads = self.leads
        assert adds_up(totals)
        assert totals["captured"] == self.rows_seen == sum(len(lead["captures"]) for lead in leads)
        assert {lead["key"] for lead in leads if lead["key"].startswith("email:")} == self.keys
        assert all(lead["status"] in KNOWN for lead in leads)

    @invariant()
    def a_lead_is_importing_exactly_while_it_is_in_an_import_under_way(self) -> None:
        open_ = [self.store.imports.content(row.id) for row in self.store.imports.open(self.run.integration_id)]
        inside = [job.lead_id for content in open_ for job, waits in content if waits]
        assert sorted(inside) == [lead["lead"] for lead in self.of("importing")]

    @precondition(lambda self: self.serial)
    @invariant()
    def a_lead_has_failed_exactly_when_it_has_an_open_failure(self) -> None:
        for lead in self.leads:
            open_ = [failure for failure in lead["failures"] if failure["resolved_at"] is None]
            assert len(open_) == (lead["status"] == "failed"), lead
        groups = self.store.reports.groups("expo")
        assert sum(group[4] for group in groups) == self.store.reports.totals("expo")["failed"]


StoreMachine.TestCase.settings = settings(max_examples=14, stateful_step_count=25, deadline=None)
TestStore = StoreMachine.TestCase
