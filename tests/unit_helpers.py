"""What several test files share: a spec on disk, a vendor that keeps what it is given, and a capture on a store."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from engine import hookimpl, plugins, specs
from engine.adapters import Config, Context, Source, Vendor
from engine.limits import Limits
from engine.plugins import Plugins
from engine.records import Delivery, Failure, Field, Found, Outcome, Program
from engine.run import Run, Summary
from engine.sources import CsvSource
from engine.stages.base import Circumstances
from engine.stages.capture import CaptureStage
from engine.state import Store

HEADER = ("First Name", "Last Name", "Company", "Email")


class Shelf(Vendor):
    """A third party's vendor: keeps persons by email in memory, one shelf for each name."""

    name = "shelf"
    summary = "Keeps persons in memory."
    keys: ClassVar[tuple[str, ...]] = ("lead_id", "email")
    has_programs: ClassVar[bool] = True
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"label": {"type": "string"}, "token": {"type": "string"}},
    }
    secrets: ClassVar[tuple[str, ...]] = ("token",)
    shelves: ClassVar[dict[str, dict[str, dict[str, Any]]]] = {}

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self._persons = self.shelves.setdefault(str(config.get("label", "shelf")), {})

    @property
    def account(self) -> str:
        return f"shelf:{self.config.get('label', 'shelf')}"

    @property
    def limits(self) -> Limits:
        return Limits(batch_size=10, concurrency=2)

    def connect(self) -> None:
        """Nothing to sign in to."""

    def fields(self) -> Sequence[Field]:
        return [Field(name) for name in ("email", "firstName", "lastName", "company")]

    def programs(self, ids: Sequence[str]) -> Mapping[str, Program]:
        return {}

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        held = [self._persons.get(delivery.decision.value) for delivery in deliveries]
        return [[Found("1", row)] if row else [] for row in held]

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        outcomes = []
        for delivery in deliveries:
            email = delivery.decision.value
            if email.startswith("refused"):
                outcomes.append(Outcome("failed", failure=Failure("UNKNOWN", "the shelf refuses this person")))
                continue
            new = email not in self._persons
            self._persons[email] = dict(delivery.fields)
            outcomes.append(Outcome("created" if new else "updated", remote_id=email))
        return outcomes


class ShelfPlugin:
    """A plugin as a third party writes it."""

    @hookimpl
    def register_vendors(self) -> list[type[Vendor]]:
        return [Shelf]


def shelf_plugins(**extra: object) -> Plugins:
    """The built-in plugin, the shelf and `extra` ones; nothing that happens to be installed."""
    return plugins.load({"shelf-plugin": ShelfPlugin(), **extra}, installed=False)


def raw_spec(**changes: Any) -> dict[str, Any]:
    """A small integration as it is written down; a key with None is left out."""
    whole: dict[str, Any] = {
        "version": 1,
        "name": "expo",
        "source": {"use": "csv", "path": "leads.csv"},
        "destination": {"use": "shelf"},
        "mapping": {"fields": {"email": "lead.email", "firstName": "lead.first_name", "lastName": "lead.last_name"}},
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def write_spec(folder: Path, file: str = "expo.yaml", **changes: Any) -> Path:
    """Write an integration to a file; JSON is YAML."""
    path = folder / file
    path.write_text(json.dumps(raw_spec(**changes), indent=1), "utf-8")
    return path


def write_csv(path: Path, rows: Iterable[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([header, *rows])
    return path


def open_csv(path: Path, **config: Any) -> CsvSource:
    return CsvSource({"path": str(path), **config}, Context())


def capture(store: Store, spec: specs.Integration, source: Source | Path, now: float = 1_000.0) -> Circumstances:
    """Capture a whole source into the store, as a run of its own does."""
    opened = open_csv(source) if isinstance(source, Path) else source
    try:
        run = store.runs.begin(spec.name, str(spec.path), spec.digest, opened.label, now)
        circumstances = Circumstances(store, run, spec, lambda: now)
        stage = CaptureStage(circumstances, opened)
        while stage.step(flush=True):
            pass
        store.runs.end(run.id, "done", 0, now)
    finally:
        opened.close()
    return circumstances


def run_spec(path: Path, state: Path, loaded: Plugins) -> Summary:
    """Run an integration to its end, in this process."""
    with Store(state) as store:
        return Run(specs.load(path), store, loaded).go()


def all_leads(store: Store) -> list[dict[str, Any]]:
    """Every lead's story, in order of capture."""
    last = store.captures.next_lead_id()
    return [story for number in range(1, last) if (story := store.reports.lead(number))]


def adds_up(totals: Mapping[str, int]) -> bool:
    """Whether every capture is accounted for."""
    parts = ("duplicate", "presync", "cleared", "failed", "ignored", "suppressed")
    return totals["captured"] == sum(totals[part] for part in parts)
