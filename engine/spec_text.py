"""Change one place in the text of a spec and keep every other byte: comments, quotes, order, indentation, line ends.

The text is read as YAML only to find where things stand; what is changed is cut out and written in between.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from engine.spec_files import round_trip

#: Where something stands: names of keys and numbers of items, from the top.
Keys = tuple[str | int, ...]
#: The rest of a line on which nothing but a comment may stand.
_REST = re.compile(r"[ \t]*(?:#[^\r\n]*)?(?=\r?\n|$)")
#: Texts that may stand bare, once they were seen to be read as themselves.
_BARE = re.compile(r"[^\W\d][\w .,+*/|'()\[\]~=<>!-]*", re.ASCII)


class NotChangeable(Exception):
    """Why a place cannot be changed by machine."""


@dataclass(frozen=True, slots=True)
class Put:
    """Set the value at a place. Entries of a mapping are added to those that are there; a short row becomes a long one.

    `at` may lead further than what is there: the rest is made.
    """

    at: Keys
    value: Any


@dataclass(frozen=True, slots=True)
class Append:
    """Add an item to the list at a place."""

    at: Keys
    value: Any


@dataclass(frozen=True, slots=True)
class Rename:
    """Give the key at a place another name."""

    at: Keys
    name: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Take the key at a place out, with its value; with it the key around it, where nothing else stands there."""

    at: Keys


Step = Put | Append | Rename | Remove


def changed(text: str, step: Step) -> str:
    """The text with one step done. Raises NotChangeable."""
    return _Text(text).done(step)


