"""Reconcile: every lead is Pre-Sync, Cleared or Failed; failed leads in groups that say what to do; retries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.codes import CODES, OWNERS, Code, code
from engine.expressions import Names
from engine.selection import Selection, selected
from engine.specs import Integration
from engine.stages.rows import missing_fields
from engine.state import Store


@dataclass(frozen=True, slots=True)
class Group:
    """Failed leads with one cause.

    `vendor`: the name of the adapter whose service answered so, empty where none did. `first_seen`, `last_seen`: when
    the first and the last of them failed (Unix time).
    """

    code: Code
    vendor_code: str
    field: str
    message: str
    leads: int
    first_seen: float = 0.0
    last_seen: float = 0.0
    vendor: str = ""

    @property
    def page(self) -> str:
        """Where the documentation explains it; empty for the code of a plugin, which `engine explain` knows."""
        return f"docs/failures/{self.code.name}.md" if self.code.name in CODES else ""

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code.name,
            "vendor": self.vendor,
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


def groups(store: Store, integration: str, codes: Mapping[str, Code] = CODES, vendor: str = "") -> list[Group]:
    """The groups of failed leads, largest first.

    codes: the failure codes that are known. vendor: the name of the adapter that leads are sent to.
    """
    return [
        Group(code(name, codes), vendor_code, field, message, count, first, last, vendor if answered else "")
        for name, vendor_code, field, message, count, first, last, answered in store.reports.groups(integration)
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
        if why := _cannot_go_on(store, integration, lead):
            left.append((lead["lead"], why))
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


def enrich_again(
    store: Store, integration: Integration, leads: Sequence[int], now: float, *, fresh: bool = False
) -> Retry:
    """Send leads that are failed, frozen or cleared through the waterfall again, from its beginning.

    What was found before is looked for anew, and stays where nothing is found. What a person set or cleared is left
    alone. `fresh`: answers that were bought before now will not do.
    """
    failed = {lead["lead"]: lead for lead in store.reports.failed(integration.name)}
    left = [(id, why) for id in leads if id in failed and (why := _cannot_go_on(store, integration, failed[id]))]
    taken = sorted(set(leads) - {id for id, _ in left})
    # What is not known to have arrived is looked up before anything is written.
    unclear = {id for id in taken if id in failed and failed[id]["code"] == "UNKNOWN_OUTCOME"}
    store.queue.enrich_again([id for id in taken if id not in unclear], "captured", now, fresh=fresh)
    store.queue.enrich_again(sorted(unclear), "unknown", now, fresh=fresh)
    return Retry(len(taken), left)


def _cannot_go_on(store: Store, integration: Integration, failed: Mapping[str, Any]) -> str:
    """Why a failed lead would only fail again, because its row cannot be read or lacks what is required."""
    if failed["code"] == "UNREADABLE_ROW":
        return "the row cannot be read: correct it in the source and run again"
    if failed["stage"] == "capture":
        story = store.reports.lead(failed["lead"]) or {}
        missing = missing_fields(integration, story.get("fields", {}))
        return f"still no {', no '.join(missing)}" if missing else ""
    return ""
