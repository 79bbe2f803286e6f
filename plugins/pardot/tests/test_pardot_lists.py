"""Lists: which take prospects, and putting prospects on them."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from engine.errors import NoAnswer, NotTaken
from engine.records import Membership, Standing

VISITORS, DYNAMIC = "233086", "233090"
MEMBERSHIPS = "list-memberships"


@pytest.fixture
def ana(vendor: Any, delivery: Any) -> str:
    """The id of a prospect."""
    (outcome,) = vendor.sync([delivery()])
    return str(outcome.remote_id)


def members(sandbox: Any) -> list[tuple[int, int]]:
    return [(row["listId"], row["prospectId"]) for row in sandbox.state()["memberships"]]


def test_a_prospect_is_put_on_a_list_once(sandbox: Any, vendor: Any, ana: str) -> None:
    (first,) = vendor.add_to_list(VISITORS, [ana])
    (again,) = vendor.add_to_list(VISITORS, [ana])
    assert (first.status, again.status) == ("updated", "satisfied")
    assert first.remote_id == again.remote_id == ana
    assert members(sandbox) == [(int(VISITORS), int(ana))]


def test_an_opt_out_of_a_list_is_never_touched(sandboxes: Any, vendors: Any) -> None:
    sandbox = sandboxes(
        prospects=[{"id": 10, "email": "ana@example.com"}],
        memberships=[{"listId": int(VISITORS), "prospectId": 10, "optedOut": True}],
    )
    assert vendors(sandbox).add_to_list(VISITORS, ["10"])[0].status == "satisfied"
    assert sandbox.state()["memberships"][0]["optedOut"] is True
    assert "optedOut" not in json.loads(sandbox.calls(MEMBERSHIPS)[0]["body"])


def test_who_is_on_a_list_is_read_one_by_one_with_those_who_have_opted_out_of_it(sandboxes: Any, vendors: Any) -> None:
    sandbox = sandboxes(
        prospects=[{"id": 10, "email": "ana@example.com"}, {"id": 12, "email": "bo@example.com"}],
        memberships=[{"listId": int(VISITORS), "prospectId": 10, "optedOut": True}],
    )
    vendor = vendors(sandbox)
    assert vendor.standings(Membership(VISITORS, kind="list"), ["10", "12", "99", "x"]) == {"10": Standing()}
    assert [call["request"] for call in sandbox.calls(MEMBERSHIPS)] == [f"GET /api/v5/objects/{MEMBERSHIPS}"] * 3
    assert vendor.standings(Membership("7", kind="list"), ["10"]) == {}


def test_several_prospects_get_one_call_and_one_outcome_each(sandbox: Any, vendor: Any, ana: str) -> None:
    outcomes = vendor.add_to_list(VISITORS, [ana, "99", "x"])
    assert [each.status for each in outcomes] == ["updated", "failed", "failed"]
    assert [each.failure.code for each in outcomes[1:]] == ["REMOTE_RECORD_GONE"] * 2
    assert len(sandbox.calls(f"POST .*{MEMBERSHIPS}")) == 2


@pytest.mark.parametrize("code", ["55", "236", "192"])
def test_a_list_that_does_not_exist_is_no_fault_of_the_lead(sandbox: Any, vendor: Any, ana: str, code: str) -> None:
    sandbox.switches["unknown_list"] = code
    (outcome,) = vendor.add_to_list("99", [ana])
    assert (outcome.status, outcome.failure.code) == ("failed", "CAMPAIGN_NOT_WRITABLE")
    assert outcome.failure.endpoint == MEMBERSHIPS


@pytest.mark.parametrize("code", ["3", "192"])
def test_a_prospect_that_does_not_exist_is_told_apart_from_the_list(sandbox: Any, vendor: Any, code: str) -> None:
    sandbox.switches["unknown_member"] = code
    (outcome,) = vendor.add_to_list(VISITORS, ["99"])
    assert (outcome.status, outcome.failure.code) == ("failed", "REMOTE_RECORD_GONE")


def test_a_list_id_that_is_no_number_is_not_sent(sandbox: Any, vendor: Any, ana: str) -> None:
    (outcome,) = vendor.add_to_list("Expo", [ana])
    assert (outcome.failure.code, sandbox.calls(MEMBERSHIPS)) == ("CAMPAIGN_NOT_WRITABLE", [])


def test_limits_and_lost_answers_concern_the_call(sandbox: Any, vendor: Any, ana: str) -> None:
    sandbox.add_fault(match=MEMBERSHIPS, error="66")
    with pytest.raises(NotTaken):
        vendor.add_to_list(VISITORS, [ana])
    sandbox.add_fault(match=MEMBERSHIPS, drop="after")
    with pytest.raises(NoAnswer):
        vendor.add_to_list(VISITORS, [ana])
    assert vendor.add_to_list(VISITORS, [ana])[0].status == "satisfied"
    sandbox.add_fault(match=MEMBERSHIPS, error="62")
    assert vendor.add_to_list(VISITORS, [ana])[0].status == "later"


def test_only_lists_that_take_prospects_are_there(sandboxes: Any, vendors: Any, caplog: Any) -> None:
    lists = [{"id": 1, "name": "Visitors"}, {"id": 2, "name": "Everybody", "isDynamic": True}]
    sandbox = sandboxes(lists=[*lists, {"id": 3, "name": "Last year", "isDeleted": True}])
    with caplog.at_level(logging.WARNING, logger="engine"):
        assert vendors(sandbox).lists(["1", "2", "3", "4", "Visitors", "1"]) == {"1": "Visitors"}
    assert "Everybody) is dynamic" in caplog.text
    assert "list 3" in caplog.text and "recycle bin" in caplog.text
    assert len(sandbox.calls("lists/")) == 4
