"""Signing in, tokens, and what a call that fails as a whole means."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from engine_marketo.errors import Refused
from engine_marketo.vendor import MarketoVendor

from engine.adapters import Context
from engine.errors import CredentialsError, NoAnswer, RetryLater, SpecError, VendorUnavailable

IDENTITY = "oauth/token"
SYNC = "POST /rest/v1/leads.json"
LEADS = "/rest/v1/leads.json"
ADA = b'{"input":[{"email":"ada@example.com"}]}'
DESCRIBE = "/rest/v1/leads/describe.json"


@pytest.mark.parametrize("wrong", [{"client_id": "nobody"}, {"client_secret": "wrong-secret"}])
def test_bad_credentials_cost_one_call_and_name_the_settings(connect, sandbox, wrong):
    with pytest.raises(CredentialsError) as caught:
        connect(**wrong).connect()
    assert "destination.config.client_id / client_secret" in str(caught.value)
    assert caught.value.fix
    assert "wrong-secret" not in str(caught.value)
    assert len(sandbox.calls()) == 1


def test_a_service_that_is_down_can_be_asked_again(connect, sandbox):
    sandbox.add_fault(match=IDENTITY, status=503)
    with pytest.raises(RetryLater):
        connect().connect()


def test_a_wrong_address_is_said_to_be_wrong(client, sandbox):
    sandbox.add_fault(match="describe", error="610")
    with pytest.raises(SpecError, match="base_url"):
        client.read(DESCRIBE)


def test_connecting_takes_a_token_and_one_counted_call(vendor, sandbox):
    vendor.connect()
    assert [call["request"] for call in sandbox.calls()] == [
        "POST /identity/oauth/token",
        "GET /rest/v1/stats/usage.json",
    ]


def test_one_token_serves_many_threads(client, sandbox):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.read(DESCRIBE), range(8)))
    assert len(sandbox.calls(IDENTITY)) == 1


def test_the_token_is_sent_in_the_header_only(vendor, sandbox):
    vendor.fields()
    assert all("access_token" not in call["query"] for call in sandbox.calls())
    assert all("client_secret" not in call["query"] for call in sandbox.calls(IDENTITY))


def test_the_token_is_renewed_a_minute_before_it_ends(client, sandbox):
    client.read(DESCRIBE)
    sandbox.advance(3530)
    client.read(DESCRIBE)
    assert len(sandbox.calls(IDENTITY)) == 1
    sandbox.advance(15)
    client.read(DESCRIBE)
    client.read(DESCRIBE)  # what is issued in the last minute is the same token, so it is not asked for on every call
    assert len(sandbox.calls(IDENTITY)) == 2
    sandbox.advance(100)
    client.read(DESCRIBE)
    assert len(sandbox.calls(IDENTITY)) == 3
    assert len(sandbox.calls("describe")) == 5  # no call met a dead token


@pytest.mark.parametrize(("lifetime", "wait"), [(0, 1.0), (1, 2.0), (None, 1.0), ("soon", 1.0), (-5, 1.0)])
def test_a_token_about_to_end_is_waited_out(client, sandbox, clock, lifetime, wait):
    sandbox.add_fault(match=IDENTITY, body={"access_token": "dying", "expires_in": lifetime})
    client.read(DESCRIBE)
    assert clock.waits == [wait]
    assert len(sandbox.calls("describe")) == 1


def test_a_lifetime_as_text_is_read(client, sandbox):
    sandbox.add_fault(match=IDENTITY, body={"access_token": "odd", "expires_in": "3599"})
    client.read(DESCRIBE)  # the sandbox does not know that token, so another is fetched
    assert len(sandbox.calls(IDENTITY)) == 2


DEAD = [{"error": "600"}, {"error": "601"}, {"error": "602"}, {"status": 401, "body": "<html>401</html>"}]


@pytest.mark.parametrize("fault", DEAD, ids=str)
def test_a_call_that_met_a_dead_token_is_made_again_once(client, sandbox, fault):
    sandbox.add_fault(match=SYNC, **fault)
    assert client.write(LEADS, ADA)["result"][0]["status"] == "created"
    assert len(sandbox.calls(SYNC)) == len(sandbox.calls(IDENTITY)) == 2


@pytest.mark.parametrize("fault", DEAD, ids=str)
def test_a_call_whose_new_token_is_refused_too_was_not_executed(client, sandbox, fault):
    sandbox.add_fault(match=SYNC, times=2, **fault)
    with pytest.raises(RetryLater) as caught:
        client.write(LEADS, ADA)
    assert not isinstance(caught.value, NoAnswer)
    assert caught.value.after == 1
    assert len(sandbox.calls(SYNC)) == 2
    assert sandbox.state()["leads"] == []


def test_tokens_that_are_refused_five_calls_in_a_row_are_a_matter_of_credentials(client, sandbox):
    def refused() -> None:
        with pytest.raises(RetryLater) as caught:
            client.read(DESCRIBE)
        sandbox.advance(caught.value.after)

    sandbox.add_fault(match="describe", error="601", times=8)
    for _ in range(4):
        refused()
    client.read(DESCRIBE)
    sandbox.add_fault(match="describe", error="601", times=-1)
    for _ in range(4):
        refused()
    with pytest.raises(CredentialsError, match="custom service"):
        client.read(DESCRIBE)


def test_calls_under_way_together_that_lose_their_token_are_no_row_of_refusals(client, sandbox):
    sandbox.add_fault(match="describe", error="601", times=20)
    barrier = threading.Barrier(10)

    def read(_: int) -> bool:
        barrier.wait(5)
        with pytest.raises(RetryLater):
            client.read(DESCRIBE)
        return True

    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(read, range(10)))


def test_a_permission_that_is_missing_costs_one_call(client, sandbox):
    sandbox.add_fault(match="describe", error="603")
    with pytest.raises(CredentialsError, match="Read-Write Lead"):
        client.read(DESCRIBE)
    assert len(sandbox.calls("describe")) == len(sandbox.calls(IDENTITY)) == 1


def test_tokens_revoked_in_mid_run_are_replaced(vendor, sandbox):
    vendor.fields()
    sandbox.revoke_tokens()
    barrier = threading.Barrier(4)

    def read(_: int) -> int:
        barrier.wait(5)
        return len(vendor.programs(["1107"]))

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(read, range(4)))) == 1


@pytest.mark.parametrize(
    ("code", "error", "after"),
    [
        ("603", CredentialsError, None),
        ("606", RetryLater, 20),
        ("607", VendorUnavailable, None),
        ("608", RetryLater, 10),
        ("614", RetryLater, 30),
        ("713", RetryLater, 5),
        ("1016", RetryLater, 60),
        ("1019", RetryLater, 60),
        ("1020", VendorUnavailable, None),
        ("1029", RetryLater, 60),
    ],
)
def test_a_refused_call_says_how_to_recover(client, sandbox, code, error, after):
    sandbox.add_fault(error=code, match="rest/v1", times=2)
    for call in (lambda: client.read(DESCRIBE), lambda: client.write(LEADS, ADA)):
        with pytest.raises(error) as caught:
            call()
        assert not isinstance(caught.value, NoAnswer)
        assert after is None or caught.value.after == after
    assert sandbox.state()["leads"] == []


@pytest.mark.parametrize(
    ("status", "error"), [(403, CredentialsError), (404, SpecError), (413, Refused), (429, RetryLater)]
)
def test_an_http_status_without_an_envelope_says_it_too(client, sandbox, status, error):
    sandbox.add_fault(match=SYNC, status=status, body="<html></html>")
    with pytest.raises(error) as caught:
        client.write(LEADS, ADA)
    assert not isinstance(caught.value, NoAnswer)


@pytest.mark.parametrize(
    "body", [{"success": False}, {"success": False, "errors": []}, {"success": False, "errors": [{}]}], ids=str
)
def test_a_refusal_without_a_reason_says_nothing_of_what_was_done(client, sandbox, body):
    sandbox.add_fault(match="leads.json", body=body, times=2)
    with pytest.raises(NoAnswer):
        client.write("/rest/v1/leads.json", b"{}")
    with pytest.raises(RetryLater):
        client.read("/rest/v1/leads.json")


ODD = [
    {"success": False, "errors": {"code": 1234, "message": "odd"}},
    {"success": False, "errors": [{"code": 1234, "message": "odd"}, {"code": "606"}]},
]


@pytest.mark.parametrize("body", ODD, ids=str)
def test_a_refusal_in_an_odd_shape_is_a_refusal(client, sandbox, body):
    sandbox.add_fault(match="describe", body=body)
    with pytest.raises(Refused) as caught:
        client.read(DESCRIBE)
    assert caught.value.reason.code == "1234"


def test_a_wrong_identity_address_is_said_to_be_wrong(connect, sandbox):
    sandbox.add_fault(match=IDENTITY, status=404, body="not here")
    with pytest.raises(SpecError, match="base_url"):
        connect(identity_url=sandbox.url + "/identity").connect()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, "<html></html>", CredentialsError),
        (400, {"error": "invalid_client", "error_description": "Bad client credentials"}, CredentialsError),
        (200, {"error": "unauthorized"}, CredentialsError),
        (400, {"error": "server_error"}, RetryLater),
        (403, "<html></html>", RetryLater),
        (429, "", RetryLater),
        (500, {"error": "internal"}, RetryLater),
        (200, "", RetryLater),
        (200, None, RetryLater),
        (200, {"expires_in": 3599}, RetryLater),
    ],
)
def test_only_refused_credentials_are_a_matter_of_credentials(connect, sandbox, status, body, error):
    sandbox.add_fault(match=IDENTITY, status=status, body=body)
    with pytest.raises(error):
        connect().connect()
    assert len(sandbox.calls()) == 1


def test_a_service_that_issues_only_dead_tokens_is_left_alone(vendor, sandbox, clock):
    dead = {"access_token": "x", "expires_in": 0}
    sandbox.add_fault(match=IDENTITY, status=200, body=dead, times=-1)
    with pytest.raises(RetryLater):
        vendor.connect()
    assert len(clock.waits) == len(sandbox.calls(IDENTITY)) == 5


UNCLEAR = [
    {"error": "604"},
    {"error": "611"},
    {"error": "502"},
    {"status": 503, "body": "<html>busy</html>"},
    {"empty": True},
    {"truncate": True},
    {"drop": "after"},
    {"body": None},
    {"body": "<html>200</html>"},
    {"body": {"result": []}},
]


@pytest.mark.parametrize("fault", UNCLEAR, ids=str)
def test_a_write_without_a_usable_answer_has_an_unknown_effect(client, sandbox, fault):
    sandbox.add_fault(match=SYNC, **fault)
    with pytest.raises(NoAnswer):
        client.write(LEADS, ADA)
    assert len(sandbox.calls(SYNC)) == 1


@pytest.mark.parametrize("fault", UNCLEAR, ids=str)
def test_a_read_without_a_usable_answer_can_be_repeated(client, sandbox, fault):
    sandbox.add_fault(match="describe", **fault)
    with pytest.raises(RetryLater) as caught:
        client.read(DESCRIBE)
    assert not isinstance(caught.value, NoAnswer)
    assert client.read(DESCRIBE)["result"]


def test_no_token_means_that_a_write_was_not_executed(client, sandbox):
    sandbox.add_fault(match=IDENTITY, drop="before")
    with pytest.raises(RetryLater) as caught:
        client.write(LEADS, ADA)
    assert not isinstance(caught.value, NoAnswer)


def test_nothing_secret_is_logged(sandbox, caplog):
    caplog.set_level(logging.DEBUG, "engine")
    config = {"base_url": sandbox.url, "client_id": "sandbox", "client_secret": "sandbox-secret"}
    vendor = MarketoVendor(config, Context())
    vendor.fields()
    vendor.close()
    assert "request id" in caplog.text
    assert "sandbox-secret" not in caplog.text and ":sb" not in caplog.text
