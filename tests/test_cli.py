"""The command line: what it prints, and its exit codes."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import httpx
import pytest
from engine_marketo.sandbox import MarketoSandbox
from engine_marketo.schema import DAY_ZONE

from engine.cli import main
from tests.unit_helpers import write_csv, write_spec

PEOPLE = [
    ("Ada", "Quill", "Fernhill", "ada@fernhill.example", "Hot"),
    ("Bo", "Reed", "Gantry", "bo@gantry.example", "Tepid"),
    ("Cy", "Stone", "", "cy@gantry.example", "Hot"),
]
HEADER = ("First Name", "Last Name", "Company", "Email", "Heat")
Done = subprocess.CompletedProcess[str]
Engine = Callable[..., Done]


@pytest.fixture(scope="module")
def server() -> Iterator[MarketoSandbox]:
    with MarketoSandbox() as running:
        yield running


@pytest.fixture
def sandbox(server: MarketoSandbox) -> MarketoSandbox:
    server.reset()
    return server


@pytest.fixture
def environment(sandbox: MarketoSandbox) -> dict[str, str]:
    return {**os.environ, **sandbox.environment(), "COLUMNS": "200"}


@pytest.fixture
def engine(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Run a command in a folder of its own; in this process, for a new one takes a second to start."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **variables: str | None) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as patch:
            for name, value in {**environment, **variables}.items():
                if value is None:
                    patch.delenv(name, raising=False)
                else:
                    patch.setenv(name, value)
            patch.setattr(sys, "argv", ["engine", *arguments])
            code = 0
            try:
                with redirect_stdout(out), redirect_stderr(err):
                    main()
            except SystemExit as ended:
                code = int(ended.code or 0)
        return Done(["engine", *arguments], code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., Path]:
    """An integration with Marketo's sandbox; keywords change it."""

    def write(**changes: Any) -> Path:
        config = {name: {"env": f"MARKETO_{name.upper()}"} for name in ("base_url", "client_id", "client_secret")}
        whole: dict[str, Any] = {
            "source": {"use": "csv", "path": "leads.csv", "qualifiers": {"Heat": "Heat"}},
            "destination": {"use": "marketo", "config": {**config, "limits": changes.pop("limits", {})}},
            "mapping": {
                "fields": {"email": "lead.email", "firstName": "lead.first_name", "lastName": "lead.last_name"},
                "qualifiers": {"Heat": {"field": "leadType", "options": {"Hot": "A"}}},
            },
            **changes,
        }
        return write_spec(tmp_path, **whole)

    return write


Spec = Callable[..., Path]


@pytest.fixture
def people(tmp_path: Path) -> Callable[[Sequence[Sequence[str]]], Path]:
    return lambda rows: write_csv(tmp_path / "leads.csv", rows, HEADER)


People = Callable[[Sequence[Sequence[str]]], Path]


# Commands that send nothing ------------------------------------------------------------------------------------------


