"""Notification rules: who is told of what, when, by which way, and that nothing is told twice or lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine import hookimpl, specs
from engine.adapters import Vendor
from engine.errors import CredentialsError
from engine.notify.notifier import GATHERED, Notifier
from engine.notify_rules import NotifyRule
from engine.run import Run, Summary
from engine.state import Store
from tests.chat import Chat
from tests.unit_helpers import Shelf, shelf_plugins, write_csv, write_spec

MONDAY = datetime(2026, 5, 11, 8, 0, tzinfo=UTC).timestamp()
HOUR, DAY = 3_600.0, 86_400.0


class Closed(Shelf):
    """A vendor that lets nobody in while `shut`."""

    name = "closed"
    shut = True

    def connect(self) -> None:
        if self.shut:
            raise CredentialsError("the token is not accepted", why="token=hushhush-7f3a9b")


class ClosedPlugin:
    @hookimpl
    def register_vendors(self) -> list[type[Vendor]]:
        return [Closed]


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    Shelf.shelves.clear()
    with Chat() as started:
        monkeypatch.setenv("CHAT_URL", f"{started.url}/services/T1/hushhush-secret")
        yield started


class Show:
    """A spec with rules, a state, and runs at times that the test names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "expo.yaml"
        self.plugins = shelf_plugins(closed=ClosedPlugin())

    def spec(self, *rules: Mapping[str, Any], **changes: Any) -> Path:
        complete = [{"name": "ops", "webhook": {"url": {"env": "CHAT_URL"}}} | dict(rule) for rule in rules or ({},)]
        return write_spec(self.folder, notify=complete, required=["last_name"], **changes)

    def rows(self, *emails: str) -> None:
        rows = [("Ada", "Quill", "Fernhill", email) for email in emails]
        write_csv(self.folder / "leads.csv", rows)

    def run(self, at: float, *emails: str, **settings: Any) -> Summary:
        """A run at a time on the rows of these addresses; whose begins with `refused` fails."""
        self.rows(*emails)
        with self.store() as store:
            return Run(specs.load(self.path), store, self.plugins, now=lambda: at, **settings).go()

    def store(self) -> Store:
        return Store(self.folder / "state.db", check=False)


@pytest.fixture
def show(tmp_path: Path) -> Show:
    return Show(tmp_path)


def test_each_run_tells_what_failed_anew_and_nothing_twice(show: Show, chat: Chat) -> None:
    show.spec()
    summary = show.run(MONDAY, "ada@f.example", "refused1@f.example", "refused2@f.example", "")
    assert summary.totals["failed"] == 3
    (message,) = chat.messages
    assert set(message) == {"text"}, "Slack takes a text, and nothing else is needed"
    text = message["text"]
    assert text.startswith("*expo: 3 leads failed*\n- 2 × UNKNOWN: ")
    assert "- 1 × MISSING_MATCH_KEY" in text
    assert "admin: configuration." in text and "engine reconcile list --integration expo" in text
    assert "Now: 4 captured, 1 cleared, 3 failed, 0 Pre-Sync." in text
    assert "example" not in text and "Quill" not in text, "no lead's data goes out"

    assert show.run(MONDAY + HOUR, "ada@f.example").exit_code == 1
    assert len(chat.messages) == 1, "the same failures are no news"
    show.run(MONDAY + DAY, "refused3@f.example")
    assert chat.texts[1].splitlines()[:3] == [
        "*expo: 1 lead failed*",
        "Since 2026-05-11 08:00 (UTC):",
        "- 1 × UNKNOWN: The vendor answered with something that is not understood.",
    ]


def test_what_was_cleared_before_the_message_is_no_news(show: Show, chat: Chat) -> None:
    show.spec({"send": "daily"})
    show.run(MONDAY, "refused1@f.example")
    show.run(MONDAY + HOUR, "refused2@f.example", "refused3@f.example")
    with show.store() as store:
        store.queue.ignore([2], MONDAY + HOUR)
    show.run(MONDAY + DAY, "ada@f.example")
    assert [text.splitlines()[0] for text in chat.texts] == ["*expo: 1 lead failed*"] * 2


