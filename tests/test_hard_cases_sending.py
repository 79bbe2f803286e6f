"""Hard cases of sending: a spec that changes under way, people who vanish, keys that are the same to the vendor."""

from __future__ import annotations

from typing import Any

import pytest

SYNC = r"POST /rest/v1/leads\.json$"
MEMBERS = "members/status"
FIELDS = {"email": "lead.email", "firstName": "lead.first_name", "company": "lead.company"}
CORRECTED = {**FIELDS, "company": "'Corrected'"}


def _programs(number: int) -> dict[str, Any]:
    return {"programs": [{"program_id": number, "status": "Registered"}]}


def _joined(bench: Any) -> set[int]:
    return {member["programId"] for member in bench.marketo().state()["members"]}


def test_a_corrected_spec_reaches_a_lead_whose_write_was_never_answered(bench: Any, person: Any) -> None:
    bench.leads([person(1)])
    bench.marketo().add_fault(match=SYNC, drop="before")
    bench.marketo().add_fault(match="leads.json", error="607")  # the run ends before the look-up
    assert bench.run(bench.spec(fields=FIELDS, mapping=_programs(1107))).exit_code == 5
    assert set(bench.statuses().values()) == {"unknown"}
    bench.clock.advance(90_000)
    assert bench.run(bench.spec(fields=CORRECTED, mapping=_programs(1108))).exit_code == 0
    assert bench.people()["ada1@kestrel.example"]["company"] == "Corrected"
    assert _joined(bench) == {1108}


def test_a_corrected_spec_reaches_a_lead_that_is_written_and_wants_a_membership(bench: Any, person: Any) -> None:
    bench.leads([person(1)])
    bench.marketo().add_fault(match=MEMBERS, error="607")
    assert bench.run(bench.spec(fields=FIELDS, mapping=_programs(1107))).exit_code == 5
    assert set(bench.statuses().values()) == {"written"}
    bench.clock.advance(90_000)
    assert bench.run(bench.spec(fields=CORRECTED, mapping=_programs(1108))).exit_code == 0
    assert (bench.people()["ada1@kestrel.example"]["company"], _joined(bench)) == ("Corrected", {1108})


def test_somebody_who_was_deleted_before_a_membership_is_written_anew_by_a_retry(bench: Any, person: Any) -> None:
    box = bench.marketo()
    bench.leads([person(1, Event="Expo")])
    rows = [{"program_id": 1107, "status": "Registered", "event": "Expo"},
            {"program_id": 1108, "status": "Registered", "event": "Summit"}]  # fmt: skip
    spec = bench.spec(mapping={"programs": rows})
    bench.run(spec)
    (old,) = [lead["id"] for lead in bench.people().values()]
    with box.lock:
        box.world.delete(old)
    bench.leads([person(1, Event="Summit")])
    bench.run(spec)
    assert bench.failures() == {"ada1@kestrel.example": "REMOTE_RECORD_GONE"}
    assert bench.retry(spec).exit_code == 0
    (new,) = bench.people().values()
    assert new["id"] != old and new["firstName"] == "Ada1"
    assert {member["leadId"] for member in box.state()["members"]} == {new["id"]}


def test_keys_that_the_vendor_takes_for_the_same_never_overlap(bench: Any, person: Any) -> None:
    box = bench.marketo(latency=0.1)
    bench.leads([person(1, Badge="AB-1"), person(2, Badge="ab-1"), *(person(n, Badge=f"X{n}") for n in range(3, 9))])
    fields = {**FIELDS, "badgeId": "lead.badge_id"}
    rules = [{"by": "badgeId", "value": "lead.badge_id"}]
    bench.run(bench.spec(fields=fields, matching=rules, source={"columns": {"Badge": "badge_id"}},
                         config={"limits": {"batch_size": 2}}), real_time=True)  # fmt: skip
    assert box.statistics()["overlapping_keys"] == []
    assert len([lead for lead in box.state()["leads"] if str(lead["badgeId"]).lower() == "ab-1"]) == 1


def test_only_the_last_of_a_leads_keys_creates_anybody(bench: Any, person: Any) -> None:
    box = bench.marketo(leads=[{"id": 100, "email": "ada1@kestrel.example"}])
    bench.leads([person(1, Badge="B-1"), person(2, Badge="B-2"), person(3, Badge="")])
    rules = [{"by": "badgeId", "value": "lead.badge_id"}, {"by": "email", "value": "lead.email"}]
    spec = bench.spec(fields={**FIELDS, "badgeId": "lead.badge_id"}, matching=rules,
                      source={"columns": {"Badge": "badge_id"}})  # fmt: skip
    assert bench.run(spec).exit_code == 0
    assert (box.state()["duplicates"], bench.people()["ada1@kestrel.example"]["badgeId"]) == ([], "B-1")
    assert len(bench.people()) == 3


