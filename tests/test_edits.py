"""engine reconcile fix: what a person sets stays set, and the lead starts over with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.cli import build_cli
from engine.errors import SpecError
from engine.state import Store
from engine.state.captures import Capture, LeadChange
from tests.unit_helpers import Shelf, run_spec, shelf_plugins, write_csv, write_spec

PLUGINS = shelf_plugins()


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An integration that has run: one lead cleared, one without a company failed."""
    monkeypatch.setattr("engine.plugins.load", lambda: PLUGINS)
    Shelf.shelves.clear()
    write_csv(
        tmp_path / "leads.csv", [("Ada", "Quill", "Fernhill", "ada@f.example"), ("Bo", "Reed", "", "bo@g.example")]
    )
    path = write_spec(tmp_path)
    assert run_spec(path, tmp_path / "state.db", PLUGINS).totals["failed"] == 1
    return path


def fix(spec: Path, *words: str) -> Result:
    state = str(spec.with_name("state.db"))
    return CliRunner().invoke(build_cli(), ["reconcile", "fix", *words, "--by", "ada", "--state", state])


def story(spec: Path, id: int) -> dict[str, Any]:
    with Store(spec.with_name("state.db")) as store:
        found = store.reports.lead(id)
        assert found is not None
        return found


def sql(spec: Path, statement: str) -> None:
    with Store(spec.with_name("state.db")) as store, store.database.transaction() as db:
        db.execute(statement)


def again(spec: Path) -> Mapping[str, int]:
    return run_spec(spec, spec.with_name("state.db"), PLUGINS).totals


def test_a_failed_lead_that_is_completed_starts_over_and_is_delivered(spec: Path) -> None:
    done = fix(spec, "bo@g.example", "company=Gantry Works")
    assert done.exit_code == 0
    assert "company  (empty) -> Gantry Works" in done.output and "engine reconcile retry" in done.output
    assert (story(spec, 2)["status"], story(spec, 2)["failures"][0]["resolved_at"] is None) == ("captured", False)
    assert again(spec)["cleared"] == 2
    assert story(spec, 2)["edits"]["company"]["by"] == "ada"


def test_one_that_still_lacks_something_stays_failed_and_says_what(spec: Path) -> None:
    done = fix(spec, "2", "city=Oslo")
    assert "still no company" in done.output and "company=…" in done.output
    assert (story(spec, 2)["status"], story(spec, 2)["fields"]["city"]) == ("failed", "Oslo")


def test_what_was_delivered_is_delivered_anew_with_the_edit_and_a_later_capture_changes_nothing(spec: Path) -> None:
    assert fix(spec, "1", "first_name=Adeline", "--clear", "city").exit_code == 0
    row = ("Adele", "Quill", "Fernhill", "ada@f.example", "Oslo")
    write_csv(spec.with_name("leads.csv"), [row], ("First Name", "Last Name", "Company", "Email", "City"))
    assert again(spec)["duplicate"] == 1
    assert Shelf.shelves["shelf"]["ada@f.example"]["firstName"] == "Adeline"
    assert "city" not in story(spec, 1)["fields"]


def test_earlier_edits_stay_on_record(spec: Path) -> None:
    for value in ("Oslo", "Bergen"):
        assert fix(spec, "1", f"city={value}").exit_code == 0
    assert fix(spec, "1", "--clear", "city").exit_code == 0
    edit = story(spec, 1)["edits"]["city"]
    assert (edit["v"], [each["v"] for each in edit["was"]]) == ("", ["Oslo", "Bergen"])
    shown = CliRunner().invoke(build_cli(), ["reconcile", "show", "1", "--state", str(spec.with_name("state.db"))])
    assert "(cleared)" in shown.output and "by ada" in shown.output


@pytest.mark.parametrize("status", ["enriching", "sending", "importing"])
def test_a_lead_in_flight_starts_over_once_it_has_landed(spec: Path, status: str) -> None:
    with Store(spec.with_name("state.db")) as store:
        store.queue.hold([1], status, 0.0)
    assert "on its way" in fix(spec, "1", "city=Oslo").output
    with Store(spec.with_name("state.db")) as store:
        assert store.database.row("SELECT status, stale FROM leads WHERE id = 1") == (status, 1)
        store.queue.delay([1], "mapped", 0.0)
        assert store.database.row("SELECT status, stale FROM leads WHERE id = 1") == ("captured", 0)


def test_while_a_run_is_at_work_a_lead_starts_over_whoever_has_it_in_hand(spec: Path) -> None:
    sql(spec, "UPDATE leads SET status = 'matched' WHERE id = 1")
    with Store(spec.with_name("state.db")) as running:
        running.database.hold()
        assert fix(spec, "1", "city=Oslo").exit_code == 0
        assert running.database.row("SELECT status, stale FROM leads WHERE id = 1") == ("captured", 1)


def test_one_whose_sending_is_unclear_is_looked_up_first(spec: Path) -> None:
    sql(spec, "UPDATE failures SET code = 'UNKNOWN_OUTCOME', stage = 'sync' WHERE lead_id = 2")
    assert fix(spec, "2", "city=Oslo").exit_code == 0
    with Store(spec.with_name("state.db")) as store:
        assert store.database.row("SELECT status, stale FROM leads WHERE id = 2") == ("unknown", 1)


def test_an_ignored_lead_stays_so(spec: Path) -> None:
    sql(spec, "UPDATE leads SET status = 'ignored' WHERE id = 2")
    assert "--undo" in fix(spec, "2", "company=Gantry").output
    assert (story(spec, 2)["status"], story(spec, 2)["fields"]["company"]) == ("ignored", "Gantry")


def test_slips_change_nothing_and_say_what_was_meant(spec: Path) -> None:
    before = story(spec, 1)
    wrong = fix(spec, "1", "job_titel=Buyer").exception
    assert isinstance(wrong, SpecError) and wrong.fix == "Did you mean 'job_title'?"
    for words in (["1", "city"], ["1", "city="], ["1"], ["1", "city=A", "--clear", "city"]):
        assert fix(spec, *words).exit_code == 2
    unknown = fix(spec, "nobody@x.example", "city=A").exception
    assert isinstance(unknown, SpecError)
    assert story(spec, 1) == before


def test_suppressed_people_and_unreadable_rows_are_left_alone(spec: Path) -> None:
    sql(spec, "UPDATE leads SET status = 'suppressed' WHERE id = 1")
    sql(spec, "UPDATE failures SET code = 'UNREADABLE_ROW' WHERE lead_id = 2")
    for id in ("1", "2"):
        assert isinstance(fix(spec, id, "city=A").exception, SpecError)
        assert "city" not in story(spec, int(id))["fields"]


def test_a_word_that_means_several_leads_is_refused(spec: Path) -> None:
    with Store(spec.with_name("state.db")) as store:
        run = store.runs.last()
        assert run is not None
        twin = LeadChange(3, "badge::7", {"f": {"email": "both@x.example"}, "q": {}, "e": {}}, True, "captured")
        other = LeadChange(4, "badge::8", {"f": {"email": "both@x.example"}, "q": {}, "e": {}}, True, "captured")
        store.captures.save(run.integration_id, run.id, "test", [Capture(9, 3, 9, "{}"), Capture(10, 4, 10, "{}")],
                            [twin, other], rows=2, known_rows=0, now=1.0)  # fmt: skip
    refused = fix(spec, "both@x.example", "city=A").exception
    assert isinstance(refused, SpecError) and "3, 4" in refused.fix
