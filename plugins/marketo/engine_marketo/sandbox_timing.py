"""The sandbox's time: how much faster than Marketo's it runs, and how long each kind of call takes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

READ, WRITE, LIST = "read", "write", "list"

#: Seconds that recorded calls took. A write takes from the first to the second, most often the third.
_RECORDED_READ = 0.4
_RECORDED_WRITE = (0.4, 1.8, 1.4)
_RECORDED_LIST = 0.45


def speed_of(seed: Mapping[str, Any]) -> float:
    """The factor by which the sandbox runs faster than Marketo. Raises ValueError where it is not above zero."""
    speed = float(seed.get("speed", 1))
    if speed <= 0:
        raise ValueError("speed is a number above 0")
    return speed


class Latency:
    """How long calls take. Seed `latency`: seconds, seconds by kind (`read`, `write`, `list`), or `recorded`."""

    def __init__(self, seed: Mapping[str, Any], chance: random.Random) -> None:
        given = seed.get("latency") or 0
        self._recorded = given == "recorded"
        self._by_kind: Mapping[str, Any] = {}
        if isinstance(given, Mapping):
            self._by_kind = {LIST: given.get(WRITE, 0), **given}
        elif not self._recorded:
            self._by_kind = dict.fromkeys((READ, WRITE, LIST), float(given))
        self._speed = speed_of(seed)
        self._chance = chance

    def of(self, kind: str) -> float:
        """The seconds that the next call of a kind takes."""
        if not self._recorded:
            return float(self._by_kind.get(kind, 0)) / self._speed
        if kind == WRITE:
            return self._chance.triangular(*_RECORDED_WRITE) / self._speed
        return (_RECORDED_LIST if kind == LIST else _RECORDED_READ) / self._speed
