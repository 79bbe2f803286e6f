"""Bulk import of persons: files instead of calls, imports that outlive runs, and nothing written twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import CredentialsError, NoAnswer, RetryLater
from engine.records import Failure, Outcome
from tests.bulk_bench import BulkBench
from tests.unit_helpers import adds_up


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[BulkBench]:
    with BulkBench(tmp_path) as made:
        yield made


def emails(count: int, name: str = "p") -> list[str]:
    return [f"{name}{number}@g.example" for number in range(count)]


def sent(bench: BulkBench) -> list[str]:
    """Whom ordinary calls wrote."""
    return [email for name, batch in bench.vendor.calls for email in batch if name == "sync"]


def test_a_forced_run_writes_its_leads_by_a_file(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(25))
    bench.step()
    assert bench.statuses == {"importing": 25}
    (under_way,) = bench.store.imports.under_way("expo")
    assert (under_way["ticket"], under_way["what"], under_way["leads"]) == ("t1", "person", 25)
    assert bench.vendor.bulk.questions == {}, "it is not asked for before its time"
    assert bench.bulk_stage.next_due == bench.now + 10.0
    bench.finish()
    assert bench.statuses == {"cleared": 25}
    assert set(bench.vendor.persons) == set(emails(25))
    assert bench.vendor.calls == [], "not one ordinary call"
    assert bench.circumstances.tallies.sent == 25
    assert bench.store.imports.under_way("expo") == []
    assert adds_up(bench.store.reports.totals("expo"))


def test_an_import_is_asked_for_less_and_less_often(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.vendor.bulk.polls = 6
    bench.matched(emails(1))
    bench.step()
    waits = []
    while "t1" not in bench.vendor.bulk.ended:
        due = bench.bulk_stage.next_due
        assert due is not None
        waits.append(due - bench.now)
        bench.now = due
        bench.step()
    assert waits == [10.0, 10.0, 15.0, 22.5, 30.0, 30.0, 30.0]


def test_files_are_full_and_no_more_than_there_are_places(bench: BulkBench) -> None:
    bench.vendor.bulk.capacity, bench.vendor.bulk.places = 10, 1
    bench.open(forced=True)
    bench.matched(emails(25))
    bench.step()
    assert bench.statuses == {"importing": 10, "matched": 15}
    assert bench.bulk_stage.keeps(bench.jobs("matched")[0])
    bench.finish()
    assert [len(deliveries) for deliveries, _ in bench.vendor.bulk.files.values()] == [10, 10, 5]
    assert bench.statuses == {"cleared": 25}
    assert bench.vendor.bulk.refused == 0


def test_a_full_queue_puts_every_file_off(bench: BulkBench) -> None:
    bench.vendor.bulk.answers = [RetryLater("too many imports", after=60.0)]
    bench.open(forced=True)
    bench.matched(emails(3))
    bench.step()
    assert bench.statuses == {"matched": 3}
    assert bench.bulk_stage.next_due == bench.now + 60.0
    assert bench.bulk_stage.keeps(bench.jobs("matched")[0]), "they wait for the file"
    bench.now += 59
    bench.step()
    assert bench.vendor.bulk.files == {}
    bench.now += 1
    bench.finish()
    assert bench.statuses == {"cleared": 3}
    assert "too many imports" in bench.circumstances.notes[0]


@pytest.mark.parametrize("taken", [True, False])
def test_an_unanswered_submission_is_looked_up_once_it_can_take_no_more_effect(bench: BulkBench, taken: bool) -> None:
    bench.vendor.bulk.answers, bench.vendor.bulk.taken_all_the_same = [NoAnswer("cut off")], taken
    bench.open(forced=True)
    bench.matched(emails(3))
    bench.step()
    assert bench.statuses == {"unknown": 3}
    bench.now += 599
    bench.step(ordinary=True)
    assert bench.statuses == {"unknown": 3}
    if taken:
        bench.vendor.bulk.end("t1")
    bench.now += 1
    bench.finish()
    assert bench.statuses == {"cleared": 3}
    done = [name for name, _ in bench.vendor.calls]
    assert done == (["look_up"] if taken else ["look_up", "sync"])


def test_refused_credentials_leave_the_leads_where_they_were(bench: BulkBench) -> None:
    bench.vendor.bulk.answers = [CredentialsError("no permission to import")]
    bench.open(forced=True)
    bench.matched(emails(3))
    with pytest.raises(CredentialsError):
        bench.finish()
    assert bench.statuses == {"matched": 3}
    bench.open(forced=True)
    bench.finish()
    assert bench.statuses == {"cleared": 3}


def test_a_kill_while_a_file_is_handed_over_leaves_its_leads_unknown(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(3))
    bench.bulk_stage.step(flush=True)
    assert bench.statuses == {"submitting": 3}
    bench.kill()
    bench.vendor.bulk.end("t1")
    started = bench.now
    bench.open()
    assert bench.statuses == {"unknown": 3}
    assert bench.store.queue.next_due(bench.integration_id, ["unknown"], bench.now) == started + 600.0
    bench.now += 600.0
    bench.finish()
    assert bench.statuses == {"cleared": 3}
    assert [name for name, _ in bench.vendor.calls] == ["look_up"], "nobody is written twice"


@pytest.mark.parametrize("forced", [True, False])
def test_the_next_run_takes_up_an_import_of_a_killed_one(bench: BulkBench, forced: bool) -> None:
    bench.open(forced=True)
    bench.matched(emails(3))
    bench.step()
    bench.kill()
    bench.open(forced=forced)
    assert bench.statuses == {"importing": 3}
    bench.finish()
    assert bench.statuses == {"cleared": 3}
    assert list(bench.vendor.bulk.files) == ["t1"]
    assert bench.vendor.calls == []


def test_an_import_that_was_stored_and_not_closed_is_closed(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(2))
    bench.step()
    bench.store.queue.delay([1, 2], "failed", 0.0)  # as if the kill came between their outcomes and the closing
    bench.kill()
    bench.open()
    assert bench.store.imports.under_way("expo") == []
    assert bench.bulk_stage.next_due is None


def test_a_failed_import_goes_the_ordinary_way(bench: BulkBench) -> None:
    bench.vendor.bulk.fails = True
    bench.open(forced=True)
    bench.matched(emails(12))
    bench.finish()
    assert bench.statuses == {"cleared": 12}
    assert list(bench.vendor.bulk.files) == ["t1"], "a lead is in one import at most"
    assert sorted(email for name, batch in bench.vendor.calls for email in batch if name == "sync") == sorted(
        emails(12)
    )


def test_single_rows_fail_or_go_the_ordinary_way(bench: BulkBench) -> None:
    wrong = Failure("DATA_VALUE_VALIDATION", "no such country", field="country")
    bench.vendor.bulk.verdicts = {
        "p0@g.example": Outcome("failed", failure=wrong),
        "p1@g.example": Outcome("later", answer="not reported"),
        "p2@g.example": Outcome("unknown", answer="unclear"),
    }
    bench.open(forced=True)
    bench.matched(emails(5))
    bench.finish()
    assert bench.statuses == {"cleared": 4, "failed": 1}
    assert [row["code"] for row in bench.store.reports.failed("expo")] == ["DATA_VALUE_VALIDATION"]
    assert sorted(sent(bench)) == ["p1@g.example", "p2@g.example"]


def test_what_a_file_cannot_carry_goes_the_ordinary_way(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched([*emails(3), "plain@g.example"])
    (plain,) = [job for job in bench.jobs("matched") if job.key == "email:plain@g.example"]
    assert not bench.bulk_stage.keeps(plain)
    bench.finish()
    assert bench.statuses == {"cleared": 4}
    assert bench.vendor.calls == [("sync", ["plain@g.example"])]


def test_leads_of_one_key_are_in_one_import_after_the_other(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(["p0@g.example", "p1@g.example"], key_of={"p1@g.example": "p0@g.example"})
    bench.step()
    assert bench.statuses == {"importing": 1, "matched": 1}
    bench.finish()
    assert bench.statuses == {"cleared": 2}
    assert len(bench.vendor.bulk.files) == 2


def test_files_hold_leads_with_the_same_fields(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(2, "a"), fields={"company": "G"})
    bench.matched(emails(2, "b"))
    bench.finish()
    files = [{frozenset(each.fields) for each in deliveries} for deliveries, _ in bench.vendor.bulk.files.values()]
    assert [len(fields) for fields in files] == [1, 1]


class TestThreshold:
    """`destination.bulk.from`."""

    def test_few_leads_go_the_ordinary_way_once_no_more_are_coming(self, bench: BulkBench) -> None:
        bench.open(threshold=20)
        bench.matched(emails(12))
        bench.step(flush=False)
        assert bench.bulk_stage.holding
        assert bench.bulk_stage.keeps(bench.jobs("matched")[0])
        bench.step(flush=True)
        assert not bench.bulk_stage.holding
        assert not bench.bulk_stage.keeps(bench.jobs("matched")[0])
        bench.finish()
        assert bench.vendor.bulk.files == {}
        assert bench.statuses == {"cleared": 12}

    def test_many_leads_go_by_files_and_so_do_those_that_follow(self, bench: BulkBench) -> None:
        bench.open(threshold=20)
        bench.vendor.bulk.capacity = 20
        bench.matched(emails(25))
        bench.step(flush=False)
        assert bench.statuses == {"importing": 20, "matched": 5}, "a file that is not full waits for more"
        assert bench.bulk_stage.holding
        bench.matched(emails(10, "q"))
        bench.step(flush=False)
        assert bench.statuses == {"importing": 20, "matched": 15}
        bench.finish()
        assert [len(deliveries) for deliveries, _ in bench.vendor.bulk.files.values()] == [20, 15]

    def test_fewer_leads_than_a_call_takes_are_not_worth_a_file(self, bench: BulkBench) -> None:
        bench.open(threshold=20)
        bench.vendor.bulk.capacity = 20
        bench.matched(emails(25))
        bench.step()
        assert bench.statuses == {"importing": 20, "matched": 5}
        assert not any(bench.bulk_stage.keeps(job) for job in bench.jobs("matched"))
        bench.finish()
        assert bench.statuses == {"cleared": 25}
        assert len(bench.vendor.bulk.files) == 1

    def test_a_run_without_it_never_holds_a_lead(self, bench: BulkBench) -> None:
        bench.open()
        bench.matched(emails(12))
        bench.step(flush=False)
        assert not bench.bulk_stage.holding
        bench.finish()
        assert bench.vendor.bulk.files == {}


def test_a_lead_that_is_captured_again_meanwhile_starts_over_afterwards(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(2))
    bench.step()
    bench.capture(["p0@g.example"])
    assert bench.statuses == {"importing": 2}
    bench.kill()
    bench.open()
    assert bench.statuses == {"importing": 2}
    bench.finish()
    assert bench.statuses == {"cleared": 1, "captured": 1}


class TestSharedAccount:
    """Two integrations that write to one account."""

    def test_an_import_of_the_other_takes_up_a_place(self, bench: BulkBench) -> None:
        bench.vendor.bulk.places = 1
        bench.open(forced=True)
        bench.matched(emails(2))
        bench.step()
        bench.kill()
        bench.open("summit", forced=True)
        bench.matched(emails(2, "q"))
        bench.step()
        assert bench.statuses == {"matched": 2}
        bench.finish()
        assert bench.statuses == {"cleared": 2}
        assert bench.vendor.bulk.refused == 0
        assert [row["ticket"] for row in bench.store.imports.under_way("expo")] == ["t1"], "its outcomes are its own"
        bench.open("expo")
        bench.finish()
        assert bench.statuses == {"cleared": 2}

    def test_no_key_is_in_the_imports_of_both(self, bench: BulkBench) -> None:
        bench.open(forced=True)
        bench.matched(emails(2))
        bench.step()
        bench.kill()
        bench.open("summit", forced=True)
        bench.matched([*emails(1), "q0@g.example"])
        bench.step()
        assert bench.statuses == {"matched": 1, "importing": 1}
        bench.finish()
        assert bench.statuses == {"cleared": 2}

    def test_a_key_that_the_other_was_handing_over_waits_until_that_is_settled(self, bench: BulkBench) -> None:
        bench.open(forced=True)
        bench.matched(emails(1))
        bench.bulk_stage.step(flush=True)
        bench.kill()
        bench.open("summit", forced=True)
        bench.matched(emails(1))
        bench.step()
        assert bench.statuses == {"matched": 1}
        assert bench.bulk_stage.next_due == bench.now + 600.0
        bench.vendor.bulk.end("t1")
        bench.now += 600.0
        bench.finish()
        assert bench.statuses == {"cleared": 1}

    def test_a_run_with_nothing_to_do_does_not_wait_for_the_other(self, bench: BulkBench) -> None:
        bench.open(forced=True)
        bench.matched(emails(1))
        bench.step()
        bench.kill()
        bench.open("summit", forced=True)
        assert bench.bulk_stage.next_due is None


def test_imports_of_an_account_that_was_left_are_left_too(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(2))
    bench.step()
    bench.kill()
    bench.open(account="shelf:other")
    assert bench.statuses == {"enriched": 2}
    assert bench.store.imports.under_way("expo") == []
