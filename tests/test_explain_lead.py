"""engine explain LEAD: from the captured cell to the vendor's field, with all that happened in between."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine import hookimpl
from engine.adapters import Enricher
from engine.asking import Ask, EnrichAnswer, Finding, Price
from engine.cli import build_cli
from engine.errors import SpecError
from engine.redaction import remember_secret
from engine.state import Store
from tests.unit_helpers import Shelf, run_spec, shelf_plugins, write_csv, write_spec


class Tidy(Enricher):
    name = "tidy"
    summary = "for tests"
    provides = ("first_name",)
    rewrites = True

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        return EnrichAnswer("hit", {"first_name": Finding(str(lead["first_name"]).title())})


class Finder(Enricher):
    """Knows the address of a company's people, and what it says of their town is not sure."""

    name = "finder"
    summary = "for tests"
    provides = ("email", "city")
    online = True
    price = Price(0.25, "EUR")  # type: ignore[assignment]

    def ask(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> Ask | None:
        return Ask(str(lead["company"]), frozenset(self.provides), most=1.0)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        found = {"email": Finding("team@f.example", 0.9, "valid", "person.work_email"), "city": Finding("Oslo", 0.2)}
        return EnrichAnswer("hit", found, 1.0, "matched with hunter2-secret")


class OwnPlugin:
    @hookimpl
    def register_enrichers(self) -> list[type[Enricher]]:
        return [Tidy, Finder]


PLUGINS = shelf_plugins(own=OwnPlugin())


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state where two leads of one company were enriched by one call, and delivered."""
    monkeypatch.setattr("engine.plugins.load", lambda: PLUGINS)
    remember_secret("hunter2-secret")
    Shelf.shelves.clear()
    write_csv(tmp_path / "leads.csv", [("ada", "Quill", "Fernhill", ""), ("Bo", "Reed", "Fernhill", "")])
    spec = write_spec(tmp_path, enrichment=[{"use": "tidy"}, {"use": "finder", "min_confidence": 0.5}], mapping={
        "fields": {"email": "lead.email", "firstName": "lead.first_name | upper", "company": "'Fernhill Ltd'"},
    })  # fmt: skip
    run_spec(spec, tmp_path / "state.db", PLUGINS)
    yield tmp_path / "state.db"


def explain(state: Path, *words: str) -> Result:
    return CliRunner().invoke(build_cli(), ["explain", *words, "--state", str(state)])


def way(state: Path, lead: str, field: str) -> dict[str, Any]:
    (found,) = json.loads(explain(state, lead, "--json").output)["leads"]
    return next(each for each in found["fields"] if each["field"] == field)


def test_a_value_is_followed_from_its_cell_to_the_vendors_field(state: Path) -> None:
    name = way(state, "1", "first_name")
    (cell,) = name["captured"]
    assert (cell["source"], cell["line"], cell["column"], cell["raw"]) == ("leads.csv", 2, "First Name", "ada")
    assert [(each["by"], each["from"], each["to"]) for each in name["normalised"]] == [("tidy", "ada", "Ada")]
    assert [(each["field"], each["value"]) for each in name["vendor"]] == [("firstName", "ADA")]
    told = explain(state, "1").output
    for line in ("leads.csv:2, column First Name: 'ada'", "by tidy: 'ada' became 'Ada'", "firstName = 'ADA'",
                 "  company          Fernhill Ltd"):  # fmt: skip
        assert line in told


def test_a_found_value_tells_its_provider_and_its_call_and_what_was_rejected_tells_why(state: Path) -> None:
    (found,) = way(state, "2", "email")["found"]
    assert (found["provider"], found["confidence"], found["status"], found["path"]) == (
        "finder", 0.9, "valid", "person.work_email",
    )  # fmt: skip
    assert (found["call"]["lead"], found["call"]["leads"], found["call"]["amount"], found["call"]["currency"]) == (
        1, 2, 0.25, "EUR",
    )  # fmt: skip
    (rejected,) = way(state, "2", "city")["rejected"]
    assert (rejected["value"], rejected["reason"]) == ("Oslo", "confidence 0.20 is below 0.50")
    told = " ".join(explain(state, "2").output.split())
    for text in ("1 credit, 0.25 EUR, bought for lead 1 and used for 2 leads", "'Oslo' of finder (confidence 0.20)",
                 "person updated by email, record team@f.example"):  # fmt: skip
        assert text in told


def test_edits_are_told_with_who_and_when(state: Path) -> None:
    for value in ("Bergen", "Tromsø"):
        done = CliRunner().invoke(build_cli(), ["reconcile", "fix", "1", f"city={value}", "--by", "bo",
                                                "--state", str(state)])  # fmt: skip
        assert done.exit_code == 0
    assert [(each["value"], each["by"]) for each in way(state, "1", "city")["edits"]] == [
        ("Bergen", "bo"), ("Tromsø", "bo"),
    ]  # fmt: skip
    assert "set to 'Tromsø' by bo" in explain(state, "1").output


def test_it_can_be_read_on_100_columns_and_shows_no_secret(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    told = explain(state, "2").output
    assert max(map(len, told.splitlines())) <= 100
    assert "hunter2" not in told + explain(state, "2", "--json").output


def test_without_its_spec_the_values_are_shown_and_where_they_came_from_is_not(state: Path) -> None:
    state.with_name("expo.yaml").unlink()
    told = explain(state, "1").output
    assert "the spec cannot be read any more" in told and "firstName" in told
    assert way(state, "1", "first_name")["captured"][0]["column"] == "First Name", "recognised by its name"


def test_a_word_that_is_neither_is_said_to_be_so_and_a_code_is_still_a_code(state: Path) -> None:
    assert "Typical causes" in explain(state, "NO_TAG_MAPPING").output
    assert json.loads(explain(state, "NO_TAG_MAPPING", "--json").output)["pages"][0]["name"] == "NO_TAG_MAPPING"
    slip = explain(state, "NO_TAG_MAPING").exception
    assert isinstance(slip, SpecError) and slip.fix == "Did you mean 'NO_TAG_MAPPING'?"
    neither = explain(state, "nobody").exception
    assert isinstance(neither, SpecError) and "no code and no lead" in neither.what
    nobody = explain(state, "nobody@x.example").exception
    assert isinstance(nobody, SpecError) and nobody.what == "there is no lead 'nobody@x.example'"
    assert "--integration" in nobody.fix, "it may be a lead of another integration"
    assert isinstance(explain(state, "NO_TAG_MAPPING", "--lead").exception, SpecError)


def test_a_state_on_which_nothing_ran_has_no_leads(tmp_path: Path) -> None:
    Store(tmp_path / "state.db").close()
    assert "no code" in str(explain(tmp_path / "state.db", "qqq").exception)
