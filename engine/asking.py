"""What passes between the engine and an enricher: questions, answers, what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

AnswerClass = Literal[
    "hit", "partial", "rejected", "miss", "pending", "skipped", "suppressed", "throttled", "quota", "auth",
    "bad_request", "error",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """A value that an enricher offers; `confidence` from 0 to 1.

    `status`: of an email address, one of `engine.records.EMAIL_STATUSES`. `path`: where in the provider's answer it
    stood, for people.
    """

    value: Any
    confidence: float = 1.0
    status: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class EnrichAnswer:
    """The end of one enrichment step. `cost` in the provider's credits; `detail` is for people.

    outcome: `hit`; `miss` (nothing known); `rejected` (somebody else, or not good enough); `pending` (ask again by
    `ticket` in `after` seconds); `suppressed` (the person must not be processed); `throttled` (not executed, repeat it
    in `after` seconds); `quota` and `auth` (this provider takes no more calls); `bad_request` and `error` (this lead
    only); `skipped` (not asked). `partial` is the waterfall's own word for a hit that leaves wanted fields open.
    findings: everything that the answer has, wanted or not: other leads may want it. valid_for: seconds for which this
    answer may be used again, where not the enricher's usual time. fields: the lead fields that this answer says all
    about, where not those of the `Ask`. about: who the answer is about, for `Enricher.contradiction`. lost: of several
    questions of one call, this one has no usable answer and may have been charged.
    """

    outcome: AnswerClass
    findings: Mapping[str, Finding] = field(default_factory=dict)
    cost: float = 0.0
    detail: str = ""
    valid_for: float | None = None
    fields: frozenset[str] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    lost: bool = False
    ticket: str = ""
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Ask:
    """What an enricher would ask about a lead, as the ledger knows it.

    key: equal for questions about the same subject with the same settings. fields: the lead fields that the answer will
    say all about; it is used again for a question with the same key and no other fields. floor: the confidence, 0 to 1,
    below which the provider is told to answer with nothing, so that a miss stands for no lower floor. most: the most
    credits that it can cost. sent: the inputs that leave, by name, for people.
    """

    key: str
    fields: frozenset[str]
    floor: float = 0.0
    most: float = 0.0
    sent: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question of a batch, or one that is pending.

    lead: its fields by name. wanted: those that are asked for. ticket: names a pending answer, `age` seconds old.
    """

    lead: Mapping[str, Any]
    wanted: tuple[str, ...]
    ticket: str = ""
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class Price:
    """What one credit costs. `currency` is an ISO 4217 code."""

    amount: float
    currency: str = "USD"
