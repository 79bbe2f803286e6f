"""Several questions in one call: who travels together, and which result is whose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from engine_enrichers.declared.catalogue import HttpEnricher
from engine_enrichers.declared.session import Session

from engine.adapters import Context
from engine.asking import EnrichAnswer, Inquiry
from engine.errors import CredentialsError, NoAnswer, RunStopped, VendorUnavailable
from engine.testing.server import Request, Response, Sandbox

FILE = """\
version: 1
name: acme
summary: Finds job titles.
docs: https://docs.acme.example/api
base_url: https://api.acme.example
auth: {headers: {X-Key: "{api_key}"}}
inputs: {any_of: [[email], {with: [phone], request: {path: /by-phone, json: {phone: "{phone}"}}}]}
request: {method: POST, path: /one, json: {email: "{email}"}}
outcomes: [{status: 400, when: "code == 'BROKE'", is: quota}, {when: "!title", is: miss}]
extract: {job_title: title, mobile_phone: mobile}
cost: {hit: 1, fields: {mobile_phone: 9}, report: {path: total}}
limits: {}
valid_for: {hit: 30, miss: 7}
batch:
  size: 3
  request: {method: POST, path: /bulk, json: {data: "{records}", mobile: {$if_wanted: [mobile_phone], $then: true}}}
  record: {ref: "{record_id}", email: "{email}"}
  results: found
  id: ref
  status: status
  outcomes: [{status: 429, is: throttled}, {when: "broke", is: quota}]
  result: person
"""
ORDERED = FILE.replace("  id: ref\n", "").replace("  status: status\n", "")


class Acme(Sandbox):
    """Answers each record by the test's rule; keeps the batches."""

    def load(self, seed: Mapping[str, Any]) -> None:
        self.batches: list[Any] = []
        self.bulk: Callable[[Any], Response] = lambda sent: Response(
            200, {"found": [self.person(r) for r in sent["data"]]}
        )

    def state(self) -> Mapping[str, Any]:
        return {}

    @staticmethod
    def person(record: Mapping[str, Any]) -> dict[str, Any]:
        return {"ref": record["ref"], "person": {"title": f"boss of {record['email'].partition('@')[0]}"}}

    def handle(self, request: Request) -> Response:
        sent = request.json()
        if request.path != "/bulk":
            who = sent.get("email") or sent["phone"]
            return Response(200, {"title": f"alone {who.partition('@')[0]}"})
        with self.lock:
            self.batches.append(sent)
        return self.bulk(sent)


@pytest.fixture
def box() -> Iterator[Acme]:
    with Acme() as server:
        yield server


Ask = Callable[..., list[str]]


@pytest.fixture
def ask(box: Acme, tmp_path: Path) -> Iterator[Callable[..., list[EnrichAnswer]]]:
    found: list[HttpEnricher] = []

    def make(*leads: Any, text: str = FILE, wanted: tuple[str, ...] = ("job_title",)) -> list[EnrichAnswer]:
        (tmp_path / "acme.yaml").write_text(text, "utf-8")
        config = {"file": "acme.yaml", "api_key": "k-12345", "base_url": box.url}
        found.append(HttpEnricher(config, Context(folder=tmp_path)))
        assert found[-1].limits.batch_size == 3
        inquiries = [each if isinstance(each, Inquiry) else Inquiry(lead(each), wanted) for each in leads]
        return list(found[-1].enrich_batch(inquiries))

    yield make
    for each in found:
        each.close()


def lead(name: str) -> dict[str, str]:
    return {"email": f"{name}@brightloom.example"}


def told(answers: list[EnrichAnswer]) -> list[str]:
    return [str(each.findings["job_title"].value) if each.findings else each.outcome for each in answers]


def test_questions_travel_together_and_results_find_their_lead(box: Acme, ask: Any) -> None:
    box.bulk = lambda sent: Response(
        200, {"found": [box.person(r) for r in reversed(sent["data"]) if "bo@" not in r["email"]]}
    )
    answers = ask("ada", "bo", "cy", "di")
    assert told(answers) == ["boss of ada", "miss", "boss of cy", "alone di"]
    assert [[r["ref"] for r in sent["data"]] for sent in box.batches] == [["0", "1", "2"]]
    assert [answer.cost for answer in answers] == [1, 0, 1, 1]


def test_who_is_asked_otherwise_travels_alone(box: Acme, ask: Any) -> None:
    phone = Inquiry({"phone": "+12025550143"}, ("job_title",))
    nobody = Inquiry({"last_name": "Q"}, ("job_title",))
    assert told(ask("ada", phone, nobody, "bo")) == ["boss of ada", "alone +12025550143", "skipped", "boss of bo"]


def test_what_costs_more_is_asked_for_only_those_who_want_it(box: Acme, ask: Any) -> None:
    dear = [Inquiry(lead(name), ("mobile_phone",)) for name in ("cy", "di")]
    ask("ada", dear[0], "bo", dear[1])
    assert sorted((len(sent["data"]), "mobile" in sent) for sent in box.batches) == [(2, False), (2, True)]


def test_results_may_be_named_by_the_keys_of_an_object(box: Acme, ask: Any) -> None:
    box.bulk = lambda sent: Response(200, {"found": {"1": {"person": {"title": "CFO"}}}})
    assert told(ask("ada", "bo")) == ["miss", "CFO"]


def test_results_by_order_must_be_as_many_as_the_questions(box: Acme, ask: Any) -> None:
    box.bulk = lambda sent: Response(200, {"found": [None, {"person": {"title": "CFO"}}]})
    assert told(ask("ada", "bo", text=ORDERED)) == ["miss", "CFO"]
    for odd in ([{"person": {"title": "CFO"}}], None, "none", False):
        box.bulk = lambda sent, odd=odd: Response(200, {"found": odd})  # type: ignore[misc]
        with pytest.raises(NoAnswer, match="whose each result is"):
            ask("ada", "bo", text=ORDERED)


