"""Count a vendor's calls by what they are for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from engine.limits import Gate

#: What calls are for unless something else is said: signing in, fields, programs, lists.
SET_UP = "set-up"


class CountingGate:
    """Counts what goes through a gate and counts for the vendor's quota. `counts`: calls by purpose."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._thread = threading.local()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    @contextmanager
    def purpose(self, name: str) -> Iterator[None]:
        """Say what this thread's calls are for."""
        before = getattr(self._thread, "purpose", SET_UP)
        self._thread.purpose = name
        try:
            yield
        finally:
            self._thread.purpose = before

    def add(self, name: str, calls: int = 1) -> None:
        """Count calls that a run would make, and a plan does not."""
        with self._lock:
            self.counts[name] += calls

    @contextmanager
    def call(self, *, counted: bool = True) -> Iterator[None]:
        with self._gate.call(counted=counted):
            self.add(getattr(self._thread, "purpose", SET_UP), int(counted))
            yield

    def report(self, *, healthy: bool) -> None:
        self._gate.report(healthy=healthy)

    def hold(self, seconds: float, why: str) -> None:
        self._gate.hold(seconds, why)

    def seen(self, used: int) -> None:
        self._gate.seen(used)
