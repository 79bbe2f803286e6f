"""Hold a plan against what is so now: what has changed since it was made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from engine.casts import stored_as
from engine.errors import SpecError
from engine.filters import text
from engine.planning.guard import guarded_place
from engine.planning.records import Change, Plan, PlannedLead, PlannedPlace

#: Differences that are shown one by one.
SHOWN = 20


class PlanChanged(SpecError):
    """What a run would do is not what was planned; nothing was sent."""


def hold_against(planned: Plan, fresh: Plan, begun: Collection[str], where: str) -> None:
    """Raise PlanChanged with what is otherwise than planned. `where`: the file with the plan; `begun` as below."""
    found = differences(planned, fresh, begun)
    if not found:
        return
    shown = "".join(f"\n    {each}" for each in found[:SHOWN])
    more = f"\n    and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    count = "1 thing has" if len(found) == 1 else f"{len(found)} things have"
    raise PlanChanged(
        f"{count} changed since the plan was made:{shown}{more}",
        where=where, fix="Nothing was sent. Make a new plan, look at it, and run that.",
    )  # fmt: skip


def differences(planned: Plan, fresh: Plan, begun: Collection[str]) -> list[str]:
    """What is otherwise than planned, as people read it.

    begun: the leads that were sent since, or may have been: what is left of them must have been planned. A lead that
    providers may still fill in is compared in nothing but its being there.
    """
    if (planned.integration, planned.account) != (fresh.integration, fresh.account):
        return [f"the plan is for {planned.integration} at {planned.account}, and this is {fresh.integration} at"
                f" {fresh.account}"]  # fmt: skip
    found = []
    if planned.spec_digest != fresh.spec_digest:
        found.append("the spec has changed")
    if (planned.source, planned.source_digest) != (fresh.source, fresh.source_digest):
        found.append("the source has changed" if planned.source == fresh.source
                     else f"another source: {planned.source} was planned, and this is {fresh.source}")  # fmt: skip
    before = {lead.key: lead for lead in planned.leads}
    after = {lead.key: lead for lead in fresh.leads}
    for key, lead in before.items():
        now = after.get(key)
        if now is None:
            if key not in begun and (lead.sent or lead.alters):
                found.append(f"{key}: nothing would be done any more")
        elif not (lead.open or now.open):
            found += [f"{key}: {what}" for what in (_left if key in begun else _strictly)(lead, now)]
    for key, lead in after.items():
        if key not in before and (lead.alters or lead.word == "fail"):
            found.append(f"{key}: was not planned, and now it is {_act(lead)}")
    return found


def _strictly(planned: PlannedLead, now: PlannedLead) -> Iterator[str]:
    """What differs; what the vendor holds by now as it was planned is in order."""
    if "fail" in (planned.word, now.word):
        if (planned.word, planned.code) != (now.word, now.code):
            yield _other_act(planned, now)
        return
    if (planned.word == "create") != (now.word == "create") and now.changes:
        yield _other_act(planned, now)
        return
    if "create" not in (planned.word, now.word) and planned.record != now.record:
        yield f"record {planned.record} was to be written, and now it is {now.record}"
    yield from _fields(_by_name(planned.changes), planned.unchanged, _by_name(now.changes), now.unchanged)
    places, left = {_place(each): each for each in planned.places}, {_place(each): each for each in now.places}
    if places.keys() != left.keys():
        yield "other memberships than planned"
    for place in places.keys() & left.keys():
        before, held = places[place], left[place]
        if before.old != held.old and not held.kept:
            yield (f"{held.kind} {held.target}: the status {_shown(before.old)} was there,"
                   f" and now it is {_shown(held.old)}")  # fmt: skip


def _fields(
    was: Mapping[str, Change], so: Mapping[str, Any], will: Mapping[str, Change], so_now: Mapping[str, Any]
) -> Iterator[str]:
    """Compare what changes, and what is sent and is so already, by field."""
    for name, change in was.items():
        now = will.get(name)
        if now is None:
            if name not in so_now or not _same(so_now[name], change.new):
                yield f"{name} was to become {_shown(change.new)}, and is no longer written"
        elif not _same(now.new, change.new):
            yield f"{name} was to become {_shown(change.new)}, and now {_shown(now.new)}"
        elif not _same(now.old, change.old):
            yield (f"{name} was to change from {_shown(change.old)} to {_shown(change.new)}, and now it is"
                   f" {_shown(now.old)}")  # fmt: skip
    for name, now in will.items():
        if name not in was:
            yield f"{name} was to stay as it is, and now {_shown(now.old)} would become {_shown(now.new)}"
    for name in so:
        if name not in so_now and name not in will:
            yield f"{name} is no longer written"


def _left(planned: PlannedLead, now: PlannedLead) -> Iterator[str]:
    """What is to be done with a lead that was begun on, and was not planned."""
    if now.word == "fail":
        if planned.code != now.code:
            yield _other_act(planned, now)
        return
    was = _by_name(planned.changes)
    for change in now.changes:
        if change.field not in was or not _same(was[change.field].new, change.new):
            yield f"{change.field} would become {_shown(change.new)}, which was not planned"
    if not {_place(each) for each in now.places} <= {_place(each) for each in planned.places}:
        yield "other memberships than planned"


def _other_act(planned: PlannedLead, now: PlannedLead) -> str:
    return f"{_act(planned)} was planned, and now it is {_act(now)}"


def _act(lead: PlannedLead) -> str:
    what = lead.code or ("" if lead.word == "create" else f"record {lead.record}" if lead.record else "")
    return f"{lead.word} ({what})" if what else lead.word


def _by_name(changes: Sequence[Change]) -> dict[str, Change]:
    return {change.field: change for change in changes}


def _shown(value: Any) -> str:
    return "nothing" if value in (None, "", []) else repr(value if isinstance(value, list) else text(value))


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same, one of which may have been saved and read again."""
    return one == other or (one in (None, "", []) and other in (None, "", [])) or (
        one not in (None, "") and other not in (None, "") and stored_as(one, other)
    )  # fmt: skip


def _place(place: PlannedPlace) -> tuple[str, Any]:
    return place.kind, guarded_place("", place.target, place.status, place.data)
