"""engine init: a first integration that is right at once, without questions or with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from engine_marketo.sandbox import MarketoSandbox
from engine_pardot.sandbox import PardotSandbox

from engine import saved_catalog, specs
from engine.cli import build_cli
from engine.cli import init as command
from engine.errors import AbortRun, SpecError
from engine.plugins import Plugins
from engine.records import LEAD_FIELDS
from engine.state import Store
from tests.authoring_helpers import foreign_export, foreign_rows
from tests.unit_helpers import write_csv

DEMO = Path(__file__).parent.parent / "specs" / "demo"
VENDORS = {"marketo": MarketoSandbox, "pardot": PardotSandbox}
Engine = Callable[..., Result]


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Any]]:
    with MarketoSandbox() as marketo, PardotSandbox() as pardot:
        yield {"marketo": marketo, "pardot": pardot}


@pytest.fixture
def boxes(servers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The sandboxes as they begin, with their variables in the environment."""
    for box in servers.values():
        box.reset()
        for name, value in box.environment().items():
            monkeypatch.setenv(name, value)
    return servers


@pytest.fixture(scope="module")
def cli() -> click.Group:
    return build_cli()


@pytest.fixture
def engine(cli: click.Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Run a command in a folder of its own; `typed` is what somebody types at a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str, typed: str | None = None) -> Result:
        monkeypatch.setattr(command, "on_terminal", lambda: typed is not None)
        return CliRunner().invoke(cli, words, input=typed)

    return run


@pytest.fixture
def small(tmp_path: Path) -> Path:
    rows = [(f"Ada{n}", "Quill", "Gantry", f"ada{n}@gantry.example", ("Hot", "Warm")[n % 2], str(n)) for n in range(6)]
    return write_csv(tmp_path / "leads.csv", rows, ("Vorname", "Nachname", "Firma", "Mail", "Follow up", "Tisch"))


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_export_with_unknown_columns_is_delivered_without_a_line_being_written(
    vendor: str, boxes: dict[str, Any], engine: Engine, tmp_path: Path
) -> None:
    foreign_export(tmp_path / "messe.csv")
    words = ("init", "messe", "--source", "messe.csv", "--vendor", vendor, "--event", "Expo 2026")
    made = engine(*words, "--region", "Germany", "--yes")
    assert made.exit_code == 0, made.stderr
    assert "nothing is wrong" in made.stderr
    assert "engine run messe.yaml" in made.stdout
    assert specs.load(tmp_path / "messe.yaml").enrichment.steps[0].config == {"default_region": "DE"}
    assert engine("check", "--live", "messe.yaml").exit_code == 0
    assert engine("test", "messe.yaml").exit_code == 0, "the snapshots of its samples are there"
    assert engine("run", "messe.yaml").exit_code == 0
    records = boxes[vendor].state()["leads" if vendor == "marketo" else "prospects"]
    person = next(record for record in records if record["email"] == "person3@fernhill.example")
    row = foreign_rows()[3]
    assert (person["firstName"], person["lastName"], person["company"]) == row[:3]
    assert (person["country"], person["city"]) == ({"Deutschland": "Germany"}.get(row[9], row[9]), row[8])
    if vendor == "marketo":
        assert person["capturedAt"] == "2026-05-04T12:30:00Z", "a German date is read as one"
        assert person.get("leadType", "") == row[17]
    assert len(records) == 40


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_demos_export_is_delivered(vendor: str, boxes: dict[str, Any], engine: Engine, tmp_path: Path) -> None:
    source = str(DEMO / "scanner-export.csv")
    assert engine("init", "--source", source, "--vendor", vendor, "--yes").exit_code == 0
    path = tmp_path / f"scanner-export-to-{vendor}.yaml"
    spec = specs.load(path)
    assert {row.qualifier for row in spec.mapping.qualifiers} >= {"Lead Type", "Follow up?"}
    assert spec.destination.catalog == f"scanner-export-to-{vendor}.catalog.json"
    engine("run", path.name)
    with Store(tmp_path / ".engine" / "state.db", check=False) as store:
        totals = store.reports.totals(spec.name)
    assert totals["cleared"] > 9 * totals["failed"], "some rows of the export are wrong on purpose"


