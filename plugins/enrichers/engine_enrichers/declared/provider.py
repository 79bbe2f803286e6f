"""A provider file as values: what `engine_enrichers.declared.provider_files` reads and the enricher goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import jmespath  # type: ignore[import-untyped]

from engine.asking import AnswerClass, Price
from engine.expressions import Names, function, parse
from engine.limits import Limits

Entity = Literal["person", "company", "verification"]


class Query:
    """A JMESPath expression, compiled when it is first used; the loader has made sure that it compiles."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._compiled: Any = None

    def compiled(self) -> Any:
        """Raises jmespath.exceptions.JMESPathError where the text is no expression."""
        if self._compiled is None:
            self._compiled = jmespath.compile(self.text)
        return self._compiled

    def of(self, body: Any) -> Any:
        """What the expression finds in the body; None also where it does not suit the body."""
        try:
            return self.compiled().search(body)
        except Exception:  # the library's functions fail in many ways on data that is not of their kind
            return None

    def holds(self, body: Any) -> bool:
        """Whether what it finds counts as true, as JMESPath has it: 0 does, what is empty does not."""
        found = self.of(body)
        return found is not None and found is not False and not (isinstance(found, str | list | dict) and not found)


class Formula:
    """An engine expression over taken values, compiled when it is first used."""

    def __init__(self, text: str, take: Mapping[str, Query]) -> None:
        self.text = text
        self.take = take
        self._compiled: Callable[[Mapping[str, Any], Mapping[str, Any]], Any] | None = None

    def compiled(self) -> Callable[[Mapping[str, Any], Mapping[str, Any]], Any]:
        """Raises engine.expressions.ExpressionError where the text is not allowed."""
        if self._compiled is None:
            names = Names(self.take)
            self._compiled = function(parse(self.text, names), names)
        return self._compiled

    def of(self, body: Any) -> Any:
        """The value for a body; None where the taken values do not suit the expression."""
        taken = {name: query.of(body) for name, query in self.take.items()}
        if all(value in (None, "", []) for value in taken.values()):
            return None
        try:
            return self.compiled()({name: "" if value is None else value for name, value in taken.items()}, {})
        except Exception:  # filters refuse what is not of their kind, each in its own way
            return None


@dataclass(frozen=True, slots=True)
class OAuth:
    """Client credentials. `client`: whether they travel in the form or as HTTP Basic."""

    token_url: str
    scope: str
    client: Literal["form", "basic"]


@dataclass(frozen=True, slots=True)
class Auth:
    """How the credentials travel; texts are templates. `basic`: user and password."""

    headers: Mapping[str, str]
    query: Mapping[str, str]
    basic: tuple[str, str] | None
    oauth: OAuth | None


@dataclass(frozen=True, slots=True)
class Request:
    """The template of a call. `timeout` in seconds for the whole answer."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, Any] | None = None
    timeout: float = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class InputSet:
    """Inputs that belong together and the call that is made with them; `own`: it is not the common one."""

    inputs: tuple[str, ...]
    request: Request
    own: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """What an answer is whose status is among `statuses` (empty: any) and for whose body `when` is true (None: any)."""

    statuses: frozenset[int]
    when: Query | None
    outcome: AnswerClass


@dataclass(frozen=True, slots=True)
class Before:
    """A call whose answer the request needs. `take`: new placeholders. `cost` in credits."""

    request: Request
    rules: tuple[Rule, ...]
    take: Mapping[str, Query]
    cost: float


@dataclass(frozen=True, slots=True)
class Confidence:
    """How an answer's certainty becomes a figure from 0 to 1: by a score's scale, a map of grades, or fixed.

    `taken`: the score is what a call before gave under this name.
    """

    query: Query | None = None
    taken: str = ""
    scale: float = 1.0
    map: Mapping[str, float] = field(default_factory=dict)
    fixed: float = 1.0


@dataclass(frozen=True, slots=True)
class Extraction:
    """Where a value is and what becomes of it. `map` and `status_map` by the answer's word in small letters."""

    queries: tuple[Query, ...] = ()
    formula: Formula | None = None
    when: Query | None = None
    map: Mapping[str, str] = field(default_factory=dict)
    strip: str = ""
    prefix: str = ""
    case: str = ""
    status: Query | None = None
    status_map: Mapping[str, str] = field(default_factory=dict)
    confidence: Confidence | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """Costs in the provider's credits. `rules` go before the figures, the report before both."""

    hit: float
    miss: float
    fields: Mapping[str, float]
    rules: tuple[tuple[Query, float], ...]
    report_header: str
    report_path: Query | None
    most: float | None
    price: Price | None


@dataclass(frozen=True, slots=True)
class LimitHeaders:
    """Response headers that tell how much is left; `form` of the reset: seconds from now, Unix seconds or ISO 8601."""

    remaining: str
    reset: str
    form: Literal["seconds", "epoch", "iso"]


@dataclass(frozen=True, slots=True)
class Signature:
    """HMAC of a post's raw body. `key` names a credential."""

    header: str
    hash: Literal["sha1", "sha256"]
    encoding: Literal["hex", "base64"]
    key: str


@dataclass(frozen=True, slots=True)
class Callback:
    """How a posted answer is read."""

    ticket: Query
    result: Query | None
    signature: Signature | None


@dataclass(frozen=True, slots=True)
class Async:
    """How an answer is collected that takes long. Times in seconds; `again`: by repeating the request."""

    ticket: Query | None
    poll: Request | None
    again: bool
    every: float
    longest: float
    timeout: float
    rules: tuple[Rule, ...]
    result: Query | None
    callback: Callback | None


@dataclass(frozen=True, slots=True)
class Batch:
    """How several are asked about in one call; `id`: where a result has its record's name (None: by order).

    `rest`: what records are that would be a miss, by the whole answer.
    """

    size: int
    request: Request
    record: Any
    results: Query
    id: Query | None
    rules: tuple[Rule, ...]
    status: Query | None
    result: Query | None
    rest: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """A free call that tells whether the credentials work, and where its answer has the balance."""

    request: Request
    rules: tuple[Rule, ...]
    balance: Query | None


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """A provider file. Costs in the provider's credits, `hit_days` and `miss_days` in days."""

    name: str
    version: int
    summary: str
    docs: str
    entity: Entity
    availability: str
    base_url: str
    credentials: Mapping[str, Mapping[str, str]]
    auth: Auth
    options: Mapping[str, Mapping[str, Any]]
    inputs: tuple[InputSet, ...]
    also: tuple[str, ...]
    required_names: Mapping[str, str]
    required_join: str
    before: tuple[Before, ...]
    rules: tuple[Rule, ...]
    result: Query | None
    confidence: Confidence
    identity: Mapping[str, Query]
    extract: Mapping[str, Extraction]
    placeholders: frozenset[str]
    cost: Cost
    limits: Limits
    limit_headers: LimitHeaders | None
    limit_body: Query | None
    shared: str
    hit_days: float
    miss_days: float
    later: Async | None
    batch: Batch | None
    account: Account | None

    @property
    def fields(self) -> tuple[str, ...]:
        """The lead fields that it can fill."""
        return tuple(self.extract)
