"""The tickets of questions whose answers take long, and how long to wait for them.

The ticket of a question that was asked in a batch names the batch's job, the record in it, and of how many records it
is: `JOB#INDEX/TOTAL`.
"""

from __future__ import annotations

import re
from typing import Any

from engine.asking import EnrichAnswer
from engine.http import Reply
from engine_enrichers.declared.client import Answered
from engine_enrichers.declared.costs import number
from engine_enrichers.declared.provider import Async, Provider, Query

#: The ticket of a question that is repeated as it is.
_AGAIN = "again"
_RECORD = re.compile(r"(?s)(.*)#(\d+)/(\d+)", re.ASCII)


def submitted(later: Async, answered: Answered) -> EnrichAnswer:
    """The answer to a question that was taken and is not ready."""
    job = _AGAIN if later.again else ticket_in(later.ticket, answered.body)
    if not job:
        return EnrichAnswer("error", detail="the provider took the question and named no ticket for it")
    return EnrichAnswer("pending", ticket=job, after=wait_of(later, answered.reply, 0.0))


def ticket_in(query: Query | None, body: Any) -> str:
    """The ticket that an answer names, as text; empty where it names none."""
    found = query.of(body) if query is not None else None
    found = found[0] if isinstance(found, list) and len(found) == 1 else found
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def record_ticket(job: str, index: int, total: int) -> str:
    """The ticket of one record of a batch."""
    return f"{job}#{index}/{total}"


def job_of(provider: Provider, ticket: str) -> tuple[str, int | None, int]:
    """The job of a ticket, which record of a batch it is, and of how many; None where it is not of a batch."""
    found = _RECORD.fullmatch(ticket) if provider.batch is not None else None
    return (found[1], int(found[2]), int(found[3])) if found else (ticket, None, 1)


def wait_of(later: Async, reply: Reply | None, age: float) -> float:
    """Seconds until the next poll. They grow by half each time, so that they follow from the question's age."""
    asked = number(reply.headers.get("retry-after")) if reply is not None else None
    return max(min(later.longest, later.every + age / 2), asked or 0.0)