def test_programs_get_data_with_headers_that_hold_secrets(
    show: Show, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_TOKEN", "Bearer hushhush-token")
    webhook = {"url": {"env": "CHAT_URL"}, "format": "json",
               "headers": {"Authorization": {"env": "CHAT_TOKEN"}, "X-Team": "events"}}  # fmt: skip
    show.spec({"webhook": webhook, "on": ["failed", "finished"]})
    show.run(MONDAY, "refused1@f.example")
    (data,) = chat.messages
    assert (data["schema_version"], data["integration"], data["rule"], data["at"]) == (1, "expo", "ops", MONDAY)
    assert [(group["code"], group["owner"], group["leads"], group["retryable"]) for group in data["failed"]] == [
        ("UNKNOWN", "admin", 1, True)
    ]
    assert data["runs"] == {"done": 1, "aborted": 0, "interrupted": 0, "rows": 1}
    assert (data["stopped"], data["totals"]["failed"]) == (None, 1)
    assert (chat.headers[0]["authorization"], chat.headers[0]["x-team"]) == ("Bearer hushhush-token", "events")


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"owners": ["you"]}, ["MISSING_MATCH_KEY"]),
        ({"codes": ["UNKNOWN"]}, ["UNKNOWN"]),
        ({"codes": ["UNKNOWN"], "owners": ["vendor"]}, []),
        ({"at_least": 3}, ["UNKNOWN", "MISSING_MATCH_KEY"]),
        ({"at_least": 4}, []),
        ({"on": ["stopped"]}, []),
    ],
)
def test_a_rule_tells_only_what_it_is_for(show: Show, chat: Chat, rule: Mapping[str, Any], told: Sequence[str]) -> None:
    show.spec(rule)
    show.run(MONDAY, "refused1@f.example", "refused2@f.example", "")
    assert [code for code in ("UNKNOWN", "MISSING_MATCH_KEY") if any(code in text for text in chat.texts)] == told


def test_fewer_than_asked_for_wait_until_there_are_enough(show: Show, chat: Chat) -> None:
    show.spec({"at_least": 2})
    show.run(MONDAY, "refused1@f.example")
    assert chat.texts == []
    show.run(MONDAY + DAY, "refused2@f.example")
    assert [text.splitlines()[0] for text in chat.texts] == ["*expo: 2 leads failed*"]


@pytest.mark.parametrize(
    ("send", "zone", "last", "due", "not_due"),
    [
        ("hourly", "UTC", "2026-05-11T08:00", "2026-05-11T09:00", "2026-05-11T08:59"),
        ("hourly", "Europe/Oslo", "2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T00:59"),
        ("twice_daily", "UTC", "2026-05-11T08:00", "2026-05-11T12:00", "2026-05-11T11:59"),
        ("daily", "UTC", "2026-05-11T23:59", "2026-05-12T00:00", "2026-05-11T23:59"),
        ("daily", "Europe/Oslo", "2026-05-11T20:00", "2026-05-11T22:00", "2026-05-11T21:59"),
        ("daily", "UTC", "2026-05-11T08:05", "2026-05-12T08:03", "2026-05-11T08:05"),
        ("weekly", "UTC", "2026-05-11T00:00", "2026-05-18T00:00", "2026-05-17T23:59"),
        ("weekly", "UTC", "2026-12-31T12:00", "2027-01-04T00:00", "2027-01-03T23:59"),
        ("weekly", "UTC", "2026-05-11T08:00", "2027-05-10T08:00", "2026-05-12T08:00"),
    ],
)
def test_a_digest_is_due_in_the_next_period_by_the_clocks_of_its_zone(
    send: Any, zone: str, last: str, due: str, not_due: str
) -> None:
    rule = NotifyRule("ops", "webhook", {}, send=send, time_zone=zone)
    told, then, early = (datetime.fromisoformat(f"{text}+00:00").timestamp() for text in (last, due, not_due))
    assert rule.due(told, then) and not rule.due(told, early)
    assert rule.due(0.0, early), "the first message waits for nothing"


