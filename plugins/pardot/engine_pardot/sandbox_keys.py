"""Which keys are being written, so that the sandbox can tell which were written by two calls at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any


class KeysInUse:
    """Remembers the keys (email:address, id:number) of every write that runs."""

    def __init__(self, lock: AbstractContextManager[Any]) -> None:
        self._lock = lock
        self._held: dict[int, frozenset[str]] = {}
        self._numbers = itertools.count()
        self._overlapping: set[str] = set()

    def take(self, keys: Iterable[str]) -> int:
        """A write of these keys begins; returns what `release` takes at its end."""
        with self._lock:
            taken = frozenset(keys)
            for held in self._held.values():
                self._overlapping.update(held & taken)
            number = next(self._numbers)
            self._held[number] = taken
            return number

    def release(self, number: int) -> None:
        with self._lock:
            del self._held[number]

    @contextmanager
    def held(self, keys: Iterable[str]) -> Iterator[None]:
        """Hold the keys while the block runs."""
        number = self.take(keys)
        try:
            yield
        finally:
            self.release(number)

    def overlapping(self) -> list[str]:
        with self._lock:
            return sorted(self._overlapping)


def email_key(address: object) -> str:
    return f"email:{str(address).strip().lower()}"


def id_key(number: object) -> str:
    return f"id:{number}"
