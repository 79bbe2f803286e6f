"""What there is to tell by a rule: codes and counts; no lead's data, and no message of a vendor about a lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.codes import Code, code
from engine.notify_rules import NotifyRule
from engine.redaction import redact
from engine.state import Store
from engine.state.notified import RunsSince, Told
from engine.state.runs import RunRow


@dataclass(frozen=True, slots=True)
class Group:
    """Failed leads with one code, vendor code and field."""

    code: Code
    vendor_code: str
    field: str
    leads: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Why runs do not get through. `since`: Unix time. `waiting`: leads that wait for it. `fresh`: not told before."""

    code: str
    message: str
    since: float
    waiting: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class News:
    """What is new for a rule, and where all leads are. `since`: Unix time of what was told last, 0 for never.

    told: what is to be remembered once it has been told.
    """

    integration: str
    rule: NotifyRule
    since: float
    at: float
    failed: Sequence[Group]
    stop: Stop | None
    runs: RunsSince | None
    totals: Mapping[str, int]
    told: Told

    @property
    def leads(self) -> int:
        return sum(group.leads for group in self.failed)

    @property
    def worth_telling(self) -> bool:
        """Whether there is anything that people have not been told, and enough of it."""
        enough = self.leads >= self.rule.at_least
        return enough or bool(self.stop and self.stop.fresh) or bool(self.runs and self.runs.ended)


def gather(store: Store, integration: str, rule: NotifyRule, codes: Mapping[str, Code], now: float) -> News:
    """What is new for a rule at a time (Unix)."""
    told = store.notified.last(integration, rule.name)
    until = store.notified.last_failure()
    failed = [
        Group(code(each.code, codes), each.vendor_code, each.field, each.leads)
        for each in (store.notified.failed_since(integration, told, until) if "failed" in rule.on else ())
    ]
    last = store.runs.last(integration)
    stop = _stop(store, integration, last, told)
    over = last is None or last.status == "done"
    return News(
        integration=integration,
        rule=rule,
        since=told.at,
        at=now,
        failed=[group for group in failed if rule.concerns(group.code)],
        stop=stop if "stopped" in rule.on else None,
        runs=store.notified.runs_since(integration, told.at, now) if "finished" in rule.on else None,
        totals=store.reports.totals(integration),
        told=Told(until, now, stop.code if stop else "" if over else told.stop),
    )


def _stop(store: Store, integration: str, last: RunRow | None, told: Told) -> Stop | None:
    """Why the last run did not get through, where it has ended and did not."""
    if last is None or last.status in ("done", "running"):
        return None
    paused = store.connections.paused(integration)
    if paused is not None:
        return Stop(paused.code, _first_line(paused.message), paused.since, paused.leads, told.stop != paused.code)
    if last.status != "aborted":
        return None  # it was ended by hand
    why = f"exit code {last.exit_code}"
    totals = store.reports.totals(integration)
    waiting = totals["presync"] - totals["frozen"]
    return Stop(why, _first_line(last.message), last.ended_at or last.started_at, waiting, told.stop != why)


def _first_line(message: str) -> str:
    return redact(message).partition("\n")[0].strip()
