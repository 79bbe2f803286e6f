"""What a run would buy at most: counted on a copy of the state, without a call and without a write."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine import check
from engine.adapters import Adapter, Context
from engine.asking import Price
from engine.errors import EnvironmentFault
from engine.foreseen_way import Foreseen, ForeseenWay, Foresight
from engine.plugins import Plugins
from engine.records import LEAD_FIELDS
from engine.run import source_of
from engine.specs import Integration
from engine.stages.base import Circumstances
from engine.stages.capture import CaptureStage
from engine.stages.questions import WaterfallStep
from engine.state import Store
from engine.state.copies import copy_state
from engine.state.ledger import MILLION, utc_day
from engine.state.provider_stats import ProviderFigures
from engine.waterfalls import rehearsed

#: What is expected is said of providers with so many answers.
ENOUGH_ANSWERS = 20
_CHUNK = 1_000
_LATER = float("inf")
#: Where the effect of a lead's sending is being decided: another spec has such leads enriched anew.
_ON_THE_WAY = ("sending", "submitting", "resolving", "unknown", "importing")


@dataclass(slots=True)
class Row:
    """What one step would be asked. `credits` and `amount` (in the currency, None without a price) are at most.

    leads: that have a question for it. calls: distinct questions that have to be bought. known: questions that are
    answered already. further: calls that are possible on top where `if_found` is found; `further_credits` and
    `further_amount` are theirs. capped: which budget keeps it lower. expected: calls, by what the ledger says of the
    providers; None where it says too little.
    """

    step: str
    provider: str
    leads: int = 0
    calls: int = 0
    known: int = 0
    further: int = 0
    if_found: tuple[str, ...] = ()
    credits: float = 0.0
    further_credits: float = 0.0
    amount: float | None = None
    further_amount: float | None = None
    currency: str = ""
    capped: str = ""
    expected_calls: float | None = None
    expected_credits: float | None = None
    expected_amount: float | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would buy at most. `money` by currency, with what further calls would cost.

    calls, further: of all steps together, within the budget for all. leads: that wait to be enriched.
    """

    integration: str
    rows_read: int
    leads: int
    calls: int
    further: int
    money: Mapping[str, float]
    steps: Sequence[Row]
    notes: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        return {"schema_version": 1, **asdict(self)}


def estimate(
    integration: Integration,
    plugins: Plugins,
    state: Path,
    path: str | None = None,
    now: Callable[[], float] = time.time,
) -> Estimate:
    """Estimate a run that would read the file at `path`, or the spec's own source, on the state, if there is one.

    Raises SpecError, EnvironmentFault.
    """
    check.refuse_if_wrong(integration, plugins)
    with TemporaryDirectory(prefix="engine-plan-") as folder:
        copy = Path(folder) / "state.db"
        if state.exists():
            copy_state(state, copy)
        try:
            store = Store(copy, check=False)
        except EnvironmentFault as error:
            error.where = str(state)
            raise
        with store:
            return _Estimator(integration, plugins, store, now).run(path)


@dataclass(slots=True)
class _Tally:
    """What is known so far of one step. `firm`, `loose`: distinct questions, and those that may be put otherwise."""

    row: Row
    price: Price | None
    most: float
    amount: int = 0
    leads: set[int] = field(default_factory=set)
    keys: set[Any] = field(default_factory=set)
    firm: set[Any] = field(default_factory=set)
    firm_asked: int = 0
    loose: int = 0
    further: int = 0
    if_found: Counter[str] = field(default_factory=Counter)

    def priced(self, credits: float) -> int:
        """What one call comes to in millionths of the currency, as the ledger reserves it."""
        return round(credits * self.price.amount * MILLION) if self.price else 0


