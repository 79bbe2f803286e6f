"""Calls counted by remote account: the sliding rate window and the day's quota."""

from __future__ import annotations

import time

from engine.state.database import Database

#: A call counted this many seconds ahead of the window shows that the clock has been set back.
CLOCK_WENT_BACK = 300.0


class Quotas:
    """The tally behind `engine.limits.LimitedGate`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take_call(self, account: str, calls: int | None, window: float, daily: int | None, now: float) -> float:
        """Count a call now and return 0, or return the seconds to wait; inf when the day's quota is spent."""
        day = time.strftime("%Y-%m-%d", time.gmtime(now))
        with self._database.transaction() as db:
            if calls is not None:
                # Threads read the clock a little apart; only what is far ahead was counted before the clock went back.
                db.execute(
                    "DELETE FROM calls WHERE account = ? AND (at <= ? OR at > ?)",
                    [account, now - window, now + window + CLOCK_WENT_BACK],
                )
                count, oldest = db.execute(
                    "SELECT count(*), min(at) FROM calls WHERE account = ?", [account]
                ).fetchone()
                if count >= calls:
                    return max(0.001, float(oldest) + window - now)
            if daily is not None:
                used = db.execute("SELECT calls FROM quotas WHERE account = ? AND day = ?", [account, day]).fetchone()
                if used is not None and used[0] >= daily:
                    return float("inf")
            if calls is not None:
                db.execute("INSERT INTO calls (account, at) VALUES (?, ?)", [account, now])
            db.execute(
                "INSERT INTO quotas (account, day, calls) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET calls = calls + 1",
                [account, day],
            )
        return 0.0

    def used(self, account: str, now: float) -> int:
        """Calls counted today (UTC)."""
        day = time.strftime("%Y-%m-%d", time.gmtime(now))
        found = self._database.row("SELECT calls FROM quotas WHERE account = ? AND day = ?", [account, day])
        return int(found[0]) if found else 0
