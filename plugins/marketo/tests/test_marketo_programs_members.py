"""Putting leads in programs, with a status and with fields of the membership."""

from __future__ import annotations

import pytest

from engine.errors import NoAnswer, RetryLater, VendorUnavailable
from engine.records import Member, Membership, Standing

STATUS = "members/status.json"
DATA = r"POST .*members\.json"


@pytest.fixture
def ids(vendor, by_email):
    return [outcome.remote_id for outcome in vendor.sync([by_email(f"p{n}@example.com") for n in range(3)])]


def people(ids, **data):
    return [Member(remote_id, data) for remote_id in ids]


def test_a_status_moves_forward_only(vendor, sandbox, ids):
    assert [o.status for o in vendor.enroll("1107", "Registered", people(ids[:2]))] == ["updated", "updated"]
    assert [o.status for o in vendor.enroll("1107", "Engaged", people(ids[1:]))] == ["updated", "updated"]
    again = vendor.enroll("1107", "Registered", people(ids))
    assert [(o.status, o.remote_id) for o in again] == [
        ("satisfied", ids[0]),
        ("satisfied", ids[1]),
        ("satisfied", ids[2]),
    ]
    assert {m["leadId"]: m["statusName"] for m in sandbox.state()["members"]} == {
        int(ids[0]): "Registered",
        int(ids[1]): "Engaged",
        int(ids[2]): "Engaged",
    }


def test_members_are_read_with_their_status_and_whether_it_is_late_enough(vendor, sandbox, ids):
    vendor.enroll("1107", "Registered", people(ids[:1]))
    vendor.enroll("1107", "Engaged", people(ids[1:2]))
    before = len(sandbox.calls())

    def standings(status):
        return vendor.standings(Membership("1107", status), [*ids, "987654", "x"])

    assert standings("Registered") == {ids[0]: Standing("Registered"), ids[1]: Standing("Engaged")}
    assert standings("Engaged")[ids[0]] == Standing("Registered", reached=False)
    assert not any(each.reached for each in standings("Keynote Speaker").values())
    assert all(call["request"].startswith("GET ") for call in sandbox.calls()[before:])
    assert vendor.standings(Membership("999", "Registered"), ids) == {}


def test_members_are_read_page_after_page_and_nothing_is_guessed(vendor, sandbox, ids):
    place = Membership("1107", "Registered")
    vendor.enroll("1107", "Registered", people(ids))
    rows = [{"leadId": int(remote_id), "statusName": "Registered"} for remote_id in ids]
    for answer in ({"result": rows[:2], "nextPageToken": "next"}, {"result": rows[2:]}):
        sandbox.add_fault(
            match=r"GET .*members\.json", status=200, body={"requestId": "1#1", "success": True, **answer}
        )
    assert set(vendor.standings(place, ids)) == set(ids)
    sandbox.add_fault(match=r"GET .*members\.json", status=200, body={"requestId": "1#1", "success": True, "result": 7})
    with pytest.raises(RetryLater):
        vendor.standings(place, ids)


def test_a_lead_that_is_gone_fails_alone(vendor, ids):
    outcomes = vendor.enroll("1107", "Registered", people([ids[0], "987654", "9" * 30, ids[1]]))
    assert [o.status for o in outcomes] == ["updated", "later", "failed", "updated"]
    assert {outcomes[1].failure.code, outcomes[2].failure.code} == {"REMOTE_RECORD_GONE"}
    assert outcomes[1].failure.vendor_code == "1004" and outcomes[1].failure.endpoint == STATUS


@pytest.mark.parametrize("switch", ["1013", "702"])
@pytest.mark.parametrize("program_id", ["9999", "Expo 2026"])
def test_an_unknown_program_fails_all(vendor, sandbox, ids, switch, program_id):
    sandbox.switches["unknown_program"] = switch
    outcomes = vendor.enroll(program_id, "Registered", people(ids))
    assert [o.failure.code for o in outcomes] == ["CAMPAIGN_NOT_WRITABLE"] * 3


