"""Specs: what is read, where it stands, and everything that is wrong with it at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engine import check, plugins, settings, specs
from engine.enrichment import Budget, Step
from engine.errors import Place, SpecError
from engine.plugins import Plugins
from engine.specs import FieldRow, ProgramRow, QualifierColumn, QualifierRow, Rule, SpecErrors
from tests.unit_helpers import raw_spec, shelf_plugins, write_spec

WHOLE = """\
version: 1
name: expo-to-shelf
identity: [email, name]
required: [last_name]
source:
  use: csv
  path: leads.csv
  config: {delimiter: ";"}
  columns: {E-mail: email, "Badge #": badge_id}
  qualifiers:
    Heat: Type
    Wants: {column: Interests, separator: ";"}
  event: Expo
enrichment:
  - {use: normalize, want: [phone], min_confidence: 0.5, budget: {calls: 9}, when: lead.phone is blank, config: {default_region: "NO"}}
destination: {use: shelf, config: {token: {env: SHELF_TOKEN}}, sync_mode: manual}
matching:
  - {by: email, value: lead.email}
mapping:
  fields:
    email: lead.email
    firstName: {value: lead.first_name, type: string, write: if_blank, default: NO, when: lead.last_name}
  qualifiers:
    Heat: {field: company, options: {Hot: NO, Cold: "7"}, multiple: true, separator: ", ", write: if_blank}
  programs:
    - {event: Expo, program_id: 1107, status: Member, min_scans: 2, status_from: {qualifier: Heat, options: {"Yes": Engaged}}}
