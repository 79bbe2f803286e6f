"""What the ledger says of providers: how often they were asked and knew, what it cost, and what each won."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from statistics import median
from typing import Any

import orjson

from engine.state.database import Database
from engine.state.ledger import MILLION

#: An order is judged where each of its providers was asked this often, and suggested where it saves this share.
ENOUGH_ASKS = 30
WORTH_IT = 0.05
#: Outcomes of the calls that failed for their own question alone.
_ERRORS = ("error", "bad_request")


@dataclass(slots=True)
class FieldStats:
    """What one provider gave of one field. `cost` in credits and `amount` in the currency, of the calls that won it.

    A call's cost is split evenly over the fields that it won; leads that used its answer again add values, no cost.
    """

    values: int = 0
    cost: float = 0.0
    amount: float = 0.0


@dataclass(slots=True)
class ProviderFigures:
    """What one provider was asked and gave. `cost` in credits; `amount` in the currency, which is empty if not known.

    hits, misses, rejected, errors: of the calls that were answered; hits are those of which something was taken.
    possible: the most that calls without an answer may have cost on top. median, slow: seconds from asking to the
    answer, half and 95 percent of them within. reused: answers used again, with what buying them anew would have cost.
    vain: calls that gave nothing for a lead although another provider then won a field that they were for.
    """

    provider: str
    asked: int = 0
    hits: int = 0
    misses: int = 0
    rejected: int = 0
    errors: int = 0
    suppressed: int = 0
    unanswered: int = 0
    pending: int = 0
    cost: float = 0.0
    amount: float = 0.0
    possible: float = 0.0
    currency: str = ""
    median: float | None = None
    slow: float | None = None
    reused: int = 0
    reused_cost: float = 0.0
    reused_amount: float = 0.0
    vain: int = 0
    vain_cost: float = 0.0
    vain_amount: float = 0.0
    fields: dict[str, FieldStats] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        return self.hits + self.misses + self.rejected + self.errors + self.suppressed

    @property
    def hit_share(self) -> float | None:
        """Hits among the answers; None where there is no answer."""
        return self.hits / self.answered if self.answered else None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A cheaper order for one field: providers as they are asked now and as they could be.

    costs: what a lead that lacks the field costs on average in each order, in the currency.
    """

    field: str
    now: tuple[str, ...]
    better: tuple[str, ...]
    costs: tuple[float, float]
    currency: str

    @property
    def saving(self) -> float:
        """The share that the better order saves, 0 to 1."""
        return 1 - self.costs[1] / self.costs[0]


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of some runs."""

    providers: Sequence[ProviderFigures]
    suggestions: Sequence[Suggestion]


@dataclass(slots=True)
class _Call:
    """A call of the ledger, with what was made of its answer."""

    provider: str
    lead: int
    fields: frozenset[str]
    cost: float
    amount: int
    won: set[str] = field(default_factory=set)


class ProviderStats:
    """`run`: figures of one run; `integration`: of all its runs; neither: of everything that this state knows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def figures(self, run: str | None = None, integration: str | None = None) -> Figures:
        """Everything about each provider, by name."""
        where = [run, run, integration, integration]
        found: dict[str, ProviderFigures] = {}
        calls = self._calls(found, where)
        values = self._values(calls, where)
        _share_costs(found, calls, values)
        self._reused(found, run, integration)
        _count_vain(found, calls, values)
        return Figures([found[name] for name in sorted(found)], self._suggestions(found, calls, values, where))

    def paid(self, run: str) -> list[dict[str, Any]]:
        """What a run used of each provider, as its summary has it: `cost` in credits, amounts in the currency."""
        found: dict[str, ProviderFigures] = {}
        self._reused(found, run, None)
        for provider, calls, answered, unanswered, pending, cost, amount, possible, currency in self._database.rows(
            "SELECT provider, count(*), sum(state = 'answered'), sum(state = 'unanswered'), sum(state = 'pending'),"
            " total(CASE WHEN state = 'answered' THEN cost END), total(CASE WHEN state = 'answered' THEN amount END),"
            " total(CASE WHEN state <> 'answered' THEN amount END), max(currency)"
            " FROM paid_calls WHERE state <> 'void' AND run_id = ? GROUP BY provider",
            [run],
        ):
            each = found.setdefault(provider, ProviderFigures(provider))
            each.asked, each.hits, each.unanswered, each.pending = calls, answered, unanswered, pending
            each.cost, each.amount, each.possible = cost, amount / MILLION, possible / MILLION
            each.currency = currency or each.currency
        return [
            {
                "provider": each.provider,
                "calls": each.asked,
                "answered": each.hits,
                "possibly_charged": each.unanswered,
                "pending": each.pending,
                "cost": each.cost,
                "amount": each.amount,
                "possible_amount": each.possible,
                "currency": each.currency,
                "reused": each.reused,
                "saved_cost": each.reused_cost,
                "saved_amount": each.reused_amount,
            }
            for each in sorted(found.values(), key=lambda each: each.provider)
        ]

    def spent(self, period: str, provider: str) -> tuple[int, float]:
        """Calls and money (in the currency) of a run or a day (YYYY-MM-DD), of one provider, or of all for none."""
        found = self._database.row(
            "SELECT calls, amount FROM spending WHERE period = ? AND provider = ?", [period, provider]
        )
        return (int(found[0]), found[1] / MILLION) if found else (0, 0.0)

    def calls(self, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Calls of the ledger by id: what each cost, the lead that it was made for, and how many leads used it."""
        names = ("call", "provider", "state", "outcome", "cost", "amount", "currency", "lead", "run", "at", "leads")
        wanted = orjson.dumps(sorted(set(ids))).decode()
        rows = self._database.rows(
            "WITH used AS (SELECT call_id, count(DISTINCT lead_id) AS leads FROM enrichment_steps"
            " WHERE call_id IN (SELECT value FROM json_each(?)) GROUP BY call_id)"
            " SELECT c.id, c.provider, c.state, c.outcome, c.cost, c.amount * 1.0 / ?, c.currency, c.lead_id, c.run_id,"
            " c.opened_at, coalesce(u.leads, 0) FROM paid_calls c LEFT JOIN used u ON u.call_id = c.id"
            " WHERE c.id IN (SELECT value FROM json_each(?))",
            [wanted, MILLION, wanted],
        )
        return {row[0]: dict(zip(names, row, strict=True)) for row in rows}

    # Reading ----------------------------------------------------------------------------------------------------

    def _calls(self, found: dict[str, ProviderFigures], where: Sequence[Any]) -> dict[int, _Call]:
        """Every call by id, counted by provider."""
        calls: dict[int, _Call] = {}
        seconds: dict[str, list[float]] = defaultdict(list)
        kept: dict[str, frozenset[str]] = {}
        rows = self._database.rows(
            "SELECT c.id, c.provider, c.state, c.outcome, c.cost, c.amount, c.currency, c.settled_at - c.opened_at,"
            " c.lead_id, c.fields, s.outcome FROM paid_calls c"
            # What the waterfall made of the answer for the lead that it was bought for.
            " LEFT JOIN enrichment_steps s ON s.lead_id = c.lead_id AND s.call_id = c.id"
            f" WHERE c.state <> 'void' AND {_OF_RUNS} ORDER BY c.id",
            where,
        )
        for id, provider, state, outcome, cost, amount, currency, lasted, lead, fields, judged in rows:
            if id in calls:
                continue
            each = found.setdefault(provider, ProviderFigures(provider))
            each.asked += 1
            each.currency = currency or each.currency
            if fields not in kept:
                kept[fields] = frozenset(orjson.loads(fields or "[]"))
            answered = state == "answered"
            calls[id] = _Call(provider, lead or 0, kept[fields], cost if answered else 0, amount if answered else 0)
            if not answered:
                each.unanswered += state == "unanswered"
                each.pending += state == "pending"
                each.possible += amount / MILLION
                continue
            each.cost += cost
            each.amount += amount / MILLION
            seconds[provider].append(lasted or 0.0)
            if outcome in _ERRORS:
                each.errors += 1
            elif outcome == "suppressed":
                each.suppressed += 1
            elif outcome == "rejected" or judged == "rejected":
                each.rejected += 1
            elif outcome in ("hit", "partial") and judged != "miss":
                each.hits += 1
            else:
                each.misses += 1
        for provider, lasted in seconds.items():
            lasted.sort()
            found[provider].median = median(lasted)
            found[provider].slow = lasted[ceil(0.95 * len(lasted)) - 1]
        return calls

    def _values(self, calls: Mapping[int, _Call], where: Sequence[Any]) -> dict[int, dict[str, int]]:
        """The calls that leads' values came from: by lead, the field and the call."""
        values: dict[int, dict[str, int]] = defaultdict(dict)
        for lead, name, provider, call in self._database.rows(
            "SELECT v.lead_id, v.field, v.provider, v.call_id FROM enriched_values v"
            " JOIN paid_calls c ON c.id = v.call_id"
            f" WHERE v.call_id IS NOT NULL AND {_OF_RUNS}",
            where,
        ):
            # What is known of an address comes with it, and wins nothing of its own.
            if call in calls and provider == calls[call].provider and name != "email_status":
                values[lead][name] = call
                calls[call].won.add(name)
        return values

    def _reused(self, found: dict[str, ProviderFigures], run: str | None, integration: str | None) -> None:
        """Count the answers that cost nothing because they had been bought before, or for another lead."""
        for provider, count, cost, amount, currency in self._database.rows(
            "SELECT s.provider, count(*), total(c.cost), total(c.amount), coalesce(max(c.currency), '')"
            " FROM enrichment_steps s JOIN leads l ON l.id = s.lead_id JOIN integrations i ON i.id = l.integration_id"
            " JOIN paid_calls c ON c.id = s.call_id LEFT JOIN runs r ON r.id = ?"
            " WHERE s.known = 1 AND (r.id IS NULL OR (r.integration_id = i.id AND s.at >= r.started_at"
            " AND s.at <= coalesce(r.ended_at, s.at))) AND (? IS NULL OR i.name = ?) GROUP BY s.provider",
            [run, integration, integration],
        ):
            each = found.setdefault(provider, ProviderFigures(provider))
            each.reused, each.reused_cost, each.reused_amount = count, cost, amount / MILLION
            each.currency = currency or each.currency

    # A better order ---------------------------------------------------------------------------------------------

    def _suggestions(
        self, found: Mapping[str, ProviderFigures], calls: Mapping[int, _Call], values: Mapping[int, Mapping[str, int]],
        where: Sequence[Any],
    ) -> list[Suggestion]:  # fmt: skip
        """Cheaper orders, for the fields that several providers were asked for whose prices can be compared."""
        places = dict(
            self._database.rows(
                "SELECT c.provider, avg(s.step) FROM enrichment_steps s JOIN paid_calls c ON c.id = s.call_id"
                f" WHERE {_OF_RUNS} GROUP BY c.provider",
                where,
            )
        )
        tallies: dict[str, dict[str, _Tally]] = defaultdict(dict)
        winners: dict[str, set[str]] = defaultdict(set)
        for figures in found.values():
            for name in figures.fields:
                winners[name].add(figures.provider)
        captured = self._captured(name for name, providers in winners.items() if len(providers) > 1)
        for id, call in calls.items():
            for name in call.fields & captured.keys():
                # Who never won a field may not have been asked for it; nobody is for one that was there.
                had = call.lead in captured[name] or _had(call, id, values.get(call.lead, {}).get(name), calls)
                if call.provider not in winners[name] or had:
                    continue
                tally = tallies[name].setdefault(call.provider, _Tally())
                tally.asked += 1
                tally.amount += call.amount
                tally.won += name in call.won
        suggestions = []
        for name, by_provider in sorted(tallies.items()):
            judged = [provider for provider, tally in by_provider.items() if tally.asked >= ENOUGH_ASKS]
            currencies = {found[provider].currency for provider in judged}
            if len(judged) < 2 or len(judged) < len(by_provider) or len(currencies) > 1 or "" in currencies:
                continue
            now = tuple(sorted(judged, key=lambda provider: places.get(provider, 0.0)))
            better = tuple(sorted(now, key=lambda provider: by_provider[provider].cost_per_value))
            costs = _expected(now, by_provider), _expected(better, by_provider)
            if costs[0] > 0 and costs[1] < costs[0] * (1 - WORTH_IT):
                suggestions.append(Suggestion(name, now, better, costs, currencies.pop()))
        return suggestions

    def _captured(self, names: Iterable[str]) -> dict[str, set[int]]:
        """By field, the leads that were captured with it (or given it by a person)."""
        return {
            name: {
                lead
                for (lead,) in self._database.rows(
                    "SELECT p.lead_id FROM profiles p WHERE json_extract(p.data, ?) IS NOT NULL AND NOT EXISTS"
                    " (SELECT 1 FROM enriched_values v WHERE v.lead_id = p.lead_id AND v.field = ?"
                    " AND v.replaced IS NULL)",
                    [f'$.f."{name}"', name],
                )
            }
            for name in sorted(names)
        }


#: Limits `c`, the calls, to those of one run, of one integration's runs, or not at all.
_OF_RUNS = (
    "(? IS NULL OR c.run_id = ?) AND (? IS NULL OR c.run_id IN"
    " (SELECT r.id FROM runs r JOIN integrations i ON i.id = r.integration_id WHERE i.name = ?))"
)


@dataclass(slots=True)
class _Tally:
    """How often one provider was asked for one field, won it, and what that cost (millionths)."""

    asked: int = 0
    won: int = 0
    amount: int = 0

    @property
    def share(self) -> float:
        return self.won / self.asked

    @property
    def mean(self) -> float:
        """What a call costs, in the currency."""
        return self.amount / self.asked / MILLION

    @property
    def cost_per_value(self) -> float:
        return self.mean / self.share if self.won else float("inf")


def _expected(order: Sequence[str], tallies: Mapping[str, _Tally]) -> float:
    """What a lead costs that is asked of one after the other until somebody has the field."""
    cost, left = 0.0, 1.0
    for provider in order:
        cost += left * tallies[provider].mean
        left *= 1 - tallies[provider].share
    return cost


def _share_costs(
    found: Mapping[str, ProviderFigures], calls: Mapping[int, _Call], values: Mapping[int, Mapping[str, int]]
) -> None:
    """Split each call's cost evenly over the fields that it won."""
    for fields in values.values():
        for name, call in fields.items():
            found[calls[call].provider].fields.setdefault(name, FieldStats()).values += 1
    for call_ in calls.values():
        for name in call_.won:
            stats = found[call_.provider].fields[name]
            stats.cost += call_.cost / len(call_.won)
            stats.amount += call_.amount / len(call_.won) / MILLION


def _had(call: _Call, id: int, by: int | None, calls: Mapping[int, _Call]) -> bool:
    """Whether another provider's call for the same lead had won the field before this one was made."""
    return by is not None and by < id and calls[by].lead == call.lead and calls[by].provider != call.provider


def _count_vain(
    found: Mapping[str, ProviderFigures], calls: Mapping[int, _Call], values: Mapping[int, Mapping[str, int]]
) -> None:
    """Count the calls that gave nothing where another provider then won a field that they were for."""
    for id, call in calls.items():
        # An answer may say all about more than was wanted; what its provider never won, it was hardly asked for.
        wanted = call.fields & found[call.provider].fields.keys() or call.fields
        won = values.get(call.lead, {})
        if call.won or not any(name in wanted and calls[by].provider != call.provider and not _had(call, id, by, calls)
                               for name, by in won.items()):  # fmt: skip
            continue
        each = found[call.provider]
        each.vain += 1
        each.vain_cost += call.cost
        each.vain_amount += call.amount / MILLION
