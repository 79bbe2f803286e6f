"""A declared provider over real HTTP: what is sent, what comes back, and how every trouble ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from engine_enrichers.declared.catalogue import HttpEnricher
from engine_enrichers.declared.enricher import DeclaredProvider

from engine.adapters import Context
from engine.asking import Price
from engine.errors import CredentialsError, EngineError, NoAnswer, NotTaken, RetryLater, SpecError, VendorUnavailable
from engine.limits import OpenGate
from engine.testing.server import Request, Response, Sandbox

NOW = 1_000_000.0
LEAD = {"company_domain": "brightloom.example", "last_name": "Quillfeather", "notes": "met at the bar"}


class Acme(Sandbox):
    """Answers what the test put in, and keeps the requests whole."""

    def load(self, seed: Mapping[str, Any]) -> None:
        self.requests: list[Request] = []
        self.answers: dict[str, Response] = {}
        self.answer = Response(200, {"hits": [{"title": "CEO", "age": 41}], "grade": 80}, {"X-Cost": "2.5"})

    def state(self) -> Mapping[str, Any]:
        return {}

    def handle(self, request: Request) -> Response:
        self.requests.append(request)
        return self.answers.get(request.path, self.answer)


class Gate(OpenGate):
    """Remembers how long it was told to hold."""

    def __init__(self) -> None:
        self.held: list[float] = []

    def hold(self, seconds: float, why: str) -> None:
        self.held.append(seconds)


FILE = """\
version: 3
name: acme
summary: Finds job titles.
docs: https://docs.acme.example/api
base_url: https://api.acme.example
auth: {headers: {Authorization: "Bearer {api_key}"}}
options:
  deep: {title: Deep, description: Search more., type: boolean, default: false}
inputs:
  any_of: [[company_domain, last_name], {with: [email], request: {path: /v1/by-email, json: {email: "{email}"}}}]
  also: [first_name]
request:
  method: POST
  path: /v1/{company_domain}/find
  headers: {X-Version: "7"}
  query: {deep: "{deep}"}
  json: {people: [{name: "{first_name} {last_name}", last: "{last_name}", deep: "{deep}"}], limit: 1}
confidence: {path: grade, scale: 100}
outcomes:
  - {status: 200, when: "error == 'none'", is: miss}
  - {status: 200, when: "error == 'slow'", is: throttled}
  - {status: 503, when: "error == 'gone'", is: miss}
  - {status: 200, when: "error == 'bad'", is: error}
identity: {last_name: "hits[0].last"}
extract:
  job_title: "hits[0].title"
  description: "hits[0].age"
cost: {hit: 1, miss: 0.5, report: {header: X-Cost}, price: {amount: 0.1, currency: EUR}}
limits: {calls: 5, window: 60, more: [{calls: 100, window: 86400}], shared: acme_account,
         headers: {remaining: X-Left, reset: X-Reset, as: epoch}}
