"""The values that travel between the stages: frozen, typed, and free of behaviour.

RawLead ──capture──▶ Lead ──enrich──▶ Lead + Value… ──map──▶ Write ──match──▶ Delivery ──sync──▶ Outcome
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from engine.codes import code as _code

#: The fields every lead may have; a source profile may add others of its own.
LEAD_FIELDS: tuple[str, ...] = (
    "first_name", "last_name", "full_name", "middle_name", "salutation", "name_suffix", "email", "email_type",
    "email_status", "phone", "phone_type", "mobile_phone", "mobile_phone_type", "job_title", "job_function",
    "seniority", "department", "company", "company_domain", "company_size", "company_revenue", "company_founded",
    "company_phone", "company_linkedin_url", "industry", "website", "linkedin_url", "twitter_url", "facebook_url",
    "address", "city", "state", "state_code", "postal_code", "country", "country_code", "description", "notes",
    "badge_id", "event", "captured_at", "captured_by", "remote_id",
)  # fmt: skip

#: What the engine adds of its own to what an expression sees as `lead`.
DERIVED_FIELDS: tuple[str, ...] = ("scans",)

#: What is known of an email address, whatever words a provider has for it.
EMAIL_STATUSES = ("valid", "catch_all", "risky", "invalid", "wrong_kind", "unknown")

Answer = str | list[str]


@dataclass(frozen=True, slots=True)
class RawLead:
    """One row as the source gave it. `line` counts from 1; a `problem` says why the row cannot be used."""

    values: Mapping[str, str]
    line: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Lead:
    """A captured person. `fields` hold text by field name; `events` count the scans per event.

    `sent_digest` stands for the values that the vendor is known to hold of the lead; `released` says that a person let
    it go although the sync mode is manual; `edits` are the fields that a person has set or
    cleared (see `engine.edits`), `found` those that enrichment filled before. `again`: it is to be enriched anew, with
    answers that were given after this time (Unix), 0 for any; None where it is not.
    """

    id: int
    key: str
    fields: dict[str, Any]
    qualifiers: dict[str, Answer] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    remote_id: str | None = None
    sent_digest: bytes | None = None
    released: bool = False
    edits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    found: frozenset[str] = frozenset()
    again: float | None = None

    @property
    def edited(self) -> frozenset[str]:
        return frozenset(self.edits)

    @property
    def scans(self) -> int:
        return sum(self.events.values())


@dataclass(frozen=True, slots=True)
class Value:
    """An enriched value with its provenance. `confidence` 0 to 1; `cost` in the provider's credits; `at` Unix time.

    at: when the answer was given that the value came from, which is the ledger's `call`. status: of an email address,
    one of EMAIL_STATUSES, as `verifier` judged it, or else the provider itself. path: where in the answer it stood.
    """

    field: str
    value: Any
    provider: str
    confidence: float = 1.0
    cost: float = 0.0
    at: float = 0.0
    replaced: Any = None
    call: int | None = None
    status: str = ""
    verifier: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A value that was offered and not taken, and why."""

    field: str
    value: Any
    provider: str
    reason: str
    confidence: float = 1.0
    at: float = 0.0
    call: int | None = None


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How one step of the waterfall ended for a lead, in the order in which they ended. `cost` in credits.

    known: the answer had been bought before, or for another lead; it cost nothing again.
    """

    provider: str
    outcome: str
    detail: str = ""
    cost: float = 0.0
    call: int | None = None
    known: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a lead failed: our code, the vendor's own, and the field concerned when there is one."""

    code: str
    message: str
    field: str = ""
    vendor_code: str = ""
    endpoint: str = ""

    @property
    def owner(self) -> str:
        return _code(self.code).owner

    @property
    def retryable(self) -> bool:
        return _code(self.code).retryable


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people should know of a lead that goes on nevertheless; `code` groups notices of one kind."""

    code: str
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the vendor's object.

    `length` in characters and `max_bytes` in UTF-8 bytes, None when unlimited or unknown. `searchable`: leads can be
    found by it. `note` says what people should know of it, such as why it cannot be written.
    """

    name: str
    type: str = "string"
    label: str = ""
    length: int | None = None
    writable: bool = True
    options: tuple[str, ...] = ()
    max_bytes: int | None = None
    searchable: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """A vendor's program (campaign), with the statuses a member may have. `refusal`: why it takes no members."""

    id: str
    name: str
    statuses: tuple[str, ...] = ()
    refusal: str = ""


