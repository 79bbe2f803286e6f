"""Bring specs of older versions up to date, in place and with their comments: one small function a version."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml.comments import CommentedMap

from engine.errors import Place, SpecError
from engine.spec_files import VERSION, kind_of, parse, read_text, round_trip

#: Changes the tree of a spec of one kind from one version to the next, and says what it changed.
Step = Callable[[CommentedMap, str], list[str]]


def _name_the_version(tree: CommentedMap, kind: str) -> list[str]:
    """Specs of before the format had versions."""
    return ["added `version: 1`"]


#: By the version that a step starts from; 0 is a spec that names none. A step says what it changed; the version itself
#: is written by `migrated`.
STEPS: Mapping[int, Step] = {0: _name_the_version}


@dataclass(frozen=True, slots=True)
class Migrated:
    """A spec brought up to date: its new text, and what was changed, which is nothing for one that is up to date."""

    path: Path
    text: str
    changes: tuple[str, ...]


def migrated(path: Path, steps: Mapping[int, Step] = STEPS, to: int = VERSION) -> Migrated:
    """Bring the spec at a path up to date, without writing it. Raises SpecError for what is no spec, or a newer one."""
    text = read_text(path)
    tree = parse(text, path)
    kind = kind_of(tree) if isinstance(tree, CommentedMap) else None
    if kind is None:
        raise SpecError("this is no spec", where=str(path), fix="Name a spec file.", code="wrong-kind")
    given = tree.get("version", 0)
    where = Place(str(path), *(place + 1 for place in tree.lc.key("version"))) if "version" in tree else str(path)
    if not isinstance(given, int) or isinstance(given, bool):
        raise SpecError(f"version: {given!r} is no version", where=where, fix=f"Write `version: {to}`.",
                        code="wrong-version")  # fmt: skip
    if given > to:
        raise SpecError(f"the spec is of version {given}, this engine reads version {to}", where=where,
                        fix="Update the engine.", code="wrong-version")  # fmt: skip
    changes: list[str] = []
    for version in range(given, to):
        changes += steps[version](tree, kind)
    if changes or given != to:
        if "version" in tree:
            tree["version"] = to
        else:
            _put_in_front(tree, to)
        out = io.StringIO()
        round_trip(text).dump(tree, out)
        text = out.getvalue()
    return Migrated(path, text, tuple(changes))


def _put_in_front(tree: CommentedMap, version: int) -> None:
    """Write the version before all other keys; a comment at the top of the file stays there."""
    tree.insert(0, "version", version)
