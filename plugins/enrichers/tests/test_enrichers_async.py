"""Answers that take long: tickets, polls that grow apart, posts with their signatures, and repeated questions."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from engine_enrichers.declared.catalogue import HttpEnricher

from engine.adapters import Context
from engine.asking import EnrichAnswer, Inquiry
from engine.errors import CredentialsError, SpecError
from engine.testing.server import Request, Response, Sandbox

FILE = """\
version: 1
name: acme
summary: Finds job titles.
docs: https://docs.acme.example/api
base_url: https://api.acme.example
auth: {headers: {X-Key: "{api_key}"}}
inputs: {any_of: [[email]]}
request: {method: POST, path: /submit, json: {email: "{email}", hook: "{callback_url}"}}
outcomes: [{when: "id && !title", is: pending}]
extract: {job_title: title}
cost: {hit: 1}
limits: {}
valid_for: {hit: 30, miss: 7}
async:
  ticket: id
  poll: {method: GET, path: "/result/{ticket}"}
  every: 4
  longest: 20
  timeout: 100
  outcomes: [{when: "state == 'busy'", is: pending}, {when: "state == 'none'", is: miss}]
  result: "data[0]"
  callback: {ticket: job, result: answer, signature: {header: X-Sign, hash: sha1, encoding: hex, key: api_key}}
"""
BATCH = """\
batch:
  size: 10
  request: {method: POST, path: /bulk, json: {data: "{records}"}}
  record: {ref: "{record_id}", email: "{email}"}
  results: data
  id: ref
