"""The providers' sandbox where an answer takes several calls: searches, posts, batches, steps, tokens, accounts."""

from __future__ import annotations

import hashlib
import hmac
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from engine_enrichers.sandbox import ProviderSandbox

PEOPLE = [
    {"first_name": "Ada", "last_name": "Lindqvist", "email": "ada@kestrel.example", "company": "Kestrel Pumps",
     "company_domain": "kestrel.example"},
    {"first_name": "Björn", "last_name": "Aalto", "email": "bjorn@kestrel.example", "company": "Kestrel Pumps",
     "company_domain": "kestrel.example"},
]  # fmt: skip
ACME = """
version: 1
name: acme
summary: Finds people.
docs: https://acme.example/docs
base_url: https://api.acme.example
auth: {headers: {X-Key: "{api_key}"}}
inputs:
  any_of: [[full_name, company_domain]]
request: {method: POST, path: /search, json: {name: "{full_name}", domain: "{company_domain}", hook: "{callback_url}"}}
extract: {email: email}
cost: {hit: 2}
limits: {calls: 10, window: 1}
valid_for: {hit: 30, miss: 7}
async:
  ticket: id
  poll: {method: GET, path: "/search/{ticket}"}
  every: 1
  timeout: 60
  callback:
    ticket: id
    signature: {header: X-Signature, hash: sha1, encoding: hex, key: api_key}
batch:
  size: 10
  request: {method: POST, path: /searches, json: {all: "{records}"}}
  record: {ref: "{record_id}", name: "{full_name}", domain: "{company_domain}"}
  results: found
  id: ref
account:
  request: {method: GET, path: /me}
  balance: left.credits
"""
RECORDING = """
persona: {first_name: Zora, last_name: Quillon, email: zora@quillon.example, company_domain: quillon.example}
cases:
  hit: {reply: {status: 200, body: {id: "{ticket}", email: "{email}"}}, charged: 2, outcome: hit}
  miss: {reply: {status: 200, body: {id: "{ticket}", email: null}}, charged: 0, outcome: miss}
  submitted: {reply: {status: 202, body: {id: "{ticket}"}}, outcome: pending}
  pending: {reply: {status: 202, body: {state: running}}, outcome: pending}
  auth: {reply: {status: 401, body: {message: no}}, outcome: auth}
  bad_request: {reply: {status: 422, body: {message: no}}, outcome: bad_request}
batch:
  envelope: {found: "{records}"}
  hit: {ref: "{record_id}", email: "{email}"}
  miss: null
  bad_request: {ref: "{record_id}", error: refused}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("providers", ACME), ("recordings", RECORDING)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "acme.yaml").write_text(text, "utf-8")
    return tmp_path


@contextmanager
def sandbox(folder: Path, **seed: Any) -> Iterator[tuple[ProviderSandbox, httpx.Client]]:
    files = [folder / "providers" / "acme.yaml"]
    with (
        ProviderSandbox(files=files, seed={"people": PEOPLE, **seed}) as box,
        httpx.Client(base_url=f"{box.url}/acme", headers={"X-Key": "sandbox-key"}) as api,
    ):
        yield box, api


ADA = {"name": "Ada Lindqvist", "domain": "kestrel.example"}


def test_a_search_is_submitted_pending_and_answered_and_charged_once(folder: Path) -> None:
    with sandbox(folder, switches={"pending_polls": 2}) as (box, api):
        ticket = api.post("/search", json=ADA).json()["id"]
        answers = [api.get(f"/search/{ticket}") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [202, 202, 200, 200]
        assert answers[-1].json() == {"id": ticket, "email": "ada@kestrel.example"}
        assert box.bill()["providers"]["acme"]["credits"] == 2
        assert api.get("/search/none-such").status_code == 404


def test_a_search_is_ready_by_the_sandboxs_clock(folder: Path) -> None:
    with sandbox(folder, switches={"pending_polls": 0, "pending_seconds": 30}) as (box, api):
        ticket = api.post("/search", json=ADA).json()["id"]
        assert api.get(f"/search/{ticket}").status_code == 202
        box.advance(30)
        assert api.get(f"/search/{ticket}").status_code == 200


def test_an_answer_is_posted_signed_to_the_address_that_the_request_named(folder: Path) -> None:
    posts: queue.Queue[tuple[str, bytes]] = queue.Queue()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.put((self.headers["X-Signature"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        with sandbox(folder) as (_, api):
            url = f"http://127.0.0.1:{listening.server_port}/hook"
            ticket = api.post("/search", json={**ADA, "hook": url}).json()["id"]
            signature, body = posts.get(timeout=5)
        assert signature == hmac.new(b"sandbox-key", body, hashlib.sha1).hexdigest()
        assert ticket.encode() in body and b"ada@kestrel.example" in body
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def test_a_batch_is_one_search_with_a_result_for_each_who_is_known(folder: Path) -> None:
    records = [{"ref": "a", **ADA}, {"ref": "b", "name": "No Body", "domain": "kestrel.example"},
               {"ref": "c", "name": "Björn Aalto", "domain": "kestrel.example"}]  # fmt: skip
    with sandbox(folder, switches={"pending_polls": 0}) as (box, api):
        ticket = api.post("/searches", json={"all": records}).json()["id"]
        found = api.get(f"/search/{ticket}").json()["found"]
        assert {each["ref"]: each["email"] for each in found} == {
            "a": "ada@kestrel.example",
            "c": "bjorn@kestrel.example",
        }
        bill = box.bill()["providers"]["acme"]
        assert (bill["calls"], bill["hits"], bill["misses"], bill["credits"]) == (1, 2, 1, 4)


def test_one_record_of_a_batch_can_be_refused(folder: Path) -> None:
    fault = {"match": "searches", "record_error": "bad_request", "contains": "Aalto"}
    records = [{"ref": "a", **ADA}, {"ref": "c", "name": "Björn Aalto", "domain": "kestrel.example"}]
    with sandbox(folder, faults=[fault], switches={"pending_polls": 0}) as (_, api):
        ticket = api.post("/searches", json={"all": records}).json()["id"]
        found = api.get(f"/search/{ticket}").json()["found"]
        assert [each.get("error") for each in found] == [None, "refused"]


def test_an_account_tells_what_is_left(folder: Path) -> None:
    with sandbox(folder, credits={"acme": 5}) as (_, api):
        api.post("/search", json=ADA)
        assert api.get("/me").json() == {"left": {"credits": 3.0}}
        assert api.get("/me", headers={"X-Key": "mistyped"}).status_code == 401


def test_the_persona_of_a_recording_is_known_without_a_seed(folder: Path) -> None:
    with (
        ProviderSandbox(files=[folder / "providers" / "acme.yaml"], seed={"switches": {"pending_polls": 0}}) as box,
        httpx.Client(base_url=f"{box.url}/acme", headers={"X-Key": "sandbox-key"}) as api,
    ):
        ticket = api.post("/search", json={"name": "Zora Quillon", "domain": "quillon.example"}).json()["id"]
        assert api.get(f"/search/{ticket}").json()["email"] == "zora@quillon.example"


def test_a_file_without_a_recording_is_refused(folder: Path) -> None:
    (folder / "recordings" / "acme.yaml").unlink()
    box = ProviderSandbox(files=[folder / "providers" / "acme.yaml"])
    with pytest.raises(ValueError, match="recording"):
        box.start()
    box.stop()


def test_what_a_preview_names_is_bought_by_the_second_call() -> None:
    with (
        ProviderSandbox(seed={"people": PEOPLE}) as box,
        httpx.Client(base_url=f"{box.url}/cognism_person", headers={"Authorization": "Bearer sandbox-key"}) as api,
    ):
        emails = []
        for person in PEOPLE:
            preview = api.post("/contact/enrich", json={"email": person["email"]}).json()
            record = api.post("/contact/redeem", json={"redeemIds": [preview["results"][0]["redeemId"]]}).json()
            emails.append(record["result"][0]["email"]["address"])
        assert emails == ["ada@kestrel.example", "bjorn@kestrel.example"]
        assert api.post("/contact/enrich", json={"email": "nobody@example.com"}).json()["results"] == []
        assert box.bill()["providers"]["cognism_person"]["credits"] == 2


def test_tokens_are_issued_expire_and_are_asked_for() -> None:
    with ProviderSandbox(seed={"people": PEOPLE}) as box, httpx.Client(base_url=f"{box.url}/zoominfo_person") as api:
        media = {"Content-Type": "application/vnd.api+json", "Accept": "application/vnd.api+json"}

        def ask(token: str) -> int:
            headers = {**media, "Authorization": f"Bearer {token}"}
            return api.post("/data/v1/contacts/enrich", json={}, headers=headers).status_code

        form = {"grant_type": "client_credentials", "scope": "api:data:contact"}
        assert api.post("/_token", data=form, auth=("sandbox-client-id", "mistyped")).status_code == 401
        token = api.post("/_token", data=form, auth=("sandbox-client-id", "sandbox-client-secret")).json()
        assert (ask("none"), ask(token["access_token"])) == (401, 200)
        box.advance(token["expires_in"])
        assert ask(token["access_token"]) == 401


def test_a_search_that_is_asked_for_again_is_its_own_ticket() -> None:
    names = {"first_name": "Ada", "last_name": "Lindqvist", "domain": "kestrel.example"}
    with (
        ProviderSandbox(seed={"people": PEOPLE, "switches": {"again_polls": 1}}) as box,
        httpx.Client(base_url=f"{box.url}/hunter_email_finder", headers={"X-API-KEY": "sandbox-key"}) as api,
    ):
        assert [api.get("/email-finder", params=names).status_code for _ in range(3)] == [202, 200, 200]
        assert box.bill()["providers"]["hunter_email_finder"]["credits"] == 1
