"""Sync: send deliveries within the vendor's limits, read each record's outcome, and never create anybody twice.

Before a call its leads are held durably; a call that was never answered leaves them `unknown`, and they are looked up
once the call can no longer take effect. Two leads that share a key never travel in overlapping calls.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from engine.adapters import Vendor
from engine.casts import stored_as
from engine.errors import AbortRun, FailLead, NoAnswer, NotTaken, RetryLater, RunStopped, SpecError
from engine.filters import text
from engine.records import Decision, Delivery, Failure, Found, Outcome
from engine.stages.base import CallingStage, Circumstances
from engine.stages.match import by_of, decision, keys_of, route_of
from engine.stages.outcomes import DONE, person_sent
from engine.state.moves import Job, Sent

#: What is stored of a sending that is repeated.
_AGAIN = frozenset({"later", "unknown"})
#: Failures which show that the vendor's fields, programs or lists are not what they were when they were read.
_NOT_AS_READ = frozenset({"MISSING_REMOTE_FIELD", "CAMPAIGN_NOT_WRITABLE", "INVALID_CAMPAIGN_STATUS"})
_EMAIL = "email"
#: Unanswered sendings of earlier runs that are kept in mind.
MAX_UNSETTLED = 30_000


@dataclass(frozen=True, slots=True)
class Batch:
    """The jobs of one call: to be sent, or to be looked up because an earlier sending was never answered.

    `repeated`: the leads that were sent before, as far as that matters; `recent`: the records that their persons have
    got so recently that the vendor may not find them.
    """

    jobs: Sequence[Job]
    kind: Literal["send", "resolve"]
    repeated: Collection[int] = ()
    recent: Mapping[int, str] = field(default_factory=dict)


def guarded(call: Callable[[Sequence[Delivery]], Sequence[Outcome]], batch: Sequence[Delivery]) -> list[Outcome]:
    """Call a vendor; where its plugin breaks, halve the batch until the record that breaks it stands alone."""
    try:
        outcomes = list(call(batch))
    except (AbortRun, RetryLater):
        raise
    except Exception as error:
        if len(batch) == 1:
            broken = Failure("PLUGIN_ERROR", f"the plugin broke on this lead: {error!r}")
            return [Outcome("failed", failure=error.failure if isinstance(error, FailLead) else broken)]
        middle = len(batch) // 2
        return [*guarded(call, batch[:middle]), *guarded(call, batch[middle:])]
    if len(outcomes) != len(batch):
        return [Outcome("unknown", answer=f"{len(outcomes)} outcomes for {len(batch)} records")] * len(batch)
    strange = Outcome("failed", failure=Failure("PLUGIN_ERROR", "the plugin gave no outcome for this lead"))
    return [outcome if isinstance(outcome, Outcome) else strange for outcome in outcomes]


def record(run: Circumstances, results: Sequence[Sent], stage: str) -> int:
    """Store what became of a stage's sendings and tell of the failures; returns how many took effect."""
    if results:
        run.store.queue.save_sent(run.run.id, run.account, results, run.now())
    for sent in results:
        if sent.failure:
            run.fail(sent.lead_id, sent.failure, stage)
        elif sent.status in _AGAIN:
            tried = {"outcome": sent.status, "attempts": sent.attempts, "lead": sent.lead_id, "stage": stage}
            run.log.info("a sending is repeated", extra={**tried, "seconds": round(sent.not_before - run.now(), 1)})
    if any(sent.failure and sent.failure.code in _NOT_AS_READ for sent in results):
        run.store.catalog.doubt(run.account)
    return sum(sent.failure is None and sent.status in DONE for sent in results)


