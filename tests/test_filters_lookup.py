"""Lookup tables: what is read of a CSV file, what is wrong with one and where, and that a run uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine import check, specs
from engine.check_files import check_paths, place_of
from engine.errors import Place, SpecError
from engine.filters import MAX_TEXT
from engine.plugins import Plugins
from engine.specs import TableRow
from engine.state import Store
from engine.tables import MAX_BYTES, MAX_ROWS, read
from tests.unit_helpers import run_spec, shelf_plugins, write_csv, write_spec

WHERE = Place("expo.yaml", 9, 5)


@pytest.fixture(scope="module")
def installed() -> Plugins:
    return shelf_plugins()


def table(folder: Path, content: str | bytes, **row: str) -> dict[str, str]:
    path = folder / "regions.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return dict(read(path, TableRow("regions.csv", **row), WHERE))


@pytest.mark.parametrize(
    ("content", "row"),
    [
        ("Country,Region\nNorway,EMEA\nJapan,APAC\n", {}),
        ("\ufeffCountry;Region\r\nNorway;EMEA\r\n\r\n; \r\nJapan;APAC", {}),
        ("Country\tRegion\nNorway\tEMEA\nJapan\tAPAC\n", {}),
        ('\n"Country, or land";Region\nNorway;EMEA\nJapan;APAC\n', {}),
        ("Country,Region\n NORWAY ,EMEA \nnorway,EMEA\nＪａｐａｎ,APAC\n", {}),
        ("Code,Region,Country\nNO,EMEA,Norway\nJP,APAC,Japan\n", {"key": "Country", "value": "Region"}),
        ("Code,Region,Country,\nNO,EMEA,Norway,\nJP,APAC,Japan,,\n", {"key": "Country"}),
    ],
)
def test_a_table_is_read_however_it_was_saved(tmp_path: Path, content: str, row: dict[str, str]) -> None:
    assert table(tmp_path, content, **row) == {"norway": "EMEA", "japan": "APAC"}


def test_a_value_may_hold_lines_quotes_and_delimiters(tmp_path: Path) -> None:
    found = table(tmp_path, 'Key,Value\na,"x, ""y""\nz"\nb,\nc\n')
    assert found == {"a": 'x, "y"\nz', "b": "", "c": ""}


@pytest.mark.parametrize(
    ("content", "row", "line", "problem"),
    [
        ("K,V\na,1\n\nA ,2\n", {}, 4, "'A' stands for '1' in line 2 and for '2' here"),
        ('K,V\n"a\nb",1\na b,2\n', {}, 4, "in line 2 and for '2' here"),
        ("K,V\n,1\n", {}, 2, "the row has no key"),
        ("K,V\na,1,2\n", {}, 2, "the row has 3 cells, and the header 2"),
        ('K,V\nb,2\na,"1\n', {}, 3, "the row cannot be read"),
        ('K,V\na,"1"x\n', {}, 2, "the row cannot be read"),
        ("K,V\na," + "x" * (MAX_TEXT + 1), {}, 2, "the value is too long"),
        (b"K,V\na,1\nb,\xe5\n", {}, 3, "not UTF-8"),
        ("K,V\n".encode("utf-16"), {}, 1, "not UTF-8"),
        ("K|V\na|1\n", {}, 1, "has one column"),
        ("", {}, 0, "is empty"),
        ("\n , \n", {}, 0, "is empty"),
        ("K,V\n" + "a,1\n" * (MAX_ROWS + 1), {}, MAX_ROWS + 2, "may have 100000 rows"),
        ("K,V\n" + "a,1\n" * (MAX_BYTES // 4), {}, 0, f"may have {MAX_BYTES} bytes"),
        ("Country,Region\n", {"key": "Contry"}, None, "has no column 'Contry'"),
        ("Country,Region\n", {"key": "Region"}, None, "would both come from the column 'Region'"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_at_its_place(
    tmp_path: Path, content: str | bytes, row: dict[str, str], line: int | None, problem: str
) -> None:
    with pytest.raises(SpecError, match=problem) as caught:
        table(tmp_path, content, **row)
    assert caught.value.where == (WHERE if line is None else Place(str(tmp_path / "regions.csv"), line))
    assert (caught.value.code, bool(caught.value.fix)) == ("unknown-table", True)


def spec_with(folder: Path, file: str, **fields: Any) -> Path:
    rows = {"email": "lead.email", "company": "lead.company | lookup('regions', 'Other')", **fields}
    return write_spec(folder, mapping={"fields": rows, "tables": {"regions": file}})


def test_a_run_looks_values_up(tmp_path: Path, installed: Plugins) -> None:
    (tmp_path / "regions.csv").write_text("Company,Region\nFernhill Ltd,EMEA\n", "utf-8")
    spec = spec_with(tmp_path, "regions.csv")
    write_csv(
        tmp_path / "leads.csv", [("A", "B", "FERNHILL  Ltd", "a@x.example"), ("C", "D", "Kestrel", "c@x.example")]
    )
    (made := installed.vendors["shelf"].shelves.setdefault("shelf", {})).clear()  # type: ignore[attr-defined]
    assert run_spec(spec, tmp_path / "state.db", installed).totals["cleared"] == 2
    assert {email: row["company"] for email, row in made.items()} == {"a@x.example": "EMEA", "c@x.example": "Other"}
    before = specs.load(spec).digest
    (tmp_path / "regions.csv").write_text("Company,Region\nFernhill Ltd,Europe\n", "utf-8")
    assert specs.load(spec).digest != before, "another table is another spec"


@pytest.mark.parametrize(
    ("file", "content", "at"),
    [("regions.csv", None, "expo.yaml"), ("regions.csv", "K,V\na,1\na,2\n", "regions.csv"), (".", None, "expo.yaml"),
     ("/dev/zero", None, "expo.yaml")],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_one_finding(
    tmp_path: Path, installed: Plugins, file: str, content: str | None, at: str
) -> None:
    if content:
        (tmp_path / file).write_text(content, "utf-8")
    spec = spec_with(tmp_path, file, lastName="'x' | lookup('regions')", firstName="lead.first_name")
    (finding,) = check.check(specs.load(spec), installed)
    assert finding.code == "unknown-table"
    assert Path(place_of(finding).path).name == at
    assert place_of(finding).line > 1


def test_a_table_that_is_gone_after_the_check_fails_each_lead_with_the_reason(
    tmp_path: Path, installed: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "leads.csv", [("A", "B", "Fernhill", "a@x.example")])
    monkeypatch.setattr(check, "refuse_if_wrong", lambda integration, plugins: None)
    summary = run_spec(spec_with(tmp_path, "gone.csv"), tmp_path / "state.db", installed)
    assert (summary.totals["failed"], summary.totals["cleared"]) == (1, 0)
    with Store(tmp_path / "state.db") as store:
        (failed,) = store.reports.failed("expo")
    assert (failed["code"], failed["field"]) == ("DATA_VALUE_VALIDATION", "company")
    assert failed["message"].startswith("company: the lookup table cannot be read: ")
    assert "there is no file" in failed["message"]


def test_a_table_that_there_is_not_is_found_in_the_expression(tmp_path: Path, installed: Plugins) -> None:
    (tmp_path / "regions.csv").write_text("K,V\na,1\n", "utf-8")
    spec = spec_with(tmp_path, "regions.csv", lastName="lead.company | lookup('region')")
    (finding,) = check.check(specs.load(spec), installed)
    assert (finding.code, finding.fix) == ("unknown-table", "Did you mean 'regions'?")


def test_a_mapping_alone_is_checked_without_its_tables(tmp_path: Path, installed: Plugins) -> None:
    path = tmp_path / "mapping.yaml"
    rows = (
        "version: 1\nfields:\n  email: lead.email\n  title: lead.country | lookup('{}')\ntables: {{regions: r.csv}}\n"
    )
    path.write_text(rows.format("regions"), "utf-8")
    assert check_paths([path], installed, tmp_path / "none").findings == []
    path.write_text(rows.format("region"), "utf-8")
    (finding,) = check_paths([path], installed, tmp_path / "none").findings
    assert getattr(finding, "code", "") == "unknown-table"
