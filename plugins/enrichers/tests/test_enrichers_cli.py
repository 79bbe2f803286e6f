"""`engine providers` and `engine provider`, as people run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from engine_enrichers import register_commands
from engine_enrichers.sandbox import ProviderSandbox

from engine.errors import AbortRun

FILE = """\
version: 1
name: acme
summary: Finds job titles.
docs: https://docs.acme.example/api
base_url: https://api.acme.example
auth: {query: {key: "{api_key}"}}
options: {pages: {title: Pages, description: How many., type: integer}}
inputs: {any_of: [[email]]}
request: {method: POST, path: /find, query: {pages: "{pages}"}, json: {email: "{email}"}}
identity: {last_name: last}
extract: {job_title: title}
cost: {hit: 2}
limits: {}
valid_for: {hit: 30, miss: 7}
"""
RECORDING = """\
persona: {email: ada@brightloom.example, last_name: Quillfeather, job_title: CEO}
cases:
  hit: {reply: {status: 200, body: {title: "{job_title}", last: "{last_name}"}}, charged: 2, outcome: hit}
  other_person: {reply: {status: 200, body: {title: Boss, last: Tessarolo}}, charged: 2, outcome: rejected}
  auth: {reply: {status: 401}, outcome: auth}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "providers").mkdir()
    (tmp_path / "recordings").mkdir()
    (tmp_path / "providers/acme.yaml").write_text(FILE, "utf-8")
    (tmp_path / "recordings/acme.yaml").write_text(RECORDING, "utf-8")
    (tmp_path / "lead.yaml").write_text("email: ada@brightloom.example\nlast_name: Quillfeather\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    group = click.Group()
    register_commands(group)
    return CliRunner().invoke(group, words)


def refused(*words: str) -> AbortRun:
    """The error that ends the command."""
    error = run(*words).exception
    assert isinstance(error, AbortRun)
    return error


def test_all_providers_are_listed_with_what_they_need_and_cost() -> None:
    found = json.loads(run("providers", "--json").output)
    assert found["schema_version"] == 1
    one: dict[str, Any] = next(each for each in found["providers"] if each["name"] == "snov_email_finder")
    assert one["hosts"] == ["api.snov.io"]
    assert (one["auth"], one["async"], one["entity"]) == ("oauth", True, "person")
    assert "people_data_labs" in run("providers").output


def test_one_provider_is_shown_with_what_is_sent_to_whom(folder: Path) -> None:
    shown = run("providers", "acme", "--folder", "providers").output
    assert "email to api.acme.example" in shown
    assert "at most 2 credits" in shown
    error = refused("providers", "acmee", "--folder", "providers")
    assert (error.exit_code, error.fix) == (2, "Did you mean 'acme'?")


def test_a_trial_shows_the_request_without_the_key_and_sends_nothing(folder: Path) -> None:
    shown = run(
        "provider", "try", "providers/acme.yaml", "--lead", "lead.yaml", "--set", "api_key=k-12345", "--set", "pages=3"
    )
    assert "POST https://api.acme.example/find?pages=3&key=***" in shown.output
    assert '"email": "ada@brightloom.example"' in shown.output
    assert "nothing was sent" in shown.output
    assert "k-12345" not in shown.output
    assert shown.exit_code == 0


def test_a_trial_reads_recorded_answers(folder: Path) -> None:
    hit = run("provider", "try", "providers/acme.yaml", "--case", "hit").output
    assert "job_title = CEO   (wanted, confidence 1.00, from title)" in hit
    assert "cost: 2 credits" in hit
    other = run("provider", "try", "providers/acme.yaml", "--case", "other_person", "--lead", "lead.yaml").output
    assert "outcome: rejected" in other
    assert refused("provider", "try", "providers/acme.yaml", "--case", "auth").exit_code == 4
    assert "no case 'hot'" in str(refused("provider", "try", "providers/acme.yaml", "--case", "hot"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "pagse=3"], "Did you mean 'pages'?"),
        (["--set", "pages=many"], "'many' is not of type 'integer'"),
        (["--want", "job_tile"], "Did you mean 'job_title'?"),
        (["--send"], "export ACME_API_KEY=…"),
        (["--send", "--case", "hit"], "either recorded or asked for"),
    ],
)
def test_a_trial_says_what_is_wrong_with_it(folder: Path, words: list[str], said: str) -> None:
    error = refused("provider", "try", "providers/acme.yaml", "--lead", "lead.yaml", *words)
    assert error.exit_code == 2
    assert said in str(error)


