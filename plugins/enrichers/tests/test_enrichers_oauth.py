"""OAuth client credentials: one token for all, renewed early, and once more where it is refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from engine_enrichers.declared.catalogue import HttpEnricher

from engine.adapters import Context
from engine.errors import CredentialsError, RetryLater
from engine.testing.server import Request, Response, Sandbox

FILE = """\
version: 1
name: acme
summary: Finds job titles.
docs: https://docs.acme.example/api
base_url: https://api.acme.example/v1
credentials:
  client_id: {title: Client, description: Of your application.}
  client_secret: {title: Secret, description: Of your application.}
auth: {oauth: {token_url: "https://login.acme.example/oauth/token", scope: "read", client: FORM}}
inputs: {any_of: [[email]]}
request: {method: GET, path: /find, query: {email: "{email}"}}
extract: {job_title: title}
cost: {hit: 1}
limits: {}
valid_for: {hit: 30, miss: 7}
"""
LEAD = {"email": "ada@brightloom.example"}


class Acme(Sandbox):
    """Issues numbered tokens and takes the last one alone."""

    def load(self, seed: Mapping[str, Any]) -> None:
        self.tokens: list[Request] = []
        self.valid = ""
        self.refuse = False
        self.status = 200

    def state(self) -> Mapping[str, Any]:
        return {}

    def handle(self, request: Request) -> Response:
        with self.lock:
            if request.path == "/oauth/token":
                self.tokens.append(request)
                self.valid = f"token-{len(self.tokens)}"
                return Response(self.status, {"access_token": self.valid, "expires_in": "3600"})
            if self.refuse or request.headers.get("authorization") != f"Bearer {self.valid}":
                return Response(401)
            return Response(200, {"title": "CEO"})


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def box() -> Iterator[Acme]:
    with Acme() as server:
        yield server


def enricher(box: Acme, folder: Path, clock: Clock, client: str = "form") -> HttpEnricher:
    (folder / "acme.yaml").write_text(FILE.replace("FORM", client), "utf-8")
    config = {"file": "acme.yaml", "client_id": "me", "client_secret": "hush-hush", "base_url": box.url}
    return HttpEnricher(config, Context(folder=folder, now=clock))


def test_one_token_serves_all_and_is_renewed_before_its_end(box: Acme, tmp_path: Path) -> None:
    clock = Clock()
    asks = enricher(box, tmp_path, clock)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: asks.enrich(LEAD, ["job_title"]).outcome, range(16))) == {"hit"}
    assert len(box.tokens) == 1
    form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "hush-hush", "scope": "read"}
    assert box.tokens[0].form == form
    clock.now += 3550
    asks.enrich(LEAD, ["job_title"])
    assert len(box.tokens) == 2
    asks.close()


def test_the_client_can_sign_in_by_basic(box: Acme, tmp_path: Path) -> None:
    asks = enricher(box, tmp_path, Clock(), "basic")
    asks.enrich(LEAD, ["job_title"])
    assert box.tokens[0].headers["authorization"] == "Basic " + base64.b64encode(b"me:hush-hush").decode()
    assert "client_secret" not in box.tokens[0].form
    asks.close()


def test_a_refused_token_is_renewed_once(box: Acme, tmp_path: Path) -> None:
    asks = enricher(box, tmp_path, Clock())
    asks.enrich(LEAD, ["job_title"])
    box.valid = "another"
    assert asks.enrich(LEAD, ["job_title"]).outcome == "hit"
    assert len(box.tokens) == 2
    box.refuse = True
    with pytest.raises(CredentialsError):
        asks.enrich(LEAD, ["job_title"])
    assert len(box.tokens) == 3
    asks.close()


@pytest.mark.parametrize(("status", "kind"), [(401, CredentialsError), (500, RetryLater)])
def test_a_token_that_is_not_issued_names_no_secret(
    box: Acme, tmp_path: Path, status: int, kind: type[Exception]
) -> None:
    box.status = status
    asks = enricher(box, tmp_path, Clock())
    with pytest.raises(kind) as caught:
        asks.enrich(LEAD, ["job_title"])
    assert "hush-hush" not in str(caught.value)
    asks.close()
