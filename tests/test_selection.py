"""Which leads are meant: by name, group, event and expression, the same for every command, and what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.cli import build_cli
from engine.cli import selection as options
from engine.errors import SpecError
from engine.selection import Selection, selected
from engine.state import Store
from tests.unit_helpers import Shelf, run_spec, shelf_plugins, write_csv, write_spec

PLUGINS = shelf_plugins()
HEADER = ("First Name", "Last Name", "Company", "Email", "Country", "Event", "Interest")
ROWS = [
    ("Ada", "Quill", "Fernhill", "ada@f.example", "Norway", "Expo", "Hot"),
    ("Bo", "Reed", "", "bo@g.example", "Norway", "Expo", "Hot"),
    ("Cy", "Moss", "", "cy@h.example", "Sweden", "Fair", "Cold"),
    ("Di", "Holt", "Gantry", "refused@i.example", "Norway", "Fair", "Cold"),
]


def write(folder: Path, mode: str = "automatic") -> Path:
    qualifiers = {"Lead Type": {"column": "Interest"}}
    return write_spec(
        folder, required=["company"], source={"use": "csv", "path": "leads.csv", "qualifiers": qualifiers},
        destination={"use": "shelf", "sync_mode": mode},
    )  # fmt: skip


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One lead cleared, two without a company, one refused by the vendor; two events, two countries."""
    monkeypatch.setattr("engine.plugins.load", lambda: PLUGINS)
    Shelf.shelves.clear()
    write_csv(tmp_path / "leads.csv", ROWS, HEADER)
    path = write(tmp_path)
    assert run_spec(path, tmp_path / "state.db", PLUGINS).totals["failed"] == 3
    return path


def engine(spec: Path, *words: str) -> Result:
    return CliRunner().invoke(build_cli(), [*words, "--state", str(spec.with_name("state.db"))])


def meant(spec: Path, statuses: tuple[str, ...] = ("failed",), **said: Any) -> list[int]:
    with Store(spec.with_name("state.db")) as store:
        return selected(store, "expo", Selection(**said), statuses)


def acts(spec: Path) -> list[tuple[Any, ...]]:
    with Store(spec.with_name("state.db")) as store:
        return store.database.rows("SELECT lead_id, what, detail FROM actions WHERE lead_id IS NOT NULL ORDER BY id")


@pytest.mark.parametrize(
    ("said", "leads"),
    [
        ({}, [2, 3, 4]),
        ({"leads": ("2", "email:cy@h.example")}, [2, 3]),
        ({"leads": ("CY@h.example", "1")}, [3]),  # the first has not failed
        ({"group": "MISSING_REQUIRED_VALUE"}, [2, 3]),
        ({"event": "fair"}, [3, 4]),
        ({"where": "lead.country == 'Norway'"}, [2, 4]),
        ({"where": "qualifiers['Lead Type'] == 'Hot' and not lead.company"}, [2]),
        ({"where": "lead.scans > 1"}, []),
        ({"group": "MISSING_REQUIRED_VALUE", "event": "Fair", "where": "lead.last_name == 'Moss'"}, [3]),
        ({"leads": ("2", "3"), "event": "Expo"}, [2]),
    ],
)
def test_everything_that_is_said_narrows_what_is_meant(spec: Path, said: dict[str, Any], leads: list[int]) -> None:
    assert meant(spec, **said) == leads


def test_other_statuses_are_chosen_in_the_same_way(spec: Path) -> None:
    assert meant(spec, ("cleared",), where="lead.country == 'Norway'") == [1]
    assert meant(spec, ("cleared", "failed"), event="Expo") == [1, 2]
    assert meant(spec, ("frozen", "presync")) == []


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ({"group": "MISSING_REQUIRED"}, "'MISSING_REQUIRED_VALUE'"),
        ({"event": "Exop"}, "'Expo'"),
        ({"where": "lead.contry == 'Norway'"}, "'country'"),
        ({"where": "qualifiers['Lead Typ'] == 'Hot'"}, "'Lead Type'"),
        ({"where": "lead.country =="}, ""),
        ({"leads": ("nobody@x.example",)}, "number, address or key"),
        ({"leads": ("1",)}, "reconcile show"),
    ],
)
def test_a_slip_is_refused_with_what_was_meant(spec: Path, said: dict[str, Any], fix: str) -> None:
    with pytest.raises(SpecError) as refused:
        meant(spec, **said)
    assert fix in refused.value.fix


