"""A guard around the vendor: only what a plan holds is sent."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn

import orjson

from engine.adapters import Vendor
from engine.errors import SpecError
from engine.filters import text
from engine.planning.front import Front
from engine.records import Delivery, Member, Outcome

#: A membership as the guard compares it: record, program or list, status, and the member's own fields as JSON.
GuardedPlace = tuple[str, str, str, bytes]


class NotPlanned(SpecError):
    """Something was about to be sent that the plan does not hold; nothing of that call was sent."""


@dataclass(frozen=True)
class Allowed:
    """What a plan allows to be sent.

    deliveries: by lead, each that may be sent. records: by lead, how the plan names the record that it is written to.
    open: leads that providers may still fill in, which nobody can foresee.
    """

    deliveries: Mapping[int, Sequence[Delivery]] = field(default_factory=dict)
    records: Mapping[int, str] = field(default_factory=dict)
    places: frozenset[GuardedPlace] = frozenset()
    open: frozenset[int] = frozenset()


class GuardedVendor(Front):
    """Lets through what is allowed. Safe to use from many threads."""

    def __init__(self, real: Vendor, allowed: Allowed) -> None:
        super().__init__(real)
        self._allowed = allowed
        self._lock = threading.Lock()
        self._names: dict[str, set[str]] = {}
        self._open: set[str] = set()

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Raises NotPlanned, and what the vendor raises."""
        for each in deliveries:
            self._check(each)
        outcomes = self.real.sync(deliveries)
        with self._lock:
            for each, outcome in zip(deliveries, outcomes, strict=False):
                self._learn(each.lead_id, outcome.remote_id)
        return outcomes

    def enroll(self, program_id: str, status: str, members: Sequence[Member]) -> Sequence[Outcome]:
        """Raises NotPlanned, and what the vendor raises."""
        for each in members:
            self._check_place(each.remote_id, program_id, status, each.data)
        return self.real.enroll(program_id, status, members)

    def add_to_list(self, list_id: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        """Raises NotPlanned, and what the vendor raises."""
        for each in remote_ids:
            self._check_place(each, list_id, "", {})
        return self.real.add_to_list(list_id, remote_ids)

    def _learn(self, lead: int, record: str | None) -> None:
        """Remember which record is the one that the plan calls by another name."""
        if record is None:
            return
        if lead in self._allowed.open:
            self._open.add(record)
        if lead in self._allowed.records:
            self._names.setdefault(record, set()).add(self._allowed.records[lead])

    def _check(self, delivery: Delivery) -> None:
        planned = self._allowed.deliveries.get(delivery.lead_id, ())
        if delivery.lead_id in self._allowed.open or any(_packed(delivery) == _packed(each) for each in planned):
            return
        decision = delivery.decision
        same = [each for each in planned if each.decision == decision]
        if not same:
            _refuse(f"a lead would be written by its {decision.by} {decision.value}")
        values, wanted = ({**each.fields, **each.on_create} for each in (delivery, same[0]))
        names = [name for name in {**wanted, **values} if values.get(name) != wanted.get(name)]
        shown = ", ".join(
            f"{name} would become {text(values[name])!r}" if name in values else f"{name} would not be written"
            for name in names[:3]
        )
        _refuse(f"{decision.by} {decision.value}: {shown or 'other fields would be sent'}")

    def _check_place(self, record: str, target: str, status: str, data: Mapping[str, Any]) -> None:
        with self._lock:
            names = {record, *self._names.get(record, ())}
            free = record in self._open
        if not free and not any(guarded_place(name, target, status, data) in self._allowed.places for name in names):
            _refuse(f"record {record} would be put in {target}{f' as {status}' if status else ''}")


def guarded_place(record: str, target: str, status: str, data: Mapping[str, Any]) -> GuardedPlace:
    """A membership as the guard compares it."""
    return record, target, status, orjson.dumps(dict(data), option=orjson.OPT_SORT_KEYS, default=str)


def _packed(delivery: Delivery) -> bytes:
    """What of a delivery is compared: the decision and the values."""
    whole = [asdict(delivery.decision), delivery.fields, delivery.on_create]
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS, default=str)


def _refuse(what: str) -> NoReturn:
    raise NotPlanned(
        f"this was not planned: {what}",
        why="something has changed while the run was under way; nothing of this call was sent",
        fix="Make a new plan, look at it, and run that: it goes on where this run has stopped.",
    )
