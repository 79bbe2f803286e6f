"""Writing by a key that several leads have."""

from __future__ import annotations

import pytest

from engine.records import Decision, Delivery

SYNC, READ = "POST /rest/v1/leads.json", "GET /rest/v1/leads.json"
ADA = "ada@example.com"


@pytest.fixture
def twins(sandbox):
    """Three leads with one address, of which the second was changed last."""
    sandbox.seed = {"leads": [{"id": 11, "email": ADA}, {"id": 12, "email": ADA}, {"id": 13, "email": ADA}]}
    sandbox.reset()
    return sandbox


def touch(vendor, sandbox, lead_id):
    sandbox.advance(60)
    vendor.sync([Delivery(1, Decision("lead_id", str(lead_id)), {"title": "touched"})])
    sandbox.advance(60)


def by_address(address, policy="fail", **fields):
    return Delivery(1, Decision("email", address, duplicates=policy), fields)


def titles(sandbox):
    return {lead["id"]: lead.get("title") for lead in sandbox.state()["leads"]}


def test_the_candidates_are_listed_for_whoever_merges_them(vendor, twins):
    touch(vendor, twins, 12)
    changed = {lead["id"]: lead["updatedAt"] for lead in twins.state()["leads"]}
    (outcome,) = vendor.sync([by_address(ADA, title="CEO")])
    assert (outcome.failure.code, outcome.failure.vendor_code) == ("AMBIGUOUS_MATCH", "1007")
    told = f"lead 12 changed {changed[12]}, lead 13 changed {changed[13]}, lead 11 changed {changed[11]}"
    assert outcome.failure.message.endswith(told)
    assert "CEO" not in titles(twins).values()


def test_many_candidates_are_not_all_listed(vendor, sandbox):
    sandbox.seed = {"leads": [{"email": ADA}] * 8}
    sandbox.reset()
    (outcome,) = vendor.sync([by_address(ADA)])
    assert outcome.failure.message.count("changed") == 5 and outcome.failure.message.endswith("and 3 more")


def test_all_ambiguous_leads_of_a_batch_cost_one_read(vendor, sandbox):
    sandbox.seed = {"leads": [{"email": f"p{number % 20}@example.com"} for number in range(40)]}
    sandbox.reset()
    batch = [by_address(f"p{number}@example.com") for number in range(30)]
    outcomes = vendor.sync(batch)
    assert [each.status for each in outcomes] == ["failed"] * 20 + ["created"] * 10
    assert "lead 1 changed" in outcomes[0].failure.message and "lead 20 changed" in outcomes[19].failure.message
    assert (len(sandbox.calls(SYNC)), len(sandbox.calls(READ))) == (1, 1)


def test_the_lead_that_was_changed_last_is_written(vendor, twins):
    touch(vendor, twins, 12)
    fields = {"title": "CEO", "email": "other@example.com"}
    other, outcome = vendor.sync([by_address("bob@example.com"), by_address(ADA, "most_recent", **fields)])
    assert (other.status, outcome.status, outcome.remote_id) == ("created", "updated", "12")
    assert titles(twins) == {11: None, 12: "CEO", 13: None, 14: None}
    assert {lead["email"] for lead in twins.state()["leads"]} == {ADA, "bob@example.com"}
    (notice,) = outcome.notices
    assert notice.code == "DUPLICATES_RESOLVED"
    assert (
        all(f"lead {number}" in notice.message for number in (11, 12, 13)) and "lead 12 was written" in notice.message
    )


def test_of_leads_changed_at_once_the_newest_is_written(vendor, twins):
    (outcome,) = vendor.sync([by_address(ADA, "most_recent", title="CEO")])
    assert (outcome.remote_id, titles(twins)[13]) == ("13", "CEO")


def test_a_field_of_the_instance_can_be_ambiguous_too(vendor, sandbox):
    sandbox.seed = {"leads": [{"id": 1, "badgeId": "B-7"}, {"id": 2, "badgeId": "B-7"}]}
    sandbox.reset()
    (outcome,) = vendor.sync([Delivery(1, Decision("badgeId", "B-7", duplicates="most_recent"), {"title": "CEO"})])
    assert (outcome.status, outcome.remote_id) == ("updated", "2")


