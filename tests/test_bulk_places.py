"""Places of persons that an import wrote: many by a file, few by their ids, which are looked up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.errors import NoAnswer, RetryLater
from engine.records import Delivery, Failure, Found, Membership, Outcome
from tests.bulk_bench import BulkBench

GUEST = Membership("1107", "Registered")
LIST = Membership("1001", kind="list")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[BulkBench]:
    with BulkBench(tmp_path) as made:
        yield made


def emails(count: int, name: str = "p") -> list[str]:
    return [f"{name}{number}@g.example" for number in range(count)]


def places(bench: BulkBench) -> dict[str, int]:
    """Places by state."""
    leads = [bench.store.reports.lead(number) for number in range(1, bench.store.captures.next_lead_id())]
    states = [row["state"] for lead in leads if lead for row in lead["memberships"]]
    return {state: states.count(state) for state in set(states)}


def calls(bench: BulkBench) -> list[str]:
    return [name for name, _ in bench.vendor.calls]


def test_many_get_their_places_by_a_file(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(25), memberships=[GUEST])
    bench.step()
    assert [row["what"] for row in bench.store.imports.under_way("expo")] == ["person"]
    bench.finish()
    assert bench.statuses == {"cleared": 25}
    assert bench.vendor.members == {(email, "1107"): "Registered" for email in emails(25)}
    assert calls(bench) == [], "not one ordinary call"
    assert places(bench) == {"done": 25}
    assert bench.circumstances.tallies.members == 25


def test_the_own_fields_of_members_are_in_the_file(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(1), memberships=[Membership("1107", "Registered", {"registrationCode": "B7"})])
    bench.finish()
    ((_, given),) = [file for file in bench.vendor.bulk.files.values() if file[1]]
    assert given == [Membership("1107", "Registered", {"registrationCode": "B7"})]


def test_several_programs_are_files_one_after_the_other(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(3), memberships=[GUEST, Membership("1108", "Member")])
    bench.finish()
    assert [len(given) for _, given in bench.vendor.bulk.files.values()] == [0, 3, 3]
    assert places(bench) == {"done": 6}
    assert bench.statuses == {"cleared": 3}


def test_few_get_their_places_by_their_ids(bench: BulkBench) -> None:
    bench.open(threshold=20)
    bench.matched(emails(15, "q"))
    bench.matched(emails(12), memberships=[GUEST])
    bench.finish()
    assert bench.statuses == {"cleared": 27}
    assert not any(given for _, given in bench.vendor.bulk.files.values())
    assert calls(bench) == ["look_up", "look_up", "enroll", "enroll"]
    assert places(bench) == {"done": 12}


def test_lists_are_filled_by_ids_after_the_files_of_programs(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(3), memberships=[GUEST, LIST])
    bench.finish()
    assert bench.statuses == {"cleared": 3}
    assert [len(given) for _, given in bench.vendor.bulk.files.values()] == [0, 3]
    assert calls(bench) == ["look_up", "add_to_list"]


def test_rows_of_a_file_of_places_fail_or_go_the_ordinary_way(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(3), memberships=[GUEST])
    bench.step()
    bench.now += 10
    while "written" not in bench.statuses:
        bench.now += 30
        bench.step(flush=False)
    wrong = Failure("INVALID_CAMPAIGN_STATUS", "no such status")
    bench.vendor.bulk.verdicts = {
        "p0@g.example": Outcome("failed", failure=wrong),
        "p1@g.example": Outcome("later", answer="not reported"),
    }
    bench.finish()
    assert bench.statuses == {"cleared": 2, "failed": 1}
    assert bench.vendor.calls == [("look_up", ["p1@g.example"]), ("enroll", ["p1@g.example"])]
    assert places(bench) == {"done": 2, "wanted": 1}


def test_an_unanswered_file_of_places_is_given_the_ordinary_way_once_it_is_settled(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(2), memberships=[GUEST])
    bench.step()
    bench.vendor.bulk.answers = [NoAnswer("cut off")]
    sent_at = bench.now
    bench.finish()
    assert bench.now >= sent_at + 600.0
    assert bench.statuses == {"cleared": 2}
    assert calls(bench) == ["look_up", "enroll"]


def test_a_kill_while_places_are_handed_over_or_imported(bench: BulkBench) -> None:
    bench.open(forced=True)
    bench.matched(emails(2), memberships=[GUEST])
    bench.step()
    while not any(given for _, given in bench.vendor.bulk.files.values()):
        bench.now += 30
        bench.bulk_stage.step(flush=True)
        for future in bench.bulk_stage.in_flight:
            future.result()
    assert bench.statuses == {"submitting": 2}
    bench.kill()
    bench.vendor.bulk.end("t2")
    bench.open(forced=True)
    bench.finish()
    assert bench.statuses == {"cleared": 2}
    assert places(bench) == {"done": 2}
    assert "sync" not in calls(bench), "the persons were written already"


@pytest.mark.parametrize(
    ("held", "code"),
    [([], "REMOTE_RECORD_GONE"), ([Found("1", {}), Found("2", {})], "AMBIGUOUS_MATCH")],
)
def test_a_person_that_cannot_be_found_again_has_failed(
    bench: BulkBench, monkeypatch: pytest.MonkeyPatch, held: list[Found], code: str
) -> None:
    def look_up(deliveries: Sequence[Delivery], fields: Sequence[str]) -> list[Sequence[Found]]:
        return [held for _ in deliveries]

    monkeypatch.setattr(bench.vendor, "look_up", look_up)
    bench.open(forced=True)
    bench.matched(emails(2), memberships=[LIST])
    bench.finish()
    assert bench.statuses == {"failed": 2}
    assert {row["code"] for row in bench.store.reports.failed("expo")} == {code}


def test_a_look_up_that_fails_is_repeated_and_fails_its_leads_in_the_end(
    bench: BulkBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: Any) -> Any:
        raise RetryLater("try again", after=5.0)

    bench.open(forced=True)
    bench.matched(emails(2), memberships=[LIST])
    with monkeypatch.context() as patch:
        patch.setattr(bench.vendor, "look_up", unavailable)
        bench.finish()
    assert {row["code"] for row in bench.store.reports.failed("expo")} == {"REMOTE_UNAVAILABLE"}
    assert bench.statuses == {"failed": 2}


def test_a_person_whose_id_is_known_needs_no_look_up(bench: BulkBench) -> None:
    bench.open()
    bench.matched(emails(2), memberships=[GUEST])
    bench.finish()
    assert calls(bench) == ["sync", "enroll"]
    assert bench.statuses == {"cleared": 2}
