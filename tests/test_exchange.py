"""engine reconcile export and import: failed leads go to a spreadsheet and come back corrected."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from engine.cli import build_cli
from engine.errors import SpecError
from engine.exchange import guarded, unguarded
from engine.state import Store
from tests.unit_helpers import Shelf, run_spec, shelf_plugins, write_csv, write_spec

PLUGINS = shelf_plugins()
Table = list[dict[str, str]]


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An integration that has run: one lead cleared, three without a company failed."""
    monkeypatch.setattr("engine.plugins.load", lambda: PLUGINS)
    Shelf.shelves.clear()
    header = ("First Name", "Last Name", "Company", "Email", "Phone", "Job Title", "Type", "Key")
    people = [("Ada", "Quill", "Fernhill", "ada@f.example", "", "", "Hot", ""),
              ("Bo", "Reed", "", "bo@g.example", "+47 22 33", "Buyer", "Hot", "k1"),
              ("Cy", "Vale", "", "cy@h.example", "@home", '=HYPERLINK("x")', "Warm", ""),
              ("Di", "Wren", "", "di@i.example", "'=1", "Head\nof it", "Cold", "")]  # fmt: skip
    write_csv(tmp_path / "leads.csv", people, header)
    source = {"use": "csv", "path": "leads.csv", "columns": {"Key": "key"}, "qualifiers": {"Lead Type": "Type"},
              "event": "Expo 2026"}  # fmt: skip
    path = write_spec(tmp_path, source=source)
    assert run_spec(path, tmp_path / "state.db", PLUGINS).totals["failed"] == 3
    return path


def engine(spec: Path, *words: str) -> Result:
    return CliRunner().invoke(build_cli(), ["reconcile", *words, "--state", str(spec.with_name("state.db"))])


def exported(spec: Path, *words: str) -> Table:
    done = engine(spec, "export", *words)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("\ufeff"), "a spreadsheet needs the mark to read UTF-8"
    return list(csv.DictReader(io.StringIO(done.stdout.removeprefix("\ufeff"), newline="")))


def corrected(spec: Path, change: Callable[[Table], Any], *, delimiter: str = ",", encoding: str = "utf-8-sig") -> Path:
    """The file as somebody saves it who has changed the exported table."""
    table = exported(spec)
    change(table)
    path = spec.with_name("corrected.csv")
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in table for name in row)), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(table)
    return path


def fields(spec: Path, lead: int) -> Mapping[str, Any]:
    with Store(spec.with_name("state.db")) as store:
        story = store.reports.lead(lead)
        assert story is not None
        return {**story["fields"], "status": story["status"]}


def edits(spec: Path) -> int:
    with Store(spec.with_name("state.db")) as store:
        return sum(len((store.reports.lead(lead) or {})["edits"]) for lead in (1, 2, 3, 4))


def test_failed_leads_come_with_reason_fields_and_answers_and_safe_cells(spec: Path) -> None:
    table = exported(spec)
    first = table[0]
    assert [row["lead"] for row in table] == ["2", "3", "4"]
    assert (first["code"], first["who"], first["company"]) == ("MISSING_REQUIRED_VALUE", "you: data", "")
    assert first["message"] and first["key"] == "email:bo@g.example" and first["answer: Lead Type"] == "Hot"
    assert first["lead.key"] == "k1", "a field of one's own that is called like a column of the table"
    assert first["phone"] == "'+47 22 33" and table[1]["phone"] == "'@home" and table[2]["phone"] == "''=1"
    assert table[1]["job_title"].startswith("'=") and table[2]["job_title"] == "Head\nof it"
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in table for cell in row.values())


def test_a_selection_is_exported_to_a_file_of_ones_own(spec: Path) -> None:
    assert [row["lead"] for row in exported(spec, "--where", "qualifiers['Lead Type'] == 'Warm'")] == ["3"]
    assert [row["lead"] for row in exported(spec, "bo@g.example", "--event", "Expo 2026")] == ["2"]
    path = spec.with_name("out.jsonl")
    done = engine(spec, "export", "--format", "jsonl", "--output", str(path))
    assert done.exit_code == 0 and path.stat().st_mode & 0o777 == 0o600
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert rows[1]["fields"]["job_title"] == '=HYPERLINK("x")' and rows[1]["answers"] == {"Lead Type": "Warm"}
    assert engine(spec, "ignore", "2").exit_code == 0
    assert [row["lead"] for row in exported(spec, "--ignored")] == ["2"]


