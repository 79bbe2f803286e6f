"""What the tests of limits share: time that is injected, and a tally that is watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.limits import LimitedGate, Limits
from engine.state import Store
from engine.state.quotas import Quotas

DAY = 86_400.0


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, now: float = 100 * DAY) -> None:
        self.time = now
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class Watched(Quotas):
    """The store's tally, which notes when it was asked in vain and when it let a call start."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store.database)
        self._clock = clock
        self.vain = 0
        self.granted: list[float] = []

    def take_call(self, *arguments: Any) -> float:
        wait = super().take_call(*arguments)
        if wait == 0:
            self.granted.append(self._clock.time)
        else:
            self.vain += 1
        return wait


def gate_for(
    store: Store, clock: Clock, limits: Limits, trip_after: int = 8, tell: Callable[[str], None] = lambda text: None
) -> LimitedGate:
    gate = LimitedGate(store.quotas, now=clock.now, sleep=clock.sleep, trip_after=trip_after, tell=tell)
    gate.declare("vendor:one", limits)
    return gate


def start(gate: LimitedGate, clock: Clock, *, counted: bool = True) -> float:
    """Make a call that takes no time, and tell when it started."""
    with gate.call(counted=counted):
        return clock.time