valid_for: {hit: 30, miss: 7}
account: {request: {method: GET, path: /account}, balance: credits.left}
"""


@pytest.fixture
def box() -> Iterator[Acme]:
    with Acme() as server:
        yield server


Open = Callable[..., DeclaredProvider]


@pytest.fixture
def opened(box: Acme, tmp_path: Path) -> Iterator[Open]:
    """Opens the enricher of a file, and closes it when the test ends."""
    found: list[DeclaredProvider] = []

    def make(text: str = FILE, gate: Gate | None = None, least: float = 0.0, **config: Any) -> DeclaredProvider:
        (tmp_path / "acme.yaml").write_text(text, "utf-8")
        context = Context(folder=tmp_path, now=lambda: NOW, gate=gate or Gate(), min_confidence=least)
        found.append(HttpEnricher({"file": "acme.yaml", "api_key": "k-12345", "base_url": box.url, **config}, context))
        return found[-1]

    yield make
    for each in found:
        each.close()


@contextmanager
def raises(kind: type[EngineError]) -> Iterator[Any]:
    """The error, in which neither the credential nor the person stands."""
    with pytest.raises(kind) as caught:
        yield caught
    assert type(caught.value) is kind
    assert "k-12345" not in str(caught.value)
    assert "Quillfeather" not in str(caught.value)


def test_a_hit_gives_everything_that_the_answer_has(box: Acme, opened: Open) -> None:
    answer = opened().enrich(LEAD, ["job_title"])
    assert {name: found.value for name, found in answer.findings.items()} == {"job_title": "CEO", "description": "41"}
    assert (answer.outcome, answer.cost, answer.fields) == ("hit", 2.5, {"job_title", "description"})
    [request] = box.requests
    assert (request.path, request.query) == ("/v1/brightloom.example/find", {"deep": "false"})
    assert (request.headers["x-version"], request.headers["authorization"]) == ("7", "Bearer k-12345")
    assert orjson.loads(request.body) == {"people": [{"last": "Quillfeather", "deep": False}], "limit": 1}


def test_a_set_of_inputs_may_have_a_request_of_its_own(box: Acme, opened: Open) -> None:
    opened().enrich({"email": "Ada@brightloom.example"}, ["job_title"])
    assert box.requests[0].path == "/v1/by-email"
    assert orjson.loads(box.requests[0].body) == {"email": "ada@brightloom.example"}


def test_too_little_to_ask_with_makes_no_call(box: Acme, opened: Open) -> None:
    asks = opened()
    for lead, wanted in [
        ({"last_name": "Q"}, ["job_title"]),
        (LEAD, ["phone"]),
        ({**LEAD, "company_domain": ".."}, ["job_title"]),
    ]:
        assert asks.ask(lead, wanted) is None
        assert asks.enrich(lead, wanted).outcome == "skipped"
    assert box.requests == []


def test_equal_questions_have_equal_keys_and_others_do_not(box: Acme, opened: Open) -> None:
    asks = opened()
    first = asks.ask(LEAD, ["job_title"])
    assert first is not None
    assert first.sent == {"company_domain": "brightloom.example", "last_name": "Quillfeather"}
    same = asks.ask({**LEAD, "last_name": " QUILLFEATHER", "notes": "x"}, ["job_title", "description"])
    assert same == first or (same is not None and same.key == first.key)
    others = [asks.ask({**LEAD, "last_name": "Okonwaru"}, ["job_title"]), opened(deep=True).ask(LEAD, ["job_title"]),
              opened(base_url="https://api.acme.example").ask(LEAD, ["job_title"])]  # fmt: skip
    assert len({first.key, *(each.key for each in others if each)}) == 4
    assert "k-12345" not in first.key


def test_what_the_engine_is_told_comes_from_the_file_or_the_configuration(opened: Open) -> None:
    asks = opened()
    assert (asks.limits.windows, asks.account, asks.price) == (
        ((5, 60), (100, 86400)),
        "acme_account",
        Price(0.1, "EUR"),
    )
    other = opened(limits={"calls": 9}, price={"amount": 0.2, "currency": "USD"})
    assert (other.limits.windows, other.price) == (((9, 1.0),), Price(0.2, "USD"))


@pytest.mark.parametrize(
    ("answer", "outcome", "cost"),
    [
        (Response(200, {"error": "none"}), "miss", 0.5),
        (Response(200, {"hits": []}), "miss", 0.5),
        (Response(204), "miss", 0.5),
        (Response(503, {"error": "gone"}), "miss", 0.5),
        (Response(400, {"error": "no Quillfeather"}), "bad_request", 0),
        (Response(404, "<html>", {"Content-Type": "text/html"}), "bad_request", 0),
        (Response(302, None, {"Location": "http://127.0.0.1:1/"}), "error", 0),
        (Response(451, {"error": "legal"}), "suppressed", 0),
        (Response(200, {"error": "bad"}), "error", 0),
        (Response(200, b"null"), "miss", 0.5),
    ],
)
def test_an_answer_without_values_is_sorted(
    box: Acme, opened: Open, answer: Response, outcome: str, cost: float
) -> None:
    box.answer = answer
    found = opened().enrich(LEAD, ["job_title"])
    assert (found.outcome, found.cost) == (outcome, cost)
    assert "Quillfeather" not in found.detail


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Response(401, {"error": "key k-12345 of Quillfeather"}), CredentialsError),
        (Response(402, {"error": "no credits for Quillfeather"}), VendorUnavailable),
        (Response(429), NotTaken),
        (Response(200, {"error": "slow"}), NotTaken),
        (Response(500, "Quillfeather"), RetryLater),
        (Response(200, "<html>Quillfeather</html>", {"Content-Type": "text/html"}), NoAnswer),
        (Response(200, b'{"hits": [{"ti'), NoAnswer),
        (Response(200, b""), NoAnswer),
        (Response(200, b"[" * 100_000), NoAnswer),
        (Response(200, b" " * (8 * 2**20 + 1)), NoAnswer),
    ],
)  # fmt: skip
def test_what_says_nothing_about_the_lead_is_raised(
    box: Acme, opened: Open, answer: Response, kind: type[EngineError]
) -> None:
    box.answer = answer
    with raises(kind):
        opened().enrich(LEAD, ["job_title"])


@pytest.mark.parametrize("trouble", [{"drop": "after"}, {"drop": "before"}])
def test_a_call_without_an_answer_may_have_been_charged(box: Acme, opened: Open, trouble: dict[str, Any]) -> None:
    box.add_fault(**trouble)
    with raises(NoAnswer):
        opened().enrich(LEAD, ["job_title"])


def test_the_timeout_of_the_file_holds_for_the_whole_answer(box: Acme, opened: Open) -> None:
    box.add_fault(delay=0.3)
    with raises(NoAnswer):
        opened(
            FILE.replace("path: /v1/{company_domain}/find", "path: /v1/{company_domain}/find\n  timeout: 0.05")
        ).enrich(LEAD, ["job_title"])


def test_everybody_waits_for_as_long_as_the_provider_asks(box: Acme, opened: Open) -> None:
    gate = Gate()
    box.answer = Response(429, None, {"Retry-After": "30"})
    with pytest.raises(NotTaken) as caught:
        opened(gate=gate).enrich(LEAD, ["job_title"])
    assert (caught.value.after, gate.held) == (30.0, [30.0])
    box.answer = Response(429, None, {"X-Reset": str(NOW + 7200)})
    with pytest.raises(NotTaken) as caught:
        opened(gate=gate).enrich(LEAD, ["job_title"])
    assert (caught.value.after, gate.held[1:]) == (3600.0, [7200.0])


def test_the_wait_may_stand_in_the_body_of_a_throttled_answer(box: Acme, opened: Open) -> None:
    text = FILE.replace("limits: {", "limits: {body: error.wait, ")
    for headers, wait in (({}, 20.0), ({"Retry-After": "30"}, 30.0)):
        gate = Gate()
        box.answer = Response(429, {"error": {"wait": 20}}, headers)
        with pytest.raises(NotTaken) as caught:
            opened(text, gate=gate).enrich(LEAD, ["job_title"])
        assert (caught.value.after, gate.held) == (wait, [wait])


def test_the_last_call_that_is_left_holds_the_next(box: Acme, opened: Open) -> None:
    gate = Gate()
    box.answer = Response(200, {"hits": [{"title": "CEO"}]}, {"X-Left": "0", "X-Reset": str(NOW + 12)})
    assert opened(gate=gate).enrich(LEAD, ["job_title"]).outcome == "hit"
    assert gate.held == [12.0]


def test_an_answer_about_somebody_else_is_contradicted_for_each_lead(box: Acme, opened: Open) -> None:
    box.answer = Response(200, {"hits": [{"title": "CEO", "last": "Tessarolo"}], "grade": 80})
    asks = opened()
    answer = asks.enrich(LEAD, ["job_title"])
    assert "another name" in asks.contradiction(LEAD, answer)
    assert asks.contradiction({**LEAD, "last_name": "Tessarolo"}, answer) == ""


def test_the_account_tells_whether_the_key_works_and_what_is_left(box: Acme, opened: Open) -> None:
    box.answers["/account"] = Response(200, {"credits": {"left": 12}})
    assert [(each.name, each.ok, each.detail) for each in opened().examine()] == [
        ("credentials", True, ""), ("credits", True, "12 left"),
    ]  # fmt: skip
    box.answers["/account"] = Response(401)
    [refused] = opened().examine()
    assert (refused.ok, "refused the credentials" in refused.detail) == (False, True)
    box.answers["/account"] = Response(503)
    assert opened().examine()[0].ok is None


def test_a_key_is_not_sent_over_plain_http_to_another_machine(opened: Open) -> None:
    with pytest.raises(SpecError, match="not an https address"):
        opened(base_url="http://api.example.com")


def test_one_enricher_serves_many_threads(box: Acme, opened: Open) -> None:
    asks = opened()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: asks.enrich(LEAD, ["job_title"]).outcome, range(40)))
    assert answers == ["hit"] * 40
    assert len(box.requests) == 40


# Calls before -------------------------------------------------------------------------------------------------------

CHAIN = FILE.replace("request:\n", """\
before:
  - request: {method: POST, path: /search, json: {last: "{last_name}"}}
    outcomes: [{when: "results == `[]`", is: miss}]
    take: {id: "results[0].id"}
    cost: 0.25
