"""Requests and answers with `{name}` in them: filled with values, and read backwards where they were sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
#: Stands for what is left out altogether.
ABSENT: Any = object()
_IF, _THEN = "$if_wanted", "$then"


def fill(node: Any, values: Mapping[str, Any]) -> Any:
    """The node with its placeholders replaced; a text with an empty one in it is ABSENT, and what it leaves empty.

    A text that is one placeholder takes the value with its type; a list stays, even where it is empty.
    """
    if isinstance(node, str):
        return _fill_text(node, values) if "{" in node else node
    if isinstance(node, Mapping):
        pairs = [(fill(name, values), fill(child, values)) for name, child in node.items()]
        found = {name: child for name, child in pairs if name is not ABSENT and child is not ABSENT}
        return found if found or not node else ABSENT
    if isinstance(node, list):
        items = [child for child in (fill(each, values) for each in node) if child is not ABSENT]
        return items if items or not node else ABSENT
    return node


def _fill_text(text: str, values: Mapping[str, Any]) -> Any:
    names = PLACEHOLDER.findall(text)
    if any(values.get(name) in (None, "") for name in names):
        return ABSENT
    if len(names) == 1 and text == f"{{{names[0]}}}":
        return values[names[0]]
    return PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)


def names_in(node: Any) -> Iterator[str]:
    """The names of all placeholders in the node."""
    if isinstance(node, str):
        yield from PLACEHOLDER.findall(node)
    elif isinstance(node, Mapping):
        for name, child in node.items():
            if name != _IF:
                yield from names_in(name)
                yield from names_in(child)
    elif isinstance(node, list):
        for child in node:
            yield from names_in(child)


@dataclass(slots=True)
class Read:
    """What a request says, by its template: the values of placeholders, and which fields it offered and asked for."""

    values: dict[str, Any] = field(default_factory=dict)
    offered: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)

    @property
    def unasked(self) -> set[str]:
        """Fields that could have been asked for and were not."""
        return self.offered - self.asked


def read(template: Any, actual: Any, found: Read) -> bool:
    """Read what was sent by the template it was made of; False where it was not made of this one.

    What is fixed in the template may be missing, as providers mind few of these, but not be something else.
    """
    if isinstance(template, Mapping):
        if _IF in template:
            return _read_wanted(template, actual, found)
        if actual is not ABSENT and not isinstance(actual, Mapping):
            return False
        given: Mapping[str, Any] = {} if actual is ABSENT else actual
        return all(read(child, given.get(name, ABSENT), found) for name, child in template.items())
    if isinstance(template, list):
        return _read_list(template, actual, found)
    if isinstance(template, str) and "{" in template and PLACEHOLDER.search(template):
        return _read_text(template, actual, found)
    return actual is ABSENT or plain(template) == plain(actual)


def _read_wanted(template: Mapping[str, Any], actual: Any, found: Read) -> bool:
    fields = set(template[_IF])
    found.offered |= fields
    if actual is ABSENT:
        return True
    found.asked |= fields
    return read(template[_THEN], actual, found)


def _read_list(template: list[Any], actual: Any, found: Read) -> bool:
    """Each item of the template stands for one item that was sent, or for none where it may be left out."""
    items = [] if actual is ABSENT else list(actual) if isinstance(actual, list) else [actual]
    fits = True
    for child in template:
        for index, item in enumerate(items):
            attempt = Read()
            if read(child, item, attempt):
                found.values |= attempt.values
                found.offered |= attempt.offered
                found.asked |= attempt.asked
                del items[index]
                break
        else:
            fits = read(child, ABSENT, found) and fits
    return fits and not items


def _read_text(template: str, actual: Any, found: Read) -> bool:
    if actual is ABSENT:
        return True
    names = PLACEHOLDER.findall(template)
    if template == f"{{{names[0]}}}":
        found.values[names[0]] = actual
        return True
    if isinstance(actual, (Mapping, list)):
        return False
    match = pattern(template).fullmatch(plain(actual))
    if match:
        found.values |= match.groupdict()
    return match is not None


@lru_cache(maxsize=4096)
def pattern(template: str, part: str = ".+") -> re.Pattern[str]:
    """What a template's texts look like; a placeholder stands for a `part`, named like it."""
    made, end, seen = "", 0, set[str]()
    for match in PLACEHOLDER.finditer(template):
        made += re.escape(template[end : match.start()])
        made += f"(?P={match[1]})" if match[1] in seen else f"(?P<{match[1]}>{part})"
        seen.add(match[1])
        end = match.end()
    return re.compile(made + re.escape(template[end:]), re.DOTALL)


def plain(value: Any) -> str:
    """A value as a query or a form carries it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def texts_in(node: Any) -> Iterator[str]:
    """Every text and number of nested data, as text."""
    if isinstance(node, Mapping):
        for child in node.values():
            yield from texts_in(child)
    elif isinstance(node, list):
        for child in node:
            yield from texts_in(child)
    elif isinstance(node, (str, int, float)) and not isinstance(node, bool):
        yield str(node)
