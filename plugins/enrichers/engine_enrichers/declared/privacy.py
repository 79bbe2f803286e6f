"""What people are shown of an answer that is no hit: neither the person asked about nor a secret stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.http import Reply
from engine.redaction import redact

_LENGTH = 200
_ADDRESS = re.compile(r"[^\s\"'<>@]+@[^\s\"'<>@]+")
_NUMBER = re.compile(r"\+?\d(?:[\s().-]?\d){6,}")
_WORD = re.compile(r"\w{2,}")
_MARK = "…"
#: Keys under which providers say what went wrong. Everything else in an answer may be about the person.
_WORDS = frozenset({"code", "detail", "details", "error_code", "error_description", "error_explained", "errorcode",
                    "message", "msg", "reason"})  # fmt: skip
#: Keys whose whole contents say what went wrong.
_TROUBLE = frozenset({"error", "errors"})
_DEEPEST = 4


def said(reply: Reply, private: Iterable[str], secrets: Iterable[str]) -> str:
    """The status and what the provider says went wrong, without what was asked with and without the secrets."""
    body = reply.json()
    if isinstance(body, Mapping | list):
        text = ", ".join(dict.fromkeys(_messages(body, 0, inside=False)))
    else:
        text = "" if reply.status < 300 or "html" in reply.content_type else reply.excerpt(2000)
    shown = without(redact(text), private, secrets)[:_LENGTH]
    return f"HTTP {reply.status}: {shown}" if shown else f"HTTP {reply.status}"


def _messages(node: Any, depth: int, *, inside: bool) -> Iterator[str]:
    """The texts under keys of trouble; `inside` of one of these, all of them."""
    if depth > _DEEPEST:
        return
    if isinstance(node, str | int) and not isinstance(node, bool) and inside:
        yield str(node)
    elif isinstance(node, list):
        for child in node:
            yield from _messages(child, depth + 1, inside=inside)
    elif isinstance(node, Mapping):
        for key, child in node.items():
            name = key.casefold()
            plain = not isinstance(child, Mapping | list)
            if inside or name in _TROUBLE or (depth < 2 and plain and name in _WORDS):
                yield from _messages(child, depth + 1, inside=True)


def without(text: str, private: Iterable[str], secrets: Iterable[str] = ()) -> str:
    """The text without secrets, addresses, numbers as long as a phone's, and the words of `private`."""
    for secret in secrets:
        if len(secret) > 3:
            text = text.replace(secret, "***")
    text = _NUMBER.sub(_MARK, _ADDRESS.sub(_MARK, text))
    words = {word.casefold() for value in private for word in _WORD.findall(value)}
    return _WORD.sub(lambda found: _MARK if found[0].casefold() in words else found[0], text)
