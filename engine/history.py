"""One lead's way: everything that happened to it, in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.filters import text

#: What a verification found, where that is no failure code.
_VERIFIED = {"held": "as it was sent"}

#: An event of a way: Unix time, what happened, and more about it.
Event = tuple[float, str, str]


def way(
    story: Mapping[str, Any],
    runs: Mapping[str, float],
    acts: Sequence[Mapping[str, Any]],
    modes: Sequence[Mapping[str, Any]] = (),
) -> list[Event]:
    """The events of a lead's story.

    runs: when each run began, by id. acts: what people did to the lead. modes: the sync modes that runs went by since.
    """
    found = [*_captured(story, runs), *_enriched(story, runs), *_mapped(story, runs), *_sent(story), *_failed(story)]
    found += [(each["at"], "verified", _VERIFIED.get(each["outcome"], each["outcome"])) for each in story["verified"]]
    found += [*_edited(story), *_frozen(story, runs, acts, modes)]
    found += [(act["at"], act["what"], f"by {act['by']}{_because(act['detail'])}") for act in acts
              if act["what"] != "edit"]  # fmt: skip
    found += [(each["at"], "notice", f"{each['code']}: {each['message']}") for each in story["notices"]]
    return sorted(found, key=lambda event: event[0])


def _because(detail: str) -> str:
    return f" ({detail})" if detail else ""


def _captured(story: Mapping[str, Any], runs: Mapping[str, float]) -> Iterator[Event]:
    for capture in story["captures"]:
        yield runs.get(capture["run"], 0.0), "captured", f"{capture['source']}:{capture['line']}"


def _enriched(story: Mapping[str, Any], runs: Mapping[str, float]) -> Iterator[Event]:
    """What providers gave, with those that gave nothing when the lead was enriched last."""
    first = min((runs.get(capture["run"], 0.0) for capture in story["captures"]), default=0.0)
    given: dict[tuple[str, float], list[str]] = {}
    for value in story["values"]:
        # An answer may have been bought for somebody else before this lead was known.
        given.setdefault((value["provider"], max(first, value["at"])), []).append(value["field"])
    for (provider, at), names in given.items():
        yield at, "enriched", f"{provider}: {', '.join(names)}"
    gave = {provider for provider, _ in given}
    for step in story["steps"]:
        if step["outcome"] != "skipped" and not (step["outcome"] in ("hit", "partial") and step["provider"] in gave):
            yield step["at"], "enriched", f"{step['provider']}: {step['outcome']} {step['detail']}".rstrip()


def _mapped(story: Mapping[str, Any], runs: Mapping[str, float]) -> Iterator[Event]:
    for delivery in story["deliveries"]:
        count = len(delivery["payload"]["fields"])
        yield _mapped_at(delivery, runs), "mapped", f"delivery {delivery['delivery']}, {count} fields"


def _mapped_at(delivery: Mapping[str, Any], runs: Mapping[str, float]) -> float:
    """When a delivery was made; of an old one it is known only when its run began."""
    return float(delivery["at"] or runs.get(delivery["run"], 0.0))


def _frozen(
    story: Mapping[str, Any],
    runs: Mapping[str, float],
    acts: Sequence[Mapping[str, Any]],
    modes: Sequence[Mapping[str, Any]],
) -> Iterator[Event]:
    """What was mapped in the sync mode manual was held, unless somebody had let the lead go since it was last sent."""
    for delivery in story["deliveries"]:
        made = _mapped_at(delivery, runs)
        mode = max((act for act in modes if act["at"] <= made), key=_at, default=None)
        let_go = max((act["at"] for act in acts if act["what"] == "release" and act["at"] <= made), default=None)
        sent = let_go is not None and any(let_go < outcome["at"] <= made for outcome in story["outcomes"])
        if mode is not None and mode["detail"] == "manual" and (let_go is None or sent):
            yield made, "frozen", "held by the sync mode manual"


def _at(act: Mapping[str, Any]) -> float:
    return float(act["at"])


def _sent(story: Mapping[str, Any]) -> Iterator[Event]:
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
