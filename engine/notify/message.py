"""How news is said: a subject, a text for people, and the same as data for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from engine.codes import OWNERS
from engine.filters.dates import zone_of
from engine.notify.news import News
from engine.notify_rules import NotifyRule

SCHEMA_VERSION = 1
#: Groups that a text names one by one.
_NAMED = 12


@dataclass(frozen=True, slots=True)
class Message:
    """`subject`: one line. `text`: lines for people. `data`: for programs. `key`: the same for what is sent again."""

    subject: str
    text: str
    data: dict[str, Any]
    key: str


def compose(news: News) -> Message:
    """Put news into words."""
    subject = f"{news.integration}: {_headline(news)}"
    lines = [*_failed(news), *_stopped(news), *_runs(news), *_totals(news)]
    text = "\n".join(lines).strip()
    data = {
        "schema_version": SCHEMA_VERSION,
        "integration": news.integration,
        "rule": news.rule.name,
        "subject": subject,
        "text": text,
        "since": news.since or None,
        "at": news.at,
        "failed": [
            {
                "code": group.code.name,
                "vendor_code": group.vendor_code,
                "field": group.field,
                "leads": group.leads,
                "meaning": group.code.meaning,
                "owner": group.code.owner,
                "fix": group.code.fix,
                "retryable": group.code.retryable,
            }
            for group in news.failed
        ],
        "stopped": asdict(news.stop) if news.stop else None,
        "runs": asdict(news.runs) if news.runs else None,
        "totals": dict(news.totals),
    }
    return Message(subject, text, data, f"{news.integration}.{news.rule.name}.{news.told.failure_id}.{news.at:.0f}")


def trial(integration: str, rule: NotifyRule, now: float) -> Message:
    """A message that only shows that a rule reaches people."""
    subject = f"{integration}: a test of the notification rule {rule.name}"
    told = ", ".join({"failed": "leads that failed", "stopped": "runs that did not get through",
                      "finished": "runs that have ended"}[subject] for subject in rule.on)  # fmt: skip
    text = f"This is where people are told of {told}: {rule.send.replace('_', ' ')}."
    data = {"schema_version": SCHEMA_VERSION, "integration": integration, "rule": rule.name, "subject": subject,
            "text": text, "since": None, "at": now, "failed": [], "stopped": None, "runs": None, "totals": {},
            "test": True}  # fmt: skip
    return Message(subject, text, data, f"{integration}.{rule.name}.test.{now:.0f}")


def _headline(news: News) -> str:
    said = []
    if news.stop:
        said.append("runs do not get through")
    if news.leads:
        said.append(f"{_leads(news.leads)} failed")
    if news.runs and not said:
        said.append(f"{news.runs.ended} runs ended" if news.runs.ended != 1 else "a run ended")
    return ", ".join(said)


def _failed(news: News) -> Iterator[str]:
    if not news.failed:
        return
    if news.since:
        yield f"Since {_time(news, news.since)}:"
    for group in news.failed[:_NAMED]:
        code = group.code
        where = " ".join(part for part in (group.vendor_code and f"vendor code {group.vendor_code}",
                                           group.field and f"field {group.field}") if part)  # fmt: skip
        yield f"- {group.leads:,} × {code.name}{f' ({where})' if where else ''}: {code.meaning}"
        yield f"  {OWNERS[code.owner]}. {code.fix}"
    if len(news.failed) > _NAMED:
        rest = news.failed[_NAMED:]
        yield f"- {_leads(sum(group.leads for group in rest))} in {len(rest)} more groups"
    yield f"See them: engine reconcile list --integration {news.integration}"
    yield ""


def _stopped(news: News) -> Iterator[str]:
    if news.stop is None:
        return
    stop = news.stop
    yield f"Runs do not get through since {_time(news, stop.since)}: {stop.code}. {_leads(stop.waiting)} waiting."
    if stop.message:
        yield f"  {stop.message}"
    yield f"See why: engine status --integration {news.integration}"
    yield ""


def _runs(news: News) -> Iterator[str]:
    runs = news.runs
    if runs is None or not runs.ended:
        return
    since = f" since {_time(news, news.since)}" if news.since else ""
    ways = [f"{count} {how}" for how, count in (("done", runs.done), ("did not get through", runs.aborted),
                                                ("interrupted", runs.interrupted)) if count]  # fmt: skip
    yield f"Runs{since}: {', '.join(ways)}; {runs.rows:,} rows read."
    yield ""


def _totals(news: News) -> Iterator[str]:
    totals = news.totals
    names = {"captured": "captured", "cleared": "cleared", "failed": "failed", "presync": "Pre-Sync"}
    yield "Now: " + ", ".join(f"{totals[key]:,} {name}" for key, name in names.items()) + "."


def _leads(count: int) -> str:
    return "1 lead" if count == 1 else f"{count:,} leads"


def _time(news: News, moment: float) -> str:
    zone = news.rule.time_zone
    return f"{datetime.fromtimestamp(moment, zone_of(zone)):%Y-%m-%d %H:%M} ({zone})"
