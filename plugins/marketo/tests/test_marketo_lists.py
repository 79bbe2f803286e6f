"""Static lists: which exist, and putting leads in them."""

from __future__ import annotations

import pytest

from engine.errors import CredentialsError, NoAnswer, RetryLater
from engine.records import Membership, Standing

ADD = "POST .*lists/"


@pytest.fixture
def ids(vendor, by_email):
    return [outcome.remote_id for outcome in vendor.sync([by_email(f"p{n}@example.com") for n in range(3)])]


def answer(rows):
    return {"status": 200, "body": {"requestId": "1#1", "success": True, "result": rows}}


def test_lists_that_exist_come_with_their_names(vendor, sandbox):
    sandbox.seed = {"lists": [{"id": 5, "name": "Booth visitors"}]}
    sandbox.reset()
    assert vendor.lists(["1001", "5", "5", "999", "Event leads"]) == {"1001": "Event leads", "5": "Booth visitors"}
    assert len(sandbox.calls("lists")) == 3


def test_missing_permission_for_lists_is_a_matter_of_credentials(vendor, sandbox):
    sandbox.add_fault(match="lists", error="603")
    with pytest.raises(CredentialsError):
        vendor.lists(["1001"])


def test_leads_are_put_in_a_list_as_often_as_one_likes(vendor, sandbox, ids):
    first, again = vendor.add_to_list("1001", ids[:2]), vendor.add_to_list("1001", ids)
    assert [(o.status, o.remote_id) for o in first] == [("updated", ids[0]), ("updated", ids[1])]
    assert [o.status for o in again] == ["updated"] * 3
    assert sandbox.state()["lists"]["1001"] == [int(remote_id) for remote_id in ids]
    assert len(sandbox.calls(ADD)) == 2


def test_who_is_in_a_list_is_read_in_one_call_and_nobody_is_put_in(vendor, sandbox, ids):
    vendor.add_to_list("1001", ids[:2])
    before = len(sandbox.calls())
    place = Membership("1001", kind="list")
    assert vendor.standings(place, [*ids, "987654", "x"]) == {ids[0]: Standing(), ids[1]: Standing()}
    assert [call["request"] for call in sandbox.calls()[before:]] == ["GET /rest/v1/lists/1001/leads/ismember.json"]
    assert vendor.standings(Membership("999", kind="list"), ids) == {}
    many = [str(number) for number in range(10**15, 10**15 + 300)]
    assert set(vendor.standings(place, [*many, ids[0]][-300:])) == {ids[0]}


def test_an_answer_that_does_not_say_who_is_in_a_list_is_no_answer(vendor, sandbox, ids):
    sandbox.add_fault(match="ismember", **answer(None))
    with pytest.raises(RetryLater):
        vendor.standings(Membership("1001", kind="list"), ids)


def test_a_lead_that_the_list_cannot_take_fails_alone(vendor, sandbox, ids):
    outcomes = vendor.add_to_list("1001", [ids[0], "987654", "00Q-12", ids[1]])
    assert [o.status for o in outcomes] == ["updated", "later", "failed", "updated"]
    assert {outcomes[1].failure.code, outcomes[2].failure.code} == {"REMOTE_RECORD_GONE"}
    assert (outcomes[1].failure.vendor_code, outcomes[1].remote_id) == ("1004", "987654")
    assert "workspace" in outcomes[1].failure.message and "partition" in outcomes[1].failure.message


@pytest.mark.parametrize("list_id", ["999", "Event leads"])
def test_an_unknown_list_fails_all(vendor, ids, list_id):
    outcomes = vendor.add_to_list(list_id, ids)
    assert [(o.status, o.failure.code) for o in outcomes] == [("failed", "CAMPAIGN_NOT_WRITABLE")] * 3


@pytest.mark.parametrize("rows", [None, {}, [], [{"status": "added"}] * 2, [{"status": "odd"}, 7, None]], ids=str)
def test_an_answer_that_does_not_fit_says_nothing(vendor, sandbox, ids, rows):
    sandbox.add_fault(match=ADD, **answer(rows))
    assert [o.status for o in vendor.add_to_list("1001", ids)] == ["unknown"] * 3


def test_a_lead_that_brings_the_call_down_fails_alone(vendor, sandbox, ids):
    sandbox.add_fault(match=ADD, contains=f'{{"id":{ids[1]}}}', error="1003", times=-1)
    assert [o.status for o in vendor.add_to_list("1001", ids)] == ["updated", "failed", "updated"]


def test_a_call_that_fails_as_a_whole_raises(vendor, sandbox, ids):
    sandbox.add_fault(match=ADD, error="606")
    with pytest.raises(RetryLater) as caught:
        vendor.add_to_list("1001", ids)
    assert not isinstance(caught.value, NoAnswer)
    sandbox.add_fault(match=ADD, drop="after")
    with pytest.raises(NoAnswer):
        vendor.add_to_list("1001", ids)


def test_nobody_to_add_makes_no_call(vendor, sandbox):
    assert list(vendor.add_to_list("1001", [])) == []
    assert sandbox.calls() == []
