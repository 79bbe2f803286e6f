"""What people see of a plan: the terminal, the page, the saved file and the exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from syrupy.assertion import SnapshotAssertion

from engine.cli.plan import leads_shown, summary
from engine.planning.page import html
from engine.planning.records import Plan, load
from tests.conftest import Bench
from tests.plan_helpers import planned, row, run_planned, saved, show

NOON = 1_790_000_000.0


@pytest.fixture
def plan(bench: Bench) -> Plan:
    """Somebody of each kind, at a fixed time."""
    people = [
        {"id": 901, "email": "ada1@fernhill.example", "firstName": "Ada", "lastName": "Quill 1", "title": "Buyer",
         "company": "Her own", "city": "Leeds", "leadType": "A"},
        {"id": 902, "email": "ada2@fernhill.example", "firstName": "ada", "city": "Ulm", "company": "Her own"},
        {"id": 903, "email": "twice@fernhill.example"}, {"id": 904, "email": "twice@fernhill.example"},
    ]  # fmt: skip
    given = {901: "Attended", 902: "Invited"}
    bench.marketo(
        leads=people,
        members=[{"leadId": id, "programId": 1107, "statusName": status} for id, status in given.items()],
    )
    bench.marketo().world.listed.setdefault(1001, {})[901] = None
    rows = [row(1), row(2, City=""), row(3), row(4, **{"E-mail": "twice@fernhill.example"}), row(5, Heat="Tepid"),
            row(6, **{"Last Name": ""}), row(7, **{"Job Title": "", "City": "<b>Leeds</b>"})]  # fmt: skip
    spec = show(bench, people, rows, enrichment=[bench.provider_step(want=["job_title"])])
    return planned(bench, spec, now=lambda: NOON)


def fixed(text: str) -> str:
    """Without what differs from one run of the tests to the next."""
    return re.sub(r"\b[0-9a-f]{16,}\b", "DIGEST", re.sub(r"127\.0\.0\.1:\d+", "HOST", text))


def test_the_terminal_shows_a_summary_and_a_diff_of_each_lead(plan: Plan, snapshot: SnapshotAssertion) -> None:
    lines = [*summary(plan), *leads_shown(plan.leads, None)]
    assert fixed(click.unstyle("\n".join(lines))) == snapshot
    assert any("\x1b[32m" in line and "+ lastName" in line for line in lines)
    assert any("\x1b[33m" in line and "ada → Ada" in line for line in lines)
    assert any("\x1b[31m" in line and "AMBIGUOUS_MATCH" in line for line in lines)


def test_the_page_shows_the_same(plan: Plan, snapshot: SnapshotAssertion) -> None:
    assert fixed(re.sub(r"<style>.*?</style>", "", html(plan), flags=re.DOTALL)) == snapshot


def test_the_json_has_a_version_and_all_of_it(plan: Plan, snapshot: SnapshotAssertion) -> None:
    assert fixed(json.dumps(plan.as_json(), indent=1, default=str)) == snapshot


def test_the_page_holds_nothing_from_elsewhere_and_escapes_what_leads_say(plan: Plan) -> None:
    text = html(plan)
    assert "&lt;b&gt;Leeds" in text and "<script" not in text and "<b>Leeds" not in text
    assert not re.search(r"(src|href)=|url\(|@import|https?:", text)
    assert 'scope="row"' in text and 'lang="en"' in text and "prefers-color-scheme: dark" in text


# The commands ---------------------------------------------------------------------------------------------------------


def test_plan_then_run_from_the_command_line(bench: Bench) -> None:
    spec, path, page = show(bench, [], [row(1)]), bench.folder / "plan.json", bench.folder / "plan.html"
    done = bench.cli("plan", spec, "--save", path, "--html", page, "--json")
    assert done.code == 0, done.err
    assert done.json["schema_version"] == 1 and done.json["counts"]["create"] == 1
    assert {oct(each.stat().st_mode & 0o777) for each in (path, page)} == {"0o600"}
    assert not bench.state.exists() and bench.writes() == []
    kept = path.read_text("utf-8") + page.read_text("utf-8")
    assert "sandbox-secret" not in kept and "access_token" not in kept
    done = bench.cli("run", spec, "--plan", path, "--quiet")
    assert (done.code, "as planned in" in done.err) == (0, True), done.err
    done = bench.cli("plan", spec, "--detailed-exitcode")
    assert (done.code, "\x1b" in done.out, "0 create, 0 update, 0 skip, 0 fail" in done.out) == (0, False, True)


@pytest.mark.parametrize(("rows", "code"), [([row(1)], 10), ([row(1), row(2, Heat="Tepid")], 1)])
def test_the_exit_code_tells_what_would_happen(bench: Bench, rows: Any, code: int) -> None:
    assert bench.cli("plan", show(bench, [], rows), "--detailed-exitcode").code == code


def test_a_changed_plan_is_refused_with_its_exit_code(bench: Bench) -> None:
    spec = show(bench, [], [row(1)])
    path = saved(bench, spec)
    bench.leads([row(1), row(2)])
    done = bench.cli("run", spec, "--plan", path)
    assert (done.code, bench.writes(), bench.state.exists()) == (2, [], False)
    assert "2 things have changed since the plan was made" in done.err and str(path) in done.err


def test_a_lead_is_shown_alone_and_the_rest_is_counted(bench: Bench) -> None:
    spec = show(bench, [], [row(number) for number in range(25)])
    assert "5 more: --details shows all" in bench.cli("plan", spec).out
    alone = bench.cli("plan", spec, "--lead", "ada7@fernhill.example").out
    assert "+ lastName   Quill 7" in alone and "Quill 8" not in alone
    assert bench.cli("plan", spec, "--lead", "nobody@fernhill.example").code == 2


def test_standard_input_cannot_be_run_later(bench: Bench) -> None:
    spec = show(bench, [], [row(1)])
    done = bench.cli("plan", spec, "-", "--save", bench.folder / "plan.json")
    assert (done.code, "save it in a file" in done.err) == (2, True)
    done = bench.cli("run", spec, "-", "--plan", saved(bench, spec))
    assert (done.code, "save it in a file" in done.err) == (2, True)


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"schema_version": 9}), '{"schema_version": 1}'])
def test_what_is_no_plan_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content, "utf-8")
    with pytest.raises(Exception, match="this is no saved plan") as error:
        load(path)
    assert getattr(error.value, "exit_code", 0) == 2


def test_a_plan_is_the_same_once_it_is_saved_and_read(bench: Bench) -> None:
    people = [{"email": "ada1@fernhill.example", "rating": 3, "city": "Ulm"}]
    spec = show(bench, people, [row(1, City=""), row(2)])
    path = saved(bench, spec)
    assert run_planned(bench, spec, path).exit_code == 0
    assert load(path).counts["update"] == 1
