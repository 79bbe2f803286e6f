"""Rate, concurrency, daily quota and the circuit breaker, as an adapter declares them.

Rate and quota are taken from a `Tally` (the store) at the moment of the call, so that they hold across runs and
survive a crash; only the number of calls in flight is this process's own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from engine.errors import VendorUnavailable


@dataclass(frozen=True, slots=True)
class Limits:
    """What a vendor allows: records a call, `calls` per `window` seconds, calls at once and a day; None is no limit."""

    batch_size: int = 1
    calls: int | None = None
    window: float = 1.0
    concurrency: int = 4
    daily: int | None = None


class Tally(Protocol):
    """Where calls are counted."""

    def take_call(self, account: str, calls: int | None, window: float, daily: int | None, now: float) -> float:
        """Count a call now and return 0, or return the seconds to wait; inf when the day's quota is spent."""
        ...


class Gate(Protocol):
    """What every call goes through."""

    def call(self, *, counted: bool = True) -> AbstractContextManager[None]:
        """Wait for permission, then hold a place among the calls in flight. Raises VendorUnavailable."""
        ...

    def report(self, *, healthy: bool) -> None:
        """Tell the circuit breaker how the call ended."""
        ...


class OpenGate:
    """No limits at all."""

    @contextmanager
    def call(self, *, counted: bool = True) -> Iterator[None]:
        yield

    def report(self, *, healthy: bool) -> None:
        return None


class LimitedGate:
    """Enforces one account's limits; after `trip_after` unhealthy calls in a row every call is refused."""

    def __init__(
        self,
        tally: Tally,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        trip_after: int = 8,
    ) -> None:
        self.account = ""
        self.limits = Limits()
        self._tally = tally
        self._now = now
        self._sleep = sleep
        self._places = threading.BoundedSemaphore(self.limits.concurrency)
        self._trip_after = trip_after
        self._unhealthy = 0
        self._lock = threading.Lock()

    def declare(self, account: str, limits: Limits) -> None:
        """Take on the limits of an adapter, which is built with this gate and so declares them afterwards."""
        self.account = account
        self.limits = limits
        self._places = threading.BoundedSemaphore(max(1, limits.concurrency))

    @contextmanager
    def call(self, *, counted: bool = True) -> Iterator[None]:
        with self._places:
            self._check_breaker()
            if counted and (self.limits.calls is not None or self.limits.daily is not None):
                self._wait_for_turn()
            yield

    def report(self, *, healthy: bool) -> None:
        with self._lock:
            self._unhealthy = 0 if healthy else self._unhealthy + 1

    def _check_breaker(self) -> None:
        with self._lock:
            tripped = self._unhealthy >= self._trip_after
        if tripped:
            raise VendorUnavailable(
                f"{self.account} failed {self._trip_after} calls in a row, so no more are made",
                fix="See whether the vendor reports an outage, then run the same command again.",
            )

    def _wait_for_turn(self) -> None:
        limits = self.limits
        while True:
            wait = self._tally.take_call(self.account, limits.calls, limits.window, limits.daily, self._now())
            if wait == 0:
                return
            if wait == float("inf"):
                raise VendorUnavailable(
                    f"the daily quota of {limits.daily} calls for {self.account} is spent",
                    fix="Run the same command again tomorrow, or raise `limits.daily` if the vendor allows more.",
                )
            self._sleep(wait)
