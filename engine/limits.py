"""Rate, concurrency, daily quota, pauses and the circuit breaker, as an adapter declares them.

Rate, quota and pauses are taken from a `Tally` (the store) at the moment of the call, so that they hold across runs
and processes and survive a crash; only the number of calls in flight is this process's own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.errors import SpecError, VendorUnavailable

#: A call waits for a pause up to this many seconds; a longer one ends the run, which can be resumed.
LONGEST_WAIT = 120.0
#: A call that has to wait for so many seconds is worth a line of the log.
_TOLD_WAIT = 5.0

_log = logging.getLogger("engine")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a vendor allows: records a call, `calls` per `window` seconds, calls at once and a day; None is no limit.

    reserve: calls of a day that are left to other systems. day_zone: the time zone (IANA name) whose midnight ends the
    quota's day. alert: the share of `daily`, 0 to 1, at which people are told that it is used up to there, by anybody.
    margin: the share of the window that is added to it, because calls do not arrive as evenly as they leave.
    more: further windows that hold at the same time, as (calls, seconds).
    Raises SpecError for a time zone that does not exist.
    """

    batch_size: int = 1
    calls: int | None = None
    window: float = 1.0
    concurrency: int = 4
    daily: int | None = None
    reserve: int = 0
    day_zone: str = "UTC"
    alert: float | None = 0.8
    margin: float = 0.0
    more: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.day_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise SpecError(
                f"limits.day_zone: there is no time zone {self.day_zone!r}",
                fix="Give its IANA name, such as America/Chicago or UTC.",
            ) from error

    @property
    def windows(self) -> tuple[tuple[int, float], ...]:
        """Every rate window as (calls, seconds), with the margin in it."""
        first = () if self.calls is None else ((self.calls, self.window),)
        return tuple((calls, seconds * (1 + self.margin)) for calls, seconds in (*first, *self.more))

    def day(self, now: float) -> str:
        """The quota's day at Unix time `now`, as YYYY-MM-DD."""
        return self._local(now).date().isoformat()

    def day_ends(self, now: float) -> float:
        """The Unix time at which the quota's day at `now` ends."""
        midnight = self._local(now).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return (midnight + timedelta(days=1)).timestamp()

    def clock_time(self, at: float) -> str:
        """Unix time `at` for people: ISO 8601 in the quota's time zone, and that zone's name."""
        return f"{self._local(at).isoformat(timespec='seconds')} ({self.day_zone})"

    def _local(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, ZoneInfo(self.day_zone))


class Tally(Protocol):
    """Where calls are counted and pauses are kept."""

    def take_call(
        self,
        account: str,
        windows: Sequence[tuple[int, float]],
        daily: int | None,
        now: float | Callable[[], float],
        day: str | None = None,
    ) -> float:
        """Count a call and return 0, or return the seconds to wait (a pause, the rate); inf when the day is spent."""
        ...

    def used(self, account: str, now: float, day: str | None = None) -> int:
        """The calls of the day: those counted here, or the vendor's own count where that was larger."""
        ...

    def seen(self, account: str, used: int, day: str) -> None:
        """Raise the calls of the day to the vendor's own count."""
        ...

    def hold(self, account: str, until: float, why: str, now: float) -> None:
        """Let no call start before `until`; a longer pause that is there already stays."""
        ...

    def pause(self, account: str, now: float) -> tuple[float, str] | None:
        """Until when the account is paused, and why; None where it is not."""
        ...


class Gate(Protocol):
    """What every call goes through."""

    def call(self, *, counted: bool = True) -> AbstractContextManager[None]:
        """Wait for permission, then hold a place among the calls in flight. Raises VendorUnavailable."""
        ...

    def report(self, *, healthy: bool) -> None:
        """Tell the circuit breaker how the call ended."""
        ...

    def hold(self, seconds: float, why: str) -> None:
        """Let no call of the account start for this long, in any process; the longer of two holds wins.

        Calls wait while at most LONGEST_WAIT seconds are left; with more left they raise VendorUnavailable saying why.
        """
        ...

    def seen(self, used: int) -> None:
        """Take over the vendor's own count of today's calls, by anybody."""
        ...


class OpenGate:
    """No limits at all."""

    @contextmanager
    def call(self, *, counted: bool = True) -> Iterator[None]:
        yield

    def report(self, *, healthy: bool) -> None:
        return None

    def hold(self, seconds: float, why: str) -> None:
        return None

    def seen(self, used: int) -> None:
        return None


