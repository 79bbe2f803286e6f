"""Writing leads and reading them back."""

from __future__ import annotations

import pytest

from engine.errors import CredentialsError, NoAnswer, RetryLater, SpecError, VendorUnavailable

SYNC = "POST /rest/v1/leads.json"


def leads(sandbox):
    return {lead["email"]: lead for lead in sandbox.state()["leads"]}


def test_a_lead_is_created_and_then_updated(vendor, sandbox, by_email):
    (created,) = vendor.sync([by_email("ada@example.com", firstName="Ada", eventScore=12)])
    (updated,) = vendor.sync([by_email("ADA@example.com ", title="CTO")])
    lead = sandbox.state()["leads"][0]
    assert (created.status, updated.status) == ("created", "updated")
    assert created.remote_id == updated.remote_id == str(lead["id"])
    assert (lead["firstName"], lead["eventScore"], lead["title"]) == ("Ada", 12, "CTO")


def test_an_update_by_id_leaves_the_address_alone(vendor, sandbox, by_email, by_id):
    (created,) = vendor.sync([by_email("ada@example.com")])
    (outcome,) = vendor.sync([by_id(created.remote_id, email="other@example.com", title="CTO")])
    assert (outcome.status, outcome.remote_id) == ("updated", created.remote_id)
    assert leads(sandbox)["ada@example.com"]["title"] == "CTO"


def test_an_unknown_id_is_missing_and_creates_nobody(vendor, sandbox, by_id):
    assert [outcome.status for outcome in vendor.sync([by_id(4711, firstName="Ada")])] == ["missing"]
    assert sandbox.state()["leads"] == []


def test_an_unknown_id_that_refuses_the_whole_call_is_missing(vendor, sandbox, by_id):
    sandbox.add_fault(match=SYNC, contains='"id":4711', error="1004", times=2)
    assert [outcome.status for outcome in vendor.sync([by_id(4711), by_id(4712)])] == ["missing", "missing"]


def test_an_id_that_is_no_number_fails_alone(vendor, by_email, by_id):
    (created,) = vendor.sync([by_email("ada@example.com")])
    outcomes = vendor.sync([by_id("00Q-12"), by_id(created.remote_id, title="CTO"), by_id("9" * 30)])
    assert [outcome.status for outcome in outcomes] == ["failed", "updated", "failed"]
    assert outcomes[0].failure.code == "DATA_VALUE_VALIDATION"


@pytest.mark.parametrize(
    ("fields", "code", "field", "vendor_code"),
    [
        ({"eventScore": "high"}, "DATA_VALUE_VALIDATION", "eventScore", "1003"),
        ({"firstName": "x" * 256}, "DATA_VALUE_VALIDATION", "firstName", "1003"),
        ({"noSuchField": "x"}, "MISSING_REMOTE_FIELD", "noSuchField", "1006"),
    ],
)
def test_a_bad_value_fails_its_own_lead_only(vendor, sandbox, by_email, fields, code, field, vendor_code):
    good, bad, also_good = vendor.sync(
        [by_email("ada@example.com"), by_email("bob@example.com", **fields), by_email("cy@example.com")]
    )
    assert (good.status, bad.status, also_good.status) == ("created", "failed", "created")
    failure = bad.failure
    assert (failure.code, failure.field, failure.vendor_code) == (code, field, vendor_code)
    assert failure.endpoint == "leads.json" and f"'{field}'" in failure.message
    assert sorted(leads(sandbox)) == ["ada@example.com", "cy@example.com"]


def test_an_address_that_several_leads_have_is_ambiguous(connect, sandbox, by_email):
    sandbox.seed = {"leads": [{"email": "ada@example.com"}, {"email": "Ada@example.com"}]}
    sandbox.reset()
    (outcome,) = connect().sync([by_email("ada@example.com", title="CTO")])
    assert (outcome.failure.code, outcome.failure.vendor_code) == ("AMBIGUOUS_MATCH", "1007")


