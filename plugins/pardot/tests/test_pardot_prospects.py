"""Writing prospects: fields for new ones only, by id, several values, cleared fields, and written values verified."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import CredentialsError, NoAnswer, VendorUnavailable
from engine.records import Delivery

#: Campaigns of the default seed: the oldest, which prospects without one are put in, and another.
WEBSITE, EXPO = 668, 1107
UPSERT = "upsertLatestByEmail"
BY_ID = r"PATCH .*/prospects/\d+"
DAY = 86_400.0


def stored(sandbox: Any) -> Any:
    (prospect,) = sandbox.state()["prospects"]
    return prospect


def known(prospect_id: int = 10, **fields: Any) -> dict[str, Any]:
    times = {"createdAt": "2024-01-01T09:00:00-05:00", "updatedAt": "2024-01-01T09:00:00-05:00"}
    return {"id": prospect_id, "email": "ana@example.com", **times, **fields}


# Fields for new prospects only --------------------------------------------------------------------------------------


def test_a_new_person_gets_the_campaign_and_a_known_one_keeps_the_own(sandbox: Any, vendor: Any, delivery: Any) -> None:
    campaign = {"campaignId": EXPO, "source": "Expo"}
    (first,) = vendor.sync([delivery("ana@example.com", campaign, firstName="Ana")])
    assert (first.status, stored(sandbox)["campaignId"], stored(sandbox)["source"]) == ("created", EXPO, "Expo")
    assert len(sandbox.calls(UPSERT)) == len(sandbox.calls(BY_ID)) == 1

    sandbox.advance(5 * DAY)
    (again,) = vendor.sync([delivery("ana@example.com", {"campaignId": WEBSITE, "source": "Web"}, jobTitle="CTO")])
    assert (again.status, stored(sandbox)["campaignId"], stored(sandbox)["source"]) == ("updated", EXPO, "Expo")
    assert len(sandbox.calls(BY_ID)) == 1


def test_a_person_whom_somebody_else_entered_keeps_even_the_oldest_campaign(
    sandboxes: Any, vendors: Any, delivery: Any
) -> None:
    sandbox = sandboxes(prospects=[{**known(), "createdById": 2, "campaignId": WEBSITE}])
    assert vendors(sandbox).sync([delivery("ana@example.com", {"campaignId": EXPO})])[0].status == "updated"
    assert stored(sandbox)["campaignId"] == WEBSITE


@pytest.mark.parametrize(
    "fault",
    [{"error": "85"}, {"error": "66"}, {"drop": "before"}, {"drop": "after"}, {"error": "504"}, {"error": "38"}],
    ids=str,
)
def test_a_second_call_that_fails_is_made_up_for_by_the_repeat(
    sandbox: Any, vendor: Any, delivery: Any, fault: dict[str, Any]
) -> None:
    sandbox.add_fault(match=BY_ID, **fault)
    lead = delivery("ana@example.com", {"campaignId": EXPO}, firstName="Ana")
    (outcome,) = vendor.sync([lead])
    assert outcome.status in {"later", "failed"}
    assert outcome.remote_id == str(stored(sandbox)["id"])

    sandbox.advance(DAY)
    assert vendor.sync([replace(lead, repeated=True)])[0].status == "updated"
    assert stored(sandbox)["campaignId"] == EXPO


def test_a_repeat_days_later_does_not_take_a_known_person_for_a_new_one(
    sandbox: Any, vendor: Any, delivery: Any
) -> None:
    vendor.sync([delivery()])
    sandbox.advance(4 * DAY)
    vendor.sync([delivery("ana@example.com", {"campaignId": EXPO})])
    assert stored(sandbox)["campaignId"] == WEBSITE


def test_a_repeat_leaves_what_has_changed_meanwhile(sandboxes: Any, vendors: Any, delivery: Any) -> None:
    campaigns = [{"id": number, "name": f"Campaign {number}"} for number in (668, 1107, 1200)]
    sandbox = sandboxes(campaigns=campaigns)
    vendor = vendors(sandbox)
    sandbox.add_fault(match=BY_ID, error="85")
    lead = delivery("ana@example.com", {"campaignId": EXPO, "source": "Expo"})
    vendor.sync([lead])
    vendor.sync([delivery(campaignId=1200)])
    sandbox.advance(60)
    vendor.sync([replace(lead, repeated=True)])
    assert (stored(sandbox)["campaignId"], stored(sandbox)["source"]) == (1200, "Expo")


def test_a_campaign_that_does_not_exist_is_named_and_the_person_is_there(
    sandbox: Any, vendor: Any, delivery: Any
) -> None:
    (outcome,) = vendor.sync([delivery("ana@example.com", {"campaignId": 1}, firstName="Ana")])
    failure = outcome.failure
    assert (outcome.status, failure.code, failure.field) == ("failed", "CAMPAIGN_NOT_WRITABLE", "campaignId")
    assert "created without campaignId" in failure.message
    assert (outcome.remote_id, stored(sandbox)["firstName"]) == (str(stored(sandbox)["id"]), "Ana")


def test_an_unanswered_upsert_with_a_campaign_is_repeated_and_the_campaign_written(
    sandbox: Any, vendor: Any, delivery: Any
) -> None:
    sandbox.add_fault(match=UPSERT, drop="after")
    lead = delivery("ana@example.com", {"campaignId": EXPO})
    with pytest.raises(NoAnswer):
        vendor.sync([lead])
    sandbox.advance(vendor.settle_after)
    assert vendor.sync([replace(lead, repeated=True)])[0].status == "updated"
    assert stored(sandbox)["campaignId"] == EXPO


def test_a_quota_that_ends_between_the_two_calls_stops_the_run_and_the_next_one_completes(
    sandbox: Any, vendor: Any, delivery: Any
) -> None:
    sandbox.add_fault(match=BY_ID, error="122")
    lead = delivery("ana@example.com", {"campaignId": EXPO})
    with pytest.raises(VendorUnavailable):
        vendor.sync([lead])
    sandbox.advance(2.5 * DAY)
    vendor.sync([replace(lead, repeated=True)])
    assert stored(sandbox)["campaignId"] == EXPO


def test_who_may_write_and_not_read_is_written_but_cannot_be_told_to_be_new(
    sandboxes: Any, vendors: Any, delivery: Any
) -> None:
    user = {"id": 1, "email": "integration@example.com", "abilities": ["create"]}
    sandbox = sandboxes(users=[user])
    vendor = vendors(sandbox)
    (plain,) = vendor.sync([delivery()])
    (first_touch,) = vendor.sync([delivery("ana@example.com", {"campaignId": EXPO})])
    assert (plain.status, plain.remote_id) == ("updated", None)
    assert (first_touch.status, first_touch.failure.code) == ("failed", "CONNECTION_PERMISSION")


# By id --------------------------------------------------------------------------------------------------------------


def test_a_known_id_writes_to_that_prospect_whatever_its_address(sandboxes: Any, vendors: Any, by_id: Any) -> None:
    sandbox = sandboxes(prospects=[known(email="ana.old@example.com")])
    (outcome,) = vendors(sandbox).sync([by_id(10, email="Ana@Example.com", firstName="Ana")])
    assert (outcome.status, outcome.remote_id) == ("updated", "10")
    assert (stored(sandbox)["firstName"], stored(sandbox)["email"]) == ("Ana", "ana.old@example.com")


def test_a_known_id_changes_the_address_where_the_rule_allows_it(sandboxes: Any, vendors: Any, by_id: Any) -> None:
    sandbox = sandboxes(prospects=[known(email="ana.old@example.com")])
    vendors(sandbox).sync([by_id(10, update_email=True, email=" Ana@Example.com ")])
    assert stored(sandbox)["email"] == "ana@example.com"


@pytest.mark.parametrize("code", ["109", "192", "3"])
def test_an_id_that_is_gone_goes_on_to_the_next_rule(sandbox: Any, vendor: Any, by_id: Any, code: str) -> None:
    sandbox.switches["unknown_record"] = code
    assert vendor.sync([by_id(99, firstName="Ana")])[0].status == "missing"
    assert vendor.sync([by_id(99, email="ana@example.com")])[0].status == "missing"


@pytest.mark.parametrize(("deleted", "status", "in_bin"), [("restore", "updated", False), ("create", "missing", True)])
def test_a_recycled_id_is_restored_or_given_up_as_the_settings_say(
    sandboxes: Any, vendors: Any, by_id: Any, deleted: str, status: str, in_bin: bool
) -> None:
    sandbox = sandboxes(prospects=[known(isDeleted=True)])
    (outcome,) = vendors(sandbox, deleted=deleted).sync([by_id(10, firstName="Ana")])
    assert (outcome.status, stored(sandbox)["isDeleted"]) == (status, in_bin)
    assert (stored(sandbox).get("firstName") == "Ana") is not in_bin


def test_who_may_not_restore_fails_that_person_and_is_told_so(sandboxes: Any, vendors: Any, by_id: Any) -> None:
    user = {"id": 1, "email": "integration@example.com", "abilities": ["view", "create"]}
    vendor = vendors(sandboxes(users=[user], prospects=[known(isDeleted=True)]))
    (outcome,) = vendor.sync([by_id(10, firstName="Ana")])
    assert (outcome.status, outcome.failure.code) == ("failed", "CONNECTION_PERMISSION")
    assert "recycle bin" in outcome.failure.message


def test_an_unanswered_write_by_id_is_unknown(sandboxes: Any, vendors: Any, by_id: Any) -> None:
    sandbox = sandboxes(prospects=[known()])
    sandbox.add_fault(match=BY_ID, drop="after")
    with pytest.raises(NoAnswer):
        vendors(sandbox).sync([by_id(10, firstName="Ana")])


@pytest.mark.parametrize("prospect_id", ["", "00Q5e", "12 13", "-4", "1" * 30])
def test_what_is_no_id_is_not_sent(sandbox: Any, vendor: Any, by_id: Any, prospect_id: str) -> None:
    (outcome,) = vendor.sync([by_id(prospect_id, firstName="Ana")])
    assert (outcome.status, outcome.failure.code) == ("failed", "DATA_VALUE_VALIDATION")
    assert not sandbox.calls("prospects")


def test_an_address_that_another_prospect_has_is_no_passing_fault(sandboxes: Any, vendors: Any, by_id: Any) -> None:
    others = [known(), known(12, email="bo@example.com")]
    sandbox = sandboxes(prospects=others, switches={"allow_multiple_prospects": False})
    (outcome,) = vendors(sandbox).sync([by_id(10, update_email=True, email="bo@example.com")])
    assert (outcome.failure.code, outcome.failure.field) == ("ALREADY_EXISTS", "email")


# Values -------------------------------------------------------------------------------------------------------------


def test_nothing_is_cleared_or_opted_out_unless_it_is_mapped(sandboxes: Any, vendors: Any, delivery: Any) -> None:
    sandbox = sandboxes(prospects=[known(optedOut=True, isDoNotEmail=True, city="Bergen", company="Example")])
    vendors(sandbox).sync([delivery(firstName="Ana", company=None)])
    prospect = stored(sandbox)
    assert (prospect["optedOut"], prospect["isDoNotEmail"]) == (True, True)
    assert (prospect["city"], prospect["company"], prospect["firstName"]) == ("Bergen", None, "Ana")
    sent = json.loads(sandbox.calls(UPSERT)[0]["body"])["prospect"]
    assert sorted(sent) == ["company", "email", "firstName"]


def test_two_owners_fail_that_person_without_a_call(sandbox: Any, vendor: Any, delivery: Any) -> None:
    (outcome,) = vendor.sync([delivery("ana@example.com", {"salesforceOwnerId": "005000000000001"}, userId=1)])
    assert (outcome.status, outcome.failure.field) == ("failed", "userId")
    assert "salesforceOwnerId" in outcome.failure.message
    assert not sandbox.calls("prospects")


def test_several_values_are_sent_as_a_list(sandboxes: Any, vendors: Any, delivery: Any) -> None:
    fields = [{"name": "Interests", "type": "Multi-Select"}, {"name": "Diet", "type": "checkbox"}, {"name": "Motto"}]
    sandbox = sandboxes(custom_fields=fields, switches={"multi_value": "list"})
    vendor = vendors(sandbox)
    vendor.sync([delivery(Interests__c="Wine; Cheese;;", Diet__c="Vegan", Motto__c="eat; drink")])
    assert stored(sandbox)["Interests__c"] == ["Wine", "Cheese"]
    assert (stored(sandbox)["Diet__c"], stored(sandbox)["Motto__c"]) == (["Vegan"], "eat; drink")
    vendor.sync([delivery(Interests__c=None, Diet__c=["Halal", "Vegan"])])
    assert (stored(sandbox)["Interests__c"], stored(sandbox)["Diet__c"]) == (None, ["Halal", "Vegan"])
    assert len(sandbox.calls("custom-fields")) == 1


def test_the_separator_of_several_values_can_be_another(sandboxes: Any, vendors: Any, delivery: Any) -> None:
    sandbox = sandboxes(custom_fields=[{"name": "Interests", "type": "Multi-Select"}])
    vendors(sandbox, separator="|").sync([delivery(Interests__c="Wine; red|Cheese")])
    assert stored(sandbox)["Interests__c"] == ["Wine; red", "Cheese"]


def test_two_first_upserts_of_one_address_end_with_one_prospect_where_addresses_are_unique(
    sandbox: Any, vendor: Any, delivery: Any
) -> None:
    sandbox.switches["allow_multiple_prospects"] = False
    sandbox.add_fault(match=UPSERT, error="9")
    (raced,) = vendor.sync([delivery()])
    assert (raced.status, raced.after > 0) == ("later", True)
    assert vendor.sync([delivery()])[0].status == "created"


def test_an_address_that_is_changed_to_a_taken_one_fails(sandboxes: Any, vendors: Any, delivery: Any) -> None:
    others = [known(), known(12, email="bo@example.com")]
    sandbox = sandboxes(prospects=others, switches={"allow_multiple_prospects": False, "duplicate_code": "54"})
    lead = delivery("ana@example.com")
    (outcome,) = vendors(sandbox).sync([Delivery(1, lead.decision, {"email": "bo@example.com"})])
    assert (outcome.failure.code, outcome.failure.field) == ("ALREADY_EXISTS", "email")


# Verified -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("switch", ["unlisted_option", "bad_custom_value"])
def test_a_value_that_was_dropped_without_a_word_is_told(
    sandbox: Any, vendors: Any, delivery: Any, by_id: Any, switch: str
) -> None:
    sandbox.switches[switch] = "drop"
    lost = {"unlisted_option": {"Booth_Rating__c": "Z"}, "bad_custom_value": {"Badge_Scans__c": "many"}}[switch]
    ((name, value),) = lost.items()
    assert vendors(sandbox).sync([delivery(**lost)])[0].status == "created"

    vendor = vendors(sandbox, verify=True)
    for lead in (delivery(firstName="Ana", **lost), by_id(stored(sandbox)["id"], firstName="Ana", **lost)):
        (outcome,) = vendor.sync([lead])
        failure = outcome.failure
        assert (outcome.status, failure.code, failure.field) == ("failed", "VALUE_NOT_STORED", name)
        assert f"sent '{value}', stored ''" in failure.message
        assert outcome.remote_id == str(stored(sandbox)["id"])


def test_values_that_are_stored_pass_in_whatever_form(sandboxes: Any, vendors: Any, delivery: Any) -> None:
    fields = [{"name": "Interests", "type": "Multi-Select"}, {"name": "Scans", "type": "Number"}]
    sandbox = sandboxes(custom_fields=[*fields, {"name": "Met", "type": "Date"}])
    vendor = vendors(sandbox, verify=True)
    values = {"Scans__c": 3, "Met__c": "2026-11-23", "isDoNotCall": True, "score": 0, "company": None}
    lead = delivery(" Ana@Example.com ", {"campaignId": EXPO}, Interests__c="Wine;Cheese", **values)
    assert vendor.sync([lead])[0].status == "created"
    asked = json.loads(sandbox.calls(UPSERT)[0]["body"])["fields"]
    assert "Interests__c" not in asked and {*values, "campaignId"} <= {*asked}


def test_a_cut_text_and_a_campaign_that_is_not_kept_are_told(sandbox: Any, vendors: Any, delivery: Any) -> None:
    vendor = vendors(sandbox, verify=True)
    (cut,) = vendor.sync([delivery("bo@example.com", city="x" * 300)])
    assert (cut.failure.code, cut.failure.field) == ("VALUE_NOT_STORED", "city")
    assert len(cut.failure.message) < 200

    sandbox.add_fault(match=BY_ID, status=200, body={"id": 29016, "campaignId": WEBSITE})
    (kept,) = vendor.sync([delivery("ana@example.com", {"campaignId": EXPO})])
    assert (kept.failure.code, kept.failure.field) == ("VALUE_NOT_STORED", "campaignId")


def test_what_cannot_be_read_cannot_be_verified(sandboxes: Any, vendors: Any, delivery: Any, by_id: Any) -> None:
    user = {"id": 1, "email": "integration@example.com", "abilities": ["create"]}
    vendor = vendors(sandboxes(users=[user], prospects=[known()]), verify=True)
    for lead in (delivery(firstName="Ana"), by_id(10, firstName="Ana")):
        assert vendor.sync([lead])[0].failure.code == "CONNECTION_PERMISSION"


def test_custom_fields_that_cannot_be_listed_stop_the_run_by_name(sandboxes: Any, vendors: Any, delivery: Any) -> None:
    user = {"id": 1, "email": "integration@example.com", "abilities": ["view", "create"]}
    with pytest.raises(CredentialsError, match="custom fields cannot be read") as refused:
        vendors(sandboxes(users=[user])).sync([delivery(Booth_Rating__c="A")])
    assert "Configure Fields" in refused.value.fix


# Just created -------------------------------------------------------------------------------------------------------


def test_a_search_that_lags_creates_nobody_twice(sandbox: Any, vendor: Any, delivery: Any) -> None:
    sandbox.switches.update(read_lag=60.0, upsert_reads="lagged")
    (first,) = vendor.sync([delivery(firstName="Ana")])
    sandbox.advance(5)
    (second,) = vendor.sync([delivery(" Ana@Example.com ", jobTitle="CTO")])
    assert (first.status, second.status, second.remote_id) == ("created", "updated", first.remote_id)
    sandbox.advance(120)
    vendor.sync([delivery(city="Bergen")])
    prospect = stored(sandbox)
    assert (prospect["firstName"], prospect["jobTitle"], prospect["city"]) == ("Ana", "CTO", "Bergen")
    assert (len(sandbox.calls(UPSERT)), len(sandbox.calls(BY_ID))) == (2, 1)


def test_a_second_call_that_fails_is_made_up_for_while_searches_lag(sandbox: Any, vendor: Any, delivery: Any) -> None:
    sandbox.switches.update(read_lag=60.0, upsert_reads="lagged")
    sandbox.add_fault(match=BY_ID, error="85")
    lead = delivery("ana@example.com", {"campaignId": EXPO})
    (outcome,) = vendor.sync([lead])
    sandbox.advance(outcome.after)
    vendor.sync([replace(lead, repeated=True)])
    assert stored(sandbox)["campaignId"] == EXPO


def test_whoever_was_created_and_deleted_at_once_is_written_as_the_settings_say(
    sandbox: Any, vendor: Any, delivery: Any
) -> None:
    (first,) = vendor.sync([delivery()])
    sandbox.store.records[int(first.remote_id)]["isDeleted"] = True
    assert vendor.sync([delivery(firstName="Ana")])[0].remote_id == first.remote_id
    assert (stored(sandbox)["isDeleted"], stored(sandbox)["firstName"]) == (False, "Ana")


def test_an_opt_out_is_never_taken_back(sandbox: Any, vendor: Any, delivery: Any) -> None:
    vendor.sync([delivery("ana@example.com", optedOut=True, isDoNotEmail=True)])
    (outcome,) = vendor.sync([delivery("ana@example.com", optedOut=False, isDoNotEmail=None, city="Oslo")])
    assert [notice.code for notice in outcome.notices] == ["CONSENT_KEPT"]
    found = stored(sandbox)
    assert (found["optedOut"], found["isDoNotEmail"], found["city"]) == (True, True, "Oslo")


def test_an_old_prospect_that_was_never_changed_is_not_taken_for_a_new_one(
    sandbox: Any, vendor: Any, delivery: Any
) -> None:
    body = {"id": 29014, "email": "ana@example.com", "campaignId": 668, "createdById": 77, "updatedById": 77,
            "createdAt": "2024-02-01T10:00:00-05:00", "updatedAt": "2024-02-01T10:00:00-05:00"}  # fmt: skip
    sandbox.add_fault(match=UPSERT, body=body, status=200)
    (outcome,) = vendor.sync([delivery("ana@example.com", {"campaignId": EXPO}, firstName="Ana")])
    assert outcome.status == "updated"
    assert not sandbox.calls("PATCH")


def test_failures_of_many_records_have_one_endpoint(sandbox: Any, vendor: Any, delivery: Any) -> None:
    outcomes = vendor.sync([delivery(f"p{n}@example.com", {"campaignId": 1}) for n in range(3)])
    assert {outcome.failure.endpoint for outcome in outcomes} == {"prospects/{id}"}


def test_an_answer_of_404_without_a_word_means_that_the_record_is_gone(sandbox: Any, vendor: Any, by_id: Any) -> None:
    vendor.connect()
    sandbox.add_fault(match="PATCH", status=404, body=b"")
    (outcome,) = vendor.sync([by_id("29014", firstName="Ana")])
    assert outcome.status == "missing"


def test_campaigns_are_compared_with_the_account(vendor: Any) -> None:
    options = {field.name: field.options for field in vendor.fields()}["campaignId"]
    assert str(EXPO) in options and "4711" not in options


def test_somebody_whom_another_integration_created_keeps_the_campaign_they_have(
    sandbox: Any, vendor: Any, delivery: Any
) -> None:
    vendor.sync([delivery()])
    sandbox.advance(DAY)
    vendor.sync([delivery("ana@example.com", {"campaignId": EXPO})])
    assert stored(sandbox)["campaignId"] == WEBSITE
