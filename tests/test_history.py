"""One lead's way in the order of time, and enriching again as an act of a person."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from engine import hookimpl
from engine.adapters import Enricher
from engine.asking import Ask, EnrichAnswer, Finding, Price
from engine.cli import build_cli
from engine.errors import SpecError
from engine.state import Store
from tests.unit_helpers import Shelf, run_spec, shelf_plugins, write_csv, write_spec


class Finder(Enricher):
    """A paid provider that answers what the test tells it to; `asked` counts its calls."""

    name = "finder"
    summary = "Finds."
    provides = ("job_title", "city")
    online: ClassVar[bool] = True
    asked: ClassVar[list[str]] = []
    answers: ClassVar[dict[str, str]] = {}

    @property
    def price(self) -> Price:
        return Price(0.1)

    def ask(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> Ask | None:
        return Ask(str(lead["email"]), frozenset(self.provides), most=1.0)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        self.asked.append(str(lead["email"]))
        found = {name: Finding(value) for name, value in self.answers.items()}
        return EnrichAnswer("hit" if found else "miss", found, 1.0)


class FinderPlugin:
    @hookimpl
    def register_enrichers(self) -> list[type[Enricher]]:
        return [Finder]


PLUGINS = shelf_plugins(finder=FinderPlugin())
FIELDS = {"email": "lead.email", "firstName": "lead.job_title", "lastName": "lead.city"}


def write(folder: Path, mode: str = "manual") -> Path:
    destination = {"use": "shelf", "sync_mode": mode}
    return write_spec(folder, enrichment=[{"use": "finder"}], mapping={"fields": FIELDS}, destination=destination)


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lead that is enriched and held, one that will be refused, and one without an address."""
    monkeypatch.setattr("engine.plugins.load", lambda: PLUGINS)
    monkeypatch.setattr(Finder, "asked", [])
    monkeypatch.setattr(Finder, "answers", {"job_title": "Buyer", "city": "Oslo"})
    Shelf.shelves.clear()
    write_csv(tmp_path / "leads.csv", [("Ada", "Quill", "Fernhill", "ada@f.example"),
                                       ("Bo", "Reed", "Gantry", "refused@g.example")])  # fmt: skip
    path = write(tmp_path)
    assert run_spec(path, tmp_path / "state.db", PLUGINS).totals["frozen"] == 2
    return path


def engine(spec: Path, *words: str) -> Result:
    return CliRunner().invoke(build_cli(), [*words, "--state", str(spec.with_name("state.db"))])


def way(spec: Path, lead: str) -> list[dict[str, Any]]:
    (story,) = json.loads(engine(spec, "reconcile", "show", lead, "--json").output)["leads"]
    found: list[dict[str, Any]] = story["way"]
    return found


def fields(spec: Path, lead: int) -> dict[str, Any]:
    with Store(spec.with_name("state.db")) as store:
        story = store.reports.lead(lead)
        assert story is not None
        return dict(story["fields"])


def test_a_lead_s_way_tells_everything_in_the_order_of_time(spec: Path) -> None:
    assert [event["what"] for event in way(spec, "1")] == ["captured", "enriched", "mapped", "frozen"]
    engine(spec, "reconcile", "fix", "1", "city=Bergen", "--by", "ada")
    engine(spec, "reconcile", "retry")
    engine(spec, "release", "1", "refused@g.example")
    told = way(spec, "1")
    assert [event["what"] for event in told] == [
        "captured", "enriched", "mapped", "frozen", "edited", "mapped", "frozen", "release", "sent"
    ]  # fmt: skip
    assert told == sorted(told, key=lambda event: event["at"])
    assert [event["detail"] for event in told[:2]] == ["leads.csv:2", "finder: city, job_title"]
    assert "city set by ada" in [event["detail"] for event in told]
    assert told[-1]["detail"].startswith("attempt 1, person by email: created, record ada@f.example")
    released = next(event for event in told if event["what"] == "release")
    assert released["detail"].startswith("by ") and "2 named" in released["detail"]
    assert all(event["at"] > 1e9 for event in told)


def test_a_refused_lead_shows_each_attempt_and_when_the_failure_was_over(spec: Path) -> None:
    engine(spec, "release")
    engine(spec, "reconcile", "retry", "--group", "UNKNOWN")
    engine(spec, "release")
    told = way(spec, "2")
    sent = [event["detail"] for event in told if event["what"] == "sent"]
    assert [detail.split(",")[0] for detail in sent] == ["attempt 1", "attempt 2"]
    assert [event["detail"] for event in told if event["what"] == "over"] == ["UNKNOWN"]
    assert "UNKNOWN in sync: the shelf refuses this person" in [event["detail"] for event in told]
    shown = engine(spec, "reconcile", "show", "2").output
    assert shown.index("captured") < shown.index("attempt 1") < shown.index("attempt 2")


def test_enriched_again_what_was_bought_is_used_again(spec: Path) -> None:
    engine(spec, "release")
    assert len(Finder.asked) == 2
    Finder.answers = {"job_title": "Head Buyer", "city": "Oslo"}
    done = engine(spec, "enrich", "again", "ada@f.example", "refused@g.example")
    assert "enriching 2 leads again" in done.output
    assert len(Finder.asked) == 2 and fields(spec, 1)["job_title"] == "Buyer"
    assert any(event["what"] == "enrich" and "again" in event["detail"] for event in way(spec, "1"))


def test_bought_anew_a_better_value_takes_the_place_of_the_old_one_but_never_of_an_edit(spec: Path) -> None:
    engine(spec, "reconcile", "fix", "1", "city=Bergen")
    write(spec.parent, mode="automatic")
    run_spec(spec, spec.with_name("state.db"), PLUGINS)
    Finder.answers = {"job_title": "Head Buyer", "city": "Trondheim"}
    asked = len(Finder.asked)
    assert engine(spec, "enrich", "again", "1", "--fresh").exit_code == 1  # the other lead is refused
    assert Finder.asked[asked:] == ["ada@f.example"]
    assert (fields(spec, 1)["job_title"], fields(spec, 1)["city"]) == ("Head Buyer", "Bergen")
    assert Shelf.shelves["shelf"]["ada@f.example"]["firstName"] == "Head Buyer", "it is delivered"
    with Store(spec.with_name("state.db")) as store:
        story = store.reports.lead(1)
        assert story is not None
        assert [(each["field"], each["value"]) for each in story["values"] if each["field"] == "job_title"] == [
            ("job_title", "Head Buyer")
        ]


def test_what_is_not_found_anew_stays_and_is_asked_for_once(spec: Path) -> None:
    Finder.answers = {}
    engine(spec, "enrich", "again", "--where", "lead.last_name == 'Quill'", "--fresh")
    assert len(Finder.asked) == 3
    assert (fields(spec, 1)["job_title"], fields(spec, 1)["city"]) == ("Buyer", "Oslo")
    run_spec(spec, spec.with_name("state.db"), PLUGINS)
    assert len(Finder.asked) == 3


def test_enriching_again_is_refused_where_it_means_nothing(spec: Path) -> None:
    assert engine(spec, "enrich", "again").exit_code == 2
    dry = engine(spec, "enrich", "again", "1", "2", "--dry-run")
    assert "2 leads would be enriched again; nothing was done" in dry.output
    with Store(spec.with_name("state.db")) as store:
        assert store.queue.counts(1) == {"frozen": 2}
    engine(spec, "reconcile", "ignore", "1")
    write_spec(spec.parent)
    refused = engine(spec, "enrich", "again", "1").exception
    assert isinstance(refused, SpecError) and "enriches nothing" in refused.what