"""  # noqa: E501 - a row of a spec stands on one line


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def run(text: str, name: str = "spec.yaml") -> Path:
        (tmp_path / name).write_text(text, "utf-8")
        return tmp_path / name

    return run


Write = Callable[..., Path]


def problems_of(path: Path) -> list[SpecError]:
    with pytest.raises(SpecErrors) as caught:
        specs.load(path)
    return list(caught.value.problems)


def _properties(schema: Any, at: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(schema, dict):
        for name, value in schema.get("properties", {}).items():
            yield f"{at}.{name}", value
        for key, value in schema.items():
            yield from _properties(value, f"{at}.{key}" if key not in {"properties", "$defs"} else at)
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from _properties(value, f"{at}.{index}")


@pytest.mark.parametrize("kind", specs.KINDS)
def test_each_schema_is_valid_and_explains_every_property(kind: str) -> None:
    schema = specs.schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    found = list(_properties(schema))
    assert len(found) > 20
    bare = [
        at
        for at, value in found
        if isinstance(value, dict)
        and "$ref" not in value
        and not (value.get("title") and value.get("description") and value.get("examples"))
    ]
    assert bare == []
    for at, value in found:
        for example in value.get("examples", ()):
            whole = {**value, "$defs": schema.get("$defs", {})}
            assert not list(jsonschema.Draft202012Validator(whole).iter_errors(example)), f"the example of {at}"


def test_a_whole_spec_becomes_plain_records(write: Write) -> None:
    spec = specs.load(write(WHOLE))
    assert (spec.name, spec.identity, spec.required) == ("expo-to-shelf", ("email", "name"), ("last_name",))
    assert spec.source.qualifiers == {"Heat": QualifierColumn("Type"), "Wants": QualifierColumn("Interests", ";")}
    assert (spec.source.columns["Badge #"], spec.source.event) == ("badge_id", "Expo")
    assert spec.enrichment.steps == (
        Step("normalize", "", ("phone",), 0.5, Budget(9), "lead.phone is blank", None, {"default_region": "NO"}),
    )  # fmt: skip
    assert (spec.destination.sync_mode, spec.matching) == ("manual", (Rule("email", "lead.email"),))
    assert spec.mapping.fields == (
        FieldRow("email", "lead.email"),
        FieldRow("firstName", "lead.first_name", "string", "if_blank", "NO", "lead.last_name"),
    )
    assert spec.mapping.qualifiers == (
        QualifierRow("Heat", "company", {"Hot": "NO", "Cold": "7"}, True, ", ", "if_blank"),
    )  # fmt: skip
    assert spec.mapping.programs == (ProgramRow("1107", "Expo", "Member", "Heat", {"Yes": "Engaged"}, 2),)
    assert spec.place("mapping.fields.firstName.value") == Place(str(spec.path), 22, 17)
    assert spec.place("mapping.nothing.like.this").line == 19


def test_no_stays_no(write: Write) -> None:
    """YAML 1.1 would make Norway false."""
    spec = specs.load(write(WHOLE))
    assert spec.mapping.fields[1].default == "NO"
    assert spec.mapping.qualifiers[0].options == {"Hot": "NO", "Cold": "7"}


def test_parts_may_be_files_and_mean_the_same(write: Write, tmp_path: Path) -> None:
    parts = {
        "source": {"version": 1, "use": "csv", "path": "leads.csv", "columns": {"Mail": "email"}},
        "enrichment": {"version": 1, "steps": [{"use": "normalize"}]},
        "matching": {"version": 1, "rules": [{"by": "email", "value": "lead.email"}]},
        "mapping": {"version": 1, "fields": {"email": "lead.emial"}},
    }
    for kind, part in parts.items():
        write(json.dumps(part, indent=1), f"the.{kind}.yaml")
    spec = specs.load(write_spec(tmp_path, **{kind: f"the.{kind}.yaml" for kind in parts}))
    inline = specs.load(write_spec(
        tmp_path, "inline.yaml", source={key: value for key, value in parts["source"].items() if key != "version"},
        enrichment=parts["enrichment"]["steps"], matching=parts["matching"]["rules"],
        mapping={"fields": {"email": "lead.emial"}},
    ))  # fmt: skip
    for part in ("source", "enrichment", "matching", "mapping"):
        assert getattr(spec, part) == getattr(inline, part)
    assert spec.place("matching.0.by") == Place(str(tmp_path / "the.matching.yaml"), 5, 4)
    assert spec.place("enrichment.steps.0.use").path.endswith("the.enrichment.yaml")
    (problem,) = [found for found in check.check(spec, shelf_plugins()) if "emial" in found.what]
    assert str(problem.where) == f"{tmp_path / 'the.mapping.yaml'}:4:3"


def test_the_digest_changes_with_anything_that_the_spec_refers_to(write: Write, tmp_path: Path) -> None:
    path = write_spec(tmp_path, mapping="the.mapping.yaml")
    write("fields: {email: lead.email}", "the.mapping.yaml")
    first = specs.load(path).digest
    assert specs.load(path).digest == first
    write("fields: {email: lead.email | lower}", "the.mapping.yaml")
    assert specs.load(path).digest != first


@pytest.mark.parametrize(
    ("old", "new", "at", "said", "fix"),
    [
        ("required: [last", "requird: [last", "requird", "unknown key 'requird'", "Did you mean 'required'?"),
        ("  path: leads.csv", "  paht: leads.csv", "paht", "unknown key 'paht'", "Did you mean 'path'?"),
        (
            "write: if_blank, default",
            "wirte: if_blank, default",
            "wirte",
            "unknown key 'wirte'",
            "Did you mean 'write'?",
        ),
        (
            "sync_mode: manual",
            "sync_mode: sometimes",
            "sync_mode",
            "'sometimes' is not one of automatic",
            "Write one of those.",
        ),
        ("version: 1", "version: 2", "version", "this engine reads version 1", "Update the engine."),
        ("name: expo-to-shelf\n", "", "version", "'name' is missing", "Add it, as in `name: expo-2026-to-marketo`."),
        (
            "min_confidence: 0.5",
            "min_confidence: 5",
            "min_confidence",
            "maximum of 1",
            "For example `min_confidence: 0.7`.",
        ),
        ("identity: [email, name]", "identity: [emale]", "emale", "'emale' is not one of", "Did you mean 'email'?"),
        (
            "  - {by: email, value: lead.email}",
            "  - {by: email}",
            "{by: email}",
            "'value' is missing",
            "Add it, as in `value: lead.email`.",
        ),
    ],
)
def test_an_error_says_where_what_and_what_was_probably_meant(
    write: Write, old: str, new: str, at: str, said: str, fix: str
) -> None:
    assert WHOLE.count(old) == 1
    text = WHOLE.replace(old, new)
    path = write(text)
    (problem,) = problems_of(path)
    assert said in problem.what
    assert problem.fix == fix
    before = text[: text.index(at)].split("\n")
    assert problem.where == Place(str(path), len(before), len(before[-1]) + 1)


def test_all_problems_are_told_at_once(write: Write) -> None:
    text = WHOLE.replace("path: leads", "paht: leads").replace("sync_mode: manual", "sync_mode: x").replace(
        "identity: [email, name]", "identity: []").replace("confidence: 0.5", "confidence: 5")  # fmt: skip
    found = problems_of(write(text))
    assert len(found) == 4
    assert [problem.where.line for problem in found if isinstance(problem.where, Place)]


@pytest.mark.parametrize(
    ("text", "said", "fix"),
    [
        (WHOLE + "name: again\n", "the key 'name' stands twice", "Remove one of them."),
        (
            WHOLE.replace("    email: lead.email\n", "    email: lead.email\n    email: lead.phone\n"),
            "the key 'email' stands twice",
            "Remove one of them.",
        ),
        ("version: 1\nname: [", "YAML", ""),
        ("columns: {Badge #: x}\n", "YAML", "put such a name in quotes"),
        ("- 1\n", "a mapping of keys to values", ""),
        ("", "a mapping of keys to values", ""),
        ("a: !!python/object/apply:os.system [ls]\n", "", ""),
    ],
)
def test_what_is_no_spec_is_refused_with_its_place(write: Write, text: str, said: str, fix: str) -> None:
    with pytest.raises(SpecError) as caught:
        specs.load(write(text))
    assert said in caught.value.what
    assert fix in caught.value.fix
    assert "spec.yaml" in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"name: x\x81"])
def test_a_spec_that_is_not_utf8_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spec.yaml").write_bytes(content)
    with pytest.raises(SpecError, match="not UTF-8"):
        specs.load(tmp_path / "spec.yaml")


def test_a_spec_or_part_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.yaml.*No such file"):
        specs.load(tmp_path / "nowhere.yaml")
    (problem,) = problems_of(write_spec(tmp_path, mapping="missing.yaml"))
    assert "missing.yaml" in problem.what
    assert isinstance(problem.where, Place) and problem.where.line > 1


# Secrets -------------------------------------------------------------------------------------------------------------


def test_references_are_resolved_and_secrets_in_the_clear_are_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("  from a file\n", "utf-8")
    config = {"a": {"env": "A"}, "b": {"file": "token"}, "c": 3, "d": {"env": "D", "default": "x"},
              "e": {"env": "E", "optional": True}, "f": {"plain": 1}}  # fmt: skip
    found = settings.resolve(config, ("a", "b"), tmp_path, where="destination.config", environ={"A": "from the env"})
    assert found == {"a": "from the env", "b": "from a file", "c": 3, "d": "x", "f": {"plain": 1}}
    with pytest.raises(SpecError, match=r"destination\.config\.a is a secret") as caught:
        settings.resolve({"a": "hunter2"}, ("a",), tmp_path, where="destination.config", environ={})
    assert "{env: A}" in caught.value.fix
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "said"), [({"env": "NOT_SET"}, "NOT_SET is not set"), ({"file": "nowhere"}, "nowhere")]
)
def test_a_reference_to_nothing_names_the_setting(tmp_path: Path, reference: dict[str, str], said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        settings.resolve(
            {"token": reference}, ("token",), tmp_path, where="destination.config", environ={"NOT_SET": ""}
        )
    assert "destination.config.token" in caught.value.what


# Check ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed() -> Plugins:
    return plugins.load()


def _changed(**changes: Any) -> dict[str, Any]:
    return raw_spec(destination={"use": "pardot", "config": {
        "base_url": {"env": "U"}, "token_url": {"env": "U"}, "business_unit_id": {"env": "B"},
        "client_id": {"env": "C"}, "client_secret": {"env": "S"}}}, **changes)  # fmt: skip


FIELDS = {"email": "lead.email"}


@pytest.mark.parametrize(
    ("changes", "said", "fix"),
    [
        ({"source": {"use": "csvv"}}, "no source called 'csvv'", "Did you mean 'csv'?"),
        ({"source": {"use": "csv", "config": {"delimeter": ";"}}}, "delimeter", "Did you mean 'delimiter'?"),
        ({"source": {"use": "csv", "config": {"delimiter": 7}}}, "wants a text, and 7 is a number", ""),
        ({"enrichment": [{"use": "normalise"}]}, "no enricher called 'normalise'", "Did you mean 'normalize'?"),
        (
            {"enrichment": [{"use": "email_domain", "want": ["shoe_size"]}]},
            "does not provide 'shoe_size'",
            "It provides",
        ),
        ({"enrichment": [{"use": "normalize", "when": "lead.emial is blank"}]}, "'emial'", "Did you mean 'email'?"),
        ({"required": ["last_nam"]}, "unknown lead field 'last_nam'", "Did you mean 'last_name'?"),
        ({"matching": [{"by": "emial", "value": "lead.email"}]}, "cannot match by 'emial'", "Did you mean 'email'?"),
        ({"matching": [{"by": "email", "value": "lead.emial"}]}, "'emial'", "Did you mean 'email'?"),
        ({"matching": [{"by": "email", "value": "lead.email"}] * 2}, "stands twice", "Remove one."),
        ({"mapping": {"fields": {"email": "lead.emial"}}}, "unknown lead field 'emial'", "Did you mean 'email'?"),
        ({"mapping": {"fields": {"email": "lead.email | lowr"}}}, "unknown filter 'lowr'", "Did you mean 'lower'?"),
        ({"mapping": {"fields": {"email": "lead.email | truncate"}}}, "truncate", ""),
        (
            {
                "mapping": {"fields": {"email": "qualifiers['Heta']"}},
                "source": {"use": "csv", "qualifiers": {"Heat": "H"}},
            },
            "unknown qualifier 'Heta'",
            "Did you mean 'Heat'?",
        ),
        (
            {
                "mapping": {"fields": FIELDS, "qualifiers": {"Heta": {"field": "x"}}},
                "source": {"use": "csv", "qualifiers": {"Heat": "H"}},
            },
            "no qualifier 'Heta'",
            "Did you mean 'Heat'?",
        ),
        (
            {
                "mapping": {"fields": FIELDS, "qualifiers": {"Heat": {"field": "email"}}},
                "source": {"use": "csv", "qualifiers": {"Heat": "H"}},
            },
            "'email' is written twice",
            "mapping.fields.email",
        ),
        (
            {"mapping": {"fields": FIELDS, "programs": [{"program_id": 1, "status": "x"}]}},
            "pardot has no programs",
            "Remove",
        ),
    ],
)
def test_check_finds(tmp_path: Path, installed: Plugins, changes: dict[str, Any], said: str, fix: str) -> None:
    whole = _changed(**changes)
    path = write_spec(tmp_path, **whole)
    found = check.check(specs.load(path), installed)
    assert [problem for problem in found if said in problem.what and fix in problem.fix], found
    assert len(found) == 1
    assert isinstance(found[0].where, Place) and found[0].where.line > 1


def test_check_finds_nothing_wrong_with_a_good_spec(tmp_path: Path, installed: Plugins) -> None:
    assert check.check(specs.load(write_spec(tmp_path, **_changed())), installed) == []


def test_check_finds_everything_at_once_in_the_order_of_the_file(tmp_path: Path, installed: Plugins) -> None:
    whole = _changed(
        enrichment=[{"use": "nobody"}],
        mapping={"fields": {"email": "lead.emial", "firstName": "lead.nmae"}},
        matching=[{"by": "shoe", "value": "lead.email"}],
    )
    whole["destination"]["config"]["client_secret"] = "in-the-clear"
    found = check.check(specs.load(write_spec(tmp_path, **whole)), installed)
    assert len(found) == 5
    assert any("is a secret written into the spec" in problem.what for problem in found)
    assert "in-the-clear" not in "".join(map(str, found))
    with pytest.raises(SpecErrors) as caught:
        check.refuse_if_wrong(specs.load(write_spec(tmp_path, **whole)), installed)
    assert len(caught.value.problems) == 5
