"""The form of a spec: what its JSON Schema refuses, said in the author's terms, one finding for each mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema

from engine.errors import Place, SpecError
from engine.expressions import suggestion
from engine.findings import FINDINGS

_NAMES = {
    "string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "array": "a list", "object": "a mapping of keys to values", "null": "nothing",
}  # fmt: skip


def dotted(prefix: str, key: str) -> str:
    """A path below another: `mapping` and `fields` make `mapping.fields`."""
    return f"{prefix}.{key}" if prefix and key else prefix or key


def misfits(
    plain: Any, schema: Mapping[str, Any], places: Mapping[str, Place], path: Path, prefix: str = ""
) -> list[SpecError]:
    """Everything that a schema refuses of plain values; `places` by dotted path, below `prefix`."""
    errors = [_meant(error) for error in jsonschema.Draft202012Validator(schema).iter_errors(plain)]
    found: list[SpecError] = []
    for error in errors:
        if error.validator == "required" and _mistyped(error, errors):
            continue  # the key is there, under a wrong name, and that is said
        at = dotted(prefix, ".".join(str(part) for part in error.absolute_path))
        found += _explained(error, at, places, places.get(at) or _around(at, places, path))
    return found


def _around(at: str, places: Mapping[str, Place], path: Path) -> Place:
    """The place of the nearest part around a path; of the whole, that of its first key."""
    while at and at not in places:
        at = at.rpartition(".")[0]
    return places[at] if at in places else next(iter(places.values()), Place(str(path), 1, 1))


def _meant(error: jsonschema.ValidationError) -> jsonschema.ValidationError:
    """Of the alternatives that all refuse, the one that the author meant: the one that got furthest."""
    while error.context:
        here = list(error.absolute_path)
        alternatives: Any = error.context
        if _either(error):
            break
        inside = [
            inner for inner in alternatives if not (inner.validator == "type" and list(inner.absolute_path) == here)
        ]
        if not inside:
            break
        error = max(inside, key=lambda inner: (len(inner.absolute_path), inner.validator == "additionalProperties"))
    return error


def _either(error: jsonschema.ValidationError) -> list[str]:
    """The keys of which one must be there, where none is; empty where something else is wrong."""
    alternatives: Any = error.context or ()
    here = list(error.absolute_path)
    missing = [each for each in alternatives if each.validator == "required" and list(each.absolute_path) == here]
    return [_missing(each) for each in missing] if len(missing) == len(alternatives) else []


def _extras(error: jsonschema.ValidationError) -> tuple[list[str], tuple[str, ...]]:
    """The keys that are not known, and those that are."""
    known = tuple(error.schema.get("properties", {})) if isinstance(error.schema, Mapping) else ()
    given: Any = error.instance
    return [key for key in given if key not in known], known


def _missing(error: jsonschema.ValidationError) -> str:
    """The key that is missing; its name is all that the validator's message has in quotes in front."""
    return error.message.split("'")[1]


def _mistyped(required: jsonschema.ValidationError, errors: Sequence[jsonschema.ValidationError]) -> bool:
    """Whether what is missing is there under another name."""
    here = list(required.absolute_path)
    extras = [
        extra
        for error in errors
        if error.validator == "additionalProperties" and list(error.absolute_path) == here
        for extra in _extras(error)[0]
    ]
    return bool(suggestion(_missing(required), extras))


def _explained(
    error: jsonschema.ValidationError, at: str, places: Mapping[str, Place], place: Place
) -> Iterator[SpecError]:
    message, fix, code = error.message, "", "wrong-value"
    value: Any = error.validator_value
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        extras, known = _extras(error)
        for extra in extras if known else ():
            listed = f"Known keys: {', '.join(key for key in known if key != '$schema')}."
            yield SpecError(
                f"{at}: unknown key {extra!r}" if at else f"unknown key {extra!r}",
                where=places.get(dotted(at, extra), place), fix=suggestion(extra, known) or listed, code="unknown-key",
            )  # fmt: skip
        if known:
            return
    if error.validator == "required":
        name = _missing(error)
        message, code, fix = f"{name!r} is missing", "missing-key", _added(error.schema, name)
        if name == "version":
            code, fix = "wrong-version", "Write `version: 1`; `engine migrate` does so."
    elif either := _either(error):
        message, code = f"{' or '.join(map(repr, either))} is missing", "missing-key"
        fix = f"Add one of them: {' or '.join(f'`{name}:`' for name in either)}."
    elif error.validator == "type" or (error.validator == "oneOf" and error.context):
        message, code = f"wants {_wanted(error)}, and {_kind(error.instance)}", "wrong-type"
    elif error.validator == "oneOf":
        # Several alternatives fit at once: they are there to exclude each other.
        names = [part["required"][0] for part in value if isinstance(part, Mapping)]
        message, code = f"only one of {' and '.join(map(repr, names))} can be there", "double-choice"
        fix = "Remove the others."
    elif error.validator == "const":
        message = f"must be {value!r}"
        code = "wrong-version" if at.endswith("version") else code
    elif error.validator == "enum":
        options = [str(option) for option in value]
        message = f"{_shown(error.instance)} is not one of {', '.join(options)}"
        fix = suggestion(str(error.instance), options) or "Write one of those."
    elif error.validator in ("minItems", "minProperties", "minLength"):
        message, fix = "nothing stands here", "Write at least one, or remove the key."
    elif error.validator == "pattern":
        message = f"{error.instance!r} is no name of this kind"
        fix = "Lower-case letters, digits and _ (for the integration also - and .), beginning with a letter."
    elif error.validator == "uniqueItems":
        message, fix = "something stands twice", "Remove one of them."
    what = f"{at}: {message}" if at else message
    yield SpecError(what, where=place, fix=fix or _example(error, at) or FINDINGS[code].fix, code=code)


def _added(schema: Any, name: str) -> str:
    """How a missing key may be added: with the example of its schema."""
    described = schema.get("properties", {}).get(name, {}) if isinstance(schema, Mapping) else {}
    examples = described.get("examples", ())
    simple = examples and isinstance(examples[0], (str, int, float, bool))
    return f"Add it, as in `{name}: {examples[0]}`." if simple else f"Add `{name}:`."


def _example(error: jsonschema.ValidationError, at: str) -> str:
    """How the key may be written: with the example of its schema."""
    examples = error.schema.get("examples", ()) if isinstance(error.schema, Mapping) else ()
    if not examples:
        return ""
    written = examples[0] if isinstance(examples[0], str) else json.dumps(examples[0], ensure_ascii=False)
    return f"For example `{at.rpartition('.')[2]}: {written}`."


def _wanted(error: jsonschema.ValidationError) -> str:
    """The types that a value may have, in words."""
    alternatives: Any = error.context if error.validator == "oneOf" else [error]
    kinds: list[str] = []
    for each in alternatives:
        given: Any = each.validator_value if each.validator == "type" else "object"
        kinds += [given] if isinstance(given, str) else given
    return " or ".join(dict.fromkeys(_NAMES.get(kind, kind) for kind in kinds))


def _kind(value: Any) -> str:
    """What a value is, with the value where that is short enough."""
    if value is None:
        return "nothing stands here"
    if isinstance(value, (Mapping, list)):
        return "here is a mapping" if isinstance(value, Mapping) else "here is a list"
    name = "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
    return f"{_shown(value)} is {_NAMES[name] if name != 'boolean' else 'no such value'}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}…'"
