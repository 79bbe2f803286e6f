"""What Pardot refuses about one person becomes a typed failure of that person."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import CredentialsError, EnvironmentFault, NoAnswer, RetryLater, SpecError

ENDPOINT = "prospects/do/upsertLatestByEmail"


@pytest.mark.parametrize("form", ["", "xml:", "v4:"])
@pytest.mark.parametrize(
    ("vendor_code", "code", "field"),
    [
        ("4", "DATA_VALUE_VALIDATION", "email"),
        ("153", "MISSING_REQUIRED_VALUE", ""),
        ("57", "DATA_VALUE_VALIDATION", ""),
        ("29", "DATA_VALUE_VALIDATION", "score"),
        ("38", "CAMPAIGN_NOT_WRITABLE", "campaignId"),
        ("130", "MISSING_REMOTE_FIELD", ""),
        ("180", "MISSING_REMOTE_FIELD", ""),
        ("11", "DATA_VALUE_VALIDATION", "userId"),
        ("219", "REMOTE_RECORD_GONE", ""),
        ("67", "RATE_OR_QUOTA", ""),
        ("150", "PLUGIN_ERROR", ""),
        ("84", "UNKNOWN", ""),
        ("300", "UNKNOWN", ""),
    ],
)
def test_a_code_becomes_ours_in_every_form_of_body(
    sandbox: Any, vendor: Any, delivery: Any, form: str, vendor_code: str, code: str, field: str
) -> None:
    sandbox.add_fault(match="upsert", error=form + vendor_code)
    (outcome,) = vendor.sync([delivery()])
    assert outcome.status == "failed"
    failure = outcome.failure
    assert (failure.code, failure.vendor_code, failure.endpoint) == (code, vendor_code, ENDPOINT)
    assert failure.field == field
    assert failure.message


@pytest.mark.parametrize("code", ["119", "120", "121", "183", "500"])
def test_a_server_that_failed_at_a_write_says_nothing_of_its_effect(
    sandbox: Any, vendor: Any, delivery: Any, code: str
) -> None:
    sandbox.add_fault(match="upsert", status=500, body={"code": int(code), "message": "Something broke"})
    with pytest.raises(NoAnswer):
        vendor.sync([delivery()])


@pytest.mark.parametrize("code", ["9", "54", "62", "85", "116"])
def test_what_passes_is_for_later(sandbox: Any, vendor: Any, delivery: Any, code: str) -> None:
    sandbox.add_fault(match="upsert", error=code)
    (outcome,) = vendor.sync([delivery()])
    assert (outcome.status, outcome.after > 0) == ("later", True)
    assert vendor.sync([delivery()])[0].status == "created"


@pytest.mark.parametrize("code", ["62", "85", "116", "119", "183", "500", "504", "214", "66", "202"])
def test_a_reading_that_fails_for_now_is_repeated_later(sandbox: Any, vendor: Any, delivery: Any, code: str) -> None:
    sandbox.add_fault(match="GET", error=code)
    with pytest.raises(RetryLater) as failed:
        vendor.look_up([delivery()], ["email"])
    assert not isinstance(failed.value, NoAnswer)
    assert list(vendor.look_up([delivery()], ["email"])[0]) == []


@pytest.mark.parametrize("fault", [{"drop": "before"}, {"drop": "after"}, {"truncate": True}], ids=str)
def test_a_reading_without_an_answer_is_no_unknown_outcome(
    sandbox: Any, vendor: Any, delivery: Any, fault: dict[str, Any]
) -> None:
    vendor.sync([delivery()])
    sandbox.add_fault(match="GET", **fault)
    with pytest.raises(RetryLater) as failed:
        vendor.look_up([delivery()], ["email"])
    assert not isinstance(failed.value, NoAnswer)


@pytest.mark.parametrize("code", ["2", "60", "151", "198", "207", "88"])
def test_a_request_that_the_api_does_not_know_stops_the_run(
    sandbox: Any, vendor: Any, delivery: Any, code: str
) -> None:
    sandbox.add_fault(match="upsert", error=code)
    with pytest.raises(EnvironmentFault, match=f"code {code}"):
        vendor.sync([delivery()])


@pytest.mark.parametrize(
    ("code", "setting", "words"),
    [
        ("181", "business_unit_id", "did not reach Pardot"),
        ("182", "business_unit_id", "0Uv and 15 characters"),
        ("201", "base_url", "another API host"),
        ("184", "client_id", "pardot_api"),
        ("49", "business_unit_id", "ability"),
    ],
)
def test_refused_credentials_name_the_setting_and_why(
    sandbox: Any, vendor: Any, delivery: Any, code: str, setting: str, words: str
) -> None:
    sandbox.add_fault(match="upsert", error=code, times=2)
    with pytest.raises(CredentialsError) as refused:
        vendor.sync([delivery()])
    assert refused.value.where == f"destination.config.{setting}"
    assert words in refused.value.why


def test_a_field_that_was_removed_is_named(sandbox: Any, vendor: Any, delivery: Any) -> None:
    del sandbox.unit.custom_fields["Lead_Type__c"]
    (outcome,) = vendor.sync([delivery(firstName="Ana", Lead_Type__c="Hot")])
    assert (outcome.failure.code, outcome.failure.field) == ("MISSING_REMOTE_FIELD", "Lead_Type__c")
    with pytest.raises(SpecError, match="Lead_Type__c"):
        vendor.look_up([delivery()], ["Lead_Type__c"])


@pytest.mark.parametrize(
    ("fields", "vendor_code", "named"),
    [
        ({"createdAt": "2025-01-01"}, "180", "createdAt"),
        ({"Badge_Scans__c": "many"}, "154", "Badge_Scans__c"),
        ({"isDoNotCall": "yes"}, "154", "isDoNotCall"),
        ({"campaignId": 1}, "38", "campaignId"),
        ({"userId": 99}, "10", "userId"),
    ],
)
def test_a_value_that_does_not_fit_names_its_field(
    sandbox: Any, vendor: Any, delivery: Any, fields: dict[str, Any], vendor_code: str, named: str
) -> None:
    (outcome,) = vendor.sync([delivery(**fields)])
    assert (outcome.failure.vendor_code, outcome.failure.field) == (vendor_code, named)
    assert sandbox.state()["prospects"] == []


@pytest.mark.parametrize("email", ["nobody", "a b@example.com", "ana@example", f"{'x' * 65}@example.com"])
def test_a_bad_address_fails_that_person_only(sandbox: Any, vendor: Any, delivery: Any, email: str) -> None:
    bad, good = vendor.sync([delivery(email)])[0], vendor.sync([delivery()])[0]
    assert (bad.failure.code, bad.failure.field, good.status) == ("DATA_VALUE_VALIDATION", "email", "created")


def test_a_message_shows_no_secret(sandbox: Any, vendor: Any, delivery: Any) -> None:
    sandbox.add_fault(match="upsert", status=400, body={"code": 300, "message": "sent Bearer 00Dabc!def.ghi"})
    (outcome,) = vendor.sync([delivery()])
    assert outcome.failure.code == "UNKNOWN"
    assert "00Dabc" not in outcome.failure.message


def test_pages_that_run_out_can_be_read_again(sandboxes: Any, vendors: Any) -> None:
    sandbox = sandboxes(custom_fields=[{"name": f"Field {number}"} for number in range(1001)])
    sandbox.add_fault(match="custom-fields", skip=1, error="210")
    vendor = vendors(sandbox)
    with pytest.raises(RetryLater):
        vendor.fields()
    assert any(each.name == "Field_1000__c" for each in vendor.fields())
