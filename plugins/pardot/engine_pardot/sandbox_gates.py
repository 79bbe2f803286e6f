"""What stands before the sandbox's API: the business unit, the day's quota, calls at once; and what is counted.

Source: developer.salesforce.com/docs/marketing/pardot/guide/version5overview (Rate Limits)
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_oauth import TokenHost
from engine_pardot.sandbox_seed import Unit, User

_UNIT_ID = re.compile(r"0Uv[A-Za-z0-9]{15}")


def caller(headers: Mapping[str, str], tokens: TokenHost, unit: Unit) -> User:
    """Whom a call acts for. Raises ApiError where its token or its header is not good for the business unit."""
    user = unit.users.get(tokens.user_of(headers))
    named = headers.get("pardot-business-unit-id")
    if named is None:
        raise ApiError("181", "Pardot-Business-Unit-Id header not found on request.")
    if not _UNIT_ID.fullmatch(named):
        raise ApiError("182")
    if named != unit.id:
        raise ApiError("201")
    if user is None:
        raise ApiError("184")
    if named not in user.units:
        raise ApiError(
            "49",
            "User associated with access token is not valid for the Pardot Business Unit ID specified in "
            "Pardot-Business-Unit-Id header",
        )
    return user


class Turnstile:
    """Counts calls and refuses those above the limits. Thread-safe.

    `used`: calls that other integrations have made today; both limits are those of the whole business unit.
    """

    def __init__(self, unit: Unit, switches: Mapping[str, Any], now: Callable[[], float], used: int) -> None:
        self._unit = unit
        self._switches = switches
        self._now = now
        self._used: Counter[str] = Counter({unit.day(now()): used})
        self._errors: Counter[str] = Counter()
        self._in_flight = 0
        self._lock = threading.Lock()
        self.calls, self.most_in_flight = 0, 0

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Let a call in and hold its place. Raises ApiError 122, 66."""
        with self._lock:
            self._enter()
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1

    def _enter(self) -> None:
        day = self._unit.day(self._now())
        if self._used[day] >= int(self._switches["daily"]):
            raise ApiError("122")
        full = self._in_flight >= int(self._switches["concurrency"])
        if not full or self._switches["count_refused"]:
            self._used[day] += 1
        if full:
            raise ApiError("66")
        self.calls += 1
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)

    def note_error(self, code: str) -> None:
        with self._lock:
            self._errors[code] += 1

    @property
    def today(self) -> int:
        """The calls of the unit's day so far."""
        return self._used[self._unit.day(self._now())]

    @property
    def in_all(self) -> int:
        """The calls of every day, those of other integrations included."""
        return self._used.total()

    def statistics(self) -> dict[str, Any]:
        """The calls that were let in, the most of them at once, and what was refused by code."""
        with self._lock:
            errors = dict(sorted(self._errors.items(), key=lambda item: int(item[0])))
            return {"calls": self.calls, "most_in_flight": self.most_in_flight, "errors": errors}
