"""The configuration: what may be set, what is taken where nothing is, and addresses copied from Marketo's pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from engine_marketo import register_vendors
from engine_marketo.config import Settings
from engine_marketo.vendor import MarketoVendor
from jsonschema import Draft202012Validator, ValidationError

from engine.errors import SpecError

REQUIRED = {"base_url": "https://123-ABC-456.mktorest.com", "client_id": "id", "client_secret": "secret"}


def settings(**config: Any) -> Settings:
    return Settings.read({**REQUIRED, **config})


def keys(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, field in schema["properties"].items():
        yield name, field
        if "properties" in field:
            yield from keys(field)


def test_the_plugin_offers_the_vendor():
    assert register_vendors() == [MarketoVendor]


def test_the_schema_is_valid_and_explains_every_key():
    schema = MarketoVendor.config_schema
    Draft202012Validator.check_schema(schema)
    for name, field in keys(schema):
        assert field["title"] and field["description"] and field["examples"], name
        for example in field["examples"]:
            if not isinstance(example, dict) or "env" not in example:
                Draft202012Validator(field).validate(example)
        if "default" in field:
            Draft202012Validator(field).validate(field["default"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"bulk": {"imports": 11}},
        {"bulk": {"imports": 0}},
        {"limits": {"batch_size": 301}},
        {"limits": {"alert": 80}},
        {"limits": {"reserve": -1}},
        {"company_fields": "drop"},
        {"partition": ""},
        {"partitions": "Default"},
    ],
    ids=str,
)
def test_what_marketo_does_not_allow_is_refused_by_the_schema(wrong):
    with pytest.raises(ValidationError):
        Draft202012Validator(MarketoVendor.config_schema).validate({**REQUIRED, **wrong})


@pytest.mark.parametrize("ending", ["", "/", "/rest", "/rest/", "/rest/v1", "/identity", "/identity/oauth/token", " "])
def test_an_address_may_be_copied_with_any_ending(connect, sandbox, ending):
    vendor = connect(base_url=sandbox.url + ending, identity_url=sandbox.url + ending)
    vendor.connect()
    assert vendor.programs(["1107"])
    assert all("//" not in call["request"] for call in sandbox.calls())


def test_the_identity_service_may_have_an_address_of_its_own(connect, sandbox):
    assert settings().token_url == "https://123-ABC-456.mktorest.com/identity/oauth/token"
    connect(identity_url=f"http://localhost:{sandbox.port}/identity").connect()
    apart = settings(identity_url="https://identity.example.com/identity")
    assert apart.token_url == "https://identity.example.com/identity/oauth/token"
    assert apart.account == "marketo:123-abc-456.mktorest.com"


@pytest.mark.parametrize("setting", ["base_url", "identity_url"])
@pytest.mark.parametrize(
    "wrong",
    [
        "123-ABC-456.mktorest.com",
        "https://",
        "http://123-ABC-456.mktorest.com",
        "ftp://123-ABC-456.mktorest.com",
        "https://me:pass-word@123-ABC-456.mktorest.com",
        "https://123-ABC-456.mktorest.com?munchkin=1",
        "https://123-ABC-456.mktorest.com:port",
        "https://123-ABC-456.mktorest.com//rest//v2",
        "https://[::1",
        "/rest",
    ],
)
def test_a_wrong_address_is_named_before_any_call(setting, wrong):
    with pytest.raises(SpecError) as caught:
        settings(**{setting: wrong})
    assert caught.value.where == f"destination.config.{setting}"
    assert "123-ABC-456.mktorest.com" in caught.value.fix
    assert "pass-word" not in str(caught.value)


def test_the_account_names_the_host_and_on_this_machine_the_port(connect, sandbox):
    assert settings(base_url="https://123-ABC-456.mktorest.com/rest").account == "marketo:123-abc-456.mktorest.com"
    assert connect().account == f"marketo:127.0.0.1:{sandbox.port}"


def test_limits_are_the_vendors_and_can_be_lowered():
    limits = settings().limits
    assert (limits.calls, limits.window, limits.concurrency) == (100, 20, 10)
    assert (limits.daily, limits.batch_size, limits.reserve, limits.alert) == (50_000, 300, 0, 0.8)
    lowered = settings(limits={"calls": None, "concurrency": 2, "daily": 1000, "batch_size": 50, "reserve": 9}).limits
    assert (lowered.calls, lowered.concurrency, lowered.daily, lowered.batch_size) == (None, 2, 1000, 50)
    assert lowered.reserve == 9
    assert settings(limits={"alert": None}).limits.alert is None


def test_a_reserve_must_leave_calls():
    with pytest.raises(SpecError, match=r"limits\.reserve"):
        settings(limits={"daily": 500, "reserve": 500})
    assert settings(limits={"daily": None, "reserve": 500}).limits.reserve == 500


def test_the_day_of_the_quota_ends_at_midnight_us_central():
    limits = settings().limits
    assert limits.day(1_767_247_200 - 1) == "2025-12-31"  # 2026-01-01T06:00Z
    assert limits.day(1_767_247_200) == "2026-01-01"
    assert limits.day(1_782_882_000 - 1) == "2026-06-30"  # 2026-07-01T05:00Z: daylight saving
    assert limits.day(1_782_882_000) == "2026-07-01"


def test_an_unanswered_write_is_looked_up_once_it_has_settled_and_can_be_found(connect):
    assert connect().settle_after == 105  # the vendor works on a write for 90 seconds
    assert connect(settle_after=5, read_lag=2).settle_after == 7


def test_bulk_imports_leave_places_to_others(connect):
    assert (settings().bulk.imports, settings().bulk.poll_after, settings().bulk.settle_after) == (5, 10, 3600)
    bulk = connect(bulk={"imports": 2, "poll_after": 1, "settle_after": 30}).bulk
    assert (bulk.places, bulk.poll_after, bulk.settle_after) == (2, 1, 30)


def test_the_partition_must_be_one_that_the_api_user_sees(connect, sandbox):
    sandbox.seed = {"partitions": [{"name": "EMEA"}]}
    sandbox.reset()
    connect(partition="EMEA").connect()
    with pytest.raises(SpecError) as caught:
        connect(partition="emea").connect()
    assert caught.value.where == "destination.config.partition"
    assert "Default, EMEA" in caught.value.why


@pytest.mark.parametrize("code", ["603", "703", "1003"])
def test_a_partition_that_cannot_be_checked_stops_nothing(connect, sandbox, code):
    sandbox.add_fault(match="partitions", error=code)
    connect(partition="EMEA").connect()


def test_partitions_are_not_read_where_none_is_set(vendor, sandbox):
    vendor.connect()
    assert not sandbox.calls("partitions")