class SyncStage(CallingStage[Batch, list[Outcome]]):
    """Sends matched leads and settles unknown ones."""

    name = "sync"

    def __init__(
        self, circumstances: Circumstances, vendor: Vendor, keeps: Callable[[Job], bool] = lambda job: False
    ) -> None:
        """`keeps`: whether a matched lead is left to files."""
        super().__init__(circumstances, vendor.limits.concurrency)
        self._vendor = vendor
        self._limits = vendor.limits
        self._keeps = keeps
        # What another integration has sent to this account may still take effect until then.
        integration_id = circumstances.run.integration_id
        self._elsewhere = {
            key: since + (vendor.settle_after if status == "sending" else 0.0)
            for job, status, since in circumstances.store.imports.unsettled_elsewhere(integration_id, vendor.account)
            for key in keys_of(job)
        }

    # Sending ----------------------------------------------------------------------------------------------------

    def _start_calls(self, *, flush: bool) -> bool:
        resolving = self._start("unknown", flush=True)
        return self._start("matched", flush=flush) or resolving

    def _start(self, status: str, *, flush: bool) -> bool:
        """Start as many calls as there are places for, all of them held in one transaction."""
        batches = self._batches(status, flush=flush) if self._calls.free else []
        if batches:
            held = [job.lead_id for batch in batches for job in batch.jobs]
            self._run.store.queue.hold(held, "resolving" if status == "unknown" else "sending", self._run.now())
        for batch in batches:
            for job in batch.jobs:
                self._run.in_hand.take(job.lead_id, keys_of(job))
            self._calls.start(self._informed(batch), self._resolve if status == "unknown" else self._send)
        return bool(batches)

    def _informed(self, batch: Batch) -> Batch:
        """The batch with what the state knows of earlier sendings, where that matters to the vendor."""
        run, lag = self._run, self._vendor.search_lag
        fresh = [job.lead_id for job in batch.jobs if job.payload.get("on_create")]
        if fresh:
            batch = replace(batch, repeated=run.store.queue.sent_before(fresh))
        if lag and batch.kind == "send":
            leads = [job.lead_id for job in batch.jobs]
            batch = replace(batch, recent=run.store.queue.recent_ids(run.account, leads, run.now() - lag))
        return batch

    def _batches(self, status: str, *, flush: bool) -> list[Batch]:
        """Cut waiting jobs into calls: each by one route, no key twice in all whose effect is open.

        A part-filled call waits for more, unless nothing more is coming.
        """
        size, free = self._limits.batch_size, self._calls.free
        queue, integration_id, now = self._run.store.queue, self._run.run.integration_id, self._run.now()
        if not flush and queue.count(integration_id, status, size, now) < size:
            return []
        kind: Literal["send", "resolve"] = "resolve" if status == "unknown" else "send"
        page: list[Job] = queue.jobs(integration_id, status, size * free + 50, now)
        # Where everything in front is waiting for something else, what stands behind it need not.
        while page and len(page) == size * free + 50 and not any(self._may_go(job, kind) for job in page):
            page = queue.jobs(integration_id, status, size * free + 50, now, after=page[-1].lead_id)
        # A call that went unanswered twice is cut smaller each time: its size may be the reason.
        size = max(1, size >> max(0, max((job.attempts for job in page), default=0) - 1))
        full: list[Batch] = []
        open_: dict[tuple[Any, ...], list[Job]] = {}
        keys: set[str] = set()
        for job in page:
            wanted = keys_of(job)
            until = max((self._elsewhere.get(key, 0.0) for key in wanted), default=0.0) if self._elsewhere else 0.0
            if until > now:
                queue.delay([job.lead_id], status, until)
                continue
            if not keys.isdisjoint(wanted) or not self._may_go(job, kind):
                continue
            keys.update(wanted)
            route = route_of(job)
            group = open_.setdefault(route, [])
            group.append(job)
            if len(group) == size:
                full.append(Batch(group, kind))
                del open_[route]
                if len(full) == free:
                    return full
        rest = [Batch(group, kind) for group in open_.values()] if flush else []
        return [*full, *rest][:free]

    def _may_go(self, job: Job, kind: str) -> bool:
        """Whether nothing keeps a job from being called for now."""
        return self._run.in_hand.free(job.lead_id, keys_of(job)) and not (kind == "send" and self._keeps(job))

    def _send(self, batch: Batch) -> list[Outcome]:
        deliveries = [
            Delivery(
                job.lead_id,
                decision(job),
                job.payload["fields"],
                job.payload.get("on_create") or {},
                job.lead_id in batch.repeated,
                batch.recent.get(job.lead_id, ""),
            )
            for job in batch.jobs
        ]
        return guarded(self._vendor.sync, deliveries)

    def _resolve(self, batch: Batch) -> list[Outcome]:
        """Look up what became of unanswered sendings: what is stored as sent is done, the rest is sent again."""
        deliveries = [Delivery(job.lead_id, decision(job), job.payload["fields"]) for job in batch.jobs]
        names = sorted({name for job in batch.jobs for name in job.payload["fields"]})
        try:
            found = self._vendor.look_up(deliveries, names)
        except SpecError:
            # A field is no longer there, so that nothing can be compared: sending again says so for its own lead.
            found = self._vendor.look_up(deliveries, ())
        return [_verdict(job, records) for job, records in zip(batch.jobs, found, strict=True)]

    # Outcomes ---------------------------------------------------------------------------------------------------

    def _settle(self) -> bool:
        results: list[Sent] = []
        for batch, result in self._calls.ended():
            if isinstance(result, BaseException):
                settled = self._whole_call(batch, result)
            else:
                # What was looked up and is not stored was an attempt when it was sent.
                counts = batch.kind == "send"
                settled = [
                    self._sent(job, outcome, counts=counts or outcome.status != "later")
                    for job, outcome in zip(batch.jobs, result, strict=True)
                ]
            for job, sent in zip(batch.jobs, settled, strict=True):
                if sent.next_status not in {"matched", "unknown"}:
                    self._run.in_hand.drop(job.lead_id)
            results += settled
        self._run.tallies.sent += record(self._run, results, self.name)
        return bool(results)

    def _whole_call(self, batch: Batch, error: BaseException) -> list[Sent]:
        """Outcomes of a call that ended in an exception."""
        waiting = "unknown" if batch.kind == "resolve" else "matched"
        if isinstance(error, AbortRun | RunStopped):
            if isinstance(error, AbortRun):
                self._abort = self._abort or error
            return [_later(job, waiting, 0.0, attempts=job.attempts) for job in batch.jobs]
        if isinstance(error, NoAnswer) and batch.kind == "send":
            outcome = Outcome("unknown", answer=error.what)
        elif isinstance(error, NotTaken):
            until = self._run.now() + error.after
            return [_later(job, waiting, until, attempts=job.attempts) for job in batch.jobs]
        elif isinstance(error, RetryLater):
            outcome = Outcome("later", after=error.after, answer=error.what)
        else:
            code = "UNKNOWN_OUTCOME" if batch.kind == "resolve" else "PLUGIN_ERROR"
            outcome = Outcome("failed", failure=Failure(code, f"the plugin broke: {error!r}"))
        return [self._sent(job, outcome, waiting) for job in batch.jobs]

    def _sent(self, job: Job, outcome: Outcome, waiting: str = "matched", *, counts: bool = True) -> Sent:
        vendor = self._vendor
        return person_sent(job, outcome, self._run.retrying, settle_after=vendor.settle_after,
                           named=vendor.named, waiting=waiting, counts=counts)  # fmt: skip


