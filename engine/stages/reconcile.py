"""Reconcile: every lead is Pre-Sync, Cleared or Failed; failed leads in groups that say what to do; retries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.codes import OWNERS, Code, code
from engine.expressions import Names
from engine.selection import Selection, selected
from engine.specs import Integration
from engine.stages.rows import missing_fields
from engine.state import Store


@dataclass(frozen=True, slots=True)
class Group:
    """Failed leads with one cause."""

    code: Code
    vendor_code: str
    field: str
    message: str
    leads: int
    first_seen: float = 0.0
    last_seen: float = 0.0

    @property
    def page(self) -> str:
        """Where the documentation explains it."""
        return f"docs/failures/{self.code.name}.md"

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code.name,
            "vendor_code": self.vendor_code,
            "field": self.field,
            "leads": self.leads,
            "meaning": self.code.meaning,
            "owner": self.code.owner,
            "who": OWNERS[self.code.owner],
            "fix": self.code.fix,
            "retryable": self.code.retryable,
            "example": self.message,
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "page": self.page,
        }


#: Codes of leads that wait for a connection, and of which a run tells once.
CONNECTION_CODES = frozenset({"AUTHENTICATION", "CONNECTION_PERMISSION"})


def groups(store: Store, integration: str) -> list[Group]:
    """The groups of failed leads, largest first."""
    return [
        Group(code(name), vendor_code, field, message, count, first, last)
        for name, vendor_code, field, message, count, first, last in store.reports.groups(integration)
    ]


@dataclass(frozen=True, slots=True)
class Retry:
    """What a retry takes up, and what it leaves because nothing about it has changed or can change by itself."""

    taken: int
    left: Sequence[tuple[int, str]]


def select(
    store: Store,
    integration: str,
    wanted: Sequence[str],
    code_name: str | None,
    status: str = "failed",
    *,
    event: str | None = None,
    where: str | None = None,
    names: Names | None = None,
) -> list[dict[str, Any]]:
    """The failed (or ignored) leads that people mean, with their reasons. Raises SpecError."""
    meant = Selection(tuple(wanted), code_name, event, where)
    ids = set(selected(store, integration, meant, (status,), names))
    return [lead for lead in store.reports.failed(integration, code_name, status) if lead["lead"] in ids]


def retry(store: Store, integration: Integration, failed: Sequence[dict[str, Any]], now: float) -> Retry:
    """Send failed leads through the stages again, from the one that failed, with current data and spec."""
    again: dict[str, list[int]] = {"captured": [], "enriched": [], "unknown": []}
    left: list[tuple[int, str]] = []
    for lead in failed:
        if lead["code"] == "UNREADABLE_ROW":
            left.append((lead["lead"], "the row cannot be read: correct it in the source and run again"))
            continue
        if lead["stage"] == "capture":
            story = store.reports.lead(lead["lead"]) or {}
            missing = missing_fields(integration, story.get("fields", {}))
            if missing:
                left.append((lead["lead"], f"still no {', no '.join(missing)}"))
                continue
        if lead["code"] == "UNKNOWN_OUTCOME":
            again["unknown"].append(lead["lead"])  # looked up before anything is written
            continue
        # A key may be found by now: a step that was added, an answer that was not there; what was bought is used again.
        anew = lead["stage"] in {"capture", "enrich"} or lead["code"] == "MISSING_MATCH_KEY"
        again["captured" if anew else "enriched"].append(lead["lead"])
    for status, leads in again.items():
        store.queue.retry(leads, status, now)
    return Retry(sum(map(len, again.values())), left)
