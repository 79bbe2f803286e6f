"""A chat for tests of notifications."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from engine.testing.server import Request, Response, Sandbox


class Chat(Sandbox):
    """Takes messages at any path, as Slack does."""

    name = "chat"

    def load(self, seed: Mapping[str, Any]) -> None:
        self.messages: list[Any] = []
        self.headers: list[Mapping[str, str]] = []
        self.arrived = threading.Event()

    def state(self) -> Mapping[str, Any]:
        return {"messages": self.messages}

    def handle(self, request: Request) -> Response:
        self.messages.append(request.json())
        self.headers.append(request.headers)
        self.arrived.set()
        return Response(200, "ok")

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.messages]
