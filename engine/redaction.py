"""Keep secrets out of messages, logs and the state: what looks like one, and what is known to be one."""

from __future__ import annotations

import re

_SECRET_PARAMETER = re.compile(
    r"(?i)((?:token|secret|api[-_]?key|assertion|password)[\"']?\s*[=:]\s*)"
    r"(?:(\")(?:[^\"\\]|\\.)*\"?|(')(?:[^'\\]|\\.)*'?|[^&\s\"',}]+)"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=:!-]+")
#: The secrets that this process has read. A process-wide set: whoever writes a message must not need to know it.
_KNOWN: set[str] = set()
#: A shorter secret would turn ordinary words into stars.
_SHORTEST = 6


def remember_secret(value: str) -> None:
    """From now on, replace this text wherever `redact` or `without_secrets` meets it."""
    if len(value) >= _SHORTEST:
        _KNOWN.add(value)


def without_secrets(text: str) -> str:
    """Replace the secrets that are known by `***`. Cheap enough for every answer that is stored."""
    for secret in _KNOWN:
        if secret in text:
            text = text.replace(secret, "***")
    return text


def redact(text: str) -> str:
    """Replace what is known to be a secret, or looks like one in a URL, header or body, by `***`."""
    return _BEARER.sub(r"\1 ***", _SECRET_PARAMETER.sub(r"\1\2\3***\2\3", without_secrets(text)))
