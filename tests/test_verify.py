"""engine verify: what the vendors hold is compared with what was sent, and a retry brings it back."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine import specs
from engine.connection import opened
from engine.state import Store
from engine.verify import Verification, Wanted
from tests.unit_helpers import Shelf, run_spec, shelf_plugins, write_csv, write_spec
from tests.verify_helpers import LATER, LISTS, TITLE, Elsewhere, calls_that_write, codes, deliver, id_of, verify


@pytest.fixture
def delivered(bench: Any, person: Any) -> Callable[..., Elsewhere]:
    """Deliver some leads to a vendor."""
    return partial(deliver, bench, person)


def test_what_an_import_wrote_is_verified_too(bench: Any, delivered: Any) -> None:
    elsewhere = delivered(bulk=True)
    assert verify(bench).held == 4
    elsewhere.change(id_of(bench, "marketo", 1), title="Buyer")
    assert codes(verify(bench, fail=True)) == {"held": 3, "REMOTE_VALUE_CHANGED": 1}


@pytest.mark.parametrize("vendor", ["marketo", "pardot"])
def test_a_changed_field_is_shown_and_a_retry_writes_it_again(vendor: str, bench: Any, delivered: Any) -> None:
    elsewhere, title = delivered(vendor), TITLE[vendor]
    written = calls_that_write(elsewhere.box)
    assert (whole := verify(bench, fail=True)).all_held and (whole.cleared, whole.held) == (4, 4)
    assert bench.sql("SELECT outcome, count(*) FROM verifications GROUP BY outcome") == [("held", 4)]
    assert calls_that_write(elsewhere.box) == written, "nothing is written at the vendor"
    changed = id_of(bench, vendor, 1)
    elsewhere.change(changed, **{title: "Buyer", "lastName": "Quill"})
    report = verify(bench)
    assert codes(report) == {"held": 3, "REMOTE_VALUE_CHANGED": 1}
    (read,) = report.differing
    assert {(each.field, each.sent, each.held) for each in read.differences} == {
        (title, "Head Buyer", "Buyer"), ("lastName", "Lindqvist1", "Quill")}  # fmt: skip
    assert set(bench.statuses().values()) == {"cleared"}, "without --fail the leads stay as they are"
    assert [each.lead.lead_id for each in verify(bench, differing=True, fail=True).differing] == [read.lead.lead_id]
    assert bench.failures() == {"ada1@kestrel.example": "REMOTE_VALUE_CHANGED"}
    (other, shown) = (bench.cli("reconcile", "show", f"ada{number}@kestrel.example").out for number in (2, 1))
    assert "verified  as it was sent" in other and "verified  REMOTE_VALUE_CHANGED" in shown
    bench.retry(code="REMOTE_VALUE_CHANGED")
    assert bench.people(vendor)["ada1@kestrel.example"][title] == "Head Buyer"
    bench.clock.advance(LATER)
    assert verify(bench).held == 4


def test_a_value_that_never_stuck_is_told_from_one_that_was_changed_since(bench: Any, delivered: Any) -> None:
    box = bench.marketo(switches={"field_blocked_sources": ("title",)})
    delivered()
    report = verify(bench)
    assert codes(report) == {"held": 0, "VALUE_NOT_STORED": 4}
    assert report.differing[0].failure.message == "title: sent 'Head Buyer', held ''"
    assert box.state()["counts"]["leads"] == 4


@pytest.mark.parametrize("vendor", ["marketo", "pardot"])
def test_a_deleted_record_is_gone_and_a_retry_makes_it_anew_with_its_places(
    vendor: str, bench: Any, delivered: Any
) -> None:
    elsewhere = delivered(vendor)
    elsewhere.delete(id_of(bench, vendor, 2))
    assert codes(verify(bench, fail=True)) == {"held": 3, "REMOTE_RECORD_GONE": 1}
    bench.retry()
    assert set(bench.statuses().values()) == {"cleared"}
    bench.clock.advance(LATER)
    assert verify(bench).held == 4


def test_a_restored_record_is_held_again(bench: Any, delivered: Any) -> None:
    elsewhere = delivered("pardot")
    lost = id_of(bench, "pardot", 0)
    elsewhere.delete(lost)
    assert codes(verify(bench)) == {"held": 3, "REMOTE_RECORD_GONE": 1}
    elsewhere.call("POST", "/api/v5/objects/prospects/do/undelete?fields=id", {"id": lost})
    again = verify(bench, differing=True)
    assert (again.held, again.differing) == (1, [])
    assert verify(bench, differing=True).verified == 0


def test_a_merged_record_is_followed_to_the_one_that_won(bench: Any, delivered: Any) -> None:
    elsewhere = delivered()
    loser = id_of(bench, "marketo", 1)
    made = elsewhere.call("POST", "/rest/v1/leads.json", {"action": "createOnly", "lookupField": "email",
                          "input": [{"email": "a.lindqvist@kestrel.example", "lastName": "L"}]})  # fmt: skip
    winner = made["result"][0]["id"]
    elsewhere.call("POST", f"/rest/v1/leads/{winner}/merge.json?leadIds={loser}")
    elsewhere.change(winner, email="ada1@kestrel.example")
    report = verify(bench, fail=True)
    assert codes(report) == {"held": 3, "REMOTE_RECORD_MERGED": 1}
    assert str(winner) in report.differing[0].failure.message
    bench.retry(code="REMOTE_RECORD_MERGED")
    assert bench.people()["ada1@kestrel.example"]["lastName"] == "Lindqvist1"
    assert len(bench.people()) == 4
    bench.clock.advance(LATER)
    assert verify(bench).held == 4


@pytest.mark.parametrize("vendor", ["marketo", "pardot"])
def test_a_place_that_was_taken_away_is_given_again(vendor: str, bench: Any, delivered: Any) -> None:
    elsewhere = delivered(vendor)
    elsewhere.unlist(id_of(bench, vendor, 3))
    report = verify(bench, fail=True)
    assert codes(report) == {"held": 3, "MEMBERSHIP_MISSING": 1}
    assert report.differing[0].failure.field == f"list {LISTS[vendor]}"
    people = len(bench.writes(vendor)) if vendor == "pardot" else len(bench.person_writes())
    bench.retry()
    assert people == (len(bench.writes(vendor)) if vendor == "pardot" else len(bench.person_writes()))
    bench.clock.advance(LATER)
    assert verify(bench).held == 4


def test_an_earlier_status_is_raised_again_and_a_later_one_is_fine(bench: Any, delivered: Any) -> None:
    elsewhere = delivered()
    first, second, third = (id_of(bench, "marketo", number) for number in range(3))
    for lead in (first, second):
        elsewhere.leave_program(lead)
    elsewhere.join_program(first, "Invited")
    elsewhere.join_program(third, "Attended")
    report = verify(bench, fail=True)
    assert codes(report) == {"held": 2, "MEMBERSHIP_MISSING": 2}
    assert {each.failure.message for each in report.differing} == {
        "program 1107: is 'Invited', was given 'Registered'", "program 1107: no member, was given 'Registered'",
    }  # fmt: skip
    bench.retry()
    held = {row["leadId"]: row["statusName"] for row in elsewhere.box.state()["members"]}
    assert (held[first], held[second], held[third]) == ("Registered", "Registered", "Attended")
    bench.clock.advance(LATER)
    assert verify(bench).held == 4


def test_a_retry_brings_back_values_and_places_of_one_lead_together(bench: Any, delivered: Any) -> None:
    elsewhere = delivered()
    lead = id_of(bench, "marketo", 0)
    elsewhere.change(lead, title="Buyer")
    elsewhere.leave_program(lead)
    (read,) = verify(bench, fail=True).differing
    assert read.failure.code == "REMOTE_VALUE_CHANGED" and "program 1107: no member" in read.failure.message
    bench.retry()
    bench.clock.advance(LATER)
    assert verify(bench).held == 4


def test_what_others_may_change_is_held_until_it_is_empty(bench: Any, delivered: Any) -> None:
    fields = {"email": "lead.email", "lastName": "lead.last_name",
              "title": {"value": "lead.job_title", "write": "if_blank"}}  # fmt: skip
    elsewhere = delivered(fields=fields)
    elsewhere.change(id_of(bench, "marketo", 0), title="Chief Buyer")
    elsewhere.change(id_of(bench, "marketo", 1), title=None)
    report = verify(bench, fail=True)
    assert codes(report) == {"held": 3, "REMOTE_VALUE_CHANGED": 1}
    assert report.differing[0].lead.key == "email:ada1@kestrel.example"
    bench.retry()
    assert bench.people()["ada1@kestrel.example"]["title"] == "Head Buyer"
    assert bench.people()["ada0@kestrel.example"]["title"] == "Chief Buyer"


def test_values_for_new_records_only_are_judged_where_the_record_was_new(bench: Any, delivered: Any) -> None:
    bench.pardot(prospects=[{"id": 10, "email": "ada0@kestrel.example", "campaignId": 668}])
    fields = {"email": "lead.email", "lastName": "lead.last_name",
              "campaignId": {"value": "1107", "type": "integer", "write": "on_create"}}  # fmt: skip
    elsewhere = delivered("pardot", fields=fields)
    elsewhere.change(id_of(bench, "pardot", 1), campaignId=668)
    assert verify(bench).held == 4


def test_what_another_lead_wrote_to_the_same_record_since_is_right(bench: Any, person: Any, delivered: Any) -> None:
    delivered(count=2)
    bench.leads([person(0, **{"Job Title": "Director"})], name="later.csv")
    assert bench.run(bench.spec(name="later", source={"path": "later.csv"})).totals["cleared"] == 1
    bench.clock.advance(LATER)
    assert bench.people()["ada0@kestrel.example"]["title"] == "Director"
    assert (verify(bench).held, verify(bench, "later").held) == (2, 1)


def test_a_vendor_that_tells_neither_ids_nor_places_is_verified_by_the_key(tmp_path: Path) -> None:
    plugins = shelf_plugins()
    Shelf.shelves.clear()
    write_csv(tmp_path / "leads.csv", [("Ada", "Quill", "F", "ada@f.example"), ("Bo", "Reed", "G", "bo@g.example")])
    path, state = write_spec(tmp_path), tmp_path / "state.db"
    assert run_spec(path, state, plugins).totals["cleared"] == 2
    with Store(state) as store, store.database.transaction() as db:
        db.execute("INSERT INTO memberships (lead_id, program_id, status, state) VALUES (2, '7', 'Registered', 'done')")
    del Shelf.shelves["shelf"]["ada@f.example"]
    spec = specs.load(path)
    with opened(spec, plugins, state, now=lambda: time.time() + LATER) as connection:
        assert connection.store is not None
        report = Verification(connection, connection.store, spec, by="ada").go(Wanted(), fail=True)
    assert codes(report) == {"held": 1, "REMOTE_RECORD_GONE": 1}
    assert report.unasked == {("program", "7", "Registered")}


def test_a_field_that_the_vendor_no_longer_has_is_named(bench: Any, delivered: Any) -> None:
    fields = {"email": "lead.email", "lastName": "lead.last_name", "Last_Event__c": "lead.city"}
    elsewhere = delivered("pardot", fields=fields)
    found = elsewhere.call("GET", "/api/v5/objects/custom-fields?fields=id,apiFieldId")["values"]
    number = next(each["id"] for each in found if each["apiFieldId"] == "Last_Event__c")
    elsewhere.call("DELETE", f"/api/v5/objects/custom-fields/{number}")
    report = verify(bench)
    assert codes(report) == {"held": 0, "MISSING_REMOTE_FIELD": 4}
    assert report.differing[0].failure.field == "Last_Event__c"
