"""Keep secrets out of messages, logs and the state: what looks like one, and what is known to be one."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, quote_plus

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
        written = (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
        _KNOWN.update((value, *written, quote(value, safe=""), quote_plus(value)))


def without_secrets(text: str) -> str:
    """Replace the secrets that are known by `***`. Cheap enough for every answer that is stored."""
    for secret in _KNOWN:
        if secret in text:
            # Digits become other digits: they may stand in a JSON number.
            text = text.replace(secret, "9" * len(secret) if secret.isdecimal() else "***")
    return text


def redact(text: str) -> str:
    """Replace what is known to be a secret, or looks like one in a URL, header or body, by `***`."""
    return _BEARER.sub(r"\1 ***", _SECRET_PARAMETER.sub(r"\1\2\3***\2\3", without_secrets(text)))
