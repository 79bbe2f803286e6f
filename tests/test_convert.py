"""engine convert: field pairs of a spreadsheet become a mapping, or rows of an integration."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import specs
from engine.authoring.conversion import convert, mapping_text
from engine.authoring.pairs import headings, read_pairs
from engine.check_files import check_part
from engine.cli import build_cli
from engine.errors import SpecError
from engine.plugins import Plugins
from engine.specs import SpecErrors
from tests.unit_helpers import write_csv

CATALOG = str(Path(__file__).parent.parent / "specs" / "demo" / "marketo.catalog.json")
HEADER = ("Badge field", "Marketo field", "Write behavior", "Type", "Default value", "Fixed value", "Max length",
          "Required", "Notes", "Options")  # fmt: skip
ROWS = [
    ("First Name", "First Name", "Overwrite", "", "", "", "", "yes", "as scanned: # always", ""),
    ("Email", "Email Address", "", "", "", "", "", "Yes", "", ""),
    ("Company", "Company Name", "Write if Blank", "", "unknown", "", "truncate", "", "sales corrects this", ""),
    ("Position", "title", "", "", "", "", "120", "", "", ""),
    ("Booth", "boothNotes", "only if empty", "", "", "", "", "", "", ""),
    ("", "leadSource", "", "", "", "Trade Show's", "", "", "", ""),
    ("Number of Scans", "eventScore", "", "int", "", "", "", "", "", ""),
    ("Lead Type", "leadType", "", "", "", "", "", "", "", "Hot=A; Warm → B"),
]
Engine = Callable[..., Result]


@pytest.fixture(scope="module")
def cli() -> click.Group:
    return build_cli()


@pytest.fixture
def engine(cli: click.Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli, words)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "pairs.csv", ROWS, HEADER)


def test_pairs_become_a_mapping_with_labels_as_names(engine: Engine, pairs: Path, tmp_path: Path) -> None:
    made = engine("convert", "pairs.csv", "--catalog", CATALOG, "--output", "mapping.yaml")
    assert made.exit_code == 0, made.stderr
    spec = specs.load_part(tmp_path / "mapping.yaml", "mapping").mapping
    rows = {row.target: row for row in spec.fields}
    assert {target: row.value for target, row in rows.items()} == {
        "firstName": "lead.first_name", "email": "lead.email", "company": "lead.company",
        "title": "lead.job_title | truncate(120)", "boothNotes": "lead.booth", "leadSource": r"'Trade Show\'s'",
        "eventScore": "lead.scans",
    }  # fmt: skip
    company = rows["company"]
    assert (company.write, company.default, company.too_long) == ("if_blank", "unknown", "truncate")
    assert (rows["boothNotes"].write, rows["eventScore"].type) == ("if_blank", "integer")
    assert spec.qualifiers[0].options == {"Hot": "A", "Warm": "B"}
    text = (tmp_path / "mapping.yaml").read_text("utf-8")
    assert "# as scanned: # always" in text
    assert "#     Booth: booth" in text, "the part of the source that this needs"
    assert "# required: [first_name, email]" in text


def test_what_is_printed_is_what_would_be_written_and_a_file_that_is_there_stays(
    engine: Engine, pairs: Path, tmp_path: Path
) -> None:
    printed = engine("convert", "pairs.csv", "--catalog", CATALOG)
    assert engine("convert", "pairs.csv", "--catalog", CATALOG, "--output", "m.yaml").exit_code == 0
    assert (tmp_path / "m.yaml").read_text("utf-8") == printed.stdout
    again = engine("convert", "pairs.csv", "--output", "m.yaml")
    assert isinstance(again.exception, SpecError)
    assert (tmp_path / "m.yaml").read_text("utf-8") == printed.stdout


def test_all_that_is_wrong_is_named_with_its_line_and_nothing_is_written(engine: Engine, tmp_path: Path) -> None:
    wrong = [
        ("Email", "email", "", "", "", "", "", "", "", ""),
        ("City", "", "", "", "", "", "", "", "", ""),
        ("", "country", "", "", "", "", "", "", "", ""),
        ("Mail", "Email Address", "", "", "", "", "", "", "", ""),
        ("Company", "company", "if blnk", "", "", "", "", "", "", ""),
        ("Title", "titel", "", "", "", "", "", "", "", ""),
        ("Phone", "phone", "on create", "", "", "", "", "", "", ""),
        ("State", "state", "", "nmber", "", "x", "long", "perhaps", "", "Hot; Warm=B"),
        ("", "", "", "", "", "", "", "", "", ""),
    ]
    write_csv(tmp_path / "pairs.csv", wrong, HEADER)
    made = engine("convert", "pairs.csv", "--catalog", CATALOG, "--output", "m.yaml")
    assert isinstance(made.exception, SpecErrors)
    found = [(str(problem.where), problem.code) for problem in made.exception.problems]
    assert found == [
        ("pairs.csv:3", "no-target"), ("pairs.csv:4", "no-target"), ("pairs.csv:6", "wrong-value"),
        ("pairs.csv:7", "unknown-vendor-field"), ("pairs.csv:8", "adapter-cannot"), ("pairs.csv:9", "contradiction"),
        ("pairs.csv:9", "wrong-value"), ("pairs.csv:9", "wrong-value"), ("pairs.csv:9", "wrong-value"),
        ("pairs.csv:9", "no-target"), ("pairs.csv:5", "written-twice"),
    ]  # fmt: skip
    text = str(made.exception)
    assert "Did you mean 'title'?" in text
    assert "Did you mean 'if blank'?" in text
    assert all(problem.fix for problem in made.exception.problems)
    assert not (tmp_path / "m.yaml").exists()


@pytest.mark.parametrize(
    ("header", "ours", "theirs"),
    [
        (["Source", "Target"], "Source", "Target"), (["Mobly Field", "Pardot field"], "Mobly Field", "Pardot field"),
        (["Field in Marketo", "CSV Column"], "CSV Column", "Field in Marketo"),
        (["From", "To", "Comment"], "From", "To"), (["Column", "Marketo Field", "API Name"], "Column", "API Name"),
        (["COLUMN ", "api_name"], "COLUMN ", "api_name"),
        (["Source feild", "Target feild"], "Source feild", "Target feild"),
    ],
)  # fmt: skip
def test_headers_are_understood_in_many_forms(header: list[str], ours: str, theirs: str) -> None:
    found = headings(header, Path("pairs.csv"))
    assert (found["from"], found["to"]) == (ours, theirs)


def test_a_header_that_is_not_clear_is_named_by_options(engine: Engine, tmp_path: Path) -> None:
    write_csv(tmp_path / "pairs.csv", [("Email", "email")], ("Theirs", "Other"))
    refused = engine("convert", "pairs.csv")
    assert isinstance(refused.exception, SpecError)
    assert "--to COLUMN" in refused.exception.fix
    assert "email: lead.email" in engine("convert", "pairs.csv", "--from", "Theirs", "--to", "Other").stdout


SPEC = """\
# Our show.
version: 1
name: expo
source:
  use: csv
  path: leads.csv
  columns:
    E-mail: email   # the business one