def test_a_digest_gathers_what_failed_since_the_last(show: Show, chat: Chat) -> None:
    show.spec({"send": "daily", "time_zone": "Europe/Oslo"})
    show.run(MONDAY, "refused1@f.example")
    show.run(MONDAY + HOUR, "refused2@f.example")
    show.run(MONDAY + 2 * HOUR, "refused3@f.example")
    assert len(chat.texts) == 1
    show.run(MONDAY + DAY, "ada@f.example")
    assert "2 leads failed" in chat.texts[1] and "Since 2026-05-11 10:00 (Europe/Oslo):" in chat.texts[1]


def test_a_message_that_is_not_taken_changes_nothing_and_is_told_later(show: Show, chat: Chat) -> None:
    show.spec()
    chat.add_fault(status=503, body="try later")
    summary = show.run(MONDAY, "refused1@f.example", "ada@f.example")
    assert (summary.exit_code, summary.status, summary.totals["cleared"]) == (1, "done", 1)
    (note,) = [note for note in summary.notes if note.startswith("notify ops: ")]
    assert "status 503: try later" in note and "next run" in note
    chat.add_fault(drop="before")
    (note,) = [note for note in show.run(MONDAY + HOUR, "bo@f.example").notes if note.startswith("notify ops: ")]
    assert "hushhush" not in note, "the address of a webhook is a secret"
    show.run(MONDAY + DAY, "refused2@f.example")
    assert [text.splitlines()[0] for text in chat.texts] == ["*expo: 2 leads failed*"]


def test_a_setting_that_is_missing_is_noted_and_the_run_goes_on(show: Show, chat: Chat) -> None:
    show.spec({"webhook": {"url": {"env": "NOT_SET_ANYWHERE"}}})
    summary = show.run(MONDAY, "refused1@f.example")
    assert summary.status == "done"
    assert any("NOT_SET_ANYWHERE is not set" in note for note in summary.notes)


