"""What goes wrong on purpose, what the sandbox tells of its clients, its time, and what it starts from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from engine_pardot.sandbox import PardotSandbox

from engine.testing.seeds import read_seed

PROSPECTS = "/api/v5/objects/prospects"
UPSERT = f"{PROSPECTS}/do/upsertLatestByEmail"
ACCOUNT = "/api/v5/objects/account"
NOTHING = {"calls": 0, "most_in_flight": 0, "errors": {}, "duplicates": [], "overlapping_keys": []}


def sign_in(api: httpx.Client) -> None:
    form = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    token = api.post("/services/oauth2/token", data=form).json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"


@pytest.fixture
def api(sandbox: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, headers={"Pardot-Business-Unit-Id": "0Uv000000000001CAA"}) as client:
        sign_in(client)
        yield client


@pytest.fixture
def seed(sandbox: Any, api: httpx.Client) -> Iterator[Any]:
    """Start the sandbox again with a seed."""

    def start(**seed: Any) -> None:
        sandbox.seed = seed
        sandbox.reset()
        sign_in(api)

    before = sandbox.seed
    yield start
    sandbox.seed = before


def upsert(api: httpx.Client, email: str = "ana@example.com", **fields: Any) -> httpx.Response:
    prospect = {"email": email, **fields}
    return api.post(UPSERT, json={"matchEmail": email, "prospect": prospect, "fields": ["id"]})


def read(api: httpx.Client) -> httpx.Response:
    return api.get(ACCOUNT, params={"fields": "id"})


@pytest.fixture
def at_once(sandbox: Any) -> Any:
    """Make calls at the same time: each takes its latency when all of them have begun."""

    def run(*calls: Any) -> list[httpx.Response]:
        sandbox.switches["latency"] = {"write": 1}
        barrier = threading.Barrier(len(calls))
        sandbox.pause = lambda _: barrier.wait(10)
        with ThreadPoolExecutor(len(calls)) as pool:
            futures = [pool.submit(call) for call in calls]
            return [future.result() for future in futures]

    before = sandbox.pause
    yield run
    sandbox.pause = before


# Faults -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["184", "xml:184"])
def test_a_fault_that_refuses_the_token_ends_it(sandbox: Any, api: httpx.Client, form: str) -> None:
    sandbox.add_fault(match="account", error=form)
    refused = read(api)
    assert (refused.status_code, "184" in refused.text) == (401, True)
    assert read(api).json()["code"] == 184
    sign_in(api)
    assert read(api).status_code == 200


def test_a_fault_has_its_code_its_text_and_its_form(sandbox: Any, api: httpx.Client) -> None:
    for error, message in (("38", ""), ("38", "Campaign 7 is gone"), ("v4:122", ""), ("504", "")):
        sandbox.add_fault(error=error, message=message)
    assert read(api).json() == {"code": 38, "message": "Invalid campaign ID"}
    assert read(api).json() == {"code": 38, "message": "Campaign 7 is gone"}
    assert read(api).json()["@attributes"]["err_code"] == 122
    assert read(api).headers["content-type"] == "text/html"
    assert sandbox.statistics()["errors"] == {"38": 2, "122": 1}


def test_a_lost_answer_was_committed_or_not(sandbox: Any, api: httpx.Client) -> None:
    for moment, people in (("before", 0), ("after", 1)):
        sandbox.add_fault(match="upsert", drop=moment)
        with pytest.raises(httpx.RemoteProtocolError):
            upsert(api)
        assert len(sandbox.state()["prospects"]) == people


def test_chance_repeats(seed: Any, api: httpx.Client) -> None:
    def refused() -> list[int]:
        seed(random=7, faults=[{"match": "upsert", "error": "183", "share": 0.4, "times": -1}])
        return [upsert(api, f"p{number}@example.com").status_code for number in range(20)]

    first = refused()
    assert first == refused()
    assert set(first) == {200, 500}


def test_a_record_error_of_a_single_write_is_the_calls(sandbox: Any, api: httpx.Client) -> None:
    sandbox.add_fault(match="upsert", record_error="85")
    assert upsert(api).json() == {"code": 85, "message": "The prospect could not be saved"}
    assert sandbox.state()["prospects"] == []


# Statistics ---------------------------------------------------------------------------------------------------------


def test_nothing_is_told_where_nothing_happened(sandbox: Any) -> None:
    assert sandbox.statistics() == NOTHING


def test_calls_and_refusals_are_counted(sandbox: Any, api: httpx.Client) -> None:
    upsert(api)
    upsert(api, "not an address")
    sandbox.switches["daily"] = 2
    upsert(api)
    told = httpx.get(f"{sandbox.url}/_sandbox/statistics").json()
    assert told == {**NOTHING, "calls": 2, "most_in_flight": 1, "errors": {"4": 1, "122": 1}}


def test_duplicates_are_those_that_the_seed_did_not_have(seed: Any, sandbox: Any, api: httpx.Client) -> None:
    seed(prospects=[{"email": email} for email in ("ana@example.com", "ANA@example.com", "bo@example.com")])
    assert sandbox.state()["duplicates"] == ["ana@example.com"]
    assert sandbox.statistics()["duplicates"] == []
    twin = api.post(PROSPECTS, params={"fields": "id"}, json={"email": "bo@example.com"}).json()["id"]
    assert sandbox.statistics()["duplicates"] == ["bo@example.com"]
    api.delete(f"{PROSPECTS}/{twin}")
    assert sandbox.statistics()["duplicates"] == []


def test_upserts_of_one_new_address_at_once_overlap_and_duplicate(
    sandbox: Any, api: httpx.Client, at_once: Any
) -> None:
    at_once(lambda: upsert(api), lambda: upsert(api, "Ana@example.com"), lambda: upsert(api, "bo@example.com"))
    told = sandbox.statistics()
    assert (told["duplicates"], told["overlapping_keys"]) == (["ana@example.com"], ["email:ana@example.com"])
    assert told["most_in_flight"] == 3


def test_writes_by_id_and_by_address_overlap_on_one_person(sandbox: Any, api: httpx.Client, at_once: Any) -> None:
    prospect = upsert(api).json()["id"]
    at_once(lambda: upsert(api), lambda: api.patch(f"{PROSPECTS}/{prospect}", json={"firstName": "Ana"}))
    told = sandbox.statistics()
    assert (told["duplicates"], told["overlapping_keys"]) == ([], [f"id:{prospect}"])


def test_a_change_of_address_overlaps_who_gets_it(sandbox: Any, api: httpx.Client, at_once: Any) -> None:
    prospect = upsert(api).json()["id"]
    at_once(
        lambda: api.patch(f"{PROSPECTS}/{prospect}", json={"email": "bo@example.com"}),
        lambda: upsert(api, "bo@example.com"),
    )
    assert sandbox.statistics()["overlapping_keys"] == ["email:bo@example.com"]
    assert sandbox.statistics()["duplicates"] == ["bo@example.com"]


def test_calls_one_after_another_do_not_overlap(sandbox: Any, api: httpx.Client) -> None:
    for _ in range(3):
        upsert(api)
    assert sandbox.statistics()["overlapping_keys"] == []


# Limits and time ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("counted", "used"), [(True, 3), (False, 2)])
def test_whether_a_refused_call_counts_is_a_switch(sandbox: Any, api: httpx.Client, counted: bool, used: int) -> None:
    sandbox.switches.update(concurrency=0, count_refused=counted)
    assert read(api).json()["code"] == 66
    sandbox.switches["concurrency"] = 1
    read(api)
    answer = api.get(ACCOUNT, params={"fields": "apiCallsUsed"}, headers={"X-Return-Api-Usage": "true"})
    assert answer.json() == {"apiCallsUsed": used}
    assert answer.headers["x-api-usage"] == f"{used}/25000"
    assert "retry-after" not in answer.headers


def test_what_others_have_used_is_gone_until_the_units_midnight(seed: Any, sandbox: Any, api: httpx.Client) -> None:
    seed(used=9, daily=10, time_zone="Europe/Berlin", switches={"api_usage": "{used} of {allowed}"})
    answer = api.get(ACCOUNT, params={"fields": "createdAt"}, headers={"X-Return-Api-Usage": "1"})
    assert answer.headers["x-api-usage"] == "10 of 10"
    assert answer.json()["createdAt"][-6:] in {"+01:00", "+02:00"}
    assert read(api).json()["code"] == 122
    sandbox.advance(86_400)
    sign_in(api)
    assert read(api).status_code == 200


def test_time_runs_faster_by_the_speed(seed: Any, sandbox: Any, api: httpx.Client) -> None:
    waited: list[float] = []
    seed(speed=10, latency={"read": 2, "write": 5}, switches={"read_lag": 60})
    before, sandbox.pause = sandbox.pause, waited.append
    try:
        upsert(api)
        query = {"fields": "id", "email": "ana@example.com"}
        assert api.get(PROSPECTS, params=query).json()["values"] == []
        sandbox.advance(6)
        assert len(api.get(PROSPECTS, params=query).json()["values"]) == 1
        api.get("/api/v5/objects/lists", params={"fields": "id"})
        assert waited == [0.5, 0.2, 0.2, 0.2]
        sandbox.advance(721)
        assert read(api).status_code == 401
    finally:
        sandbox.pause = before


# Seeds --------------------------------------------------------------------------------------------------------------


def test_prospects_may_come_from_a_csv_file(tmp_path: Path, seed: Any, sandbox: Any) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        "id,email,campaignId,isDeleted,Badge_Scans__c\n7,ana@example.com,1107,false,2\n,bo@example.com,,true,\n"
    )
    seed(**read_seed(file, PardotSandbox.people))
    ana, bo = sandbox.state()["prospects"]
    assert (ana["id"], ana["campaignId"], ana["isDeleted"], ana["Badge_Scans__c"]) == (7, 1107, False, 2.0)
    assert (bo["id"], bo["campaignId"], bo["isDeleted"]) == (29_014, 668, True)
    assert sandbox.state()["counts"]["created"] == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"prospects": [{"firstName": "Ana"}]}, "no email"),
        ({"prospects": [{"email": "a@example.com", "shoeSize": 41}]}, "shoeSize"),
        ({"prospects": [{"email": "a@example.com", "score": "high"}]}, "score"),
        ({"prospects": [{"email": "a@example.com"}] * 2, "switches": {"allow_multiple_prospects": False}}, "already"),
        ({"campaigns": [{"name": "no id"}]}, "id"),
        ({"memberships": [{"listId": 5, "prospectId": 1}]}, "list"),
        ({"users": 5}, "malformed"),
        ({"time_zone": "Mars/North"}, "Mars/North"),
        ({"speed": 0}, "speed"),
        ({"latency": "slow"}, "slow"),
    ],
)
def test_a_seed_that_cannot_be_used_says_why(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PardotSandbox(seed=wrong).reset()
