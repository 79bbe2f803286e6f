"""What a plugin implements (Source, Enricher, Vendor) and what it is handed (Context).

An adapter is a class with a name, one sentence about itself and a JSON Schema for its configuration; it is built as
`cls(config, context)` with secrets already resolved to text. Methods are plain and blocking: the engine overlaps them
with threads, so an adapter must not keep per-call state on itself without a lock. A new need becomes a new field of
`Context`; no signature changes.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from engine.asking import Ask, EnrichAnswer, Inquiry, Price
from engine.codes import Code, VendorCode
from engine.http import Http
from engine.limits import Gate, Limits, OpenGate
from engine.records import (
    Decision,
    Delivery,
    Field,
    Found,
    Member,
    Membership,
    Outcome,
    PlaceKind,
    Program,
    RawLead,
    Standing,
)
from engine.settings import NoSecrets, Secrets

#: The adapter interface that this engine speaks; an adapter states the one it was written for.
API_VERSION = 1

Config = Mapping[str, Any]


class Inbox(Protocol):
    """Where providers post answers that take long, kept in the state before the post is acknowledged."""

    def address(self, provider: str) -> str:
        """The public address that this provider's answers can be posted to; empty where the run takes none."""
        ...

    def answer(self, provider: str, ticket: str) -> bytes | None:
        """The body that was posted for a ticket; None where there is none yet."""
        ...


class NoInbox:
    """Takes no posts: answers are asked for."""

    def address(self, provider: str) -> str:
        return ""

    def answer(self, provider: str, ticket: str) -> bytes | None:
        return None


@dataclass(frozen=True)
class Context:
    """What the engine hands every adapter.

    now: the time, Unix seconds. sleep: waits that many seconds. folder: relative paths start here.
    gate: the limits declared by the adapter, enforced; `http(base_url)` opens a client that goes through it.
    min_confidence: what the spec's step asks of an enricher's values, 0 to 1, so that it can be asked of the provider.
    secrets: the settings where the spec keeps them, to read again, lock and write back one that changes during a run.
    inbox: where providers can post answers that take long.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    folder: Path = field(default_factory=Path)
    gate: Gate = field(default_factory=OpenGate)
    min_confidence: float = 0.0
    secrets: Secrets = field(default_factory=NoSecrets)
    inbox: Inbox = field(default_factory=NoInbox)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("engine"))

    def http(self, base_url: str, *, timeout: float = 30.0, max_bytes: int = 32 * 2**20) -> Http:
        """Open a client for `base_url`; `timeout` in seconds per call, answers above `max_bytes` are refused."""
        return Http(base_url, gate=self.gate, timeout=timeout, max_bytes=max_bytes, log=self.log)


class Adapter(ABC):
    """What all adapters share. `secrets` names the configuration keys whose values are never shown.

    `failure_codes`: the codes of its own that a lead can fail with, for people; the engine's need no declaration.
    """

    name: str
    summary: str
    config_schema: ClassVar[Mapping[str, Any]] = {"type": "object", "additionalProperties": False}
    secrets: ClassVar[tuple[str, ...]] = ()
    failure_codes: ClassVar[Sequence[Code]] = ()
    api_version: ClassVar[int] = API_VERSION

    def __init__(self, config: Config, context: Context) -> None:
        self.config = config
        self.context = context

    def close(self) -> None:  # noqa: B027 - most adapters hold nothing
        """Release what the adapter holds open."""


class Source(Adapter):
    """Yields the rows of one export, in order, streamed: memory must not grow with the number of rows."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What people are shown as the origin, usually the file's name."""

    @abstractmethod
    def columns(self) -> Sequence[str]:
        """The names of the columns; empty where rows need not share any. Raises SpecError if there is no source."""

    @abstractmethod
    def rows(self) -> Iterator[RawLead]:
        """Yield each row; one that cannot be read is yielded with its `problem`, never raised."""

    def notes(self) -> Sequence[str]:
        """What was noticed about the source so far (encoding, delimiter, repaired lines), for people."""
        return ()

    def progress(self) -> tuple[int, int] | None:
        """Bytes read and bytes in all, or None where the end is not known."""
        return None


