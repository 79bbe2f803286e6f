"""What readers see while the vendor's reads lag behind its writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Record = dict[str, Any]


class History:
    """Keeps the earlier states of records. The caller holds the sandbox's lock.

    lag: the seconds that reads are behind at this moment.
    """

    def __init__(self, now: Callable[[], float], lag: Callable[[], float]) -> None:
        self._now = now
        self._lag = lag
        #: By id: (Unix time until which it was so, the record then, None where there was none).
        self._earlier: dict[int, list[tuple[float, Record | None]]] = {}

    def remember(self, number: int, before: Mapping[str, Any] | None) -> None:
        """A record is about to change."""
        if self._lag():
            self._earlier.setdefault(number, []).append((self._now(), dict(before) if before else None))

    def seen(self, number: int, record: Record | None) -> Record | None:
        """The record as a read sees it."""
        moment = self._now() - self._lag()
        for until, earlier in self._earlier.get(number, ()):
            if moment < until:
                return earlier
        return record
