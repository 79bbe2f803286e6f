"""The sandbox's static lists.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/list-membership
"""

from __future__ import annotations

import pytest

PATH = "/rest/v1/lists/1001/leads.json"
PEOPLE = [{"email": "ada@example.com"}, {"email": "bob@example.com"}]
NOT_FOUND = {"id": 9, "status": "skipped", "reasons": [{"code": "1004", "message": "Lead not found"}]}


@pytest.fixture(autouse=True)
def people(sandbox, api):
    """Two leads, 1 and 2."""
    reseed(sandbox, api, leads=PEOPLE)


def reseed(sandbox, api, **seed):
    sandbox.seed = seed
    sandbox.reset()
    credentials = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    token = api.get("/identity/oauth/token", params=credentials).json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"


def code(answer):
    assert answer["success"] is False
    return answer["errors"][0]["code"]


@pytest.mark.parametrize(
    "options",
    [
        {"params": [("id", "1"), ("id", "2"), ("id", "9")]},
        {"params": {"id": "1,2,9"}},
        {"json": {"input": [{"id": 1}, {"id": 2}, {"id": 9}]}},
    ],
    ids=["repeated", "commas", "body"],
)
def test_leads_are_added_however_they_are_named(api, sandbox, options):
    added = [{"id": 1, "status": "added"}, {"id": 2, "status": "added"}, NOT_FOUND]
    assert api.post(PATH, **options).json()["result"] == added
    assert api.post(PATH, **options).json()["result"] == added
    assert sandbox.state()["lists"] == {"1001": [1, 2]}


def test_a_lead_that_is_not_on_the_list_cannot_be_removed(api, sandbox):
    api.post(PATH, params={"id": "1"})
    answer = api.request("DELETE", PATH, params=[("id", "1"), ("id", "2")]).json()["result"]
    assert answer[0] == {"id": 1, "status": "removed"}
    assert answer[1]["reasons"] == [{"code": "1015", "message": "Lead not in list"}]
    api.post(PATH, params={"id": "1"})
    assert api.post(PATH, params={"_method": "DELETE", "id": "1"}).json()["result"][0]["status"] == "removed"
    assert sandbox.state()["lists"] == {"1001": []}


def test_membership_can_be_asked_for(api):
    api.post(PATH, params={"id": "2"})
    rows = api.get("/rest/v1/lists/1001/leads/ismember.json", params=[("id", "1"), ("id", "2")]).json()["result"]
    assert rows == [{"id": 1, "status": "notmemberof"}, {"id": 2, "status": "memberof"}]


def test_lists_and_their_leads_can_be_read(api, sandbox):
    reseed(sandbox, api, leads=PEOPLE, lists=[{"id": 7, "name": "VIPs", "workspace": "EMEA"}])
    api.post("/rest/v1/lists/7/leads.json", params={"id": "1,2"})
    assert [row["name"] for row in api.get("/rest/v1/lists.json").json()["result"]] == ["Event leads", "VIPs"]
    for narrow in ({"id": "7"}, {"name": "VIPs"}, {"workspaceName": "EMEA"}):
        assert [row["id"] for row in api.get("/rest/v1/lists.json", params=narrow).json()["result"]] == [7]
    assert api.get("/rest/v1/lists/7.json").json()["result"][0]["workspaceName"] == "EMEA"
    page = api.get("/rest/v1/lists/7/leads.json", params={"batchSize": 1, "fields": "email"}).json()
    assert page["result"] == [{"id": 1, "email": "ada@example.com"}]
    rest = api.get("/rest/v1/list/7/leads.json", params={"nextPageToken": page["nextPageToken"]}).json()
    assert [row["id"] for row in rest["result"]] == [2] and "nextPageToken" not in rest


def test_an_unknown_list_is_not_found(api):
    paths = ("/rest/v1/lists/5/leads.json", "/rest/v1/lists/5.json", "/rest/v1/lists/5/leads/ismember.json")
    for path in paths:
        answer = api.get(path, params={"id": "1"}).json()
        assert answer["errors"] == [{"code": "1013", "message": "List not found"}]


def test_what_is_wrong_with_the_ids_is_said(api):
    assert code(api.post(PATH, params={"id": "x"}).json()) == "1001"
    assert code(api.post(PATH, json={"input": []}).json()) == "1003"
    assert code(api.post(PATH, params={"id": ",".join(["1"] * 301)}).json()) == "1003"
    assert code(api.post(PATH).json()) == "609"


def test_a_deleted_lead_leaves_its_lists(api, sandbox):
    api.post(PATH, params={"id": "1,2"})
    api.post("/rest/v1/leads/delete.json", json={"input": [{"id": 1}]})
    assert sandbox.state()["lists"] == {"1001": [2]}


def test_a_list_takes_only_leads_that_its_workspace_sees(api, sandbox):
    reseed(
        sandbox, api,
        partitions=[{"id": 2, "name": "EMEA"}],
        workspaces={"Europe": ["EMEA"]},
        lists=[{"id": 7, "name": "VIPs", "workspace": "Europe"}],
        leads=[{"email": "ada@example.com"}, {"email": "bob@example.com", "partition": "EMEA"}],
    )  # fmt: skip
    rows = api.post("/rest/v1/lists/7/leads.json", params={"id": "1,2"}).json()["result"]
    assert [row["status"] for row in rows] == ["skipped", "added"]
