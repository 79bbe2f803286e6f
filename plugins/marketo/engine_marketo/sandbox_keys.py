"""Which keys are being written, so that the sandbox can tell which were written by two calls at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any


class KeysInUse:
    """Remembers the keys of every write that runs. Call it with the sandbox's lock held."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[str, frozenset[Any]]] = {}
        self._numbers = itertools.count()
        self._overlapping: set[tuple[str, Any]] = set()

    def take(self, lookup: str, keys: Iterable[Any]) -> int:
        """A write with these keys of the field `lookup` begins; returns what `release` takes at its end."""
        taken = frozenset(keys)
        for field, held in self._held.values():
            if field == lookup:
                self._overlapping.update((lookup, key) for key in held & taken if key is not None)
        number = next(self._numbers)
        self._held[number] = (lookup, taken)
        return number

    def release(self, number: int) -> None:
        del self._held[number]

    def overlapping(self) -> list[str]:
        """Each as lookupField:value."""
        return sorted(f"{field}:{key}" for field, key in self._overlapping)
