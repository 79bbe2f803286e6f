"""Enrich: takes leads through the waterfall, many at once, and keeps where each value came from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from engine.asking import EnrichAnswer
from engine.errors import AbortRun, RunStopped
from engine.records import Lead
from engine.stages.base import Circumstances
from engine.stages.desk import Desk
from engine.stages.questions import Answered, Question
from engine.stages.waterfall import Waterfall, Way
from engine.state.moves import Enriched

BATCH = 1_000
#: Leads on their way at once: enough to fill batches, and to wait for slow answers without waiting for each other.
AT_ONCE = 2_000


@dataclass(slots=True)
class _OnTheWay:
    """A lead between two questions."""

    lead: Lead
    way: Way
    deadline: float
    asks: Question | None = None


class EnrichStage:
    """Claims captured leads and drives their ways. Offline waterfalls run at once; calls run in threads, by desk."""

    name = "enrich"

    def __init__(self, circumstances: Circumstances, waterfall: Waterfall) -> None:
        self._run = circumstances
        self._waterfall = waterfall
        self._going: dict[int, _OnTheWay] = {}
        self._done: list[Enriched] = []
        self._desks = {
            # What one step of a provider may use, its other steps may not exceed either.
            step: Desk(
                circumstances,
                step,
                [
                    *((other.name, other.spec.budget) for other in waterfall.online if other.name == step.name),
                    ("", waterfall.spec.budget),
                ],
            )
            for step in waterfall.online
        }
        for desk in self._desks.values():
            desk.peers = [other for other in self._desks.values() if other.step.name == desk.step.name]

    @property
    def in_flight(self) -> Sequence[Future[Any]]:
        return [future for desk in self._desks.values() for future in desk.futures]

    @property
    def next_due(self) -> float | None:
        if not self._going:
            return None
        moments = [desk.next_due for desk in self._desks.values()]
        moments += [going.deadline for going in self._going.values()]
        return min((moment for moment in moments if moment is not None and moment < math.inf), default=None)

    def step(self, *, flush: bool) -> bool:
        """Take up leads, hand out answers, ask what can be asked. Raises AbortRun."""
        did = self._take_up()
        while self._hand_out():
            did = True
        did = self._late() or did
        return self._save() or did

    def settle(self) -> None:
        """Store the answers to the calls that have ended; leads whose way is not at its end start over another time."""
        for desk in self._desks.values():
            # What ends the run is known by now; what else is raised here would change nothing.
            with suppress(AbortRun):
                for lead_id, answered in desk.settle():
                    self._go_on(lead_id, answered)
        self._save()
        if not self.in_flight and self._going:
            self._run.store.queue.delay(list(self._going), "captured", 0.0)
            self._going.clear()

    def close(self) -> None:
        for desk in self._desks.values():
            desk.close()

    # Leads ------------------------------------------------------------------------------------------------------

    def _take_up(self) -> bool:
        """Claim leads and let each go as far as its first question."""
        run = self._run
        room = min(BATCH, AT_ONCE - len(self._going)) if self._desks else BATCH
        if room <= 0 or (len(self._going) > AT_ONCE // 2 and room < BATCH // 2):
            return False
        hold = "enriching" if self._desks else None
        leads = run.store.queue.leads(run.run.integration_id, "captured", run.account, room, run.now(), hold)
        seconds = self._waterfall.spec.deadline
        until = math.inf if seconds is None else run.now() + seconds
        for lead in leads:
            self._going[lead.id] = _OnTheWay(lead, self._waterfall.way(lead), until)
            self._go_on(lead.id, None)
        return bool(leads)

    def _go_on(self, lead_id: int, answered: Answered | None) -> None:
        """Send a lead's way what it waits for; it ends, or comes to its next question."""
        going = self._going.get(lead_id)
        if going is None:
            return
        try:
            question = next(going.way) if answered is None else going.way.send(answered)
            # Asked each time: the person may have become known on the way, or have been refused for another lead.
            while refused := self._run.store.refusals.reason(lead_id, question.fields):
                answer = EnrichAnswer("suppressed", detail=refused)
                question = going.way.send(Answered(answer, at=self._run.now(), refused=refused))
        except StopIteration as end:
            self._end(lead_id, end.value)
        except (RunStopped, AbortRun):
            raise
        except Exception:
            # A lead that breaks the waterfall goes on with what was captured, and stops no other.
            self._run.log.exception("enriching a lead broke", extra={"lead": lead_id, "stage": self.name})
            self._end(lead_id, Enriched(lead_id, None))
        else:
            going.asks = question
            self._desks[question.step].put(question)

    def _end(self, lead_id: int, enriched: Enriched) -> None:
        del self._going[lead_id]
        self._done.append(enriched)

    def _hand_out(self) -> bool:
        did = False
        for desk in self._desks.values():
            for lead_id, answered in desk.step_on():
                did = True
                self._go_on(lead_id, answered)
        return did

    def _late(self) -> bool:
        """Let leads whose time is over go on with what they have."""
        now = self._run.now()
        late = [lead_id for lead_id, going in self._going.items() if going.deadline <= now]
        for lead_id in late:
            going = self._going[lead_id]
            if going.asks is not None:
                self._desks[going.asks.step].drop(lead_id)
            detail = f"the lead's {self._waterfall.spec.deadline:g} seconds are over"
            self._go_on(lead_id, Answered(EnrichAnswer("skipped", detail=detail), at=now, late=detail))
        return bool(late)

    def _save(self) -> bool:
        """Store the leads that are at the end of their way."""
        for results in _batches(self._done):
            self._run.store.queue.save_enriched(self._run.run.id, results, self._run.now())
            self._run.tallies.enriched += len(results)
        did, self._done = bool(self._done), []
        return did


def _batches(done: Sequence[Enriched]) -> Iterator[Sequence[Enriched]]:
    yield from (done[at : at + BATCH] for at in range(0, len(done), BATCH))