class _Text:
    """A text and the tree of where things stand in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self.root: Node | None = round_trip().compose(text)
        except YAMLError as error:
            raise NotChangeable("it is no YAML") from error
        self.newline = "\r\n" if "\r\n" in text else "\n"

    def done(self, step: Step) -> str:
        match step:
            case Put(at, value):
                return self._put(at, value)
            case Append(at, value):
                return self._append(at, value)
            case Rename(at, name):
                key, _, around = self._entry(at)
                return self._spliced(key, _scalar(name, flow=_flow(around), json_like=_quoted(key)))
            case Remove(at):
                return self._remove(at)

    # Finding ----------------------------------------------------------------------------------------------------

    def _entry(self, at: Keys) -> tuple[Node, Node, Node]:
        """The key, the value and what they stand in. Raises NotChangeable where there is no such place."""
        around = self._node(at[:-1])
        found = self._child(around, at[-1])
        if found is None:
            raise NotChangeable(f"there is no {at[-1]!r}")
        return (*found, around)

    def _node(self, at: Keys) -> Node:
        return self._entry(at)[1] if at else self._top()

    def _top(self) -> Node:
        if not isinstance(self.root, MappingNode):
            raise NotChangeable("it is no mapping of keys to values")
        return self.root

    def _child(self, node: Node, key: str | int) -> tuple[Node, Node] | None:
        if isinstance(node, MappingNode):
            found = next(((k, v) for k, v in node.value if isinstance(k, ScalarNode) and k.value == str(key)), None)
        elif isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = (node.value[key], node.value[key])
            if key and _start(node.value[key]) <= _start(node.value[key - 1]):
                raise NotChangeable(f"item {key} stands for something that is written elsewhere (an alias)")
        else:
            found = None
        if found and not (_end(found[0]) <= _start(found[1]) or found[0] is found[1]):
            raise NotChangeable(f"{key!r} stands for something that is written elsewhere (an alias)")
        return found

    # Changing ---------------------------------------------------------------------------------------------------

    def _spliced(self, node: Node, new: str) -> str:
        """The text with something else instead of a scalar or of what stands in brackets."""
        start, end = _start(node), self._content_end(node)
        if start == end and self.text[start - 1 : start] == ":":
            new = f" {new}"
        return self.text[:start] + new + self.text[end:]

    def _put(self, at: Keys, value: Any) -> str:
        node = self._top()
        for depth, key in enumerate(at):
            found = self._child(node, key)
            if found is None:
                return self._added(node, {str(key): _nested(at[depth + 1 :], value)})
            node = found[1]
            last = depth == len(at) - 1
            if isinstance(node, ScalarNode) and not (last and not isinstance(value, Mapping)):
                rest = _nested(at[depth + 1 :], value)
                if _is_null(node):
                    return self._spliced(node, _written(rest, flow=True, json_like=_quoted(found[0])))
                return self._lengthened(node, found[0], rest)
        if isinstance(value, Mapping):
            return self._added(node, value)
        label, _, around = self._entry(at)
        return self._spliced(node, _written(value, flow=_flow(around), json_like=_quoted(label) and _flow(around)))

    def _lengthened(self, node: ScalarNode, key: Node, more: Mapping[str, Any]) -> str:
        """A short row, whose value is its expression, as a long one."""
        json_like = _quoted(key) and _quoted(node)
        written = self.text[_start(node) : _end(node)]
        # A bare text ends at a comma or a bracket where it stands in brackets itself.
        bare = not node.style and not json_like and not re.search(r"[,\[\]{}]", written)
        if "\n" in written or not (bare or node.style in ("'", '"')):
            written = _scalar(node.value.rstrip("\n"), flow=True, json_like=json_like)
        first = _scalar("value", flow=True, json_like=json_like)
        pairs = [_pair(name, value, json_like=json_like) for name, value in more.items()]
        return self._spliced(node, "{" + ", ".join([f"{first}: {written}", *pairs]) + "}")

    def _added(self, node: Node, entries: Mapping[str, Any]) -> str:
        """The text with entries behind those of a mapping; of one that is there, the value is set."""
        if not isinstance(node, MappingNode):
            raise NotChangeable("no keys can stand there")
        there = {name: found for name in entries if (found := self._child(node, name)) is not None}
        if there:
            name, (label, old) = next(iter(there.items()))
            if not isinstance(old, ScalarNode):
                raise NotChangeable(f"{name!r} is more than a value")
            json_like = _flow(node) and _quoted(label)
            one = self._spliced(old, _written(entries[name], flow=_flow(node), json_like=json_like))
            rest = {other: value for other, value in entries.items() if other != name}
            again = _Text(one)
            return again._added(again._at(_start(node)), rest) if rest else one
        return self._added_in_flow(node, entries) if _flow(node) else self._added_in_block(node, entries)

    def _at(self, start: int) -> Node:
        """The outermost mapping that begins at a place of the text."""
        waiting: list[Node] = [self._top()]
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, MappingNode) and _start(node) == start:
                return node
            waiting += _children(node)
        raise NotChangeable("the place is lost")

    def _added_in_flow(self, node: MappingNode, entries: Mapping[str, Any]) -> str:
        json_like = bool(node.value) and _quoted(node.value[-1][0])
        texts = [_pair(name, value, json_like=json_like) for name, value in entries.items()]
        if not node.value:
            return self._inserted(_start(node) + 1, ", ".join(texts))
        return self._behind_in_flow(node, node.value[-1][0], node.value[-1][1], texts)

    def _behind_in_flow(self, node: Node, last: Node, value: Node, texts: Sequence[str]) -> str:
        """The text with more items behind the last one in brackets: on lines of their own where that one has one."""
        end = self._content_end(value)
        own_line = last.start_mark.line != node.start_mark.line
        comma = re.compile(r"[ \t]*,").match(self.text, end)
        line_end = _REST.match(self.text, comma.end() if comma else end)
        if own_line and line_end:
            indent = self.newline + " " * _column(last)
            more = indent + f",{indent}".join(texts) + ("," if comma else "")
            head = self.text[:end] + ("" if comma else ",") + self.text[end : line_end.end()]
            return head + more + self.text[line_end.end() :]
        separator = f",{self.newline}{' ' * _column(last)}" if own_line else ", "
        return self._inserted(end, "".join(separator + each for each in texts))

    def _added_in_block(self, node: MappingNode, entries: Mapping[str, Any]) -> str:
        indent = " " * _column(node.value[0][0])
        lines = [indent + _pair(name, value, flow=False) for name, value in entries.items()]
        return self._behind_in_block(self._content_end(node.value[-1][1]), lines)

    def _behind_in_block(self, end: int, lines: Sequence[str]) -> str:
        """The text with lines behind the one in which something ends."""
        found = re.compile(r"[^\r\n]*").match(self.text, end)
        end = found.end() if found else end
        return self._inserted(end, "".join(self.newline + line for line in lines))

    def _append(self, at: Keys, value: Any) -> str:
        node = self._node(at)
        if not isinstance(node, SequenceNode) or not node.value:
            raise NotChangeable(f"{at[-1]!r} is no list")
        last = node.value[-1]
        if _flow(node):
            json_like = self.text[_start(last) : _start(last) + 1] == '"'
            return self._behind_in_flow(node, last, last, [_written(value, flow=True, json_like=json_like)])
        dash = self.text.rfind("-", 0, _start(last))
        column = dash - (self.text.rfind("\n", 0, dash) + 1)
        line = " " * column + f"- {_written(value, flow=False)}"
        return self._behind_in_block(self._content_end(last), [line])

    def _remove(self, at: Keys) -> str:
        around = self._node(at[:-1])
        if not isinstance(around, (MappingNode, SequenceNode)):
            raise NotChangeable(f"there is no {at[-1]!r}")
        if len(around.value) == 1 and len(at) > 1:
            return self._remove(at[:-1])
        key, value, _ = self._entry(at)
        start, end = _start(key), self._content_end(value)
        if _flow(around):
            if comma := re.compile(r"\s*,[ \t]*(?:\r?\n[ \t]*)?").match(self.text, end):
                return self.text[:start] + self.text[comma.end() :]
            before = re.compile(r",\s*\Z").search(self.text[:start])
            return self.text[: before.start() if before else start] + self.text[end:]
        line_start = self.text.rfind("\n", 0, start) + 1
        line_end = re.compile(r"[^\n]*\n?").match(self.text, end)
        stop = line_end.end() if line_end else end
        if isinstance(around, MappingNode) and self.text[line_start:start].strip():
            # The first key of an item stands behind the item's dash, where the next key takes its place.
            if len(around.value) < 2 or around.value[0][0] is not key:
                raise NotChangeable(f"{at[-1]!r} shares its line")
            return self.text[:start] + self.text[_start(around.value[1][0]) :]
        return self.text[:line_start] + self.text[stop:]

    def _inserted(self, at: int, new: str) -> str:
        return self.text[:at] + new + self.text[at:]

    def _content_end(self, node: Node) -> int:
        """Where the last character of a node ends: a block reaches over the comments and blank lines behind it."""
        if isinstance(node, (MappingNode, SequenceNode)) and not _flow(node):
            return self._content_end(_children(node)[-1])
        end = _end(node)
        if isinstance(node, ScalarNode) and node.style in ("|", ">"):
            return _start(node) + len(self.text[_start(node) : end].rstrip())
        return end


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _start(node: Node) -> int:
    return int(node.start_mark.index)


def _column(node: Node) -> int:
    return int(node.start_mark.column)


def _end(node: Node) -> int:
    return int(node.end_mark.index)


def _flow(node: Node) -> bool:
    """Whether a node stands in brackets."""
    return bool(getattr(node, "flow_style", False))


def _quoted(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.style == '"'


def _is_null(node: ScalarNode) -> bool:
    return not node.style and node.value in ("", "~", "null")


def _nested(keys: Iterable[str | int], value: Any) -> Any:
    for key in reversed(tuple(keys)):
        value = {str(key): value}
    return value


def _pair(name: str, value: Any, *, flow: bool = True, json_like: bool = False) -> str:
    return f"{_scalar(name, flow=flow, json_like=json_like)}: {_written(value, flow=flow, json_like=json_like)}"


def _written(value: Any, *, flow: bool, json_like: bool = False) -> str:
    """A plain value as YAML on one line; as JSON where what stands around it is."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(_pair(str(name), each, json_like=json_like) for name, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_written(each, flow=True, json_like=json_like) for each in value) + "]"
    if isinstance(value, str):
        return _scalar(value, flow=flow, json_like=json_like)
    return json.dumps(value)


def _scalar(value: str, *, flow: bool, json_like: bool) -> str:
    """A text as YAML: bare where that means the same, else in quotes."""
    if not json_like and _BARE.fullmatch(value) and not value.endswith(" ") and _reads_as(value, value, flow=flow):
        return value
    if not json_like and '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    quoted = json.dumps(value, ensure_ascii=False)
    # Characters behind the first 65,536 stand for themselves: as JSON escapes them, they would be two to YAML.
    return "".join(each if each.isprintable() or each > "\uffff" else f"\\u{ord(each):04x}" for each in quoted)


def _reads_as(written: str, value: str, *, flow: bool) -> bool:
    """Whether a bare text is that text to YAML, of this version and of the older one, in which `yes` is no text."""
    if value.lower() in {"yes", "no", "on", "off", "y", "n", "true", "false", "null", "~"}:
        return False
    try:
        found = round_trip().load(f"[{written}]" if flow else f"key: {written}")
    except YAMLError:
        return False
    return bool(found == ([value] if flow else {"key": value}))
