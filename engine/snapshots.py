"""Snapshots: what becomes of a sample, as a JSON file that reads well in a review, and what differs from it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.codes import OWNERS, code
from engine.records import Failure, Write
from engine.trial import Trial

#: Not syrupy's own folder, whose other users would take these files for theirs, and the other way round.
FOLDER = "__samples__"
#: Keys of which a snapshot has at least those of one set.
_TELLING = ({"fields", "keys"}, {"failure"})
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
#: Names that no file may have on every machine.
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
#: Where a thing was in memory, which another time is elsewhere.
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")


def file_name(sample: str) -> str:
    """The name of a sample's snapshot, without its ending: safe on every machine."""
    name = _UNSAFE.sub("-", sample).strip(". -") or "sample"
    return f"{name}-" if _RESERVED.fullmatch(name) else name


def content(trial: Trial) -> bytes:
    """A snapshot as it stands in its file: sorted where order means nothing, the same for the same trial."""
    text = json.dumps(plain(trial), ensure_ascii=False, indent=2, default=str)
    # Half of a surrogate pair becomes its JSON form.
    return (text + "\n").encode("utf-8", "backslashreplace")


def plain(trial: Trial) -> dict[str, Any]:
    """What becomes of a sample, as plain values; what is empty is left out, but for the fields and the keys."""
    made = _failed(trial.outcome) if isinstance(trial.outcome, Failure) else _written(trial.outcome, trial.keys)
    more = {
        "normalized": {name: {"before": old, "after": new} for name, (old, new) in sorted(trial.normalized.items())},
        "filled": dict(sorted(trial.filled.items())),
        "broken": [_ADDRESS.sub("0x…", each) for each in trial.broken],
    }
    return made | {name: value for name, value in more.items() if value}


def _written(write: Write, keys: Sequence[Sequence[Any]]) -> dict[str, Any]:
    programs: list[dict[str, Any]] = []
    for place in sorted(write.memberships, key=lambda place: place.target):
        if place.kind == "program":
            own = {"fields": dict(sorted(place.data.items()))} if place.data else {}
            programs.append({"id": place.target, "status": place.status, **own})
    made = {
        "fields": dict(sorted(write.fields.items())),
        "if_blank": dict(sorted(write.if_blank.items())),
        "on_create": dict(sorted(write.on_create.items())),
        "programs": programs,
        "lists": sorted(place.target for place in write.memberships if place.kind == "list"),
        "keys": [{"by": key[0], "value": key[1], **(key[2] if len(key) > 2 else {})} for key in keys],
        "notices": [{"code": each.code, "message": each.message, "field": each.field} for each in write.notices],
    }
    return {name: value for name, value in made.items() if value or name in ("fields", "keys")}


def _failed(failure: Failure) -> dict[str, Any]:
    kind = code(failure.code)
    shown = {
        "code": failure.code,
        "message": _ADDRESS.sub("0x…", failure.message),
        "field": failure.field,
        "fixed_by": OWNERS[kind.owner],
        "retry": "as it is" if kind.retryable else "after the fix",
    }
    return {"failure": {name: value for name, value in shown.items() if value}}


def is_snapshot(data: bytes) -> bool:
    """Whether a file holds a snapshot of a sample, and not something of somebody else."""
    try:
        found = json.loads(data)
    except ValueError:
        return False
    return isinstance(found, Mapping) and any(keys <= found.keys() for keys in _TELLING)


def difference(before: bytes, after: bytes) -> list[str]:
    """What differs between two snapshots, field by field: `- fields.title: "CEO"`, then `+ fields.title: "CTO"`."""
    try:
        old, new = dict(_flat(json.loads(before))), dict(_flat(json.loads(after)))
    except ValueError:
        was, now = (each.decode("utf-8", "replace").splitlines() for each in (before, after))
        return ["the recorded snapshot is no JSON", *list(difflib.unified_diff(was, now, lineterm="", n=1))[2:]]
    lines: list[str] = []
    for path in dict.fromkeys(_in_order(list(old), list(new))):
        if path in old and (path not in new or old[path] != new[path]):
            lines.append(f"- {path}: {old[path]}")
        if path in new and (path not in old or old[path] != new[path]):
            lines.append(f"+ {path}: {new[path]}")
    return lines or ["the recorded snapshot says the same, and is written in another form"]


def _in_order(old: list[str], new: list[str]) -> Iterator[str]:
    """The paths of both, those that only one has where they stand in it."""
    for kind, start, end, other, last in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        yield from old[start:end]
        if kind != "equal":
            yield from new[other:last]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each value by its path, as JSON."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{index}]")
    elif path:
        yield path, json.dumps(value, ensure_ascii=False)