request:
""", 1).replace("path: /v1/{company_domain}/find", "path: /v1/collect/{id}")  # fmt: skip


def test_an_earlier_call_gives_what_the_next_one_needs(box: Acme, opened: Open) -> None:
    box.answers["/search"] = Response(200, {"results": [{"id": 77}]})
    answer = opened(CHAIN).enrich(LEAD, ["job_title"])
    assert (answer.outcome, answer.cost) == ("hit", 2.75)
    assert [request.path for request in box.requests] == ["/search", "/v1/collect/77"]


def test_the_confidence_may_be_what_an_earlier_call_told(box: Acme, opened: Open) -> None:
    text = CHAIN.replace('take: {id: "results[0].id"}', 'take: {id: "results[0].id", score: score}')
    text = text.replace("confidence: {path: grade,", "confidence: {taken: score,")
    box.answers["/search"] = Response(200, {"score": 64, "results": [{"id": 77}]})
    answer = opened(text).enrich(LEAD, ["job_title"])
    assert answer.findings["job_title"].confidence == 0.64


@pytest.mark.parametrize("body", [{"results": []}, {"results": [{}]}, {"results": [{"id": ".."}]}])
def test_an_earlier_call_that_finds_nobody_ends_the_question(box: Acme, opened: Open, body: Any) -> None:
    box.answers["/search"] = Response(200, body)
    answer = opened(CHAIN).enrich(LEAD, ["job_title"])
    assert (answer.outcome, answer.cost) == ("miss", 0.25)
    assert [request.path for request in box.requests] == ["/search"]