class _Estimator:
    def __init__(self, integration: Integration, plugins: Plugins, store: Store, now: Callable[[], float]) -> None:
        self._integration, self._plugins, self._store, self._now = integration, plugins, store, now
        self._notes: list[str] = []
        self._made: list[Adapter] = []
        self._figures = {each.provider: each for each in store.provider_stats.figures().providers}
        self._tallies: dict[WaterfallStep, _Tally] = {}

    def run(self, path: str | None) -> Estimate:
        spec, now = self._integration, self._now()
        last = self._store.runs.last(spec.name)
        if last is not None and last.spec_digest != spec.digest:
            for status in _ON_THE_WAY:
                moving = self._store.queue.leads(last.integration_id, status, "", 2**31, _LATER)
                self._store.queue.delay([lead.id for lead in moving], "captured", 0.0)
        # An account that nobody has: what was delivered matters as little as what is being delivered.
        run = self._store.runs.begin(spec.name, str(spec.path), spec.digest, "plan", now, account="plan")
        circumstances = Circumstances(self._store, run, spec, self._now, account="plan")
        context = Context(self._now, folder=spec.folder)
        maker = rehearsed(spec, self._plugins, self._now, self._notes.append)
        maker.made = self._made
        try:
            source = source_of(spec, self._plugins, path, context)
            self._made.append(source)
            waterfall = maker.make(circumstances)
            foresight = Foresight(circumstances, waterfall)
            self._tallies = {step: _tally(step) for step in waterfall.online}
            capture = CaptureStage(circumstances, source)
            try:
                leads = self._waiting(foresight, circumstances)
                while capture.step(flush=True):
                    leads |= self._waiting(foresight, circumstances)
            finally:
                capture.close()
            self._notes += [f"{source.label}: {text}" for text in source.notes()]
        finally:
            for adapter in self._made:
                adapter.close()
        return self._ended(circumstances, leads)

    # Leads ------------------------------------------------------------------------------------------------------

    def _waiting(self, foresight: Foresight, circumstances: Circumstances) -> set[int]:
        """Follow every lead that waits to be enriched; its number is returned."""
        seen: set[int] = set()
        while True:
            queue = self._store.queue
            leads = queue.leads(circumstances.run.integration_id, "captured", "plan", _CHUNK, _LATER)
            refused = {lead.id: self._store.refusals.reason(lead.id, lead.fields) for lead in leads}
            for lead in leads:
                self._count(lead.id, foresight.follow(lead, refused.get(lead.id, "")))
            queue.delay([lead.id for lead in leads], "enriched", 0.0)
            seen.update(lead.id for lead in leads)
            if not leads:
                return seen

    def _count(self, lead_id: int, way: ForeseenWay) -> None:
        missing: dict[str, float] = {}
        for question in way.questions:
            tally = self._tallies[question.step]
            tally.leads.add(lead_id)
            if not question.firm:
                tally.loose += 1
                tally.if_found.update(question.hangs_on)
            elif not question.known:
                tally.firm_asked += 1
            if question.known:
                tally.row.known += 1
                continue
            fresh = not any(question.key in other.keys for other in self._tallies.values())
            self._expect(tally.row, question, missing, fresh)
            if fresh:
                tally.keys.add(question.key)
                tally.row.credits += question.ask.most
                tally.amount += tally.priced(question.ask.most)
                tally.most = max(tally.most, question.ask.most)
            if question.firm and not any(question.key in other.firm for other in self._tallies.values()):
                tally.firm.add(question.key)
        for step, (times, hangs_on) in way.further.items():
            tally = self._tallies[step]
            tally.further += times
            tally.if_found.update(hangs_on)

    def _expect(self, row: Row, question: Foreseen, missing: dict[str, float], fresh: bool) -> None:
        """Add what is expected of a question: it is asked as far as those before it leave a wanted field open."""
        figures = self._figures.get(row.provider)
        if figures is None or figures.answered < ENOUGH_ANSWERS:
            return
        asked = max(missing.get(name, 1.0) for name in question.wanted)
        row.expected_calls = (row.expected_calls or 0.0) + asked * fresh
        for name in question.wanted:
            missing[name] = missing.get(name, 1.0) * (1 - _share(figures, name))

    # The end ----------------------------------------------------------------------------------------------------

    def _ended(self, circumstances: Circumstances, leads: set[int]) -> Estimate:
        budget = self._integration.enrichment.budget
        rows = [self._row(step, tally) for step, tally in self._tallies.items()]
        calls, further = sum(row.calls for row in rows), sum(row.further for row in rows)
        cap, why = self._cap("", budget.calls, budget.day_calls)
        if cap is not None and calls + further > cap:
            calls = min(calls, cap)
            further = min(further, cap - calls)
            self._notes.append(f"all providers together: {why} allows {cap} calls")
        money: dict[str, float] = {}
        for row in rows:
            if row.amount is not None:
                money[row.currency] = money.get(row.currency, 0.0) + row.amount + (row.further_amount or 0.0)
        room = self._room("", budget.cost, budget.day_cost)
        for currency, amount in money.items():
            if room is not None and amount > room:
                money[currency] = room
                self._notes.append(f"all providers together: the budget allows {room:g} {currency}")
        unpriced = [row.provider for row in rows if row.amount is None and row.calls + row.further]
        if unpriced:
            self._notes.append(
                f"no price is known of {', '.join(dict.fromkeys(unpriced))}: give `config.price` at the step"
            )
        shared = sum(tally.firm_asked - len(tally.firm) for tally in self._tallies.values())
        if shared:
            self._notes.append(
                f"{shared} more questions are the same as others and share their answers; where a call ends without an"
                " answer, it is made again for the next lead"
            )
        return Estimate(
            self._integration.name, circumstances.tallies.rows, len(leads), calls, further, money, rows,
            tuple(dict.fromkeys(self._notes)),
        )  # fmt: skip

    def _row(self, step: WaterfallStep, tally: _Tally) -> Row:
        """A step's row: its bound split into what is asked for sure if nobody knows anything, and what may be."""
        row, price, budget = tally.row, tally.price, step.spec.budget
        row.leads = len(tally.leads)
        row.calls = len(tally.keys)
        row.further = max(0, len(tally.firm) + tally.loose + tally.further - row.calls)
        likely = sorted(tally.if_found.items(), key=lambda item: (-item[1], item[0]))[:3]
        row.if_found = tuple(name for name, _ in likely) if row.further else ()
        cap, why = self._cap(row.provider, budget.calls, budget.day_calls)
        if cap is not None and row.calls + row.further > cap:
            row.credits = min(row.credits, cap * tally.most)
            row.calls = min(row.calls, cap)
            row.further = min(row.further, cap - row.calls)
            row.capped = f"{why} allows {cap} calls"
        row.further_credits = row.further * tally.most
        if row.expected_calls is not None:
            figures = self._figures[row.provider]
            row.expected_calls = min(row.expected_calls, row.calls + row.further)
            row.expected_credits = row.expected_calls * figures.cost / figures.answered
        if price is not None:
            row.currency = price.currency
            row.amount = min(tally.amount, row.calls * tally.priced(tally.most)) / MILLION
            row.further_amount = row.further * tally.priced(tally.most) / MILLION
            room = self._room(row.provider, budget.cost, budget.day_cost)
            if room is not None and row.amount + row.further_amount > room:
                row.amount = min(row.amount, room)
                row.further_amount = min(row.further_amount, room - row.amount)
                row.capped = ", ".join(filter(None, [row.capped, f"its budget allows {room:g} {price.currency}"]))
            if row.expected_credits is not None:
                row.expected_amount = min(row.expected_credits * price.amount, row.amount + row.further_amount)
        return row

    def _cap(self, provider: str, calls: int | None, day: int | None) -> tuple[int | None, str]:
        """The calls that budgets leave, and which budget that is."""
        used = self._store.provider_stats.spent(utc_day(self._now()), provider)[0]
        left = [] if calls is None else [(calls, "the budget of a run")]
        left += [] if day is None else [(max(0, day - used), "what is left of the day's budget")]
        return min(left) if left else (None, "")

    def _room(self, provider: str, cost: float | None, day: float | None) -> float | None:
        """The money that budgets leave."""
        used = self._store.provider_stats.spent(utc_day(self._now()), provider)[1]
        left = [] if cost is None else [cost]
        left += [] if day is None else [max(0.0, day - used)]
        return min(left) if left else None


def _tally(step: WaterfallStep) -> _Tally:
    row = Row(step.label, step.name)
    try:
        sample = step.enricher.ask(dict.fromkeys(LEAD_FIELDS, "sample") | _SAMPLE, list(step.wants))
    except Exception:
        sample = None  # an invented lead may well be refused; real ones say what they cost
    return _Tally(row, step.enricher.price, sample.most if sample else 0.0)


def _share(figures: ProviderFigures, name: str) -> float:
    """The share of a provider's answers that won a field."""
    won = figures.fields.get(name)
    return min(1.0, won.values / figures.answered) if won else 0.0


#: An invented lead that has everything, to see what a question costs that cannot be asked yet.
_SAMPLE = {
    "email": "sample@example.com", "company_domain": "example.com", "website": "https://example.com",
    "linkedin_url": "https://www.linkedin.com/in/sample", "company_linkedin_url": "https://www.linkedin.com/company/sample",
    "phone": "+12025550123", "mobile_phone": "+12025550123", "country_code": "US",
}  # fmt: skip