def test_a_record_may_end_otherwise_than_its_batch(box: Acme, ask: Any) -> None:
    box.bulk = lambda sent: Response(
        200, {"found": [{"ref": "0", "status": 429}, {"ref": "1", "broke": True}, box.person(sent["data"][2])]}
    )
    answers = ask("ada", "bo", "cy")
    assert told(answers) == ["throttled", "quota", "boss of cy"]
    assert answers[0].after > 0


def test_the_whole_answer_may_say_that_the_rest_was_not_looked_for(box: Acme, ask: Any) -> None:
    text = FILE + "  rest: [{when: \"state == 'NO_CREDITS'\", is: quota}]\n"
    box.bulk = lambda sent: Response(
        200,
        {"found": [box.person(sent["data"][0]), {"ref": "1", "person": {}}], "state": "NO_CREDITS"},
    )
    answers = ask("ada", "bo", "cy", text=text)
    assert told(answers) == ["boss of ada", "quota", "quota"]
    assert [(answer.cost, answer.valid_for) for answer in answers[1:]] == [(0, None), (0, None)]
    box.bulk = lambda sent: Response(200, {"found": [box.person(sent["data"][0])], "state": "DONE"})
    assert told(ask("ada", "bo", text=text)) == ["boss of ada", "miss"]


def test_a_reported_total_is_shared_out(box: Acme, ask: Any) -> None:
    people = [
        {"ref": "0", "person": {"title": "CEO", "mobile": "+12025550143"}},
        {"ref": "1", "person": {"title": "CFO"}},
    ]
    box.bulk = lambda sent: Response(200, {"found": people, "total": 5.5})
    assert [answer.cost for answer in ask("ada", "bo", "cy")] == [5.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Response(401), CredentialsError),
        (Response(400, {"code": "BROKE"}), VendorUnavailable),
        (Response(200, b"{"), NoAnswer),
    ],
)
def test_a_batch_that_fails_as_a_whole_is_raised(box: Acme, ask: Any, answer: Response, kind: type[Exception]) -> None:
    box.bulk = lambda sent: answer
    with pytest.raises(kind):
        ask("ada", "bo")


def test_one_call_that_fails_does_not_take_the_answers_of_another_away(box: Acme, ask: Any) -> None:
    box.bulk = lambda sent: (
        Response(200, b"{")
        if len(sent["data"]) == 3
        else Response(200, {"found": [box.person(r) for r in sent["data"]]})
    )
    answers = ask("ada", "bo", "cy", "di", "ed")
    assert told(answers) == ["error", "error", "error", "boss of di", "boss of ed"]
    assert "may have been charged" in answers[0].detail
    assert [answer.cost for answer in answers] == [0, 0, 0, 1, 1]
    assert [answer.lost for answer in answers] == [True, True, True, False, False]


def test_a_batch_refused_for_one_of_its_records_is_asked_one_by_one(box: Acme, ask: Any) -> None:
    box.bulk = lambda sent: Response(422, orjson.dumps({"message": "record 1"}))
    assert told(ask("ada", "bo")) == ["alone ada", "alone bo"]


def test_what_was_bought_before_the_run_was_stopped_is_kept(box: Acme, ask: Any, monkeypatch: Any) -> None:
    made = Session.answer
    calls = iter(range(10))

    def stopping(self: Session, *given: Any, **settings: Any) -> EnrichAnswer:
        if next(calls):
            raise RunStopped("the run is being stopped", after=0.0)
        return made(self, *given, **settings)

    monkeypatch.setattr(Session, "answer", stopping)
    phones = [Inquiry({"phone": f"+1202555014{n}"}, ("job_title",)) for n in range(3)]
    assert told(ask(*phones)) == ["alone +12025550140", "throttled", "throttled"]
    assert next(calls) == 2  # nothing more is asked of anybody
    with pytest.raises(RunStopped):
        ask(*phones)


def test_a_lead_that_makes_no_call_does_not_take_the_others_answers_away(box: Acme, ask: Any) -> None:
    text = FILE.replace(
        "path: /by-phone, json: {", "path: /by-phone, method: GET, json: {}, query: {note: '{company}', "
    )
    text = text.replace("[phone]", "[phone, company]")
    endless = Inquiry({"phone": "+12025550143", "company": "x" * 70_000}, ("job_title",))
    assert told(ask("ada", endless, "bo", text=text)) == ["boss of ada", "bad_request", "boss of bo"]


def test_results_that_name_no_record_are_nobodys(box: Acme, ask: Any) -> None:
    box.bulk = lambda sent: Response(200, {"found": [{"person": {"title": "CEO"}}]})
    with pytest.raises(NoAnswer, match="whose each result is"):
        ask("ada", "bo")


def test_calls_before_that_cost_something_are_not_made_for_nothing_twice(box: Acme, ask: Any) -> None:
    before = (
        "before: [{request: {method: POST, path: /one, json: {email: '{email}'}}, take: {id: title}, cost: 2}]\n"
        "request: {method: POST, path: /bulk, json: {id: '{id}'}}"
    )
    text = FILE.replace('request: {method: POST, path: /one, json: {email: "{email}"}}', before)
    box.bulk = lambda sent: Response(429, {"title": "slow down"})
    for leads in (["ada"], ["ada", "bo"]):
        with pytest.raises(NoAnswer, match="slow down"):
            ask(*leads, text=text)
