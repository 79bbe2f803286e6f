"""engine check over files and folders, as text, JSON and SARIF."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import plugins
from engine.cli import main
from engine.errors import SpecError
from engine.hookspecs import hookimpl
from engine.spec_kinds import SpecKind

ROOT = Path(__file__).parents[1]
SPEC = """\
version: 1
name: {name}
source: {{use: csv, path: leads.csv}}
destination:
  use: marketo
  config:
    base_url: {{env: MARKETO_BASE_URL}}
    client_id: {{env: MARKETO_CLIENT_ID}}
    client_secret: {secret}
mapping: {mapping}
"""
MAPPING = "version: 1\nfields:\n  email: lead.email\n  title: {title}\n"
REFERENCE = "{env: SECRET}"
Checked = Callable[..., tuple[int, str, str]]


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "expo", title: str = "lead.job_title", secret: str = REFERENCE) -> Path:
        (tmp_path / f"{name}.mapping.yaml").write_text(MAPPING.format(title=title), "utf-8")
        path = tmp_path / f"{name}.yaml"
        path.write_text(SPEC.format(name=name, secret=secret, mapping=f"{name}.mapping.yaml"), "utf-8")
        return path

    return write


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Checked:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["engine", "check", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_folder_is_checked_with_all_its_specs(spec: Callable[..., Path], checked: Checked, tmp_path: Path) -> None:
    spec("one", title="lead.job_titel")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "alone.mapping.yaml").write_text(MAPPING.format(title="lead.job_title | uper"), "utf-8")
    (tmp_path / "more" / "acme.yaml").write_text(
        (ROOT / "specs/enrichment/providers/acme_leads.yaml").read_text("utf-8").replace("summary:", "sumary:"), "utf-8"
    )
    (tmp_path / "docker-compose.yaml").write_text("version: '3'\nservices: {}\n", "utf-8")
    (tmp_path / "notes.yaml").write_text("just: [a list\n", "utf-8")
    (tmp_path / "broken.yaml").write_text("version: 1\nname: [a\nsource: b\n", "utf-8")
    code, _, err = checked()
    assert code == 2
    for place, what in (
        ("one.mapping.yaml:4:3", "unknown lead field 'job_titel'"),
        ("alone.mapping.yaml:4:3", "unknown filter 'uper'"),
        ("acme.yaml", "'sumary'"),
        ("broken.yaml:2", "a [ is opened and not closed"),
    ):
        assert any(place in line and what in line for line in err.splitlines()), (place, what, err)
    assert "notes.yaml" not in err and "docker-compose" not in err
    assert err.count("error: 'lead.job_titel'") == 1, "told once: the part is checked with its integration"


def test_a_mapping_alone_is_doubted_only_where_it_resembles_what_is_known(checked: Checked, tmp_path: Path) -> None:
    text = "version: 1\nfields:\n  email: lead.emial\n  booth: lead.booth ~ qualifiers['Any'] ~ lead.city\n"
    (tmp_path / "mapping.yaml").write_text(text, "utf-8")
    code, _, err = checked("mapping.yaml")
    assert (code, err.count("error:")) == (2, 1)
    assert "mapping.yaml:3:3: error: 'lead.emial'" in err


def test_the_line_is_shown_and_marked(spec: Callable[..., Path], checked: Checked) -> None:
    spec(title="lead.job_titel")
    _, _, err = checked("expo.yaml")
    assert "    4 |   title: lead.job_titel\n      |   ^\n  fix: Did you mean 'job_title'?" in err
    assert "more: engine explain unknown-lead-field" in err


def test_a_secret_is_named_and_never_shown(spec: Callable[..., Path], checked: Checked) -> None:
    spec(secret="hushhush-7f3a9b")
    for form in ("text", "json", "sarif"):
        code, out, err = checked("expo.yaml", "--format", form)
        assert code == 2
        assert "is a secret written into the spec" in out + err
        assert "hushhush" not in out + err


def test_a_warning_keeps_the_exit_code_at_0(spec: Callable[..., Path], checked: Checked) -> None:
    path = spec()
    path.write_text(path.read_text("utf-8").replace("path: leads.csv", "path: leads.csv, qualifiers: {A: A}"), "utf-8")
    code, _, err = checked("expo.yaml")
    assert (code, "warning: the answers to 'A'" in err, "expo.yaml: 1 warning" in err) == (0, True, True)


def test_nothing_to_check_is_said(checked: Checked, tmp_path: Path) -> None:
    code, _, err = checked()
    assert (code, "there is no spec in this folder" in err) == (2, True)
    assert checked("nowhere.yaml")[0] == 2


def test_sarif_names_rules_and_places(spec: Callable[..., Path], checked: Checked) -> None:
    spec("one", title="lead.job_titel")
    spec("two", title="lead.job_title | truncate(9, 9, 9)")
    code, out, _ = checked("--format", "sarif")
    (run,) = json.loads(out)["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    results = {result["ruleId"]: result for result in run["results"]}
    assert code == 2
    assert sorted(results) == sorted(rules) == ["filter-arguments", "unknown-lead-field"]
    found = results["unknown-lead-field"]
    assert rules[found["ruleIndex"]] == "unknown-lead-field"
    assert found["level"] == "error" and "Did you mean 'job_title'?" in found["message"]["text"]
    assert found["locations"] == [{"physicalLocation": {
        "artifactLocation": {"uri": "one.mapping.yaml"}, "region": {"startLine": 4, "startColumn": 3}}}]  # fmt: skip
    assert json.loads(checked("one.yaml", "--json")[1])["problems"][0]["code"] == "unknown-lead-field"


def test_a_catalog_may_be_named_and_not_together_with_the_vendor(spec: Callable[..., Path], checked: Checked) -> None:
    catalog = str(ROOT / "tests/broken_specs/parts/marketo.catalog.json")
    path = spec()
    path.with_name("expo.mapping.yaml").write_text("version: 1\nfields: {email: lead.email, titel: lead.city}\n")
    assert checked("expo.yaml")[0] == 0
    code, _, err = checked("expo.yaml", "--catalog", catalog)
    assert (code, "marketo has no field 'titel'" in err, "Did you mean 'title'?" in err) == (2, True, True)
    assert checked("expo.yaml", "--catalog", catalog, "--live")[0] == 2


class _Plugin:
    """A plugin with a kind of spec."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    @hookimpl
    def register_spec_kinds(self) -> list[Any]:
        return [self._kind]


def test_a_plugin_brings_a_kind_of_spec(tmp_path: Path) -> None:
    from engine.check_files import check_paths

    def problems(path: Path) -> list[SpecError]:
        return [SpecError("the badge is crooked", where=str(path), code="wrong-value")]

    kind = SpecKind("badge", "How badges are read.", lambda: {"type": "object"}, lambda raw: "badges" in raw, problems)
    loaded = plugins.load({"acme": _Plugin(kind), "copy": _Plugin(kind), "odd": _Plugin(7)}, installed=False)
    assert list(loaded.kinds) == ["badge"]
    assert [broken.plugin for broken in loaded.broken] == ["copy", "odd"]
    (tmp_path / "our.yaml").write_text("version: 1\nbadges: []\n", "utf-8")
    report = check_paths([tmp_path], loaded, tmp_path / "no-state")
    assert [finding.what for finding in report.findings] == ["the badge is crooked"]