def test_check_finds_nothing_wrong_with_a_good_spec(engine: Engine, spec: Spec) -> None:
    spec()
    done = engine("check", "expo.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "expo.yaml: nothing is wrong\n", "")
    assert json.loads(engine("check", "--json", "expo.yaml").stdout) == {
        "schema_version": 1, "checked": ["expo.yaml"], "problems": [],
    }  # fmt: skip


def test_check_shows_every_problem_with_its_place(engine: Engine, spec: Spec) -> None:
    spec(mapping={"fields": {"email": "lead.emial", "firstName": "lead.first_name | uper"}})
    done = engine("check", "expo.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "expo.yaml:" in done.stderr and "Did you mean 'email'?" in done.stderr
    assert "2 errors" in done.stderr
    problems = json.loads(engine("check", "--json", "expo.yaml", "nowhere.yaml").stdout)["problems"]
    errors = [problem for problem in problems if problem["level"] == "error"]
    assert [problem["fix"] for problem in errors[:2]] == ["Did you mean 'email'?", "Did you mean 'upper'?"]
    assert errors[0]["where"]["path"] == "expo.yaml" and errors[0]["where"]["line"] > 1
    assert errors[0]["code"] == "unknown-lead-field"
    assert "cannot read the spec" in errors[2]["what"]


def test_the_command_is_installed(tmp_path: Path) -> None:
    for command in ([str(Path(sys.executable).with_name("engine"))], [sys.executable, "-m", "engine"]):
        done = subprocess.run([*command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.startswith("engine, version ")


def test_plugins_lists_what_is_installed(engine: Engine) -> None:
    done = engine("plugins")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("csv", "jsonl", "marketo", "pardot", "normalize", "filters:"))
    listed = json.loads(engine("plugins", "--json").stdout)
    assert listed["schema_version"] == 1
    assert {"name": "csv", "plugin": "built-in"}.items() <= listed["sources"][0].items()
    assert listed["broken"] == []


def test_schema_prints_a_schema_that_editors_take(engine: Engine) -> None:
    printed = json.loads(engine("schema", "mapping").stdout)
    assert printed["title"] == "Mapping"
    wrong = engine("schema", "shoes")
    assert wrong.returncode == 2
    assert "integration" in wrong.stderr


@pytest.mark.parametrize("command", [("status",), ("reconcile", "list"), ("reconcile", "show", "1"), ("release",)])
def test_before_any_run_there_is_nothing_to_show(engine: Engine, command: tuple[str, ...]) -> None:
    done = engine(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no state yet" in done.stderr
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr


# Runs and their exit codes -------------------------------------------------------------------------------------------


def test_a_run_in_which_all_goes_well_ends_with_0(engine: Engine, spec: Spec, people: People) -> None:
    spec()
    people(PEOPLE[:1])
    done = engine("run", "expo.yaml", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["schema_version"], summary["status"], summary["exit_code"]) == (1, "done", 0)
    assert summary["totals"]["cleared"] == 1
    assert summary["written"] == {"created": 1, "updated": 0, "memberships": 0}
    assert summary["groups"] == []
    again = json.loads(engine("run", "expo.yaml", "--json").stdout)
    assert (again["this_run"]["known_rows"], again["this_run"]["sent"]) == (1, 0)


def test_failed_leads_are_shown_explained_and_tried_again(
    engine: Engine, spec: Spec, people: People, sandbox: MarketoSandbox
) -> None:
    spec()
    people(PEOPLE)
    done = engine("run", "expo.yaml")
    assert done.returncode == 1, done.stderr
    for word in ("NO_TAG_MAPPING", "MISSING_REQUIRED_VALUE", "leads.csv:4", "engine reconcile list"):
        assert word in done.stdout

    listed = json.loads(engine("reconcile", "list", "--json").stdout)
    assert listed["schema_version"] == 1
    assert {group["code"]: (group["owner"], group["leads"]) for group in listed["groups"]} == {
        "NO_TAG_MAPPING": ("admin", 1), "MISSING_REQUIRED_VALUE": ("you", 1),
    }  # fmt: skip
    assert "NO_TAG_MAPPING" in engine("reconcile", "list").stdout
    assert "bo@gantry.example" in engine("reconcile", "list", "--group", "NO_TAG_MAPPING").stdout
    misspelt = engine("reconcile", "list", "--group", "NO_TAG_MAPING")
    assert (misspelt.returncode, "Did you mean 'NO_TAG_MAPPING'?" in misspelt.stderr) == (2, True)

    shown = engine("reconcile", "show", "BO@gantry.example").stdout
    for word in ("leads.csv:3", "captured", "Tepid", "has no option", "Fix (admin)"):
        assert word in shown
    story = json.loads(engine("reconcile", "show", "email:bo@gantry.example", "--json").stdout)
    assert (story["schema_version"], story["leads"][0]["failures"][0]["code"]) == (1, "NO_TAG_MAPPING")
    assert engine("reconcile", "show", "nobody@x.example").returncode == 2

    spec(mapping={"fields": {"email": "lead.email"}, "qualifiers": {"Heat": {"field": "leadType"}}})
    retried = engine("reconcile", "retry", "--json")
    assert retried.returncode == 1
    assert "1 lead" in retried.stderr
    assert "stays failed: still no company" in retried.stderr
    assert json.loads(retried.stdout)["totals"]["cleared"] == 2
    emails = sorted(lead["email"] for lead in sandbox.state()["leads"])
    assert emails == ["ada@fernhill.example", "bo@gantry.example"]

    status = engine("status", "--json")
    assert status.returncode == 0
    assert json.loads(status.stdout)["schema_version"] == 1
    assert "expo" in engine("status").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "nowhere.yaml"), "nowhere.yaml"),
        (("run", "expo.yaml", "nowhere.csv"), "nowhere.csv"),
        (("run",), "Missing argument"),
        (("run", "expo.yaml", "--colour"), "--colour"),
        (("fly",), "fly"),
    ],
)
def test_a_wrong_spec_file_or_command_ends_with_2(
    engine: Engine, spec: Spec, arguments: tuple[str, ...], said: str
) -> None:
    spec()
    done = engine(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_variable_that_is_not_set_ends_with_2_and_is_named(engine: Engine, spec: Spec, people: People) -> None:
    spec()
    people(PEOPLE[:1])
    done = engine("run", "expo.yaml", MARKETO_CLIENT_SECRET=None)
    assert done.returncode == 2
    assert "MARKETO_CLIENT_SECRET is not set" in done.stderr
    assert "export MARKETO_CLIENT_SECRET=" in done.stderr


def test_a_state_that_is_not_ours_ends_with_3(engine: Engine, spec: Spec, people: People, tmp_path: Path) -> None:
    spec()
    people(PEOPLE[:1])
    (tmp_path / "state.db").write_bytes(b"no database " * 100)
    done = engine("run", "expo.yaml", "--state", "state.db")
    assert done.returncode == 3
    assert "state.db" in done.stderr and "--state" in done.stderr


def test_wrong_credentials_end_with_4_after_one_call(
    engine: Engine, spec: Spec, people: People, sandbox: MarketoSandbox
) -> None:
    spec()
    people(PEOPLE)
    done = engine("run", "expo.yaml", MARKETO_CLIENT_SECRET="hunter2-wrong")
    assert done.returncode == 4
    assert "client_secret" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert len(sandbox.journal) == 1
    assert json.loads(engine("run", "expo.yaml", "--json").stdout)["totals"]["cleared"] == 1, "the rows were kept"


def test_a_spent_quota_ends_with_5_and_the_same_command_goes_on(
    engine: Engine, spec: Spec, people: People, sandbox: MarketoSandbox, tmp_path: Path
) -> None:
    now = datetime.now(ZoneInfo(DAY_ZONE))
    if (now + timedelta(minutes=5)).date() != now.date():
        pytest.skip("the quota is reset in a few minutes, and a run waits so long")
    spec()
    people(PEOPLE[:1])
    sandbox.add_fault(match="POST /rest/v1/leads", error="607")
    done = engine("run", "expo.yaml")
    assert done.returncode == 5
    assert "quota" in done.stderr.lower()
    assert "engine run expo.yaml" in done.stdout
    calls = len(sandbox.calls())
    paused = engine("run", "expo.yaml")
    assert paused.returncode == 5 and "paused until" in paused.stderr
    assert len(sandbox.calls()) <= calls + 1
    with sqlite3.connect(tmp_path / ".engine" / "state.db") as state:
        state.execute("UPDATE pauses SET until = 0")
    state.close()
    assert engine("run", "expo.yaml").returncode == 0
    assert len(sandbox.state()["leads"]) == 1


def test_ctrl_c_ends_in_order_with_130_and_the_same_command_goes_on(
    spec: Spec, people: People, sandbox: MarketoSandbox, engine: Engine, environment: dict[str, str], tmp_path: Path
) -> None:
    spec(limits={"batch_size": 1, "concurrency": 1})
    people([("Ada", "Quill", "F", f"ada{number}@f.example", "Hot") for number in range(40)])
    sandbox.add_fault(match="POST /rest/v1/leads", delay=0.1, times=-1)
    command = [sys.executable, "-m", "engine", "run", "expo.yaml"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        # The state shows when the first lead is written, so no time has to be guessed.
        with httpx.Client(base_url=sandbox.url, trust_env=False) as browser:
            while running.poll() is None and not browser.get("/_sandbox/state").json()["leads"]:
                pass
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    assert "stopping" in err and "Traceback" not in err
    assert "go on where this run stopped" in out
    written = len(sandbox.state()["leads"])
    assert 0 < written < 40
    sandbox.faults.clear()
    done = engine("run", "expo.yaml", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["totals"]["cleared"] == 40
    assert len(sandbox.state()["leads"]) == 40
    assert sandbox.state()["leads"][0]["email"] == "ada0@f.example"


def test_no_value_of_a_lead_steers_the_terminal(bench: Any, person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "Head\x1b]0;owned\x07 \x9b2J\u202eof\r pumps"
    rows = [person(1, **{"Job Title": evil}), person(2, **{"Job Title": evil, "Email": "no-\x1b[2Jaddress"})]
    bench.leads(rows)
    spec = bench.spec()
    said = bench.cli("plan", spec).out
    bench.run(spec)
    words = ("reconcile show 1", "explain --lead 1", "reconcile list", "reconcile list --leads", "status",
             "reconcile show x\x1b[2J")  # fmt: skip
    shown = [bench.cli(*each.split(" ")) for each in words]
    for text in (said, *(each.out + each.err for each in shown)):
        assert not set("\x1b\x07\x9b\u202e\r") & set(click.unstyle(text)), repr(text)
    assert "owned" in said and "owned" in shown[0].out, "they are shown all the same"
