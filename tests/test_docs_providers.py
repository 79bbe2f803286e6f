"""The pages on enrichment and providers say what is so: every block loads, and what they tell to do works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jmespath
import pytest
from engine_enrichers.declared import catalogue
from engine_enrichers.declared.catalogue import shipped_files
from engine_enrichers.declared.provider import Query
from engine_enrichers.declared.provider_files import load_provider
from engine_enrichers.sandbox import ProviderSandbox
from ruamel.yaml import YAML

from engine import check, enrichment, plugins, specs
from engine.adapters import Context
from engine.cli import build_cli
from engine.plugins import Plugins
from engine.records import EMAIL_STATUSES
from engine.run import Run, Summary
from engine.state import Store

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "specs/enrichment"
FILE = EXAMPLE / "providers/acme_leads.yaml"
PROVIDERS = (ROOT / "docs/providers.md").read_text("utf-8")
ENRICHMENT = (ROOT / "docs/enrichment.md").read_text("utf-8")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str, kind: str) -> list[str]:
    """The YAML blocks of a page whose first line is this comment."""
    return [text for language, text in _BLOCK.findall(page) if language == "yaml" and text.startswith(f"# {kind}\n")]


def yaml(text: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return found


# Blocks -----------------------------------------------------------------------------------------------------------


def test_every_yaml_block_of_the_pages_is_of_a_kind_that_is_tried() -> None:
    first = {text.partition("\n")[0].removeprefix("# ") for page in (PROVIDERS, ENRICHMENT)
             for language, text in _BLOCK.findall(page) if language == "yaml"}  # fmt: skip
    files = {f"{path.parent.name}/{path.name}" for path in (FILE, EXAMPLE / "recordings/acme_leads.yaml")}
    assert first == {"integration", "enrichment", "provider", "provider part", "lead.yaml", *files}


PARTS = blocks(PROVIDERS, "provider part")


@pytest.mark.parametrize("number", range(len(PARTS)))
def test_a_part_of_a_provider_file_fits_into_the_file(number: int, tmp_path: Path) -> None:
    path = tmp_path / "acme_leads.yaml"
    path.write_text(json.dumps({**yaml(FILE.read_text("utf-8")), **yaml(PARTS[number])}), "utf-8")
    assert load_provider(path).name == "acme_leads"


@pytest.mark.parametrize("text", blocks(PROVIDERS, "provider"))
def test_a_whole_provider_file_loads(text: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(text, "utf-8")
    assert load_provider(path).entity == "verification"


WATERFALLS = blocks(ENRICHMENT, "enrichment")


@pytest.mark.parametrize("number", range(len(WATERFALLS)))
def test_a_waterfall_that_is_shown_has_no_problems(number: int, tmp_path: Path, plugins: Plugins) -> None:
    path = tmp_path / "integration.yaml"
    spec = yaml((EXAMPLE / "expo.yaml").read_text("utf-8"))
    kept = {key: value for key, value in yaml(WATERFALLS[number]).items() if key != "version"}
    path.write_text(json.dumps({**spec, "enrichment": kept}), "utf-8")
    found = check.check(specs.load(path), plugins)
    assert [str(problem) for problem in found if problem.level == "error"] == []


def table_under(page: str, head: str) -> list[list[str]]:
    """The rows of the table with this head."""
    lines = page[page.index(head) :].splitlines()[2:]
    end = next(number for number, line in enumerate([*lines, ""]) if not line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:end]]


def test_every_key_of_a_step_and_of_a_field_is_explained() -> None:
    schema = specs.schema("integration")["$defs"]
    described = {"use": schema["steps"]["items"], "min_confidence": schema["field_policy"]}
    for first, told in described.items():
        listed = table_under(ENRICHMENT, f"| key | meaning |\n|---|---|\n| `{first}`")
        assert {row[0].strip("`") for row in listed} == set(told["properties"])
    for key in schema["waterfall"]["properties"]:
        assert key in ("$schema", "version") or re.search(rf"^{key}:|`{key}`", ENRICHMENT, re.MULTILINE), key


def test_the_statuses_of_an_address_are_those_that_there_are() -> None:
    told = [row[0].strip("`") for row in table_under(ENRICHMENT, "| status | means |")]
    assert sorted(told) == sorted(EMAIL_STATUSES)
    assert set(EMAIL_STATUSES) - set(enrichment.ACCEPTED) == {"invalid", "wrong_kind"}


def test_the_statuses_of_an_answer_mean_what_is_said(tmp_path: Path) -> None:
    from engine_enrichers.declared.outcomes import classify

    for status, outcome, _ in table_under(PROVIDERS, "| status | outcome | what happens |"):
        meant = re.findall(r"`(\w+)`", outcome)
        for number in [int(each) for each in re.findall(r"\d+", status.replace("2xx", "200"))] or [500]:
            assert classify((), number, {}, later=True).outcome == meant[0]
            assert classify((), number, {}, later=False).outcome == meant[-1]


@pytest.mark.parametrize("body", [{"person": None}, {"person": {"id": "p-1"}}, {}])
def test_the_trap_of_jmespath_is_as_it_is_described(body: dict[str, Any]) -> None:
    assert not jmespath.search("!person.id", body), "never true"
    assert jmespath.search("!(person.id)", body) is not bool(jmespath.search("person.id", body))
    assert Query("credits == `0`").holds({"credits": 0})
    assert not Query("list").holds({"list": []})


def test_no_shipped_file_falls_into_the_trap() -> None:
    assert [path.name for path in [*shipped_files(), FILE] if re.search(r"![a-z_]+\.", path.read_text("utf-8"))] == []


# The worked example -----------------------------------------------------------------------------------------------


def shown_suite() -> Any:
    """The test class of the file that the page shows."""
    path = EXAMPLE / "test_acme_leads.py"
    found: dict[str, Any] = {"__name__": "shown_suite", "__file__": str(path)}
    exec(compile(path.read_text("utf-8"), str(path), "exec"), found)  # noqa: S102 - our own file
    return found["TestAcmeLeads"]


#: Collected, and so run, as it is shown.
TestAcmeLeads = shown_suite()


def test_the_sandbox_that_is_shown_says_what_to_export() -> None:
    started = subprocess.Popen(
        [sys.executable, "-u", "sandbox.py"], cwd=EXAMPLE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert started.stdout is not None
        told = [started.stdout.readline().strip() for _ in range(2)]
    finally:
        started.kill()
        _, said = started.communicate()
    if "in use" in said:
        pytest.skip("the port is taken on this machine")
    assert told == ["export ACME_LEADS_BASE_URL=http://127.0.0.1:8800/acme_leads",
                    "export ACME_LEADS_API_KEY=sandbox-key"]  # fmt: skip


def test_the_leads_that_are_shown_are_those_of_the_example() -> None:
    (shown,) = (text for language, text in _BLOCK.findall(PROVIDERS) if language == "csv")
    assert shown == (EXAMPLE / "leads.csv").read_text("utf-8")


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch, plugins: Plugins) -> Iterator[ProviderSandbox]:
    with ProviderSandbox(files=[FILE]) as box, plugins.vendor("marketo").sandbox() as marketo:  # type: ignore[attr-defined]
        for name, value in {**box.environment(), **marketo.environment()}.items():
            monkeypatch.setenv(name, value)
        yield box


def run(folder: Path, plugins: Plugins) -> Summary:
    with Store(folder / "state.db") as store:
        return Run(specs.load(EXAMPLE / "expo.yaml"), store, plugins).go()


def test_the_example_asks_for_what_is_missing_and_pays_once(
    tmp_path: Path, plugins: Plugins, acme: ProviderSandbox
) -> None:
    summary = run(tmp_path, plugins)
    assert (summary.totals["cleared"], summary.totals["failed"]) == (2, 2), "one unknown, one who has not agreed"
    (paid,) = summary.paid
    bill = acme.bill()["providers"]["acme_leads"]
    assert (paid["calls"], paid["cost"]) == (bill["calls"], bill["credits"]) == (3, 1.0)
    asked = [call["query"] for call in acme.calls()]
    assert not any("phones" in query for query in asked), "nobody wants the number that costs more"
    assert all(query["min_score"] == "70" for query in asked), "the step's least confidence is asked for"
    assert not any("Marrow" in query.values() for query in asked), "she has not agreed"
    run(tmp_path, plugins)
    assert acme.bill()["providers"]["acme_leads"]["calls"] == 3


def test_a_package_of_files_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads(next(text for language, text in _BLOCK.findall(PROVIDERS) if language == "toml"))["project"]
    ((group, entries),) = project["entry-points"].items()
    ((name, package),) = entries.items()
    assert group == catalogue.GROUP
    folder = tmp_path / package / "providers"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "acme_leads.yaml").write_text(FILE.read_text("utf-8"), "utf-8")
    installed = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n", "utf-8")
    (installed / "entry_points.txt").write_text(f"[{group}]\n{name} = {package}\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {adapter.name: adapter for adapter in catalogue.installed()}
    assert found["acme_leads"].summary.endswith("(from lead-engine-acme-leads)")
    made = found["acme_leads"]({"api_key": "k"}, Context())
    assert made.ask({"email": "ada@example.com"}, ["job_title"]) is not None
    made.close()


# What is shipped --------------------------------------------------------------------------------------------------


def test_every_shipped_provider_is_listed() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\(https://", PROVIDERS, re.MULTILINE)
    assert listed == [path.stem for path in shipped_files()]


def test_every_command_of_the_plugin_is_described() -> None:
    group = build_cli()
    told = re.findall(r"^### engine (.+)$", PROVIDERS, re.MULTILINE)
    providers = group.commands["provider"]
    assert sorted(told) == sorted(["provider", "providers", *(f"provider {name}" for name in providers.commands)])  # type: ignore[attr-defined]


def test_the_settings_that_every_provider_takes_are_those_that_are_listed() -> None:
    loaded = plugins.load()
    told = [row[0].strip("`") for row in table_under(PROVIDERS, "| `config` | what it is |")]
    for name in ("hunter_email_finder", "prospeo_person"):
        assert set(loaded.enrichers[name].config_schema["properties"]) == {"api_key", *told}
