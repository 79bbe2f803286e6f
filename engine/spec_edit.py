"""A change of a spec: made in the file where the part stands, shown as a difference, written at once or not at all."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import Place, SpecError
from engine.files import replace_text
from engine.spec_files import parse, read_plain
from engine.spec_text import Append, Keys, NotChangeable, Put, Remove, Rename, Step, changed
from engine.specs import Integration

__all__ = ["Append", "Change", "Keys", "Put", "Remove", "Rename", "Step", "change"]

_BY_HAND = "Change it by hand."
_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one file. The texts have the line ends of the file; a byte order mark is kept."""

    path: Path
    old: str
    new: str

    @property
    def diff(self) -> str:
        """The difference, as `diff -u` writes it; without the last line end."""
        old, new = self.old.splitlines(), self.new.splitlines()
        name = str(self.path)
        return "\n".join(difflib.unified_diff(old, new, name, name, lineterm="", n=2))

    @property
    def texts(self) -> dict[Path, str]:
        """What `specs.load` reads instead of the file, to try the change."""
        return {self.path.resolve(): self.new.removeprefix(_MARK).replace("\r\n", "\n")}

    def write(self) -> None:
        """Write the file. Raises SpecError where it is no longer what the change was made of, or cannot be written."""
        if _raw(self.path) != self.old:
            raise SpecError("the file has changed meanwhile", where=str(self.path),
                            fix="Nothing was written. Type the same command again.")  # fmt: skip
        try:
            replace_text(self.path, self.new)
        except OSError as error:
            raise SpecError(f"cannot write the spec: {error.strerror}", where=str(self.path),
                            fix="See that the file and its folder can be written.") from error  # fmt: skip


def change(integration: Integration, steps: Sequence[Step]) -> Change:
    """Work out what steps make of a spec, whose places are named as in one file (`("mapping", "fields", "title")`).

    All must stand in one file. Raises SpecError where a place cannot be changed by machine without changing others.
    """
    placed = [_placed(integration, step.at) for step in steps]
    files = list(dict.fromkeys(path for path, _ in placed))
    if len(files) != 1:
        raise SpecError("the places stand in several files", where=str(integration.path), fix=_BY_HAND)
    path = files[0]
    old = _raw(path)
    mark = _MARK if old.startswith(_MARK) else ""
    text = old.removeprefix(mark)
    for step, (_, at) in zip(steps, placed, strict=True):
        text = _one(path, text, _moved(step, at))
    return Change(path, old, mark + text)


def _one(path: Path, text: str, step: Step) -> str:
    """One step, which must have changed what it says and nothing else."""
    before, _ = read_plain(path, text=text)
    try:
        wanted = expected(before, step)
        after = changed(text, step)
        if _plain(after, path) == wanted:
            return after
        why = "more than the place would change"
    except NotChangeable as error:
        why = str(error)
    place = _place(path, text, step.at)
    name = ".".join(map(str, step.at))
    raise SpecError(f"{name} cannot be changed by machine", where=place, why=why, fix=_BY_HAND)


def expected(plain: Any, step: Step) -> Any:
    """The plain values of a spec with a step done. Raises NotChangeable where there is no such place."""
    whole = copy.deepcopy(plain)
    try:
        match step:
            case Put(at, value):
                _put(whole, at, value)
            case Append(at, value):
                _walk(whole, at).append(value)
            case Rename(at, name):
                around = _walk(whole, at[:-1])
                if name in around:
                    raise NotChangeable(f"there is a {name!r} already")
                renamed = {name if key == at[-1] else key: each for key, each in around.items()}
                around.clear()
                around.update(renamed)
            case Remove(at):
                keys = at
                while len(keys) > 1 and len(_walk(whole, keys[:-1])) == 1:
                    keys = keys[:-1]
                del _walk(whole, keys[:-1])[keys[-1]]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise NotChangeable("there is no such place") from error
    return whole


def _put(whole: Any, at: Keys, value: Any) -> None:
    around: Any = whole
    for key in at[:-1]:
        inner = around.get(key) if isinstance(around, dict) else around[key]
        if not isinstance(inner, (dict, list)):
            inner = around[key] = {} if inner is None else {"value": _stripped(inner)}
        around = inner
    given = copy.deepcopy(value)
    if isinstance(given, Mapping):
        old = around.get(at[-1]) if isinstance(around, dict) else around[at[-1]]
        given = {**(old if isinstance(old, dict) else {} if old is None else {"value": _stripped(old)}), **given}
    around[at[-1]] = given


def _stripped(expression: Any) -> Any:
    """An expression of several lines ends in a line end, which means nothing."""
    return expression.rstrip("\n") if isinstance(expression, str) else expression


def _walk(whole: Any, at: Keys) -> Any:
    for key in at:
        whole = whole[key]
    return whole


def _plain(text: str, path: Path) -> Any:
    try:
        return read_plain(path, text=text)[0]
    except SpecError as error:
        raise NotChangeable("what comes out is no spec") from error


def _placed(integration: Integration, at: Keys) -> tuple[Path, Keys]:
    """The file in which a place stands, and where in it."""
    spec = integration.path
    tree = parse(_raw(spec).removeprefix(_MARK), spec)
    reference = tree.get(at[0])
    if at[0] not in ("source", "mapping", "enrichment", "matching") or not isinstance(reference, str):
        return spec, at
    inner: Keys = ("rules",) if at[0] == "matching" else ()
    return spec.parent / reference, (*inner, *at[1:])


def _moved(step: Step, at: Keys) -> Step:
    match step:
        case Put(_, value):
            return Put(at, value)
        case Append(_, value):
            return Append(at, value)
        case Rename(_, name):
            return Rename(at, name)
        case Remove():
            return Remove(at)


def _place(path: Path, text: str, at: Keys) -> Place:
    """The place of a key, or of the nearest one around it."""
    places = read_plain(path, text=text)[1]
    name = ".".join(map(str, at))
    while name and name not in places:
        name = name.rpartition(".")[0]
    return places.get(name, Place(str(path)))


def _raw(path: Path) -> str:
    """A file as it is, line ends and all. Raises SpecError."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the spec: {error}", where=str(path), code="unreadable-file") from error