def test_without_fields_of_the_vendor_the_usual_ones_are_proposed_and_that_is_said(
    engine: Engine, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MARKETO_BASE_URL", raising=False)
    made = engine("init", "--source", "leads.csv", "--vendor", "marketo", "--yes")
    assert made.exit_code == 0
    assert "only the usual ones are proposed" in made.stderr
    spec = specs.load(tmp_path / "leads-to-marketo.yaml")
    assert not spec.destination.catalog
    assert {row.target for row in spec.mapping.fields} == {"firstName", "lastName", "company", "email"}
    text = (tmp_path / "leads-to-marketo.yaml").read_text("utf-8")
    assert re.search(r"# Follow up: \{field: \w+\}", text), "what has no field stays behind a #"


def test_a_saved_catalog_serves_as_well_and_must_be_of_the_vendor(engine: Engine, small: Path, tmp_path: Path) -> None:
    saved = str(DEMO / "pardot.catalog.json")
    made = engine("init", "--source", "leads.csv", "--vendor", "pardot", "--catalog", saved, "--yes")
    assert made.exit_code == 0
    copied = saved_catalog.load(tmp_path / "leads-to-pardot.catalog.json")
    assert copied == saved_catalog.load(Path(saved))
    wrong = engine("init", "two", "--source", "leads.csv", "--vendor", "marketo", "--catalog", saved, "--yes")
    assert isinstance(wrong.exception, SpecError)
    assert "is of pardot" in str(wrong.exception)


def test_nothing_of_the_people_in_the_export_is_written_anywhere(
    engine: Engine, boxes: dict[str, Any], tmp_path: Path
) -> None:
    foreign_export(tmp_path / "messe.csv")
    assert engine("init", "m", "--source", "messe.csv", "--vendor", "marketo", "--yes").exit_code == 0
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "messe.csv"]
    text = "\n".join(path.read_text("utf-8") for path in written)
    assert {".env.example", ".gitignore", "m.yaml", "m.samples.yaml", "m.catalog.json"} <= {p.name for p in written}
    for secret in ("person3@", "Jürgen", "Dubois", "Hauptstr", "5550003", "Mika", "sandbox-secret"):
        assert secret not in text, secret


