"""A bed for the enrichment stage alone: a real state, enrichers written in a few lines, time that moves by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from pathlib import Path
from typing import Any

import orjson

from engine import enrichment
from engine.adapters import Context, Enricher
from engine.asking import Ask, EnrichAnswer, Finding, Inquiry, Price
from engine.expressions import Names, function, parse
from engine.limits import Limits
from engine.records import LEAD_FIELDS
from engine.specs import Destination, Integration, MappingSpec, SourceSpec
from engine.stages.base import Circumstances
from engine.stages.enrich import EnrichStage
from engine.stages.questions import WaterfallStep
from engine.stages.waterfall import Waterfall
from engine.state import Store
from engine.state.captures import Capture, LeadChange

Answer = EnrichAnswer | BaseException
NAMES = Names(LEAD_FIELDS, ())


def hit(cost: float = 1.0, confidence: float = 1.0, status: str = "", **found: str) -> EnrichAnswer:
    """An answer with these values."""
    findings = {name: Finding(value, confidence, status if name == "email" else "") for name, value in found.items()}
    return EnrichAnswer("hit", findings, cost)


class Provider(Enricher):
    """A provider that answers by a function of the lead; it keeps what it was asked."""

    online = True

    def __init__(
        self,
        name: str,
        provides: Sequence[str],
        answer: Callable[[Mapping[str, Any]], Answer] | None = None,
        *,
        inputs: Sequence[str] = ("last_name",),
        by_wanted: bool = False,
        most: float = 1.0,
        price: Price | None = None,
        batch: int = 1,
        concurrency: int = 4,
        offline: bool = False,
        rewrites: bool = False,
        later: Callable[[Inquiry], Answer] | None = None,
        waits_for: float = 600.0,
        contradicts: Callable[[Mapping[str, Any]], str] = lambda lead: "",
    ) -> None:
        super().__init__({}, Context())
        self.name, self.provides = name, tuple(provides)
        self.summary = "for tests"
        self._answer, self._inputs, self._by_wanted, self._most = answer, inputs, by_wanted, most
        self._price, self._limits = price, Limits(batch_size=batch, concurrency=concurrency)
        self._later, self._waits_for, self._contradicts = later, waits_for, contradicts
        self.online, self.rewrites = not offline, rewrites  # type: ignore[misc]
        self.asked: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    @property
    def price(self) -> Price | None:
        return self._price

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def waits_for(self) -> float:
        return self._waits_for

    def ask(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> Ask | None:
        if not all(lead.get(name) for name in self._inputs):
            return None
        fields = frozenset(wanted if self._by_wanted else self.provides)
        return Ask(orjson.dumps([self.name, *(lead[name] for name in self._inputs)]).decode(), fields, most=self._most)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        return self.enrich_batch([Inquiry(lead, tuple(wanted))])[0]

    def enrich_batch(self, inquiries: Sequence[Inquiry]) -> Sequence[EnrichAnswer]:
        with self.lock:
            self.asked += [dict(inquiry.lead) for inquiry in inquiries]
            self.batches.append(len(inquiries))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            assert self._answer is not None
            return [_raised(self._answer(inquiry.lead)) for inquiry in inquiries]
        finally:
            with self.lock:
                self.at_once -= 1

    def collect(self, inquiries: Sequence[Inquiry]) -> Sequence[EnrichAnswer]:
        assert self._later is not None
        return [_raised(self._later(inquiry)) for inquiry in inquiries]

    def contradiction(self, lead: Mapping[str, Any], answer: EnrichAnswer) -> str:
        return self._contradicts(lead)


def _raised(answer: Answer) -> EnrichAnswer:
    if isinstance(answer, BaseException):
        raise answer
    return answer


class Bed:
    """Leads in a state, and runs of a waterfall over them. Time stands still but for waits."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.db"
        self.time = 1_790_000_000.0
        self.store = Store(self.path)
        self.runs = 0
        self.notes: list[str] = []

    def now(self) -> float:
        return self.time

    def close(self) -> None:
        self.store.close()

    def leads(self, *people: Mapping[str, Any], edits: Mapping[str, Any] | None = None) -> list[int]:
        run = self._begin("add")
        first = self.store.captures.next_lead_id()
        changes, captures = [], []
        for number, fields in enumerate(people, first):
            data: dict[str, Any] = {"f": dict(fields), "q": {}, "e": {}}
            if edits:
                data["h"] = {name: {"v": value, "by": "ada", "at": 1.0} for name, value in edits.items()}
            changes.append(LeadChange(number, f"name:{number}", data, True, "captured"))
            captures.append(Capture(number, number, number, "{}"))
        self.store.captures.save(
            run.integration_id, run.id, "test", captures, changes, rows=len(changes), known_rows=0, now=self.time
        )
        return [change.id for change in changes]

    def _begin(self, why: str) -> Any:
        return self.store.runs.begin("expo", "spec.yaml", "digest", why, self.time)

    def stage(self, spec: Mapping[str, Any] | Sequence[Any], *providers: Enricher) -> EnrichStage:
        found = enrichment.read(spec)
        named = {provider.name: provider for provider in providers}
        integration = Integration("expo", Path("spec.yaml"), SourceSpec("csv"), Destination("x"), MappingSpec(()),
                                  enrichment=found)  # fmt: skip
        run = self._begin("run")
        self.store.ledger.close_open(self.time)
        self.circumstances = Circumstances(self.store, run, integration, self.now)

        def made(step: enrichment.Step) -> WaterfallStep:
            return WaterfallStep(step, named[step.use], _condition(step.when))

        verifiers = {name: [made(step) for step in policy.verify] for name, policy in found.fields.items()}
        steps = [made(step) for step in found.steps]
        return EnrichStage(
            self.circumstances, Waterfall(self.circumstances, found, steps, verifiers, _condition(found.when))
        )

    def run(self, spec: Mapping[str, Any] | Sequence[Any], *providers: Enricher) -> Bed:
        """Enrich everything that waits."""
        stage = self.stage(spec, *providers)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if stage.step(flush=True):
                continue
            if stage.in_flight:
                wait(stage.in_flight, timeout=1, return_when=FIRST_COMPLETED)
                continue
            due = stage.next_due
            if due is None:
                break
            self.time = max(self.time, due)
        else:
            raise AssertionError("the stage never came to an end")
        stage.settle()
        stage.close()
        self.notes = self.circumstances.notes
        return self

    def again(self) -> None:
        """Have all leads enriched once more."""
        with self.store.database.transaction() as db:
            db.execute("UPDATE leads SET status = 'captured'")

    def lead(self, id: int = 1) -> dict[str, Any]:
        found = self.store.reports.lead(id)
        assert found is not None
        return found

    def fields(self, id: int = 1) -> dict[str, Any]:
        return dict(self.lead(id)["fields"])

    def outcomes(self, id: int = 1) -> dict[str, str]:
        return {step["provider"]: step["outcome"] for step in self.lead(id)["steps"]}

    def details(self, id: int = 1) -> dict[str, str]:
        return {step["provider"]: step["detail"] for step in self.lead(id)["steps"]}

    def rejected(self, id: int = 1) -> list[tuple[str, str, str]]:
        return [(each["field"], each["provider"], each["reason"]) for each in self.lead(id)["rejected"]]

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        return self.store.database.rows(query)


def _condition(text: str) -> Any:
    return function(parse(text, NAMES), NAMES) if text else None
