"""engine enrich, and what a run and the doctor say of providers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from engine import hookimpl
from engine.adapters import Enricher, Examined
from engine.asking import Ask, EnrichAnswer, Finding, Price
from engine.cli import build_cli
from engine.errors import CredentialsError
from tests.unit_helpers import Shelf, shelf_plugins, write_csv, write_spec


class Finder(Enricher):
    name = "finder"
    summary = "for tests"
    provides = ("job_title",)
    online = True
    secrets = ("api_key",)
    config_schema: ClassVar[Mapping[str, Any]] = {"type": "object", "properties": {"api_key": {"type": "string"}}}
    refuses: ClassVar[bool] = False

    @property
    def price(self) -> Price:
        return Price(0.1)

    def ask(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> Ask | None:
        return Ask(str(lead["company"]), frozenset(self.provides), most=1.0)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        return EnrichAnswer("hit", {"job_title": Finding("Buyer")}, 1.0)

    def examine(self) -> Sequence[Examined]:
        if self.refuses:
            raise CredentialsError("finder refuses the key", fix="Correct it.")
        return [Examined("signed in", ok=True), Examined("balance", ok=True, detail="93 credits")]


class OwnPlugin:
    @hookimpl
    def register_enrichers(self) -> list[type[Enricher]]:
        return [Finder]


PLUGINS = shelf_plugins(own=OwnPlugin())


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("engine.plugins.load", lambda: PLUGINS)
    monkeypatch.setattr(Finder, "refuses", False)
    monkeypatch.setenv("FINDER_KEY", "finder-key-1")
    Shelf.shelves.clear()
    write_csv(tmp_path / "leads.csv", [("Ada", "Quill", "Fernhill", "ada@f.example"),
                                       ("Bo", "Reed", "Fernhill", "bo@f.example")])  # fmt: skip
    return write_spec(tmp_path, enrichment=[{"use": "finder", "config": {"api_key": {"env": "FINDER_KEY"}}}])


def engine(spec: Path, *words: str) -> Result:
    state = str(spec.with_name("state.db"))
    return CliRunner().invoke(build_cli(), [*words, "--state", state])


def test_a_plan_says_what_a_run_costs_at_most_and_the_run_costs_no_more(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FINDER_KEY")
    told = engine(spec, "enrich", "plan", str(spec))
    assert told.exit_code == 0
    assert "2 rows read, 2 leads to enrich" in told.output and "in all at most 1 call: 0.10 USD" in told.output
    found = json.loads(engine(spec, "enrich", "plan", str(spec), "--json").output)
    assert (found["schema_version"], found["calls"], found["money"]) == (1, 1, {"USD": 0.1})
    assert not spec.with_name("state.db").exists()
    monkeypatch.setenv("FINDER_KEY", "finder-key-1")
    ran = engine(spec, "run", str(spec))
    assert "finder: 1 call, 1 credit, 0.10 USD, 1 answer used again (1 credit, 0.10 USD saved)" in ran.output
    assert "in all at most 0 calls" in engine(spec, "enrich", "plan", str(spec)).output


def test_the_statistics_say_what_each_provider_gave_for_what_it_cost(spec: Path) -> None:
    assert engine(spec, "run", str(spec)).exit_code == 0
    told = engine(spec, "enrich", "stats")
    assert "100%" in told.output and "finder: 1 answer used again, which saved 0.10 USD" in told.output
    found = json.loads(engine(spec, "enrich", "stats", "--json").output)
    (finder,) = found["providers"]
    assert (found["schema_version"], finder["asked"], finder["hits"], finder["hit_share"]) == (1, 1, 1, 1.0)
    assert finder["fields"] == {"job_title": {"values": 2, "cost": 1.0, "amount": 0.1}}
    assert engine(spec, "enrich", "stats", "--run", "nobody").exit_code == 1
    assert engine(spec, "enrich", "stats", "--run", "x", "--all-runs").exit_code == 2


def test_the_doctor_examines_every_provider_of_the_waterfall(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = engine(spec, "doctor", str(spec))
    assert told.exit_code == 0
    assert "finder" in told.output and "93 credits" in told.output
    assert json.loads(engine(spec, "doctor", str(spec), "--json").output)["enrichers"][0]["name"] == "finder"
    monkeypatch.setattr(Finder, "refuses", True)
    refused = engine(spec, "doctor", str(spec))
    assert refused.exit_code == 4 and "fix: Correct it." in refused.output
    monkeypatch.delenv("FINDER_KEY")
    unset = engine(spec, "doctor", str(spec))
    assert unset.exit_code == 2 and "FINDER_KEY" in unset.output
