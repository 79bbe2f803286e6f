"""Bulk import under any order of steps, answers and kills: everybody is written, and no key is written twice at once.

That no key is in two imports, or in an import and a call, at one time is what the vendor of the bench insists on.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import wait
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.errors import NoAnswer, RetryLater
from engine.records import Membership, Outcome
from tests.bulk_bench import BulkBench
from tests.unit_helpers import adds_up, all_leads

NAMES = ("expo", "summit")
PEOPLE = [f"p{number}@g.example" for number in range(6)]
GUEST = Membership("1107", "Registered")


class BulkMachine(RuleBasedStateMachine):
    """Two integrations that write the same people to one account, one run at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.bench = BulkBench(Path(self.folder.name))
        self.bench.vendor.bulk.capacity = 3
        self.name = NAMES[0]
        self.known: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        """Whatever happened: runs that go to their ends write everybody."""
        try:
            self.bench.vendor.bulk.answers, self.bench.vendor.bulk.verdicts = [], {}
            for name in NAMES if self.known else ():
                self.bench.open(name, forced=True)
                self.bench.finish()
                assert self.bench.statuses.keys() <= {"cleared"}, self.bench.statuses
            people = {email for _, email in self.known}
            assert set(self.bench.vendor.persons) == people
            for lead in all_leads(self.bench.store) if self.known else ():
                assert all(row["state"] == "done" for row in lead["memberships"])
                if lead["memberships"]:
                    assert (lead["fields"]["email"], "1107") in self.bench.vendor.members
        finally:
            self.bench.kill()
            self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        self.bench.open(self.name, forced=True)

    @rule(name=st.sampled_from(NAMES), forced=st.booleans(), threshold=st.sampled_from([None, 2]))
    def killed_and_started_again(self, name: str, forced: bool, threshold: int | None) -> None:
        self.name = name
        self.bench.now += 1
        self.bench.open(name, forced=forced, threshold=threshold)

    @rule(people=st.sets(st.sampled_from(PEOPLE), min_size=1), member=st.booleans())
    def people_come(self, people: set[str], member: bool) -> None:
        new = sorted(email for email in people if (self.name, email) not in self.known)
        self.known.update((self.name, email) for email in new)
        self.bench.matched(new, memberships=[GUEST] if member else ())

    @rule(flush=st.booleans(), answered=st.booleans())
    def step(self, flush: bool, answered: bool) -> None:
        self.bench.bulk_stage.step(flush=flush)
        wait(self.bench.bulk_stage.in_flight)
        if answered:
            self.bench.bulk_stage.settle()

    @rule(seconds=st.sampled_from([1.0, 31.0, 601.0]))
    def time_passes(self, seconds: float) -> None:
        self.bench.now += seconds

    @rule(taken=st.booleans())
    def the_next_submission_is_not_answered(self, taken: bool) -> None:
        self.bench.vendor.bulk.answers = [NoAnswer("cut off")]
        self.bench.vendor.bulk.taken_all_the_same = taken

    @rule()
    def the_queue_is_full(self) -> None:
        self.bench.vendor.bulk.answers = [RetryLater("too many imports", after=30.0)]
        self.bench.vendor.bulk.taken_all_the_same = False

    @rule(email=st.sampled_from(PEOPLE), outcome=st.sampled_from([Outcome("later"), Outcome("unknown")]))
    def a_row_is_not_imported(self, email: str, outcome: Outcome) -> None:
        self.bench.vendor.bulk.verdicts = {email: outcome}

    @invariant()
    def nothing_is_lost(self) -> None:
        for name in NAMES:
            totals = self.bench.store.reports.totals(name) if self.known else {}
            assert not totals or adds_up(totals)
        assert not self.bench.statuses.keys() & {"failed"}


BulkMachine.TestCase.settings = settings(max_examples=14, stateful_step_count=20, deadline=None)
TestBulk = BulkMachine.TestCase
