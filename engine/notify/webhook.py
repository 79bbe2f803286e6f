"""Messages as a POST to a webhook: as Slack takes them, and those that do as Slack does; or as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from engine.errors import RetryLater
from engine.http import Http
from engine.notify.message import Message

#: Seconds for one message.
TIMEOUT = 10.0


def post(message: Message, config: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Post a message to `config["url"]`. Raises RetryLater where it was not taken, SpecError for a forbidden address.

    In the form `slack` the text stands alone in the key `text`, with the three characters escaped that Slack gives a
    meaning (docs.slack.dev, formatting message text); in the form `json` there is all that is known.
    """
    url = str(config["url"])
    form = config.get("format", "slack")
    body = {"text": f"*{_escaped(message.subject)}*\n{_escaped(message.text)}"} if form == "slack" else message.data
    with closing(Http(url, timeout=TIMEOUT, max_bytes=2**20)) as http:
        reply = http.send("POST", url, json=body, headers=headers)
    if not 200 <= reply.status < 300:
        raise RetryLater(f"the webhook answered with status {reply.status}: {reply.excerpt(100)}".rstrip(": "))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
