"""Configuration, signing in, tokens, and what a call that fails as a whole means."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from engine_marketo import register_vendors
from engine_marketo.vendor import MarketoVendor
from jsonschema import Draft202012Validator

from engine.adapters import Context
from engine.errors import CredentialsError, NoAnswer, RetryLater, SpecError, VendorUnavailable

IDENTITY = "oauth/token"
SYNC = "POST /rest/v1/leads.json"


def test_the_plugin_offers_the_vendor():
    assert register_vendors() == [MarketoVendor]


def test_the_schema_is_valid_and_explains_every_key():
    schema = MarketoVendor.config_schema
    Draft202012Validator.check_schema(schema)
    nested = schema["properties"]["limits"]["properties"]
    for field in [*schema["properties"].values(), *nested.values()]:
        assert field["title"] and field["description"] and field["examples"]


@pytest.mark.parametrize("ending", ["", "/", "/rest", "/rest/", "/rest/v1", "/identity"])
def test_the_address_may_be_copied_with_any_ending(connect, sandbox, ending):
    vendor = connect(base_url=sandbox.url + ending)
    vendor.connect()
    assert vendor.fields()


def test_the_account_names_the_host_and_on_this_machine_the_port(connect, sandbox):
    assert connect(base_url="https://123-ABC-456.mktorest.com/rest").account == "marketo:123-abc-456.mktorest.com"
    assert connect().account == f"marketo:127.0.0.1:{sandbox.port}"


def test_limits_are_the_vendors_and_can_be_lowered(connect):
    assert (connect().limits.calls, connect().limits.window, connect().limits.concurrency) == (100, 20, 10)
    assert (connect().limits.daily, connect().limits.batch_size) == (50_000, 300)
    lowered = connect(limits={"calls": None, "concurrency": 2, "daily": 1000, "batch_size": 50}).limits
    assert (lowered.calls, lowered.concurrency, lowered.daily, lowered.batch_size) == (None, 2, 1000, 50)


def test_settling_takes_longer_than_the_vendor_works_on_a_write(connect):
    assert connect().settle_after == 100
    assert connect(settle_after=5).settle_after == 5


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


def test_a_wrong_address_is_said_to_be_wrong(connect, sandbox):
    sandbox.add_fault(match="describe", error="610")
    with pytest.raises(SpecError, match="base_url"):
        connect().fields()


def test_one_token_serves_many_threads(vendor, sandbox):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: vendor.programs(["1107"]), range(8)))
    assert len(sandbox.calls(IDENTITY)) == 1


def test_the_token_is_sent_in_the_header_only(vendor, sandbox):
    vendor.fields()
    assert all("access_token" not in call["query"] for call in sandbox.calls())
    assert all("client_secret" not in call["query"] for call in sandbox.calls(IDENTITY))


def test_the_token_is_renewed_a_minute_before_it_ends(vendor, sandbox):
    vendor.fields()
    sandbox.advance(3530)
    vendor.fields()
    assert len(sandbox.calls(IDENTITY)) == 1
    sandbox.advance(15)
    vendor.fields()
    vendor.fields()  # what is issued in the last minute is the same token, so it is not asked for on every call
    assert len(sandbox.calls(IDENTITY)) == 2
    sandbox.advance(100)
    vendor.fields()
    assert len(sandbox.calls(IDENTITY)) == 3
    assert len(sandbox.calls("describe")) == 5  # no call met a dead token


def test_a_token_about_to_end_is_waited_out(vendor, sandbox, clock):
    vendor.connect()
    sandbox.advance(3599.5)
    vendor.fields()
    assert clock.waits == [1.0]
    assert len(sandbox.calls("describe")) == 1


@pytest.mark.parametrize("code", ["601", "602"])
def test_a_call_that_met_a_dead_token_is_made_again_once(vendor, sandbox, by_email, code):
    sandbox.add_fault(match=SYNC, error=code)
    assert vendor.sync([by_email("ada@example.com")])[0].status == "created"
    sandbox.add_fault(match=SYNC, error=code, times=2)
    with pytest.raises(CredentialsError):
        vendor.sync([by_email("ada@example.com")])
    assert len(sandbox.calls(SYNC)) == 4


def test_tokens_revoked_in_mid_run_are_replaced(vendor, sandbox):
    vendor.fields()
    sandbox.revoke_tokens()
    barrier = threading.Barrier(4)

    def read(_: int) -> int:
        barrier.wait(5)
        return len(vendor.fields())

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(read, range(4)))) == 1


@pytest.mark.parametrize(
    ("code", "error", "after"),
    [
        ("603", CredentialsError, None),
        ("606", RetryLater, 20),
        ("607", VendorUnavailable, None),
        ("608", RetryLater, 10),
        ("615", RetryLater, 1.5),
        ("713", RetryLater, 5),
    ],
)
def test_a_refused_call_says_how_to_recover(vendor, sandbox, by_email, code, error, after):
    sandbox.add_fault(error=code, match="rest/v1", times=2)
    for call in (vendor.fields, lambda: vendor.sync([by_email("ada@example.com")])):
        with pytest.raises(error) as caught:
            call()
        assert not isinstance(caught.value, NoAnswer)
        assert after is None or caught.value.after == after
    assert sandbox.state()["leads"] == []


@pytest.mark.parametrize(
    ("status", "error"), [(401, CredentialsError), (403, CredentialsError), (404, SpecError), (429, RetryLater)]
)
def test_an_http_status_without_an_envelope_says_it_too(vendor, sandbox, by_email, status, error):
    sandbox.add_fault(match=SYNC, status=status, body="<html></html>")
    with pytest.raises(error) as caught:
        vendor.sync([by_email("ada@example.com")])
    assert not isinstance(caught.value, NoAnswer)


def test_a_wrong_identity_address_is_said_to_be_wrong(connect, sandbox):
    sandbox.add_fault(match=IDENTITY, status=404, body="not here")
    with pytest.raises(SpecError, match="base_url"):
        connect(identity_url=sandbox.url + "/identity").connect()


def test_a_service_that_issues_only_dead_tokens_is_left_alone(vendor, sandbox, clock):
    dead = {"access_token": "x", "expires_in": 0}
    sandbox.add_fault(match=IDENTITY, status=200, body=dead, times=-1)
    with pytest.raises(RetryLater):
        vendor.fields()
    assert len(clock.waits) == len(sandbox.calls(IDENTITY)) == 5


UNCLEAR = [
    {"error": "604"},
    {"error": "611"},
    {"error": "502"},
    {"status": 503, "body": "<html>busy</html>"},
    {"empty": True},
    {"truncate": True},
    {"drop": "after"},
    {"status": 200, "body": "null"},
]


@pytest.mark.parametrize("fault", UNCLEAR, ids=str)
def test_a_write_without_a_usable_answer_has_an_unknown_effect(vendor, sandbox, by_email, fault):
    sandbox.add_fault(match=SYNC, **fault)
    with pytest.raises(NoAnswer):
        vendor.sync([by_email("ada@example.com")])
    assert len(sandbox.calls(SYNC)) == 1


@pytest.mark.parametrize("fault", UNCLEAR, ids=str)
def test_a_read_without_a_usable_answer_can_be_repeated(vendor, sandbox, fault):
    sandbox.add_fault(match="describe", **fault)
    with pytest.raises(RetryLater) as caught:
        vendor.fields()
    assert not isinstance(caught.value, NoAnswer)
    assert vendor.fields()


def test_no_token_means_that_a_write_was_not_executed(vendor, sandbox, by_email):
    sandbox.add_fault(match=IDENTITY, drop="before")
    with pytest.raises(RetryLater) as caught:
        vendor.sync([by_email("ada@example.com")])
    assert not isinstance(caught.value, NoAnswer)


def test_nothing_secret_is_logged(sandbox, caplog):
    caplog.set_level(logging.DEBUG, "engine")
    config = {"base_url": sandbox.url, "client_id": "sandbox", "client_secret": "sandbox-secret"}
    vendor = MarketoVendor(config, Context())
    vendor.fields()
    vendor.close()
    assert "request id" in caplog.text
    assert "sandbox-secret" not in caplog.text and ":sb" not in caplog.text