"""
POLL = '  poll: {method: GET, path: "/result/{ticket}"}\n'
ADA, BO = {"email": "ada@brightloom.example"}, {"email": "bo@tessaro.example"}
WANTED = ("job_title",)


class Acme(Sandbox):
    """Answers what the test put in for a path."""

    def load(self, seed: Mapping[str, Any]) -> None:
        self.answers = {"/submit": Response(200, {"id": "job-1"}), "/bulk": Response(200, {"id": 77})}

    def state(self) -> Mapping[str, Any]:
        return {}

    def handle(self, request: Request) -> Response:
        return self.answers.get(request.path, Response(404))


@dataclass
class Posts:
    """An inbox with an address."""

    url: str = ""
    bodies: dict[str, bytes] = field(default_factory=dict)

    def address(self, provider: str) -> str:
        return self.url

    def answer(self, provider: str, ticket: str) -> bytes | None:
        return self.bodies.get(ticket)


@pytest.fixture
def box() -> Iterator[Acme]:
    with Acme() as server:
        yield server


Open = Callable[..., HttpEnricher]


@pytest.fixture
def opened(box: Acme, tmp_path: Path) -> Iterator[Open]:
    found: list[HttpEnricher] = []

    def make(text: str = FILE, inbox: Posts | None = None) -> HttpEnricher:
        (tmp_path / "acme.yaml").write_text(text, "utf-8")
        context = Context(folder=tmp_path, inbox=inbox or Posts())
        found.append(HttpEnricher({"file": "acme.yaml", "api_key": "k-12345", "base_url": box.url}, context))
        return found[-1]

    yield make
    for each in found:
        each.close()


def pending(answer: EnrichAnswer, age: float = 0.0, lead: Mapping[str, Any] = ADA) -> Inquiry:
    return Inquiry(lead, WANTED, answer.ticket, age)


def title(answer: EnrichAnswer) -> Any:
    return answer.findings["job_title"].value if answer.findings else answer.outcome


def test_a_question_waits_under_its_ticket_until_a_poll_answers_it(box: Acme, opened: Open) -> None:
    asks = opened()
    submitted = asks.enrich(ADA, WANTED)
    assert (submitted.outcome, submitted.ticket, submitted.after, submitted.cost) == ("pending", "job-1", 4, 0)
    assert asks.waits_for == 100
    box.answers["/result/job-1"] = Response(200, {"state": "busy"})
    waits = [asks.collect([pending(submitted, age)])[0] for age in (0.0, 4.0, 10.0, 90.0)]
    assert [(wait.outcome, wait.ticket, wait.after) for wait in waits] == [
        ("pending", "job-1", after) for after in (4, 6, 9, 20)
    ]
    box.answers["/result/job-1"] = Response(202)
    assert asks.collect([pending(submitted)])[0].outcome == "pending"
    box.answers["/result/job-1"] = Response(200, {"data": [{"title": "CEO"}]})
    [found] = asks.collect([pending(submitted)])
    assert (title(found), found.cost) == ("CEO", 1)


def test_an_answer_that_is_ready_at_once_is_taken(box: Acme, opened: Open) -> None:
    box.answers["/submit"] = Response(200, {"id": "job-1", "title": "CEO"})
    assert title(opened().enrich(ADA, WANTED)) == "CEO"


def test_a_question_without_a_ticket_is_lost(box: Acme, opened: Open) -> None:
    box.answers["/submit"] = Response(202, {})
    assert opened().enrich(ADA, WANTED).outcome == "error"


@pytest.mark.parametrize("answer", [Response(500), Response(429, None, {"Retry-After": "60"}), Response(200, b"{")])
def test_a_poll_that_fails_is_made_again(box: Acme, opened: Open, answer: Response) -> None:
    asks = opened()
    box.answers["/result/job-1"] = answer
    [waits] = asks.collect([Inquiry(ADA, WANTED, "job-1", 4.0)])
    assert (waits.outcome, waits.ticket) == ("pending", "job-1")
    assert waits.after == (60 if answer.status == 429 else 6)


def test_one_refused_poll_does_not_take_the_others_away(box: Acme, opened: Open) -> None:
    asks = opened()
    box.answers["/result/job-1"] = Response(401)
    box.answers["/result/job-2"] = Response(200, {"state": "none"})
    outcomes = [
        answer.outcome for answer in asks.collect([Inquiry(ADA, WANTED, "job-1"), Inquiry(BO, WANTED, "job-2")])
    ]
    assert outcomes == ["pending", "miss"]
    with pytest.raises(CredentialsError):
        asks.collect([Inquiry(ADA, WANTED, "job-1")])


# Batches ------------------------------------------------------------------------------------------------------------


def test_a_job_of_a_batch_is_polled_once_for_all_its_records(box: Acme, opened: Open) -> None:
    asks = opened(FILE + BATCH)
    submitted = asks.enrich_batch([Inquiry(ADA, WANTED), Inquiry(BO, WANTED)])
    assert [answer.ticket for answer in submitted] == ["77#0/2", "77#1/2"]
    box.answers["/result/77"] = Response(200, {"data": [{"ref": "1", "title": "CFO"}]})
    inquiries = [pending(submitted[1], lead=BO), pending(submitted[0])]
    assert [title(answer) for answer in asks.collect(inquiries)] == ["CFO", "miss"]
    assert len(box.calls("GET /result/77")) == 1
    box.answers["/result/77"] = Response(200, {"state": "busy"})
    assert [answer.ticket for answer in asks.collect(inquiries)] == ["77#1/2", "77#0/2"]


def test_results_in_order_of_which_some_are_missing_are_nobodys(box: Acme, opened: Open) -> None:
    asks = opened(FILE + BATCH.replace("  id: ref\n", ""))
    submitted = asks.enrich_batch([Inquiry(ADA, WANTED), Inquiry(BO, WANTED), Inquiry(ADA, WANTED)])
    box.answers["/result/77"] = Response(200, {"data": [{"title": "CFO"}, {"title": "CEO"}]})
    first = [pending(submitted[0]), pending(submitted[1], lead=BO)]
    assert [title(answer) for answer in asks.collect(first)] == ["pending", "pending"]
    box.answers["/result/77"] = Response(200, {"data": [{"title": "CFO"}, {"title": "CEO"}, {"title": "COO"}]})
    assert [title(answer) for answer in asks.collect(first)] == ["CFO", "CEO"]


# Posts --------------------------------------------------------------------------------------------------------------


def test_a_posted_answer_is_read_and_nothing_is_polled(box: Acme, opened: Open) -> None:
    inbox = Posts("https://hooks.brightloom.example/acme")
    asks = opened(inbox=inbox)
    submitted = asks.enrich(ADA, WANTED)
    assert orjson.loads(box.calls("POST /submit")[0]["body"])["hook"] == inbox.url
    inbox.bodies["job-1"] = orjson.dumps({"job": "job-1", "answer": {"title": "CEO"}})
    assert title(asks.collect([pending(submitted)])[0]) == "CEO"
    assert box.calls("GET") == []


@pytest.mark.parametrize("posted", [b"", b"{"])
def test_a_post_without_a_whole_body_is_none(box: Acme, opened: Open, posted: bytes) -> None:
    inbox = Posts("https://hooks.brightloom.example/acme", {"job-1": posted})
    box.answers["/result/job-1"] = Response(200, {"state": "none"})
    assert opened(inbox=inbox).collect([Inquiry(ADA, WANTED, "job-1")])[0].outcome == "miss"


def test_without_polls_a_question_needs_an_address_for_posts(opened: Open) -> None:
    text = FILE.replace(POLL, "")
    with pytest.raises(SpecError, match="answers by posts alone"):
        opened(text).ask(ADA, WANTED)
    asks = opened(text, Posts("https://hooks.brightloom.example/acme"))
    assert asks.ask(ADA, WANTED) is not None
    assert asks.collect([Inquiry(ADA, WANTED, "job-1", 4.0)])[0].after == 6


@pytest.mark.parametrize(
    ("name", "encoding"), [("sha1", "hex"), ("sha256", "hex"), ("sha1", "base64"), ("sha256", "base64")]
)
def test_a_post_is_known_by_its_signature(opened: Open, name: str, encoding: str) -> None:
    asks = opened(FILE.replace("hash: sha1, encoding: hex", f"hash: {name}, encoding: {encoding}"))
    body = b'{"job": "job-1"}'
    made = hmac.new(b"k-12345", body, getattr(hashlib, name))
    sign = made.hexdigest() if encoding == "hex" else base64.b64encode(made.digest()).decode()
    assert asks.ticket_of({"x-sign": sign}, body) == "job-1"
    for headers, posted in [({}, body), ({"x-sign": "é"}, body), ({"x-sign": sign}, body + b" ")]:
        with pytest.raises(ValueError, match="not signed"):
            asks.ticket_of(headers, posted)
    empty = hmac.new(b"k-12345", b"", getattr(hashlib, name))
    sign = empty.hexdigest() if encoding == "hex" else base64.b64encode(empty.digest()).decode()
    with pytest.raises(ValueError, match="names no question"):
        asks.ticket_of({"x-sign": sign}, b"")


# The same question again --------------------------------------------------------------------------------------------


def test_a_question_can_be_its_own_ticket(box: Acme, opened: Open) -> None:
    asks = opened(
        FILE.replace(POLL, "  again: true\n")
        .replace('  result: "data[0]"\n', "")
        .split("  callback")[0]
        .replace(', hook: "{callback_url}"', "")
    )
    box.answers["/submit"] = Response(202)
    submitted = asks.enrich(ADA, WANTED)
    assert (submitted.outcome, submitted.after) == ("pending", 4)
    assert asks.collect([pending(submitted, 4.0)])[0].after == 6
    box.answers["/submit"] = Response(200, {"title": "CEO"})
    assert title(asks.collect([pending(submitted, 10.0)])[0]) == "CEO"
