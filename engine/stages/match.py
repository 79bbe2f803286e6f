"""Match: read the records that leads will be written to, where the mapping writes only what is blank there.

Leads whose mapping overwrites everything need no reading: the vendor finds the record and writes it in one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from engine.adapters import Vendor
from engine.errors import AbortRun, RetryLater, RunStopped
from engine.records import Decision, Delivery, Failure, Found
from engine.stages.base import CallingStage, Circumstances
from engine.state.queue import Job

_Batch = Sequence[Job]
#: How often a look-up is tried before a lead fails.
MAX_TRIES = 6
#: Deliveries of earlier runs whose keys are kept in mind.
MAX_IN_HAND = 30_000


def decision(job: Job) -> Decision:
    """The key that a job is tried by now."""
    by, value = job.payload["keys"][job.rule]
    return Decision(by, value)


def by_of(job: Job) -> str:
    """The kind of key that a job is tried by now."""
    by: str = job.payload["keys"][job.rule][0]
    return by


def keys_of(job: Job) -> list[str]:
    """All keys of a job: two jobs that share one may be the same person."""
    return [f"{by}:{value}" for by, value in job.payload["keys"]]


def settled_payload(job: Job, found: Sequence[Found]) -> Mapping[str, Any] | Failure:
    """The payload with each if-blank value either taken over or dropped, by what the record holds."""
    if len(found) > 1:
        ids = ", ".join(record.remote_id for record in found)
        return Failure("AMBIGUOUS_MATCH", f"{decision(job).value} is the key of several records: {ids}")
    held = found[0].values if found else {}
    blank = {name: value for name, value in job.payload["if_blank"].items() if held.get(name) in (None, "", [])}
    payload = {name: value for name, value in job.payload.items() if name != "if_blank"}
    return {**payload, "fields": {**blank, **job.payload["fields"]}}


class MatchStage(CallingStage[_Batch, Sequence[Sequence[Found]]]):
    """Claims mapped leads, reads their records in the vendor's batch size, and completes their payloads."""

    name = "match"

    def __init__(self, circumstances: Circumstances, vendor: Vendor) -> None:
        super().__init__(circumstances, vendor.limits.concurrency)
        self._vendor = vendor
        self._limits = vendor.limits
        for status in ("matched", "unknown"):
            for job in circumstances.store.queue.jobs(circumstances.run.integration_id, status, MAX_IN_HAND, inf):
                circumstances.in_hand.take(job.lead_id, keys_of(job))

    def _start_calls(self, *, flush: bool) -> bool:
        did = False
        run = self._run
        while self._calls.free:
            jobs = run.store.queue.jobs(run.run.integration_id, "mapped", max(50, self._limits.batch_size), run.now())
            plain = [job for job in jobs if not job.payload.get("if_blank")]
            if plain:
                run.store.queue.save_matched(run.run.id, [(job, None, None) for job in plain], run.now())
            asking: list[Job] = []
            for job in jobs:
                same = not asking or by_of(job) == by_of(asking[0])
                # What is blank for one lead is read only when no other lead with its key is about to fill it.
                if job.payload.get("if_blank") and same and run.in_hand.take(job.lead_id, keys_of(job)):
                    asking.append(job)
            if asking:
                run.store.queue.hold([job.lead_id for job in asking], "matching", run.now())
                self._calls.start(asking, self._look_up)
            did = did or bool(plain or asking)
            if not (plain or asking):
                break
        return did

    def _look_up(self, jobs: _Batch) -> Sequence[Sequence[Found]]:
        """Each job's records by the first of its keys that matches any: sync goes on to the next key likewise."""
        names = sorted({name for job in jobs for name in job.payload["if_blank"]})
        found: dict[int, Sequence[Found]] = {}
        open_, step = list(jobs), 0
        while open_:
            keys = [Decision(*job.payload["keys"][job.rule + step]) for job in open_]
            asked = [Delivery(job.lead_id, key, {}) for job, key in zip(open_, keys, strict=True)]
            records = [list(each) for each in self._vendor.look_up(asked, names)]
            found.update((job.lead_id, each) for job, each in zip(open_, records, strict=True))
            step += 1
            open_ = [job for job in open_ if not found[job.lead_id] and job.rule + step < len(job.payload["keys"])]
        return [found[job.lead_id] for job in jobs]

    def _settle(self) -> bool:
        did = False
        for jobs, result in self._calls.ended():
            did = True
            if isinstance(result, BaseException):
                self._give_back(jobs, result)
                continue
            settled: list[tuple[Job, Mapping[str, Any] | None, Failure | None]] = []
            for job, found in zip(jobs, result, strict=True):
                payload = settled_payload(job, found)
                if isinstance(payload, Failure):
                    self._run.in_hand.drop(job.lead_id)
                    self._run.tallies.failed += 1
                    self._run.on_failure(job.lead_id, payload)
                    settled.append((job, None, payload))
                else:
                    settled.append((job, payload, None))
            self._run.store.queue.save_matched(self._run.run.id, settled, self._run.now())
        return did

    def _give_back(self, jobs: _Batch, error: BaseException) -> None:
        """A read that failed had no effect: the leads wait, and fail only when it keeps failing."""
        queue = self._run.store.queue
        now = self._run.now()
        for job in jobs:
            self._run.in_hand.drop(job.lead_id)
        if isinstance(error, AbortRun | RunStopped):
            if isinstance(error, AbortRun):
                self._abort = self._abort or error
            queue.delay([job.lead_id for job in jobs], "mapped", 0.0)
            return
        transient = isinstance(error, RetryLater)
        spent = [job for job in jobs if not transient or job.attempts + 1 >= MAX_TRIES]
        waiting = [job for job in jobs if job not in spent]
        code = "REMOTE_UNAVAILABLE" if transient else "PLUGIN_ERROR"
        failure = Failure(code, f"reading the vendor's record failed: {error}")
        queue.save_matched(self._run.run.id, [(job, None, failure) for job in spent], now)
        self._run.tallies.failed += len(spent)
        for job in spent:
            self._run.on_failure(job.lead_id, failure)
        after = error.after if isinstance(error, RetryLater) else 0.0
        queue.delay([job.lead_id for job in waiting], "mapped", now + after, attempted=True)