def test_runs_that_do_not_get_through_are_told_once_until_one_does(
    show: Show, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    show.spec(destination={"use": "closed"})
    for hour in range(3):
        assert show.run(MONDAY + hour * HOUR, "ada@f.example").exit_code == 4
    (text,) = chat.texts
    assert text.startswith("*expo: runs do not get through*\n")
    assert "since 2026-05-11 08:00 (UTC): AUTHENTICATION. 1 lead waiting." in text
    assert "the token is not accepted" in text and "hushhush" not in text
    monkeypatch.setattr(Closed, "shut", False)
    assert show.run(MONDAY + DAY).exit_code == 0
    monkeypatch.setattr(Closed, "shut", True)
    show.run(MONDAY + 2 * DAY, "bo@f.example")
    assert len(chat.texts) == 2 and "since 2026-05-13 08:00" in chat.texts[1]


def test_while_a_run_goes_on_a_minutes_failures_make_one_message(show: Show, chat: Chat) -> None:
    show.spec()
    show.run(MONDAY, "refused1@f.example", "refused2@f.example", "refused3@f.example")
    chat.messages.clear()
    chat.arrived.clear()
    time = [MONDAY + DAY]
    with show.store() as store:
        with store.database.transaction() as db:
            db.execute("UPDATE failures SET at = ?", [MONDAY + DAY])  # as a run that is at work records them
        notes: list[str] = []
        running = Notifier(specs.load(show.path), store, show.plugins.codes, lambda: time[0], notes.append)
        for _ in range(3):
            running.lead_failed("UNKNOWN")
            running.tick()
        time[0] += GATHERED
        running.tick()
        assert chat.arrived.wait(10), "it goes out while the run goes on"
        running.run_finished()
        assert store.notified.last("expo", "ops").at == MONDAY + DAY + GATHERED, "and not before a minute has passed"
        assert [text.splitlines()[0] for text in chat.texts] == ["*expo: 3 leads failed*"]
        assert notes == []


def test_a_failure_that_takes_the_number_of_an_erased_one_is_told(show: Show, chat: Chat) -> None:
    show.spec()
    show.run(MONDAY, "refused1@f.example")
    with show.store() as store, store.database.transaction() as db:
        db.execute("DELETE FROM failures")
    show.run(MONDAY + HOUR, "refused2@f.example")
    assert len(chat.texts) == 2


def test_text_from_outside_cannot_call_a_channel_or_pose_as_a_link(show: Show, chat: Chat) -> None:
    class Loud(Shelf):
        name = "loud"

        def connect(self) -> None:
            raise CredentialsError("<!channel> see <https://evil.example|here> & now")

    class LoudPlugin:
        @hookimpl
        def register_vendors(self) -> list[type[Vendor]]:
            return [Loud]

    show.plugins = shelf_plugins(loud=LoudPlugin())
    show.spec(destination={"use": "loud"})
    show.run(MONDAY, "ada@f.example")
    (text,) = chat.texts
    assert "&lt;!channel&gt; see &lt;https://evil.example|here&gt; &amp; now" in text
    assert "<" not in text


# The command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def ran(bench: Any, person: Any, chat: Chat) -> Path:
    """A spec with two rules, after a run with a failure that neither has told: the chat took nothing."""
    bench.leads([person(1), person(2, Email="no-address")])
    chat.add_fault(status=500, times=2)
    hook = {"webhook": {"url": {"env": "CHAT_URL"}}}
    spec: Path = bench.spec(
        notify=[{"name": "ops", **hook}, {"name": "data", "send": "daily", "owners": ["you"], **hook}]
    )
    assert bench.run(spec).totals["failed"] == 1
    assert chat.messages == []
    return spec


def test_the_command_shows_and_then_sends_what_is_due(bench: Any, ran: Path, chat: Chat) -> None:
    shown = bench.cli("notify", ran, "--show")
    assert (shown.code, shown.out.count("expo: 1 lead failed")) == (0, 2)
    assert "data (webhook, daily):" in shown.out and chat.messages == []
    assert [data["rule"] for data in bench.cli("notify", ran, "--show", "--json").json["due"]] == ["ops", "data"]
    sent = bench.cli("notify", ran, "--rule", "data", "--json")
    assert (sent.code, sent.json["told"], len(chat.messages)) == (0, ["data"], 1)
    assert bench.cli("notify", ran).out == "ops: sent\n"
    assert bench.cli("notify", ran).out == "nothing is due\n"
    assert bench.cli("notify", ran, "--show", "--now").out == "nothing is due\n", "it is not only early but no news"
    assert len(chat.messages) == 2


def test_the_command_says_what_could_not_be_sent_and_where_it_is_wrong(bench: Any, ran: Path, chat: Chat) -> None:
    chat.add_fault(status=404, body="no_service\x1b[2J")
    ended = bench.cli("notify", ran, "--rule", "ops")
    assert (ended.code, "status 404: no_service" in ended.err, "\x1b" in ended.err) == (5, True, False)
    unknown = bench.cli("notify", ran, "--rule", "opps")
    assert (unknown.code, "Did you mean 'ops'?" in unknown.err) == (2, True)
    none = bench.cli("notify", bench.spec())
    assert (none.code, "has no notification rules" in none.err) == (2, True)


def test_a_test_message_needs_no_run_and_counts_as_nothing(bench: Any, ran: Path, chat: Chat) -> None:
    tried = bench.cli("notify", ran, "--test")
    assert (tried.code, tried.out) == (0, "ops: sent\ndata: sent\n")
    assert all("a test of the notification rule" in text for text in chat.texts)
    assert bench.cli("notify", ran).out == "ops: sent\ndata: sent\n"
    bench.state.unlink()
    assert bench.cli("notify", ran, "--test").code == 0
    assert not bench.state.exists()


def test_a_plan_tells_nobody_and_a_rule_changes_no_lead(bench: Any, person: Any, chat: Chat) -> None:
    bench.leads([person(1), person(2, Email="no-address")])
    spec = bench.spec()
    plan = bench.folder / "plan.json"
    assert bench.cli("plan", spec, "--save", plan).code in (0, 10)
    bench.spec(notify=[{"name": "ops", "webhook": {"url": {"env": "CHAT_URL"}}}])
    assert bench.cli("plan", spec).code in (0, 10)
    assert chat.messages == []
    assert bench.cli("run", spec, "--plan", plan).code == 1, "a rule that was added leaves the plan as it is"
    assert len(chat.messages) == 1
