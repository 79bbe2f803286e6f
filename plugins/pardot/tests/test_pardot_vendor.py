"""What a run sees of the vendor: who is created, updated, restored, found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import pytest
from engine_pardot.vendor import PardotVendor

from engine.errors import CredentialsError, NoAnswer, SpecError


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
    vendor = vendors(sandbox, deleted="restore" if restores else "create")

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
    assert found.keys == {"email": "ana@example.com", "prospect_id": "10"}
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


def test_a_look_up_by_id_reads_that_prospect_with_its_keys(sandboxes: Any, vendors: Any, by_id: Any) -> None:
    people = [
        {"id": 10, "email": "ana@example.com", "firstName": "Ana", "updatedAt": "2025-05-01T09:00:00-05:00"},
        {"id": 12, "email": "bo@example.com", "isDeleted": True},
    ]
    vendor = vendors(sandboxes(prospects=people))
    ((found,), recycled, unknown, no_id) = vendor.look_up([by_id(10), by_id(12), by_id(99), by_id("x")], ["firstName"])
    assert (found.remote_id, found.values) == ("10", {"firstName": "Ana"})
    assert found.keys == {"email": "ana@example.com", "prospect_id": "10"}
    assert found.changed_at == "2025-05-01T09:00:00-05:00"
    assert [list(each) for each in (recycled, unknown, no_id)] == [[], [], []]


def test_who_is_only_in_the_recycle_bin_is_not_found_by_address(sandboxes: Any, vendors: Any, delivery: Any) -> None:
    people = [{"id": 10, "email": "ana@example.com", "isDeleted": True}]
    assert list(vendors(sandboxes(prospects=people)).look_up([delivery()], ["email"])[0]) == []


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


def test_five_threads_share_one_vendor(sandbox: Any, vendor: Any, delivery: Any) -> None:
    people = [f"person{number}@example.com" for number in range(100)]
    with ThreadPoolExecutor(5) as pool:
        outcomes = list(pool.map(lambda email: vendor.sync([delivery(email)])[0], people))
    assert {each.status for each in outcomes} == {"created"}
    assert len({each.remote_id for each in outcomes}) == 100
    assert sandbox.state()["counts"]["tokens"] == 1


@pytest.mark.parametrize(
    "fault", [{"empty": True}, {"status": 204}, {"body": {}, "status": 200}, {"body": {}}], ids=str
)
def test_success_without_a_body_is_success(sandbox: Any, vendor: Any, delivery: Any, fault: dict[str, Any]) -> None:
    sandbox.add_fault(match="upsert", **fault)
    (outcome,) = vendor.sync([delivery()])
    assert (outcome.status, outcome.remote_id) == ("updated", None)


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


def test_connecting_meets_a_wrong_business_unit_before_any_lead_does(sandbox: Any, vendors: Any) -> None:
    vendors(sandbox).connect()
    with pytest.raises(CredentialsError, match="business unit"):
        vendors(sandbox, business_unit_id="0Uv000000000009CAA").connect()
    sandbox.add_fault(match="account", error="404")
    with pytest.raises(SpecError):
        vendors(sandbox).connect()


@pytest.mark.parametrize("error", ["46", "198", "224", "504", "62", "85"])
def test_a_count_of_calls_that_cannot_be_read_stops_nothing(
    sandbox: Any, vendor: Any, delivery: Any, error: str
) -> None:
    sandbox.add_fault(match="account", times=-1, error=error)
    vendor.connect()
    assert vendor.sync([delivery()])[0].status == "created"


def test_an_address_without_the_api_names_the_setting(sandbox: Any, vendor: Any, delivery: Any) -> None:
    sandbox.add_fault(match="upsert", error="404")
    with pytest.raises(SpecError) as wrong:
        vendor.sync([delivery()])
    assert wrong.value.where == "destination.config.base_url"


def test_the_account_is_the_business_unit_and_on_this_machine_the_address_too(sandbox: Any, vendors: Any) -> None:
    assert vendors(sandbox).account == f"pardot:0Uv000000000001CAA@127.0.0.1:{sandbox.port}"
    assert vendors(sandbox, base_url=None).account == "pardot:0Uv000000000001CAA"
    assert (vendors(sandbox).settle_after, vendors(sandbox, settle_after=90).settle_after) == (65.0, 90.0)


def test_the_schema_takes_the_sandbox_and_refuses_what_it_does_not_know(sandbox: Any, vendor: Any) -> None:
    check = jsonschema.Draft202012Validator(PardotVendor.config_schema)
    check.check_schema(PardotVendor.config_schema)
    assert check.is_valid(vendor.config)
    known = {"deleted": "create", "verify": True, "separator": "|", "limits": {"edition": "plus", "alert": None}}
    assert check.is_valid({**vendor.config, **known})
    for wrong in ({"deleted": True}, {"limits": {"edition": "pro"}}, {"limits": {"concurrency": 6}}, {"unheard_of": 1}):
        assert not check.is_valid({**vendor.config, **wrong})


def _with_email(delivery: Any, email: str) -> Any:
    return type(delivery)(delivery.lead_id, delivery.decision, {**delivery.fields, "email": email})
