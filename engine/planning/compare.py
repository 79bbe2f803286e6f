"""Hold a plan against what is so now: what has changed since, and a guard that lets through what was planned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from engine.adapters import Vendor
from engine.errors import AbortRun, SpecError
from engine.planning.records import Plan, PlannedLead, PlannedPlace
from engine.records import Delivery, Member, Outcome


class PlanChanged(SpecError):
    """What a run would do is not what was planned; nothing was sent."""


def differences(planned: Plan, fresh: Plan, done: set[int]) -> list[str]:
    """What is otherwise than planned, as people read it. `done`: leads that are at the vendor by now.

    A lead that providers may still fill in is compared in nothing but its being there.
    """
    found = []
    if planned.integration != fresh.integration or planned.account != fresh.account:
        return [f"the plan is for {planned.integration} at {planned.account}, and this is {fresh.integration} at"
                f" {fresh.account}"]  # fmt: skip
    if planned.spec_digest != fresh.spec_digest:
        found.append("the spec has changed")
    if planned.source_digest != fresh.source_digest or planned.source != fresh.source:
        found.append(f"the source has changed ({planned.source} was planned, {fresh.source} is read)")
    before = {lead.key: lead for lead in planned.leads}
    after = {lead.key: lead for lead in fresh.leads}
    for key, lead in before.items():
        now = after.get(key)
        if now is None:
            if lead.lead not in done and lead.word != "fail" and lead.sent:
                found.append(f"{key}: nothing would be done any more")
        elif not (lead.open or now.open):
            found += [f"{key}: {text}" for text in _lead(lead, now)]
    found += [f"{key}: was not planned" for key, lead in after.items() if key not in before and lead.alters]
    return found


def _lead(planned: PlannedLead, now: PlannedLead) -> Iterator[str]:
    left = {_place(each) for each in now.places} <= {_place(each) for each in planned.places}
    if now.word in ("skip", "update") and not now.changes and left:
        return  # what was planned is so by now, or was never to be changed
    if planned.word != now.word:
        yield f"{_act(planned)} was planned, and now it is {_act(now)}"
        return
    if planned.remote_id != now.remote_id:
        yield f"record {planned.remote_id} was to be written, and now it is {now.remote_id}"
    was = {change.field: change for change in planned.changes}
    will = {change.field: change for change in now.changes}
    for name in dict.fromkeys([*was, *will]):
        if name not in will:
            yield f"{name} holds {_shown(was[name].new)} by now" if planned.word != "create" else f"{name} is left out"
        elif name not in was:
            yield f"{name} is {_shown(will[name].old)} at the vendor, and would become {_shown(will[name].new)}"
        elif _same(was[name].old, will[name].old) and _same(was[name].new, will[name].new):
            continue
        else:
            yield (f"{name}: {_shown(was[name].old)} → {_shown(was[name].new)} was planned,"
                   f" now {_shown(will[name].old)} → {_shown(will[name].new)}")  # fmt: skip
    if {_place(each) for each in planned.places} != {_place(each) for each in now.places}:
        yield "other memberships than planned"


def _act(lead: PlannedLead) -> str:
    return f"{lead.word} ({lead.code})" if lead.code else lead.word


def _shown(value: Any) -> str:
    return "nothing" if value in (None, "") else repr(value)


def _same(one: Any, other: Any) -> bool:
    return one == other or (one in (None, "") and other in (None, ""))


def _place(place: PlannedPlace) -> tuple[str, str, str, bytes]:
    return place.kind, place.target, place.status, orjson.dumps(dict(place.data), option=orjson.OPT_SORT_KEYS)


class Allowed:
    """What a plan allows to be sent."""

    def __init__(self, plan: Plan) -> None:
        self.exempt = {lead.lead for lead in plan.leads if lead.open}
        self._sendings = {
            (lead.by, lead.value): {change.field: change.new for change in lead.changes}
            for lead in plan.leads if lead.by
        }  # fmt: skip
        self._all = {(lead.by, lead.value): lead for lead in plan.leads if lead.by}
        self._places = {(place.target, place.status) for lead in plan.leads for place in lead.places}

    def refuse(self, deliveries: Sequence[Delivery], sent: Sequence[Mapping[str, Any]]) -> None:
        """Raise PlanChanged where one of the deliveries, with what it leaves, is not in the plan."""
        for delivery, values in zip(deliveries, sent, strict=True):
            decision = delivery.decision
            if delivery.lead_id in self.exempt:
                continue
            lead = self._all.get((decision.by, decision.value))
            if lead is None:
                self._raise(f"the lead {decision.value} would be written by {decision.by}")
            wanted = self._sendings[decision.by, decision.value]
            wrong = [name for name, new in wanted.items() if name in values and not _same(values[name], new)]
            if wrong:
                self._raise(f"{decision.value}: {wrong[0]} would become {_shown(values[wrong[0]])}")

    def refuse_place(self, target: str, status: str) -> None:
        """Raise PlanChanged where no lead of the plan gets this place."""
        if (target, status) not in self._places and not self.exempt:
            self._raise(f"leads would be put in {target}{f' as {status}' if status else ''}")

    @staticmethod
    def _raise(what: str) -> None:
        raise AbortRun(
            f"this was not planned: {what}",
            why="something has changed since the plan was made; nothing of this call was sent",
            fix="Make a new plan, and run it.",
        )


def guarded(allowed: Allowed, vendor: Vendor) -> Vendor:
    """Let the vendor write nothing that the plan does not hold."""
    sync, enroll, add_to_list = vendor.sync, vendor.enroll, vendor.add_to_list

    def guarded_sync(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        allowed.refuse(deliveries, [vendor.foreseen(each, created=False) for each in deliveries])
        return sync(deliveries)

    def guarded_enroll(program_id: str, status: str, members: Sequence[Member]) -> Sequence[Outcome]:
        allowed.refuse_place(program_id, status)
        return enroll(program_id, status, members)

    def guarded_add(list_id: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        allowed.refuse_place(list_id, "")
        return add_to_list(list_id, remote_ids)

    vendor.sync = guarded_sync  # type: ignore[method-assign]
    vendor.enroll = guarded_enroll  # type: ignore[method-assign]
    vendor.add_to_list = guarded_add  # type: ignore[method-assign]
    return vendor
