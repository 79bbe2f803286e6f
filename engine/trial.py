"""What would become of a sample lead: what a run does with a captured lead, without a call and without a state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engine import check, saved_catalog, waterfalls
from engine.adapters import Vendor
from engine.errors import AbortRun
from engine.mapping import Remote, compile_mapping
from engine.plugins import Plugins
from engine.prepare import keys_of
from engine.records import Answer, Failure, Lead, Write
from engine.samples import Sample
from engine.sources import JsonLinesSource
from engine.specs import Integration
from engine.stages.map import worked_out
from engine.stages.questions import broken as broken_by
from engine.stages.rows import RowReader, refused
from engine.stages.waterfall import Waterfall

_log = logging.getLogger("engine.trial")
_log.addHandler(logging.NullHandler())  # what breaks is shown with the sample


@dataclass(frozen=True, slots=True)
class Trial:
    """What becomes of one sample: a write with the `keys` that it is matched by, or a failure.

    keys: as in a delivery, `[by, value]` or `[by, value, options]`. normalized: the value before and after, by lead
    field that enrichment replaced; filled: the value, by lead field that it filled. broken: what steps raised.
    """

    outcome: Write | Failure
    keys: Sequence[Sequence[Any]] = ()
    normalized: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    filled: Mapping[str, Any] = field(default_factory=dict)
    broken: Sequence[str] = ()


class Bench:
    """Tries samples of one integration, which must be right (see `engine.check`). Raises SpecError.

    What the vendor has is known from the saved catalog only. Steps of the waterfall that make calls are left out.
    `notes` say what was not compared, for people.
    """

    log = _log

    def __init__(self, integration: Integration, plugins: Plugins) -> None:
        self._integration = integration
        self._lines = issubclass(plugins.source(integration.source.use), JsonLinesSource)
        self.notes: dict[str, None] = {}
        self._time = 0.0
        vendor, names = plugins.vendor(integration.destination.use), check.names_of(integration, plugins)
        self._mapping = compile_mapping(integration.mapping, names, self._remote(vendor))
        self._keys = keys_of(check.rules_of(integration, vendor), names, vendor)
        maker = waterfalls.rehearsed(integration, plugins, lambda: self._time, self._note)
        self._waterfall = maker.make_offline(self) if integration.enrichment.steps else None

    @property
    def now(self) -> Callable[[], float]:
        return lambda: self._time

    def try_out(self, sample: Sample) -> Trial:
        """What would become of a sample, whose names must be known and whose `now` must be a time."""
        self._time = moment(sample.now)
        data = self._captured(sample)
        if failure := refused(self._integration, data["f"]):
            return Trial(failure)
        lead = _lead(data)
        broken: list[str] = []
        if self._waterfall is not None:
            lead, broken = _enriched(self._waterfall, lead)
        normalized, filled = _changes(data["f"], lead.fields)
        found = worked_out(self._mapping, self._keys, lead, self.log)
        outcome, keys = (found, ()) if isinstance(found, Failure) else found[:2]
        return Trial(outcome, keys, normalized, filled, broken)

    def _captured(self, sample: Sample) -> dict[str, Any]:
        """The lead's data as capturing the sample would store it."""
        source = self._integration.source
        if sample.row is not None:
            named = [*source.columns, *(row.column for row in source.qualifiers.values()), *sample.row]
            data = RowReader(self._integration, [] if self._lines else list(dict.fromkeys(named))).read(sample.row)
        else:
            stripped = {name: value.strip() for name, value in (sample.lead or {}).items()}
            data = {"f": {name: value for name, value in stripped.items() if value}, "q": {}}
        data["q"] |= {name: found for name, answer in sample.qualifiers.items() if (found := _stripped(answer))}
        event = data["f"].get("event") or source.event or next(iter(sample.events or ()), "")
        if event:
            data["f"]["event"] = event
        data["e"] = {event: 1} if sample.events is None else dict(sample.events)
        return data

    def _remote(self, vendor: type[Vendor]) -> Remote:
        """What the vendor has, by the saved catalog of the spec; nothing that would be compared where there is none."""
        destination = self._integration.destination
        if not destination.catalog:
            self._note(
                "there is no saved catalog: nothing is compared with the vendor, and values are cast by the types of"
                " the rows alone; `engine fields SPEC --save FILE` makes one for `destination.catalog`"
            )
            return Remote()
        catalog = saved_catalog.load(self._integration.folder / destination.catalog)
        if catalog.vendor != vendor.name:
            return Remote()  # said where the spec is checked
        return catalog.remote(self._integration.mapping)

    def _note(self, text: str) -> None:
        self.notes[text] = None


def moment(text: str) -> float:
    """A time in ISO 8601 as Unix seconds; without an offset it is UTC. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _lead(data: Mapping[str, Any]) -> Lead:
    return Lead(0, "", data["f"], data["q"], data["e"], remote_id=data["f"].get("remote_id"))


def _stripped(answer: Answer) -> Answer:
    if isinstance(answer, str):
        return answer.strip()
    return [part for each in answer if (part := each.strip())]


def _enriched(waterfall: Waterfall, lead: Lead) -> tuple[Lead, list[str]]:
    """The lead behind a waterfall that asks nobody, and what its steps raised."""
    try:
        question = next(waterfall.way(lead))
    except StopIteration as end:
        broken = [f"{step.provider}: {step.detail}" for step in end.value.steps if step.outcome == "error"]
        return _lead(end.value.data), broken
    except AbortRun:
        raise
    except Exception as error:
        # As in a run: a lead that breaks the waterfall goes on with what was captured.
        return lead, [f"enrichment: {broken_by(error)}"]
    raise AssertionError(f"{question.step.name} was to make no calls")


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, tuple[Any, Any]], dict[str, Any]]:
    """What was replaced, and what was filled."""
    replaced = {name: (value, after.get(name)) for name, value in before.items() if after.get(name) != value}
    return replaced, {name: value for name, value in after.items() if name not in before}
