"""How the sandbox's parts see a call, and the world that they share."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.testing.server import Request
from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_keys import KeysInUse
from engine_pardot.sandbox_query import Reader
from engine_pardot.sandbox_seed import Unit, User
from engine_pardot.sandbox_store import Store


@dataclass(frozen=True, slots=True)
class World:
    """The state of one business unit. Whoever reads or changes it holds `lock`; `keys` has its own."""

    unit: Unit
    store: Store
    reader: Reader
    keys: KeysInUse
    switches: Mapping[str, Any]
    lock: threading.RLock
    now: Callable[[], float]
    lag: Callable[[], float]
    speed: float
    chance: random.Random


@dataclass(frozen=True, slots=True)
class Call:
    """A request that passed the doors: whom it acts for, its query and its body.

    `url` is the collection's address, `id` the record's in the path (0 where there is none); `wait` takes the simulated
    time of the call.
    """

    user: User
    request: Request
    body: Mapping[str, Any]
    url: str
    id: int
    wait: Callable[[], None]

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    def require(self, ability: str) -> None:
        """Raises ApiError where the role of the user lacks the ability."""
        if ability not in self.user.abilities:
            raise ApiError("46", ability)


def number(value: Any, code: str) -> int:
    """An id. Raises ApiError with the code where it is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ApiError(code) from None