PlaceKind = Literal["program", "list"]


@dataclass(frozen=True, slots=True)
class Membership:
    """A wish to have a lead in a program with a status and the member's own fields, or in a list (no status)."""

    target: str
    status: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    kind: PlaceKind = "program"


@dataclass(frozen=True, slots=True)
class Standing:
    """A person's place as the vendor has it. `reached`: with the status that was asked for, or a later one."""

    status: str = ""
    reached: bool = True


@dataclass(frozen=True, slots=True)
class Member:
    """A person to be put in a program: the vendor's id and the member's own fields."""

    remote_id: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Write:
    """What the mapping makes of one lead.

    `if_blank` values go only where the remote field is empty, `on_create` values only to a record that this write
    creates. A None among the fields clears the remote field.
    """

    fields: dict[str, Any]
    if_blank: dict[str, Any] = field(default_factory=dict)
    memberships: tuple[Membership, ...] = ()
    notices: tuple[Notice, ...] = ()
    on_create: dict[str, Any] = field(default_factory=dict)


Action = Literal["upsert", "create_only", "update_only"]
Duplicates = Literal["fail", "most_recent"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Which key a lead is written by, and what may become of it.

    `by` is one of the vendor's keys or, where it can search by fields, a field's name; `value` the key's value.
    `duplicates`: what to do where several records have the key. `update_email`: a write by another key may change the
    record's email address.
    """

    by: str
    value: str
    action: Action = "upsert"
    duplicates: Duplicates = "fail"
    update_email: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record of a vendor call: the lead, its decision and the fields to write.

    `on_create`: further fields, for a record that this write creates and for no other. `repeated`: the lead was sent
    before and that did not end well, so that the record may be one that it created then. `recent_id`: the record that
    this person got within the vendor's `search_lag`, empty where there is none.
    """

    lead_id: int
    decision: Decision
    fields: Mapping[str, Any]
    on_create: Mapping[str, Any] = field(default_factory=dict)
    repeated: bool = False
    recent_id: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A record read back from the vendor: its id, the values of the fields asked for, and its keys by name of the key.

    `changed_at`: when it was changed last, as the vendor writes it: ISO 8601, UTC where it names no zone.
    """

    remote_id: str
    values: Mapping[str, Any]
    keys: Mapping[str, str] = field(default_factory=dict)
    changed_at: str = ""

    @property
    def changed(self) -> float | None:
        """When it was changed last, Unix time; None where the vendor does not say."""
        try:
            found = datetime.fromisoformat(self.changed_at)
        except ValueError:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()

    @property
    def recency(self) -> tuple[float, int]:
        """Orders records by when they were changed; of two changed at once the one with the higher id is the later."""
        return self.changed or 0.0, int(self.remote_id) if self.remote_id.isdecimal() else 0


Status = Literal["created", "updated", "satisfied", "failed", "missing", "unknown", "later"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record.

    `created`, `updated`: written. `satisfied`: nothing to do, it already is so. `failed`: see `failure`.
    `missing`: the key matches no record, so the next matching rule is tried. `unknown`: sent, effect unclear.
    `later`: not executed; the same record can be sent again after `after` seconds. `notices` are kept with the lead.
    """

    status: Status
    remote_id: str | None = None
    failure: Failure | None = None
    after: float = 0.0
    answer: Any = None
    notices: tuple[Notice, ...] = ()
