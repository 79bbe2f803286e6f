"""What a run sees of the vendor: who is created, updated, restored, found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import pytest
from engine_pardot.vendor import PardotVendor

from engine.errors import NoAnswer, RetryLater, SpecError, VendorUnavailable


def test_a_new_person_is_created_and_then_updated(sandbox: Any, vendor: Any, delivery: Any) -> None:
    (first,) = vendor.sync([delivery(firstName="Ana", Booth_Rating__c="A")])
    sandbox.advance(2)
    (second,) = vendor.sync([delivery(jobTitle="CTO")])

    assert (first.status, second.status) == ("created", "updated")
    assert first.remote_id == second.remote_id
    (stored,) = sandbox.state()["prospects"]
    assert (stored["firstName"], stored["jobTitle"], stored["Booth_Rating__c"]) == ("Ana", "CTO", "A")


def test_a_201_for_a_created_person_counts_as_well(sandbox: Any, vendor: Any, delivery: Any) -> None:
    sandbox.switches["upsert_create_status"] = 201
    assert vendor.sync([delivery()])[0].status == "created"


def test_letter_case_and_spaces_make_no_second_person(sandbox: Any, vendor: Any, delivery: Any) -> None:
    sandbox.switches["email_case_sensitive"] = True
    vendor.sync([delivery("ana@example.com")])
    vendor.sync([delivery(" Ana@Example.com ")])
    assert [each["email"] for each in sandbox.state()["prospects"]] == ["ana@example.com"]


def test_an_address_that_is_mapped_differently_is_changed(sandbox: Any, vendor: Any, delivery: Any) -> None:
    vendor.sync([delivery()])
    vendor.sync([_with_email(delivery(), "ana.b@example.com")])
    assert [each["email"] for each in sandbox.state()["prospects"]] == ["ana.b@example.com"]


@pytest.mark.parametrize(("restores", "count"), [(True, 1), (False, 2)])
def test_a_recycled_person_is_restored_if_the_spec_says_so(
    sandboxes: Any, vendors: Any, delivery: Any, restores: bool, count: int
) -> None:
    old = {"id": 10, "email": "ana@example.com", "isDeleted": True, "createdAt": "2024-01-01T09:00:00-05:00"}
    sandbox = sandboxes(prospects=[old])
    vendor = vendors(sandbox, secondary_deleted_search=restores)

    (outcome,) = vendor.sync([delivery()])

    assert outcome.status == ("updated" if restores else "created")
    assert (outcome.remote_id == "10") is restores
    assert len(sandbox.state()["prospects"]) == count


def test_of_several_sharers_the_one_with_the_latest_activity_is_written_and_found(
    sandboxes: Any, vendors: Any, delivery: Any
) -> None:
    sharers = [
        {"id": 10, "email": "ana@example.com", "lastActivityAt": "2025-05-01T09:00:00-05:00", "firstName": "Ana"},
        {"id": 12, "email": "ana@example.com", "lastActivityAt": "2025-03-01T09:00:00-05:00"},
        {"id": 14, "email": "ana@example.com"},
    ]
    sandbox = sandboxes(prospects=sharers)
    vendor = vendors(sandbox)

    ((found,),) = vendor.look_up([delivery()], ["firstName", "Booth_Rating__c"])
    (outcome,) = vendor.sync([delivery(jobTitle="CTO")])

    assert found.remote_id == outcome.remote_id == "10"
    assert found.values == {"firstName": "Ana", "Booth_Rating__c": None}
    assert sandbox.state()["duplicates"] == ["ana@example.com"]


def test_a_look_up_finds_nobody_writes_nothing_and_takes_a_plus_sign(sandbox: Any, vendor: Any, delivery: Any) -> None:
    vendor.sync([delivery("ana+expo@example.com")])
    found, missing, no_address = vendor.look_up(
        [delivery("ana+expo@example.com"), delivery("bo@example.com"), delivery("nobody")], ["email"]
    )
    assert found[0].values == {"email": "ana+expo@example.com"}
    assert (list(missing), list(no_address)) == ([], [])
    assert len(sandbox.state()["prospects"]) == 1


@pytest.mark.parametrize("several", ["omit", "reject"])
def test_values_that_a_query_leaves_out_are_read_from_the_person(
    sandboxes: Any, vendors: Any, delivery: Any, several: str
) -> None:
    sandbox = sandboxes(
        custom_fields=[{"name": "Interests", "type": "Multi-Select"}], switches={"several_values": several}
    )
    vendor = vendors(sandbox)
    vendor.sync([delivery(Interests__c=["Wine", "Cheese"])])
    ((found,),) = vendor.look_up([delivery()], ["email", "Interests__c"])
    assert found.values == {"email": "ana@example.com", "Interests__c": ["Wine", "Cheese"]}


def test_the_field_list_holds_standard_and_custom_fields(sandbox: Any, vendor: Any) -> None:
    fields = {each.name: each for each in vendor.fields()}
    assert (fields["email"].type, fields["email"].writable) == ("email", True)
    assert (fields["firstName"].type, fields["firstName"].length) == ("string", 255)
    assert fields["createdAt"].writable is False
    assert (fields["Badge_Scans__c"].type, fields["Event_Notes__c"].length) == ("float", 65_535)
    assert fields["LinkedIn_URL__c"].label == "LinkedIn URL"


def test_a_long_field_list_is_read_page_by_page(sandboxes: Any, vendors: Any) -> None:
    sandbox = sandboxes(custom_fields=[{"name": f"Field {number}"} for number in range(1200)])
    names = {each.name for each in vendors(sandbox).fields()}
    assert {"Field_0__c", "Field_1199__c"} <= names
    assert len(sandbox.calls("custom-fields")) == 2


def test_five_threads_share_one_vendor(sandbox: Any, vendor: Any, delivery: Any) -> None:
    people = [f"person{number}@example.com" for number in range(100)]
    with ThreadPoolExecutor(5) as pool:
        outcomes = list(pool.map(lambda email: vendor.sync([delivery(email)])[0], people))
    assert {each.status for each in outcomes} == {"created"}
    assert len({each.remote_id for each in outcomes}) == 100
    assert sandbox.state()["counts"]["tokens"] == 1


@pytest.mark.parametrize(
    ("fault", "status"),
    [({"empty": True}, "unknown"), ({"status": 204}, "unknown"), ({"body": {}, "status": 200}, "unknown")],
)
def test_success_without_an_id_is_an_unknown_outcome(
    sandbox: Any, vendor: Any, delivery: Any, fault: dict[str, Any], status: str
) -> None:
    sandbox.add_fault(match="upsert", **fault)
    assert vendor.sync([delivery()])[0].status == status


@pytest.mark.parametrize(
    "fault",
    [{"truncate": True}, {"drop": "after"}, {"drop": "before"}, {"error": "504"}, {"error": "502"}, {"error": "214"}],
)
def test_a_lost_answer_is_told_apart_from_a_refusal(
    sandbox: Any, vendor: Any, delivery: Any, fault: dict[str, Any]
) -> None:
    sandbox.add_fault(match="upsert", **fault)
    with pytest.raises(NoAnswer):
        vendor.sync([delivery()])


def test_a_slow_answer_is_a_lost_one(sandbox: Any, vendors: Any, delivery: Any) -> None:
    vendor = vendors(sandbox, timeout=0.2)
    vendor.connect()
    sandbox.add_fault(match="upsert", delay=0.5)
    with pytest.raises(NoAnswer):
        vendor.sync([delivery()])


@pytest.mark.parametrize("status", [429, 400, 403, "v4"])
def test_limits_are_read_from_the_body_whatever_the_status(
    sandbox: Any, vendor: Any, delivery: Any, status: Any
) -> None:
    sandbox.switches["limit_status"] = status
    sandbox.add_fault(match="upsert", error="66")
    with pytest.raises(RetryLater) as busy:
        vendor.sync([delivery()])
    assert (busy.value.after, isinstance(busy.value, NoAnswer)) == (2.0, False)

    sandbox.switches["daily"] = 0
    with pytest.raises(VendorUnavailable, match="after midnight"):
        vendor.sync([delivery()])
    assert sandbox.state()["prospects"] == []


def test_the_daily_quota_comes_back_at_midnight_of_the_account(sandbox: Any, vendor: Any, delivery: Any) -> None:
    sandbox.switches["daily"] = 1
    vendor.sync([delivery()])
    with pytest.raises(VendorUnavailable):
        vendor.sync([delivery()])
    sandbox.advance(86_400)
    assert vendor.sync([delivery()])[0].status == "updated"


def test_the_limit_of_a_minute_waits_a_minute(sandbox: Any, vendor: Any, delivery: Any) -> None:
    sandbox.add_fault(match="upsert", error="202")
    with pytest.raises(RetryLater) as slow:
        vendor.sync([delivery()])
    assert slow.value.after == 60.0


def test_an_address_without_the_api_names_the_setting(sandbox: Any, vendor: Any, delivery: Any) -> None:
    sandbox.add_fault(match="upsert", error="404")
    with pytest.raises(SpecError) as wrong:
        vendor.sync([delivery()])
    assert wrong.value.where == "destination.config.base_url"


def test_limits_and_account_follow_the_configuration(sandbox: Any, vendors: Any) -> None:
    plain = vendors(sandbox)
    assert (plain.limits.batch_size, plain.limits.concurrency, plain.limits.daily) == (1, 5, 25_000)
    assert plain.limits.calls is None
    assert plain.settle_after == 65.0
    assert plain.account == f"pardot:0Uv000000000001CAA@127.0.0.1:{sandbox.port}"

    tuned = vendors(sandbox, base_url=None, limits={"calls": 3, "window": 2.0, "concurrency": 4, "daily": 9})
    assert (tuned.limits.calls, tuned.limits.window, tuned.limits.concurrency, tuned.limits.daily) == (3, 2.0, 4, 9)
    assert tuned.account == "pardot:0Uv000000000001CAA"


def test_the_schema_takes_the_sandbox_and_refuses_a_mistyped_unit(sandbox: Any, vendor: Any) -> None:
    check = jsonschema.Draft202012Validator(PardotVendor.config_schema)
    check.check_schema(PardotVendor.config_schema)
    assert check.is_valid(vendor.config)
    assert not check.is_valid({**vendor.config, "business_unit_id": "0Uv1"})
    assert not check.is_valid({**vendor.config, "unheard_of": 1})


def _with_email(delivery: Any, email: str) -> Any:
    return type(delivery)(delivery.lead_id, delivery.decision, {**delivery.fields, "email": email})
