"""Searches that take a while: asked for by a ticket, or posted to an address that the request named."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import threading
import urllib.request
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.testing.server import Response

#: So many searches are remembered; a provider, too, forgets old ones.
KEPT = 100_000


@dataclass(slots=True)
class Job:
    """A search under way: its answer, the polls that still find it pending, and when it is ready (sandbox time).

    about: the values of whom it is about, empty for a batch.
    """

    answer: Response
    polls: int
    ready_at: float
    about: Mapping[str, Any]


class Jobs:
    """The searches by provider and ticket. Not locked: the sandbox does that."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[tuple[str, str], Job] = OrderedDict()
        self._count = 0

    def ticket(self) -> str:
        self._count += 1
        return f"sandbox-{self._count:08d}"

    def add(self, provider: str, ticket: str, job: Job) -> None:
        self._jobs[provider, ticket] = job
        if len(self._jobs) > KEPT:
            self._jobs.popitem(last=False)

    def knows(self, provider: str, ticket: str) -> bool:
        return (provider, ticket) in self._jobs

    def about(self, provider: str, ticket: str) -> Mapping[str, Any]:
        """Whom a search is about, empty for one that is not known."""
        job = self._jobs.get((provider, ticket))
        return job.about if job else {}

    def poll(self, provider: str, ticket: str, now: float) -> Response | None:
        """The answer, or None while it is pending. Raises KeyError for a ticket that was never given."""
        job = self._jobs[provider, ticket]
        if job.polls > 0 or now < job.ready_at:
            job.polls -= 1
            return None
        return job.answer

    def __len__(self) -> int:
        return len(self._jobs)


def post(url: str, body: bytes, signature: Mapping[str, Any] | None, secrets: Mapping[str, str], after: float) -> None:
    """Post an answer in `after` seconds, signed as the provider's file says; that nobody listens is no error."""
    headers = {"Content-Type": "application/json"}
    if signature:
        hashed = hmac.new(secrets[signature["key"]].encode(), body, getattr(hashlib, signature["hash"]))
        digest = hashed.hexdigest() if signature["encoding"] == "hex" else base64.b64encode(hashed.digest()).decode()
        headers[signature["header"]] = digest

    def send() -> None:
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - checked before
        with contextlib.suppress(OSError):
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310

    timer = threading.Timer(after, send)
    timer.daemon = True
    timer.start()
