"""Signing in, tokens that end in the middle of a run, and refusals that name the setting to correct."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from engine.errors import CredentialsError, NoAnswer, RetryLater
from engine.http import Http


def test_signing_in_is_one_call_to_salesforce(sandbox: Any, vendor: Any) -> None:
    vendor.connect()
    assert [each["request"] for each in sandbox.calls("oauth2")] == ["POST /services/oauth2/token"]


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"client_id": "nobody"}, "client_id"),
        ({"client_secret": "wrong"}, "client_secret"),
        ({"refresh_token": "revoked"}, "refresh_token"),
    ],
)
def test_a_refusal_names_the_setting_and_costs_one_call(
    sandbox: Any, vendors: Any, changes: dict[str, str], setting: str
) -> None:
    with pytest.raises(CredentialsError) as refused:
        vendors(sandbox, **changes).connect()
    assert refused.value.where == f"destination.config.{setting}"
    assert not any(value in str(refused.value) for value in changes.values() if value != "nobody")
    assert len(sandbox.journal) == 1


def test_a_host_that_refuses_client_credentials_is_named(sandbox: Any, vendor: Any) -> None:
    sandbox.switches["client_credentials"] = False
    with pytest.raises(CredentialsError, match=r"my\.salesforce\.com") as refused:
        vendor.connect()
    assert refused.value.where == "destination.config.token_url"


def test_a_page_instead_of_a_token_host_is_named(sandbox: Any, vendor: Any) -> None:
    sandbox.add_fault(match="token", error="404")
    with pytest.raises(CredentialsError) as refused:
        vendor.connect()
    assert refused.value.where == "destination.config.token_url"


def test_a_refresh_that_meets_another_waits_and_succeeds(sandbox: Any, vendors: Any, waits: list[float]) -> None:
    busy = {"error": "invalid_grant", "error_description": "token request is already being processed"}
    sandbox.add_fault(match="token", status=400, body=busy, times=2)
    vendors(sandbox, refresh_token="sandbox-refresh").connect()
    assert waits == [1.0, 2.0]


@pytest.mark.parametrize("fault", [{"error": "503"}, {"drop": "before"}, {"truncate": True}])
def test_a_token_host_that_is_down_can_be_asked_later(
    sandbox: Any, vendor: Any, delivery: Any, fault: dict[str, Any]
) -> None:
    sandbox.add_fault(match="token", times=-1, **fault)
    with pytest.raises(RetryLater) as later:
        vendor.sync([delivery()])
    assert not isinstance(later.value, NoAnswer)
    assert sandbox.state()["prospects"] == []


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize("refresh_token", [None, "sandbox-refresh"])
def test_a_token_that_ends_is_renewed_once_and_nobody_notices(
    sandbox: Any, vendors: Any, delivery: Any, form: str, refresh_token: str | None
) -> None:
    vendor = vendors(sandbox, refresh_token=refresh_token)
    sandbox.switches["auth_error_format"] = form
    vendor.sync([delivery()])
    sandbox.advance(7201)
    assert vendor.sync([delivery()])[0].status == "updated"
    assert sandbox.state()["counts"]["tokens"] == 2


def test_a_401_without_a_code_renews_the_token_as_well(sandbox: Any, vendor: Any, delivery: Any) -> None:
    sandbox.add_fault(match="upsert", error="401")
    assert vendor.sync([delivery()])[0].status == "created"


def test_five_threads_renew_a_token_once_between_them(sandbox: Any, vendor: Any, delivery: Any) -> None:
    vendor.connect()
    sandbox.switches["latency"] = 0.03
    sandbox.tokens.expire()
    with ThreadPoolExecutor(5) as pool:
        outcomes = list(pool.map(lambda n: vendor.sync([delivery(f"p{n}@example.com")])[0], range(5)))
    assert {each.status for each in outcomes} == {"created"}
    assert sandbox.state()["counts"]["tokens"] == 2


def test_a_revoked_refresh_token_stops_the_run_with_one_refusal(sandbox: Any, vendors: Any, delivery: Any) -> None:
    vendor = vendors(sandbox, refresh_token="sandbox-refresh")
    vendor.connect()
    admin = Http(sandbox.url)
    assert admin.send("POST", "/services/oauth2/revoke", form={"token": "sandbox-refresh"}).status == 200
    admin.close()
    for _ in range(3):
        with pytest.raises(CredentialsError) as refused:
            vendor.sync([delivery()])
        assert refused.value.where == "destination.config.refresh_token"
    assert len(sandbox.calls("oauth2/token")) == 2
    assert sandbox.state()["prospects"] == []


def test_a_private_key_signs_in_as_its_user(sandboxes: Any, vendors: Any, delivery: Any) -> None:
    made = rsa.generate_private_key(65537, 2048)
    pem, key_format = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = made.private_bytes(pem, key_format, serialization.NoEncryption()).decode()
    public = made.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    client = {"id": "sandbox", "secret": "sandbox-secret", "public_key": public}
    sandbox = sandboxes(clients=[client])
    given = {"private_key": private, "client_secret": None}
    vendor = vendors(sandbox, **given, username="integration@example.com")
    assert vendor.sync([delivery()])[0].status == "created"
    sandbox.advance(7201)
    assert vendor.sync([delivery()])[0].status == "updated"
    with pytest.raises(CredentialsError, match="approved") as refused:
        vendors(sandbox, **given, username="nobody@example.com").connect()
    assert refused.value.where == "destination.config.username"


def test_a_replaced_refresh_token_is_used_and_reported(
    sandbox: Any, vendors: Any, delivery: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.switches["rotate_refresh_token"] = True
    vendor = vendors(sandbox, refresh_token="sandbox-refresh")
    with caplog.at_level(logging.WARNING):
        vendor.connect()
        sandbox.tokens.expire()
        assert vendor.sync([delivery()])[0].status == "created"
    assert "replaced the refresh token" in caplog.text
    assert "5Aep861" not in caplog.text


def test_a_token_without_the_scope_stops_the_run(sandboxes: Any, vendors: Any, delivery: Any) -> None:
    sandbox = sandboxes(clients=[{"id": "sandbox", "secret": "sandbox-secret", "scope": "refresh_token"}])
    with pytest.raises(CredentialsError, match="pardot_api") as refused:
        vendors(sandbox).sync([delivery()])
    assert refused.value.where == "destination.config.client_id"
    assert len(sandbox.calls("upsert")) == 2


def test_a_user_outside_the_business_unit_stops_the_run(sandboxes: Any, vendors: Any, delivery: Any) -> None:
    sandbox = sandboxes(users=[{"id": 1, "email": "integration@example.com", "business_units": []}])
    with pytest.raises(CredentialsError, match="code 49") as refused:
        vendors(sandbox).sync([delivery()])
    assert refused.value.where == "destination.config.business_unit_id"


@pytest.mark.parametrize("form", ["json", "xml"])
def test_a_wrong_business_unit_may_be_a_wrong_host(sandbox: Any, vendors: Any, delivery: Any, form: str) -> None:
    sandbox.switches["auth_error_format"] = form
    vendor = vendors(sandbox, business_unit_id="0Uv000000000009CAA")
    with pytest.raises(CredentialsError, match="business_unit_id") as refused:
        vendor.sync([delivery()])
    assert refused.value.where == "destination.config.base_url"


@pytest.mark.parametrize("code", ["46", "53", "76", "126", "199", "403"])
def test_a_missing_permission_stops_the_run(sandbox: Any, vendor: Any, delivery: Any, code: str) -> None:
    sandbox.add_fault(match="upsert", error=code)
    with pytest.raises(CredentialsError, match="does not permit"):
        vendor.sync([delivery()])


def test_the_field_list_needs_an_ability_of_its_own(sandboxes: Any, vendors: Any) -> None:
    user = {"id": 1, "email": "integration@example.com", "abilities": ["view", "create"]}
    with pytest.raises(CredentialsError, match="configure_fields"):
        vendors(sandboxes(users=[user])).fields()