def test_corrected_cells_are_shown_and_then_made_and_nothing_else(spec: Path) -> None:
    def change(table: Table) -> None:
        table[0]["company"], table[0]["phone"] = "Gantry Works", "'+47 44 55"
        table[1]["company"] = "Kestrel "

    path = corrected(spec, change)
    shown = engine(spec, "import", str(path))
    assert shown.exit_code == 0 and edits(spec) == 0
    assert "Gantry Works" in shown.output and "3 changes in 2 leads" in shown.output
    assert "1 lead unchanged" in shown.output and "nothing was changed" in shown.output
    done = engine(spec, "import", str(path), "--yes", "--by", "ada")
    assert done.exit_code == 0 and "engine reconcile retry" in done.output and edits(spec) == 3
    assert (fields(spec, 2)["phone"], fields(spec, 3)["company"]) == ("+47 44 55", "Kestrel")
    assert fields(spec, 2)["status"] == "captured" and fields(spec, 4)["status"] == "failed"
    assert run_spec(spec, spec.with_name("state.db"), PLUGINS).totals["cleared"] == 3
    with Store(spec.with_name("state.db")) as store:
        assert [(act["what"], act["by"]) for act in store.actions.of_lead(2)] == [("edit", "ada")]


def test_a_table_that_nobody_changed_changes_nothing_whatever_the_program_made_of_it(spec: Path) -> None:
    def change(table: Table) -> None:
        for row in table:
            row["job_title"] = row["job_title"].replace("\n", "\r\n")

    for settings in ({}, {"delimiter": ";", "encoding": "cp1252"}, {"delimiter": "\t", "encoding": "utf-16"}):
        done = engine(spec, "import", str(corrected(spec, change, **settings)), "--yes")
        assert done.exit_code == 0 and "nothing would change" in done.output, settings
    assert edits(spec) == 0


def test_an_emptied_cell_clears_only_where_that_is_said(spec: Path) -> None:
    def change(table: Table) -> None:
        table[0]["phone"] = ""

    path = corrected(spec, change)
    assert "1 emptied cell left alone" in engine(spec, "import", str(path), "--yes").output and edits(spec) == 0
    assert engine(spec, "import", str(path), "--yes", "--clear-empty").exit_code == 0
    assert "phone" not in fields(spec, 2) and edits(spec) == 1


def test_lines_that_cannot_be_meant_are_told_and_left(spec: Path) -> None:
    def change(table: Table) -> None:
        for row in table:
            row["company"], row["Job Titel"] = "Gantry", ""
        table[1]["answer: Lead Type"] = "Hot"
        table.append({**table[0], "company": "Twice"})
        table.append({**table[0], "lead": "99"})
        table.append({**table[0], "lead": "two"})

    path = corrected(spec, change)
    assert engine(spec, "fix", "4", "city=Oslo").exit_code == 0
    done = engine(spec, "import", str(path), "--yes")
    assert done.exit_code == 0 and "2 leads corrected" in done.output
    for said in ("corrected.csv:1: there is no lead field 'Job Titel'", "lead 4 has changed since the export",
                 "corrected.csv:3: lead 3: answers are not corrected by hand", "lead 2 stands in line 2 already",
                 "there is no lead 99", "there is no lead two"):  # fmt: skip
        assert said in done.output, said
    assert fields(spec, 2)["company"] == "Gantry" and "company" not in fields(spec, 4)


def test_a_lead_that_was_sent_meanwhile_is_left(spec: Path) -> None:
    def change(table: Table) -> None:
        table[0]["company"] = "Late Ltd"

    path = corrected(spec, change)
    assert engine(spec, "fix", "2", "company=Early Ltd").exit_code == 0
    run_spec(spec, spec.with_name("state.db"), PLUGINS)
    told = json.loads(engine(spec, "import", str(path), "--yes", "--json").stdout)
    assert (told["leads"], [each["why"] for each in told["left"]]) == ([], ["lead 2 has changed since the export"])
    assert fields(spec, 2)["company"] == "Early Ltd"


def test_a_file_that_is_no_such_table_is_refused(spec: Path) -> None:
    refused = engine(spec, "import", str(spec.with_name("leads.csv"))).exception
    assert isinstance(refused, SpecError) and "engine reconcile export" in refused.fix
    assert isinstance(engine(spec, "import", str(spec.with_name("nothing.csv"))).exception, SpecError)


@given(st.text(st.sampled_from("'=+-@\t\r\n ax1"), max_size=6))
def test_a_guarded_cell_is_no_formula_and_comes_back_as_it_was(cell: str) -> None:
    assert not guarded(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unguarded(guarded(cell)) == cell