class LimitedGate:
    """Enforces one account's limits; after `trip_after` unhealthy calls in a row every call is refused.

    tell: is given a sentence, once a day, when the share `alert` of the day's quota is used.
    """

    def __init__(
        self,
        tally: Tally,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        tell: Callable[[str], None] = _log.warning,
        trip_after: int = 8,
        log: logging.Logger = _log,
    ) -> None:
        self.account = ""
        self.limits = Limits()
        self._tally = tally
        self._now = now
        self._sleep = sleep
        self._tell = tell
        self._places = threading.BoundedSemaphore(self.limits.concurrency)
        self._line = threading.Lock()
        self._trip_after = trip_after
        self._log = log
        self._unhealthy = 0
        self._told = ""
        self._lock = threading.Lock()

    def declare(self, account: str, limits: Limits) -> None:
        """Take on the limits of an adapter, which is built with this gate and so declares them afterwards."""
        self.account = account
        self.limits = limits
        self._places = threading.BoundedSemaphore(max(1, limits.concurrency))

    def share(self, other: LimitedGate) -> None:
        """Take places among the calls at once from those of another gate of the same account."""
        self._places = other._places

    @contextmanager
    def call(self, *, counted: bool = True) -> Iterator[None]:
        counted = counted and (bool(self.limits.windows) or self.limits.daily is not None)
        places = self._places
        # Of the calls that wait for the rate, only the first in line asks the tally and sleeps: each wake-up is used.
        with self._line if counted else nullcontext():
            self._enter(places, counted)
        try:
            if counted:
                self._alert()
            yield
        finally:
            places.release()

    def report(self, *, healthy: bool) -> None:
        with self._lock:
            self._unhealthy = 0 if healthy else self._unhealthy + 1

    def hold(self, seconds: float, why: str) -> None:
        now = self._now()
        self._tally.hold(self.account, now + seconds, why, now)
        held = {"account": self.account, "seconds": round(seconds, 1)}
        self._log.warning("no call of the account starts for a while: %s", why, extra={**held, "printed": True})

    def seen(self, used: int) -> None:
        self._tally.seen(self.account, used, self.limits.day(self._now()))
        self._alert()

    def _enter(self, places: threading.Semaphore, counted: bool) -> None:
        """Take a place and permission to start at once; while waiting for permission, the place is free for others."""
        while True:
            places.acquire()
            try:
                self._check_breaker()
                wait = self._ask(counted)
            except BaseException:
                places.release()
                raise
            if wait <= 0:
                return
            places.release()
            if wait >= _TOLD_WAIT:
                self._log.info("a call waits", extra={"account": self.account, "seconds": round(wait, 1)})
            self._sleep(wait)

    def _check_breaker(self) -> None:
        with self._lock:
            tripped = self._unhealthy >= self._trip_after
        if tripped:
            raise VendorUnavailable(
                f"{self.account} failed {self._trip_after} calls in a row, so no more are made",
                fix="See whether the vendor reports an outage, then run the same command again.",
            )

    def _ask(self, counted: bool) -> float:
        """Start now (0), or wait this many seconds and ask again. Raises VendorUnavailable."""
        limits = self.limits
        now = self._now()
        if not counted:
            pause = self._tally.pause(self.account, now)
            return self._wait_for(pause, now) if pause else 0.0
        allowed = None if limits.daily is None else limits.daily - limits.reserve
        wait = self._tally.take_call(self.account, limits.windows, allowed, self._now, limits.day(now))
        if wait <= 0:
            return wait
        if wait == float("inf"):
            raise self._spent(now)
        pause = self._tally.pause(self.account, now)
        if pause is None and wait > LONGEST_WAIT:
            raise VendorUnavailable(
                f"{self.account} has no call left until {limits.clock_time(now + wait)}",
                why="its limits: " + ", ".join(f"{calls} calls in {seconds:g} s" for calls, seconds in limits.windows),
                fix="Run the same command again after that.",
            )
        return max(wait, self._wait_for(pause, now)) if pause else wait

    def _wait_for(self, pause: tuple[float, str], now: float) -> float:
        until, why = pause
        if until - now > LONGEST_WAIT:
            raise VendorUnavailable(
                f"{self.account} is paused until {self.limits.clock_time(until)}",
                why=why,
                fix="Run the same command again after that.",
            )
        return until - now

    def _spent(self, now: float) -> VendorUnavailable:
        limits = self.limits
        used = self._tally.used(self.account, now, limits.day(now))
        made = f"the daily quota of {limits.daily} calls for {self.account} is spent: {used} were made today"
        if limits.daily is not None and used < limits.daily:
            made = (
                f"{used} of the daily quota of {limits.daily} calls for {self.account} are used,"
                f" and the last {limits.reserve} are reserved for other systems"
            )
        return VendorUnavailable(
            made,
            why=f"the vendor's day ends at {limits.clock_time(limits.day_ends(now))}",
            fix="Run the same command again after that (tomorrow), or correct `limits.daily` and `limits.reserve`"
            " if the vendor allows more.",
        )

    def _alert(self) -> None:
        """Tell people, once a day, that most of the day's quota is used."""
        limits, now = self.limits, self._now()
        day = limits.day(now)
        if not limits.daily or limits.alert is None or self._told == day:
            return
        used = self._tally.used(self.account, now, day)
        if used < limits.alert * limits.daily:
            return
        with self._lock:
            if self._told == day:
                return
            self._told = day
        self._tell(
            f"{used} of today's {limits.daily} calls for {self.account} are used ({used / limits.daily:.0%});"
            f" this engine stops at {limits.daily - limits.reserve},"
            f" and the day ends at {limits.clock_time(limits.day_ends(now))}"
        )
