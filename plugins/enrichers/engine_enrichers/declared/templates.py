"""The templates of requests: `{name}` in texts, and values that are sent only where certain fields are wanted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
IF_WANTED = "$if_wanted"
THEN = "$then"
#: A part of a path that is one of these would lead to another path.
_DOTS = frozenset({".", ".."})


def fill(template: Any, values: Mapping[str, Any], wanted: Collection[str] = ()) -> Any:
    """The template with `{name}` replaced; None where nothing is left of it.

    A text that is one `{name}` takes the value with its type. A text with any empty `{name}` in it is empty altogether,
    and so are the objects and lists that become empty with it.
    """
    if isinstance(template, Mapping):
        if IF_WANTED in template:
            asked = any(field in wanted for field in template[IF_WANTED])
            return fill(template[THEN], values, wanted) if asked else None
        filled = {name: fill(child, values, wanted) for name, child in template.items()}
        kept = {name: value for name, value in filled.items() if value is not None}
        return kept if kept or not template else None
    if isinstance(template, list):
        items = [value for child in template if (value := fill(child, values, wanted)) is not None]
        return items if items or not template else None
    if not isinstance(template, str):
        return template
    names = PLACEHOLDER.findall(template)
    if any(values.get(name) in (None, "", []) for name in names):
        return None
    if len(names) == 1 and template == f"{{{names[0]}}}":
        return values[names[0]]
    return PLACEHOLDER.sub(lambda found: as_text(values[found[1]]), template)


def fill_path(template: str, values: Mapping[str, Any]) -> str:
    """The path with every value encoded as one part of it; empty where a value is missing, or would change the path."""
    parts = {name: as_text(values.get(name)) for name in PLACEHOLDER.findall(template)}
    if not all(parts.values()):
        return ""
    filled = PLACEHOLDER.sub(lambda found: quote(parts[found[1]], safe=""), template)
    return "" if _DOTS & set(filled.split("/")) else filled


def as_text(value: Any) -> str:
    """A value as it stands inside a text: true and false in small letters, nothing for None."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def texts(node: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text in nested data, with the way to it."""
    if isinstance(node, str):
        yield steps, node
    elif isinstance(node, Mapping):
        for name, child in node.items():
            yield from texts(child, (*steps, name))
    elif isinstance(node, list | tuple):
        for index, child in enumerate(node):
            yield from texts(child, (*steps, index))


def names_in(*nodes: Any) -> frozenset[str]:
    """The names of all placeholders in nested data."""
    return frozenset(name for node in nodes for _, text in texts(node) for name in PLACEHOLDER.findall(text))


def conditions(*nodes: Any) -> list[frozenset[str]]:
    """The fields of every value that is sent only where one of them is wanted."""
    found: list[frozenset[str]] = []
    for node in nodes:
        if isinstance(node, Mapping):
            if IF_WANTED in node:
                found.append(frozenset(node[IF_WANTED]))
            found += conditions(*node.values())
        elif isinstance(node, list | tuple):
            found += conditions(*node)
    return found
