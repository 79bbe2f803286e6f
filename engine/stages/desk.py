"""A desk for each step that makes calls: equal questions are asked once, and what was bought is used again.

    put ─▶ known? ─▶ answered
             └─▶ waiting ─▶ reserved, called ─▶ answered, pending ─▶ collected ─▶ answered
                    ▲                └─▶ throttled, no effect: waits ─┘

All bookkeeping is done by the thread that steps the desk; only the enricher's calls run in threads of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from engine.asking import EnrichAnswer
from engine.enrichment import Budget
from engine.errors import (
    AbortRun,
    CredentialsError,
    EngineError,
    EnvironmentFault,
    NoAnswer,
    NotTaken,
    RetryLater,
    RunStopped,
    VendorUnavailable,
)
from engine.patience import Patience
from engine.stages.base import Circumstances, InFlight
from engine.stages.health import Health
from engine.stages.questions import Answered, Batch, Case, Question, WaterfallStep, broken, checked, loaded, stored
from engine.state.ledger import MILLION, Settlement, Wish

#: How often a call that had no effect is made for one question.
TRIES = 3
#: Threads of one desk, whatever a provider allows at once.
MOST_PLACES = 32


@dataclass
class Desk:
    """Answers the questions that are put to one step.

    budgets: what its provider, and all together, may use. peers: the desks of all steps with the same provider.
    """

    run: Circumstances
    step: WaterfallStep
    budgets: Sequence[tuple[str, Budget]] = ()
    peers: list[Desk] = field(default_factory=list)
    _cases: dict[bytes, list[Case]] = field(default_factory=dict)
    _waits_for: dict[int, Case] = field(default_factory=dict)
    _new: list[Case] = field(default_factory=list)
    _waiting: deque[Case] = field(default_factory=deque)
    _pending: list[Case] = field(default_factory=list)

    def __post_init__(self) -> None:
        limits = self.step.enricher.limits
        self._size = max(1, limits.batch_size)
        self._calls: InFlight[Batch, Sequence[EnrichAnswer]] = InFlight(
            max(1, min(limits.concurrency, MOST_PLACES)), f"enrich-{self.step.name}"
        )
        self._price = self.step.enricher.price
        self._health = Health(self.run.now)
        self._patience = Patience(self.run.now, fix="See whether the provider's limits fit your plan.")

    # From outside -----------------------------------------------------------------------------------------------

    def put(self, question: Question) -> None:
        """Take a question; an equal one that is in hand already answers it too."""
        ask = question.ask
        request = sha256(ask.key.encode()).digest()
        for case in [case for desk in (self.peers or [self]) for case in desk._cases.get(request, ())]:
            same_age = question.oldest == case.question.oldest
            if same_age and ask.fields <= case.wish.fields and case.wish.floor <= ask.floor:
                case.askers.append(question.lead_id)
                self._waits_for[question.lead_id] = case
                return
        wish = Wish(
            request, ask.fields, question.lead_id, ask.floor, ask.most, self._amount(ask.most),
            self._price.currency if self._price else "", question.max_age(self.run.now()),
        )  # fmt: skip
        case = Case(question, wish, [question.lead_id])
        self._cases.setdefault(request, []).append(case)
        self._waits_for[question.lead_id] = case
        self._new.append(case)

    def drop(self, lead_id: int) -> None:
        """A lead waits no longer; what is in flight or pending for it is settled all the same."""
        case = self._waits_for.pop(lead_id, None)
        if case is not None:
            case.askers.remove(lead_id)

    @property
    def futures(self) -> list[Future[Sequence[EnrichAnswer]]]:
        return self._calls.futures

    @property
    def next_due(self) -> float | None:
        """When something that waits can go on (Unix time)."""
        moments = [case.due for case in (*self._waiting, *self._pending) if case.askers]
        return max(min(moments), self._health.paused_until) if moments else None

    def close(self) -> None:
        self._calls.close()

    def step_on(self) -> Iterator[tuple[int, Answered]]:
        """Do what can be done without waiting; yields leads with their answers. Raises AbortRun."""
        yield from self.settle()
        yield from self._look_up()
        yield from self._start()

    # What is known ----------------------------------------------------------------------------------------------

    def _look_up(self) -> Iterator[tuple[int, Answered]]:
        fresh, self._new = self._new, []
        unknown: list[Case] = []
        yield from self._answered_before(fresh, unknown)
        self._waiting.extend(unknown)

    def _answered_before(self, cases: Sequence[Case], unknown: list[Case]) -> Iterator[tuple[int, Answered]]:
        """Hand out what was bought before, or is pending; what has to be bought goes to `unknown`."""
        if not cases:
            return
        ledger, now = self.run.store.ledger, self.run.now()
        for case, known in zip(cases, ledger.known(self.step.name, [case.wish for case in cases], now), strict=True):
            if known is None:
                unknown.append(case)
            elif known.answer is not None:
                answer = loaded(known.answer)
                self._heed(case, answer)
                yield from self._deliver(case, Answered(answer, known.call_id, known.at, known=True))
            else:
                case.call, case.ticket, case.since = known.call_id or 0, known.ticket, known.at
                self._pending.append(case)

    def _heed(self, case: Case, answer: EnrichAnswer) -> None:
        """Remember a person who must not be processed."""
        if answer.outcome == "suppressed" and self.step.enricher.personal:
            question = case.question
            self.run.store.refusals.add(
                question.lead_id, question.fields, self.step.name, answer.detail, self.run.now()
            )

    def _deliver(self, case: Case, answered: Answered) -> Iterator[tuple[int, Answered]]:
        """Hand an answer to all that wait for it; it is bought by the first of them."""
        self._forget(case)
        for place, lead in enumerate(case.askers):
            self._waits_for.pop(lead, None)
            shared = Answered(answered.answer, answered.call, answered.at, known=True)
            yield lead, answered if not place else shared

    def _forget(self, case: Case) -> None:
        cases = self._cases[case.wish.request]
        cases.remove(case)
        if not cases:
            del self._cases[case.wish.request]

    # Calls ------------------------------------------------------------------------------------------------------

    def _start(self) -> Iterator[tuple[int, Answered]]:
        now = self.run.now()
        if self.step.off:
            for case in self._waiting:
                yield from self._deliver(case, Answered(EnrichAnswer("skipped", detail=self.step.off), at=now))
            self._waiting.clear()
            for case in [case for case in self._pending if case.askers]:
                self._pending.remove(case)
                yield from self._deliver(case, Answered(EnrichAnswer("skipped", detail=self.step.off), at=now))
            return
        if now < self._health.paused_until:
            return
        self._collect(now)
        free = self._calls.free
        if not free or not self._waiting:
            return
        chosen = self._chosen(free, now)
        if not chosen:
            return
        # What was put off may have been bought meanwhile, as part of a wider question.
        unknown = [case for case in chosen if not case.due]
        yield from self._answered_before([case for case in chosen if case.due], unknown)
        chosen = unknown
        reserved = self.run.store.ledger.reserve(
            self.step.name, [case.wish for case in chosen], self.run.run.id, self.budgets, now
        )
        granted = []
        for case, leave in zip(chosen, reserved, strict=True):
            if leave.refusal:
                self.run.note(f"{self.step.name}: {leave.refusal}; leads go on without it")
                yield from self._deliver(case, Answered(EnrichAnswer("skipped", detail=leave.refusal), at=now))
            else:
                case.call, case.since = leave.call_id or 0, now
                granted.append(case)
        for batch in self._batches(granted):
            self._calls.start(Batch("ask", batch), self._ask)

    def _chosen(self, free: int, now: float) -> list[Case]:
        """The next questions that are due, as many as the free places take; those that nobody waits for are dropped."""
        chosen: list[Case] = []
        put_back: list[Case] = []
        places = free * self._size
        while self._waiting and len(chosen) < places:
            case = self._waiting.popleft()
            if not case.askers:
                self._forget(case)
            elif case.due > now:
                put_back.append(case)
            else:
                chosen.append(case)
                places -= self._size - 1 if case.alone else 0
        self._waiting.extendleft(reversed(put_back))
        return chosen

    def _batches(self, cases: Sequence[Case]) -> Iterator[Sequence[Case]]:
        together = [case for case in cases if not case.alone]
        yield from ([case] for case in cases if case.alone)
        yield from (together[at : at + self._size] for at in range(0, len(together), self._size))

    def _collect(self, now: float) -> None:
        for case in [case for case in self._pending if not case.askers]:
            self._forget(case)  # its call stays pending in the ledger, for a lead that asks another time
        waiting = [case for case in self._pending if case.askers]
        due = [case for case in waiting if case.due <= now]
        batches = [due[at : at + self._size] for at in range(0, len(due), self._size)][: self._calls.free]
        taken = {id(case) for batch in batches for case in batch}
        self._pending = [case for case in waiting if id(case) not in taken]
        for batch in batches:
            self._calls.start(Batch("collect", batch), self._ask)

    def _ask(self, batch: Batch) -> Sequence[EnrichAnswer]:
        """Make the call; runs in a thread."""
        now = self.run.now()
        enricher = self.step.enricher
        inquiries = [case.inquiry(now) for case in batch.cases]
        if batch.kind == "collect":
            answers = enricher.collect(inquiries)
        elif len(inquiries) == 1:
            answers = [enricher.enrich(inquiries[0].lead, inquiries[0].wanted)]
        else:
            answers = enricher.enrich_batch(inquiries)
        if len(answers) != len(inquiries):
            raise TypeError(f"{len(answers)} answers for {len(inquiries)} questions")
        return [checked(answer) for answer in answers]

    # Ends -------------------------------------------------------------------------------------------------------

    def settle(self) -> Iterator[tuple[int, Answered]]:
        """Store how the calls ended that have; yields leads with their answers. Raises AbortRun."""
        settlements: list[Settlement] = []
        deliveries: list[tuple[Case, Answered]] = []
        abort: AbortRun | None = None
        for batch, result in self._calls.ended():
            if isinstance(result, BaseException):
                if isinstance(result, EnvironmentFault):
                    abort = abort or result
                self._failed(batch, result, settlements, deliveries)
                continue
            self._health.succeeded()
            for case, answer in zip(batch.cases, result, strict=True):
                self._end(batch, case, answer, settlements, deliveries)
        now = self.run.now()
        if settlements:
            self.run.store.ledger.settle(settlements, now)
        for case, answered in deliveries:
            self._heed(case, answered.answer)
            yield from self._deliver(case, answered)
        if abort is not None:
            raise abort

    def _end(
        self,
        batch: Batch,
        case: Case,
        answer: EnrichAnswer,
        settlements: list[Settlement],
        deliveries: list[tuple[Case, Answered]],
    ) -> None:
        """What one answer means: settled and delivered, or one more round."""
        now, outcome = self.run.now(), answer.outcome
        if outcome == "pending" and now - case.since < self.step.enricher.waits_for:
            if batch.kind == "ask":
                settlements.append(Settlement(case.call, "pending", ticket=answer.ticket))
            case.ticket, case.due = answer.ticket or case.ticket, now + max(0.05, answer.after)
            self._pending.append(case)
            return
        if outcome == "pending":
            waited = f"no answer within {self.step.enricher.waits_for:g} seconds"
            settlements.append(Settlement(case.call, "unanswered", "no_answer"))
            deliveries.append((case, Answered(EnrichAnswer("error", detail=waited), case.call, now)))
            return
        if outcome == "throttled":
            error = self._patience.judge(NotTaken(f"{self.step.name} asks to slow down"))
            if isinstance(error, VendorUnavailable):
                answer, outcome = EnrichAnswer("quota", detail=error.what), "quota"
            else:
                case.due = now + max(0.05, answer.after)
                self._again(batch, case, settlements)
                return
        else:
            self._patience.taken()
        if outcome in ("quota", "auth"):
            self._turn_off(answer.detail or outcome)
            if batch.kind == "ask":
                state = "answered" if answer.cost else "void"
                settlements.append(Settlement(case.call, state, outcome, None, answer.cost, self._amount(answer.cost)))
            deliveries.append((case, Answered(answer, None, now)))
            return
        if outcome == "bad_request" and len(batch.cases) > 1 and not answer.cost and batch.kind == "ask":
            case.alone = True  # one bad record can have all of its batch refused
            self._again(batch, case, settlements)
            return
        if outcome == "skipped":
            settlements.append(Settlement(case.call, "void", outcome))
            deliveries.append((case, Answered(answer, None, now)))
            return
        if answer.lost:
            settlements.append(Settlement(case.call, "unanswered", "no_answer"))
            deliveries.append((case, Answered(answer, case.call, now)))
            return
        keeps = 0.0 if outcome in ("error", "bad_request") else self.step.enricher.valid_for
        if answer.valid_for is not None and keeps:
            keeps = answer.valid_for
        amount = self._amount(answer.cost)
        settlements.append(
            Settlement(case.call, "answered", outcome, stored(answer), answer.cost, amount, now + keeps, case.ticket,
                       answer.fields)
        )  # fmt: skip
        deliveries.append((case, Answered(answer, case.call, now)))

    def _again(self, batch: Batch, case: Case, settlements: list[Settlement]) -> None:
        """Put a case back: to be asked again, or to be collected again, where the call had no effect."""
        if batch.kind == "collect":
            self._pending.append(case)
        else:
            settlements.append(Settlement(case.call, "void"))
            self._waiting.append(case)

    def _failed(
        self,
        batch: Batch,
        error: BaseException,
        settlements: list[Settlement],
        deliveries: list[tuple[Case, Answered]],
    ) -> None:
        """What an error means for a whole call."""
        now = self.run.now()
        if isinstance(error, EngineError):
            error = self._patience.judge(error)
        after = error.after if isinstance(error, RetryLater) else 0.0
        if isinstance(error, (CredentialsError, VendorUnavailable)):
            self._turn_off(error.what, str(error))
        elif not isinstance(error, (NotTaken, RunStopped, AbortRun)) and self._health.failed():
            self._turn_off(f"it keeps failing: {error.what if isinstance(error, EngineError) else broken(error)}")
        effect = isinstance(error, NoAnswer) or not isinstance(error, EngineError)
        if not isinstance(error, EngineError):
            self.run.log.error("an enricher broke", exc_info=error, extra={"provider": self.step.name})
        for case in batch.cases:
            case.due = now + max(0.05, after)
            if batch.kind == "collect":
                # What is pending is not lost: it is asked for again, in this run or the next.
                if self.step.off:
                    deliveries.append((case, Answered(EnrichAnswer("skipped", detail=self.step.off), None, now)))
                else:
                    self._pending.append(case)
                continue
            if isinstance(error, (RunStopped, EnvironmentFault)):
                self._again(batch, case, settlements)
                continue
            if isinstance(error, RetryLater) and not effect:
                case.tries += 0 if isinstance(error, NotTaken) else 1
                if case.tries < TRIES:
                    self._again(batch, case, settlements)
                    continue
            settlements.append(Settlement(case.call, "unanswered" if effect else "void", "no_answer" if effect else ""))
            outcome: Literal["auth", "quota", "error"] = "error"
            if isinstance(error, CredentialsError):
                outcome = "auth"
            elif isinstance(error, VendorUnavailable):
                outcome = "quota"
            detail = error.what if isinstance(error, EngineError) else broken(error)
            deliveries.append(
                (case, Answered(EnrichAnswer(outcome, detail=detail), case.call if effect else None, now))
            )

    def _amount(self, credits: float) -> int:
        """Credits in millionths of the currency; 0 where the price is not known."""
        return round(credits * self._price.amount * MILLION) if self._price else 0

    def _turn_off(self, why: str, told: str = "") -> None:
        if not self.step.off:
            self.step.off = f"left out for the rest of the run: {why}"
            left = f"{self.step.name} is left out for the rest of the run"
            self.run.note(f"{left}. {told or why}", logged=left)
