"""The field list, programs, and putting leads in programs."""

from __future__ import annotations

import pytest

from engine.errors import CredentialsError, NoAnswer, RetryLater, SpecError

STATUS = "members/status.json"


@pytest.fixture
def ids(vendor, by_email):
    return [outcome.remote_id for outcome in vendor.sync([by_email(f"p{n}@example.com") for n in range(3)])]


def test_fields_say_what_can_be_written(vendor, sandbox):
    sandbox.seed = {"fields": [{"name": "heat", "dataType": "score"}, {"name": "odd", "dataType": "lead_function"}]}
    sandbox.reset()
    fields = {field.name: field for field in vendor.fields()}
    assert (fields["email"].type, fields["email"].length, fields["email"].writable) == ("email", 255, True)
    assert not fields["createdAt"].writable and not fields["id"].writable
    assert (fields["mktoPersonNotes"].type, fields["mktoPersonNotes"].length) == ("text", None)
    assert fields["heat"].type == "integer" and fields["odd"].type == "string"
    assert fields["firstName"].label == "First Name"


def test_a_field_without_a_rest_name_is_left_out(vendor, sandbox):
    rows = [{"id": 1, "dataType": "string", "soap": {"name": "Old"}}, {"id": 2, "rest": {"name": "new"}}]
    sandbox.add_fault(match="describe", status=200, body={"requestId": "1#1", "success": True, "result": rows})
    assert [field.name for field in vendor.fields()] == ["new"]


@pytest.mark.parametrize("missing", ["warning", "702"])
def test_programs_that_exist_come_with_their_statuses(vendor, sandbox, missing):
    sandbox.switches["asset_missing"] = missing
    programs = vendor.programs(["1107", "1108", "9999", "Expo"])
    assert set(programs) == {"1107", "1108"}
    assert programs["1107"].name == "Expo 2026"
    assert programs["1107"].statuses == ("Invited", "Registered", "Member", "Engaged", "Attended")
    assert len(sandbox.calls("channel")) == 1


def test_a_program_whose_channel_is_gone_has_no_statuses(vendor, sandbox):
    sandbox.seed = {"programs": [{"id": 5, "name": "Webinar", "channel": "Gone"}]}
    sandbox.reset()
    assert vendor.programs(["5"])["5"].statuses == ()


def test_missing_permission_for_programs_is_a_matter_of_credentials(vendor, sandbox):
    client = {"client_id": "sandbox", "client_secret": "sandbox-secret", "permissions": ["Read-Write Lead"]}
    sandbox.seed = {"clients": [client]}
    sandbox.reset()
    assert vendor.fields()
    with pytest.raises(CredentialsError, match="Read-Only Assets"):
        vendor.programs(["1107"])


def test_a_status_moves_forward_only(vendor, sandbox, ids):
    assert [o.status for o in vendor.enroll("1107", "Registered", ids[:2])] == ["updated", "updated"]
    assert [o.status for o in vendor.enroll("1107", "Engaged", ids[1:])] == ["updated", "updated"]
    again = vendor.enroll("1107", "Registered", ids)
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


def test_a_lead_that_is_gone_fails_alone(vendor, ids):
    outcomes = vendor.enroll("1107", "Registered", [ids[0], "987654", "9" * 30, ids[1]])
    assert [o.status for o in outcomes] == ["updated", "failed", "failed", "updated"]
    assert {outcomes[1].failure.code, outcomes[2].failure.code} == {"REMOTE_RECORD_GONE"}
    assert outcomes[1].failure.vendor_code == "1004" and outcomes[1].failure.endpoint == STATUS


@pytest.mark.parametrize("switch", ["1013", "702"])
@pytest.mark.parametrize("program_id", ["9999", "Expo 2026"])
def test_an_unknown_program_fails_all(vendor, sandbox, ids, switch, program_id):
    sandbox.switches["unknown_program"] = switch
    outcomes = vendor.enroll(program_id, "Registered", ids)
    assert [o.failure.code for o in outcomes] == ["CAMPAIGN_NOT_WRITABLE"] * 3


@pytest.mark.parametrize("level", ["response", "record"])
@pytest.mark.parametrize("status", ["Bought a boat", "Not in Program"])
def test_an_unknown_status_fails_all(vendor, sandbox, ids, level, status):
    sandbox.switches["unknown_status"] = level
    outcomes = vendor.enroll("1107", status, ids)
    assert [o.failure.code for o in outcomes] == ["INVALID_CAMPAIGN_STATUS"] * 3


def test_rows_are_told_apart_by_their_sequence(vendor, sandbox, ids):
    rows = [
        {"seq": 2, "status": "skipped", "reasons": [{"code": "1037", "message": "past"}]},
        {"seq": 0, "status": "updated", "leadId": int(ids[0])},
    ]
    sandbox.add_fault(match=STATUS, status=200, body={"requestId": "1#1", "success": True, "result": rows})
    assert [o.status for o in vendor.enroll("1107", "Engaged", ids)] == ["updated", "unknown", "satisfied"]


def test_rows_without_a_sequence_are_told_apart_by_their_order(vendor, sandbox, ids):
    rows = [
        {"status": "created", "leadId": 1},
        {"status": "skipped", "reasons": [{"code": "713", "message": "wait"}]},
        {"status": "skipped", "reasons": [{"code": "611", "message": "oops"}]},
    ]
    sandbox.add_fault(match=STATUS, status=200, body={"requestId": "1#1", "success": True, "result": rows})
    assert [o.status for o in vendor.enroll("1107", "Engaged", ids)] == ["updated", "later", "unknown"]


def test_a_call_that_fails_as_a_whole_raises(vendor, sandbox, ids):
    sandbox.add_fault(match=STATUS, error="606")
    with pytest.raises(RetryLater) as caught:
        vendor.enroll("1107", "Engaged", ids)
    assert not isinstance(caught.value, NoAnswer)
    sandbox.add_fault(match=STATUS, drop="after")
    with pytest.raises(NoAnswer):
        vendor.enroll("1107", "Engaged", ids)


def test_a_refusal_that_is_not_understood_is_shown(vendor, sandbox):
    sandbox.add_fault(match="program/1107", error="1099")
    with pytest.raises(SpecError, match="1099"):
        vendor.programs(["1107"])
