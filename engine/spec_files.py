"""Spec files: YAML with the place of every key and item, checked against the JSON Schema of its kind."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedKeyMap, CommentedKeySeq, CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from engine.errors import Place, SpecError
from engine.spec_form import dotted, misfits

KINDS = ("integration", "source", "enrichment", "matching", "mapping", "samples")
MAX_SPEC_BYTES = 4 * 2**20
#: The version of the spec format that this engine reads.
VERSION = 1
_ARTICLES = {"integration": "an integration", "enrichment": "an enrichment", "samples": "a file of samples"}


class SpecErrors(SpecError):
    """Everything that is wrong with a spec, at once."""

    def __init__(self, problems: Sequence[SpecError]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


@cache
def schema(kind: str) -> Mapping[str, Any]:
    """The JSON Schema of one kind of spec."""
    whole: dict[str, Any] = json.loads(files("engine").joinpath("schemas/integration.json").read_text("utf-8"))
    if kind == "integration":
        return whole
    return {**whole["$defs"][kind], "$schema": whole["$schema"], "$defs": whole["$defs"]}


def kind_of(raw: Mapping[str, Any]) -> str | None:
    """The kind of spec that a mapping of keys to values seems to be, or None."""
    if "destination" in raw or {"source", "mapping"} <= raw.keys():
        return "integration"
    telling = {"samples": "samples", "rules": "matching", "steps": "enrichment", "fields": "mapping", "use": "source"}
    return next((kind for key, kind in telling.items() if key in raw), None)


def called(kind: str) -> str:
    """`a mapping`, `an integration`."""
    return _ARTICLES.get(kind, f"a {kind}")


class Reader:
    """Reads files, collects their problems and the place of every key."""

    def __init__(self, texts: Mapping[Path, str] | None = None) -> None:
        """`texts`: by resolved path, what is read instead of what a file holds."""
        self.problems: list[SpecError] = []
        self.places: dict[str, Place] = {}
        self._texts = texts or {}

    def read(self, path: Path, kind: str, prefix: str = "") -> dict[str, Any]:
        """Read a file of a kind, as plain values. Raises SpecError where nothing can be made of it at all."""
        plain, places = read_plain(path, kind, self._texts.get(path.resolve()))
        self.places.update({dotted(prefix, key): place for key, place in places.items()})
        self.problems += problems_of(plain, places, path, kind)
        return plain

    def part(self, raw: Mapping[str, Any], key: str, path: Path, kind: str, inner: str = "") -> Any:
        """A part that stands in the spec, or in the file that stands there instead; None where it cannot be had."""
        value = raw.get(key)
        if not isinstance(value, str):
            return value
        target = path.parent / value
        if not target.is_file():
            what = f"{key}: there is no file {str(target)!r}"
            fix = "Paths start at the spec's folder."
            self.problems.append(SpecError(what, where=self.places.get(key), fix=fix, code="unreadable-file"))
            return None
        before = len(self.problems)
        try:
            plain = self.read(target, kind, key)
        except SpecError as error:  # what is wrong with one file does not hide the others
            self.problems.append(error)
            return None
        for problem in self.problems[before:]:
            if problem.code == "wrong-kind":  # it is the reference that is wrong, not the file
                problem.what, problem.where = f"{key}: {value!r}: {problem.what}", self.places.get(key)
        if not inner:
            return plain
        self.places.update(
            {
                key + name.removeprefix(f"{key}.{inner}"): place
                for name, place in list(self.places.items())
                if name.startswith(f"{key}.{inner}")
            }
        )
        return plain.get(inner)

    def finish(self) -> None:
        if self.problems:
            raise SpecErrors(self.problems)


def problems_of(plain: Mapping[str, Any], places: Mapping[str, Place], path: Path, kind: str) -> list[SpecError]:
    """What the schema of a kind refuses; where the file is of another kind, or another version, that alone."""
    top = Place(str(path), 1, 1)
    found = kind_of(plain)
    if found is not None and found != kind:
        what = f"this is {called(found)}, and {called(kind)} is wanted here"
        return [SpecError(what, where=top, fix=f"Name a file that holds {called(kind)}.", code="wrong-kind")]
    given = plain.get("version", VERSION)
    if given != VERSION and isinstance(given, int) and not isinstance(given, bool):
        newer = given > VERSION
        fix = "Update the engine." if newer else "`engine migrate` brings it up to date."
        what = f"version: the spec is of version {given}, this engine reads version {VERSION}"
        return [SpecError(what, where=places.get("version", top), fix=fix, code="wrong-version")]
    return misfits(plain, schema(kind), places, path)


def read_plain(path: Path, kind: str = "", text: str | None = None) -> tuple[dict[str, Any], dict[str, Place]]:
    """A spec file as plain values, and the place of each of its keys by dotted path. Raises SpecError.

    text: read instead of what the file holds.
    """
    tree = parse(read_text(path) if text is None else text, path)
    if not isinstance(tree, CommentedMap):
        what = f"{called(kind)} is a mapping of keys to values" if kind else "a spec is a mapping of keys to values"
        fix = f"`engine schema {kind}` shows its keys." if kind else ""
        raise SpecError(what, where=Place(str(path), 1, 1), fix=fix, code="wrong-kind")
    places: dict[str, Place] = {}
    return _plain(tree, path, "", places), places


def read_text(path: Path) -> str:
    """The text of a spec file. Raises SpecError."""
    try:
        if path.stat().st_size > MAX_SPEC_BYTES:
            raise SpecError(f"a spec may have {MAX_SPEC_BYTES} bytes", where=str(path), code="unreadable-file")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise SpecError(
            f"cannot read the spec: {error.strerror}", where=str(path), fix="Correct the path.", code="unreadable-file"
        ) from error
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        where = Place(str(path), before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        fix = "Save the file as UTF-8."
        raise SpecError("the spec is not UTF-8 text", where=where, fix=fix, code="unreadable-file") from error


def round_trip(text: str = "") -> YAML:
    """A reader and writer that keeps comments, quotes and the order of keys, and indents as `text` does."""
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    yaml.preserve_quotes = True
    yaml.width = 4096  # long expressions stay on one line
    mapping = re.search(r"(?m)^\S[^\n#]*:[ \t]*(?:#[^\n]*)?\n(?:[ \t]*(?:#[^\n]*)?\n)*( +)[^\s#-]", text)
    items = re.search(r"(?m)^( *)[^\s#-][^\n#]*:[ \t]*(?:#[^\n]*)?\n(?:[ \t]*(?:#[^\n]*)?\n)*( *)-( +)\S", text)
    offset = max(0, len(items[2]) - len(items[1])) if items else 0
    yaml.indent(len(mapping[1]) if mapping else 2, offset + 1 + len(items[3]) if items else 2, offset)
    return yaml


def parse(text: str, path: Path) -> Any:
    """The tree of a spec file's text. Raises SpecError with the place."""
    try:
        return round_trip().load(text)
    except MarkedYAMLError as error:
        raise _explained(error, text, path) from error
    except (YAMLError, ValueError, RecursionError) as error:
        what = str(error).splitlines()[0] if str(error) else "it is nested too deeply"
        raise SpecError(f"YAML: {what}", where=str(path), code="yaml-syntax") from error


