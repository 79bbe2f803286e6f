"""Enrich: the waterfall. Fills what is missing, keeps where each value came from, and pays for nothing twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from engine.adapters import EnrichAnswer, Enricher, Finding
from engine.errors import (
    AbortRun,
    CredentialsError,
    EngineError,
    EnvironmentFault,
    NoAnswer,
    RetryLater,
    RunStopped,
    VendorUnavailable,
)
from engine.records import Lead, Value
from engine.specs import Step
from engine.stages.base import CallingStage, Circumstances
from engine.state.ledger import Reservation
from engine.state.moves import Enriched

BATCH = 1_000
#: How often a call that had no effect is repeated for one lead.
TRIES = 3
_STRIPES = 64


@dataclass
class WaterfallStep:
    """A step as it runs: the spec's step, its enricher, and its condition."""

    spec: Step
    enricher: Enricher
    applies: Callable[[Mapping[str, Any], Mapping[str, Any]], Any] | None = None
    off: str = ""

    @property
    def name(self) -> str:
        return self.enricher.name


class Waterfall:
    """Takes one lead through the steps. Thread-safe."""

    def __init__(self, circumstances: Circumstances, steps: Sequence[WaterfallStep],
                 sleep: Callable[[float], None]) -> None:  # fmt: skip
        self._run = circumstances
        self.steps = list(steps)
        self._sleep = sleep
        # Two leads with one request must not both buy it: the second waits and finds the first one's answer.
        self._stripes = [threading.Lock() for _ in range(_STRIPES)]

    @property
    def online(self) -> bool:
        return any(step.enricher.online for step in self.steps)

    def enrich(self, lead: Lead) -> Enriched:
        """Run the steps in order; each fills only what is still missing. Raises RunStopped, and nothing else."""
        fields = dict(lead.fields)
        values: list[Value] = []
        trace: list[tuple[int, str, str, str]] = []
        for index, step in enumerate(self.steps):
            enricher = step.enricher
            wanted = [name for name in step.spec.want or enricher.provides if enricher.rewrites or not fields.get(name)]
            answer = self._answer(step, lead, fields, wanted)
            try:
                taken = self._accept(step, answer, fields, wanted)
            except Exception as error:
                answer, taken = EnrichAnswer("error", detail=f"the plugin's answer cannot be read: {error!r}"), []
            values.extend(taken)
            if enricher.online or answer.outcome == "error":
                outcome = "miss" if answer.outcome == "hit" and not taken else answer.outcome
                trace.append((index, step.name, outcome, answer.detail))
            if answer.outcome == "suppressed":
                break
        return Enriched(lead.id, {"f": fields, "q": lead.qualifiers, "e": lead.events}, values, trace)

    def _answer(self, step: WaterfallStep, lead: Lead, fields: Mapping[str, Any], wanted: list[str]) -> EnrichAnswer:
        if step.off:
            return EnrichAnswer("skipped", detail=step.off)
        if not wanted:
            return EnrichAnswer("skipped", detail="nothing is missing that it provides")
        try:
            if step.applies is not None and not step.applies(fields, lead.qualifiers):
                return EnrichAnswer("skipped", detail="the step's condition is not true")
            if not step.enricher.online:
                return _checked(step.enricher.enrich(fields, wanted))
            return self._bought(step, fields, wanted)
        except (RunStopped, EnvironmentFault):
            raise
        except (CredentialsError, VendorUnavailable) as error:
            step.off = f"left out for the rest of the run: {error.what}"
            self._run.note(f"{step.name} is left out for the rest of the run. {error}")
            return EnrichAnswer("error", detail=error.what)
        except EngineError as error:
            return EnrichAnswer("error", detail=error.what)
        except Exception as error:
            # A plugin that breaks on one lead must stop neither the lead nor the others.
            self._run.log.exception("enricher %s broke", step.name)
            return EnrichAnswer("error", detail=f"the plugin broke: {error!r}")

    def _accept(
        self, step: WaterfallStep, answer: EnrichAnswer, fields: dict[str, Any], wanted: Sequence[str]
    ) -> list[Value]:
        taken = []
        now = 0.0
        for name, finding in answer.findings.items():
            if name not in wanted or finding.confidence < step.spec.min_confidence or finding.value in (None, ""):
                continue
            before = fields.get(name)
            if before == finding.value:
                continue
            now = now or self._run.now()
            fields[name] = finding.value
            taken.append(Value(name, finding.value, step.name, finding.confidence, answer.cost, now, before or None))
        return taken

    def _bought(self, step: WaterfallStep, fields: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Use the answer that was bought before, or buy one: ledger first, then the call, then the ledger again."""
        key = step.enricher.request_key(fields, wanted)
        if key is None:
            return EnrichAnswer("skipped", detail="the lead has too little to ask with")
        request = sha256(key.encode()).digest()
        with self._stripes[request[0] % _STRIPES]:
            ledger = self._run.store.ledger
            for attempt in range(TRIES):
                reserved = ledger.reserve(step.name, request, self._run.run.id, step.spec.budget_calls, self._run.now())
                if reserved.answer is not None:
                    return _loaded(reserved.answer)
                if reserved.call_id is None:
                    self._run.note(f"{step.name}: {reserved.reason}; further leads go on without it")
                    return EnrichAnswer("skipped", detail=reserved.reason)
                try:
                    return self._call(step, fields, wanted, reserved)
                except NoAnswer:
                    raise
                except RetryLater as error:
                    if attempt == TRIES - 1:
                        raise
                    self._sleep(error.after)
        raise AssertionError("the last attempt returns or raises")

    def _call(
        self, step: WaterfallStep, fields: Mapping[str, Any], wanted: Sequence[str], reserved: Reservation
    ) -> EnrichAnswer:
        ledger = self._run.store.ledger
        state, answer = "unanswered", None
        try:
            answer = _checked(step.enricher.enrich(fields, wanted))
            state = "void" if answer.outcome == "skipped" else "answered"
            return answer
        except NoAnswer:
            raise
        except EngineError:
            state = "void"
            raise
        finally:
            now = self._run.now()
            valid_for = 0.0
            if answer and answer.outcome != "error":
                valid_for = step.enricher.valid_for if answer.valid_for is None else answer.valid_for
            ledger.settle(
                reserved.call_id or 0,
                state,
                _stored(answer) if answer else None,
                answer.cost if answer else 0.0,
                now + valid_for,
                now,
            )


def _checked(answer: EnrichAnswer) -> EnrichAnswer:
    """Refuse, by TypeError, what a plugin must not answer, before it is counted on."""
    if not isinstance(answer, EnrichAnswer):
        raise TypeError(f"an enricher answers an EnrichAnswer, not {answer!r}")
    return answer


def _stored(answer: EnrichAnswer) -> dict[str, Any]:
    findings = {name: [found.value, found.confidence] for name, found in answer.findings.items()}
    return {"outcome": answer.outcome, "findings": findings, "detail": answer.detail}


def _loaded(stored: Mapping[str, Any]) -> EnrichAnswer:
    """An answer from the ledger: it costs nothing a second time."""
    findings = {name: Finding(value, confidence) for name, (value, confidence) in stored["findings"].items()}
    return EnrichAnswer(stored["outcome"], findings, 0.0, stored["detail"])


class EnrichStage(CallingStage[Lead, Enriched]):
    """Claims captured leads. Offline waterfalls run at once; one that goes online runs in threads, lead by lead."""

    name = "enrich"

    def __init__(self, circumstances: Circumstances, waterfall: Waterfall, places: int = 8) -> None:
        super().__init__(circumstances, places)
        self._waterfall = waterfall

    def _start_calls(self, *, flush: bool) -> bool:
        if self._waterfall.online:
            return self._start()
        leads = self._claim(BATCH)
        if leads:
            self._save([self._waterfall.enrich(lead) for lead in leads])
        return bool(leads)

    def _claim(self, limit: int, hold: str | None = None) -> list[Lead]:
        run = self._run
        return run.store.queue.leads(run.run.integration_id, "captured", run.account, limit, run.now(), hold)

    def _start(self) -> bool:
        free = self._calls.free
        leads = self._claim(free, "enriching") if free else []
        for lead in leads:
            self._calls.start(lead, self._waterfall.enrich)
        return bool(leads)

    def _settle(self) -> bool:
        results = []
        for lead, result in self._calls.ended():
            if isinstance(result, (RunStopped, AbortRun)):
                if isinstance(result, AbortRun):
                    self._abort = self._abort or result
                self._run.store.queue.delay([lead.id], "captured", 0.0)
            elif isinstance(result, BaseException):
                self._run.log.error("enriching lead %s broke: %r", lead.id, result)
                results.append(Enriched(lead.id, {"f": lead.fields, "q": lead.qualifiers, "e": lead.events}))
            else:
                results.append(result)
        if results:
            self._save(results)
        return bool(results)

    def _save(self, results: Sequence[Enriched]) -> None:
        self._run.store.queue.save_enriched(self._run.run.id, results, self._run.now())
        self._run.tallies.enriched += len(results)
