"""The sandbox's tokens, envelopes and limits as any HTTP client meets them."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from engine_marketo.sandbox import MarketoSandbox

LEADS = "/rest/v1/leads.json"
CREDENTIALS = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}


def write(api, *records):
    return api.post(LEADS, json={"input": list(records)}).json()


def code(answer):
    assert answer["success"] is False
    return answer["errors"][0]["code"]


def sign_in(api):
    token = api.get("/identity/oauth/token", params=CREDENTIALS).json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"


def reseed(sandbox, api, **seed):
    sandbox.seed = seed
    sandbox.reset()
    sign_in(api)


# Tokens -------------------------------------------------------------------------------------------------------------


def test_a_token_is_issued_again_with_the_time_it_has_left(api, sandbox):
    first = api.post("/identity/oauth/token", data=CREDENTIALS)
    sandbox.advance(100)
    second = api.get("/identity/oauth/token", params=CREDENTIALS).json()
    assert first.headers["cache-control"] == "no-store"
    assert first.json()["access_token"] == second["access_token"]
    assert first.json()["expires_in"] in {3598, 3599} and second["expires_in"] <= 3499
    sandbox.advance(3600)
    assert api.get("/identity/oauth/token", params=CREDENTIALS).json()["access_token"] != second["access_token"]


def test_a_wrong_secret_is_answered_by_401(api):
    answer = api.get("/identity/oauth/token", params={**CREDENTIALS, "client_secret": "x"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_an_expired_token_is_said_to_be_expired_once_and_invalid_then(api, sandbox):
    sandbox.advance(3601)
    assert [code(api.get("/rest/v1/leads/describe.json").json()) for _ in range(2)] == ["602", "601"]


def test_no_token_or_one_in_the_query_is_denied(api, sandbox):
    token = api.headers.pop("Authorization").split()[1]
    path = f"/rest/v1/leads/describe.json?access_token={token}"
    assert code(api.get("/rest/v1/leads/describe.json").json()) == "603"
    assert code(api.get(path).json()) == "603"
    sandbox.switches["query_token"] = "allow"
    assert api.get(path).json()["success"]
    assert code(api.get("/rest/v1/leads/describe.json", headers={"Authorization": "Bearer x"}).json()) == "601"


# Envelopes and transport --------------------------------------------------------------------------------------------


def test_a_success_has_no_list_of_errors(api):
    answer = write(api, {"email": "ada@example.com"})
    assert set(answer) == {"requestId", "result", "success"}
    assert re.fullmatch(r"[0-9a-f]{1,5}#[0-9a-f]{11}", answer["requestId"])
    asset = api.get("/rest/asset/v1/program/1107.json").json()
    assert (asset["errors"], asset["warnings"]) == ([], [])
    missing = api.get("/rest/asset/v1/program/1.json").json()
    assert missing["success"] and "result" not in missing and missing["warnings"]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "expected"),
    [
        ("POST", LEADS, b"{", {"Content-Type": "application/json"}, "609"),
        ("POST", LEADS, b"{}", {"Content-Type": "text/plain"}, "612"),
        ("POST", LEADS, b"{}", {"Content-Type": "application/json"}, "1003"),
        ("PUT", LEADS, b"", {}, "605"),
        ("GET", "/rest/v1/nothing.json", b"", {}, "610"),
        ("GET", "/rest//v1/leads/describe.json", b"", {}, "610"),
    ],
)
def test_a_wrong_request_is_refused(api, method, path, body, headers, expected):
    answer = api.request(method, path, content=body, headers=headers)
    assert (answer.status_code, code(answer.json())) == (200, expected)


def test_more_than_300_records_are_refused(api, sandbox):
    assert code(write(api, *({"email": f"p{n}@example.com"} for n in range(301)))) == "1003"
    assert code(api.get(LEADS, params={"filterType": "id", "filterValues": ",".join(["1"] * 301)}).json()) == "1003"
    assert sandbox.state()["leads"] == []


def test_too_large_requests_meet_the_gateway(api):
    assert api.post(LEADS, content=b"x" * (2**20 + 1)).status_code == 413
    assert api.get(LEADS, params={"filterType": "email", "filterValues": "x" * 9000}).status_code == 414


@pytest.mark.parametrize("fault", ["401", "413", "502"])
def test_faults_can_be_an_http_status(api, sandbox, fault):
    sandbox.add_fault(error=fault)
    answer = api.get(LEADS)
    assert (answer.status_code, answer.headers["content-type"]) == (int(fault), "text/html")


# Limits -------------------------------------------------------------------------------------------------------------


def test_the_rate_window_slides(api, sandbox):
    for _ in range(100):
        assert api.get("/rest/v1/leads/describe2.json").json()["success"]
    refused = api.get("/rest/v1/leads/describe2.json").json()
    assert refused["errors"] == [{"code": "606", "message": "Max rate limit '100' exceeded with in '20' secs"}]
    sandbox.advance(21)
    assert api.get("/rest/v1/leads/describe2.json").json()["success"]


@pytest.mark.parametrize("off", [0, None])
def test_limits_can_be_off(off):
    with MarketoSandbox(seed={"rate": off, "concurrency": off, "daily": off}) as sandbox, httpx.Client() as client:
        token = client.get(f"{sandbox.url}/identity/oauth/token", params=CREDENTIALS).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answers = [client.get(f"{sandbox.url}{LEADS}", headers=headers).json() for _ in range(101)]
        assert {code(answer) for answer in answers} == {"1003"}


def test_the_daily_quota_is_reset_the_next_day(api, sandbox):
    reseed(sandbox, api, daily=1, clients=[{**CREDENTIALS, "user": "api@example.com"}])
    usage = api.get("/rest/v1/stats/usage.json").json()["result"]
    assert (usage[0]["total"], usage[0]["users"]) == (1, [{"userId": "api@example.com", "count": 1}])
    assert code(api.get("/rest/v1/stats/usage.json").json()) == "607"
    sandbox.advance(25 * 3600)
    sign_in(api)
    week = api.get("/rest/v1/stats/usage/last7days.json").json()["result"]
    assert [day["total"] for day in week] == [1, 1]


def test_calls_at_once_are_limited(sandbox, api):
    reseed(sandbox, api, concurrency=2, latency={"read": 1})
    api.headers["Authorization"] = (
        "Bearer " + api.get("/identity/oauth/token", params=CREDENTIALS).json()["access_token"]
    )
    inside, done = threading.Semaphore(0), threading.Event()

    def hold(_: float) -> None:
        inside.release()
        done.wait(5)

    sandbox.pause = hold
    with ThreadPoolExecutor(2) as pool:
        held = [pool.submit(api.get, "/rest/v1/leads/describe.json") for _ in range(2)]
        assert inside.acquire(timeout=5) and inside.acquire(timeout=5)
        assert code(api.get("/rest/v1/leads/describe.json").json()) == "615"
        done.set()
        assert all(answer.result().json()["success"] for answer in held)


def test_errors_are_counted(api):
    api.get("/rest/v1/nothing.json")
    assert api.get("/rest/v1/stats/errors.json").json()["result"][0]["errors"] == [{"errorCode": "610", "count": 1}]
