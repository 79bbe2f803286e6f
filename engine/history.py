"""One lead's way: everything that happened to it, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.filters import text

#: An event of a way: Unix time, what happened, and more about it.
Event = tuple[float, str, str]


def way(story: Mapping[str, Any], runs: Mapping[str, float], acts: Sequence[Mapping[str, Any]]) -> list[Event]:
    """The events of a lead's story. `runs`: when each run began, by id; `acts`: what people did to the lead."""
    found = [*_captured(story, runs), *_enriched(story), *_sent(story, runs), *_failed(story), *_edited(story)]
    found += [(act["at"], act["what"], f"by {act['by']}{_because(act['detail'])}") for act in acts
              if act["what"] != "edit"]  # fmt: skip
    found += [(each["at"], "notice", f"{each['code']}: {each['message']}") for each in story["notices"]]
    return sorted(found, key=lambda event: event[0])


def _because(detail: str) -> str:
    return f" ({detail})" if detail else ""


def _captured(story: Mapping[str, Any], runs: Mapping[str, float]) -> Iterator[Event]:
    for capture in story["captures"]:
        yield runs.get(capture["run"], 0.0), "captured", f"{capture['source']}:{capture['line']}"


def _enriched(story: Mapping[str, Any]) -> Iterator[Event]:
    for step in story["steps"]:
        if step["outcome"] != "skipped":
            yield step["at"], "enriched", f"{step['provider']}: {step['outcome']} {step['detail']}".rstrip()


def _sent(story: Mapping[str, Any], runs: Mapping[str, float]) -> Iterator[Event]:
    for delivery in story["deliveries"]:
        yield runs.get(delivery["run"], 0.0), "mapped", f"{len(delivery['payload']['fields'])} fields"
    for number, outcome in enumerate(story["outcomes"], 1):
        remote = f", record {outcome['remote_id']}" if outcome["remote_id"] else ""
        answer = f": {text(outcome['answer'])[:200]}" if outcome["answer"] and outcome["status"] == "failed" else ""
        what = f"{outcome['what']} by {outcome['matched_by']}: {outcome['status']}{remote}{answer}"
        yield outcome["at"], "sent", f"attempt {number}, {what}"


def _failed(story: Mapping[str, Any]) -> Iterator[Event]:
    for failure in story["failures"]:
        yield failure["at"], "failed", f"{failure['code']} in {failure['stage']}: {failure['message']}"
        if failure["resolved_at"]:
            yield failure["resolved_at"], "over", failure["code"]


def _edited(story: Mapping[str, Any]) -> Iterator[Event]:
    for name, edit in story["edits"].items():
        for each in (*edit.get("was", ()), edit):
            yield each["at"], "edited", f"{name} {'set' if each['v'] else 'cleared'} by {each['by']}"
