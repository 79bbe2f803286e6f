"""What Pardot's documentation leaves open about prospects: each switch changes what a client sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from engine_pardot.sandbox import PardotSandbox

PROSPECTS = "/api/v5/objects/prospects"
UPSERT = f"{PROSPECTS}/do/upsertLatestByEmail"
FIELDS = [
    {"name": "Interests", "type": "Multi-Select"},
    {"name": "Consent", "type": "Text", "isRequired": True},
    {"name": "Visited", "type": "date"},
]


@pytest.fixture(scope="module")
def _running() -> Iterator[PardotSandbox]:
    with PardotSandbox(seed={"custom_fields": FIELDS}) as box:
        yield box


@pytest.fixture
def box(_running: PardotSandbox) -> PardotSandbox:
    _running.reset()
    return _running


@pytest.fixture
def api(box: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=box.url, headers={"Pardot-Business-Unit-Id": "0Uv000000000001CAA"}) as client:
        form = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
        token = client.post("/services/oauth2/token", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def create(api: httpx.Client, email: str = "ana@example.com", **fields: Any) -> httpx.Response:
    return api.post(PROSPECTS, params={"fields": "id"}, json={"email": email, **fields})


def upsert(api: httpx.Client, **body: Any) -> httpx.Response:
    whole = {"matchEmail": "ana@example.com", "prospect": {"email": "ana@example.com"}, "fields": ["id"], **body}
    return api.post(UPSERT, json={name: value for name, value in whole.items() if value is not None})


def result(answer: httpx.Response, box: Any, name: str) -> Any:
    """The code of a refusal, or what was stored in the field."""
    if answer.status_code >= 400:
        return answer.json()["code"]
    return box.state()["prospects"][-1].get(name)


@pytest.mark.parametrize(
    ("switches", "values", "stored"),
    [
        ({}, {"Interests__c": ["a", "b"]}, ["a", "b"]),
        ({}, {"Interests__c": "a; b"}, ["a", "b"]),
        ({"multi_value": "list"}, {"Interests__c": "a;b"}, 154),
        ({"multi_value": "text"}, {"Interests__c": ["a"]}, 154),
        ({"value_code": "typed"}, {"Visited__c": "soon"}, 57),
        ({"value_code": "typed"}, {"isStarred": "yes"}, 50),
        ({"value_code": "typed"}, {"userId": "x"}, 16),
        ({"value_code": "typed"}, {"score": "high"}, 29),
        ({"value_code": "typed"}, {"city": ["Bonn"]}, 154),
        ({}, {"isStarred": "true"}, 154),
        ({"bad_custom_value": "drop"}, {"Visited__c": "soon"}, None),
        ({"bad_custom_value": "drop"}, {"score": "high"}, 154),
        ({}, {"optedOut": True}, True),
        ({"opted_out": "drop"}, {"optedOut": True}, None),
        ({"opted_out": "reject"}, {"optedOut": True}, 180),
        ({}, {"campaignId": 5}, 38),
        ({}, {"userId": 9}, 10),
        ({}, {"userId": 1, "salesforceOwnerId": "005000000000001AAA"}, 125),
    ],
)
def test_what_is_stored_of_a_value(
    box: Any, api: httpx.Client, switches: dict[str, Any], values: dict[str, Any], stored: Any
) -> None:
    box.switches.update(switches)
    assert result(create(api, **values), box, next(iter(values))) == stored


@pytest.mark.parametrize(
    ("switches", "value", "left"),
    [
        ({}, None, None),
        ({}, "", None),
        ({"null_value": "ignore"}, None, "Bonn"),
        ({"null_value": "reject"}, None, 154),
        ({"empty_text": "ignore"}, "", "Bonn"),
        ({"empty_text": "store"}, "", ""),
    ],
)
def test_what_an_empty_value_does(
    box: Any, api: httpx.Client, switches: dict[str, Any], value: str | None, left: Any
) -> None:
    number = create(api, city="Bonn").json()["id"]
    box.switches.update(switches)
    assert result(api.patch(f"{PROSPECTS}/{number}", json={"city": value}), box, "city") == left


def test_a_required_field_cannot_be_cleared(box: Any, api: httpx.Client) -> None:
    number = create(api, Consent__c="yes").json()["id"]
    assert api.patch(f"{PROSPECTS}/{number}", json={"Consent__c": None}).json()["code"] == 153
    assert api.patch(f"{PROSPECTS}/{number}", json={"email": None}).json()["code"] == 4
    box.switches["missing_property"] = "36"
    assert api.patch(f"{PROSPECTS}/{number}", json={"Consent__c": ""}).json()["code"] == 36


@pytest.mark.parametrize(
    ("switches", "email", "stored"),
    [
        ({}, " ana@example.com", 4),
        ({"email_spaces": "trim"}, " ana@example.com", "ana@example.com"),
        ({}, "ana@example.photographyclub", 4),
        ({"long_tld": "accept"}, "ana@example.photographyclub", "ana@example.photographyclub"),
        ({}, "ana+expo@example.com", "ana+expo@example.com"),
        ({}, "Ana@Example.com", "Ana@Example.com"),
        ({}, "x" * 65 + "@example.com", 4),
        ({}, "x@" + "y" * 250 + ".com", 4),
        ({}, 5, 4),
    ],
)
def test_what_is_an_address(box: Any, api: httpx.Client, switches: dict[str, Any], email: Any, stored: Any) -> None:
    box.switches.update(switches)
    assert result(create(api, email), box, "email") == stored


@pytest.mark.parametrize(
    ("how", "status", "body"), [("nothing", 204, ""), ("empty", 200, "{}"), ("id", 200, '{"id":29014}')]
)
def test_an_upsert_that_asks_for_no_fields(box: Any, api: httpx.Client, how: str, status: int, body: str) -> None:
    box.switches["upsert_without_fields"] = how
    answer = upsert(api, fields=None)
    assert (answer.status_code, answer.text) == (status, body)


def test_the_fields_of_an_upsert_may_be_in_the_query(api: httpx.Client) -> None:
    body = {"matchEmail": "ana@example.com", "prospect": {"email": "ana@example.com"}}
    assert api.post(UPSERT, params={"fields": "email"}, json=body).json() == {"email": "ana@example.com"}


def test_the_address_of_an_upsert_may_be_the_prospects(box: Any, api: httpx.Client) -> None:
    number = create(api).json()["id"]
    assert upsert(api, matchEmail=None).json() == {"id": number}
    box.switches["match_email_missing"] = "reject"
    assert upsert(api, matchEmail=None).json()["code"] == 153
    assert upsert(api, prospect=None).json()["code"] == 153
    assert upsert(api, matchEmail="bo@example.com", prospect={"city": "Bonn"}).json()["code"] == 153


def test_the_recycle_bin_is_searched_by_default_or_not(box: Any, api: httpx.Client) -> None:
    number = create(api).json()["id"]
    api.delete(f"{PROSPECTS}/{number}")
    box.switches["deleted_search_default"] = True
    assert upsert(api).json() == {"id": number}
    api.delete(f"{PROSPECTS}/{number}")
    box.switches["deleted_search_default"] = False
    assert upsert(api).json() != {"id": number}


def test_an_upserts_look_up_may_lag(box: Any, api: httpx.Client) -> None:
    box.switches.update(read_lag=60, upsert_reads="lagged")
    first = upsert(api).json()
    assert upsert(api).json() != first
    assert box.statistics()["duplicates"] == ["ana@example.com"]
    box.advance(61)
    box.touch(first["id"], box.now())
    assert upsert(api).json() == first


@pytest.mark.parametrize(("code", "status"), [("109", 404), ("192", 404), ("3", 404)])
def test_the_code_of_an_unknown_record(box: Any, api: httpx.Client, code: str, status: int) -> None:
    box.switches["unknown_record"] = code
    answer = api.patch(f"{PROSPECTS}/5", json={"city": "Bonn"})
    assert (answer.status_code, answer.json()["code"]) == (status, int(code))


def test_a_query_with_too_many_records_ends_with_a_warning(box: Any, api: httpx.Client) -> None:
    box.switches["query_records"] = 2
    for number in range(3):
        create(api, f"p{number}@example.com")
    first = api.get(PROSPECTS, params={"fields": "id", "limit": "1"})
    assert "pardot-warning" not in first.headers
    last = api.get(PROSPECTS, params={"fields": "id", "nextPageToken": first.json()["nextPageToken"]})
    assert last.json()["nextPageToken"] is None
    assert last.headers["pardot-warning"].startswith("203;")


def test_queries_filter_by_nothing_skip_and_limit_their_filters(api: httpx.Client) -> None:
    ids = [create(api, f"p{number}@example.com", userId=user).json()["id"] for number, user in enumerate([1, None, 2])]

    def found(**params: str) -> Any:
        answer = api.get(PROSPECTS, params={"fields": "id", **params}).json()
        return [each["id"] for each in answer["values"]] if "values" in answer else answer["code"]

    assert found(userIdIsNull="true") == [ids[1]]
    assert found(userIdIsNotNull="true") == [ids[0], ids[2]]
    assert found(offset="1") == ids[1:]
    assert found(offset="2001") == 5
    several = {"idGreaterThan": "1", "createdAtAfter": "2025-01-01T00:00:00+00:00"}
    assert found(**several, idLessThan=str(ids[2]), userId="1") == ids[:1]
    assert found(**several, email="p0@example.com", userId="1") == 209


def test_objects_of_a_prospect_are_read_by_their_known_fields(api: httpx.Client) -> None:
    number = create(api, userId=2).json()["id"]
    asked = {"fields": "campaign.name,createdBy.email,assignedTo.id"}
    assert api.get(f"{PROSPECTS}/{number}", params=asked).json() == {
        "campaign": {"name": "Website Tracking"},
        "createdBy": {"email": "integration@example.com"},
        "assignedTo": {"id": 2},
    }
    assert api.get(f"{PROSPECTS}/{number}", params={"fields": "campaign.color"}).json()["code"] == 224


def test_limits_may_be_told_in_other_ways(box: Any, api: httpx.Client) -> None:
    box.switches.update(daily=0, limit_status=403)
    assert create(api).status_code == 403
    box.switches["limit_status"] = "v4"
    answer = create(api)
    assert (answer.status_code, answer.json()["@attributes"]["err_code"]) == (200, 122)


def test_a_write_that_asks_for_what_there_is_not_writes_nothing(box: Any, api: httpx.Client) -> None:
    number = create(api).json()["id"]
    wrong = {"fields": "id,nope"}
    refused = [
        api.post(PROSPECTS, params=wrong, json={"email": "bo@example.com"}),
        api.patch(f"{PROSPECTS}/{number}", params=wrong, json={"city": "Bonn"}),
        upsert(api, matchEmail="cy@example.com", prospect={"email": "cy@example.com"}, fields=["nope"]),
        api.post("/api/v5/objects/list-memberships", params=wrong, json={"listId": 233_086, "prospectId": number}),
        api.post("/api/v5/imports", params=wrong, json={"operation": "Upsert", "object": "Prospect"}),
    ]
    assert [answer.json()["code"] for answer in refused] == [224] * 5
    state = box.state()
    assert [each.get("city") for each in state["prospects"]] == [None]
    assert state["memberships"] == state["imports"] == []
