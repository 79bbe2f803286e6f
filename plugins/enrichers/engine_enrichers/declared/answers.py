"""Makes the engine's answer out of a provider's: what was found, who it is about and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.asking import AnswerClass, EnrichAnswer
from engine.errors import CredentialsError, EngineError, NoAnswer, RetryLater, RunStopped, VendorUnavailable
from engine.http import Reply
from engine_enrichers.declared.costs import cost_of, reported
from engine_enrichers.declared.extraction import certainty, extract
from engine_enrichers.declared.identity import about
from engine_enrichers.declared.provider import Provider, Query
from engine_enrichers.declared.questions import Question

DAY = 86400.0

#: An answer, and the error that it stands for.
Settled = tuple[EnrichAnswer, EngineError | None]


def read(
    provider: Provider,
    question: Question,
    outcome: AnswerClass,
    body: Any,
    *,
    result: Query | None,
    reply: Reply | None = None,
    detail: str = "",
) -> EnrichAnswer:
    """The answer to a question that has one. `body`: what rules and costs are read from; `result`: what of it is read.

    `reply`: where its headers report the cost.
    """
    part = body if result is None else result.of(body)
    findings = {}
    if outcome == "hit":
        sure = certainty(provider.confidence, part, question.taken)
        within = "" if result is None else result.text
        findings = extract(provider, part, question.lead, sure, within, question.taken)
        detail = "" if findings else "nothing of what it gives is in the answer"
    counts = outcome in ("hit", "miss", "rejected")
    spent = reported(provider.cost, reply, body)
    if spent is None:
        spent = cost_of(provider.cost, body, findings) if counts else 0.0
    spent += sum(call.cost for call in provider.before)
    if findings:
        told = about(provider, part)
        return EnrichAnswer("hit", findings, spent, fields=question.revealed, about=told)
    return ended(provider, "miss" if outcome == "hit" else outcome, spent, detail)


def ended(provider: Provider, outcome: AnswerClass, cost: float, detail: str = "") -> EnrichAnswer:
    """An answer without values."""
    looked = outcome in ("miss", "rejected")
    return EnrichAnswer(outcome, cost=cost, detail=detail, valid_for=provider.miss_days * DAY if looked else None)


def settled(ask: Callable[[], EnrichAnswer]) -> Settled:
    """The answer of one of several questions: what is raised for it must not take the answers of the others away."""
    try:
        return ask(), None
    except NoAnswer as error:
        return EnrichAnswer("error", detail=f"{error.what}; it may have been charged", lost=True), error
    except RetryLater as error:
        return EnrichAnswer("throttled", detail=error.what, after=error.after), error
    except CredentialsError as error:
        return EnrichAnswer("auth", detail=error.what), error
    except VendorUnavailable as error:
        return EnrichAnswer("quota", detail=error.what), error
    except EngineError as error:  # this lead's values make no call, or none was made
        return EnrichAnswer("bad_request", detail=error.what), error


def in_turn(asks: Iterable[Callable[[], EnrichAnswer]]) -> list[Settled]:
    """The answers of several questions, asked one after the other; once the run is being stopped, none is asked."""
    found: list[Settled] = []
    for ask in asks:
        stopped = bool(found) and isinstance(found[-1][1], RunStopped)
        found.append(found[-1] if stopped else settled(ask))
    return found


def together(found: Sequence[Settled]) -> list[EnrichAnswer]:
    """The answers of several questions; raises the first error where there is nothing but errors."""
    errors = [error for _, error in found if error is not None]
    if errors and len(errors) == len(found):
        raise errors[0]
    return [answer for answer, _ in found]
