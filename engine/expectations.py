"""Whether what becomes of a sample is what a test of the spec expects: only what the test names is compared."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any

from engine.expressions import suggestion
from engine.records import Failure, Write
from engine.samples import Expected
from engine.specs import MappingSpec
from engine.trial import Trial


def unmet(expected: Expected, trial: Trial, mapping: MappingSpec) -> list[str]:
    """What is otherwise than expected, a line each: `leadType: expected "A", got "B"`."""
    outcome = trial.outcome
    if isinstance(outcome, Failure):
        if expected.failure == outcome.code:
            return []
        wanted = f"expected {expected.failure}, got" if expected.failure else "the lead fails with"
        return [f"failure: {wanted} {outcome.code}: {outcome.message}"]
    lines = [f"failure: expected {expected.failure}, but the lead is written"] if expected.failure else []
    lines += _fields(expected, outcome, mapping)
    lines += _programs(expected, outcome, mapping)
    lists = sorted(place.target for place in outcome.memberships if place.kind == "list")
    if expected.lists is not None and sorted(expected.lists) != lists:
        lines.append(f"lists: expected {_shown(sorted(expected.lists))}, got {_shown(lists)}")
    keys = [str(key[0]) for key in trial.keys]
    if expected.keys is not None and list(expected.keys) != keys:
        lines.append(f"keys: expected {_shown(list(expected.keys))}, got {_shown(keys)}")
    return lines


def _fields(expected: Expected, write: Write, mapping: MappingSpec) -> Iterator[str]:
    sent = {**write.on_create, **write.if_blank, **write.fields}
    targets = [*(row.target for row in mapping.fields), *(row.field for row in mapping.qualifiers)]
    for name, value in (expected.fields or {}).items():
        if name not in targets and (value is not None or get_close_matches(name, targets, n=1, cutoff=0.8)):
            hint = suggestion(name, targets)
            yield f"{name}: no row of the mapping writes this field{'. ' if hint else ''}{hint}"
        elif value is None and name in sent:
            yield f"{name}: expected not to be sent, got {_value(sent[name])}"
        elif value is not None and name not in sent:
            yield f"{name}: expected {_value(value)}, and it is not sent"
        elif value is not None and not _same(value, sent[name]):
            yield f"{name}: expected {_value(value)}, got {_value(sent[name])}"


def _programs(expected: Expected, write: Write, mapping: MappingSpec) -> Iterator[str]:
    given = {place.target: place.status for place in write.memberships if place.kind == "program"}
    known: Collection[str] = [row.program_id for row in mapping.programs]
    for id, status in (expected.programs or {}).items():
        if id not in known and status is not None:
            yield f"program {id}: no row of the mapping is for this program"
        elif given.get(id) != status:
            got = _shown(given[id]) if id in given else "no membership"
            yield f"program {id}: expected {_shown(status) if status is not None else 'no membership'}, got {got}"


def _same(expected: Any, sent: Any) -> bool:
    """Whether values are equal, and of one kind: a text is no number. An empty text means a field that is emptied."""
    if sent is None:
        return bool(expected == "")
    if isinstance(expected, bool) or isinstance(sent, bool):
        return expected is sent
    return bool(expected == sent)


def _value(value: Any) -> str:
    return '""' if value == "" else "the field emptied" if value is None else _shown(value)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
