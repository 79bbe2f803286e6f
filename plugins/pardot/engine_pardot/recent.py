"""Prospects that were created a moment ago, whom a search by address may not find yet.

Whether the search of an upsert lags like other reads is not documented; where it does, and addresses may be shared, a
second upsert within the lag would create the person again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable


class RecentlyCreated:
    """Remembers ids by address for `lag` seconds. Safe to use from many threads. `now`: the time, Unix seconds."""

    def __init__(self, lag: float, now: Callable[[], float]) -> None:
        self._lag = lag
        self._now = now
        self._lock = threading.Lock()
        #: By address: the id, and until when it is remembered; the oldest first.
        self._known: dict[str, tuple[str, float]] = {}

    def remember(self, addresses: Iterable[str], prospect_id: str) -> None:
        """A prospect was created, to be found by these addresses."""
        now = self._now()
        with self._lock:
            while self._known and next(iter(self._known.values()))[1] <= now:
                del self._known[next(iter(self._known))]
            for address in addresses:
                self._known.pop(address, None)
                self._known[address] = prospect_id, now + self._lag

    def id_of(self, address: str) -> str | None:
        """The prospect that was created with this address within the lag."""
        with self._lock:
            prospect_id, until = self._known.get(address, (None, 0.0))
        return prospect_id if until > self._now() else None
