"""The sandbox's token host: every way to sign in, and what it refuses.

Source: developer.salesforce.com/docs/marketing/pardot/guide/authentication
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

TOKEN = "/services/oauth2/token"
AUTHORIZE = "/services/oauth2/authorize"
ACCOUNT = "/api/v5/objects/account"
CALLBACK = "http://localhost:8765/callback"
CLIENT = {"client_id": "sandbox", "client_secret": "sandbox-secret"}
JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
VERIFIER = "a-verifier-that-is-long-enough-to-be-one-by-the-rules"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


@pytest.fixture
def web(sandbox: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url) as client:
        yield client


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def refusal(answer: httpx.Response) -> tuple[str, str]:
    assert answer.status_code == 400
    return answer.json()["error"], answer.json()["error_description"]


def grant(web: httpx.Client, kind: str, **form: str) -> httpx.Response:
    return web.post(TOKEN, data={"grant_type": kind, **CLIENT, **form})


def works(web: httpx.Client, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}", "Pardot-Business-Unit-Id": "0Uv000000000001CAA"}
    return web.get(ACCOUNT, params={"fields": "id"}, headers=headers).status_code == 200


# Refresh tokens and client credentials ------------------------------------------------------------------------------


def test_a_replaced_refresh_token_serves_once(sandbox: Any, web: httpx.Client) -> None:
    sandbox.switches["rotate_refresh_token"] = True
    fresh = grant(web, "refresh_token", refresh_token="sandbox-refresh").json()["refresh_token"]
    spent = grant(web, "refresh_token", refresh_token="sandbox-refresh")
    assert refusal(spent) == ("invalid_grant", "expired access/refresh token")
    assert works(web, grant(web, "refresh_token", refresh_token=fresh).json()["access_token"])


@pytest.mark.parametrize(
    ("text", "said"), [("new", "token request is already being processed"), ("old", "expired authorization code")]
)
def test_a_refresh_token_that_is_in_use_is_refused(
    sandbox: Any, web: httpx.Client, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    sandbox.switches.update(busy_text=text, latency={"token": 1})
    begun, over = threading.Event(), threading.Event()

    def pause(_: float) -> None:
        begun.set()
        assert over.wait(10)

    monkeypatch.setattr(sandbox, "pause", pause)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(grant, web, "refresh_token", refresh_token="sandbox-refresh")
        assert begun.wait(10)
        second = grant(web, "refresh_token", refresh_token="sandbox-refresh")
        over.set()
        assert first.result().status_code == 200
    assert refusal(second) == ("invalid_grant", said)


def test_a_client_acts_for_its_run_as_user_on_its_own_domain(sandboxes: Any) -> None:
    sandbox = sandboxes(
        clients=[
            {"id": "sandbox", "secret": "sandbox-secret", "user": 2},
            {"id": "nobody", "secret": "x", "run_as": None},
            {"id": "gone", "secret": "x", "run_as": 3},
        ],
        users=[{"id": 2, "email": "b@example.com"}, {"id": 3, "email": "c@example.com", "active": False}],
    )
    with httpx.Client(base_url=sandbox.url) as web:
        assert works(web, grant(web, "client_credentials").json()["access_token"])
        nobody = grant(web, "client_credentials", client_id="nobody", client_secret="x")
        assert refusal(nobody) == ("invalid_grant", "no client credentials user enabled")
        gone = grant(web, "client_credentials", client_id="gone", client_secret="x")
        assert refusal(gone) == ("invalid_grant", "inactive_user")
        sandbox.switches["client_credentials"] = False
        elsewhere = grant(web, "client_credentials")
        assert refusal(elsewhere) == ("invalid_grant", "request not supported on this domain")


def test_wrong_clients_and_other_grants_are_refused(web: httpx.Client) -> None:
    assert refusal(grant(web, "refresh_token", client_id="x")) == ("invalid_client_id", "client identifier invalid")
    assert refusal(grant(web, "password")) == ("unsupported_grant_type", "grant type not supported")
    wrong = grant(web, "client_credentials", client_secret="x")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert web.get(TOKEN).status_code == 404


# JWT bearer ---------------------------------------------------------------------------------------------------------


def pem(key: rsa.RSAPrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app.example.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(datetime(2025, 1, 1, tzinfo=UTC))
    signed = made.not_valid_after(datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=9999)).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def signing(sandboxes: Any, web: httpx.Client, key: rsa.RSAPrivateKey) -> Any:
    """Start a sandbox whose client has the public key, and ask it for a token by a signed assertion."""

    def start(public_key: str, **client: Any) -> tuple[Any, Any]:
        given = {"id": "sandbox", "secret": "sandbox-secret", "public_key": public_key, **client}
        sandbox = sandboxes(clients=[given, {"id": "keyless", "secret": "x"}])

        def ask(signer: Any = key, algorithm: str = "RS256", **changes: Any) -> httpx.Response:
            claims = {"iss": "sandbox", "sub": "integration@example.com", "aud": sandbox.url}
            claims["exp"] = int(sandbox.now()) + 180
            assertion = jwt.encode({**claims, **changes}, signer, algorithm=algorithm)
            return web.post(sandbox.url + TOKEN, data={"grant_type": JWT, "assertion": assertion})

        return sandbox, ask

    return start


@pytest.mark.parametrize("form", [pem, certificate])
def test_a_signed_assertion_is_worth_a_token(signing: Any, key: rsa.RSAPrivateKey, form: Any) -> None:
    sandbox, ask = signing(form(key))
    answer = ask().json()
    assert "refresh_token" not in answer
    with httpx.Client(base_url=sandbox.url) as web:
        assert works(web, answer["access_token"])
    assert ask(aud="https://login.salesforce.com").status_code == 200


def test_an_assertion_has_to_be_right_in_everything(signing: Any, web: httpx.Client, key: rsa.RSAPrivateKey) -> None:
    sandbox, ask = signing(pem(key), approved=["integration@example.com"])
    now = int(sandbox.now())
    invalid = ("invalid_grant", "invalid assertion")
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert refusal(ask(signer=other)) == invalid
    assert refusal(ask(signer="a secret that is known to both sides", algorithm="HS256")) == invalid
    assert refusal(ask(exp=now - 60)) == refusal(ask(exp=now + 3600)) == refusal(ask(exp=None)) == invalid
    assert refusal(ask(iss="keyless")) == invalid
    assert refusal(ask(iss="x")) == ("invalid_client_id", "client identifier invalid")
    assert refusal(ask(aud="https://test.salesforce.com")) == ("invalid_grant", "audience is invalid")
    unapproved = ("invalid_grant", "user hasn't approved this consumer")
    assert refusal(ask(sub="sales@example.com")) == refusal(ask(sub="who@example.com")) == unapproved
    garbled = web.post(sandbox.url + TOKEN, data={"grant_type": JWT, "assertion": "x.y.z"})
    assert refusal(garbled) == invalid


def test_assertions_are_read_by_the_sandboxs_clock(signing: Any, key: rsa.RSAPrivateKey) -> None:
    sandbox, ask = signing(pem(key))
    ends = int(sandbox.now()) + 180
    sandbox.advance(600)
    assert refusal(ask(exp=ends)) == ("invalid_grant", "invalid assertion")
    assert ask().status_code == 200


# The web server flow ------------------------------------------------------------------------------------------------


def authorize(web: httpx.Client, **changes: str | None) -> httpx.Response:
    asked = {"response_type": "code", "client_id": "sandbox", "redirect_uri": CALLBACK, "state": "abc",
             "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes}  # fmt: skip
    return web.get(AUTHORIZE, params={name: value for name, value in asked.items() if value is not None})


def came_back(answer: httpx.Response) -> dict[str, str]:
    """What the browser brings back to the app."""
    assert answer.status_code == 302
    address = urlsplit(answer.headers["location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == CALLBACK
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def exchange(web: httpx.Client, code: str, **form: str) -> httpx.Response:
    given = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **form}
    return grant(web, "authorization_code", **given)


def test_a_code_is_exchanged_once(web: httpx.Client) -> None:
    back = came_back(authorize(web))
    assert back["state"] == "abc"
    tokens = exchange(web, back["code"]).json()
    assert works(web, tokens["access_token"])
    assert works(web, grant(web, "refresh_token", refresh_token=tokens["refresh_token"]).json()["access_token"])
    assert refusal(exchange(web, back["code"])) == ("invalid_grant", "invalid authorization code")


def test_a_code_needs_its_verifier_its_address_and_its_time(sandbox: Any, web: httpx.Client) -> None:
    def code() -> str:
        return came_back(authorize(web))["code"]

    assert refusal(exchange(web, code(), code_verifier="x")) == ("invalid_grant", "invalid code verifier")
    mismatch = ("redirect_uri_mismatch", "redirect_uri must match configuration")
    assert refusal(exchange(web, code(), redirect_uri="http://localhost:1/callback")) == mismatch
    late = code()
    sandbox.advance(16 * 60)
    assert refusal(exchange(web, late)) == ("invalid_grant", "expired authorization code")


def test_nobody_is_sent_to_an_unknown_address(web: httpx.Client) -> None:
    assert refusal(authorize(web, redirect_uri="https://evil.example.com/"))[0] == "redirect_uri_mismatch"
    assert refusal(authorize(web, client_id="x"))[0] == "invalid_client_id"


def test_people_may_refuse_and_may_be_asked(sandbox: Any, web: httpx.Client) -> None:
    sandbox.switches["authorize"] = "deny"
    denied = {"error": "access_denied", "error_description": "end-user denied authorization", "state": "abc"}
    assert came_back(authorize(web)) == denied
    sandbox.switches["authorize"] = "page"
    page = authorize(web)
    assert page.headers["content-type"].startswith("text/html")
    assert "Allow access?" in page.text
    assert came_back(authorize(web, decision="deny")) == denied
    assert exchange(web, came_back(authorize(web, decision="allow"))["code"]).status_code == 200


def test_an_app_gets_the_scope_that_it_asks_for_and_may_have(web: httpx.Client) -> None:
    tokens = exchange(web, came_back(authorize(web, scope="refresh_token"))["code"]).json()
    assert tokens["scope"] == "refresh_token"
    assert not works(web, tokens["access_token"])
    only = exchange(web, came_back(authorize(web, scope="pardot_api"))["code"]).json()
    assert "refresh_token" not in only
    assert works(web, only["access_token"])
    assert came_back(authorize(web, scope="full"))["error"] == "invalid_scope"
    assert came_back(authorize(web, response_type="token"))["error"] == "unsupported_response_type"


def test_an_app_may_need_pkce_and_no_secret(sandboxes: Any) -> None:
    app = {"id": "sandbox", "require_secret": False, "require_pkce": True, "redirect_uris": [CALLBACK]}
    sandbox = sandboxes(clients=[app])
    with httpx.Client(base_url=sandbox.url) as web:
        assert came_back(authorize(web, code_challenge=None))["error"] == "invalid_request"
        assert refusal(authorize(web, redirect_uri="http://localhost:1/"))[0] == "redirect_uri_mismatch"
        assert exchange(web, came_back(authorize(web))["code"], client_secret="").status_code == 200
        assert grant(web, "client_credentials", client_secret="x").status_code == 401


def test_a_revoked_consent_ends_its_tokens(web: httpx.Client) -> None:
    tokens = exchange(web, came_back(authorize(web))["code"]).json()
    other = grant(web, "refresh_token", refresh_token="sandbox-refresh").json()["access_token"]
    assert web.post("/services/oauth2/revoke", data={"token": other}).status_code == 200
    assert not works(web, other)
    assert works(web, tokens["access_token"])
    assert web.get("/services/oauth2/revoke", params={"token": tokens["refresh_token"]}).status_code == 200
    assert not works(web, tokens["access_token"])
    assert web.post("/services/oauth2/revoke", data={"token": "x"}).json()["error"] == "invalid_token"