def test_policies_are_kept_apart_within_a_batch(vendor, sandbox):
    sandbox.seed = {
        "leads": [{"email": ADA}, {"email": ADA}, {"email": "bob@example.com"}, {"email": "bob@example.com"}]
    }
    sandbox.reset()
    outcomes = vendor.sync([by_address(ADA), by_address("bob@example.com", "most_recent")])
    assert [each.status for each in outcomes] == ["failed", "updated"]


def test_leads_of_another_partition_are_not_chosen(connect, sandbox):
    sandbox.seed = {
        "partitions": [{"id": 4, "name": "EMEA"}],
        "leads": [{"id": 1, "email": ADA, "partition": "EMEA"}, {"id": 2, "email": ADA}],
    }
    sandbox.reset()
    (outcome,) = connect(partition="EMEA").sync([by_address(ADA, "most_recent", title="CEO")])
    assert (outcome.remote_id, titles(sandbox)) == ("1", {1: "CEO", 2: None})


@pytest.mark.parametrize("fault", [{"error": "606"}, {"error": "607"}, {"error": "1003"}, {"drop": "after"}], ids=str)
def test_candidates_that_cannot_be_read(vendor, twins, fault):
    twins.add_fault(match=READ, times=-1, **fault)
    (failed,) = vendor.sync([by_address(ADA)])
    assert failed.failure.code == "AMBIGUOUS_MATCH" and "lead 12" not in failed.failure.message
    (later,) = vendor.sync([by_address(ADA, "most_recent", title="CEO")])
    assert later.status == "later"
    assert "CEO" not in titles(twins).values()


def test_nobody_is_chosen_where_nobody_is_found(vendor, twins):
    answer = {"requestId": "1#1", "success": True, "result": []}
    twins.add_fault(match=READ, status=200, body=answer)
    (outcome,) = vendor.sync([by_address(ADA, "most_recent", title="CEO")])
    assert outcome.failure.code == "AMBIGUOUS_MATCH"


@pytest.mark.parametrize(
    ("fault", "status"),
    [({"error": "606"}, "later"), ({"error": "607"}, "later"), ({"drop": "after"}, "unknown")],
    ids=str,
)
def test_a_choice_that_cannot_be_written_leaves_the_others_as_they_are(vendor, twins, fault, status):
    twins.add_fault(match=SYNC, skip=1, **fault)
    other, outcome = vendor.sync([by_address("bob@example.com"), by_address(ADA, "most_recent")])
    assert (other.status, outcome.status) == ("created", status)


def test_a_chosen_lead_that_is_gone_is_chosen_anew_later(vendor, twins):
    twins.add_fault(match=SYNC, skip=1, record_error="1004", record=0)
    (outcome,) = vendor.sync([by_address(ADA, "most_recent")])
    assert (outcome.status, outcome.after > 0) == ("later", True)


def test_a_rule_that_only_creates_updates_no_duplicate(vendor, twins):
    rows = [{"status": "skipped", "reasons": [{"code": "1007", "message": "Multiple lead match lookup criteria"}]}]
    twins.add_fault(match=SYNC, status=200, body={"requestId": "1#1", "success": True, "result": rows})
    rule = Decision("email", ADA, action="create_only", duplicates="most_recent")
    (outcome,) = vendor.sync([Delivery(1, rule, {"title": "CEO"})])
    assert outcome.failure.code == "AMBIGUOUS_MATCH" and "lead 12" in outcome.failure.message


def test_ambiguity_that_refuses_the_whole_call_is_resolved_too(vendor, twins):
    twins.add_fault(match=SYNC, contains=ADA, error="1007", times=2)
    other, outcome = vendor.sync([by_address("bob@example.com"), by_address(ADA, "most_recent", title="CEO")])
    assert (other.status, outcome.status, outcome.remote_id) == ("created", "updated", "13")
