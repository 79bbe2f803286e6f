"""Answers that take long: what was posted for a ticket, and what a poll says."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from engine.asking import EnrichAnswer, Inquiry
from engine.errors import AbortRun, RetryLater, RunStopped
from engine.http import Reply
from engine_enrichers.declared import batches
from engine_enrichers.declared.answers import Settled, read, together
from engine_enrichers.declared.client import Answered
from engine_enrichers.declared.outcomes import classify
from engine_enrichers.declared.provider import Async, Callback, Query
from engine_enrichers.declared.questions import Question
from engine_enrichers.declared.requests import build
from engine_enrichers.declared.session import Session
from engine_enrichers.declared.tickets import job_of, ticket_in, wait_of


def collect(session: Session, inquiries: Sequence[Inquiry]) -> list[EnrichAnswer]:
    """What became of pending questions, in order. Raises what all of them end with."""
    later = session.provider.later
    if later is None:
        raise NotImplementedError(f"{session.provider.name} answers at once")
    if later.again:
        return together([_safely(later, each, partial(_repeated, session, each), 1)[0] for each in inquiries])
    jobs: dict[str, list[int]] = defaultdict(list)
    for place, inquiry in enumerate(inquiries):
        jobs[job_of(session.provider, inquiry.ticket)[0]].append(place)
    found: dict[int, Settled] = {}
    for job, places in jobs.items():
        group = [inquiries[place] for place in places]
        answers = _safely(later, group[0], partial(_asked, session, later, job, group), len(group))
        found |= {place: (_kept(answer, inquiries[place]), error)
                  for place, (answer, error) in zip(places, answers, strict=True)}  # fmt: skip
    return together([found[place] for place in range(len(inquiries))])


def _kept(answer: EnrichAnswer, inquiry: Inquiry) -> EnrichAnswer:
    """A pending answer under the ticket that the question has."""
    return replace(answer, ticket=inquiry.ticket) if answer.outcome == "pending" else answer


def _safely(later: Async, first: Inquiry, ask: Callable[[], Sequence[EnrichAnswer]], count: int) -> list[Settled]:
    """The answers of one job. A poll that fails costs nothing and is made again."""
    try:
        return [(answer, None) for answer in ask()]
    except RunStopped:
        raise
    except RetryLater as error:
        after = max(error.after, wait_of(later, None, first.age))
        return [(EnrichAnswer("pending", detail=error.what, ticket=first.ticket, after=after), None)] * count
    except AbortRun as error:
        return [(EnrichAnswer("pending", detail=error.what, ticket=first.ticket, after=later.longest), error)] * count


def _repeated(session: Session, inquiry: Inquiry) -> list[EnrichAnswer]:
    """The answer to a question that is made again as it was."""
    question, later = session.prepare(inquiry.lead, inquiry.wanted), session.provider.later
    if question is None or later is None:
        return [EnrichAnswer("error", detail="the lead has too little to ask with again")]
    made = session.before(question)
    answer = made if isinstance(made, EnrichAnswer) else session.answer(made, again=True)
    if answer.outcome == "pending":
        answer = replace(answer, ticket=inquiry.ticket, after=max(answer.after, wait_of(later, None, inquiry.age)))
    return [answer]


def _asked(session: Session, later: Async, job: str, group: Sequence[Inquiry]) -> list[EnrichAnswer]:
    """What became of one job: posted, else polled."""
    posted = session.context.inbox.answer(session.provider.name, job)
    body = _parsed(posted)
    if body is not None and later.callback is not None:
        verdict = classify(later.rules, 200, body, later=True)
        reply = Reply(200, {}, posted or b"")
        answered = Answered(verdict.outcome, reply, body)
        result = later.callback.result or later.result
        if answered.outcome != "pending":
            return _read(session, answered, result, group)
    call = build(later.poll, {**session.options, "ticket": job}) if later.poll is not None else None
    if call is None:
        return [EnrichAnswer("pending", ticket=each.ticket, after=wait_of(later, None, each.age)) for each in group]
    private = [str(value) for each in group for value in each.lead.values() if isinstance(value, str)]
    answered = session.client.ask(call, later.rules, private=private, later=True)
    if answered.outcome == "pending":
        return [
            EnrichAnswer("pending", ticket=each.ticket, after=wait_of(later, answered.reply, each.age))
            for each in group
        ]
    return _read(session, answered, later.result, group)


def _read(session: Session, answered: Answered, result: Query | None, group: Sequence[Inquiry]) -> list[EnrichAnswer]:
    """The answers to the questions of a job that has ended."""
    provider = session.provider
    prepared = [session.prepare(inquiry.lead, inquiry.wanted) for inquiry in group]
    answers = [EnrichAnswer("error", detail="what was asked about is no longer known")] * len(group)
    known = [(place, question) for place, question in enumerate(prepared) if question is not None]
    records: list[tuple[int, int, Question]] = []
    total = 1
    for place, question in known:
        _, index, total = job_of(provider, group[place].ticket)
        if index is not None:
            records.append((place, index, question))
            continue
        answers[place] = read(
            provider,
            question,
            answered.outcome,
            answered.body,
            result=result or provider.result,
            reply=answered.reply,
            detail=answered.detail,
        )
    if records:
        questions, indices = [question for _, _, question in records], [index for _, index, _ in records]
        found = batches.read_records(session, answered, questions, indices, total=total)
        for (place, _, _), answer in zip(records, found, strict=True):
            answers[place] = answer
    return answers


def _parsed(posted: bytes | None) -> Any:
    """A post as JSON; None for one without a body, or with one that is none."""
    try:
        return orjson.loads(posted) if posted else None
    except orjson.JSONDecodeError:
        return None


def ticket_of(callback: Callback, secrets: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> str:
    """The ticket that a post answers. Raises ValueError where its signature is not the provider's, or it names none."""
    signature = callback.signature
    if signature is not None:
        given = headers.get(signature.header, "").strip()
        made = hmac.new(secrets.get(signature.key, "").encode(), body, getattr(hashlib, signature.hash))
        if signature.encoding == "hex":
            given, expected = given.lower(), made.hexdigest()
        else:
            expected = base64.b64encode(made.digest()).decode()
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise ValueError("the post is not signed with the key of the account")
    ticket = ticket_in(callback.ticket, _parsed(body))
    if not ticket:
        raise ValueError("the post names no question")
    return ticket
