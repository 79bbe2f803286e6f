"""What several test files share: a spec on disk, a vendor that keeps what it is given, and a capture on a store."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from engine import hookimpl, plugins, specs
from engine.adapters import Bulk, Config, Context, ImportState, Source, Vendor
from engine.errors import RetryLater
from engine.limits import Limits
from engine.plugins import Plugins
from engine.records import Delivery, Failure, Field, Found, Member, Membership, Outcome, Program
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


class ShelfBulk(Bulk):
    """The shelf's import: a file is on the shelf once `polls` questions after it were answered.

    `answers`: what the next submissions raise instead of giving a ticket, `taken_all_the_same` although the file was
    taken over. `verdicts`: what becomes of single rows, by email. `fails`: imports end without any effect. An import
    ends after `settle_after` seconds at the latest. A key in two imports at once is an error; more imports than
    `places` are `refused`.
    """

    def __init__(self, persons: dict[str, dict[str, Any]], members: dict[tuple[str, str], str]) -> None:
        self.persons = persons
        self.members = members
        self.places = 2
        self.poll_after = 10.0
        self.settle_after = 600.0
        self.capacity = 100
        self.polls = 1
        self.answers: list[Exception] = []
        self.taken_all_the_same = False
        self.verdicts: dict[str, Outcome] = {}
        self.fails = False
        self.files: dict[str, tuple[list[Delivery], list[Membership]]] = {}
        self.questions: dict[str, int] = {}
        self.ended: set[str] = set()
        self.refused = 0
        self.clock: Callable[[], float] = lambda: 0.0
        self._taken_at: dict[str, float] = {}
        self._reports: dict[str, dict[str, Outcome]] = {}

    @property
    def running(self) -> set[str]:
        """The emails in imports under way."""
        self._end_overdue()
        return {
            delivery.decision.value
            for ticket, (deliveries, _) in self.files.items()
            if ticket not in self.ended
            for delivery in deliveries
        }

    def _end_overdue(self) -> None:
        for ticket, taken_at in self._taken_at.items():
            if ticket not in self.ended and self.clock() >= taken_at + self.settle_after:
                self.end(ticket)

    def takes(self, delivery: Delivery) -> bool:
        return delivery.decision.by == "email" and not delivery.decision.value.startswith("plain")

    def fits(self, deliveries: Sequence[Delivery], places: Sequence[Membership] = ()) -> int:
        return min(self.capacity, len(deliveries))

    def submit(self, deliveries: Sequence[Delivery]) -> str:
        return self._submit(deliveries, [])

    def submit_members(self, deliveries: Sequence[Delivery], places: Sequence[Membership]) -> str:
        assert len({(place.target, place.status) for place in places}) == 1
        assert len(places) == len(deliveries)
        return self._submit(deliveries, list(places))

    def _submit(self, deliveries: Sequence[Delivery], places: list[Membership]) -> str:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None and not self.taken_all_the_same:
            raise answer
        emails = [delivery.decision.value for delivery in deliveries]
        assert len(set(emails)) == len(emails), "a key stands in a file twice"
        assert self.running.isdisjoint(emails), "a key is in two imports"
        if len(self.files) - len(self.ended) >= self.places:
            self.refused += 1
            raise RetryLater("too many imports", after=30.0)
        ticket = f"t{len(self.files) + 1}"
        self._taken_at[ticket] = self.clock()
        self.files[ticket] = (list(deliveries), places)
        if answer is not None:
            raise answer
        return ticket

    def state(self, ticket: str) -> ImportState:
        self._end_overdue()
        self.questions[ticket] = self.questions.get(ticket, 0) + 1
        if ticket not in self.ended and self.questions[ticket] > self.polls:
            self.end(ticket)
        if ticket not in self.ended:
            return "running"
        return "failed" if self.fails else "done"

    def end(self, ticket: str) -> None:
        """Let an import take effect."""
        deliveries, places = self.files[ticket]
        self.ended.add(ticket)
        self._reports[ticket] = dict(self.verdicts)
        for index, delivery in enumerate(deliveries):
            email = delivery.decision.value
            if self.fails or email in self.verdicts:
                continue
            if places:
                self.members[email, places[index].target] = places[index].status
            else:
                self.persons[email] = dict(delivery.fields)

    def collect(self, ticket: str, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        assert [each.lead_id for each in deliveries] == [each.lead_id for each in self.files[ticket][0]]
        if self.fails:
            return [Outcome("later", answer="the import failed")] * len(deliveries)
        return [self._reports[ticket].get(delivery.decision.value, Outcome("updated")) for delivery in deliveries]


class Depot(Shelf):
    """A shelf with programs, lists and an import. `calls` are its ordinary calls: what was done, and for whom."""

    name = "depot"
    summary = "Keeps persons in memory, and imports files."
    has_lists: ClassVar[bool] = True

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.persons = self._persons
        self.members: dict[tuple[str, str], str] = {}
        self.calls: list[tuple[str, list[str]]] = []
        self._bulk = ShelfBulk(self.persons, self.members)

    @property
    def bulk(self) -> ShelfBulk:
        return self._bulk

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        emails = [delivery.decision.value for delivery in deliveries]
        self.calls.append(("look_up", emails))
        return [[Found(email, self.persons[email])] if email in self.persons else [] for email in emails]

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        emails = [delivery.decision.value for delivery in deliveries]
        self.calls.append(("sync", emails))
        assert self.bulk.running.isdisjoint(emails), "a key is in a call and in an import"
        return super().sync(deliveries)

    def enroll(self, program_id: str, status: str, members: Sequence[Member]) -> Sequence[Outcome]:
        self.calls.append(("enroll", [member.remote_id for member in members]))
        self.members.update({(member.remote_id, program_id): status for member in members})
        return [Outcome("updated", remote_id=member.remote_id) for member in members]

    def add_to_list(self, list_id: str, remote_ids: Sequence[str]) -> Sequence[Outcome]:
        self.calls.append(("add_to_list", list(remote_ids)))
        self.members.update({(remote_id, list_id): "" for remote_id in remote_ids})
        return [Outcome("updated", remote_id=remote_id) for remote_id in remote_ids]
