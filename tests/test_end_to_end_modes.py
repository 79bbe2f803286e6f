"""Sync modes, programs and qualifiers, from the source to the sandbox."""

from __future__ import annotations

import json
from typing import Any

import pytest

ENROLL = "members/status"


def _members(bench: Any) -> dict[str, tuple[int, str]]:
    state = bench.marketo().state()
    emails = {lead["id"]: lead["email"] for lead in state["leads"]}
    return {emails[member["leadId"]]: (member["programId"], member["statusName"]) for member in state["members"]}


def _programs(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"programs": list(rows)}


# Sync modes -----------------------------------------------------------------------------------------------------


def test_manual_holds_leads_frozen_until_they_are_released(bench: Any, person: Any) -> None:
    bench.leads([person(1, Event="Expo 2026"), person(2, Event="Summit 2026"), person(3, Event="Summit 2026")])
    spec = bench.spec(mode="manual")
    held = bench.cli("run", spec, "--json").json
    assert (held["totals"]["presync"], held["totals"]["frozen"]) == (3, 3)
    assert bench.writes() == []
    released = bench.cli("release", "--event", "Expo 2026", "--json")
    assert (released.code, set(bench.people())) == (0, {"ada1@kestrel.example"})
    assert bench.cli("run", spec).code == 0
    assert len(bench.people()) == 1
    bench.cli("release", "--lead", "ada3@kestrel.example")
    assert set(bench.people()) == {"ada1@kestrel.example", "ada3@kestrel.example"}


def test_turning_to_automatic_flushes_what_is_frozen(bench: Any, person: Any) -> None:
    bench.leads([person(1), person(2)])
    bench.run(bench.spec(mode="manual"))
    assert set(bench.statuses().values()) == {"frozen"}
    summary = bench.run(bench.spec())
    assert (summary.totals["cleared"], len(bench.people())) == (2, 2)


def test_disabled_sends_nothing_and_keeps_everything(bench: Any, person: Any) -> None:
    bench.leads([person(1), person(2)])
    summary = bench.run(bench.spec(mode="disabled"))
    assert (summary.exit_code, summary.totals["presync"], bench.writes()) == (0, 2, [])
    assert bench.run(bench.spec()).totals["cleared"] == 2


# Programs -------------------------------------------------------------------------------------------------------


def test_leads_join_the_program_of_their_event_with_the_status_of_their_answer(bench: Any, person: Any) -> None:
    bench.leads([
        person(1, Event="Expo 2026", Follow="Yes"),
        person(2, Event="Expo 2026", Follow=""),
        person(3, Event="Summit 2026", Follow="Yes"),
        person(4, Event="Dinner"),
    ])  # fmt: skip
    mapping = _programs(
        {"event": "Expo 2026", "program_id": 1107, "status": "Registered",
         "status_from": {"qualifier": "Follow", "options": {"Yes": "Engaged"}}},
        {"event": "Summit 2026", "program_id": 1108, "status": "Attended"},
    )  # fmt: skip
    summary = bench.run(bench.spec(source={"qualifiers": {"Follow": "Follow"}}, mapping=mapping))
    assert (summary.exit_code, summary.totals["cleared"], summary.written["memberships"]) == (0, 4, 3)
    assert _members(bench) == {
        "ada1@kestrel.example": (1107, "Engaged"),
        "ada2@kestrel.example": (1107, "Registered"),
        "ada3@kestrel.example": (1108, "Attended"),
    }


def test_a_failed_membership_is_retried_alone(bench: Any, person: Any) -> None:
    box = bench.marketo(faults=[{"match": ENROLL, "error": "1013", "times": 1}])
    bench.leads([person(1), person(2)])
    spec = bench.spec(mapping=_programs({"program_id": 1107, "status": "Member"}))
    summary = bench.run(spec)
    assert (summary.exit_code, summary.totals["failed"], len(bench.people())) == (1, 2, 2)
    before = len(box.calls())
    again = bench.retry(spec)
    assert (again.exit_code, again.totals["cleared"]) == (0, 2)
    writes = [call for call in bench.writes() if call in box.calls()[before:]]
    assert [call["request"].rpartition("/")[2] for call in writes] == ["status.json"]
    assert len(bench.person_writes()) == 1
    assert len(_members(bench)) == 2


