"""What stages claim from the queue and hand back to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.records import Failure, Membership, Notice, PlaceKind, Rejected, StepEnd, Value


@dataclass(frozen=True, slots=True)
class Job:
    """A lead whose delivery is to be sent: `payload` as the mapping made it, `rule` the matching key to be tried."""

    lead_id: int
    key: str
    delivery_id: int
    payload: Mapping[str, Any]
    rule: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Place:
    """A membership to be given: lead, its remote id, program (or list) and status, and the member's own fields."""

    lead_id: int
    delivery_id: int
    remote_id: str
    target: str
    status: str
    attempts: int
    kind: PlaceKind = "program"
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> tuple[PlaceKind, str, str]:
        """What places have in common that one call can give."""
        return self.kind, self.target, self.status


@dataclass(slots=True)
class Mapped:
    """What the mapping made of one lead: a payload and the lead's next status, or a failure."""

    lead_id: int
    status: str
    payload: Mapping[str, Any] | None = None
    failure: Failure | None = None
    memberships: Sequence[Membership] = ()
    notices: Sequence[Notice] = ()


@dataclass(slots=True)
class Matched:
    """What reading a lead's record made of it: a completed payload if one was needed, the rule to send by, a failure.

    `forget_id`: the known id names no record.
    """

    job: Job
    payload: Mapping[str, Any] | None = None
    failure: Failure | None = None
    rule: int = 0
    forget_id: bool = False
    notices: Sequence[Notice] = ()


@dataclass(slots=True)
class Sent:
    """What became of one sending, and where the lead goes next."""

    lead_id: int
    delivery_id: int
    what: str
    status: str
    matched_by: str
    next_status: str
    remote_id: str | None = None
    answer: Any = None
    failure: Failure | None = None
    not_before: float = 0.0
    rule: int = 0
    attempts: int = 0
    forget_id: bool = False
    written: bytes | None = None
    membership: tuple[str, str] | None = None
    notices: Sequence[Notice] = ()


@dataclass(slots=True)
class Enriched:
    """What the waterfall made of one lead; `data` is None where it stays as it was. `again`: it was asked anew."""

    lead_id: int
    data: Mapping[str, Any] | None
    values: Sequence[Value] = ()
    steps: Sequence[StepEnd] = ()
    rejected: Sequence[Rejected] = ()
    again: bool = False