@pytest.mark.parametrize("level", ["response", "record"])
@pytest.mark.parametrize("status", ["Bought a boat", "Not in Program"])
def test_an_unknown_status_fails_all(vendor, sandbox, ids, level, status):
    sandbox.switches["unknown_status"] = level
    outcomes = vendor.enroll("1107", status, people(ids))
    assert [o.failure.code for o in outcomes] == ["INVALID_CAMPAIGN_STATUS"] * 3


def test_rows_are_told_apart_by_their_sequence(vendor, sandbox, ids):
    rows = [
        {"seq": 2, "status": "skipped", "reasons": [{"code": "1037", "message": "past"}]},
        {"seq": 0, "status": "updated", "leadId": int(ids[0])},
    ]
    sandbox.add_fault(match=STATUS, status=200, body={"requestId": "1#1", "success": True, "result": rows})
    assert [o.status for o in vendor.enroll("1107", "Engaged", people(ids))] == ["updated", "unknown", "satisfied"]


def test_rows_without_a_sequence_are_told_apart_by_their_order(vendor, sandbox, ids):
    rows = [
        {"status": "created", "leadId": 1},
        {"status": "skipped", "reasons": [{"code": "713", "message": "wait"}]},
        {"status": "skipped", "reasons": [{"code": "611", "message": "oops"}]},
    ]
    sandbox.add_fault(match=STATUS, status=200, body={"requestId": "1#1", "success": True, "result": rows})
    assert [o.status for o in vendor.enroll("1107", "Engaged", people(ids))] == ["updated", "later", "unknown"]


def test_a_call_that_fails_as_a_whole_raises(vendor, sandbox, ids):
    sandbox.add_fault(match=STATUS, error="606")
    with pytest.raises(RetryLater) as caught:
        vendor.enroll("1107", "Engaged", people(ids))
    assert not isinstance(caught.value, NoAnswer)
    sandbox.add_fault(match=STATUS, drop="after")
    with pytest.raises(NoAnswer):
        vendor.enroll("1107", "Engaged", people(ids))


def answer(*rows):
    return {"status": 200, "body": {"requestId": "1#1", "success": True, "result": list(rows)}}


def test_rows_that_cannot_be_told_apart_say_nothing(vendor, sandbox, ids):
    sandbox.add_fault(match=STATUS, **answer({"status": "created"}, {"status": "created"}))
    assert [o.status for o in vendor.enroll("1107", "Engaged", people(ids))] == ["unknown"] * 3
    twice = {"seq": 1, "status": "created"}
    sandbox.add_fault(match=STATUS, **answer(twice, twice, {"seq": 0, "status": "created"}))
    assert [o.status for o in vendor.enroll("1107", "Engaged", people(ids))] == ["updated", "unknown", "unknown"]


@pytest.mark.parametrize("code", ["1003", "1004"])
def test_a_member_that_brings_the_call_down_fails_alone(vendor, sandbox, ids, code):
    sandbox.add_fault(match=STATUS, contains=f'{{"leadId":{ids[1]}}}', error=code, times=-1)
    outcomes = vendor.enroll("1107", "Engaged", people(ids))
    assert [o.status for o in outcomes] == ["updated", "failed", "updated"]
    assert (outcomes[1].failure.vendor_code, outcomes[1].remote_id) == (code, ids[1])


def test_nobody_to_enroll_makes_no_call(vendor, sandbox):
    assert list(vendor.enroll("1107", "Engaged", [])) == []
    assert sandbox.calls() == []


# Fields of the membership -------------------------------------------------------------------------------------------


def test_what_a_membership_has_of_its_own_is_listed(vendor, sandbox):
    fields = {field.name: field for field in vendor.member_fields()}
    assert (fields["registrationCode"].type, fields["registrationCode"].writable) == ("string", True)
    assert fields["rating"].type == "integer"
    assert not fields["statusName"].writable
    sandbox.add_fault(match="members/describe", error="603")
    assert list(vendor.member_fields()) == []