def test_a_membership_whose_answer_is_lost_is_given_once(bench: Any, person: Any) -> None:
    bench.marketo(faults=[{"match": ENROLL, "drop": "after"}])
    bench.leads([person(1), person(2)])
    summary = bench.run(bench.spec(mapping=_programs({"program_id": 1107, "status": "Member"})))
    assert (summary.exit_code, summary.written["memberships"], len(_members(bench))) == (0, 2, 2)
    assert len(bench.person_writes()) == 1


def test_below_the_least_number_of_scans_there_is_no_membership_until_the_next_scan(bench: Any, person: Any) -> None:
    spec = bench.spec(mapping=_programs({"program_id": 1107, "status": "Member", "min_scans": 2}))
    bench.leads([person(1, Scan="09:00")])
    assert bench.run(spec).totals["cleared"] == 1
    assert _members(bench) == {}
    bench.leads([person(1, Scan="09:00"), person(1, Scan="15:00")])
    summary = bench.run(spec)
    assert (summary.totals["captured"], summary.totals["duplicate"], summary.totals["cleared"]) == (2, 1, 1)
    assert _members(bench) == {"ada1@kestrel.example": (1107, "Member")}
    assert len(bench.person_writes()) == 1


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ({"program_id": 9999, "status": "Member"}, "CAMPAIGN_NOT_WRITABLE"),
        ({"program_id": 1107, "status": "Membr"}, "INVALID_CAMPAIGN_STATUS"),
    ],
)
def test_a_program_or_status_that_is_not_there_fails_before_any_write(
    program: dict[str, Any], code: str, bench: Any, person: Any
) -> None:
    bench.leads([person(1), person(2)])
    spec = bench.spec(mapping=_programs(program))
    summary = bench.run(spec)
    assert (summary.exit_code, set(bench.failures().values()), bench.writes()) == (1, {code}, [])
    bench.spec(mapping=_programs({"program_id": 1107, "status": "Member"}))
    assert bench.retry(spec, code).totals["cleared"] == 2
    assert len(_members(bench)) == 2


# Qualifiers -----------------------------------------------------------------------------------------------------


def test_answers_are_translated_joined_and_refused(bench: Any, person: Any) -> None:
    bench.leads([
        person(1, Type="Hot", Interests="Pumps; Valves"),
        person(2, Type="", Interests=""),
        person(3, Type="Lukewarm", Interests="Pumps"),
        person(4, Type="Warm", Interests="Valves"),
    ])  # fmt: skip
    source = {"qualifiers": {"Type": "Type", "Interests": {"column": "Interests", "separator": ";"}}}
    qualifiers = {
        "Type": {"field": "leadType", "options": {"Hot": "A", "Warm": "B"}},
        "Interests": {"field": "productInterest", "multiple": True},
    }
    spec = bench.spec(source=source, mapping={"qualifiers": qualifiers})
    summary = bench.run(spec)
    assert (summary.exit_code, summary.totals["cleared"]) == (1, 3)
    assert bench.failures() == {"ada3@kestrel.example": "NO_TAG_MAPPING"}
    written = {email: (found.get("leadType"), found.get("productInterest")) for email, found in bench.people().items()}
    assert written == {
        "ada1@kestrel.example": ("A", "Pumps;Valves"),
        "ada2@kestrel.example": (None, None),
        "ada4@kestrel.example": ("B", "Valves"),
    }
    (call,) = bench.person_writes()
    blank = next(record for record in json.loads(call["body"])["input"] if record["email"] == "ada2@kestrel.example")
    assert "leadType" not in blank
    qualifiers["Type"]["options"]["Lukewarm"] = "C"
    bench.spec(source=source, mapping={"qualifiers": qualifiers})
    assert bench.retry(spec).exit_code == 0
    assert bench.people()["ada3@kestrel.example"]["leadType"] == "C"
