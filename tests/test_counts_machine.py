"""Counts add up after any order of captures, runs, edits, releases, retries and ignores, however they are looked at."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine import specs
from engine.records import Failure, RawLead
from engine.selection import Selection, selected
from engine.stages import reconcile
from engine.stages.base import Circumstances
from engine.stages.capture import CaptureStage
from engine.state import Store
from engine.state.moves import Mapped, Sent
from engine.state.queue import TERMINAL
from engine.state.views import PLACES
from tests.test_store_machine import Rows
from tests.unit_helpers import adds_up, all_leads, write_spec

NAMES = [f"p{number}" for number in range(5)]
EVENTS = ["Expo", "Fair", ""]
CODES = ["NO_TAG_MAPPING", "DATA_VALUE_VALIDATION", "OF_A_PLUGIN"]


class Columns(Rows):
    def columns(self) -> Sequence[str]:
        return ["first_name", "last_name", "company", "email", "event", "notes"]


class CountsMachine(RuleBasedStateMachine):
    """What people and runs do with leads, without a vendor."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.spec = specs.load(write_spec(Path(self.folder.name), required=["company"]))
        self.store = Store(Path(self.folder.name) / "state.db", check=False)
        self.now = 1_000.0
        self.rows = 0
        self.began: dict[int, float] = {}
        self.begin()

    def begin(self) -> None:
        self.run = self.store.runs.begin("expo", "spec.yaml", "one", "rows", self.now, account="a")

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def of(self, *statuses: str) -> list[int]:
        return [lead["lead"] for lead in all_leads(self.store) if lead["status"] in statuses]

    @rule(who=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(EVENTS), st.booleans()), min_size=1,
                       max_size=4))  # fmt: skip
    def capture(self, who: list[tuple[str, str, bool]]) -> None:
        self.now += 10
        self.begin()
        rows = []
        for name, event, complete in who:
            self.rows += 1
            values = {"first_name": name, "last_name": "Q", "company": "G" if complete else "", "event": event,
                      "email": f"{name}@g.example", "notes": str(self.rows)}  # fmt: skip
            rows.append(RawLead(values, self.rows))
        stage = CaptureStage(Circumstances(self.store, self.run, self.spec, lambda: self.now), Columns(rows))
        while stage.step(flush=True):
            pass
        for lead in all_leads(self.store):
            self.began.setdefault(lead["lead"], self.now)

    @rule(status=st.sampled_from(["mapped", "frozen", "failed"]), code=st.sampled_from(CODES), limit=st.integers(1, 3))
    def map(self, status: str, code: str, limit: int) -> None:
        self.now += 1
        failure = Failure(code, "it is wrong") if status == "failed" else None
        payload: dict[str, Any] | None = None if failure else {"fields": {}, "keys": [["email", "x"]], "digest": ""}
        leads = self.store.queue.leads(self.run.integration_id, "enriched", "a", limit, self.now)
        results = [Mapped(lead.id, status, payload, failure) for lead in leads]
        self.store.queue.save_mapped(self.run.id, "one", "map", results, self.now)

    @rule(cleared=st.booleans(), limit=st.integers(1, 3))
    def send(self, cleared: bool, limit: int) -> None:
        self.now += 1
        failure = None if cleared else Failure("UNKNOWN", "refused", vendor_code="610", endpoint="/leads")
        jobs = self.store.queue.jobs(self.run.integration_id, "mapped", limit, self.now)
        results = [Sent(job.lead_id, job.delivery_id, "person", "created" if cleared else "failed", "email",
                        "cleared" if cleared else "failed", failure=failure) for job in jobs]  # fmt: skip
        self.store.queue.save_sent(self.run.id, "a", results, self.now)

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        failed = self.store.reports.failed("expo")
        some = data.draw(st.lists(st.sampled_from(failed), unique_by=lambda lead: lead["lead"])) if failed else []
        result = reconcile.retry(self.store, self.spec, some, self.now)
        assert result.taken + len(result.left) == len(some)

    @rule(data=st.data(), what=st.sampled_from(["ignore", "unignore", "release", "edit", "clear", "again", "fresh"]))
    def act(self, data: st.DataObject, what: str) -> None:
        """A person does something to leads, in whatever status they are: what is not meant for them changes nothing."""
        ids = [lead["lead"] for lead in all_leads(self.store)]
        some = data.draw(st.lists(st.sampled_from(ids), unique=True)) if ids else []
        queue = self.store.queue
        if what == "ignore":
            queue.ignore(some, "because")
        elif what == "unignore":
            queue.unignore(some)
        elif what == "release":
            queue.release(some)
        elif what in ("edit", "clear"):
            for id in some:
                self.store.edits.save(id, {"company": "H" if what == "edit" else ""}, "ada", self.now, live=False)
        else:
            resting = [id for id in some if id in self.of("failed", "frozen", "cleared")]
            reconcile.enrich_again(self.store, self.spec, resting, self.now, fresh=what == "fresh")

    @precondition(lambda self: self.rows)
    @invariant()
    def counts_add_up(self) -> None:
        leads = all_leads(self.store)
        totals = self.store.reports.totals("expo")
        assert adds_up(totals)
        assert totals["captured"] == self.rows and totals["frozen"] <= totals["presync"]
        assert totals["captured"] - totals["duplicate"] == len(leads)

        groups = reconcile.groups(self.store, "expo")
        assert sum(group.leads for group in groups) == totals["failed"]
        assert all(0 < group.first_seen <= group.last_seen <= self.now for group in groups)

        events = self.store.views.by_event("expo")
        assert all(row["leads"] == sum(row[place] for place in PLACES) for row in events.values())
        assert {event: row["leads"] for event, row in events.items()} == Counter(
            event for lead in leads for event in lead["events"] or {"": 0}
        )

        for moment in {0.0, self.now, *self.began.values()}:
            row = self.store.views.since("expo", moment)
            assert row["leads"] == sum(row[place] for place in PLACES)
            assert row["leads"] == sum(began >= moment for began in self.began.values())
        whole = self.store.views.since("expo", 0.0)
        assert {place: whole[place] for place in TERMINAL} == {place: totals[place] for place in TERMINAL}
        assert whole["presync"] + whole["frozen"] == totals["presync"] and whole["frozen"] == totals["frozen"]

        by_place = [selected(self.store, "expo", Selection(), (place,)) for place in PLACES]
        assert sorted(id for ids in by_place for id in ids) == [lead["lead"] for lead in leads]
        assert [len(ids) for ids in by_place] == [whole[place] for place in PLACES]


CountsMachine.TestCase.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
TestCounts = CountsMachine.TestCase
