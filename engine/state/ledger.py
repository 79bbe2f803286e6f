"""The ledger of paid calls: written before the call, settled after it, so that nothing is paid for twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from engine.state.database import Database


@dataclass(frozen=True, slots=True)
class Reservation:
    """Leave to make a call (`call_id`), or the answer that was bought before (`answer`), or neither: no budget."""

    call_id: int | None = None
    answer: dict[str, Any] | None = None
    reason: str = ""


class Ledger:
    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, provider: str, request: bytes, run_id: str, budget: int | None, now: float) -> Reservation:
        """Find a valid answer, or write down that a call is about to be made, within this run's budget of calls."""
        with self._database.transaction() as db:
            answered = db.execute(
                "SELECT answer FROM paid_calls WHERE provider = ? AND request = ? AND state = 'answered'"
                " AND expires_at > ? ORDER BY id DESC LIMIT 1",
                [provider, request, now],
            ).fetchone()
            if answered is not None:
                return Reservation(answer=orjson.loads(answered[0]))
            if budget is not None:
                (used,) = db.execute(
                    "SELECT count(*) FROM paid_calls WHERE provider = ? AND run_id = ? AND state <> 'void'",
                    [provider, run_id],
                ).fetchone()
                if used >= budget:
                    return Reservation(reason=f"the budget of {budget} calls is used up")
            cursor = db.execute(
                "INSERT INTO paid_calls (provider, request, run_id, state, opened_at) VALUES (?, ?, ?, 'open', ?)",
                [provider, request, run_id, now],
            )
            return Reservation(call_id=cursor.lastrowid)

    def settle(
        self, call_id: int, state: str, answer: dict[str, Any] | None, cost: float, expires_at: float, now: float
    ) -> None:
        """Write down how a call ended: `answered`, `unanswered` (possibly charged) or `void` (not charged)."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE paid_calls SET state = ?, answer = ?, cost = ?, settled_at = ?, expires_at = ? WHERE id = ?",
                [state, orjson.dumps(answer, default=str).decode() if answer else None, cost, now, expires_at, call_id],
            )

    def close_open(self, now: float) -> int:
        """Mark the calls in flight of a killed run as unanswered, possibly charged; returns how many there were."""
        with self._database.transaction() as db:
            return db.execute(
                "UPDATE paid_calls SET state = 'unanswered', settled_at = ? WHERE state = 'open'", [now]
            ).rowcount

    def totals(self, run_id: str | None = None) -> list[tuple[str, int, int, int, float]]:
        """By provider: calls, answered, unanswered (possibly charged), cost; of one run or of all."""
        return [
            (str(provider), int(calls), int(answered), int(unanswered), float(cost))
            for provider, calls, answered, unanswered, cost in self._database.rows(
                "SELECT provider, count(*), sum(state = 'answered'), sum(state = 'unanswered'), total(cost)"
                " FROM paid_calls WHERE state <> 'void' AND (? IS NULL OR run_id = ?)"
                " GROUP BY provider ORDER BY provider",
                [run_id, run_id],
            )
        ]
