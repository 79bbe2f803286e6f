"""Calls counted by remote account: the sliding rate window, the day's quota, and pauses."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence

from engine.state.database import Database

#: No account is paused for longer (seconds). A pause that is further away shows that the clock has been set back.
LONGEST_PAUSE = 2 * 86_400.0


class Quotas:
    """The tally behind `engine.limits.LimitedGate`. A day is YYYY-MM-DD where the vendor's day ends; None is UTC's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_call(
        self,
        account: str,
        windows: Sequence[tuple[int, float]],
        daily: int | None,
        now: float | Callable[[], float],
        day: str | None = None,
    ) -> float:
        """Count a call and return 0, or return the seconds to wait (a pause, the rate); inf when the day is spent.

        `windows`: the rate windows that all hold, as (calls, seconds). `now` is Unix time, or what tells it: it is
        asked once nobody else can count, which may take a while, so that the call is counted no earlier than it starts.
        """
        # The day's count must survive a power cut. The rate need not, for that lasts longer than a window.
        with self._database.transaction(wait=daily is not None) as db:
            at = now() if callable(now) else now
            day = day or _utc_day(at)
            pause = _pause(db, account, at)
            if pause is not None:
                return pause[0] - at
            if windows:
                # Counted in the future: the clock has been set back. No earlier than now can they leave the window.
                db.execute("UPDATE calls SET at = ? WHERE account = ? AND at > ?", [at, account, at])
            waits = [0.0]
            for calls, window in windows:
                found = db.execute(
                    "SELECT at FROM calls WHERE account = ? AND at > ? ORDER BY at DESC LIMIT 1 OFFSET ?",
                    [account, at - window, calls - 1],
                ).fetchone()
                if found is not None:
                    waits.append(max(0.001, float(found[0]) + window - at))
            if max(waits) > 0:
                return max(waits)
            if daily is not None:
                used = db.execute("SELECT calls FROM quotas WHERE account = ? AND day = ?", [account, day]).fetchone()
                if (used[0] if used else 0) >= daily:
                    return float("inf")
            if windows:
                longest = max(seconds for _, seconds in windows)
                db.execute("DELETE FROM calls WHERE account = ? AND at <= ?", [account, at - longest])
                db.execute("INSERT INTO calls (account, at) VALUES (?, ?)", [account, at])
            db.execute(
                "INSERT INTO quotas (account, day, calls) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET calls = calls + 1",
                [account, day],
            )
        return 0.0

    def used(self, account: str, now: float, day: str | None = None) -> int:
        """The calls of the day: those counted here, or the vendor's own count where that was larger."""
        found = self._database.row(
            "SELECT calls FROM quotas WHERE account = ? AND day = ?", [account, day or _utc_day(now)]
        )
        return int(found[0]) if found else 0

    def seen(self, account: str, used: int, day: str) -> None:
        """Raise the calls of the day to the vendor's own count, which knows those of other systems."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO quotas (account, day, calls) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET calls = max(calls, excluded.calls)",
                [account, day, used],
            )

    def hold(self, account: str, until: float, why: str, now: float) -> None:
        """Let no call start before `until` (Unix time, at most LONGEST_PAUSE away); a longer pause stays."""
        with self._database.transaction() as db:
            pause = _pause(db, account, now)
            if until > (pause[0] if pause else now):
                db.execute(
                    "INSERT OR REPLACE INTO pauses (account, until, why) VALUES (?, ?, ?)",
                    [account, min(until, now + LONGEST_PAUSE), why],
                )

    def pause(self, account: str, now: float) -> tuple[float, str] | None:
        """Until when the account is paused (Unix time), and why; None where it is not."""
        if not self._database.rows("SELECT 1 FROM pauses WHERE account = ?", [account]):
            return None
        with self._database.transaction(wait=False) as db:
            return _pause(db, account, now)


def _pause(db: sqlite3.Connection, account: str, now: float) -> tuple[float, str] | None:
    """The account's pause; one that is over, or that a clock set back has left behind, is removed."""
    found = db.execute("SELECT until, why FROM pauses WHERE account = ?", [account]).fetchone()
    if found is None:
        return None
    until, why = found
    if now < until <= now + LONGEST_PAUSE:
        return float(until), str(why)
    db.execute("DELETE FROM pauses WHERE account = ?", [account])
    return None


def _utc_day(now: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(now))