def test_member_fields_are_written_after_the_status(vendor, sandbox, ids):
    members = [Member(ids[0], {"registrationCode": "A-17", "rating": 4}), Member(ids[1]), Member(ids[2], {"rating": 1})]
    vendor.enroll("1107", "Engaged", people(ids[2:]))
    assert [o.status for o in vendor.enroll("1107", "Registered", members)] == ["updated", "updated", "satisfied"]
    stored = {str(row["leadId"]): row for row in sandbox.state()["members"]}
    assert (stored[ids[0]]["registrationCode"], stored[ids[0]]["rating"]) == ("A-17", 4)
    assert (stored[ids[1]]["rating"], stored[ids[2]]["rating"]) == (None, 1)
    assert [call["request"].split("/")[-1] for call in sandbox.calls("members")][1:] == ["status.json", "members.json"]


def test_members_without_fields_cost_one_call(vendor, sandbox, ids):
    vendor.enroll("1107", "Registered", people(ids))
    assert len(sandbox.calls("members")) == 1


def test_a_bad_member_field_fails_its_own_member_and_leaves_the_status(vendor, sandbox, ids):
    members = [
        Member(ids[0], {"rating": "high"}),
        Member(ids[1], {"rating": 3}),
        Member(ids[2], {"boothVisit": "\ud800"}),
    ]
    bad, good, odd = vendor.enroll("1107", "Registered", members)
    assert (bad.status, good.status, odd.status) == ("failed", "updated", "failed")
    assert (bad.failure.code, bad.failure.field, bad.failure.endpoint) == (
        "DATA_VALUE_VALIDATION",
        "rating",
        "members.json",
    )
    assert odd.failure.code == "DATA_VALUE_VALIDATION"
    assert {row["statusName"] for row in sandbox.state()["members"]} == {"Registered"}
    assert [o.status for o in vendor.enroll("1107", "Registered", people(ids, rating=5))] == ["satisfied"] * 3
    assert {row["rating"] for row in sandbox.state()["members"]} == {5}


def test_a_status_that_fails_leaves_the_member_fields_alone(vendor, sandbox, ids):
    outcomes = vendor.enroll("1107", "Registered", people(["987654", ids[0]], rating=5))
    assert [o.status for o in outcomes] == ["later", "updated"]
    assert outcomes[0].failure.endpoint == STATUS
    vendor.enroll("1107", "No such status", people(ids, rating=1))
    assert [row["rating"] for row in sandbox.state()["members"]] == [5]


def test_an_unknown_member_field_fails_whoever_has_it(vendor, sandbox, ids):
    sandbox.switches["unknown_field"] = "response"
    members = [
        Member(ids[0], {"noSuchField": "x"}),
        Member(ids[1], {"rating": 1}),
        Member(ids[2], {"noSuchField": "y"}),
    ]
    outcomes = vendor.enroll("1107", "Registered", members)
    assert [o.status for o in outcomes] == ["failed", "updated", "failed"]
    assert (outcomes[0].failure.code, outcomes[0].failure.field) == ("MISSING_REMOTE_FIELD", "noSuchField")


@pytest.mark.parametrize("level", ["record", "call"])
def test_a_membership_that_is_not_found_yet_is_waited_for(vendor, sandbox, ids, level):
    fault = {"record_error": "1013", "record": 1} if level == "record" else {"error": "1013", "times": -1}
    sandbox.add_fault(match=DATA, contains=f'"leadId":{ids[1]}}}', message="Membership not found", **fault)
    outcomes = vendor.enroll("1107", "Registered", people(ids, rating=5))
    assert [o.status for o in outcomes] == ["updated", "later", "updated"]
    assert 0 < outcomes[1].after <= 10


@pytest.mark.parametrize(
    ("fault", "status"), [({"error": "606"}, "later"), ({"drop": "after"}, "unknown"), ({"error": "611"}, "unknown")]
)
def test_member_fields_that_cannot_be_written_now_keep_nobody_else(vendor, sandbox, ids, fault, status):
    sandbox.add_fault(match=DATA, **fault)
    outcomes = vendor.enroll("1107", "Registered", [*people(ids[:2], rating=5), Member(ids[2])])
    assert [o.status for o in outcomes] == [status, status, "updated"]


def test_a_spent_quota_between_the_two_calls_stops_the_destination(vendor, sandbox, ids):
    sandbox.add_fault(match=DATA, error="607")
    with pytest.raises(VendorUnavailable):
        vendor.enroll("1107", "Registered", people(ids, rating=5))
