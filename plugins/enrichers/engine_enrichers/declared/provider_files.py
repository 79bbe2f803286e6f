"""Reads provider files: YAML that says how one HTTP provider is asked and how its answers are read.

A file is checked against `provider.schema.json` and by `provider_checks`, so that whatever is wrong with it is said
with file, line and column before anything is sent, all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

import jsonschema
import orjson
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from engine.errors import Place, SpecError
from engine.expressions import suggestion
from engine.specs import SpecErrors
from engine_enrichers.declared.provider import Provider
from engine_enrichers.declared.provider_build import build
from engine_enrichers.declared.provider_checks import Problem, Steps, check

#: A longer file is none that a person wrote.
MAX_BYTES = 256 * 1024


@lru_cache(maxsize=1)
def provider_schema() -> dict[str, Any]:
    """The JSON Schema of provider files."""
    schema: dict[str, Any] = orjson.loads(resources.files(__package__).joinpath("provider.schema.json").read_bytes())
    return schema


def load_provider(path: Path) -> Provider:
    """Read and check a provider file. Raises SpecErrors with everything that is wrong, SpecError if it is no YAML."""
    return build(read_data(path, read_text(path)))


def read_text(path: Path) -> str:
    """The text of a provider file. Raises SpecError where it cannot be read."""
    fix = "`file` is a path to a YAML file, relative to the spec's folder."
    try:
        content = path.read_bytes()
        if len(content) > MAX_BYTES:
            raise SpecError(f"a provider file may have {MAX_BYTES} bytes", where=str(path), fix=fix)
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError("the provider file cannot be read", where=str(path), why=str(error), fix=fix) from error


def read_data(path: Path, text: str) -> dict[str, Any]:
    """The data of a provider file, checked. Raises SpecErrors, SpecError; `path` is for their places."""
    try:
        data = _plain(YAML(typ="safe", pure=True).load(text))
    except RecursionError as error:
        raise SpecError("the file is nested too deeply", where=str(path)) from error
    except YAMLError as error:
        raise SpecError("not valid YAML", where=yaml_place(path, error), why=yaml_problem(error)) from error
    except ValueError as error:  # a date that is none
        raise SpecError("not valid YAML", where=str(path), why=str(error)) from error
    validator = jsonschema.Draft202012Validator(provider_schema())
    problems = [problem for error in validator.iter_errors(data) for problem in _explained(error)]
    problems += check(data, fits=not problems)
    if problems:
        places = _Places(path, text)
        found = [SpecError(each.what, where=places.of(each.steps), fix=each.fix) for each in problems]
        raise SpecErrors(sorted(found, key=lambda error: _line(error.where)))
    return cast(dict[str, Any], data)


def _plain(node: Any) -> Any:
    """YAML's values as JSON has them: every key is a text."""
    if isinstance(node, dict):
        return {_key(key): _plain(child) for key, child in node.items()}
    if isinstance(node, list):
        return [_plain(child) for child in node]
    # A date or a time that is not in quotes is meant as it is written.
    return node if node is None or isinstance(node, str | bool | int | float) else str(node)


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


# What the schema refuses, in the author's terms --------------------------------------------------------------------


def _explained(error: jsonschema.ValidationError) -> Iterator[Problem]:
    if error.validator == "anyOf" and error.context and not isinstance(error.instance, str):
        # Of the alternatives, the one that was meant is the one whose type the value has.
        meant = [inner for inner in error.context if inner.validator != "type" or len(inner.path)]
        for inner in meant:
            yield from _explained(inner)
        if meant:
            return
    steps: Steps = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        known = tuple(cast(Mapping[str, Any], error.schema).get("properties", {}))
        for key in error.instance:
            if key not in known:
                yield Problem(
                    (*steps, key), f"unknown key {key!r}", suggestion(key, known) or f"Known keys: {', '.join(known)}."
                )
    elif error.validator == "required":
        missing = [key for key in cast(list[str], error.validator_value) if key not in cast(Any, error.instance)]
        yield Problem(steps, error.message.replace("is a required property", "is missing"), _about(error, missing))
    elif error.validator == "enum" and isinstance(error.instance, str):
        words = [str(word) for word in cast(list[object], error.validator_value)]
        fix = suggestion(error.instance, words) or f"One of {', '.join(words)}."
        yield Problem(steps, f"{error.instance!r} is not known here", fix)
    elif error.validator == "not" and {"json", "form"} <= set(cast(Any, error.instance)):
        yield Problem(steps, "a request has a body of one kind: json or form")
    elif error.validator == "pattern" and steps[-1:] in (("base_url",), ("token_url",)):
        yield Problem(
            steps, f"{error.instance!r} is no https address", "It is written out; no placeholder stands in it."
        )
    elif "propertyNames" in error.schema_path and isinstance(error.instance, str):
        yield Problem((*steps, error.instance), f"{error.instance!r} cannot be used as a name here")
    else:
        yield Problem(steps, error.message)


def _about(error: jsonschema.ValidationError, missing: list[str]) -> str:
    """What the missing key would be."""
    properties = cast(Mapping[str, Any], error.schema).get("properties", {})
    name = next((key for key in missing if repr(key) in error.message), "")
    return str(properties.get(name, {}).get("description", ""))


# Places -------------------------------------------------------------------------------------------------------------


class _Places:
    """Line and column of the parts of a file."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._root = YAML(typ="safe", pure=True).compose(text)

    def of(self, steps: Steps) -> Place:
        """The place of what the steps lead to, or of the last of them that exists; a key that is unknown is a step."""
        node = self._root
        for step in steps:
            found = _child(node, step)
            if found is None:
                break
            node = found
        mark = getattr(node, "start_mark", None)
        return Place(str(self._path), mark.line + 1, mark.column + 1) if mark else Place(str(self._path))


def _child(node: Any, step: str | int) -> Any:
    children = getattr(node, "value", None)
    if not isinstance(children, list):
        return None
    if isinstance(step, int):
        return children[step] if step < len(children) else None
    return next((value for key, value in children if key.value == step), None)


def yaml_place(path: Path, error: YAMLError) -> Place:
    """Where a file is no YAML."""
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    return Place(str(path), mark.line + 1, mark.column + 1) if mark else Place(str(path))


def yaml_problem(error: YAMLError) -> str:
    """What is wrong there in one line; of a key that stands twice, the key without its values."""
    said = (error.problem or error.context) if isinstance(error, MarkedYAMLError) else None
    line = next(iter((said or str(error)).splitlines()), "")
    return line.partition('" with value "')[0] + '"' if isinstance(error, DuplicateKeyError) else line


def _line(where: Any) -> tuple[int, int]:
    return (where.line, where.column) if isinstance(where, Place) else (0, 0)