def test_what_cannot_be_asked_for_is_not_taken_for_absent(bench: Any, person: Any) -> None:
    box = bench.marketo(leads=[{"id": 9, "email": "ada1@kestrel.example", "badgeId": "A,1"}])
    bench.leads([person(1, Badge="A,1", Email="other@kestrel.example")])
    fields = {**FIELDS, "badgeId": "lead.badge_id", "company": {"value": "lead.company", "write": "if_blank"}}
    rules = [{"by": "badgeId", "value": "lead.badge_id"}, {"by": "email", "value": "lead.email"}]
    bench.run(bench.spec(fields=fields, matching=rules, source={"columns": {"Badge": "badge_id"}}))
    assert list(bench.failures().values()) == ["DATA_VALUE_VALIDATION"]
    assert len(box.state()["leads"]) == 1


def test_a_field_that_vanished_does_not_keep_an_unanswered_lead_for_ever(bench: Any, person: Any) -> None:
    box = bench.marketo(fields=[{"name": "shoeSize"}])
    bench.leads([person(1, Size="44"), person(2, Size="45")])
    source = {"columns": {"Size": "size"}}
    box.add_fault(match=SYNC, drop="before")
    box.add_fault(match="leads.json", error="607")
    bench.run(bench.spec(fields={**FIELDS, "shoeSize": "lead.size"}, source=source))
    box.seed = {**box.seed, "fields": []}
    with box.lock:
        box.load(box.seed)
    bench.clock.advance(90_000)
    assert bench.run(bench.spec(fields=FIELDS, source=source)).exit_code == 0
    assert len(bench.people()) == 2


def test_a_mode_that_sends_nothing_waits_for_nothing(bench: Any, person: Any) -> None:
    bench.leads([person(1)])
    bench.marketo().add_fault(match=SYNC, drop="before")
    bench.marketo().add_fault(match="leads.json", error="607")
    bench.run(bench.spec(config={"settle_after": 900}))
    bench.clock.advance(-bench.clock.waited)
    bench.run(bench.spec(mode="disabled", config={"settle_after": 900}))
    assert bench.clock.waited < 60


def test_a_lead_behind_many_that_wait_is_sent_meanwhile(bench: Any, person: Any) -> None:
    box = bench.marketo(import_seconds=600)
    bench.leads([person(number) for number in range(40)])
    bulk = {"limits": {"batch_size": 5, "concurrency": 1}, "bulk": {"poll_after": 30}}
    bench.spec(name="one", config=bulk)
    with pytest.raises(TimeoutError):
        bench.run(bench.folder / "one.yaml", bulk=True, progress=_stop_at_importing(bench))
    assert "importing" in set(bench.statuses().values())
    bench.leads([person(number) for number in range(43)])
    spec = bench.spec(name="two", config=bulk)
    with pytest.raises(TimeoutError):
        bench.run(spec, progress=_stop_at(bench, lambda: len(box.state()["leads"]) >= 3))
    assert {f"ada{n}@kestrel.example" for n in (40, 41, 42)} <= set(bench.people())


def _stop_at_importing(bench: Any) -> Any:
    return _stop_at(bench, lambda: "importing" in {status for (status,) in bench.sql("SELECT status FROM leads")})


def _stop_at(bench: Any, reached: Any) -> Any:
    """End a run, as a kill would, once something is so."""

    def look(run: Any) -> None:
        if reached():
            raise TimeoutError

    return look


def test_memberships_of_imported_people_wait_until_they_can_be_found(bench: Any, person: Any) -> None:
    bench.marketo(import_seconds=1, switches={"read_after_write": 8})
    bench.leads([person(number) for number in range(20)])
    spec = bench.spec(mapping={"lists": [{"list_id": 1001}]}, config={"bulk": {"poll_after": 1}})
    summary = bench.run(spec, bulk=True)
    assert (summary.exit_code, summary.written["memberships"]) == (0, 20)


def test_member_files_are_not_used_where_people_are_told_apart_by_more_than_their_address(
    bench: Any, person: Any
) -> None:
    box = bench.marketo(import_seconds=1, switches={"custom_dedupe": "email+company"})
    bench.leads([person(number) for number in range(6)])
    spec = bench.spec(mapping=_programs(1107), config={"dedupe_field": "company", "bulk": {"poll_after": 1}})
    summary = bench.run(spec, bulk=True)
    assert (summary.exit_code, len(box.state()["leads"]), len(box.state()["members"])) == (0, 6, 6)
