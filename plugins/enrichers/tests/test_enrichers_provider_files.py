"""Provider files: what is shipped is sound, and what is wrong with one is said at once, each with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from engine_enrichers import register_enrichers
from engine_enrichers.declared import files
from engine_enrichers.declared.catalogue import HttpEnricher, class_of, installed
from engine_enrichers.declared.files import ProviderFile, shipped_files
from engine_enrichers.declared.provider_files import load_provider, provider_schema
from jsonschema import Draft202012Validator

from engine.adapters import Context
from engine.errors import SpecError
from engine.specs import SpecErrors

MINIMAL = """\
version: 1
name: acme
summary: Finds job titles.
docs: https://docs.acme.example/api
base_url: https://api.acme.example
auth: {headers: {Authorization: "Bearer {api_key}"}}
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


def write(folder: Path, text: str, name: str = "acme.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.stem)
def test_shipped_files_are_sound_and_named_like_their_provider(path: Path) -> None:
    assert load_provider(path).name == path.stem


def test_every_enricher_of_the_plugin_has_a_name_and_a_sound_schema() -> None:
    classes = register_enrichers()
    names = [cls.name for cls in classes]
    assert len(names) == len(set(names))
    assert {"normalize", "email_domain", "http", "people_data_labs"} <= set(names)
    for cls in classes:
        Draft202012Validator.check_schema(cls.config_schema)
        assert cls.summary.endswith(".")


def described(node: Any, where: str = "") -> list[str]:
    """The properties of a schema that lack title, description or example."""
    if not isinstance(node, dict):
        return [problem for child in (node if isinstance(node, list) else ()) for problem in described(child, where)]
    lacking = [f"{where}/{name}" for name, prop in node.get("properties", {}).items() if not described_by(prop)]
    return lacking + [p for name, child in node.items() for p in described(child, f"{where}/{name}")]


def described_by(prop: dict[str, Any]) -> bool:
    nested = prop.get("type") in ("object", ["object", "array"], ["object", "string"]) or "$ref" in prop
    return {"title", "description"} <= set(prop) and ("examples" in prop or nested or "const" in prop)


def test_the_schema_of_provider_files_explains_every_key() -> None:
    Draft202012Validator.check_schema(provider_schema())
    without = {"/properties/options/additionalProperties/type"}  # JSON Schema's own keyword
    assert set(described(provider_schema())) <= without


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("hit: 1}", "hit: free}", "acme.yaml:17:13: 'free' is not of type 'number'"),
        ("[[email]]", "[[emall]]", "acme.yaml:10:13: 'emall' is no input\n  fix: Did you mean 'email'?"),
        ("summary: F", "sumary: F", "acme.yaml:3:9: unknown key 'sumary'\n  fix: Did you mean 'summary'?"),
        ("person.title", "person.[title", "acme.yaml:16:14: not a JMESPath: person.[title"),
        ("person.title", "upper(title)", "acme.yaml:16:14: 'upper' is no function of JMESPath"),
        ("job_title: p", "job_titel: p", "16:14: 'job_titel' is no lead field\n  fix: Did you mean 'job_title'?"),
        ('"{email}"', '"{emial}"', "acme.yaml:14:17: nothing is known here for {emial}\n  fix: Did you mean 'email'?"),
        ("summary: Finds", "summary: [Finds", "acme.yaml:4:5: not valid YAML"),
        ("https://api", "http://api", "acme.yaml:5:11: 'http://api.acme.example' is no https address"),
        ("api.acme.example", "{email}.example", "acme.yaml:5:11: 'https://{email}.example' is no https address"),
        ("{api_key}", "{email}", "acme.yaml:6:33: nothing is known here for {email}"),
        ("/v1/find", "/v1//find", "acme.yaml:13:9: the path has an empty part"),
        ("path: /v1/find", "path: /v1/{company_domain}", "acme.yaml:10:12: the path needs {company_domain}"),
        ("method: POST", "method: PSOT", "acme.yaml:12:11: 'PSOT' is not known here\n  fix: Did you mean 'POST'?"),
        ("cost: {hit: 1}", "cost: {hit: 1, fields: {phone: 2}}", "'phone' is no extracted field"),
        ("extract:", "confidence: {path: a, fixed: 1}\nextract:", "acme.yaml:15:13: "),
        ("  json: {", "  form: {a: b}\n  json: {", "a request has a body of one kind"),
        ("{title: Region,", "{", "acme.yaml:8:11: 'title' is missing"),
        ("person.title", "{path: a, first_of: [b]}", "an extraction has one of path, first_of and expression"),
        ("person.title", '{expression: "lead.b | upper", take: {a: b}}', "unknown lead field 'b'"),
        ("job_title: person.title", "email: {path: a, status: {path: b, map: {x: ok}}}", "'ok' is not known here"),
        ("job_title: person.title", "email_status: {path: a, map: {x: ok}}", "'ok' is no status of an address"),
        ("valid_for", "async: {ticket: id}\nvalid_for", "one of poll, again and callback"),
        ("valid_for", "entity: verification\nvalid_for", "a verification extracts email_status alone"),
        ("name: acme", "name: acme\nname: other", 'acme.yaml:3:1: not valid YAML\n  why: found duplicate key "name"'),
        ("options:", "credentials: {api_key: &k {title: A, description: B.}, token: {<<: *k}}\noptions:",
         "acme.yaml:7:63: the credential token is used nowhere\n  fix: Put {token} into auth."),
        ("{api_key}", "k-1", "acme.yaml:6:7: the credential api_key is used nowhere"),
        ("extract:", "outcomes: [{when: '!a.b', is: miss}]\nextract:", "15:19: `!a.b` means `(!a).b`, which is never"),
        ("person.title", "\"people[?!job.left && x=='!y.z'] | [0].title\"", "Write !(a.b)."),
        ("limits: {}", "limits: {body: 'a['}", "acme.yaml:18:16: not a JMESPath: a["),
        ("extract:", "confidence: {taken: score, scale: 10}\nextract:", "'score' is no name that a call"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in MINIMAL
    with pytest.raises(SpecError) as caught:
        load_provider(write(tmp_path, MINIMAL.replace(old, new)))
    assert said in str(caught.value).replace(f"{tmp_path}/", "")


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = MINIMAL.replace("cost: {hit: 1}", "cost: {hit: free}").replace("limits: {}", "limits: {cals: 3}")
    with pytest.raises(SpecErrors) as caught:
        load_provider(write(tmp_path, text))
    assert [str(each.where).rpartition("/")[2] for each in caught.value.problems] == [
        "acme.yaml:17:13",
        "acme.yaml:18:16",
    ]


def test_what_was_taken_before_is_not_known_to_a_poll(tmp_path: Path) -> None:
    text = MINIMAL + (
        "before: [{request: {method: GET, path: /search}, take: {score: score}}]\n"
        "async: {ticket: id, poll: {method: GET, path: '/jobs/{ticket}'}}\n"
        "confidence: {taken: score, scale: 10}\n"
    )
    with pytest.raises(SpecError, match="no longer known when the answer is collected"):
        load_provider(write(tmp_path, text))


def test_http_runs_a_file_of_the_project(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    enricher = HttpEnricher({"file": "acme.yaml", "api_key": "k"}, Context(folder=tmp_path))
    assert (enricher.name, HttpEnricher.name) == ("acme", "http")
    assert enricher.provides == ("job_title",)
    assert enricher.valid_for == 30 * 86400
    assert enricher.ask({"email": "jane@brightloom.example"}, ["job_title"]) is not None
    enricher.close()


def test_http_says_what_is_wrong_with_its_configuration(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    with pytest.raises(SpecError, match=r"enrichment\.http\.config\.region: 7 is not of type 'string'"):
        HttpEnricher({"file": "acme.yaml", "api_key": "k", "region": 7}, Context(folder=tmp_path))
    with pytest.raises(SpecError, match="'colour' was unexpected"):
        HttpEnricher({"file": "acme.yaml", "api_key": "k", "colour": 1}, Context(folder=tmp_path))
    with pytest.raises(SpecError, match="'api_key' is a required property"):
        HttpEnricher({"file": "acme.yaml"}, Context(folder=tmp_path))
    with pytest.raises(SpecError, match=r"missing\.yaml: the provider file cannot be read"):
        HttpEnricher({"file": "missing.yaml", "api_key": "k"}, Context(folder=tmp_path))


def test_an_option_of_the_path_must_be_given(tmp_path: Path) -> None:
    text = MINIMAL.replace("/v1/find", "/v1/{region}/find").replace(", default: eu", "")
    found = class_of(ProviderFile(write(tmp_path, text), "here"))
    assert found.config_schema["required"] == ["api_key", "region"]


# Packages of files --------------------------------------------------------------------------------------------------


class _Entry:
    """An entry point as `importlib.metadata` gives them."""

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value
        self.dist = type("Dist", (), {"name": f"{value}-dist"})


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of provider files whose code, if it ran, would fail."""
    folder = tmp_path / "site" / "acme_providers"
    (folder / "providers").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('no code is run')", "utf-8")
    monkeypatch.syspath_prepend(str(folder.parent))
    entries = [_Entry("acme", "acme_providers"), _Entry("gone", "acme_gone")]
    monkeypatch.setattr(files, "entry_points", lambda group: entries if group == files.GROUP else [])
    return folder / "providers"


def test_packages_bring_files_without_code_and_a_broken_one_breaks_only_itself(package: Path) -> None:
    write(package, MINIMAL)
    write(package, MINIMAL.replace("name: acme", "name: broke").replace("hit: 1}", "hit: x}"), "broke.yaml")
    found = {cls.name: cls for cls in installed()}
    assert found["acme"].summary == "Finds job titles. (from acme_providers-dist)"
    assert found["acme"].provides == ("job_title",)
    assert found["broke"].summary.startswith("Broken")
    with pytest.raises(SpecError, match=r"broke\.yaml:17:13: 'x' is not of type 'number'"):
        found["broke"]({"api_key": "k"}, Context())
    with pytest.raises(SpecError, match="acme_gone is no package with a folder `providers`"):
        found["gone"]({}, Context())
    assert "people_data_labs" in found


def test_two_files_with_one_name_are_both_refused_and_named(package: Path) -> None:
    write(package, MINIMAL.replace("name: acme", "name: hunter_person"))
    [refused] = [cls for cls in installed() if cls.name == "hunter_person"]
    with pytest.raises(SpecError) as caught:
        refused({"api_key": "k"}, Context())
    assert "providers/hunter_person.yaml (lead-engine-enrichers)" in str(caught.value)
    assert "providers/acme.yaml (acme_providers-dist)" in str(caught.value)


def test_a_sound_file_is_remembered_until_it_changes(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL)
    assert ProviderFile(path, "here").provider.summary == "Finds job titles."
    assert len(list((tmp_path / "cache/lead-engine/providers").glob("*.json"))) == 1
    assert ProviderFile(path, "here").provider.summary == "Finds job titles."
    write(tmp_path, MINIMAL.replace("Finds job", "Finds other"))
    assert ProviderFile(path, "here").provider.summary == "Finds other titles."
    write(tmp_path, MINIMAL.replace("hit: 1}", "hit: x}"))
    assert isinstance(ProviderFile(path, "here").error, SpecErrors)
