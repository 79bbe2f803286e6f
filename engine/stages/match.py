"""Match: read the records that leads will be written to, where that decides how they are written.

That is so where the mapping writes only what is blank there, and where a lead has a key that names a record which may
be gone or be somebody else's. Other leads need no reading: the vendor finds the record and writes it in one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from engine.adapters import Vendor
from engine.errors import AbortRun, NotTaken, RetryLater, RunStopped
from engine.records import Decision, Delivery, Failure, Found, Notice
from engine.stages.base import CallingStage, Circumstances
from engine.state.moves import Job, Matched

_Batch = Sequence[Job]
#: How often a look-up is tried before a lead fails.
MAX_TRIES = 10
#: Deliveries of earlier runs whose keys are kept in mind.
MAX_IN_HAND = 30_000


def decision(job: Job, rule: int | None = None) -> Decision:
    """The key that a job is tried by now, or by another of its rules."""
    by, value, *options = job.payload["keys"][job.rule if rule is None else rule]
    return Decision(by, value, **options[0]) if options else Decision(by, value)


def by_of(job: Job) -> str:
    """The kind of key that a job is tried by now."""
    by: str = job.payload["keys"][job.rule][0]
    return by


def route_of(job: Job) -> tuple[Any, ...]:
    """What jobs of one call share: the kind of key that they are tried by now, and the rule's options."""
    by, _, *options = job.payload["keys"][job.rule]
    return (by, *sorted(options[0].items())) if options else (by,)


def keys_of(job: Job) -> list[str]:
    """All keys of a job, as vendors compare them: two jobs that share one may be the same person."""
    return [f"{key[0]}:{_folded(key[1])}" for key in job.payload["keys"]]


def _folded(value: str) -> str:
    folded = value.strip().lower()
    return folded.lstrip("0") if folded.isdecimal() else folded


@dataclass(slots=True)
class Reading:
    """What was read for a job: the rule whose key found `records` (or that is to be written by), and `other`, the
    record that a later key of the job belongs to where that is not the one found. `gone`: a key named no record.
    """

    job: Job
    rule: int
    records: Sequence[Found] = ()
    other: Found | None = None
    gone: bool = False
    failure: Failure | None = None


def settled(reading: Reading, name: str = "") -> Matched:
    """Decide what becomes of a job by what was read: its payload, the rule to write by, and what to tell of it.

    `name`: the key by which the record that was read is to be written, where its own key may mean another one too.
    """
    job, records = reading.job, reading.records
    if reading.failure is not None:
        return Matched(job, failure=reading.failure, rule=reading.rule, forget_id=reading.gone)
    if reading.rule >= len(job.payload["keys"]):
        last = decision(job, reading.rule - 1)
        gone = Failure("REMOTE_RECORD_GONE", f"no record has the {last.by} {last.value}")
        return Matched(job, failure=gone, forget_id=reading.gone)
    key = decision(job, reading.rule)
    blank = job.payload.get("if_blank")
    if len(records) > 1 and blank and key.duplicates == "fail":
        ids = ", ".join(record.remote_id for record in records)
        several = Failure("AMBIGUOUS_MATCH", f"{key.value} is the key of several records ({ids})")
        return Matched(job, failure=several, forget_id=reading.gone)
    notices = []
    if reading.gone:
        notices.append(Notice("RECORD_ID_GONE", f"no record has the {by_of(job)} {decision(job).value}"))
    if reading.other is not None:
        held = next((f" ({value})" for by, value in records[0].keys.items() if by != key.by and value), "")
        what = f"written to {records[0].remote_id}{held}, but another key of the lead is that of"
        notices.append(Notice("MATCH_CONFLICT", f"{what} {reading.other.remote_id}"))
    found = Matched(job, rule=reading.rule, forget_id=reading.gone, notices=notices)
    if blank:
        held_values: Mapping[str, Any] = max(records, key=lambda each: each.recency).values if records else {}
        open_ = {name: value for name, value in blank.items() if held_values.get(name) in (None, "", [])}
        rest = {name: value for name, value in job.payload.items() if name != "if_blank"}
        found.payload = {**rest, "fields": {**open_, **job.payload["fields"]}}
        if records and name and key.by != name:
            chosen = max(records, key=lambda each: each.recency)
            keys = job.payload["keys"]
            found.payload["keys"] = [*keys[: reading.rule], [name, chosen.remote_id], *keys[reading.rule :]]
    return found


