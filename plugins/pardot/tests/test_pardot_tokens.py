"""The three ways to sign in: what is sent, what is kept, and refresh tokens that Salesforce replaces."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from engine_pardot.tokens import Tokens

from engine.adapters import Context
from engine.errors import CredentialsError, RetryLater, SpecError
from engine.http import Http
from engine.redaction import redact
from engine.settings import ReferredSecrets
from engine.testing.server import Request, Response, Sandbox

NOW = 1_790_000_000.0
UNIT = "0Uv000000000001CAA"

#: Signs in again and again, in a process of its own.
REFRESH = """
import sys, time
from pathlib import Path
from engine.adapters import Context
from engine.http import Http
from engine.settings import ReferredSecrets
from engine_pardot.tokens import Tokens

url, path = sys.argv[1:]
secrets = ReferredSecrets({"refresh_token": {"file": path}}, Path(), where="config",
                          sleep=lambda seconds: time.sleep(0.001))
config = {"token_url": url, "business_unit_id": "0Uv000000000001CAA", "client_id": "3MVG9example",
          "refresh_token": secrets.read("refresh_token")}
tokens = Tokens(config, Context(secrets=secrets), Http(url))
for _ in range(10):
    tokens.sign_in()
"""


class Org(Sandbox):
    """Issues access tokens; with `rotate` a refresh token serves once. `forms`: what was sent."""

    def load(self, seed: Mapping[str, Any]) -> None:
        self.forms: list[dict[str, str]] = []
        self.refresh_tokens = {"refresh-0"}
        self.rotate = False
        self.under_way = 0

    def handle(self, request: Request) -> Response:
        form = request.form
        with self.lock:
            self.forms.append(form)
            answer = {
                "access_token": f"00Daccess!{len(self.forms)}",
                "token_type": "Bearer",
                "issued_at": "1790000000000",
            }
            if form["grant_type"] == "refresh_token":
                if form["refresh_token"] not in self.refresh_tokens:
                    expired = {"error": "invalid_grant", "error_description": "expired access/refresh token"}
                    return Response(400, expired)
                if self.rotate:
                    answer["refresh_token"] = f"refresh-{len(self.forms)}"
                    self.refresh_tokens = {answer["refresh_token"]}
        return Response(200, answer)

    def in_use(self, times: int) -> None:
        """Refuse this many requests, as Salesforce does while the refresh token is in use."""
        text = "token request is already being processed"
        self.add_fault(status=400, body={"error": "invalid_grant", "error_description": text}, times=times)


@pytest.fixture(scope="module")
def _org() -> Iterator[Org]:
    with Org() as org:
        yield org


@pytest.fixture
def org(_org: Org) -> Org:
    _org.reset()
    return _org


Build = Callable[..., Tokens]


@pytest.fixture
def build(org: Org, waits: list[float]) -> Iterator[Build]:
    """Build tokens for the org; `context` has fields of the Context, the rest is configuration."""
    with ExitStack() as stack:

        def tokens(*, context: Mapping[str, Any] | None = None, **config: str) -> Tokens:
            http = Http(org.url, timeout=5)
            stack.callback(http.close)
            base = {"token_url": org.url, "business_unit_id": UNIT, "client_id": "3MVG9example"}
            given = Context(**{"now": lambda: NOW, "sleep": waits.append, **(context or {})})
            return Tokens({**base, **config}, given, http)

        yield tokens


@cache
def key(kind: str = "rsa", password: str = "") -> str:
    """A private key in PEM form; made once."""
    made = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    lock = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return made.private_bytes(serialization.Encoding.PEM, form, lock).decode()


def public(private: str) -> str:
    loaded = serialization.load_pem_private_key(private.encode(), None)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return loaded.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


# Client credentials and the private key ------------------------------------------------------------------------


def test_client_credentials_send_the_app_alone(org: Org, build: Build) -> None:
    assert build(client_secret="the-secret").current() == "00Daccess!1"
    assert org.forms == [
        {"grant_type": "client_credentials", "client_id": "3MVG9example", "client_secret": "the-secret"}
    ]


def test_a_private_key_signs_who_signs_in_where_and_until_when(org: Org, build: Build) -> None:
    tokens = build(private_key=key(), username="integration@example.com")
    assert org.forms == []
    assert tokens.current() == "00Daccess!1"
    [form] = org.forms
    assert set(form) == {"grant_type", "assertion"}
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert jwt.get_unverified_header(form["assertion"])["alg"] == "RS256"
    unchecked = {"verify_aud": False, "verify_exp": False}
    claims = jwt.decode(form["assertion"], public(key()), algorithms=["RS256"], options=unchecked)
    assert claims == {
        "iss": "3MVG9example",
        "sub": "integration@example.com",
        "aud": org.url,
        "exp": int(NOW) + 180,
    }


def test_a_key_from_an_environment_variable_may_have_its_line_ends_escaped(org: Org, build: Build) -> None:
    build(private_key=key().replace("\n", "\\n"), username="integration@example.com").current()
    assert len(org.forms) == 1


@pytest.mark.parametrize("kind", ["no key", "public", "curve", "encrypted", "torn"])
def test_a_key_that_cannot_sign_is_refused_before_anything_is_sent(org: Org, build: Build, kind: str) -> None:
    wrong = {"no key": "s3cret-but-no-key", "public": public(key()), "curve": key("curve"),
             "encrypted": key(password="open sesame"), "torn": key()[:800]}  # fmt: skip
    with pytest.raises(SpecError, match="private key cannot sign") as refused:
        build(private_key=wrong[kind], username="integration@example.com")
    assert refused.value.where == "destination.config.private_key"
    assert "s3cret" not in str(refused.value)
    assert org.forms == []


def test_a_dead_token_is_replaced_by_a_new_assertion(org: Org, build: Build) -> None:
    tokens = build(private_key=key(), username="integration@example.com")
    assert tokens.after(tokens.current()) == "00Daccess!2"
    assert tokens.current() == "00Daccess!2"


# Refresh tokens ------------------------------------------------------------------------------------------------


def kept(place: Path, **settings: Any) -> dict[str, Any]:
    """A context for a refresh token that is kept in a file."""
    reference = {"refresh_token": {"file": str(place)}}
    return {"secrets": ReferredSecrets(reference, place.parent, where="destination.config", **settings)}


def test_a_refresh_token_goes_with_the_secret_where_there_is_one(org: Org, build: Build) -> None:
    build(refresh_token="refresh-0", client_secret="the-secret").current()
    build(refresh_token="refresh-0").current()
    sent = {"grant_type": "refresh_token", "refresh_token": "refresh-0", "client_id": "3MVG9example"}
    assert org.forms == [{**sent, "client_secret": "the-secret"}, sent]


def test_a_token_is_used_until_it_is_refused_and_refreshed_once_for_all_threads(org: Org, build: Build) -> None:
    tokens = build(refresh_token="refresh-0")
    dead = tokens.current()
    with ThreadPoolExecutor(5) as pool:
        assert set(pool.map(lambda _: tokens.after(dead), range(5))) == {"00Daccess!2"}
    assert len(org.forms) == 2


def test_a_refresh_token_in_use_elsewhere_is_waited_for(org: Org, build: Build, waits: list[float]) -> None:
    org.in_use(times=3)
    assert build(refresh_token="refresh-0").current()
    assert waits == [1.0, 2.0, 4.0]


def test_a_refresh_token_that_stays_in_use_is_tried_again_later(org: Org, build: Build, waits: list[float]) -> None:
    org.in_use(times=-1)
    with pytest.raises(RetryLater, match="used elsewhere"):
        build(refresh_token="refresh-0").current()
    assert len(waits) == 3


def test_a_replaced_refresh_token_is_written_back_before_it_is_used(org: Org, build: Build, tmp_path: Path) -> None:
    org.rotate = True
    place = tmp_path / "token"
    place.write_text("refresh-0\n")
    tokens = build(refresh_token="refresh-0", context=kept(place))
    assert tokens.current() == "00Daccess!1"
    assert place.read_text() == "refresh-1\n"
    tokens.after("00Daccess!1")
    assert place.read_text() == "refresh-2\n"
    build(refresh_token=place.read_text().strip(), context=kept(place)).current()
    assert [form["refresh_token"] for form in org.forms] == ["refresh-0", "refresh-1", "refresh-2"]
    assert redact("refresh-2 is secret") == "*** is secret"


def test_what_another_process_wrote_is_used(org: Org, build: Build, tmp_path: Path) -> None:
    place = tmp_path / "token"
    place.write_text("refresh-0")
    tokens = build(refresh_token="refresh-0", context=kept(place))
    org.refresh_tokens = {"of-another-process"}
    place.write_text("of-another-process")
    assert tokens.current() == "00Daccess!1"


def test_what_another_process_writes_while_this_one_waits_is_used(org: Org, build: Build, tmp_path: Path) -> None:
    place = tmp_path / "token"
    place.write_text("refresh-0")
    org.in_use(times=1)

    def rotate(seconds: float) -> None:
        org.refresh_tokens = {"of-another-process"}
        place.write_text("of-another-process")

    tokens = build(refresh_token="refresh-0", context={**kept(place), "sleep": rotate})
    assert tokens.current() == "00Daccess!1"


def test_two_processes_that_share_a_rotating_refresh_token_do_not_lose_it(org: Org, tmp_path: Path) -> None:
    org.rotate = True
    place = tmp_path / "token"
    place.write_text("refresh-0")
    running = [subprocess.Popen([sys.executable, "-c", REFRESH, org.url, str(place)]) for _ in range(2)]
    assert [each.wait(60) for each in running] == [0, 0]
    assert {place.read_text().strip()} == org.refresh_tokens
    assert len(org.forms) == 20


@pytest.mark.parametrize("reference", [None, {"env": "REFRESH_TOKEN"}], ids=str)
def test_one_that_cannot_be_written_back_is_told_with_what_to_do(
    org: Org, build: Build, caplog: pytest.LogCaptureFixture, reference: dict[str, str] | None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    org.rotate = True
    context: dict[str, Any] = {}
    if reference:
        environ = {"REFRESH_TOKEN": "refresh-0"}
        context["secrets"] = ReferredSecrets({"refresh_token": reference}, tmp_path, where="config", environ=environ)
    tokens = build(refresh_token="refresh-0", context=context)
    with caplog.at_level(logging.WARNING):
        tokens.current()
        tokens.after("00Daccess!1")
    assert [form["refresh_token"] for form in org.forms] == ["refresh-0", "refresh-1"]
    assert "replaced the refresh token" in caplog.text
    assert "engine pardot login" in caplog.text
    assert "refresh-1" not in caplog.text


def test_a_refresh_token_that_is_refused_is_not_tried_again(org: Org, build: Build) -> None:
    tokens = build(refresh_token="revoked")
    for _ in range(3):
        with pytest.raises(CredentialsError, match="expired access/refresh token") as refused:
            tokens.current()
        assert refused.value.where == "destination.config.refresh_token"
        assert "engine pardot login" in refused.value.fix
    assert len(org.forms) == 1
