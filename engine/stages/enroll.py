"""The second half of sync: give persons that are written their places in programs and lists.

A membership can be given again without harm, so an unanswered call is simply repeated. A person who is written and
whose membership failed is a partial success: the retry does the membership alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.adapters import Vendor
from engine.errors import AbortRun, NotTaken, RetryLater, RunStopped
from engine.filters import text
from engine.records import Failure, Member, Outcome
from engine.stages.base import CallingStage, Circumstances
from engine.stages.outcomes import DONE
from engine.stages.sync import record
from engine.state.moves import Place, Sent

_Batch = Sequence[Place]


class EnrollStage(CallingStage[_Batch, Sequence[Outcome]]):
    """Claims written leads by program and status or by list, in the vendor's batch size."""

    name = "enroll"

    def __init__(self, circumstances: Circumstances, vendor: Vendor) -> None:
        super().__init__(circumstances, vendor.limits.concurrency)
        self._vendor = vendor
        self._limits = vendor.limits

    def _start_calls(self, *, flush: bool) -> bool:
        did = False
        while self._calls.free and self._start(flush=flush):
            did = True
        return did

    def _start(self, *, flush: bool) -> bool:
        """Start one call for the places of one program and status, or of one list."""
        run = self._run
        size = self._limits.batch_size
        groups: dict[tuple[str, str, str], list[Place]] = {}
        for place in run.store.queue.places(run.run.integration_id, run.account, size * 4, run.now()):
            groups.setdefault(place.group, []).append(place)
        batch = next((_cut(group, size) for group in groups.values() if flush or len(group) >= size), None)
        if batch is None:
            return False
        run.store.queue.hold([place.lead_id for place in batch], "enrolling", run.now())
        self._calls.start(batch, self._enroll)
        return True

    def _enroll(self, batch: _Batch) -> Sequence[Outcome]:
        kind, target, status = batch[0].group
        if kind == "list":
            return self._vendor.add_to_list(target, [place.remote_id for place in batch])
        return self._vendor.enroll(target, status, [Member(place.remote_id, place.data) for place in batch])

    def _settle(self) -> bool:
        results: list[Sent] = []
        for batch, result in self._calls.ended():
            if isinstance(result, BaseException):
                tried = not isinstance(result, (AbortRun, RunStopped, NotTaken))
                results += [self._sent(place, self._outcome_of(result), tried=tried) for place in batch]
            else:
                outcomes = list(result)
                if len(outcomes) != len(batch) or not all(isinstance(outcome, Outcome) for outcome in outcomes):
                    outcomes = [Outcome("later", after=1.0, answer="not one outcome a record")] * len(batch)
                results += [self._sent(place, outcome) for place, outcome in zip(batch, outcomes, strict=True)]
        self._run.tallies.members += record(self._run, results, self.name)
        return bool(results)

    def _outcome_of(self, error: BaseException) -> Outcome:
        if isinstance(error, AbortRun):
            self._abort = self._abort or error
            return Outcome("later", answer=error.what)
        if isinstance(error, RetryLater):
            return Outcome("later", after=error.after, answer=error.what)
        return Outcome("failed", failure=Failure("PLUGIN_ERROR", f"the plugin broke: {error!r}"))

    def _sent(self, place: Place, outcome: Outcome, *, tried: bool = True) -> Sent:
        what = f"{place.kind} {place.target} {place.status}".strip()
        retrying = self._run.retrying
        sent = Sent(
            place.lead_id,
            place.delivery_id,
            what,
            outcome.status,
            "lead_id",
            "failed",
            place.remote_id,
            outcome.answer,
            attempts=place.attempts + tried,
            notices=outcome.notices,
        )
        if outcome.status in DONE:
            sent.next_status, sent.attempts = "written", 0
            sent.membership = (place.target, place.status)
        elif outcome.status in {"later", "unknown"} and not retrying.over(sent.attempts, place.delivery_id):
            wait = retrying.due(outcome.after, sent.attempts) if tried else retrying.now() + outcome.after
            sent.next_status, sent.not_before = "written", wait
        else:
            given_up = Failure("REMOTE_UNAVAILABLE", f"given up after {sent.attempts} attempts: {text(outcome.answer)}")
            sent.failure = outcome.failure or given_up
            # The person is gone, so what is known of it is of no use: a retry finds or creates it anew.
            sent.forget_id = sent.failure.code == "REMOTE_RECORD_GONE"
        return sent


def _cut(group: Sequence[Place], size: int) -> list[Place]:
    """The places of one call: those that failed most often with one another first, in ever smaller calls.

    A call that failed as a whole twice may have done so for its size, or for one of its records.
    """
    attempts = max(place.attempts for place in group[:size])
    return [place for place in group[:size] if place.attempts == attempts][: max(1, size >> max(0, attempts - 1))]