def test_a_trial_says_which_inputs_the_lead_lacks(folder: Path) -> None:
    (folder / "lead.yaml").write_text('{"last_name": "Quillfeather"}', "utf-8")
    error = refused("provider", "try", "providers/acme.yaml", "--lead", "lead.yaml")
    assert "email: there is no usable email" in str(error)
    (folder / "lead.yaml").write_text('{"emial": "x"}', "utf-8")
    assert "Did you mean 'email'?" in str(refused("provider", "try", "providers/acme.yaml", "--lead", "lead.yaml"))


def test_a_lead_that_is_no_yaml_is_refused_with_its_place(folder: Path) -> None:
    (folder / "lead.yaml").write_text("email: ada@brightloom.example\nemail: bo@brightloom.example\n", "utf-8")
    error = refused("provider", "try", "providers/acme.yaml", "--lead", "lead.yaml")
    assert 'lead.yaml:2:1: the lead is not valid YAML\n  why: found duplicate key "email"' in str(error)


def test_a_recorded_answer_has_only_what_is_asked_for(folder: Path) -> None:
    text = FILE.replace(
        'json: {email: "{email}"}', "json: {e: '{email}', m: {$if_wanted: [mobile_phone], $then: true}}"
    )
    text = text.replace("{job_title: title}", "{job_title: title, mobile_phone: mobile}")
    (folder / "providers/acme.yaml").write_text(
        text.replace("{hit: 2}", "{hit: 1, fields: {mobile_phone: 9}}"), "utf-8"
    )
    recording = RECORDING.replace("job_title: CEO}", 'job_title: CEO, mobile_phone: "+12025550143"}')
    recording = recording.replace('title: "{job_title}", last', 'title: "{job_title}", mobile: "{mobile_phone}", last')
    (folder / "recordings/acme.yaml").write_text(recording, "utf-8")
    every = run("provider", "try", "providers/acme.yaml", "--case", "hit").output
    assert "cost: 10 credits" in every
    one = run("provider", "try", "providers/acme.yaml", "--case", "hit", "--want", "job_title").output
    assert ("costs at most: 1 credit\n" in one, "cost: 1 credit\n" in one) == (True, True)
    assert "mobile_phone" not in one


def test_a_recorded_answer_is_as_sure_as_the_preview_before_it(folder: Path) -> None:
    shown = run("provider", "try", "cognism_person", "--case", "hit", "--want", "job_title").output
    assert "job_title = Head of Partnerships   (wanted, confidence 0.88" in shown


def test_a_trial_can_be_sent_to_a_sandbox(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "sandbox-key")
    with ProviderSandbox(files=[folder / "providers/acme.yaml"]) as box:
        shown = run(
            "provider",
            "try",
            "providers/acme.yaml",
            "--lead",
            "lead.yaml",
            "--send",
            "--set",
            f"base_url={box.url}/acme",
        ).output
    assert "outcome: hit" in shown
    assert "job_title = CEO" in shown


def test_files_are_checked_and_everything_wrong_is_said(folder: Path) -> None:
    good = run("provider", "check", "providers/acme.yaml")
    assert (good.exit_code, good.output) == (0, "providers/acme.yaml: nothing is wrong\n")
    (folder / "providers/acme.yaml").write_text(
        FILE.replace("hit: 2}", "hit: x}").replace("[email]", "[emial]"), "utf-8"
    )
    bad = run("provider", "check", "providers/acme.yaml")
    assert bad.exit_code == 2
    assert "'emial' is no input" in bad.output
    assert "providers/acme.yaml:12:13: 'x' is not of type 'number'" in bad.output


def test_the_schema_is_printed() -> None:
    assert json.loads(run("provider", "schema").output)["title"] == "Provider"
