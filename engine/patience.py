"""How long a run waits for a vendor that takes no call at all."""

from __future__ import annotations

import threading
from collections.abc import Callable

from engine.errors import EngineError, NotTaken, VendorUnavailable

#: Seconds for which a run waits while no call is taken.
_PATIENCE = 600.0


class Patience:
    """Ends a run whose vendor has taken no call for long. Thread-safe.

    `now`: the time, Unix seconds. `fix` is for people: what to look at before the command is run again.
    """

    def __init__(self, now: Callable[[], float], *, fix: str) -> None:
        self._now = now
        self._fix = fix
        self._lock = threading.Lock()
        self._since: float | None = None

    def taken(self) -> None:
        """Note that a call was taken."""
        with self._lock:
            self._since = None

    def judge(self, error: EngineError) -> EngineError:
        """Return the error itself, or VendorUnavailable where it is one more NotTaken and none was taken for long."""
        if not isinstance(error, NotTaken):
            return error
        now = self._now()
        with self._lock:
            since = self._since = now if self._since is None else self._since
        if now - since < _PATIENCE:
            return error
        return VendorUnavailable(
            error.what,
            where=error.where,
            why=f"no call has been taken for {now - since:.0f} seconds; {error.why}".rstrip("; "),
            fix=self._fix,
        )
