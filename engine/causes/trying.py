"""Try a change of the spec without writing or sending: which failed leads would pass, and what stops the rest."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import check, specs
from engine.causes.case import Case, Proposal
from engine.errors import SpecError
from engine.mapping import compile_mapping
from engine.prepare import keys_of
from engine.records import Failure, Write
from engine.spec_edit import Change, change
from engine.specs import Integration
from engine.stages.map import worked_out
from engine.stages.rows import refused
from engine.state.causes import Failed
from engine.state.failures import pattern

_log = logging.getLogger("engine.causes")
_log.addHandler(logging.NullHandler())  # what breaks is shown with the group
#: Stages that fail a lead before the vendor is asked.
_OFFLINE = ("capture", "enrich", "map")


@dataclass(frozen=True, slots=True)
class Tried:
    """A proposal that was tried. `clears`: leads that would pass; `still`: others, by code and message."""

    proposal: Proposal
    change: Change
    clears: int
    still: Mapping[tuple[str, str], int]


def tried(case: Case, proposals: Sequence[Proposal]) -> tuple[list[Tried], list[str]]:
    """Try proposals; returns those that would clear leads, and why others cannot be made.

    One whose spec would be wrong in a way in which it is not now is none.
    """
    wrong = _wrong(case.integration, case)
    useful: list[Tried] = []
    left: list[str] = []
    for proposal in proposals:
        try:
            made = change(case.integration, proposal.steps)
            spec = specs.load(case.integration.path, made.texts)
            new = [each for each in check.check(spec, case.plugins) if each.level == "error"
                   and (each.code, each.what) not in wrong]  # fmt: skip
            if new:
                raise new[0]
            still = becomes(case, spec)
        except SpecError as error:
            left.append(f"{proposal.what}: {error.what}" + (f" ({error.why})" if error.why else ""))
            continue
        clears = len(case.leads) - still.total()
        if not clears:
            left.append(f"{proposal.what}: would clear no lead")
        elif all(made.new != other.change.new for other in useful):
            useful.append(Tried(proposal, made, clears, still))
    return useful, left


def becomes(case: Case, spec: Integration) -> Counter[tuple[str, str]]:
    """What would keep the leads of a case from passing with a spec, by code and message. Raises SpecError.

    What differs from lead to lead is left out of the messages.
    """
    names = check.names_of(spec, case.plugins)
    mapping = compile_mapping(spec.mapping, names, case.remote_of(spec.mapping))
    keys = keys_of(check.rules_of(spec, case.vendor), names, case.vendor)
    still: Counter[tuple[str, str]] = Counter()
    for failed in case.leads:
        found: Any = refused(spec, failed.lead.fields) or worked_out(mapping, keys, failed.lead, _log)
        if not isinstance(found, Failure) and _as_before(failed, found[0], found[1]):
            found = Failure(failed.code, failed.message, failed.field)
        if isinstance(found, Failure):
            still[(found.code, pattern(found.message))] += 1
    return still


def _wrong(spec: Integration, case: Case) -> set[tuple[str, str]]:
    return {(each.code, each.what) for each in check.check(spec, case.plugins)}


def _as_before(failed: Failed, write: Write, keys: Sequence[Sequence[Any]]) -> bool:
    """Whether the vendor, who refused a lead, would be asked for the same again."""
    if failed.stage in _OFFLINE or failed.sent is None:
        return False
    sent = {**failed.sent.get("on_create", {}), **failed.sent.get("if_blank", {}), **failed.sent.get("fields", {})}
    if failed.field in sent:
        now = {**write.on_create, **write.if_blank, **write.fields}
        return failed.field in now and bool(now[failed.field] == sent[failed.field])
    places = [[place.target, place.status] for place in write.memberships]
    same_places = places == [list(place) for place in failed.sent.get("memberships", [])]
    return [list(key) for key in keys] == [list(key) for key in failed.sent.get("keys", [])] and same_places