@pytest.mark.parametrize(
    ("vendor_code", "status", "failure_code"),
    [
        ("1005", "failed", "ALREADY_EXISTS"),
        ("1008", "failed", "CONNECTION_PERMISSION"),
        ("1011", "failed", "MISSING_REMOTE_FIELD"),
        ("1021", "failed", "MISSING_REMOTE_FIELD"),
        ("704", "failed", "DATA_VALUE_VALIDATION"),
        ("4242", "failed", "UNKNOWN"),
        ("713", "later", None),
        ("611", "unknown", None),
    ],
)
def test_a_skipped_row_is_told_apart_by_its_code(vendor, sandbox, by_email, vendor_code, status, failure_code):
    row = {"status": "skipped", "reasons": [{"code": int(vendor_code), "message": "so it is"}]}
    sandbox.add_fault(match=SYNC, status=200, body={"requestId": "1#1", "success": True, "result": [row]})
    (outcome,) = vendor.sync([by_email("ada@example.com")])
    assert outcome.status == status
    if failure_code:
        assert (outcome.failure.code, outcome.failure.vendor_code) == (failure_code, vendor_code)
        assert "so it is" in outcome.failure.message
    if status == "later":
        assert outcome.after > 0


@pytest.mark.parametrize(
    "result",
    [None, {}, [], [{"id": 1, "status": "created"}], [{"id": 1, "status": "created"}] * 3, [{"status": "odd"}, 7]],
    ids=str,
)
def test_an_answer_that_does_not_fit_the_batch_says_nothing_about_it(vendor, sandbox, by_email, result):
    sandbox.add_fault(match=SYNC, status=200, body={"requestId": "1#1", "success": True, "result": result})
    outcomes = vendor.sync([by_email("ada@example.com"), by_email("bob@example.com")])
    assert [outcome.status for outcome in outcomes] == ["unknown", "unknown"]


@pytest.mark.parametrize("row", [{"id": 7}, {"id": 7, "status": "updated"}, {"status": "created"}], ids=str)
def test_a_row_with_reasons_failed_whatever_its_status(vendor, sandbox, by_email, row):
    rows = [{**row, "reasons": [{"code": "1003", "message": "Invalid value for field 'title' and value 'x'"}]}]
    sandbox.add_fault(match=SYNC, status=200, body={"requestId": "1#1", "success": True, "result": rows})
    (outcome,) = vendor.sync([by_email("ada@example.com")])
    assert (outcome.status, outcome.failure.field) == ("failed", "title")


@pytest.mark.parametrize("fault", [{"error": "604"}, {"error": "611"}, {"empty": True}, {"truncate": True}], ids=str)
def test_an_unclear_end_of_a_write_is_to_be_looked_up(vendor, sandbox, by_email, fault):
    sandbox.add_fault(match=SYNC, **fault)
    with pytest.raises(NoAnswer):
        vendor.sync([by_email("ada@example.com"), by_email("bob@example.com")])


def people(count, by_email, **fields):
    return [by_email(f"p{number}@example.com", **fields) for number in range(count)]


@pytest.mark.parametrize("code", ["1003", "609", "704"])
def test_a_record_that_brings_its_batch_down_fails_alone(vendor, sandbox, by_email, code):
    batch = people(20, by_email)
    batch[13] = by_email("poison@example.com", lastName="POISON")
    sandbox.add_fault(match=SYNC, contains="POISON", error=code, times=-1)
    outcomes = vendor.sync(batch)
    assert [index for index, outcome in enumerate(outcomes) if outcome.status == "failed"] == [13]
    assert outcomes[13].failure.code == "DATA_VALUE_VALIDATION"
    assert len(sandbox.state()["leads"]) == 19


def test_an_unknown_field_that_fails_the_call_is_found_without_halving(vendor, sandbox, by_email):
    sandbox.switches["unknown_field"] = "response"
    outcomes = vendor.sync([*people(50, by_email, noSuchField="x"), by_email("ada@example.com")])
    assert {outcome.failure.code for outcome in outcomes[:50]} == {"MISSING_REMOTE_FIELD"}
    assert outcomes[50].status == "created"
    assert len(sandbox.calls(SYNC)) == 2


