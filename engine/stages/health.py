"""How a provider is doing: pauses while its calls keep failing, and when it is given up for a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: After so many failing calls in a row nothing is called for a while: the seconds of each pause. Then never again.
FAILING = 5
PAUSES: tuple[float, ...] = (5.0, 15.0, 45.0)


@dataclass
class Health:
    """Counts the calls that fail in a row. `now` tells the time; `paused_until` is Unix time."""

    now: Callable[[], float]
    paused_until: float = 0.0
    _failures: int = 0
    _pauses: int = 0

    def succeeded(self) -> None:
        self._failures = self._pauses = 0

    def failed(self) -> bool:
        """Count a failing call, and pause where there were many; whether the provider is to be given up."""
        self._failures += 1
        if self._failures < FAILING:
            return False
        self._failures = 0
        if self._pauses == len(PAUSES):
            return True
        self.paused_until = self.now() + PAUSES[self._pauses]
        self._pauses += 1
        return False
