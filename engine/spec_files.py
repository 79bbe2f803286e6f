"""Spec files: YAML with the place of every key and item, checked against the JSON Schema of its kind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import jsonschema
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from engine.errors import Place, SpecError
from engine.expressions import suggestion

KINDS = ("integration", "source", "enrichment", "matching", "mapping", "samples")
MAX_SPEC_BYTES = 4 * 2**20


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


class Reader:
    """Reads files, collects their problems and the place of every key."""

    def __init__(self) -> None:
        self.problems: list[SpecError] = []
        self.places: dict[str, Place] = {}

    def read(self, path: Path, kind: str, prefix: str = "") -> dict[str, Any]:
        tree = _parse(path)
        if not isinstance(tree, CommentedMap):
            raise SpecError(f"a spec of kind {kind} is a mapping of keys to values", where=Place(str(path), 1, 1))
        places: dict[str, Place] = {}
        plain: dict[str, Any] = _plain(tree, path, "", places)
        for error in jsonschema.Draft202012Validator(schema(kind)).iter_errors(plain):
            self.problems.append(_explain(error, places, path))
        self.places.update({_dotted(prefix, key): place for key, place in places.items()})
        return plain

    def part(self, raw: Mapping[str, Any], key: str, path: Path, kind: str, inner: str = "") -> Any:
        value = raw.get(key)
        if not isinstance(value, str):
            return value
        where = self.places.get(key)
        target = path.parent / value
        if not target.is_file():
            self.problems.append(
                SpecError(
                    f"{key}: there is no file {str(target)!r}", where=where, fix="Paths start at the spec's folder."
                )
            )
            return None
        plain = self.read(target, kind, key)
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


def _parse(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_SPEC_BYTES:
            raise SpecError(f"a spec may have {MAX_SPEC_BYTES} bytes", where=str(path))
        content = path.read_text("utf-8-sig")
    except OSError as error:
        raise SpecError(f"cannot read the spec: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise SpecError("the spec is not UTF-8 text", where=str(path)) from error
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    try:
        return yaml.load(content)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Place(str(path), mark.line + 1, mark.column + 1) if mark else str(path)
        near = content.splitlines()[max(0, mark.line - 2) : mark.line + 1] if mark else []
        hint = "A # after a space starts a comment: put such a name in quotes." if any(" #" in x for x in near) else ""
        hint = "Indent with spaces: YAML takes no tabs." if any("\t" in line for line in near) else hint
        raise SpecError(f"YAML: {error.problem or error.context}", where=where, fix=hint) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise SpecError(f"YAML: {error}", where=str(path)) from error


def _dotted(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix and key else prefix or key


def _plain(node: Any, path: Path, at: str, places: dict[str, Place]) -> Any:
    """Turn a round-trip tree into plain values, noting where each key and item stands."""
    if isinstance(node, CommentedMap):
        plain: dict[str, Any] = {}
        for key, value in node.items():
            name = str(key)
            line, column = node.lc.key(key) if key in (node.lc.data or {}) else (node.lc.line, node.lc.col)
            places[_dotted(at, name)] = Place(str(path), line + 1, column + 1)
            plain[name] = _plain(value, path, _dotted(at, name), places)
        return plain
    if isinstance(node, CommentedSeq):
        items = []
        for index, value in enumerate(node):
            line, column = node.lc.item(index) if index in (node.lc.data or {}) else (node.lc.line, node.lc.col)
            places[_dotted(at, str(index))] = Place(str(path), line + 1, column + 1)
            items.append(_plain(value, path, _dotted(at, str(index)), places))
        return items
    if isinstance(node, bool) or node is None:
        return node
    for simple in (int, float, str):
        if isinstance(node, simple):
            return simple(node)
    return str(node)


def _explain(error: jsonschema.ValidationError, places: Mapping[str, Place], path: Path) -> SpecError:
    """Say what the schema refuses in the author's terms: where, what, and which name was probably meant."""
    while error.context:
        # Of the alternatives, the one that the author meant is the one that got furthest.
        here = list(error.absolute_path)
        inside = [
            inner for inner in error.context if not (inner.validator == "type" and list(inner.absolute_path) == here)
        ]
        if not inside:
            break
        error = max(inside, key=lambda inner: len(inner.absolute_path))
    at = ".".join(str(part) for part in error.absolute_path)
    place = places.get(at, Place(str(path), 1, 1))
    message, fix = error.message, ""
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        known = tuple(error.schema.get("properties", {})) if isinstance(error.schema, Mapping) else ()
        extra = [key for key in error.instance if key not in known]
        if extra and known:
            place = places.get(_dotted(at, extra[0]), place)
            message = f"unknown key {extra[0]!r}"
            fix = suggestion(extra[0], known) or f"Known keys: {', '.join(key for key in known if key != '$schema')}."
    elif error.validator == "required":
        message = f"{error.message.split(' ')[0]} is missing"
    elif error.validator == "const":
        message = f"must be {error.validator_value!r}"
    elif error.validator == "enum" and isinstance(error.instance, str):
        fix = suggestion(error.instance, [str(option) for option in cast(list[object], error.validator_value)])
    elif error.validator == "pattern":
        message = f"{error.instance!r} is no name of this kind"
        fix = "Lower-case letters, digits and _ (for the integration also - and .), beginning with a letter."
    return SpecError(f"{at}: {message}" if at else message, where=place, fix=fix)
