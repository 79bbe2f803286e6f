"""The ledger of paid calls: written before the call, settled after it, so that nothing is paid for twice.

    open ─▶ answered          pending ─▶ answered       open, pending ─▶ unanswered: possibly charged
    open ─▶ pending (ticket)                            open ─▶ void: not charged

Money is reserved at the most that a call can cost, and corrected when the call is settled; calls and money are counted
by run and by day, for each provider and for all together, in the same transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from engine.enrichment import Budget
from engine.redaction import without_secrets
from engine.state.database import Database, marks

#: Amounts are kept in millionths, so that they add up exactly.
MILLION = 1_000_000
#: What was asked this often within a day without any answer is not asked again on that day.
UNANSWERED = 3
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A call that is wished for: what is asked (a digest), for which lead fields, and the most that it can cost.

    floor: the confidence, 0 to 1, below which the provider is told to answer with nothing. amount: in millionths of the
    currency, which is empty where the price is not known. max_age: seconds; an older answer will not do.
    """

    request: bytes
    fields: frozenset[str]
    lead_id: int
    floor: float = 0.0
    cost: float = 0.0
    amount: int = 0
    currency: str = ""
    max_age: float | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a wish comes to: leave to make a call, an answer or a ticket that is there already, or a refusal.

    call_id: the call that may be made, or that gave the answer, or is pending. at: when that was, Unix time.
    """

    call_id: int | None = None
    answer: Mapping[str, Any] | None = None
    ticket: str = ""
    refusal: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a call ended: `answered`, `pending` (by `ticket`), `unanswered` (possibly charged) or `void` (not charged).

    cost, amount: what was charged, in credits and in millionths of the currency; of an unanswered or pending call the
    most stays reserved. fields: what the answer says all about, where that is not what was wished.
    """

    call_id: int
    state: str
    outcome: str = ""
    answer: Mapping[str, Any] | None = None
    cost: float = 0.0
    amount: int = 0
    expires_at: float = 0.0
    ticket: str = ""
    fields: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """What one provider was asked and charged. `cost` in credits; `amount` and `possible` in the currency.

    possible: the most that calls without an answer may have cost on top of `amount`.
    """

    provider: str
    calls: int
    answered: int
    unanswered: int
    pending: int
    cost: float
    amount: float
    possible: float
    currency: str


