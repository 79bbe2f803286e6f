"""What passes between a lead on its way through the waterfall and the desk of a step: questions and answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.adapters import Enricher
from engine.asking import Ask, EnrichAnswer, Finding, Inquiry
from engine.enrichment import Step
from engine.state.ledger import Wish

Condition = Callable[[Mapping[str, Any], Mapping[str, Any]], Any]


@dataclass(eq=False)
class WaterfallStep:
    """A step as it runs: the spec's step, its enricher, and its condition. `off`: why it is asked no more."""

    spec: Step
    enricher: Enricher
    applies: Condition | None = None
    off: str = ""

    @property
    def name(self) -> str:
        return self.enricher.name

    @property
    def label(self) -> str:
        return self.spec.label or self.enricher.name

    @property
    def wants(self) -> Sequence[str]:
        return self.spec.want or self.enricher.provides


@dataclass(frozen=True, slots=True)
class Question:
    """What a lead asks of a step. `wanted`: the fields that it is asked for.

    since: an answer that was given before this time (Unix) will not do.
    """

    step: WaterfallStep
    ask: Ask
    lead_id: int
    fields: Mapping[str, Any]
    wanted: tuple[str, ...]
    since: float = 0.0

    @property
    def oldest(self) -> tuple[float | None, float]:
        """How old an answer may be: in days, and the time (Unix) that it must be after."""
        return self.step.spec.max_age, self.since

    def max_age(self, now: float) -> float | None:
        """Seconds; an older answer will not do."""
        days = self.step.spec.max_age
        ages = [*([] if days is None else [days * 86_400.0]), *([now - self.since] if self.since else [])]
        return min(ages, default=None)


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a question: from which call of the ledger, given when, and whether it had been bought before."""

    answer: EnrichAnswer
    call: int | None = None
    at: float = 0.0
    known: bool = False
    #: Why nothing more is asked about the lead: its time is over, or nobody may be asked about the person.
    late: str = ""
    refused: str = ""


@dataclass(eq=False)
class Case:
    """A question in hand, and the leads that wait for its answer. `due`: nothing is done with it before (Unix time)."""

    question: Question
    wish: Wish
    askers: list[int]
    due: float = 0.0
    tries: int = 0
    alone: bool = False
    call: int = 0
    ticket: str = ""
    since: float = 0.0

    def inquiry(self, now: float) -> Inquiry:
        return Inquiry(self.question.fields, self.question.wanted, self.ticket, max(0.0, now - self.since))


@dataclass(frozen=True, slots=True)
class Batch:
    """Cases whose answers one call asks for, or collects."""

    kind: Literal["ask", "collect"]
    cases: Sequence[Case]


def broken(error: BaseException) -> str:
    """What people are told of a plugin that raised what it must not."""
    return f"the plugin broke: {type(error).__name__}: {error}"


def checked(answer: EnrichAnswer) -> EnrichAnswer:
    """Refuse, by TypeError, what a plugin must not answer, before it is counted on."""
    if not isinstance(answer, EnrichAnswer):
        raise TypeError(f"an enricher answers an EnrichAnswer, not {answer!r}")
    for name, finding in answer.findings.items():
        if not isinstance(finding, Finding) or not isinstance(finding.confidence, int | float):
            raise TypeError(f"a finding is a Finding with a number as its confidence, not {finding!r} for {name}")
    return answer


def stored(answer: EnrichAnswer) -> dict[str, Any]:
    """An answer as the ledger keeps it."""
    return {
        "outcome": answer.outcome,
        "findings": {
            name: [found.value, found.confidence, found.status, found.path] for name, found in answer.findings.items()
        },
        "detail": answer.detail,
        "about": dict(answer.about),
    }


def loaded(kept: Mapping[str, Any]) -> EnrichAnswer:
    """An answer from the ledger: it costs nothing a second time."""
    findings = {name: Finding(*parts) for name, parts in kept["findings"].items()}
    return EnrichAnswer(kept["outcome"], findings, 0.0, kept["detail"], about=kept.get("about", {}))