destination:
  use: marketo
  config: {base_url: {env: A}, client_id: {env: B}, client_secret: {env: C}}
mapping:
  fields:
    email: lead.email   # the key
    title: lead.job_title
"""


def test_rows_are_added_to_an_integration_and_its_comments_stay(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "expo.yaml"
    path.write_text(SPEC, "utf-8")
    rows = [
        ("E-mail", "email", "", "the key"),
        ("Stand", "boothNotes", "if blank", "where it was"),
        ("Vorname", "firstName", "", ""),
    ]
    write_csv(tmp_path / "pairs.csv", rows, ("Column", "API name", "Write", "Notes"))  # fmt: skip
    assert engine("convert", "pairs.csv", "--into", "expo.yaml").exit_code == 0
    spec = specs.load(path)
    values = {row.target: row.value for row in spec.mapping.fields}
    assert values == {
        "email": "lead.email", "title": "lead.job_title", "boothNotes": "lead.stand", "firstName": "lead.first_name"
    }  # fmt: skip
    assert spec.source.columns == {"E-mail": "email", "Stand": "stand", "Vorname": "first_name"}
    text = path.read_text("utf-8")
    assert text.startswith("# Our show.\n")
    assert "# the business one" in text
    assert "# where it was" in text
    assert engine("convert", "pairs.csv", "--into", "expo.yaml").exit_code == 0
    assert path.read_text("utf-8") == text, "a second time changes nothing"


def test_a_row_that_says_something_else_is_a_conflict_unless_forced(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "expo.yaml"
    path.write_text(SPEC, "utf-8")
    write_csv(tmp_path / "pairs.csv", [("Department", "title"), ("City", "city")], ("Column", "API name"))
    refused = engine("convert", "pairs.csv", "--into", "expo.yaml")
    assert isinstance(refused.exception, SpecErrors)
    (problem,) = refused.exception.problems
    assert (str(problem.where), problem.code) == ("expo.yaml:15:5", "written-twice")
    assert path.read_text("utf-8") == SPEC
    assert engine("convert", "pairs.csv", "--into", "expo.yaml", "--force").exit_code == 0
    assert "title: lead.department" in path.read_text("utf-8")


def test_parts_in_files_of_their_own_are_changed_there(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "mapping.yaml").write_text("version: 1\nfields:\n  email: lead.email\n", "utf-8")
    before = SPEC.partition("mapping:")[0] + "mapping: mapping.yaml\n"
    (tmp_path / "expo.yaml").write_text(before, "utf-8")
    write_csv(tmp_path / "pairs.csv", [("City", "city")], ("Column", "API name"))
    assert engine("convert", "pairs.csv", "--into", "expo.yaml").exit_code == 0
    assert (tmp_path / "expo.yaml").read_text("utf-8") == before
    assert (tmp_path / "mapping.yaml").read_text("utf-8").endswith("  city: lead.city\n")


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS), min_size=1, max_size=6))
def test_whatever_stands_in_the_table_the_mapping_can_be_read(plugins: Plugins, rows: list[tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.csv"
        with path.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows([("Column", "Target", "Fixed value", "Notes"), *rows])
        try:
            found = read_pairs(path, None, None)
        except SpecError:
            return
        made = convert(found, {})
        out = Path(folder) / "mapping.yaml"
        out.write_text(mapping_text(made, path.name), "utf-8", newline="")
        spec = specs.load_part(out, "mapping")
        assert {row.target: row.value for row in spec.mapping.fields} == made.fields
        findings = [str(each) for each in check_part(out, "mapping", plugins)]
        assert findings == [] or any("lead." in row[0] for row in rows), "an expression of one's own may be wrong"
