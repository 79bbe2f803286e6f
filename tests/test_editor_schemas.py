"""The schemas that editors complete and check with, and bringing specs up to date."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from engine import plugins, saved_catalog
from engine.cli import build_cli
from engine.editor_schemas import editor_schema
from engine.errors import SpecError
from engine.migrate import migrated
from engine.plugins import Plugins
from engine.records import Field
from engine.spec_files import KINDS, kind_of, parse, round_trip

ROOT = Path(__file__).parents[1]
SPECS = sorted((ROOT / "specs").glob("*/*.yaml"))


@pytest.fixture(scope="module")
def installed() -> Plugins:
    return plugins.load()


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        json.dumps(YAML(typ="safe", pure=True).load(path.read_text("utf-8")), default=str)
    )
    return found


def refused(schema: Mapping[str, Any], value: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(value)]


@pytest.fixture(scope="module")
def whole(installed: Plugins) -> dict[str, Any]:
    return editor_schema("integration", installed)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_worked_specs_are_right_to_an_editor(path: Path, installed: Plugins) -> None:
    raw = read(path)
    kind = "provider" if "extract" in raw else kind_of(raw)
    if kind is not None:
        assert refused(editor_schema(kind, installed), raw) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"use": "marketto"}, "marketto"),
        ({"config": {"base_url": "https://x.example", "client_id": "x", "client_secret": "hunter2"}}, "hunter2"),
        ({"config": {"base_url": "https://x.example", "cilent_id": "x", "client_secret": {"env": "S"}}}, "cilent_id"),
        ({"config": {"base_url": {"evn": "X"}, "client_id": "x", "client_secret": {"env": "S"}}}, "evn"),
    ],
)
def test_an_editor_sees_what_the_vendor_does_not_take(whole: dict[str, Any], change: dict[str, Any], said: str) -> None:
    raw = read(ROOT / "specs/demo/marketo.yaml")
    assert refused(whole, raw) == []
    assert said in str(refused(whole, {**raw, "destination": {**raw["destination"], **change}}))


def test_each_kind_is_whole_and_says_no_more_than_it_needs(installed: Plugins) -> None:
    for kind in (*KINDS, *installed.kinds):
        schema = editor_schema(kind, installed)
        jsonschema.Draft202012Validator.check_schema(schema)
        for name in schema.get("$defs", {}):
            assert f"#/$defs/{name}" in json.dumps(schema), f"{kind}: {name} is not used"
        assert {"title", "description"} <= schema.keys()


def test_a_saved_catalog_completes_the_rows(installed: Plugins, tmp_path: Path) -> None:
    fields = [Field("title", "string", "Job Title", 255), Field("id", "integer", writable=False)]
    rows = editor_schema("mapping", installed, fields)["properties"]["fields"]["properties"]
    assert list(rows) == ["title"]
    assert (rows["title"]["title"], rows["title"]["description"]) == ("Job Title", "string, at most 255 characters")
    path = tmp_path / "catalog.json"
    saved_catalog.save(path, saved_catalog.SavedCatalog("marketo", "a", "2026-01-01T00:00:00+00:00", fields))
    done = CliRunner().invoke(build_cli(), ["schema", "--output", str(tmp_path / "out"), "--catalog", str(path)])
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "out" / "integration.json").read_text("utf-8"))
    assert "title" in written["$defs"]["mapping"]["properties"]["fields"]["properties"]
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == sorted((*KINDS, *installed.kinds))


def test_a_kind_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(build_cli(), ["schema", "maping"])
    assert isinstance(done.exception, SpecError) and done.exception.fix == "Did you mean 'mapping'?"
    assert CliRunner().invoke(build_cli(), ["schema"]).exit_code == 2


def test_making_schemas_changes_none(installed: Plugins) -> None:
    before = copy.deepcopy(editor_schema("integration", installed))
    editor_schema("mapping", installed, [Field("x")])
    assert editor_schema("integration", installed) == before


# Bringing up to date -------------------------------------------------------------------------------------------------

OLD = """\
# The show in spring.
#   run it with: engine run expo.yaml

name: expo      # never change this
source:
    use: csv
    columns: {E-mail: email, "Badge #": badge_id}
destination: {use: marketo}
matching:
      - {by: email, value: lead.email}   # by address alone
mapping:
    fields:
        email: lead.email
        leadSource: "'Event: ' ~ lead.event"
"""


def test_a_spec_without_a_version_gets_one_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "expo.yaml"
    path.write_text(OLD, "utf-8")
    made = migrated(path)
    assert made.changes == ("added `version: 1`",)
    assert made.text.replace("version: 1\n", "") == OLD
    assert path.read_text("utf-8") == OLD, "looking changes nothing"


def test_steps_follow_each_other_and_each_says_what_it_changed(tmp_path: Path) -> None:
    def rename(tree: CommentedMap, kind: str) -> list[str]:
        assert kind == "integration"
        tree["destination"]["vendor"] = tree["destination"].pop("use")
        return ["renamed `use` to `vendor`"]

    def nothing(tree: CommentedMap, kind: str) -> list[str]:
        return []

    path = tmp_path / "expo.yaml"
    path.write_text("version: 1\n" + OLD, "utf-8")
    made = migrated(path, {1: rename, 2: nothing}, to=3)
    assert made.changes == ("renamed `use` to `vendor`",)
    assert made.text == "version: 3\n" + OLD.replace("{use: marketo}", "{vendor: marketo}")


def test_the_command_writes_once(tmp_path: Path) -> None:
    (tmp_path / "expo.yaml").write_text(OLD, "utf-8")
    (tmp_path / "mapping.yaml").write_text("version: 1\nfields: {email: lead.email}\n", "utf-8")
    (tmp_path / "other.yaml").write_text("services: {}\n", "utf-8")
    run, folder = CliRunner(), [str(tmp_path)]
    assert run.invoke(build_cli(), ["migrate", "--check", *folder]).exit_code == 1
    assert (tmp_path / "expo.yaml").read_text("utf-8") == OLD
    done = run.invoke(build_cli(), ["migrate", *folder])
    assert (done.exit_code, "expo.yaml: changed: added `version: 1`" in done.output) == (0, True)
    again = run.invoke(build_cli(), ["migrate", *folder])
    assert (again.exit_code, again.output) == (0, "all specs are up to date\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [("version: 9\nfields: {}\n", "this engine reads version 1"), ("version: one\nfields: {}\n", "is no version"),
     ("a: 1\n", "this is no spec"), ("- 1\n", "this is no spec")],
)  # fmt: skip
def test_what_cannot_be_brought_up_to_date_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(SpecError, match=said):
        migrated(path)
    assert CliRunner().invoke(build_cli(), ["migrate", str(path)]).exit_code == 2


@pytest.mark.parametrize("path", SPECS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_writing_a_spec_back_changes_no_byte(path: Path, tmp_path: Path) -> None:
    text = path.read_text("utf-8")
    with (tmp_path / "out.yaml").open("w", encoding="utf-8") as out:
        round_trip(text).dump(parse(text, path), out)
    assert (tmp_path / "out.yaml").read_text("utf-8") == text
