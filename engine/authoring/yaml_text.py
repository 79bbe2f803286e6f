"""Text of YAML by hand, so that comments stand where they teach: scalars, rows, remarks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

#: What is a text in YAML without quotes, also between braces, whoever reads it.
_PLAIN = re.compile(r"[^\W\d_](?:[\w '()/.+|@-]*[\w')/.+@-])?")
_WORDS_WITH_A_MEANING = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
#: The longest key that YAML takes on the line of its value.
_LONGEST_KEY = 1000


def scalar(text: str) -> str:
    """A text as YAML reads it back, in quotes where it needs them."""
    if _PLAIN.fullmatch(text) and text.isprintable() and text.casefold() not in _WORDS_WITH_A_MEANING:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character.isprintable() and character not in '"\\':
        return character
    if character in '"\\\n\t':
        return json.dumps(character)[1:-1]
    code = ord(character)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def flow(values: Mapping[str, str]) -> str:
    """A mapping on one line; values are YAML already."""
    return "{" + ", ".join(f"{scalar(key)}: {value}" for key, value in values.items()) + "}"


def flow_list(items: Sequence[str]) -> str:
    return "[" + ", ".join(map(scalar, items)) + "]"


def line(indent: int, key: str, value: str, remark: str = "", *, off: bool = False) -> str:
    """`key: value  # remark`, where `value` is YAML already; `off` puts it into a comment."""
    name = scalar(key)
    tail = f"  # {one_line(remark)}" if remark else ""
    pad = " " * indent + ("# " if off else "")
    if len(name) > _LONGEST_KEY:
        return f"{pad}? {name}{tail}\n{pad}: {value}"
    return f"{pad}{name}: {value}{tail}"


def comment(indent: int, text: str) -> str:
    """A line of comment, with the spaces that it has."""
    return f"{' ' * indent}# " + "".join(each if each.isprintable() else " " for each in text)


def one_line(text: str, most: int = 160) -> str:
    """A text for people: on one line, without signs that cannot be printed, and cut where it is long."""
    bare = "".join(character if character.isprintable() else " " for character in text)
    bare = " ".join(bare.split())
    return bare if len(bare) <= most else f"{bare[: most - 1]}…"