class Ledger:
    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, provider: str, wishes: Sequence[Wish], now: float) -> list[Reservation | None]:
        """The answers that each wish can have without a call, or their tickets; None where it needs a call."""
        rows: dict[bytes, list[tuple[Any, ...]]] = {}
        asked = list({wish.request for wish in wishes})
        for start in range(0, len(asked), 500):
            some = asked[start : start + 500]
            for row in self._database.rows(
                "SELECT request, id, state, answer, fields, floor, outcome, ticket, opened_at, settled_at"
                f" FROM paid_calls WHERE provider = ? AND request IN ({marks(len(some))})"
                " AND (state = 'pending' OR (state = 'answered' AND expires_at > ?)) ORDER BY id DESC",
                [provider, *some, now],
            ):
                rows.setdefault(bytes(row[0]), []).append(row)
        return [_usable(rows.get(wish.request, ()), wish, now) for wish in wishes]

    def reserve(
        self, provider: str, wishes: Sequence[Wish], run_id: str, budgets: Sequence[tuple[str, Budget]], now: float
    ) -> list[Reservation]:
        """Write down that calls are about to be made, each only where it keeps within every budget.

        `budgets`: a provider's name, or empty for all together, with what it may use.
        """
        day = utc_day(now)
        found = []
        lost = self._lost(provider, wishes, now)
        with self._database.transaction() as db:
            spent = {
                (period, whose): [int(calls), int(amount)]
                for period, whose, calls, amount in db.execute(
                    "SELECT period, provider, calls, amount FROM spending"
                    " WHERE period IN (?, ?) AND provider IN (?, '')",
                    [run_id, day, provider],
                )
            }
            before = {key: list(value) for key, value in spent.items()}
            for wish in wishes:
                refusal = _over(spent, budgets, run_id, day, wish)
                if wish.request in lost:
                    refusal = f"asked {UNANSWERED} times within a day without an answer"
                if refusal:
                    found.append(Reservation(refusal=refusal))
                    continue
                cursor = db.execute(
                    "INSERT INTO paid_calls (provider, request, run_id, state, opened_at, fields, floor, amount,"
                    " currency, lead_id, day, cost) VALUES (?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?)",
                    [provider, wish.request, run_id, now, orjson.dumps(sorted(wish.fields)).decode(), wish.floor,
                     wish.amount, wish.currency, wish.lead_id, day, wish.cost],
                )  # fmt: skip
                found.append(Reservation(call_id=cursor.lastrowid, at=now))
                for period in (run_id, day):
                    for whose in (provider, ""):
                        count = spent.setdefault((period, whose), [0, 0])
                        count[0] += 1
                        count[1] += wish.amount
            db.executemany(
                "INSERT INTO spending (period, provider, calls, amount) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET calls = excluded.calls, amount = excluded.amount",
                [(*key, *count) for key, count in spent.items() if count != before.get(key)],
            )
        return found

    def settle(self, settlements: Iterable[Settlement], now: float) -> None:
        """Write down how calls ended, and correct what was reserved for them."""
        with self._database.transaction() as db:
            for each in settlements:
                row = db.execute(
                    "SELECT provider, run_id, day, amount, cost, fields, state FROM paid_calls WHERE id = ?",
                    [each.call_id],
                ).fetchone()
                provider, run_id, day, reserved, most, fields, state = row
                if state == "answered":
                    continue  # two questions can hang on one pending call; the first that has its answer settles it
                kept = each.state in ("unanswered", "pending")
                amount, cost = (reserved, most) if kept else (each.amount, each.cost)
                if each.state == "void":
                    amount, cost = 0, 0.0
                if each.fields is not None:
                    fields = orjson.dumps(sorted(each.fields)).decode()
                answer = without_secrets(orjson.dumps(each.answer, default=str).decode()) if each.answer else None
                db.execute(
                    "UPDATE paid_calls SET state = ?, outcome = ?, answer = ?, cost = ?, amount = ?, settled_at = ?,"
                    " expires_at = ?, ticket = ?, fields = ? WHERE id = ?",
                    [each.state, each.outcome, answer, cost, amount, now, each.expires_at, each.ticket, fields,
                     each.call_id],
                )  # fmt: skip
                db.executemany(
                    "UPDATE spending SET calls = calls - ?, amount = amount + ? WHERE period = ? AND provider = ?",
                    [
                        (int(each.state == "void"), amount - reserved, period, whose)
                        for period in (run_id, day)
                        for whose in (provider, "")
                    ],
                )

    def close_open(self, now: float) -> int:
        """Mark the calls in flight of a killed run as unanswered, possibly charged; returns how many there were."""
        with self._database.transaction() as db:
            return db.execute(
                "UPDATE paid_calls SET state = 'unanswered', outcome = 'killed', settled_at = ? WHERE state = 'open'",
                [now],
            ).rowcount

    def totals(self, run_id: str | None = None) -> list[Totals]:
        """What each provider was asked and charged, in one run or in all."""
        return [
            Totals(
                str(provider), int(calls), int(answered), int(unanswered), int(pending), float(cost), amount / MILLION,
                possible / MILLION, str(currency),
            )
            for provider, calls, answered, unanswered, pending, cost, amount, possible, currency in self._database.rows(
                "SELECT provider, count(*), sum(state = 'answered'), sum(state = 'unanswered'), sum(state = 'pending'),"
                " total(CASE WHEN state = 'answered' THEN cost END),"
                " coalesce(sum(CASE WHEN state = 'answered' THEN amount END), 0),"
                " coalesce(sum(CASE WHEN state <> 'answered' THEN amount END), 0), max(currency)"
                " FROM paid_calls WHERE state <> 'void' AND (? IS NULL OR run_id = ?)"
                " GROUP BY provider ORDER BY provider",
                [run_id, run_id],
            )
        ]  # fmt: skip

    def _lost(self, provider: str, wishes: Sequence[Wish], now: float) -> set[bytes]:
        """What never gets an answer and is left alone for a while; a killed run's calls do not count."""
        lost: set[bytes] = set()
        asked = [wish.request for wish in wishes]
        for start in range(0, len(asked), 500):
            some = asked[start : start + 500]
            lost.update(
                bytes(request)
                for (request,) in self._database.rows(
                    f"SELECT request FROM paid_calls WHERE provider = ? AND request IN ({marks(len(some))})"
                    " AND state = 'unanswered' AND outcome <> 'killed' AND opened_at > ?"
                    " GROUP BY request HAVING count(*) >= ?",
                    [provider, *some, now - _DAY, UNANSWERED],
                )
            )
        return lost


def utc_day(now: float) -> str:
    """The day of a Unix time, as YYYY-MM-DD in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(now))


def _usable(rows: Sequence[tuple[Any, ...]], wish: Wish, now: float) -> Reservation | None:
    """The newest answer that says all about what is wished; one that was found is good for every floor."""
    for _, call_id, state, answer, fields, floor, outcome, ticket, opened_at, settled_at in rows:
        covered = fields is None or wish.fields <= set(orjson.loads(fields))
        if not covered or (outcome not in ("hit", "suppressed") and floor > wish.floor):
            continue
        if state == "pending":
            return Reservation(call_id, ticket=ticket, at=opened_at)
        if wish.max_age is None or settled_at > now - wish.max_age:
            return Reservation(call_id, orjson.loads(answer), at=settled_at)
    return None


def _over(
    spent: Mapping[tuple[str, str], Sequence[int]],
    budgets: Sequence[tuple[str, Budget]],
    run_id: str,
    day: str,
    wish: Wish,
) -> str:
    """Which budget one more call would exceed, for people; empty where it keeps within all."""
    for whose, budget in budgets:
        for period, calls, cost, name in (
            (run_id, budget.calls, budget.cost, "run"),
            (day, budget.day_calls, budget.day_cost, "day"),
        ):
            used, amount = spent.get((period, whose), (0, 0))
            scope = f"the budget of a {name}" + ("" if whose else " for all providers together")
            if calls is not None and used + 1 > calls:
                return f"{scope}, {calls} calls, is used up"
            if cost is not None and amount + wish.amount > round(cost * MILLION):
                return f"{scope}, {cost:g} {wish.currency}".rstrip() + ", has no room for one more call"
    return ""
