"""Provider files: what is shipped is sound, and what is wrong is named with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from engine_enrichers import register_enrichers
from engine_enrichers.declared import HttpEnricher
from engine_enrichers.provider_files import load_provider, provider_schema, shipped_files
from jsonschema import Draft202012Validator

from engine.adapters import Context
from engine.errors import SpecError
from engine.records import LEAD_FIELDS

MINIMAL = """\
version: 1
name: acme
summary: Finds job titles.
docs: https://docs.acme.example/api
base_url: https://api.acme.example
auth: {in: bearer}
options:
  region: {title: Region, description: Where to look., type: string, default: eu}
inputs:
  any_of: [[email]]
request:
  method: POST
  path: /v1/find
  json: {email: "{email}", region: "{region}"}
extract:
  job_title: person.title
cost: {hit: 1}
limits: {}
valid_for: {hit: 30, miss: 7}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "acme.yaml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.stem)
def test_shipped_providers_are_sound(path: Path) -> None:
    provider = load_provider(path)
    assert provider.name == path.stem
    assert set(provider.extract) <= set(LEAD_FIELDS)
    assert {field for fields in provider.inputs for field in fields} <= set(LEAD_FIELDS)


def test_every_enricher_of_the_plugin_has_a_name_and_a_sound_schema() -> None:
    classes = register_enrichers()
    assert [cls.name for cls in classes] == ["normalize", "email_domain", "http", "people_data_labs"]
    for cls in classes:
        Draft202012Validator.check_schema(cls.config_schema)
        assert cls.summary.endswith(".")


def described(node: Any, where: str = "") -> list[str]:
    """The properties of a schema that lack title, description or example."""
    if not isinstance(node, dict):
        return [problem for child in (node if isinstance(node, list) else ()) for problem in described(child, where)]
    lacking = [f"{where}/{name}" for name, prop in node.get("properties", {}).items() if not described_by(prop)]
    return lacking + [p for name, child in node.items() if name != "if" for p in described(child, f"{where}/{name}")]


def described_by(prop: dict[str, Any]) -> bool:
    nested = prop.get("type") in ("object",) or "$ref" in prop
    return {"title", "description"} <= set(prop) and ("examples" in prop or nested or "const" in prop)


def test_the_schema_of_provider_files_explains_every_key() -> None:
    Draft202012Validator.check_schema(provider_schema())
    without = {"/properties/options/additionalProperties/type"}  # JSON Schema's own keyword
    assert set(described(provider_schema())) <= without


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("hit: 1}", "hit: free}", "acme.yaml:17:13: 'free' is not of type 'number'"),
        ("any_of: [[email]]", "any_of: [[Email]]", "acme.yaml:10:13: 'Email' does not match"),
        ("name: acme", "nome: acme", "acme.yaml:1:1: Additional properties"),
        ("person.title", "person.[title", "acme.yaml:16:14: not a JMESPath: person.[title"),
        ('"{email}"', '"{mail}"', "acme.yaml:14:17: {mail} is neither an input nor an option"),
        ("auth: {in: bearer}", "auth: {in: header}", "acme.yaml:6:7: 'name' is a required property"),
        ("summary: Finds", "summary: [Finds", "acme.yaml:4:5: not valid YAML"),
        ("https://api", "http://api", "acme.yaml:5:11: 'http://api.acme.example' does not match"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in MINIMAL
    with pytest.raises(SpecError) as caught:
        load_provider(write(tmp_path, MINIMAL.replace(old, new)))
    assert str(caught.value).startswith(f"{tmp_path}/{said}")


def test_http_runs_a_file_of_the_project(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    enricher = HttpEnricher({"file": "acme.yaml", "api_key": "k"}, Context(folder=tmp_path))
    assert (enricher.name, HttpEnricher.name) == ("acme", "http")
    assert enricher.provides == ("job_title",)
    assert enricher.valid_for == 30 * 86400
    assert enricher.request_key({"email": "jane@brightloom.example"}, ["job_title"]) is not None
    enricher.close()


def test_http_says_what_is_wrong_with_its_configuration(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    with pytest.raises(SpecError, match=r"enrichment\.http\.config\.region: 7 is not of type 'string'"):
        HttpEnricher({"file": "acme.yaml", "api_key": "k", "region": 7}, Context(folder=tmp_path))
    with pytest.raises(SpecError, match="'colour' was unexpected"):
        HttpEnricher({"file": "acme.yaml", "api_key": "k", "colour": 1}, Context(folder=tmp_path))
    with pytest.raises(SpecError, match=r"missing\.yaml: the provider file cannot be read"):
        HttpEnricher({"file": "missing.yaml", "api_key": "k"}, Context(folder=tmp_path))
