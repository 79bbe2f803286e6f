"""What goes wrong on purpose, what the sandbox tells of its clients, its time, and seeds from files."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from engine_marketo.sandbox import MarketoSandbox
from engine_marketo.sandbox_timing import Latency

from engine.testing.seeds import read_seed

LEADS = "/rest/v1/leads.json"
DESCRIBE = "/rest/v1/leads/describe2.json"
CREDENTIALS = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}


def token(api):
    return api.get("/identity/oauth/token", params=CREDENTIALS).json()


def sign_in(api):
    api.headers["Authorization"] = f"Bearer {token(api)['access_token']}"


def reseed(sandbox, api, **seed):
    sandbox.seed = seed
    sandbox.reset()
    sign_in(api)


def write(api, *emails):
    return api.post(LEADS, json={"input": [{"email": email} for email in emails]}).json()


def code(answer):
    assert answer["success"] is False
    return answer["errors"][0]["code"]


# Faults -------------------------------------------------------------------------------------------------------------


def test_a_fault_that_says_the_token_is_dead_kills_it(api, sandbox):
    for wanted in ("601", "602"):
        sign_in(api)
        dead = api.headers["Authorization"]
        sandbox.add_fault(error=wanted)
        assert [code(api.get(DESCRIBE).json()), code(api.get(DESCRIBE).json())] == [wanted, "601"]
        sign_in(api)
        assert api.headers["Authorization"] != dead
        assert api.get(DESCRIBE).json()["success"]


def test_a_lost_answer_was_committed_or_not(api, sandbox):
    for when in ("before", "after"):
        sandbox.add_fault(match="POST", drop=when)
        with pytest.raises(httpx.RemoteProtocolError):
            write(api, f"{when}@example.com")
    assert [lead["email"] for lead in sandbox.state()["leads"]] == ["after@example.com"]


@pytest.mark.parametrize("body", [None, [], {"success": True}, "<html>"])
def test_an_answer_can_be_any_json_and_none(api, sandbox, body):
    sandbox.add_fault(body=body)
    answer = api.get(DESCRIBE)
    assert answer.text == (body if isinstance(body, str) else json.dumps(body, separators=(",", ":")))


def test_over_the_control_api_null_is_null_and_nothing_is_nothing(api):
    api.post("/_sandbox/faults", json={"body": None})
    api.post("/_sandbox/faults", json={"status": 503})
    assert api.get(DESCRIBE).text == "null"
    answer = api.get(DESCRIBE)
    assert (answer.status_code, answer.text) == (503, "")


@pytest.mark.parametrize("which", [{"record": 1}, {"contains": "bob"}])
def test_one_record_can_fail_while_the_others_are_done(api, sandbox, which):
    sandbox.add_fault(match="POST", record_error="1003", message="Odd value", **which)
    rows = write(api, "ada@example.com", "bob@example.com", "eve@example.com")["result"]
    assert rows == [
        {"id": 1, "status": "created"},
        {"status": "skipped", "reasons": [{"code": "1003", "message": "Odd value"}]},
        {"id": 2, "status": "created"},
    ]
    assert [lead["email"] for lead in sandbox.state()["leads"]] == ["ada@example.com", "eve@example.com"]


def test_one_member_can_fail_and_the_rows_stay_numbered(api, sandbox):
    write(api, "ada@example.com", "bob@example.com")
    sandbox.add_fault(match="members", record_error="611", record=0)
    body = {"statusName": "Registered", "input": [{"leadId": 1}, {"leadId": 2}]}
    rows = api.post("/rest/v1/programs/1107/members/status.json", json=body).json()["result"]
    assert [(row["seq"], row["status"]) for row in rows] == [(0, "skipped"), (1, "created")]


def test_a_fault_for_one_record_needs_a_record(api, sandbox):
    sandbox.add_fault(record_error="1003", times=-1, record=5)
    assert write(api, "ada@example.com")["result"][0]["status"] == "created"
    assert api.get(DESCRIBE).json()["success"]
    sandbox.add_fault(record_error="1004")
    sandbox.faults.pop(0)
    assert write(api, "bob@example.com")["result"][0]["reasons"] == [{"code": "1004", "message": "Lead not found"}]
    sandbox.add_fault(record_error="1004")
    api.headers["Authorization"] = "Bearer x"
    assert code(write(api, "ada@example.com", "bob@example.com")) == "601"


def test_texts_codes_and_keys_can_be_new(api, sandbox):
    sandbox.add_fault(error="1099", message="Something else went wrong")
    assert api.get(DESCRIBE).json()["errors"] == [{"code": "1099", "message": "Something else went wrong"}]
    sandbox.add_fault(extra={"since": 2027})
    answer = write(api, "ada@example.com")
    assert answer["since"] == 2027 and answer["result"] == [{"id": 1, "status": "created", "since": 2027}]


def test_an_assets_failure_has_its_own_envelope(api, sandbox):
    sandbox.add_fault(error="611")
    assert api.get("/rest/asset/v1/programs.json").json()["warnings"] == []


def test_a_share_of_the_requests_goes_wrong_and_runs_repeat(api, sandbox):
    def outcomes(seed):
        reseed(sandbox, api, random=seed, faults=[{"match": "GET /rest", "error": "604", "share": 0.3, "times": -1}])
        return [api.get(DESCRIBE).json()["success"] for _ in range(60)]

    first = outcomes(1)
    assert 5 < first.count(False) < 35
    assert outcomes(1) == first != outcomes(2)


def test_the_clock_can_jump_in_mid_run(api, sandbox):
    sandbox.add_fault(match="POST", advance=3601)
    assert code(write(api, "ada@example.com")) == "602"
    sign_in(api)
    api.post("/_sandbox/clock", json={"advance": -7200})
    assert token(api)["expires_in"] > 7000


def test_a_token_can_be_at_its_end(api, sandbox):
    api.post("/_sandbox/switches", json={"expires_in": 0})
    dying = token(api)
    assert dying["expires_in"] == 0
    api.headers["Authorization"] = f"Bearer {dying['access_token']}"
    assert code(api.get(DESCRIBE).json()) == "602"
    api.post("/_sandbox/switches", json={"expires_in": None})
    assert token(api)["expires_in"] > 3500


def test_the_quota_can_be_nearly_spent(api, sandbox):
    reseed(sandbox, api, daily=10, used=9)
    usage = api.get("/rest/v1/stats/usage.json").json()["result"][0]
    assert (usage["total"], len(usage["users"])) == (10, 2)
    assert code(api.get(DESCRIBE).json()) == "607"
    assert sandbox.statistics()["calls"] == 1


# Statistics ---------------------------------------------------------------------------------------------------------


def test_it_tells_what_clients_used(api, sandbox):
    write(api, "ada@example.com")
    sandbox.advance(30)
    for _ in range(3):
        api.get(DESCRIBE)
    api.get("/rest/v1/nothing.json")
    sandbox.add_fault(error="604")
    api.get(DESCRIBE)
    assert api.get("/_sandbox/statistics").json() == {
        "duplicates": [], "overlapping_keys": [], "calls": 4, "window": 20.0, "most_in_window": 3,
        "most_in_flight": 1, "errors": {"610": 1, "604": 1},
    }  # fmt: skip


def test_it_tells_which_keys_two_calls_had_at_once(api, sandbox):
    reseed(sandbox, api, latency={"write": 1})
    meeting = threading.Barrier(2)
    sandbox.pause = lambda _: meeting.wait(5)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda other: write(api, "Ada@example.com", other), ["b@example.com", "c@example.com"]))
    told = sandbox.statistics()
    assert told["overlapping_keys"] == told_with_field(told["duplicates"]) == ["email:ada@example.com"]
    assert told["most_in_flight"] == 2
    sandbox.pause = lambda _: None
    write(api, "b@example.com")
    assert sandbox.statistics()["overlapping_keys"] == ["email:ada@example.com"]


def told_with_field(emails):
    return [f"email:{email}" for email in emails]


# Time ---------------------------------------------------------------------------------------------------------------


def test_one_factor_makes_all_of_its_time_faster(api, sandbox):
    reseed(sandbox, api, speed=10, latency=5, rate={"calls": 1})
    waited = []
    sandbox.pause = waited.append
    assert 350 <= token(api)["expires_in"] <= 360
    write(api, "ada@example.com")
    assert waited == [0.5]
    refused = api.get(DESCRIBE).json()
    assert refused["errors"][0]["message"] == "Max rate limit '1' exceeded with in '20' secs"
    sandbox.advance(2.1)
    assert api.get(DESCRIBE).json()["success"]
    assert sandbox.statistics()["window"] == 2.0
    with pytest.raises(ValueError, match="speed"):
        MarketoSandbox(seed={"speed": 0})


def test_calls_can_take_the_time_that_recordings_show(api, sandbox):
    waited = []
    sandbox.pause = waited.append
    reseed(sandbox, api, latency="recorded", leads=[{"email": "ada@example.com"}])
    api.get(DESCRIBE)
    api.post("/rest/v1/lists/1001/leads.json", params={"id": "1"})
    assert waited == [0.4, 0.45]
    times = [sandbox._latency.of("write") for _ in range(400)]
    assert 0.4 <= min(times) < 0.7 and 1.6 < max(times) <= 1.8
    assert 1.1 < sum(times) / 400 < 1.3
    sandbox.reset()
    assert [sandbox._latency.of("write") for _ in range(400)] == times


def test_each_kind_of_call_can_have_its_time(sandbox):
    latency = Latency({"latency": {"read": 1, "write": 2}}, sandbox.random)
    assert [latency.of(kind) for kind in ("read", "write", "list")] == [1, 2, 2]


# Seeds from files ---------------------------------------------------------------------------------------------------


def test_a_csv_is_a_seed_of_leads(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("id,email,eventScore,consentGiven\n7,ada@example.com,5,true\n,bob@example.com,,\n", "utf-8-sig")
    seed = read_seed(path, MarketoSandbox.people)
    assert seed["leads"][1] == {"email": "bob@example.com"}
    leads = MarketoSandbox(seed=seed).state()["leads"]
    assert [(lead["id"], lead["email"], lead.get("eventScore"), lead.get("consentGiven")) for lead in leads] == [
        (7, "ada@example.com", 5, True), (8, "bob@example.com", None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [("s.yaml", "daily: 5\n"), ("s.json", '{"daily": 5}'), ("s.yml", "")])
def test_a_seed_may_be_yaml_or_json(tmp_path, name, text):
    (tmp_path / name).write_text(text, "utf-8")
    assert read_seed(tmp_path / name) == ({"daily": 5} if text else {})


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("s.yaml", "a: [", "not YAML"),
        ("s.yaml", "- 1", "a seed is a mapping"),
        ("s.csv", "email\na@example.com\n", "takes no CSV"),
    ],
)
def test_a_file_that_is_no_seed_is_refused(tmp_path, name, text, told):
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(ValueError, match=told):
        read_seed(tmp_path / name)


def test_a_seed_with_a_value_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="'high' in the field eventScore"):
        MarketoSandbox(seed={"leads": [{"email": "ada@example.com", "eventScore": "high"}]})
