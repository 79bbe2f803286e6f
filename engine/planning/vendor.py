"""A vendor that never writes: it answers each write as the vendor would, and remembers what that would change."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.adapters import Bulk, Vendor
from engine.casts import stored_as
from engine.errors import CredentialsError, NoAnswer, RetryLater, SpecError
from engine.filters import text
from engine.planning.calls import CountingGate
from engine.planning.front import Front
from engine.planning.memory import Memory
from engine.planning.records import Change
from engine.records import Decision, Delivery, Failure, Found, Member, Membership, Notice, Outcome, Standing

_EMAIL = "email"
#: What calls are for, beside signing in and reading what the vendor has. Those of the plan alone count for no run.
LOOK_UP, WRITE, MEMBERSHIP, PLAN_ALONE = "look-up", "write", "membership", "plan"


@dataclass(frozen=True, slots=True)
class Sending:
    """What sending one lead would do: the record's id (`new-…` for one that is created), what changes and what not."""

    delivery: Delivery
    record: str
    created: bool
    changes: Sequence[Change]
    unchanged: Mapping[str, Any] = field(default_factory=dict)


class PlanningVendor(Front):
    """Stands in front of a vendor. Safe to use from many threads.

    sent: by lead, what would be done. tried: by lead, every delivery that would be sent, also one that ends badly.
    before: by program or list, record and status to be given, where the record stands before, as far as is known.
    unasked: leads that are written by a key that the vendor cannot be asked for.
    """

    def __init__(self, real: Vendor, calls: CountingGate) -> None:
        super().__init__(real)
        self.settle_after = self.search_lag = 0.0
        self.calls = calls
        self.sent: dict[int, Sending] = {}
        self.tried: dict[int, list[Delivery]] = {}
        self.before: dict[tuple[str, str, str], Standing] = {}
        self.unasked: set[int] = set()
        self._memory = Memory()
        self._given: dict[tuple[str, str], Standing] = {}
        self._lock = threading.RLock()

    @property
    def bulk(self) -> Bulk | None:
        """None: a file says nothing of single records."""
        return None

    # What is read -----------------------------------------------------------------------------------------------

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        """Read records; those that the plan creates or changes are as the plan leaves them."""
        return self._read(deliveries, fields, LOOK_UP)

    def _read(self, deliveries: Sequence[Delivery], fields: Sequence[str], purpose: str) -> list[Sequence[Found]]:
        found: dict[int, Sequence[Found]] = {}
        with self._lock:
            ours = {index: new for index, each in enumerate(deliveries) if (new := self._ours(each.decision))}
        asked = [
            index for index, each in enumerate(deliveries) if index not in ours and self.real.can_ask(each.decision)
        ]
        if asked:
            with self.calls.purpose(purpose):
                answers = self.real.look_up([deliveries[index] for index in asked], fields)
            found = dict(zip(asked, answers, strict=True))
        return [
            (ours[index],) if index in ours else self._with_planned(each, found.get(index, ()), fields)
            for index, each in enumerate(deliveries)
        ]

    def _ours(self, decision: Decision) -> Found | None:
        """The record that the plan creates which the decision names by its id."""
        return self._memory.new(decision.value) if decision.by in self.real.named else None

    def _with_planned(self, delivery: Delivery, records: Sequence[Found], fields: Sequence[str]) -> Sequence[Found]:
        """The records that a delivery matches once all that was planned so far is done."""
        by, value = delivery.decision.by, delivery.decision.value
        if by in self.real.named:
            with self._lock:
                return self._memory.as_left(records, by, value)
        with self._lock:
            left = self._memory.as_left(records, by, value)
            further = set(self._memory.having(by, value)) - {each.remote_id for each in left}
            new = [found for record in sorted(further) if (found := self._memory.new(record))]
        for record in sorted(further - {each.remote_id for each in new}):
            # A known record that has got this key by the plan: its other values are read by its id.
            named = Delivery(delivery.lead_id, Decision(self.real.named[0], record), delivery.fields)
            with self.calls.purpose(PLAN_ALONE):
                (read,) = self.real.look_up([named], fields)
            with self._lock:
                left += self._memory.as_left(read, by, value)
        return [*left, *new]

    # What would be written --------------------------------------------------------------------------------------

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        names = sorted({name for each in deliveries for name in self.real.foreseen(each, created=False)})
        try:
            records = self._read(deliveries, names, PLAN_ALONE)
        except NoAnswer as error:
            raise RetryLater(error.what, after=error.after) from error  # a read: nothing is unclear after it
        self.calls.add(WRITE)
        with self._lock:
            return [self._written(each, found) for each, found in zip(deliveries, records, strict=True)]

    def _written(self, delivery: Delivery, records: Sequence[Found]) -> Outcome:
        decision = delivery.decision
        self.tried.setdefault(delivery.lead_id, []).append(delivery)
        if not self.real.can_ask(decision):
            self.unasked.add(delivery.lead_id)
        several = ", ".join(record.remote_id for record in records)
        if records and decision.action == "create_only":
            what = f"the {decision.by} {decision.value} is that of record {several}"
            return Outcome("failed", failure=Failure("ALREADY_EXISTS", what))
        if not records and (decision.by in self.real.named or decision.action == "update_only"):
            return Outcome("missing")
        if not records:
            return self._create(delivery)
        notices: tuple[Notice, ...] = ()
        record = max(records, key=lambda each: each.recency)
        if len(records) > 1:
            what = f"{decision.value} is the {decision.by} of several records ({several})"
            if decision.duplicates == "fail":
                return Outcome("failed", failure=Failure("AMBIGUOUS_MATCH", what))
            notices = (Notice("DUPLICATES_RESOLVED", f"{what}; {record.remote_id} is written", decision.by),)
        values = self.real.foreseen(delivery, created=False)
        same = {name: value for name, value in values.items() if _same(name, value, record.values.get(name))}
        changes = [Change(name, record.values.get(name), value) for name, value in values.items() if name not in same]
        self._remember(Sending(delivery, record.remote_id, False, changes, same))
        return Outcome("updated", record.remote_id, notices=notices)

    def _create(self, delivery: Delivery) -> Outcome:
        values = self.real.foreseen(delivery, created=True)
        changes = [Change(name, None, value) for name, value in values.items() if value not in (None, "", [])]
        record = _new_id(delivery.lead_id)
        if delivery.on_create:
            self.calls.add(WRITE)  # what only new records get is written once it is known that they are new
        self._remember(Sending(delivery, record, True, changes), new=True)
        return Outcome("created", record)

    def _remember(self, sending: Sending, *, new: bool = False) -> None:
        self._memory.leave(sending.record, {change.field: change.new for change in sending.changes}, new=new)
        self.sent[sending.delivery.lead_id] = sending

    def enroll(self, program_id: str, status: str, members: Sequence[Member]) -> Sequence[Outcome]:
        self._place(Membership(program_id, status), [member.remote_id for member in members])
        self.calls.add(MEMBERSHIP, 1 + any(member.data for member in members))
        return [Outcome("updated", member.remote_id) for member in members]

    def add_to_list(self, list_id: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        self._place(Membership(list_id, kind="list"), remote_ids)
        self.calls.add(MEMBERSHIP)
        return [Outcome("updated", id) for id in remote_ids]

    def _place(self, place: Membership, remote_ids: Sequence[str]) -> None:
        """Remember where records stand before they get a place, where one call tells it of many."""
        known = [id for id in remote_ids if self._memory.new(id) is None]
        held: Mapping[str, Standing] = {}
        if known and self.real.limits.batch_size > 1:
            try:
                with self.calls.purpose(PLAN_ALONE):
                    held = self.real.standings(place, known) or {}
            except (CredentialsError, SpecError):
                held = {}  # it may not be read: then it is not told
        with self._lock:
            for id in remote_ids:
                before = self._given.get((place.target, id), held.get(id))
                if before is not None:
                    self.before.setdefault((place.target, id, place.status), before)
                self._given[place.target, id] = Standing(place.status, reached=False)


def _new_id(lead: int) -> str:
    """What stands for the id of the record that a lead creates; no vendor's ids look like it."""
    return f"new-{lead}"


def _same(name: str, new: Any, old: Any) -> bool:
    if name == _EMAIL:
        return text(new).strip().lower() == text(old).strip().lower()
    return stored_as(new, old)
