"""What a vendor's outcome makes of a lead: where it goes next, and what is stored of it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.backoff import Retrying
from engine.filters import text
from engine.records import Failure, Membership, Outcome
from engine.stages.match import by_of, decision
from engine.state.moves import Job, Sent

#: Outcomes after which the vendor holds what was sent.
DONE = frozenset({"created", "updated", "satisfied"})


def person_sent(
    job: Job,
    outcome: Outcome,
    retrying: Retrying,
    *,
    settle_after: float,
    named: Sequence[str] = (),
    waiting: str = "matched",
    needs_id: bool = True,
    counts: bool = True,
) -> Sent:
    """What became of writing a person.

    retrying: how what failed for a passing reason is tried again.
    settle_after: seconds after which an unanswered write can no longer take effect. named: the keys that name a
    record. waiting: where a lead goes back to that is to be tried again. needs_id: a person who is to get a membership
    must have got a remote id; an import gives none. counts: whether it was an attempt.
    """
    by = by_of(job)
    sent = Sent(job.lead_id, job.delivery_id, "person", outcome.status, by, "failed", outcome.remote_id,
                outcome.answer, rule=job.rule, attempts=job.attempts + counts, notices=outcome.notices)  # fmt: skip
    wanted = job.payload.get("memberships")
    match outcome.status:
        case "created" | "updated" | "satisfied" if wanted and needs_id and not outcome.remote_id:
            sent.failure = Failure("UNKNOWN", "written, but the vendor gave no id, so no membership can be given")
        case "created" | "updated" | "satisfied":
            sent.next_status = "written" if wanted else "cleared"
            sent.written = bytes.fromhex(job.payload["digest"])
            sent.attempts = 0  # giving the memberships is tried as often anew
        case "failed":
            sent.failure = outcome.failure
        case "missing":
            sent.forget_id = by in named
            if job.rule + 1 < len(job.payload["keys"]):
                sent.next_status, sent.rule = "matched", job.rule + 1
            else:
                sent.failure = Failure("REMOTE_RECORD_GONE", f"no record has the {by} {decision(job).value}")
        case _ if retrying.over(sent.attempts, job.delivery_id):
            unclear = outcome.status == "unknown" or waiting == "unknown"
            what = "UNKNOWN_OUTCOME" if unclear else "REMOTE_UNAVAILABLE"
            given_up = Failure(what, f"given up after {sent.attempts} attempts: {text(outcome.answer)}")
            sent.failure = outcome.failure or given_up
        case "unknown":
            sent.next_status, sent.not_before = "unknown", retrying.now() + settle_after
        case _:
            due = retrying.due(outcome.after, sent.attempts) if counts else retrying.now() + outcome.after
            sent.next_status, sent.not_before = waiting, due
    return sent


def place_sent(job: Job, place: Membership, outcome: Outcome, retrying: Retrying) -> Sent:
    """What became of a membership that an import gave; what it did not give is given the ordinary way."""
    sent = Sent(job.lead_id, job.delivery_id, what_of(place), outcome.status, by_of(job), "written",
                outcome.remote_id, outcome.answer, rule=job.rule, notices=outcome.notices)  # fmt: skip
    if outcome.status in DONE:
        sent.membership = (place.target, place.status)
    elif outcome.status == "failed":
        sent.next_status, sent.failure = "failed", outcome.failure
    else:
        sent.attempts = job.attempts + 1
        sent.not_before = retrying.due(outcome.after, sent.attempts)
    return sent


def what_of(place: Membership) -> str:
    """How a place is named where it is stored what was sent: "program ID status" or "list ID"."""
    return f"{place.kind} {place.target} {place.status}".strip()
