"""What a decision makes of a write: by which key, and what may become of the lead."""

from __future__ import annotations

import json

import pytest

from engine.records import Decision, Delivery

SYNC = "POST /rest/v1/leads.json"


def seed(sandbox, *leads, **more):
    sandbox.seed = {"leads": list(leads), **more}
    sandbox.reset()


def by(field, value, fields=None, **options):
    return Delivery(1, Decision(field, value, **options), fields or {})


def stored(sandbox):
    return {lead["id"]: lead for lead in sandbox.state()["leads"]}


def sent(sandbox):
    """The bodies of the writes."""
    return [json.loads(call["body"]) for call in sandbox.calls(SYNC)]


def test_a_rule_that_only_creates_leaves_those_who_exist_alone(vendor, sandbox):
    seed(sandbox, {"id": 7, "email": "ada@example.com", "title": "CTO"})
    rule = {"action": "create_only"}
    exists, new = vendor.sync(
        [by("email", "ada@example.com", {"title": "CEO"}, **rule), by("email", "bob@example.com", **rule)]
    )
    assert (exists.failure.code, exists.failure.vendor_code) == ("ALREADY_EXISTS", "1005")
    assert (new.status, stored(sandbox)[7]["title"]) == ("created", "CTO")


@pytest.mark.parametrize(("key", "value"), [("email", "ada@example.com"), ("badgeId", "B-7"), ("lead_id", "7")])
def test_a_rule_that_only_updates_creates_nobody(vendor, sandbox, key, value):
    (outcome,) = vendor.sync([by(key, value, {"title": "CEO"}, action="update_only")])
    assert outcome.status == "missing"
    assert stored(sandbox) == {}
    seed(sandbox, {"id": 7, "email": "ada@example.com", "badgeId": "B-7"})
    (outcome,) = vendor.sync([by(key, value, {"title": "CEO"}, action="update_only")])
    assert (outcome.status, stored(sandbox)[7]["title"]) == ("updated", "CEO")


@pytest.mark.parametrize("action", ["upsert", "create_only", "update_only"])
def test_an_id_only_ever_updates(vendor, sandbox, action):
    assert [each.status for each in vendor.sync([by("lead_id", "7", action=action)])] == ["missing"]
    assert stored(sandbox) == {}


def test_a_field_of_the_instance_is_a_key(vendor, sandbox):
    seed(sandbox, {"id": 7, "email": "old@example.com", "badgeId": "B-7"})
    known = by("badgeId", "B-7", {"email": "new@example.com", "title": "CEO"})
    new = by("badgeId", "B-8", {"email": "bob@example.com"})
    assert [each.status for each in vendor.sync([known, new])] == ["updated", "created"]
    leads = stored(sandbox)
    assert (leads[7]["email"], leads[7]["title"]) == ("new@example.com", "CEO")
    assert (leads[8]["email"], leads[8]["badgeId"]) == ("bob@example.com", "B-8")


def test_a_key_whose_field_holds_whole_numbers_is_one(vendor, sandbox):
    seed(sandbox, {"id": 7, "scanCount": 12})
    outcomes = vendor.sync([by("scanCount", "12", {"title": "CEO"}), by("scanCount", "13", {"scanCount": 13})])
    assert [each.status for each in outcomes] == ["updated", "created"]
    assert [lead["scanCount"] for lead in stored(sandbox).values()] == [12, 13]


def test_a_key_goes_before_what_the_mapping_gives_its_field(vendor, sandbox):
    vendor.sync([by("badgeId", "B-7", {"badgeId": "other"})])
    assert [lead["badgeId"] for lead in stored(sandbox).values()] == ["B-7"]


def test_the_address_of_a_lead_is_changed_only_where_the_rule_allows_it(vendor, sandbox):
    seed(sandbox, {"id": 7, "email": "old@example.com"})
    for update_email, address in [(False, "old@example.com"), (True, "new@example.com")]:
        (outcome,) = vendor.sync([by("lead_id", "7", {"email": "new@example.com"}, update_email=update_email)])
        assert (outcome.status, stored(sandbox)[7]["email"]) == ("updated", address)


@pytest.mark.parametrize("key", ["email", "badgeId", "lead_id"])
@pytest.mark.parametrize("value", ["", "  "])
def test_a_record_without_a_value_for_its_key_is_never_sent(vendor, sandbox, key, value):
    blank, good = vendor.sync([by(key, value, {"title": "CEO"}), by("email", "ada@example.com")])
    assert (blank.failure.code, good.status) == ("MISSING_MATCH_KEY", "created")
    assert [len(each["input"]) for each in sent(sandbox)] == [1]


def test_a_partition_is_named_where_leads_may_be_created(connect, sandbox):
    seed(sandbox, partitions=[{"id": 4, "name": "EMEA"}])
    vendor = connect(partition="EMEA")
    (created,) = vendor.sync([by("email", "ada@example.com")])
    vendor.sync([by("email", "bob@example.com", action="create_only")])
    vendor.sync([by("email", "ada@example.com", {"title": "CEO"}, action="update_only")])
    vendor.sync([by("lead_id", created.remote_id, {"title": "CTO"})])
    assert [(each["action"], each.get("partitionName")) for each in sent(sandbox)] == [
        ("createOrUpdate", "EMEA"),
        ("createOnly", "EMEA"),
        ("updateOnly", None),
        ("updateOnly", None),
    ]
    assert {lead["leadPartitionId"] for lead in stored(sandbox).values()} == {4}


def test_decisions_that_differ_travel_apart_and_keep_their_order(vendor, sandbox):
    seed(sandbox, {"email": "ada@example.com"})
    outcomes = vendor.sync(
        [
            by("email", "ada@example.com", action="create_only"),
            by("email", "bob@example.com"),
            by("email", "cy@example.com", action="update_only"),
            by("email", "dee@example.com", action="create_only"),
        ]
    )
    assert [each.status for each in outcomes] == ["failed", "created", "missing", "created"]
    assert len(sent(sandbox)) == 3


def test_wide_records_travel_in_smaller_calls(connect, sandbox):
    names = [f"answer{number}" for number in range(201)]
    seed(sandbox, fields=[{"name": name} for name in names])
    outcomes = connect().sync(
        [by("email", f"p{number}@example.com", dict.fromkeys(names, "x")) for number in range(250)]
    )
    assert {each.status for each in outcomes} == {"created"}
    assert len(sandbox.calls(SYNC)) == 3
