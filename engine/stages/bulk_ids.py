"""Remote ids of persons that an import wrote: an import gives none, and memberships are given by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.backoff import Retrying
from engine.errors import NotTaken, RetryLater
from engine.records import Failure, Found
from engine.stages.match import by_of, decision, route_of
from engine.state.moves import Job, Sent

#: Seconds until somebody is searched for again who was not found right after an import.
_SEARCH_AGAIN = 5.0


@dataclass(frozen=True, slots=True)
class Search:
    """One call that looks written leads up."""

    jobs: Sequence[Job]

    @staticmethod
    def batches(jobs: Iterable[Job], size: int) -> list[Search]:
        """Cut leads into calls of `size`, each by one route."""
        routes: dict[object, list[Job]] = {}
        for job in jobs:
            routes.setdefault(route_of(job), []).append(job)
        return [
            Search(group[start : start + size]) for group in routes.values() for start in range(0, len(group), size)
        ]


def found_sent(job: Job, records: Sequence[Found], retrying: Retrying, settle_after: float) -> Sent:
    """Remember the id of the record that a lead was written to, where there is one; reads have caught up after that."""
    key = decision(job)
    sent = Sent(job.lead_id, job.delivery_id, "person", "satisfied", key.by, "written", rule=job.rule)
    if not records and not retrying.over(job.attempts + 1, job.delivery_id):
        # A search may be behind what was just written.
        sent.status, sent.attempts, sent.not_before = (
            "later",
            job.attempts + 1,
            retrying.now() + max(_SEARCH_AGAIN, settle_after / 3),
        )
        return sent
    if not records:
        sent.failure = Failure("REMOTE_RECORD_GONE", f"no record has the {key.by} {key.value} after its import")
    elif len(records) > 1 and key.duplicates == "fail":
        ids = ", ".join(record.remote_id for record in records)
        sent.failure = Failure("AMBIGUOUS_MATCH", f"{key.value} is the key of several records ({ids})")
    else:
        sent.remote_id = max(records, key=lambda record: record.recency).remote_id
        sent.answer = "looked up: an import gives no ids"
    if sent.failure:
        sent.status = sent.next_status = "failed"
    return sent


def search_failed(job: Job, error: Any, retrying: Retrying) -> Sent:
    """A look-up that failed had no effect: the lead waits, and fails only when it keeps failing."""
    transient, throttled = isinstance(error, RetryLater), isinstance(error, NotTaken)
    attempts = job.attempts + (not throttled)
    sent = Sent(job.lead_id, job.delivery_id, "person", "later", by_of(job), "written",
                rule=job.rule, attempts=attempts)  # fmt: skip
    if transient and not retrying.over(attempts, job.delivery_id):
        sent.not_before = retrying.now() + error.after if throttled else retrying.due(error.after, attempts)
    else:
        code = "REMOTE_UNAVAILABLE" if transient else "PLUGIN_ERROR"
        sent.status = sent.next_status = "failed"
        sent.failure = Failure(code, f"looking up the imported record failed: {error}")
    return sent