class MatchStage(CallingStage[_Batch, Sequence[Reading]]):
    """Claims mapped leads, reads their records in the vendor's batch size, and completes their payloads."""

    name = "match"

    def __init__(self, circumstances: Circumstances, vendor: Vendor) -> None:
        super().__init__(circumstances, vendor.limits.concurrency)
        self._vendor = vendor
        self._limits = vendor.limits
        # What may still take effect comes before what only waits.
        for status in ("importing", "unknown", "matched"):
            for job in circumstances.store.queue.jobs(circumstances.run.integration_id, status, MAX_IN_HAND, inf):
                circumstances.in_hand.take(job.lead_id, keys_of(job))

    def _start_calls(self, *, flush: bool) -> bool:
        did = False
        run = self._run
        while self._calls.free:
            jobs = run.store.queue.jobs(run.run.integration_id, "mapped", max(50, self._limits.batch_size), run.now())
            plain = [job for job in jobs if not self._reads(job)]
            if plain:
                passed = [Matched(job, rule=job.rule) for job in plain]
                run.store.queue.save_matched(run.run.id, run.account, passed, run.now())
            asking: list[Job] = []
            for job in jobs:
                same = not asking or by_of(job) == by_of(asking[0])
                # What is blank for one lead is read only when no other lead with its key is about to fill it.
                # A reading that failed twice is cut smaller each time: its size, or one key of it, may be the reason.
                small = max(1, self._limits.batch_size >> max(0, job.attempts - 1))
                same = same and (not asking or job.attempts == asking[0].attempts) and len(asking) < small
                if same and self._reads(job) and run.in_hand.take(job.lead_id, keys_of(job)):
                    asking.append(job)
            if asking:
                run.store.queue.hold([job.lead_id for job in asking], "matching", run.now())
                self._calls.start(asking, self._read)
            did = did or bool(plain or asking)
            if not (plain or asking):
                break
        return did

    def _reads(self, job: Job) -> bool:
        return bool(job.payload.get("if_blank")) or by_of(job) in self._vendor.searched

    def _read(self, jobs: _Batch) -> Sequence[Reading]:
        """Read each job's records by the first of its keys that matches any: sync goes on to the next key likewise."""
        names = sorted({name for job in jobs for name in job.payload.get("if_blank", ())})
        readings = [Reading(job, job.rule) for job in jobs]
        open_: Sequence[Reading] = readings
        while open_ := [each for each in open_ if self._can_ask(each)]:
            found = self._vendor.look_up([_asked(each.job, each.rule) for each in open_], names)
            for each, records in zip(open_, found, strict=True):
                each.records = records
            open_ = [each for each in open_ if not each.records and self._goes_on(each)]
        self._find_others(readings)
        return readings

    def _can_ask(self, reading: Reading) -> bool:
        """Whether the key can be asked for; where it cannot, the lead fails: nobody can say what is blank there."""
        key = decision(reading.job, reading.rule)
        if not self._vendor.can_ask(key):
            what = f"{self._vendor.name} cannot be asked for the {key.by} {key.value!r}, which decides what is written"
            reading.failure = Failure("DATA_VALUE_VALIDATION", what, field=key.by)
        return reading.failure is None

    def _goes_on(self, reading: Reading) -> bool:
        """Take a reading whose key found nothing to the next key, where a write by this one cannot create a record.

        Returns whether that key is to be read too.
        """
        key = decision(reading.job, reading.rule)
        named = key.by in self._vendor.named
        if not named and key.action != "update_only":
            return False
        reading.gone |= named
        reading.rule += 1
        if reading.rule == len(reading.job.payload["keys"]):
            return False
        following = decision(reading.job, reading.rule)
        return bool(reading.job.payload.get("if_blank")) or following.by in self._vendor.searched

    def _find_others(self, readings: Sequence[Reading]) -> None:
        """Where a record was found by a key that names it and its next key is not the lead's, see whose that is."""
        strange: list[tuple[Reading, int]] = []
        for each in readings:
            keys = each.job.payload["keys"]
            following = each.rule + 1
            if len(each.records) != 1 or following >= len(keys) or keys[each.rule][0] not in self._vendor.searched:
                continue
            by, value = keys[following][:2]
            held = each.records[0].keys.get(by)
            if held is not None and held.strip().lower() != value.strip().lower():
                strange.append((each, following))
        if strange:
            found = self._vendor.look_up([_asked(each.job, rule) for each, rule in strange], ())
            for (each, _), records in zip(strange, found, strict=True):
                mine = each.records[0].remote_id
                each.other = next((record for record in records if record.remote_id != mine), None)

    def _settle(self) -> bool:
        did = False
        for jobs, result in self._calls.ended():
            did = True
            if isinstance(result, BaseException):
                self._give_back(jobs, result)
                continue
            name = self._vendor.named[0] if self._vendor.shares_keys and self._vendor.named else ""
            made = [settled(reading, name) for reading in result]
            self._store(made)
        return did

    def _store(self, made: Sequence[Matched]) -> None:
        run = self._run
        run.store.queue.save_matched(run.run.id, run.account, made, run.now())
        for each in made:
            if each.failure:
                run.in_hand.drop(each.job.lead_id)
                run.fail(each.job.lead_id, each.failure, self.name)

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
        transient, throttled = isinstance(error, RetryLater), isinstance(error, NotTaken)
        spent = [job for job in jobs if not transient or (job.attempts + 1 >= MAX_TRIES and not throttled)]
        waiting = [job for job in jobs if job not in spent]
        code = "REMOTE_UNAVAILABLE" if transient else "PLUGIN_ERROR"
        failure = Failure(code, f"reading the vendor's record failed: {error}")
        self._store([Matched(job, failure=failure, rule=job.rule) for job in spent])
        after = error.after if isinstance(error, RetryLater) else 0.0
        queue.delay([job.lead_id for job in waiting], "mapped", now + after, attempted=not throttled)


def _asked(job: Job, rule: int) -> Delivery:
    return Delivery(job.lead_id, decision(job, rule), job.payload["fields"])
