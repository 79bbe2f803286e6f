"""Hard cases: another account, another integration, a failed commit, and plugins that answer nonsense."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine import hookimpl, specs
from engine.adapters import Enricher
from engine.asking import EnrichAnswer, Finding
from engine.errors import EnvironmentFault, FailLead, NoAnswer, RetryLater
from engine.records import Delivery, Failure, Found, Outcome
from engine.redaction import remember_secret
from engine.run import Run, Summary
from engine.state import Store
from tests.unit_helpers import HEADER, Shelf, shelf_plugins, write_csv, write_spec


def rows(count: int) -> list[tuple[str, str, str, str]]:
    return [(f"A{n}", f"L{n}", f"C{n}", f"a{n}@kestrel.example") for n in range(count)]


def go(folder: Path, plugins: Any, **settings: Any) -> Summary:
    with Store(folder / "s.db") as store:
        return Run(specs.load(folder / "expo.yaml"), store, plugins, **settings).go()


def ask(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "s.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def plugin_of(**hooks: Callable[..., Any]) -> Any:
    marked = {name: staticmethod(hookimpl(function)) for name, function in hooks.items()}
    return type("Plugin", (), marked)()


@pytest.fixture(autouse=True)
def empty_shelves() -> None:
    Shelf.shelves.clear()


def test_a_lead_id_of_one_account_is_never_used_in_another(
    bench: Any, person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench.marketo(leads=[{"id": 77, "email": "ada1@kestrel.example"}])
    bench.leads([person(1)])
    spec = bench.spec(config={"base_url": {"env": "WHICH"}}, mode="manual")
    monkeypatch.setenv("WHICH", first.url)
    bench.run(spec)
    bench.cli("release")
    bench.leads([person(1, Title="Boss")])
    bench.run(spec)
    bench.fresh("marketo")
    stranger = {"id": 77, "email": "somebody.else@corp.example", "firstName": "Zoe"}
    second = bench.marketo(leads=[stranger])
    monkeypatch.setenv("WHICH", second.url)
    bench.cli("release")
    leads = {lead["email"]: lead for lead in second.state()["leads"]}
    assert leads["somebody.else@corp.example"]["firstName"] == "Zoe"
    assert set(leads) == {"somebody.else@corp.example", "ada1@kestrel.example"}


def test_what_one_account_holds_is_sent_to_another(bench: Any, person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = bench.marketo()
    spec = bench.spec(config={"base_url": {"env": "WHICH"}})
    bench.leads([person(1)])
    monkeypatch.setenv("WHICH", first.url)
    bench.run(spec)
    bench.fresh("marketo")
    second = bench.marketo()
    monkeypatch.setenv("WHICH", second.url)
    bench.leads([person(1), person(1, Scan="2")])
    summary = bench.run(spec)
    assert summary.totals["cleared"] == 1
    assert [lead["email"] for lead in second.state()["leads"]] == ["ada1@kestrel.example"]


def test_a_membership_that_comes_back_is_given_again(bench: Any, person: Any) -> None:
    box = bench.marketo()
    spec = bench.spec(
        source={"qualifiers": {"Follow": "Follow"}},
        mapping={"programs": [{"program_id": 1107, "status_from": {"qualifier": "Follow",
                                                                  "options": {"Yes": "Engaged", "No": "Member"}}}]},
    )  # fmt: skip
    for number, answer in enumerate(["No", "Yes", "No"]):
        bench.leads([person(1, Follow=answer, Scan=str(number))])
        bench.run(spec)
    asked = [call["body"] for call in box.calls("POST .*members/status")]
    assert ["Member" in body for body in asked] == [True, False, True]


def test_an_unanswered_write_of_one_integration_holds_back_another(bench: Any, person: Any) -> None:
    box = bench.pardot(latency=0)
    bench.leads([person(1)])
    config = {"settle_after": 1.0}
    first = bench.spec("pardot", "a", config={**config, "timeout": 0.15})
    second = bench.spec("pardot", "b", config={**config, "timeout": 10})
    box.add_fault(match="POST .*upsertLatestByEmail", delay=0.6)
    stop = threading.Event()

    def until_unknown(run: Run) -> None:
        if run.circumstances and run.store.queue.counts(run.circumstances.run.integration_id).get("unknown"):
            stop.set()

    bench.run(first, real_time=True, stop=stop, progress=until_unknown)
    assert bench.run(second, real_time=True).totals["cleared"] == 1
    assert box.state()["duplicates"] == []
    assert len(box.state()["prospects"]) == 1


def test_an_ignored_lead_that_is_captured_again_can_be_taken_up_again(bench: Any, person: Any) -> None:
    bench.marketo(leads=[{"email": "ada3@kestrel.example"}, {"email": "ada3@kestrel.example"}])
    bench.leads([person(3)])
    spec = bench.spec()
    bench.run(spec)
    bench.cli("reconcile", "ignore", "ada3@kestrel.example")
    bench.leads([person(3, Scan="2")])
    bench.run(spec)
    assert list(bench.statuses().values()) == ["ignored"]
    bench.cli("reconcile", "ignore", "--undo", "ada3@kestrel.example")
    assert "AMBIGUOUS_MATCH" in bench.cli("reconcile", "list").out


class Lossy(Shelf):
    """Loses answers while `mode` says so."""

    name = "lossy"
    settle_after = 0.0
    mode = "ok"

    def sync(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        outcomes = list(super().sync(deliveries))
        if Lossy.mode == "lost":
            raise NoAnswer("lost", after=0)
        return outcomes

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        if Lossy.mode == "lost":
            raise RetryLater("down", after=0)
        return super().look_up(deliveries, fields)


def test_what_the_vendor_holds_is_not_assumed_after_an_unanswered_write(tmp_path: Path) -> None:
    plugins = shelf_plugins(extra=plugin_of(register_vendors=lambda: [Lossy]))
    write_spec(
        tmp_path,
        destination={"use": "lossy", "retry": {"attempts": 2}},
        source={"use": "csv", "path": "leads.csv", "qualifiers": {"Q": "Q"}},
        mapping={"fields": {"email": "lead.email", "firstName": "qualifiers['Q']"}},
    )
    seen = []
    for number, (answer, mode) in enumerate([("Hot", "ok"), ("Cold", "lost"), ("Hot", "ok")]):
        Lossy.mode = mode
        person = ("A", "L", "C", "a@kestrel.example", answer, str(number))
        write_csv(tmp_path / "leads.csv", [person], header=(*HEADER, "Q", "S"))
        seen.append(go(tmp_path, plugins))
    assert seen[2].this_run["unchanged"] == 0 and seen[2].totals["cleared"] == 1
    assert ask(tmp_path, "SELECT code FROM failures") == [("UNKNOWN_OUTCOME",)]


ODD = {
    "nothing": None,
    "no confidence": EnrichAnswer("hit", {"job_title": Finding("x", None)}),  # type: ignore[arg-type]
    "no JSON": EnrichAnswer("hit", {"job_title": Finding(Decimal(1))}),
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_an_enricher_that_answers_nonsense_stops_nobody(tmp_path: Path, answer: Any) -> None:
    class Odd(Enricher):
        name = "odd"
        summary = "Answers nonsense for one lead."
        provides = ("job_title",)

        def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
            return answer if lead["first_name"] == "A1" else EnrichAnswer("miss")

    write_csv(tmp_path / "leads.csv", rows(3))
    write_spec(tmp_path, enrichment=[{"use": "odd"}])
    summary = go(tmp_path, shelf_plugins(extra=plugin_of(register_enrichers=lambda: [Odd])))
    assert summary.status == "done" and summary.totals["cleared"] == 3


@pytest.mark.parametrize("kind", ["nothing", "no JSON"])
def test_a_vendor_plugin_that_answers_nonsense_fails_that_lead_only(tmp_path: Path, kind: str) -> None:
    class Odd(Shelf):
        name = "odd"

        def sync(self, deliveries: Sequence[Delivery]) -> list[Any]:
            outcomes: list[Any] = list(super().sync(deliveries))
            for place, delivery in enumerate(deliveries):
                if delivery.decision.value.startswith("a1@"):
                    strange = Outcome("created", remote_id="1", answer={"x": Decimal(1)})
                    outcomes[place] = None if kind == "nothing" else strange
            return outcomes

    write_csv(tmp_path / "leads.csv", rows(10))
    write_spec(tmp_path, destination={"use": "odd"})
    summary = go(tmp_path, shelf_plugins(extra=plugin_of(register_vendors=lambda: [Odd])))
    assert summary.totals["presync"] == 0
    assert summary.totals["failed"] == (1 if kind == "nothing" else 0)


def test_a_vendor_plugin_may_fail_one_lead_with_a_code_of_its_choice(tmp_path: Path) -> None:
    class Choosy(Shelf):
        name = "choosy"

        def sync(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
            if any(delivery.decision.value.startswith("a1@") for delivery in deliveries):
                raise FailLead(Failure("DATA_VALUE_VALIDATION", "not this one", field="email"))
            return list(super().sync(deliveries))

    write_csv(tmp_path / "leads.csv", rows(5))
    write_spec(tmp_path, destination={"use": "choosy"})
    summary = go(tmp_path, shelf_plugins(extra=plugin_of(register_vendors=lambda: [Choosy])))
    assert (summary.totals["cleared"], summary.totals["failed"]) == (4, 1)
    assert ask(tmp_path, "SELECT code, message FROM failures") == [("DATA_VALUE_VALIDATION", "not this one")]


def test_a_commit_that_fails_in_the_background_ends_the_run(tmp_path: Path) -> None:
    write_csv(tmp_path / "leads.csv", rows(2500))
    write_spec(tmp_path)
    with Store(tmp_path / "s.db") as store:
        database = store.database
        submit = database._committer.submit

        def full(*_: Any) -> None:
            database.connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")

        database._committer.submit = lambda call, *given: submit(full)  # type: ignore[method-assign]
        with pytest.raises(EnvironmentFault, match="disk is full"):
            Run(specs.load(tmp_path / "expo.yaml"), store, shelf_plugins()).go()
    assert go(tmp_path, shelf_plugins()).totals["cleared"] == 2500


def test_a_run_that_is_stopped_while_it_signs_in_is_resumable(tmp_path: Path) -> None:
    stop = threading.Event()

    class Down(Shelf):
        name = "down"

        def connect(self) -> None:
            stop.set()
            raise RetryLater("down", after=5.0)

    write_csv(tmp_path / "leads.csv", rows(3))
    write_spec(tmp_path, destination={"use": "down"})
    summary = go(tmp_path, shelf_plugins(extra=plugin_of(register_vendors=lambda: [Down])), stop=stop)
    assert (summary.status, summary.exit_code) == ("interrupted", 130)
    assert ask(tmp_path, "SELECT status FROM runs") == [("interrupted",)]


def test_a_clock_that_goes_back_does_not_stop_the_calls(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        for _ in range(5):
            store.quotas.take_call("account", [(5, 20.0)], None, 10_000.0)
        assert store.quotas.take_call("account", [(5, 20.0)], None, 6_400.0) <= 20.0


@pytest.mark.parametrize("secret", ['a"quoted\\secret', "4711471147"])
def test_a_secret_that_json_writes_otherwise_is_concealed(tmp_path: Path, secret: str) -> None:
    remember_secret(secret)

    class Telling(Shelf):
        name = "telling"

        def sync(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
            told = int(secret) if secret.isdecimal() else secret
            return [Outcome("created", remote_id="1", answer={"said": told}) for _ in deliveries]

    write_csv(tmp_path / "leads.csv", rows(1))
    write_spec(tmp_path, destination={"use": "telling"})
    go(tmp_path, shelf_plugins(extra=plugin_of(register_vendors=lambda: [Telling])))
    [(answer,)] = ask(tmp_path, "SELECT answer FROM outcomes")
    assert "quoted" not in answer and "4711471147" not in answer
