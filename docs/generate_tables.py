"""Tables of the documentation: rows, and JSON Schemas as rows with a key, its values, its default and its meaning."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any


def cell(text: str) -> str:
    """A text that may stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell(text) for text in row)} |"


_PLAIN = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "mapping", "array": "list"}


def kind_of(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """A schema's type in words."""
    if _has_section(schema):
        target = resolved(schema, root)
        return f"[{target['title'].lower()}](#{_anchor(target['title'])})"
    schema = resolved(schema, root)
    if "const" in schema:
        return f"always `{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return ", or ".join(dict.fromkeys(kind_of(part, root) for part in schema[key]))
    types = schema.get("type", "anything")
    if types == "array" and "items" in schema:
        return f"list of: {kind_of(schema['items'], root)}"
    if types == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"mapping of names to: {kind_of(schema['additionalProperties'], root)}"
    return " or ".join(_PLAIN.get(name, name) for name in ([types] if isinstance(types, str) else types))


def _has_section(schema: Mapping[str, Any]) -> bool:
    """Whether a schema refers to a definition, which has a section of its own, and not to a part of one."""
    return str(schema.get("$ref", "")).count("/") == 2


def resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a schema refers to, or itself."""
    found: Any = root
    for step in str(schema.get("$ref", "#")).split("/")[1:]:
        found = found[step]
    return found if "$ref" in schema else schema


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def rows(schema: Mapping[str, Any], root: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, ...]]:
    """A row for every field below a schema, depth first; what has a section of its own is only referred to."""
    for name, given in schema.get("properties", {}).items():
        if name == "$schema":
            continue
        described = {**resolved(given, root), **given}
        examples = ", ".join(f"`{json.dumps(value, ensure_ascii=False)}`" for value in described.get("examples", ()))
        required = "required" if name in schema.get("required", ()) else ""
        default = f"`{json.dumps(given['default'], ensure_ascii=False)}`" if "default" in given else required
        text = f"**{described.get('title', name)}.** {described.get('description', '')}"
        yield f"`{at}{name}`", kind_of(given, root), default, text, examples
        if not _has_section(given):
            yield from inside(resolved(given, root), root, f"{at}{name}.")


def inside(schema: Mapping[str, Any], root: Mapping[str, Any], at: str) -> Iterator[tuple[str, ...]]:
    """The rows below a schema of any kind, and below what its lists and mappings hold."""
    if "$ref" in schema:
        return
    yield from rows(schema, root, at)
    for part in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        yield from inside(part, root, at)
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from inside(schema["additionalProperties"], root, f"{at}NAME.")
    if "items" in schema:
        yield from inside(schema["items"], root, f"{at[:-1]}[].")


#: The columns of `rows`.
HEAD = ("key", "value", "default", "meaning", "example")