class Enricher(Adapter):
    """Offers values for a lead's missing fields.

    `provides` lists the lead fields it can fill. With `online` the engine writes each call to the ledger first, makes
    it in a thread and never repeats an answered one. With `rewrites` its values replace captured ones by their normal
    form; any other enricher only fills what is missing. `personal`: it is asked about a person, so that `suppressed` is
    said of the person. `sandbox_name`: names the sandbox, where several share one.
    """

    provides: tuple[str, ...] = ()
    online: ClassVar[bool] = False
    rewrites: ClassVar[bool] = False
    personal: bool = True
    sandbox_name: ClassVar[str] = ""

    @property
    def valid_for(self) -> float:
        """Seconds for which an answer may be used again without asking (and paying) anew."""
        return 30 * 86400.0

    @property
    def limits(self) -> Limits:
        """What the provider allows. With a `batch_size` above 1, several questions go to `enrich_batch` together."""
        return Limits()

    @property
    def account(self) -> str:
        """Names what the limits belong to, where several enrichers share them."""
        return self.name

    @property
    def price(self) -> Price | None:
        """What one credit costs, where that is known."""
        return None

    @property
    def waits_for(self) -> float:
        """Seconds after which a pending answer is given up."""
        return 600.0

    def ask(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> Ask | None:
        """What would be asked for the `wanted` fields; None if the lead has too little to ask with. Makes no call."""
        return None

    @abstractmethod
    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Ask for the `wanted` fields of a lead (its fields by name).

        Raises CredentialsError or VendorUnavailable (this provider is left out for the rest of the run), RetryLater
        (no effect), NoAnswer (possibly charged).
        """

    def enrich_batch(self, inquiries: Sequence[Inquiry]) -> Sequence[EnrichAnswer]:
        """Ask several questions in one call, answers in order. Raises as `enrich` does, for the call as a whole."""
        return [self.enrich(inquiry.lead, inquiry.wanted) for inquiry in inquiries]

    def collect(self, inquiries: Sequence[Inquiry]) -> Sequence[EnrichAnswer]:
        """Ask what became of pending questions, by their tickets; answers in order. Costs nothing by itself."""
        raise NotImplementedError(f"{self.name} answers at once")

    def ticket_of(self, headers: Mapping[str, str], body: bytes) -> str:
        """The ticket that a post to this provider's address answers. Raises ValueError where it is not the provider's.

        `headers` with names in small letters.
        """
        raise ValueError(f"{self.name} posts no answers")

    def contradiction(self, lead: Mapping[str, Any], answer: EnrichAnswer) -> str:
        """Why an answer is about somebody other than this lead, or an empty text.

        Asked for every lead that an answer is used for, for an answer that was bought before as well.
        """
        return ""

    def examine(self) -> Sequence[Examined]:
        """Examine the account for `engine doctor`, point by point, free of charge; none where that cannot be done."""
        return ()


@dataclass(frozen=True, slots=True)
class Examined:
    """One point of a connection's examination: `ok` is None where it could not be judged."""

    name: str
    ok: bool | None
    detail: str = ""
    fix: str = ""


ImportState = Literal["queued", "running", "done", "failed"]


class Bulk(ABC):
    """A vendor's import of whole files, for large runs. Deliveries keep their order; no key stands in a file twice.

    `kinds`: the places that a file can give. `places`: imports under way at once. `poll_after`: seconds between two
    questions after one; `first_after`: until the first one, where that is another time. `settle_after`: seconds after
    which a submission that was never answered can no longer take effect.
    """

    kinds: ClassVar[tuple[PlaceKind, ...]] = ("program",)
    first_after: ClassVar[float | None] = None
    places: int = 1
    poll_after: float = 10.0
    settle_after: float = 3600.0

    @abstractmethod
    def takes(self, delivery: Delivery) -> bool:
        """Whether an import can write this delivery as it is meant; what it cannot goes the ordinary way."""

    @abstractmethod
    def fits(self, deliveries: Sequence[Delivery], places: Sequence[Membership] = ()) -> int:
        """How many of the first deliveries go into one file; at least 1."""

    @abstractmethod
    def submit(self, deliveries: Sequence[Delivery]) -> str:
        """Hand over a file that writes persons and return the vendor's ticket for it.

        Raises AbortRun or RetryLater where nothing was taken over, NoAnswer where that is unclear.
        """

    @abstractmethod
    def submit_members(self, deliveries: Sequence[Delivery], places: Sequence[Membership]) -> str:
        """The same for a file that gives written persons a place: all the same one, one a delivery."""

    @abstractmethod
    def state(self, ticket: str) -> ImportState:
        """How far an import is. Raises RetryLater, AbortRun."""

    @abstractmethod
    def collect(self, ticket: str, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """What became of each delivery of an import that has ended, in order; `later` sends it the ordinary way."""


class Vendor(Adapter):
    """A marketing automation tool that leads are written to. One `Outcome` per record, in the order given.

    `keys`: the match keys it understands, as matching rules name them. `field_keys`: a rule may also name a field that
    is `searchable`. `named`: keys that name a record, so that a write by them cannot create one; `searched`: those of
    them whose record is looked up before it is written. `actions`: what a matching rule may allow. `on_create`: fields
    can be written on creation only. `shares_keys`: several records may have one key, and a write by it chooses; what
    was decided by a record that was read is then written to that one, by the first `named` key. `codes`: the vendor's
    error codes and what each becomes, for people. `has_programs`, `has_lists`: what leads can be put in.
    `usual_fields`: the vendor's own field by lead field, as most mappings have them; a first spec is made of them.
    """

    keys: ClassVar[tuple[str, ...]]
    field_keys: ClassVar[bool] = False
    named: ClassVar[tuple[str, ...]] = ()
    searched: ClassVar[tuple[str, ...]] = ()
    on_create: ClassVar[bool] = False
    shares_keys: ClassVar[bool] = False
    actions: ClassVar[tuple[str, ...]] = ("upsert",)
    codes: ClassVar[Sequence[VendorCode]] = ()
    has_programs: ClassVar[bool] = False
    has_lists: ClassVar[bool] = False
    usual_fields: ClassVar[Mapping[str, str]] = {}
    #: Seconds for which a write by key may not find a record that was just created, and would create it again.
    search_lag: float = 0.0
    #: Seconds after which an unanswered write can no longer take effect and may be looked up.
    settle_after: float = 90.0

    @property
    @abstractmethod
    def account(self) -> str:
        """Names the remote account: remote ids, quotas and rate windows belong to it. No secret in it."""

    @property
    def catalog(self) -> str:
        """What its fields, programs and lists are remembered under: the account, and `|` with settings behind it.

        Settings belong to it that change what is read, such as which fields count as writable.
        """
        return self.account

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """What the vendor allows; the engine keeps to it."""

    @abstractmethod
    def connect(self) -> None:
        """Sign in. One call. Raises CredentialsError naming the setting to correct, VendorUnavailable, RetryLater."""

    @abstractmethod
    def fields(self) -> Sequence[Field]:
        """The live field list."""

    def programs(self, ids: Sequence[str]) -> Mapping[str, Program]:
        """The programs among `ids` that exist; one that takes no members says why."""
        return {}

    def member_fields(self) -> Sequence[Field]:
        """The fields that a membership of a program has of its own."""
        return ()

    def lists(self, ids: Sequence[str]) -> Mapping[str, str]:
        """The names of the lists among `ids` that exist."""
        return {}

    @property
    def bulk(self) -> Bulk | None:
        """The vendor's import of whole files, where it has one."""
        return None

    def examine(self) -> Sequence[Examined]:
        """Examine the connection for `engine doctor`, point by point. Writes nothing.

        Raises what `connect` raises; every further problem is a point of its own.
        """
        self.connect()
        return [Examined("signed in", ok=True), Examined("fields", ok=True, detail=f"{len(self.fields())} fields")]

    def can_ask(self, decision: Decision) -> bool:
        """Whether a record can be looked up by this key; what cannot be asked for is not known to be absent."""
        return True

    @abstractmethod
    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        """Read the records that each delivery's decision matches, with `fields`. Writes nothing."""

    def foreseen(self, delivery: Delivery, *, created: bool) -> Mapping[str, Any]:
        """The values that a write of this delivery leaves in its record, for a plan; makes no call.

        created: the record is one that the write creates. Vendors that send more, or less, than the delivery says so.
        """
        decision = delivery.decision
        fields = {**(delivery.on_create if created else {}), **delivery.fields}
        finds = decision.by in self.named or (decision.by != "email" and decision.action == "update_only")
        if finds and not decision.update_email:
            fields.pop("email", None)  # the record keeps the address that it has
        if decision.by not in self.named:
            fields.setdefault(decision.by, decision.value)
        return fields

    @abstractmethod
    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Write up to `limits.batch_size` records that are all decided by the same key.

        Raises AbortRun or RetryLater where nothing was executed, NoAnswer where that is unclear.
        """

    def enroll(self, program_id: str, status: str, members: Sequence[Member]) -> Sequence[Outcome]:
        """Give up to `limits.batch_size` persons this status in the program, and their member fields after it.

        `satisfied` where they have the status already, or a later one. Repeating it does no harm.
        """
        raise NotImplementedError(f"{self.name} has no programs")

    def add_to_list(self, list_id: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        """Put up to `limits.batch_size` persons in a list; `satisfied` where they are in it. Harmless to repeat."""
        raise NotImplementedError(f"{self.name} has no lists")

    def standings(self, place: Membership, remote_ids: Sequence[str]) -> Mapping[str, Standing] | None:
        """Where up to `limits.batch_size` persons stand in a program or list, by id, without those who are not in it.

        Nobody is in one that does not exist. None where that cannot be asked. Writes nothing; raises as `look_up`.
        """
        return None

    @classmethod
    def sandbox(cls, *, port: int = 0, seed: Mapping[str, Any] | None = None) -> Any:
        """Return the vendor's local sandbox server (an `engine.testing.server.Sandbox`), not yet started."""
        raise NotImplementedError(f"{cls.name} ships no sandbox")
