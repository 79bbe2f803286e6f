"""What a run logs: lines that a program reads, and neither secrets nor people in them."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import logs
from engine.adapters import Enricher
from engine.asking import EnrichAnswer
from engine.hookspecs import hookimpl
from engine.plugins import load
from engine.redaction import remember_secret

NAMES = ("Ada1", "Ada2", "Lindqvist", "Kestrel", "kestrel.example", "sandbox-secret", "+1 555")


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def small(bench: Any, person: Any) -> Path:
    bench.leads([person(1, Phone="+1 555 0100"), person(2, **{"Last Name": ""})])
    return bench.spec()


@pytest.mark.parametrize("vendor", ["marketo", "pardot"])
def test_each_line_is_an_object_with_its_fields_and_nobody_is_in_it(bench: Any, person: Any, vendor: str) -> None:
    bench.leads([person(1, Phone="+1 555 0100"), person(2, **{"Last Name": ""})])
    path = bench.spec(vendor)
    ended = bench.cli("--log-format", "json", "--log-level", "debug", "run", path, "--quiet")
    assert ended.code == 1
    found = lines(ended.err)
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(each) for each in found))
    assert all(set(each) - {"time", "level", "logger", "message"} <= logs.FIELDS.keys() for each in found)
    by_message = {each["message"]: each for each in found}
    begun, end = by_message["the run has started"], by_message["the run has ended"]
    assert (begun["integration"], begun["vendor"], begun["run"]) == ("expo", vendor, end["run"])
    assert (end["status"], end["exit_code"], end["rows"], end["sent"], end["failed"]) == ("done", 1, 2, 1, 1)
    (lead,) = bench.sql("SELECT id FROM leads WHERE status = 'failed'")[0]
    failed = by_message["a lead failed"]
    assert (failed["lead"], failed["code"], failed["stage"]) == (lead, "MISSING_REQUIRED_VALUE", "capture")
    assert by_message["a call was answered"]["http_status"] == 200 and "a batch has moved on" in by_message
    assert not [name for name in NAMES if name in ended.err]


def test_by_default_people_are_not_told_twice(bench: Any, person: Any) -> None:
    ended = bench.cli("run", small(bench, person), "--quiet")
    assert ended.code == 1 and not ended.err and "note: " in ended.out


def test_a_log_for_people_is_a_line_with_what_tells_records_apart(bench: Any, person: Any) -> None:
    ended = bench.cli("--log-level", "info", "run", small(bench, person), "--quiet")
    assert " info: a lead failed  (stage=capture lead=2 code=MISSING_REQUIRED_VALUE owner=you)\n" in ended.err


def test_a_file_takes_the_log_and_is_for_its_owner_alone(
    bench: Any, person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, path = bench.folder / "engine.log", small(bench, person)
    monkeypatch.setenv("ENGINE_LOG_FORMAT", "json")
    monkeypatch.setenv("ENGINE_LOG_LEVEL", "info")
    for _ in range(2):
        assert not bench.cli("--log-file", file, "run", path, "--quiet").err
    ends = [each for each in lines(file.read_text("utf-8")) if each["message"] == "the run has ended"]
    assert [end["rows"] for end in ends] == [2, 2] and ends[0]["run"] != ends[1]["run"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert logging.getLogger("engine").handlers == []


def test_a_run_that_cannot_go_on_and_a_sending_that_is_repeated_are_logged(
    bench: Any, person: Any, logged: pytest.LogCaptureFixture
) -> None:
    bench.leads([person(1)])
    path = bench.spec()
    bench.secret("secret", "wrong-secret")
    assert bench.run(path).exit_code == 4
    stopped = [record for record in logged.records if record.levelname == "ERROR"]
    assert [each.__dict__["exit_code"] for each in stopped] == [4]
    assert "the connection is paused" in logged.text
    bench.secret("secret", "sandbox-secret")
    bench.marketo().add_fault(match="POST .*leads.json", status=503, times=1)
    assert bench.run(path).exit_code == 0
    again = [record.__dict__ for record in logged.records if record.getMessage() == "a sending is repeated"]
    assert (again[0]["outcome"], again[0]["attempts"], again[0]["stage"]) == ("unknown", 1, "sync")


def test_a_plan_logs_nothing(bench: Any, person: Any) -> None:
    ended = bench.cli("--log-format", "json", "--log-level", "info", "plan", small(bench, person))
    assert "{" not in ended.err


class Breaking(Enricher):
    """Breaks on a lead, and says whom it was about."""

    name = "breaking"
    summary = "Breaks."
    provides = ("industry",)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        self.context.log.warning("asked for %s", lead["email"], extra={"lead": 1, "title": lead["last_name"]})
        raise LookupError(f"no industry for {lead['last_name']}")


class BreakingPlugin:
    @hookimpl
    def register_enrichers(self) -> list[type[Enricher]]:
        return [Breaking]


def test_what_a_plugin_logs_has_the_fields_of_the_run_and_nobody_in_it(
    bench: Any, person: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.leads([person(1)])
    path = bench.spec(enrichment=[{"use": "breaking", "want": ["industry"]}])
    with logs.shown("json", "warning"):
        summary = bench.run(path, plugins=load({"breaking": BreakingPlugin()}))
    said = lines(capsys.readouterr().err)
    assert [each["message"] for each in said if each.get("lead")] == ["asked for ***"]
    assert {(each["run"], each["provider"]) for each in said if "provider" in each} == {(summary.run, "breaking")}
    broken = next(each for each in said if "error" in each)
    assert broken["error"][0] == "LookupError" and not [name for name in NAMES if name in json.dumps(said)]


def test_what_breaks_is_told_by_its_place_and_not_by_its_words() -> None:
    remember_secret("token-4711")
    record = logging.LogRecord("engine", logging.ERROR, "here", 1, "key=%s of %s", ("token-4711", "a@b.example"), None)
    try:
        try:
            raise KeyError("Ada1 Lindqvist")
        except KeyError as error:
            raise ValueError("not a name: Lindqvist") from error
    except ValueError as error:
        record.exc_info = (ValueError, error, None)
    record.__dict__.update(lead=7, title="Queen", code="see token-4711")
    line = logs.JsonLines().format(record)
    found = json.loads(line)
    assert (found["lead"], found["code"], found["message"]) == (7, "see ***", "key=*** of ***")
    assert [each for each in found["error"] if not each.startswith(" ")] == ["ValueError", "KeyError"]
    assert f"{Path(__file__).name}:" in found["error"][1]
    text = logs.Lines().format(record)
    for unwanted in ("Queen", "Lindqvist", "token-4711", "b.example"):
        assert unwanted not in line + text


def test_a_log_that_cannot_be_written_is_said_once_and_the_run_goes_on(bench: Any, person: Any) -> None:
    ended = bench.cli("--log-file", "/dev/full", "--log-level", "debug", "run", small(bench, person), "--quiet")
    assert ended.code == 1 and bench.conserved()["cleared"] == 1
    assert ended.err.startswith("warning: the log cannot be written: ") and ended.err.count("\n") == 1


def test_a_record_that_does_not_fit_its_text_breaks_nothing() -> None:
    record = logging.LogRecord("engine", logging.INFO, "here", 1, "%d leads of %s", ("Ada1",), None)
    assert json.loads(logs.JsonLines().format(record))["message"] == "%d leads of %s"


def test_a_line_for_people_cannot_steer_their_terminal() -> None:
    record = logging.LogRecord("engine", logging.INFO, "here", 1, "read \x1b[2J\nerror: %s", ("x",), None)
    assert logs.Lines().format(record).count("\n") == 0 and "\x1b" not in logs.Lines().format(record)
