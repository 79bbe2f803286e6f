"""The sandbox behaves as Pardot does, seen by a client of its own."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.http import Http, Reply

OBJECTS = "/api/v5/objects/"
UNIT = "0Uv000000000001CAA"
Api = Callable[..., Reply]


@pytest.fixture(scope="module")
def _client() -> Iterator[Http]:
    client = Http("http://127.0.0.1")
    yield client
    client.close()


@pytest.fixture
def http(_client: Http, sandbox: Any) -> Http:
    _client.base_url = sandbox.url
    return _client


def token(http: Http, **form: str) -> Reply:
    client = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    return http.send("POST", "/services/oauth2/token", form={**client, **form})


@pytest.fixture
def api(http: Http) -> Api:
    """Call an endpoint below the objects, signed in; `headers` are added, and left out where None."""
    bearer = f"Bearer {token(http).json()['access_token']}"

    def call(method: str, path: str, *, headers: dict[str, Any] | None = None, **options: Any) -> Reply:
        merged = {"Authorization": bearer, "Pardot-Business-Unit-Id": UNIT, **(headers or {})}
        sent = {name: value for name, value in merged.items() if value is not None}
        return http.send(method, OBJECTS + path, headers=sent, **options)

    return call


def code(reply: Reply) -> tuple[int, int]:
    return reply.status, reply.json()["code"]


def person(api: Api, email: str = "ana@example.com", **more: Any) -> int:
    return int(api("POST", "prospects", params={"fields": "id"}, json={"email": email, **more}).json()["id"])


def upsert(api: Api, email: str = "ana@example.com", **more: Any) -> Reply:
    return api("POST", "prospects/do/upsertLatestByEmail", json={
        "matchEmail": email, "prospect": {"email": email}, "fields": ["id"], **more,
    })  # fmt: skip


def test_token_replies_have_no_lifetime(http: Http) -> None:
    reply = token(http, grant_type="refresh_token", refresh_token="sandbox-refresh").json()
    assert reply["issued_at"].isdigit()
    assert "expires_in" not in reply
    assert "refresh_token" not in reply


def test_a_client_may_sign_in_by_basic(http: Http) -> None:
    basic = base64.b64encode(b"sandbox:sandbox-secret").decode()
    form = {"grant_type": "client_credentials"}
    headers = {"Authorization": f"Basic {basic}"}
    assert http.send("POST", "/services/oauth2/token", form=form, headers=headers).status == 200


def test_a_token_slides_while_it_is_used(sandbox: Any, api: Api) -> None:
    for _ in range(3):
        sandbox.advance(5000)
        assert api("GET", "campaigns", params={"fields": "id"}).status == 200
    sandbox.advance(7300)
    assert code(api("GET", "campaigns", params={"fields": "id"})) == (401, 184)


def test_the_doors_come_in_the_vendors_order(sandbox: Any, api: Api) -> None:
    nothing = {"Authorization": None, "Pardot-Business-Unit-Id": None}
    assert code(api("GET", "nowhere", headers=nothing)) == (404, 198)
    assert code(api("PUT", "prospects", headers=nothing)) == (405, 60)
    assert code(api("GET", "prospects", headers=nothing)) == (401, 49)
    assert code(api("GET", "prospects", headers={**nothing, "Authorization": "Bearer x"})) == (401, 184)
    assert code(api("GET", "prospects", headers={"Pardot-Business-Unit-Id": None})) == (400, 181)
    assert code(api("GET", "prospects", headers={"Pardot-Business-Unit-Id": "x"})) == (400, 182)
    assert code(api("GET", "prospects", headers={"Pardot-Business-Unit-Id": "0Uv000000000009CAA"})) == (403, 201)
    assert code(api("POST", "prospects", content=b"{}")) == (400, 151)
    assert code(api("POST", "prospects", headers={"Content-Type": "application/json"})) == (400, 152)
    assert code(api("POST", "prospects", headers={"Content-Type": "application/json"}, content=b"{")) == (400, 150)
    assert code(api("POST", "prospects", json={"nope": 1})) == (400, 180)
    assert code(api("POST", "prospects", json={"firstName": "Ana"})) == (400, 153)
    sandbox.switches["daily"] = 0
    assert code(api("POST", "prospects", json={"nope": 1})) == (429, 122)


def test_fields_are_mandatory_and_known(api: Api) -> None:
    assert code(api("GET", "prospects")) == (400, 13)
    assert code(api("GET", "prospects", params={"fields": "id,unheard"})) == (400, 224)


def test_create_read_update_delete_undelete(sandbox: Any, api: Api) -> None:
    created = api("POST", "prospects", params={"fields": "id,campaign.name"}, json={"email": "ana@example.com"})
    prospect_id = created.json()["id"]
    assert (created.status, created.json()["campaign"]) == (201, {"name": "Website Tracking"})
    assert created.headers["location"].startswith(f"{sandbox.url}{OBJECTS}prospects/{prospect_id}")
    assert person(api, "bo@example.com") == prospect_id + 2

    path = f"prospects/{prospect_id}"
    assert api("PATCH", path, json={"firstName": "Ana"}).status == 204
    assert api("GET", path, params={"fields": "firstName,lastName"}).json() == {"firstName": "Ana", "lastName": None}

    assert api("DELETE", path).status == 204
    gone = api("GET", path, params={"fields": "id"})
    assert (code(gone), gone.headers["pardot-warning"]) == ((404, 109), "201;Record In Recycle Bin")
    assert code(api("PATCH", path, json={"firstName": "B"})) == (400, 219)
    deleted = api("GET", "prospects", params={"fields": "id", "deleted": "true"}).json()["values"]
    assert deleted == [{"id": prospect_id}]

    assert api("POST", "prospects/do/undelete", json={"email": "ana@example.com"}).status == 204
    assert api("GET", path, params={"fields": "id"}).json() == {"id": prospect_id}


def test_every_create_makes_a_person_unless_addresses_are_unique(sandbox: Any, api: Api) -> None:
    assert person(api) != person(api)
    sandbox.switches["allow_multiple_prospects"] = False
    assert code(api("POST", "prospects", json={"email": "ana@example.com"})) == (400, 9)
    person(api, "bo@example.com")
    assert upsert(api, "bo@example.com", prospect={"email": "ana@example.com"}).json()["code"] == 9


def test_an_upsert_takes_the_latest_by_activity_or_by_update(sandbox: Any, api: Api) -> None:
    first, second = person(api), person(api)
    sandbox.touch(first, sandbox.now())
    assert upsert(api).json()["id"] == first
    sandbox.advance(5)
    api("PATCH", f"prospects/{second}", json={"firstName": "Ana"})
    sandbox.switches["upsert_order"] = "updated"
    assert upsert(api).json()["id"] == second


def test_unique_addresses_restore_from_the_recycle_bin_without_being_asked(sandbox: Any, api: Api) -> None:
    sandbox.switches["allow_multiple_prospects"] = False
    first = person(api)
    api("DELETE", f"prospects/{first}")
    assert upsert(api, secondaryDeletedSearch=False).json()["id"] == first


def test_too_many_calls_at_once_are_refused(sandbox: Any, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.switches.update(latency=1, concurrency=1)
    begun, over = threading.Event(), threading.Event()

    def pause(_: float) -> None:
        begun.set()
        assert over.wait(10)

    monkeypatch.setattr(sandbox, "pause", pause)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(upsert, api)
        assert begun.wait(10)
        assert code(upsert(api, "bo@example.com")) == (429, 66)
        over.set()
        assert first.result().status == 200
    assert sandbox.statistics()["most_in_flight"] == 1


def test_reads_lag_behind_writes(sandbox: Any, api: Api) -> None:
    sandbox.switches["read_lag"] = 60
    prospect_id = person(api, firstName="Ana")
    by_email = {"fields": "id,firstName", "email": "ana@example.com"}
    assert api("GET", "prospects", params=by_email).json()["values"] == []
    sandbox.advance(61)
    api("PATCH", f"prospects/{prospect_id}", json={"firstName": "Anna"})
    assert api("GET", "prospects", params=by_email).json()["values"] == [{"id": prospect_id, "firstName": "Ana"}]
    sandbox.advance(61)
    assert api("GET", "prospects", params=by_email).json()["values"][0]["firstName"] == "Anna"


def test_queries_filter_sort_and_page(api: Api) -> None:
    ids = [person(api, f"p{number}@example.com") for number in range(5)]
    params = {"fields": "id", "orderBy": "id DESC", "limit": "2", "idGreaterThan": str(ids[0])}
    first = api("GET", "prospects", params=params).json()
    assert [each["id"] for each in first["values"]] == [ids[4], ids[3]]

    more = {"fields": "id", "nextPageToken": first["nextPageToken"]}
    last = api("GET", "prospects", params=more).json()
    assert [each["id"] for each in last["values"]] == [ids[2], ids[1]]
    assert (last["nextPageToken"], last["nextPageUrl"]) == (None, None)
    assert code(api("GET", "prospects", params={**more, "limit": "2"})) == (400, 5)
    assert code(api("GET", "prospects", params={**more, "nextPageToken": "x"})) == (400, 211)
    assert code(api("GET", "prospects", params={"fields": "id", "city": "Bonn"})) == (400, 5)
    later = {"fields": "id", "createdAtAfter": "2999-01-01T00:00:00+00:00"}
    assert api("GET", "prospects", params=later).json()["values"] == []


def test_page_tokens_end(sandbox: Any, api: Api) -> None:
    for number in range(2):
        person(api, f"p{number}@example.com")
    page = api("GET", "prospects", params={"fields": "id", "limit": "1"}).json()["nextPageToken"]
    for _ in range(3):
        sandbox.advance(5000)
        api("GET", "campaigns", params={"fields": "id"})
    assert code(api("GET", "prospects", params={"fields": "id", "nextPageToken": page})) == (400, 210)


def test_a_user_who_may_not_read_still_writes(sandbox: Any, api: Api) -> None:
    sandbox.unit.users[1] = type(sandbox.unit.users[1])(1, "a@example.com", frozenset({UNIT}), frozenset({"create"}))
    assert api("POST", "prospects", params={"fields": "id"}, json={"email": "ana@example.com"}).status == 204
    assert code(api("DELETE", "prospects/29014")) == (405, 46)
    assert len(sandbox.state()["prospects"]) == 1


def test_usage_is_told_when_asked(api: Api) -> None:
    plain = api("GET", "campaigns", params={"fields": "id,name"})
    told = api("GET", "account", params={"fields": "apiCallsUsed,maximumDailyApiCalls"}, headers={
        "X-Return-Api-Usage": "1",
    })  # fmt: skip
    assert "x-api-usage" not in plain.headers
    assert told.headers["x-api-usage"] == "2/25000"
    assert told.json() == {"apiCallsUsed": 2, "maximumDailyApiCalls": 25_000}


def test_custom_fields_hide_their_values_and_can_be_removed(api: Api) -> None:
    asked = {"fields": "id,name,apiFieldId,type,isUseValues", "name": "Booth Rating"}
    (rating,) = api("GET", "custom-fields", params=asked).json()["values"]
    assert (rating["apiFieldId"], rating["type"], rating["isUseValues"]) == ("Booth_Rating__c", "Dropdown", True)
    assert code(api("GET", "custom-fields", params={"fields": "values"})) == (400, 224)
    assert api("DELETE", f"custom-fields/{rating['id']}").status == 204
    assert code(api("POST", "prospects", json={"email": "a@example.com", "Booth_Rating__c": "A"})) == (400, 180)


@pytest.mark.parametrize(
    ("switch", "value", "fields", "stored"),
    [
        ("unlisted_option", "accept", {"Booth_Rating__c": "Z"}, "Z"),
        ("unlisted_option", "reject", {"Booth_Rating__c": "Z"}, 154),
        ("unlisted_option", "drop", {"Booth_Rating__c": "Z"}, None),
        ("too_long", "cut", {"city": "x" * 300}, "x" * 255),
        ("too_long", "reject", {"city": "x" * 300}, 154),
        ("too_long", "store", {"city": "x" * 300}, "x" * 300),
        ("bad_custom_value", "reject", {"Badge_Scans__c": "many"}, 154),
        ("bad_custom_value", "drop", {"Badge_Scans__c": "many"}, None),
        ("bad_custom_value", "reject", {"Badge_Scans__c": "3"}, 3.0),
    ],
)
def test_what_the_documentation_leaves_open_is_a_switch(
    sandbox: Any, api: Api, switch: str, value: str, fields: dict[str, Any], stored: Any
) -> None:
    sandbox.switches[switch] = value
    (name,) = fields
    reply = api("POST", "prospects", params={"fields": name}, json={"email": "ana@example.com", **fields})
    assert reply.json() == {name: stored} if reply.status == 201 else reply.json()["code"] == stored


def test_a_date_field_keeps_the_date_of_a_time(sandboxes: Any, vendors: Any, delivery: Any) -> None:
    sandbox = sandboxes(custom_fields=[{"name": "Visited", "type": "Date"}])
    vendors(sandbox).sync([delivery(Visited__c="2025-11-23T09:30:00+01:00")])
    assert sandbox.state()["prospects"][0]["Visited__c"] == "2025-11-23"


def test_the_control_api_changes_switches_and_goes_back_to_the_seed(sandbox: Any, http: Http, api: Api) -> None:
    person(api)
    assert http.send("POST", "/_sandbox/switches", json={"daily": 0}).status == 200
    assert api("GET", "campaigns", params={"fields": "id"}).status == 429
    http.send("POST", "/_sandbox/reset")
    state = http.send("GET", "/_sandbox/state").json()
    assert (state["prospects"], sandbox.switches["daily"]) == ([], 25_000)


def test_the_environment_reaches_the_sandbox(sandboxes: Any) -> None:
    sandbox = sandboxes(latency=0.0, daily=7)
    environment = sandbox.environment()
    assert environment["PARDOT_BASE_URL"] == environment["PARDOT_TOKEN_URL"] == sandbox.url
    assert environment["PARDOT_BUSINESS_UNIT_ID"] == UNIT
    assert sandbox.switches["daily"] == 7
