"""Enrichment of a plan: offline steps run, answers that were bought are used, and nobody is asked."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from hashlib import sha256
from typing import Any

from engine.asking import EnrichAnswer
from engine.errors import AbortRun
from engine.records import Lead
from engine.stages.base import Circumstances
from engine.stages.questions import Answered, Question, loaded
from engine.stages.waterfall import Waterfall
from engine.state.ledger import Wish
from engine.state.moves import Enriched

BATCH = 1_000


class PlannedEnrichStage:
    """Takes leads through the waterfall as far as it is known. `open`: by lead, the fields that may still be filled."""

    name = "enrich"

    def __init__(self, circumstances: Circumstances, waterfall: Waterfall) -> None:
        self._run = circumstances
        self._waterfall = waterfall
        self.open: dict[int, list[str]] = {}

    @property
    def in_flight(self) -> Sequence[Future[Any]]:
        return ()

    @property
    def next_due(self) -> float | None:
        return None

    def settle(self) -> None:
        """Nothing is ever in flight."""

    def close(self) -> None:
        """It holds nothing."""

    def step(self, *, flush: bool) -> bool:
        run = self._run
        leads = run.store.queue.leads(run.run.integration_id, "captured", run.account, BATCH, run.now())
        ended = [self._followed(lead) for lead in leads]
        if ended:
            run.store.queue.save_enriched(run.run.id, ended, run.now())
            run.tallies.enriched += len(ended)
        return bool(ended)

    def _followed(self, lead: Lead) -> Enriched:
        refused = self._run.store.refusals.reason(lead.id, lead.fields)
        way, answered = self._waterfall.way(lead, refused), None
        asked: dict[str, None] = {}
        try:
            while True:
                question = next(way) if answered is None else way.send(answered)
                answered = self._known(question)
                if answered is None:
                    asked.update(dict.fromkeys(question.wanted))
                    answered = Answered(EnrichAnswer("skipped", detail="not asked: this is a plan"), at=self._run.now())
        except StopIteration as end:
            ended: Enriched = end.value
        except AbortRun:
            raise
        except Exception:
            self._run.log.exception("enriching a lead broke", extra={"lead": lead.id})
            ended = Enriched(lead.id, None)
        fields = (ended.data or {}).get("f", lead.fields)
        self.open[lead.id] = [name for name in asked if not fields.get(name)]
        return ended

    def _known(self, question: Question) -> Answered | None:
        """The answer that was bought before, if there is one."""
        ask = question.ask
        wish = Wish(sha256(ask.key.encode()).digest(), ask.fields, question.lead_id, ask.floor,
                    max_age=question.max_age(self._run.now()))  # fmt: skip
        (known,) = self._run.store.ledger.known(question.step.name, [wish], self._run.now())
        if known is None or known.answer is None:
            return None
        return Answered(loaded(known.answer), known.call_id, known.at, known=True)
