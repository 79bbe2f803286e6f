"""The envelope that Marketo puts around every answer.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.http import Reply

Envelope = Mapping[str, Any]


def envelope_of(reply: Reply) -> Envelope | None:
    """The body as an envelope with a boolean `success`; None where it is none."""
    body = reply.json()
    return body if isinstance(body, Mapping) and isinstance(body.get("success"), bool) else None


def rows(envelope: Envelope) -> list[Mapping[str, Any]]:
    """The objects of an answer's `result`, which has been met as a single object; empty where there are none."""
    given = envelope.get("result")
    return [row for row in (given if isinstance(given, list) else [given]) if isinstance(row, Mapping)]
