"""What a run did, as metrics for OpenTelemetry, where the environment asks for them; an observer like a third party's.

Nothing of OpenTelemetry is imported before that. Attributes are few and have few values: never a lead, a message, a
path or a run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import EngineError
from engine.hookspecs import hookimpl

#: Standard variables of OpenTelemetry. The first two ask for OTLP, the third for what it names.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORTER = "OTEL_METRICS_EXPORTER"
DISABLED = "OTEL_SDK_DISABLED"

Kind = Literal["counter", "gauge", "histogram"]
Attributes = Mapping[str, str | int]

#: What stands for a code that is none, or that is one too many: the convention of OpenTelemetry.
OTHER = "_OTHER"
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
_MOST_CODES = 100


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric: its unit as UCUM has it, what it means, and the attributes of its points."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value of an instrument."""

    name: str
    value: float
    attributes: Attributes


ATTRIBUTES: Mapping[str, str] = {
    "lead_engine.integration": "the name of the integration",
    "lead_engine.vendor": "the vendor, as `destination.use` names it",
    "lead_engine.outcome": "of rows: `new`, `known`; of leads: `captured`, `enriched`, `mapped`, `sent`, `unchanged`,"
    " `failed`; of paid calls: `answered`, `unanswered` (possibly charged), `pending`",
    "lead_engine.code": f"the failure code; `{OTHER}` for what is no code",
    "lead_engine.owner": "who fixes it, as the table of failure codes has it",
    "lead_engine.provider": "the step of enrichment",
    "lead_engine.currency": "the currency of the price list, such as `USD`",
    "lead_engine.status": "how the run ended: `done`, `aborted`, `interrupted`",
    "lead_engine.exit_code": "the exit code of the run",
}

_WHERE = ("lead_engine.integration", "lead_engine.vendor")
_OUTCOME = "lead_engine.outcome"
_PROVIDER = "lead_engine.provider"

INSTRUMENTS: tuple[Instrument, ...] = (
    Instrument("lead_engine.rows", "counter", "{row}", "rows read", (*_WHERE, _OUTCOME)),
    Instrument("lead_engine.leads", "counter", "{lead}", "leads by what the run did to them", (*_WHERE, _OUTCOME)),
    Instrument("lead_engine.memberships", "counter", "{membership}", "memberships given in programs and lists", _WHERE),
    Instrument("lead_engine.failures", "counter", "{failure}", "leads that failed, by why",
               (*_WHERE, "lead_engine.code", "lead_engine.owner")),
    Instrument("lead_engine.calls.paid", "counter", "{call}", "calls of providers that cost something",
               (*_WHERE, _PROVIDER, _OUTCOME)),
    Instrument("lead_engine.calls.reused", "counter", "{call}", "answers used again instead of a paid call",
               (*_WHERE, _PROVIDER)),
    Instrument("lead_engine.calls.cost", "counter", "{credit}", "credits spent", (*_WHERE, _PROVIDER)),
    Instrument("lead_engine.calls.amount", "counter", "{currency}", "money spent, where the price is known",
               (*_WHERE, _PROVIDER, "lead_engine.currency")),
    Instrument("lead_engine.run.duration", "histogram", "s", "how long a run took",
               (*_WHERE, "lead_engine.status", "lead_engine.exit_code")),
    Instrument("lead_engine.leads.pre_sync", "gauge", "{lead}", "leads in Pre-Sync at the end of the run", _WHERE),
    Instrument("lead_engine.leads.waiting", "gauge", "{lead}", "those of them that nobody holds back", _WHERE),
    Instrument("lead_engine.leads.failed", "gauge", "{lead}", "leads that are failed at the end of the run", _WHERE),
)  # fmt: skip


def exporters(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the exporters that the environment asks for: none where it says nothing."""
    if environment.get(DISABLED, "").strip().lower() == "true":
        return ()
    named = environment.get(EXPORTER, "").strip()
    if not named and any(environment.get(name, "").strip() for name in ENDPOINTS):
        named = "otlp"
    return tuple(name for part in named.split(",") if (name := part.strip().lower()) not in {"", "none"})


def measured(summary: Mapping[str, Any]) -> Iterator[Measurement]:
    """The metrics of one run; a count that is 0 is told too, so that its series begins."""
    where: dict[str, str | int] = dict(zip(_WHERE, (summary["integration"], summary["vendor"]), strict=True))
    done, totals = summary["this_run"], summary["totals"]

    def of(name: str, value: float, **more: str | int) -> Measurement:
        return Measurement(
            f"lead_engine.{name}", value, where | {f"lead_engine.{key}": each for key, each in more.items()}
        )

    yield of("rows", done["rows"] - done["known_rows"], outcome="new")
    yield of("rows", done["known_rows"], outcome="known")
    yield of("leads", done["leads"], outcome="captured")
    for outcome in ("enriched", "mapped", "sent", "unchanged", "failed"):
        yield of("leads", done[outcome], outcome=outcome)
    yield of("memberships", done["members"])
    for place, failure in enumerate(summary["failures"]):
        known = place < _MOST_CODES and _CODE.fullmatch(failure["code"])
        yield of("failures", failure["leads"], code=failure["code"] if known else OTHER, owner=failure["owner"])
    for paid in summary["paid"]:
        provider = paid["provider"]
        for outcome, key in (("answered", "answered"), ("unanswered", "possibly_charged"), ("pending", "pending")):
            yield of("calls.paid", paid[key], provider=provider, outcome=outcome)
        yield of("calls.reused", paid["reused"], provider=provider)
        yield of("calls.cost", paid["cost"], provider=provider)
        if paid["currency"]:
            yield of("calls.amount", paid["amount"], provider=provider, currency=paid["currency"])
    yield of("run.duration", summary["seconds"], status=summary["status"], exit_code=summary["exit_code"])
    yield of("leads.pre_sync", totals["presync"])
    yield of("leads.waiting", totals["presync"] - totals["frozen"])
    yield of("leads.failed", totals["failed"])


@hookimpl
def run_finished(summary: Mapping[str, Any]) -> None:
    """Export the metrics of a run. Raises EngineError, which becomes a note of the run, where they are not taken."""
    wanted = exporters(os.environ)
    if not wanted:
        return
    try:
        from engine.open_telemetry import export
    except ModuleNotFoundError as error:
        raise EngineError(
            "metrics are asked for by an OTEL_… variable, and OpenTelemetry is not installed: none were sent."
            f" Install it with `pip install 'lead-engine[otel]'`, or set {DISABLED}=true ({error})"
        ) from error
    troubles = export(INSTRUMENTS, list(measured(summary)), wanted)
    if troubles:
        raise EngineError(f"the metrics of this run were not taken: {'; '.join(troubles)}")
