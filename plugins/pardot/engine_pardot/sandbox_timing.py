"""The sandbox's time: how much faster than Pardot's it runs, and how long each kind of call takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

READ, WRITE, LIST, TOKEN = "read", "write", "list", "token"


def speed_of(seed: Mapping[str, Any]) -> float:
    """The factor by which the sandbox runs faster than Pardot. Raises ValueError where it is not above zero."""
    speed = float(seed.get("speed", 1))
    if speed <= 0:
        raise ValueError("speed is a number above 0")
    return speed


def latency_of(given: Any, kind: str, speed: float) -> float:
    """The seconds that a call takes by the switch `latency`: seconds, or seconds by kind of call.

    Calls for lists take as long as writes where nothing is said of them.
    """
    if not isinstance(given, Mapping):
        return float(given or 0) / speed
    by_kind = {LIST: given.get(WRITE, 0), **given}
    return float(by_kind.get(kind, 0)) / speed