def test_files_that_are_there_are_named_and_kept_unless_forced(engine: Engine, small: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.samples.yaml").write_text("mine", "utf-8")
    (tmp_path / ".gitignore").write_text("build/", "utf-8")
    words = ("init", "mine", "--source", "leads.csv", "--vendor", "marketo", "--offline", "--yes")
    refused = engine(*words)
    assert isinstance(refused.exception, SpecError)
    assert "mine.samples.yaml" in refused.exception.what
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", "leads.csv", "mine.samples.yaml"]
    assert engine(*words, "--force").exit_code == 0
    assert (tmp_path / ".gitignore").read_text("utf-8") == "build/\n.env\n.engine/\n"
    before = (tmp_path / ".env.example").read_text("utf-8")
    assert engine(*words, "--force").exit_code == 0
    assert (tmp_path / ".env.example").read_text("utf-8") == before


def test_without_a_terminal_what_is_missing_is_named(engine: Engine, small: Path) -> None:
    refused = engine("init", "--source", "leads.csv")
    assert isinstance(refused.exception, SpecError)
    assert "--vendor, --yes" in refused.exception.what


@pytest.mark.parametrize("name", ["My Show", "x.samples", "-x", "a/b"])
def test_a_name_that_cannot_be_one_is_refused(name: str, engine: Engine, small: Path) -> None:
    refused = engine("init", "--source", "leads.csv", "--vendor", "marketo", "--offline", "--yes", "--", name)
    assert isinstance(refused.exception, SpecError)
    assert "is no name" in refused.exception.what


def test_a_country_that_is_none_is_refused_before_anything_is_written(
    engine: Engine, small: Path, tmp_path: Path
) -> None:
    words = ("init", "--source", "leads.csv", "--vendor", "marketo", "--offline", "--yes", "--region", "Atlantis")
    refused = engine(*words)
    assert isinstance(refused.exception, AbortRun)
    assert "Atlantis" in str(refused.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["leads.csv"]


def test_the_dialogue_shows_what_is_proposed_and_takes_changes(
    engine: Engine, boxes: dict[str, Any], small: Path, tmp_path: Path
) -> None:
    answers = [
        "leads.csv", "marketo", "talk",            # source, vendor, name
        "e", "6", "emial", "booth", "", "y",       # column 6 is no `emial` but a field of one's own
        "Expo 2026",                               # the event; no column holds phones, so no country is asked for
        "edit", "3", "nosuch", "site", "", "",     # row 3 goes to another field; Enter takes the rest
    ]  # fmt: skip
    made = engine("init", typed="\n".join(answers) + "\n")
    assert made.exit_code == 0, made.stderr
    assert "Vorname" in made.stderr
    assert "Did you mean 'email'?" in made.stderr
    assert "There is no field 'nosuch'" in made.stderr
    assert "Vorname" not in made.stdout, "questions and tables are on standard error"
    spec = specs.load(tmp_path / "talk.yaml")
    assert spec.source.columns["Tisch"] == "booth"
    assert spec.source.event == "Expo 2026"
    assert {row.target: row.value for row in spec.mapping.fields}["site"] == "lead.company"


def test_one_field_for_two_columns_is_not_possible_and_no_means_no(engine: Engine, small: Path, tmp_path: Path) -> None:
    words = ("init", "talk", "--source", "leads.csv", "--vendor", "marketo", "--offline", "--event", "")
    made = engine(*words, typed="e\n1\nlast_name\n\ny\ny\n")
    assert made.exit_code == 0, made.stderr
    assert "Nachname becomes a field of your own" in made.stderr
    columns = specs.load(tmp_path / "talk.yaml").source.columns
    assert (columns["Vorname"], columns["Nachname"]) == ("last_name", "nachname")
    refused = engine("init", "more", *words[2:], typed="n\n")
    assert refused.exit_code == 0
    assert "nothing was written" in refused.stderr
    assert not (tmp_path / "more.yaml").exists()


def test_json_lines_are_understood_and_schemas_beside_the_spec_are_named(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "leads.jsonl").write_text(
        '{"givenName": "Ada", "mail": "ada@gantry.example"}\n{"givenName": "Bo", "wants demo": true}\n', "utf-8"
    )
    assert engine("schema", "--output", "schemas").exit_code == 0
    assert engine("init", "--source", "leads.jsonl", "--vendor", "marketo", "--offline", "--yes").exit_code == 0
    path = tmp_path / "leads-to-marketo.yaml"
    assert specs.load(path).source.use == "jsonl"
    assert path.read_text("utf-8").startswith("# yaml-language-server: $schema=schemas/integration.json\n")


def test_a_country_that_is_none_is_asked_for_again(engine: Engine, tmp_path: Path) -> None:
    foreign_export(tmp_path / "messe.csv")
    words = ("init", "messe", "--source", "messe.csv", "--vendor", "marketo", "--offline", "--event", "")
    made = engine(*words, typed="y\nAtlantis\nNorway\ny\n")
    assert made.exit_code == 0, made.stderr
    assert "There is no country 'Atlantis'" in made.stderr
    assert specs.load(tmp_path / "messe.yaml").enrichment.steps[0].config == {"default_region": "NO"}


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_usual_fields_are_there_and_can_be_written(vendor: str, plugins: Plugins) -> None:
    fields = saved_catalog.load(DEMO / f"{vendor}.catalog.json").fields
    usual = plugins.vendor(vendor).usual_fields
    assert set(usual.values()) <= {field.name for field in fields if field.writable}
    assert set(usual) <= set(LEAD_FIELDS)


def test_files_in_another_folder_find_the_export(engine: Engine, small: Path, tmp_path: Path) -> None:
    words = ("init", "a", "--source", "leads.csv", "--vendor", "marketo", "--offline", "--yes", "--folder", "made/here")
    assert engine(*words).exit_code == 0
    spec = specs.load(tmp_path / "made" / "here" / "a.yaml")
    assert (spec.folder / spec.source.path).resolve() == small
