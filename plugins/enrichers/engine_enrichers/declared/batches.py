"""Several questions in one call: which ones can travel together, and which result is whose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from engine.asking import AnswerClass, EnrichAnswer, Inquiry
from engine.errors import EngineError, NoAnswer, RunStopped
from engine_enrichers.declared.answers import Settled, ended, in_turn, read, settled, together
from engine_enrichers.declared.client import Answered
from engine_enrichers.declared.costs import reported, shares
from engine_enrichers.declared.outcomes import classify
from engine_enrichers.declared.provider import Batch, Provider, Rule
from engine_enrichers.declared.questions import Question
from engine_enrichers.declared.requests import build
from engine_enrichers.declared.session import Session
from engine_enrichers.declared.templates import fill
from engine_enrichers.declared.tickets import record_ticket, submitted

#: Stands for the records while it is found out which questions can travel together.
_RECORDS = "\0records"
#: Rules of the file about these concern the provider, also in the answer to a batch.
_CONCERN_ALL = frozenset({"auth", "quota", "throttled", "pending"})
#: One record can be the reason that a whole call is refused for; the others must not suffer from it.
_ONE_BY_ONE = frozenset({"suppressed", "bad_request", "rejected"})

#: A question whose calls before are made, and its place among the inquiries.
_Ready = tuple[int, Question]


def ask(session: Session, inquiries: Sequence[Inquiry]) -> list[EnrichAnswer]:
    """The answers to several questions, in order. Raises what all of them end with."""
    batch = session.provider.batch
    found: dict[int, Settled] = {}
    groups: dict[bytes, list[_Ready]] = defaultdict(list)
    stopped: Settled | None = None
    for place, inquiry in enumerate(inquiries):
        if stopped is not None:
            found[place] = stopped
            continue
        question = session.prepare(inquiry.lead, inquiry.wanted)
        if question is None or batch is None or question.chosen.set.own:
            found[place] = _alone(session, inquiry)
            stopped = _stopped(found[place])
            continue
        made, error = _before(session, question)
        if isinstance(made, EnrichAnswer):
            found[place] = made, error
            stopped = _stopped(found[place])
            continue
        groups[_kind(batch, question)].append((place, made))
    for ready in groups.values():
        size = batch.size if batch is not None else 1
        for start in range(0, len(ready), size):
            part = ready[start : start + size]
            answers = [stopped] * len(part) if stopped is not None else _asked(session, part)
            stopped = stopped or _stopped(answers[-1])
            found |= zip((place for place, _ in part), answers, strict=True)
    return together([found[place] for place in range(len(inquiries))])


def _stopped(found: Settled) -> Settled | None:
    """What every further question ends with, where the run is being stopped: what was bought before is kept."""
    return found if isinstance(found[1], RunStopped) else None


def _alone(session: Session, inquiry: Inquiry) -> Settled:
    return settled(lambda: session.enrich(inquiry.lead, inquiry.wanted))


def _before(session: Session, question: Question) -> tuple[Question | EnrichAnswer, EngineError | None]:
    """The question with what the calls before give, or the answer that they end it with."""
    ready: list[Question] = []

    def make() -> EnrichAnswer:
        made = session.before(question)
        if isinstance(made, EnrichAnswer):
            return made
        ready.append(made)
        return EnrichAnswer("hit")

    answer, error = settled(make)
    return (ready[0] if ready else answer), error


def _kind(batch: Batch, question: Question) -> bytes:
    """Equal for questions whose call is the same but for the records."""
    call = build(batch.request, {**question.values, "records": _RECORDS}, question.wanted)
    return (
        b""
        if call is None
        else orjson.dumps([call.path, call.params, call.json, call.form], option=orjson.OPT_SORT_KEYS)
    )


def _answer(session: Session, question: Question) -> EnrichAnswer:
    with session.past_before():
        return session.answer(question)


def _asked(session: Session, part: Sequence[_Ready]) -> list[Settled]:
    """The answers to questions that travel together; one alone travels by the usual request."""
    if len(part) == 1:
        _, question = part[0]
        return [settled(partial(_answer, session, question))]
    answers: list[EnrichAnswer] = []

    def make() -> EnrichAnswer:
        with session.past_before():
            answers.extend(_together(session, part))
        return answers[0]

    answer, error = settled(make)
    return [(answer, error)] * len(part) if error is not None else [(each, None) for each in answers]


def _together(session: Session, part: Sequence[_Ready]) -> list[EnrichAnswer]:
    provider = session.provider
    batch = provider.batch
    questions = [question for _, question in part]
    if batch is None:
        raise ValueError("the file has no batch")
    records = [
        fill(batch.record, {**question.values, **question.taken, "record_id": str(index)}, question.wanted)
        for index, question in enumerate(questions)
    ]
    call = build(batch.request, {**questions[0].values, "records": records}, questions[0].wanted)
    if call is None:
        return [ended(provider, "error", 0.0, "the call for several leads cannot be made") for _ in part]
    private = [value for question in questions for value in question.sent.values()]
    answered = session.client.ask(call, whole_rules(provider), private=private, later=provider.later is not None)
    if answered.outcome == "pending" and provider.later is not None:
        job = submitted(provider.later, answered)
        return [
            replace(job, ticket=record_ticket(job.ticket, index, len(part))) if job.ticket else job
            for index in range(len(part))
        ]
    if answered.outcome in _ONE_BY_ONE:
        return together(in_turn([partial(_answer, session, question) for question in questions]))
    return read_records(session, answered, questions, range(len(part)), total=len(part))


def whole_rules(provider: Provider) -> tuple[Rule, ...]:
    """The rules of the file that hold for an answer about several, whose body is not that of an answer about one."""
    return tuple(rule for rule in provider.rules if rule.when is None or rule.outcome in _CONCERN_ALL)


def read_records(
    session: Session,
    answered: Answered,
    questions: Sequence[Question],
    indices: Sequence[int],
    *,
    total: int,
) -> list[EnrichAnswer]:
    """The answers about the records at `indices` of a call with `total` records.

    Raises NoAnswer where the results cannot be told apart: they may have been charged.
    """
    provider, batch = session.provider, session.provider.batch
    if batch is None or answered.outcome != "hit":
        cost = provider.cost.miss if answered.outcome == "miss" else 0.0
        return [ended(provider, answered.outcome, cost, answered.detail) for _ in questions]
    results = _by_index(session, batch, answered.body, indices, total)
    answers = [
        _record(provider, batch, question, results.get(index), answered.body)
        for question, index in zip(questions, indices, strict=True)
    ]
    charged = reported(provider.cost, answered.reply, answered.body)
    if charged is None:
        return answers
    before = sum(call.cost for call in provider.before)
    parts = shares(charged, [answer.cost - before for answer in answers])
    return [replace(answer, cost=part + before) for answer, part in zip(answers, parts, strict=True)]


def _by_index(session: Session, batch: Batch, body: Any, indices: Sequence[int], total: int) -> dict[int, Any]:
    results = batch.results.of(body)
    if isinstance(results, dict):
        return {index: results[str(index)] for index in indices if str(index) in results}
    if batch.id is not None and (results is None or isinstance(results, list)):
        named = {str(batch.id.of(each)): each for each in results or ()}
        strange = [each for name, each in named.items() if not name.isdecimal()]
        if len(strange) == len(named) and any(_is_hit(batch, each) for each in strange):
            raise _unclear(session)
        return {index: named[str(index)] for index in indices if str(index) in named}
    if isinstance(results, list) and len(results) == total:
        return {index: results[index] for index in indices}
    raise _unclear(session)


def _is_hit(batch: Batch, record: Any) -> bool:
    return classify(batch.rules, 200, record, later=False).outcome == "hit"


def _unclear(session: Session) -> NoAnswer:
    return NoAnswer(f"the answer of {session.provider.name} does not say whose each result is", after=5.0)


def _record(provider: Provider, batch: Batch, question: Question, record: Any, whole: Any) -> EnrichAnswer:
    """The answer about one record; one that is not among the results is a miss, unless the `whole` says otherwise."""
    outcome: AnswerClass = "miss"
    if record is not None:
        given = batch.status.of(record) if batch.status is not None else None
        status = given if isinstance(given, int) and not isinstance(given, bool) else 200
        outcome = classify(batch.rules, status, record, later=False).outcome
    answer = _read_as(provider, batch, question, outcome, record)
    rest = next((rule.outcome for rule in batch.rest if rule.when is None or rule.when.holds(whole)), None)
    return answer if rest is None or answer.outcome != "miss" else _read_as(provider, batch, question, rest, record)


def _read_as(provider: Provider, batch: Batch, question: Question, outcome: AnswerClass, record: Any) -> EnrichAnswer:
    detail = "" if outcome in ("hit", "miss") else f"the result for this lead is {outcome.replace('_', ' ')}"
    answer = read(provider, question, outcome, record, result=batch.result or provider.result, detail=detail)
    return replace(answer, after=5.0) if outcome == "throttled" else answer
