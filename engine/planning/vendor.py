"""A vendor that never writes: it answers each write as the vendor would, and remembers what that would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from engine.adapters import Vendor
from engine.casts import stored_as
from engine.filters import text
from engine.limits import Limits
from engine.planning.records import Change
from engine.records import Decision, Delivery, Failure, Field, Found, Member, Notice, Outcome, Program

#: Attributes of the class that stages and checks look at.
_OF_CLASS = ("name", "summary", "keys", "field_keys", "named", "searched", "on_create", "shares_keys", "actions",
             "codes", "has_programs", "has_lists", "config_schema", "secrets")  # fmt: skip
_EMAIL = "email"


class Sending:
    """What sending one lead would do: the decision, the record (empty: a new one), what changes and what does not."""

    def __init__(self, decision: Decision, remote_id: str, changes: Sequence[Change], unchanged: int) -> None:
        self.decision = decision
        self.remote_id = remote_id
        self.changes = changes
        self.unchanged = unchanged


class PlanningVendor(Vendor):
    """Stands in front of a vendor. `sent`: by lead, what would be done; `calls`: how many, by what they are for."""

    real: Vendor

    def __init__(self, real: Vendor) -> None:
        super().__init__(real.config, real.context)
        self.real = real
        self.sent: dict[int, Sending] = {}
        self.calls: Counter[str] = Counter()
        self.settle_after = 0.0
        self._created: dict[tuple[str, str], str] = {}
        self._held: dict[str, dict[str, Any]] = {}

    # What is read -----------------------------------------------------------------------------------------------

    @property
    def account(self) -> str:
        return self.real.account

    @property
    def catalog(self) -> str:
        return self.real.catalog

    @property
    def limits(self) -> Limits:
        return self.real.limits

    def connect(self) -> None:
        self.real.connect()

    def fields(self) -> Sequence[Field]:
        return self.real.fields()

    def member_fields(self) -> Sequence[Field]:
        return self.real.member_fields()

    def programs(self, ids: Sequence[str]) -> Mapping[str, Program]:
        return self.real.programs(ids)

    def lists(self, ids: Sequence[str]) -> Mapping[str, str]:
        return self.real.lists(ids)

    def can_ask(self, decision: Decision) -> bool:
        return self.real.can_ask(decision)

    def close(self) -> None:
        self.real.close()

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        """Read records; those that the plan creates or changes are as the plan leaves them."""
        self.calls["read"] += 1
        return self._read(deliveries, fields)

    def _read(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> list[Sequence[Found]]:
        found: list[Sequence[Found]] = [()] * len(deliveries)
        asked = []
        for index, delivery in enumerate(deliveries):
            decision = delivery.decision
            ours = self._created.get(_key(decision.by, decision.value))
            if ours is None and decision.value in self._created.values():
                ours = decision.value
            if ours is not None:
                held = self._held[ours]
                keys = {by: value for (by, value), id in self._created.items() if id == ours}
                found[index] = (Found(ours, {name: held.get(name) for name in fields}, keys),)
            elif self.real.can_ask(decision):
                asked.append(index)
        if asked:
            answers = self.real.look_up([deliveries[index] for index in asked], fields)
            for index, records in zip(asked, answers, strict=True):
                found[index] = [self._as_left(record) for record in records]
        return found

    def _as_left(self, record: Found) -> Found:
        held = self._held.get(record.remote_id)
        if held is None:
            return record
        values = {name: held.get(name, value) for name, value in record.values.items()}
        return Found(record.remote_id, values, record.keys, record.changed_at)

    # What would be written --------------------------------------------------------------------------------------

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        self.calls["write"] += 1
        names = sorted({name for each in deliveries for name in self.real.foreseen(each, created=False)})
        records = self._read(deliveries, names)
        return [self._written(each, found) for each, found in zip(deliveries, records, strict=True)]

    def _written(self, delivery: Delivery, records: Sequence[Found]) -> Outcome:
        decision = delivery.decision
        if records and decision.action == "create_only":
            what = f"the {decision.by} {decision.value} is that of record {records[0].remote_id}"
            return Outcome("failed", failure=Failure("ALREADY_EXISTS", what))
        if not records and (decision.by in self.real.named or decision.action == "update_only"):
            return Outcome("missing")
        notices: tuple[Notice, ...] = ()
        if len(records) > 1:
            ids = ", ".join(record.remote_id for record in records)
            what = f"{decision.value} is the {decision.by} of several records ({ids})"
            if decision.duplicates == "fail":
                return Outcome("failed", failure=Failure("AMBIGUOUS_MATCH", what))
            notices = (Notice("DUPLICATES_RESOLVED", what, decision.by),)
        if not records:
            return self._create(delivery)
        record = max(records, key=lambda each: each.changed_at)
        values = self.real.foreseen(delivery, created=False)
        changes = [
            Change(name, record.values.get(name), value)
            for name, value in values.items()
            if not _same(name, value, record.values.get(name))
        ]
        self._remember(delivery, record.remote_id, record.remote_id, changes, len(values) - len(changes))
        return Outcome("updated", record.remote_id, notices=notices)

    def _create(self, delivery: Delivery) -> Outcome:
        remote_id = f"new-{len({*self._created.values()}) + 1}"
        values = self.real.foreseen(delivery, created=True)
        changes = [Change(name, None, value) for name, value in values.items() if value is not None]
        self._created[_key(delivery.decision.by, delivery.decision.value)] = remote_id
        for name in {_EMAIL, *self.real.keys} & values.keys():
            self._created.setdefault(_key(name, text(values[name])), remote_id)
        self._remember(delivery, remote_id, "", changes, 0)
        return Outcome("created", remote_id)

    def _remember(
        self, delivery: Delivery, held_as: str, remote_id: str, changes: Sequence[Change], unchanged: int
    ) -> None:
        self._held.setdefault(held_as, {}).update({change.field: change.new for change in changes})
        self.sent[delivery.lead_id] = Sending(delivery.decision, remote_id, changes, unchanged)

    def enroll(self, program_id: str, status: str, members: Sequence[Member]) -> Sequence[Outcome]:
        self.calls["membership"] += 1 + any(member.data for member in members)
        return [Outcome("updated", member.remote_id) for member in members]

    def add_to_list(self, list_id: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        self.calls["membership"] += 1
        return [Outcome("updated", id) for id in remote_ids]


def planning(real: Vendor) -> PlanningVendor:
    """A vendor that plans for a real one, and looks like it to all who ask its class."""
    of_class = {name: getattr(type(real), name) for name in _OF_CLASS}
    made: type[PlanningVendor] = type("PlanningFor", (PlanningVendor,), of_class)
    return made(real)


def _key(by: str, value: str) -> tuple[str, str]:
    return by, value.strip().lower()


def _same(name: str, new: Any, old: Any) -> bool:
    if name == _EMAIL:
        return text(new).strip().lower() == text(old).strip().lower()
    return stored_as(new, old)
