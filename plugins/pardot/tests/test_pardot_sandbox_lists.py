"""The sandbox's lists and their members.

Source: developer.salesforce.com/docs/marketing/pardot/guide/list-v5, …/list-membership-v5
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

OBJECTS = "/api/v5/objects"
MEMBERS = f"{OBJECTS}/list-memberships"
VISITORS, NEWSLETTER, DYNAMIC = 233_086, 233_088, 233_090
ASKED = {"fields": "id,listId,prospectId,optedOut"}


@contextmanager
def signed_in(sandbox: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, headers={"Pardot-Business-Unit-Id": "0Uv000000000001CAA"}) as client:
        form = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
        token = client.post("/services/oauth2/token", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture
def api(sandbox: Any) -> Iterator[httpx.Client]:
    with signed_in(sandbox) as client:
        yield client


@pytest.fixture
def ana(api: httpx.Client) -> int:
    answer = api.post(f"{OBJECTS}/prospects", params={"fields": "id"}, json={"email": "ana@example.com"})
    return int(answer.json()["id"])


def add(api: httpx.Client, list_id: Any, prospect_id: Any, **more: Any) -> httpx.Response:
    return api.post(MEMBERS, params=ASKED, json={"listId": list_id, "prospectId": prospect_id, **more})


def code(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["code"]


def found(api: httpx.Client, **filters: Any) -> list[Any]:
    return list(api.get(MEMBERS, params={**ASKED, **filters}).json()["values"])


def test_lists_tell_what_they_are(api: httpx.Client) -> None:
    asked = {"fields": "id,isDynamic,title", "name": "Newsletter"}
    assert api.get(f"{OBJECTS}/lists", params=asked).json()["values"] == [
        {"id": NEWSLETTER, "isDynamic": False, "title": "Newsletter"}
    ]
    assert api.get(f"{OBJECTS}/lists/{DYNAMIC}", params={"fields": "isDynamic"}).json() == {"isDynamic": True}
    assert code(api.get(f"{OBJECTS}/lists/5", params={"fields": "id"})) == (404, 109)
    assert code(api.get(f"{OBJECTS}/lists/{NEWSLETTER}")) == (400, 13)


def test_a_deleted_list_is_in_the_recycle_bin(sandboxes: Any) -> None:
    sandbox = sandboxes(lists=[{"id": 7, "name": "Old", "isDeleted": True}], prospects=[{"email": "a@example.com"}])
    with signed_in(sandbox) as api:
        gone = api.get(f"{OBJECTS}/lists/7", params={"fields": "id"})
        assert (code(gone), gone.headers["pardot-warning"]) == ((404, 109), "201;Record In Recycle Bin")
        assert api.get(f"{OBJECTS}/lists", params={"fields": "id"}).json()["values"] == []
        assert code(add(api, 7, 29_014)) == (400, 55)


def test_a_prospect_joins_a_list_once(sandbox: Any, api: httpx.Client, ana: int) -> None:
    joined = add(api, VISITORS, ana)
    membership = joined.json()
    assert (joined.status_code, membership["listId"], membership["optedOut"]) == (201, VISITORS, False)
    assert joined.headers["location"] == f"{sandbox.url}{MEMBERS}/{membership['id']}"
    again = add(api, VISITORS, ana)
    assert code(again) == (400, 58)
    assert again.json()["message"] == ("That prospect is already a member of that list. Update the membership instead.")
    sandbox.switches["repeated_member"] = "accept"
    assert add(api, VISITORS, ana).json() == membership
    assert found(api, prospectId=ana) == [membership]


def test_a_membership_changes_and_ends(sandbox: Any, api: httpx.Client, ana: int) -> None:
    path = f"{MEMBERS}/{add(api, VISITORS, ana).json()['id']}"
    assert api.patch(path, params=ASKED, json={"optedOut": True}).json()["optedOut"]
    assert code(api.patch(path, json={"listId": NEWSLETTER})) == (400, 180)
    assert api.get(path, params=ASKED).json()["prospectId"] == ana
    assert api.delete(path).status_code == 204
    assert code(api.delete(path)) == code(api.get(path, params=ASKED)) == (404, 109)
    assert add(api, VISITORS, ana).status_code == 201


def test_memberships_are_found_by_list_and_prospect(api: httpx.Client, ana: int) -> None:
    add(api, VISITORS, ana)
    add(api, NEWSLETTER, ana)
    bo = int(api.post(f"{OBJECTS}/prospects", params={"fields": "id"}, json={"email": "bo@example.com"}).json()["id"])
    add(api, VISITORS, bo)
    assert [each["prospectId"] for each in found(api, listId=VISITORS)] == [ana, bo]
    assert [each["listId"] for each in found(api, prospectId=ana, orderBy="listId DESC")] == [NEWSLETTER, VISITORS]
    assert api.delete(f"{OBJECTS}/prospects/{ana}").status_code == 204
    assert [each["prospectId"] for each in found(api)] == [bo]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"listId": VISITORS}, (400, 153)),
        ({"listId": "x", "prospectId": 1}, (400, 154)),
        ({"listId": VISITORS, "prospectId": 1, "optedOut": "no"}, (400, 154)),
        ({"listId": VISITORS, "prospectId": 1, "name": "x"}, (400, 180)),
        ({"listId": 5, "prospectId": 1}, (400, 55)),
        ({"listId": VISITORS, "prospectId": 1}, (404, 3)),
        ({"listId": DYNAMIC, "prospectId": 1}, (400, 55)),
    ],
)
def test_what_is_no_membership_is_refused(api: httpx.Client, body: Any, expected: tuple[int, int]) -> None:
    assert code(api.post(MEMBERS, json=body)) == expected


@pytest.mark.parametrize(
    ("switch", "value", "list_id", "expected"),
    [
        ("unknown_list", "236", 5, 236),
        ("unknown_list", "192", 5, 192),
        ("unknown_member", "192", VISITORS, 192),
        ("dynamic_list", "154", DYNAMIC, 154),
    ],
)
def test_the_codes_of_refused_memberships_are_switches(
    sandbox: Any, api: httpx.Client, switch: str, value: str, list_id: int, expected: int
) -> None:
    sandbox.switches[switch] = value
    assert add(api, list_id, 1).json()["code"] == expected


def test_a_recycled_prospect_joins_no_list(api: httpx.Client, ana: int) -> None:
    api.delete(f"{OBJECTS}/prospects/{ana}")
    assert code(add(api, VISITORS, ana)) == (404, 3)


def test_reads_of_memberships_lag_as_well(sandbox: Any, api: httpx.Client, ana: int) -> None:
    sandbox.switches["read_lag"] = 60
    membership = add(api, VISITORS, ana).json()["id"]
    assert found(api, prospectId=ana) == []
    sandbox.advance(61)
    assert [each["id"] for each in found(api, prospectId=ana)] == [membership]
    api.delete(f"{MEMBERS}/{membership}")
    assert len(found(api, prospectId=ana)) == 1
    sandbox.advance(61)
    assert found(api, prospectId=ana) == []


def test_lists_take_an_ability_of_their_own(sandboxes: Any) -> None:
    user = {"id": 1, "email": "a@example.com", "abilities": ["view", "create"]}
    sandbox = sandboxes(users=[user], prospects=[{"id": 1, "email": "ana@example.com"}])
    with signed_in(sandbox) as api:
        assert code(add(api, VISITORS, 1)) == (405, 46)
        sandbox.switches.update(permission_code="49", permission_status=403)
        assert code(add(api, VISITORS, 1)) == (403, 49)


def test_members_may_be_in_the_seed(sandboxes: Any) -> None:
    members = [{"listId": NEWSLETTER, "prospectId": 1, "optedOut": True}]
    sandbox = sandboxes(prospects=[{"id": 1, "email": "ana@example.com"}], memberships=members)
    with signed_in(sandbox) as api:
        assert [(each["listId"], each["optedOut"]) for each in found(api)] == [(NEWSLETTER, True)]