def _later(job: Job, status: str, not_before: float, *, attempts: int) -> Sent:
    return Sent(job.lead_id, job.delivery_id, "person", "later", by_of(job), status,
                not_before=not_before, rule=job.rule, attempts=attempts)  # fmt: skip


def _verdict(job: Job, found: Sequence[Found]) -> Outcome:
    if len(found) > 1 and decision(job).duplicates == "fail":
        ids = ", ".join(record.remote_id for record in found)
        what = f"{decision(job).value} is the key of several records ({ids})"
        return Outcome("failed", failure=Failure("AMBIGUOUS_MATCH", what))
    found = sorted(found, key=lambda record: record.recency, reverse=True)
    held = found[0].values if found else {}
    if found and decision(job).action == "create_only":
        # Nobody had the key when it was sent; a record that has it now is the one that was created.
        return Outcome("created", found[0].remote_id, answer="looked up: created")
    stored = all(_is_stored(name, value, held, decision(job)) for name, value in job.payload["fields"].items())
    # Whether a new record also has what only new ones get is known to the vendor's plugin alone, which is asked again.
    if found and stored and not job.payload.get("on_create"):
        return Outcome("updated", found[0].remote_id, answer="looked up: stored as sent")
    return Outcome("later", answer="looked up: not stored as sent, so it is sent again")


def _is_stored(name: str, value: Any, held: Mapping[str, Any], key: Decision) -> bool:
    """Whether a field is as it was sent. What a record was found by is so; addresses have no upper and lower case."""
    if name == key.by or (name == _EMAIL and key.by != _EMAIL and not key.update_email):
        return True
    if name == _EMAIL:
        return text(value).strip().lower() == text(held.get(name)).strip().lower()
    return stored_as(value, held.get(name))