def test_a_refusal_that_is_not_understood_may_be_the_fault_of_one_record(vendor, sandbox, by_email):
    sandbox.add_fault(match=SYNC, error="4242", contains="ada7@", times=-1)
    batch = [by_email(f"ada{number}@example.com") for number in range(40)]
    outcomes = vendor.sync(batch)
    failed = [place for place, outcome in enumerate(outcomes) if outcome.status == "failed"]
    assert failed == [7] and outcomes[7].failure.code == "UNKNOWN" and outcomes[7].failure.vendor_code == "4242"


def test_a_refusal_that_meets_every_part_is_not_searched_through_to_the_last_record(vendor, sandbox, by_email):
    sandbox.add_fault(match=SYNC, error="4242", times=-1)
    outcomes = vendor.sync([by_email(f"ada{number}@example.com") for number in range(300)])
    assert {outcome.failure.code for outcome in outcomes} == {"UNKNOWN"}
    assert len(sandbox.calls(SYNC)) < 320


@pytest.mark.parametrize(("code", "setting"), [("1009", "partition"), ("1008", "partition"), ("1011", "matching")])
def test_a_setting_that_is_wrong_for_everybody_ends_the_run(vendor, sandbox, by_email, code, setting):
    sandbox.add_fault(match=SYNC, error=code)
    with pytest.raises(SpecError) as caught:
        vendor.sync([by_email("ada@example.com")])
    assert setting in str(caught.value.where)


def test_a_batch_above_one_megabyte_travels_in_parts(vendor, sandbox, by_email):
    batch = people(100, by_email, boothNotes="ä" * 9_000)
    assert {outcome.status for outcome in vendor.sync(batch)} == {"created"}
    calls = sandbox.calls(SYNC)
    assert len(calls) == 2 and all(call["bytes"] <= 1_000_000 for call in calls)


def test_a_body_that_the_gateway_finds_too_large_is_halved(vendor, sandbox, by_email):
    sandbox.add_fault(match=SYNC, error="413")
    assert {outcome.status for outcome in vendor.sync(people(4, by_email))} == {"created"}
    assert len(sandbox.calls(SYNC)) == 3


def test_a_record_too_large_or_not_sendable_fails_alone(vendor, by_email):
    huge, odd, good = vendor.sync(
        [
            by_email("a@example.com", boothNotes="x" * 1_000_001),
            by_email("b@example.com", firstName="\ud800"),
            by_email("c@example.com"),
        ]
    )
    assert (huge.status, odd.status, good.status) == ("failed", "failed", "created")
    assert huge.failure.code == odd.failure.code == "DATA_VALUE_VALIDATION"


@pytest.mark.parametrize(
    ("fault", "second_half"),
    [({"drop": "after"}, "unknown"), ({"error": "606"}, "later"), ({"error": "607"}, "later")],
    ids=str,
)
def test_what_was_written_stays_known_when_a_later_part_fails(vendor, sandbox, by_email, fault, second_half):
    sandbox.add_fault(match=SYNC, skip=1, **fault)
    outcomes = vendor.sync(people(100, by_email, boothNotes="x" * 15_000))
    assert {outcome.status for outcome in outcomes[:50]} == {"created"}
    assert {outcome.status for outcome in outcomes[50:]} == {second_half}


@pytest.mark.parametrize(
    ("code", "error"), [("606", RetryLater), ("607", VendorUnavailable), ("603", CredentialsError)]
)
def test_nothing_executed_means_that_the_whole_call_is_refused(vendor, sandbox, by_email, code, error):
    sandbox.add_fault(match=SYNC, error=code)
    with pytest.raises(error) as caught:
        vendor.sync(people(100, by_email, boothNotes="x" * 15_000))
    assert not isinstance(caught.value, NoAnswer)
    assert len(sandbox.calls(SYNC)) == 1


def test_an_unanswered_first_part_is_unknown_and_the_rest_was_not_sent(vendor, sandbox, by_email):
    sandbox.add_fault(match=SYNC, drop="after")
    outcomes = vendor.sync(people(100, by_email, boothNotes="x" * 15_000))
    assert {outcome.status for outcome in outcomes[:50]} == {"unknown"}
    assert {outcome.status for outcome in outcomes[50:]} == {"later"}


def test_nothing_to_send_makes_no_call(vendor, sandbox):
    assert list(vendor.sync([])) == []
    assert sandbox.calls() == []