def test_an_expression_that_breaks_on_a_lead_names_it(spec: Path) -> None:
    with pytest.raises(SpecError, match="lead 2"):
        meant(spec, where="lead.company > 3")


def test_the_list_shows_whom_the_options_mean(spec: Path) -> None:
    shown = engine(spec, "reconcile", "list", "--where", "lead.country == 'Norway'")
    assert "bo@g.example" in shown.output and "cy@h.example" not in shown.output
    flat = engine(spec, "reconcile", "list", "--leads", "--json")
    assert [lead["lead"] for lead in json.loads(flat.output)["leads"]] == [2, 3, 4]


def test_a_dry_run_says_how_many_of_which_group_and_does_nothing(spec: Path) -> None:
    told = engine(spec, "reconcile", "retry", "--where", "lead.country == 'Norway'", "--dry-run")
    assert told.exit_code == 0
    assert "1  MISSING_REQUIRED_VALUE" in told.output and "1  UNKNOWN" in told.output
    assert "2 leads would be tried again; nothing was done" in told.output
    counted = json.loads(engine(spec, "reconcile", "retry", "--dry-run", "--json").output)
    assert counted["codes"] == {"MISSING_REQUIRED_VALUE": 2, "UNKNOWN": 1}
    assert acts(spec) == [] and meant(spec) == [2, 3, 4]


def test_who_did_what_is_recorded_without_naming_anybody(spec: Path) -> None:
    engine(spec, "reconcile", "ignore", "cy@h.example", "--reason", "left the company")
    engine(spec, "reconcile", "ignore", "cy@h.example", "--undo")
    engine(spec, "reconcile", "fix", "bo@g.example", "company=Reed Works")
    engine(spec, "reconcile", "retry", "--group", "UNKNOWN", "--event", "Fair")
    assert acts(spec) == [
        (3, "ignore", "left the company"), (3, "unignore", ""), (2, "edit", "company"),
        (4, "retry", "group UNKNOWN, event Fair"),
    ]  # fmt: skip
    with Store(spec.with_name("state.db")) as store:
        assert all(by and at for by, at in store.database.rows("SELECT by, at FROM actions"))


def test_frozen_leads_are_released_by_expression(spec: Path) -> None:
    write(spec.parent, mode="manual")
    rows = [(f"P{number}", "Q", "Firm", f"p{number}@z.example", country, "Expo", "Hot")
            for number, country in enumerate(["Norway", "Sweden", "Norway"])]  # fmt: skip
    write_csv(spec.with_name("leads.csv"), rows, HEADER)
    run_spec(spec, spec.with_name("state.db"), PLUGINS)
    assert meant(spec, ("frozen",)) == [5, 6, 7]
    done = engine(spec, "release", "--where", "lead.country == 'Norway'", "--event", "Expo")
    assert "2 leads released" in done.output
    assert meant(spec, ("frozen",)) == [6]
    assert [act for act in acts(spec) if act[1] == "release"] == [
        (5, "release", "event Expo, an expression"), (7, "release", "event Expo, an expression")
    ]  # fmt: skip
    assert isinstance(engine(spec, "release", "--where", "lead.country == 'Norway'").exception, SpecError)


def test_turning_to_automatic_is_on_record_as_a_release(spec: Path) -> None:
    write(spec.parent, mode="manual")
    write_csv(spec.with_name("leads.csv"), [("P", "Q", "Firm", "p@z.example", "Norway", "Expo", "Hot")], HEADER)
    run_spec(spec, spec.with_name("state.db"), PLUGINS)
    write(spec.parent)
    # Another spec maps frozen leads anew: they are mapped in the mode that it has.
    run_spec(spec, spec.with_name("state.db"), PLUGINS)
    told = json.loads(engine(spec, "status", "--json").output)
    assert [act["detail"] for act in told["acts"]] == ["automatic", "manual", "automatic"]
    assert "sync mode automatic since" in engine(spec, "status").output


@pytest.mark.parametrize("answer", ["n\n", "y\n"])
def test_many_leads_are_asked_about_on_a_terminal(spec: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(options, "MANY", 2)
    monkeypatch.setattr(options, "on_terminal", lambda: True)
    state = str(spec.with_name("state.db"))
    asked = CliRunner().invoke(build_cli(), ["reconcile", "retry", "--state", state], input=answer)
    assert "try again 3 leads?" in asked.output
    assert bool(acts(spec)) == (answer == "y\n")
    monkeypatch.setattr(options, "on_terminal", lambda: False)
    assert "try again 3 leads?" not in engine(spec, "reconcile", "retry").output