#: What YAML's reader says, what that means, what to do, and whether the place is where the thing began.
_SAID: Sequence[tuple[str, str, str, bool]] = (
    (r"'\\t' that cannot start", "a tab stands where YAML takes spaces only", "Indent with spaces.", False),
    (r"character '.' that cannot start", "a text begins with a character that has a meaning of its own in YAML",
     "Put the text in quotes.", False),
    (r"mapping values are not allowed", "there is a colon where none can be",
     "A colon with a space after it separates a key from its value. Put a text with one in quotes; write `key: value`"
     " with the space; begin the keys of one group in the same column.", False),
    (r"quoted scalar.*unexpected end", "a quote is opened and never closed", "Close it.", True),
    (r"flow sequence.*expected ',' or ']'", "a [ is opened and not closed, or a comma is missing",
     "Write `[one, two]`.", True),
    (r"flow mapping.*expected ',' or '}'", "a { is opened and not closed, or a comma is missing",
     "Write `{key: value, other: value}`.", True),
    (r"flow node", "a [ or a { is opened and not closed", "Write `[one, two]` or `{key: value}`.", True),
    (r"expected <block end>, but found '<scalar>'", "something stands after the closing quote",
     "An expression that begins with a quote goes into a second pair: \"'Event: ' ~ lead.event\".", False),
    (r"expected <block end>", "the indentation does not fit", "Begin the keys of one group in the same column.", False),
    (r"undefined alias", "a text begins with *, which has a meaning of its own in YAML", "Put the text in quotes.",
     False),
    (r"block scalar", "a text begins with | or >, which have a meaning of their own in YAML",
     "Put the text in quotes.", False),
    (r"another document", "a spec is one document, and here a second one begins", "Remove the line `---`.", False),
)  # fmt: skip


