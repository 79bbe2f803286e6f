"""Stages of a plan: each ends its calls before another one moves, so that equal runs make equal plans."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, wait
from typing import Any

from engine.stages.base import Stage


class AtOnce:
    """A stage that has nothing in flight between two steps."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.name = stage.name

    def step(self, *, flush: bool) -> bool:
        moved = self._stage.step(flush=flush)
        while futures := self._stage.in_flight:
            wait(futures)
            self._stage.settle()
        return moved

    @property
    def in_flight(self) -> Sequence[Future[Any]]:
        return self._stage.in_flight

    @property
    def next_due(self) -> float | None:
        return self._stage.next_due

    def settle(self) -> None:
        self._stage.settle()

    def close(self) -> None:
        self._stage.close()