def _explained(error: MarkedYAMLError, text: str, path: Path) -> SpecError:
    """What YAML's reader says, in the author's terms."""
    mark = error.problem_mark or error.context_mark
    said, code = f"{error.context or ''} {error.problem or ''}", "yaml-syntax"
    if isinstance(error, DuplicateKeyError):
        name = (re.search(r'duplicate key "(.*?)" with', said, re.DOTALL) or ("", "?"))[1]
        what, fix, code = f"the key {name!r} stands twice", "Remove one of them.", "stands-twice"
    else:
        found = next((each for each in _SAID if re.search(each[0], said, re.DOTALL)), ("", said.strip(), "", False))
        _, what, fix, began = found
        mark = error.context_mark if began and error.context_mark else mark
    where = Place(str(path), mark.line + 1, mark.column + 1) if mark else None
    before = list(enumerate(text.splitlines()[: where.line], 1))[-3:] if where else []
    for number, line in reversed(before if code == "yaml-syntax" else ()):
        # What is wrong shows only in a line after it.
        if named := re.search(r"\S #\S*[^:]*:", line):
            fix = "A # after a space starts a comment: put such a name in quotes."
            what, where = "a name with a # in it stands without quotes", Place(str(path), number, named.start() + 2)
            break
        if keyed := re.match(r"\s*(?:- )?[A-Za-z_]\w*:(?=[A-Za-z_])", line):
            what, fix = "a space is missing after a colon", "Write `key: value`."
            where = Place(str(path), number, keyed.end())
            break
    return SpecError(f"YAML: {what}", where=where or str(path), fix=fix, code=code)


def _plain(node: Any, path: Path, at: str, places: dict[str, Place]) -> Any:
    """Turn a round-trip tree into plain values, noting where each key and item stands."""
    if isinstance(node, CommentedMap):
        plain: dict[str, Any] = {}
        for key, value in node.items():
            line, column = node.lc.key(key) if key in (node.lc.data or {}) else (node.lc.line, node.lc.col)
            place = Place(str(path), line + 1, column + 1)
            if isinstance(key, (CommentedKeyMap, CommentedKeySeq)):
                fix = "Write the bare expression, without braces: `firstName: lead.first_name`."
                raise SpecError(f"{at}: braces within braces", where=place, fix=fix, code="expression-syntax")
            name = str(key)
            places[dotted(at, name)] = place
            plain[name] = _plain(value, path, dotted(at, name), places)
        return plain
    if isinstance(node, CommentedSeq):
        items = []
        for index, value in enumerate(node):
            line, column = node.lc.item(index) if index in (node.lc.data or {}) else (node.lc.line, node.lc.col)
            places[dotted(at, str(index))] = Place(str(path), line + 1, column + 1)
            items.append(_plain(value, path, dotted(at, str(index)), places))
        return items
    if isinstance(node, bool) or node is None:
        return node
    for simple in (int, float, str):
        if isinstance(node, simple):
            return simple(node)
    return str(node)
