"""Plugins of a third party: every hook, and what becomes of broken ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import click
import pytest
from click.testing import CliRunner

from engine import check, hookimpl, plugins, specs
from engine.adapters import Config, Context, Enricher, Source, Vendor
from engine.asking import EnrichAnswer, Finding
from engine.errors import EnvironmentFault, SpecError
from engine.plugins import Plugins
from engine.records import Delivery, Failure, Lead, Outcome, RawLead
from engine.state import Store
from tests.unit_helpers import Shelf, ShelfPlugin, all_leads, run_spec, shelf_plugins, write_csv, write_spec

ROWS = [("Ada", "Quill", "Fernhill", "ada@f.example"), ("Bo", "Reed", "Gantry", "refused@g.example")]


class Notebook(Source):
    """Three leads from no file at all."""

    name = "notebook"
    summary = "Reads a notebook."
    config_schema: ClassVar[Mapping[str, Any]] = {"type": "object", "properties": {"path": {"type": "string"}}}

    @property
    def label(self) -> str:
        return "notebook"

    def columns(self) -> Sequence[str]:
        return ["first_name", "last_name", "company", "email"]

    def rows(self) -> Iterator[RawLead]:
        for line, row in enumerate(ROWS, start=1):
            yield RawLead(dict(zip(self.columns(), row, strict=True)), line)
        yield RawLead({"first_name": "?"}, 3, "the page is torn")


class Guess(Enricher):
    """Guesses a job title."""

    name = "guess"
    summary = "Guesses."
    provides = ("job_title",)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        return EnrichAnswer("hit", {"job_title": Finding(f"Friend of {lead['first_name']}", 0.9)})


class Extra:
    """All hooks in one plugin; what the observers saw is kept."""

    def __init__(self) -> None:
        self.failed: list[tuple[Lead, Failure]] = []
        self.finished: list[Mapping[str, Any]] = []

    @hookimpl
    def register_sources(self) -> list[type[Source]]:
        return [Notebook]

    @hookimpl
    def register_enrichers(self) -> list[type[Enricher]]:
        return [Guess]

    @hookimpl
    def register_filters(self) -> dict[str, Callable[..., Any]]:
        return {"shout": lambda value: f"{value}!"}

    @hookimpl
    def register_commands(self, cli: click.Group) -> None:
        @cli.command("hello")
        def hello() -> None:
            click.echo("hello from a plugin")

    @hookimpl
    def lead_failed(self, lead: Lead, failure: Failure) -> None:
        self.failed.append((lead, failure))

    @hookimpl
    def run_finished(self, summary: Mapping[str, Any]) -> None:
        self.finished.append(summary)


@pytest.fixture
def shelf() -> Iterator[dict[str, dict[str, Any]]]:
    """The persons on the default shelf, empty at first."""
    Shelf.shelves.clear()
    yield Shelf.shelves.setdefault("shelf", {})
    Shelf.shelves.clear()


FIELDS = {"email": "lead.email", "firstName": "lead.first_name | shout", "company": "lead.job_title"}


def test_a_third_party_adds_source_enricher_vendor_filter_and_observers(tmp_path: Path, shelf: dict[str, Any]) -> None:
    extra = Extra()
    loaded = shelf_plugins(extra=extra)
    assert loaded.broken == ()
    assert {
        key: loaded.origins[key] for key in ("source notebook", "vendor shelf", "enricher guess", "filter shout")
    } == {
        "source notebook": "extra",
        "vendor shelf": "shelf-plugin",
        "enricher guess": "extra",
        "filter shout": "extra",
    }
    spec = write_spec(
        tmp_path, source={"use": "notebook", "path": "x"}, enrichment=[{"use": "guess"}], mapping={"fields": FIELDS}
    )
    summary = run_spec(spec, tmp_path / "state.db", loaded)
    assert shelf == {"ada@f.example": {"email": "ada@f.example", "firstName": "Ada!", "company": "Friend of Ada"}}
    assert (summary.exit_code, summary.totals["cleared"], summary.totals["failed"]) == (1, 1, 2)
    assert summary.enriched["guess"] == 2
    assert [(failure.code, lead.fields.get("first_name")) for lead, failure in extra.failed] == [
        ("UNREADABLE_ROW", "?"),
        ("UNKNOWN", "Bo"),
    ]
    (finished,) = extra.finished
    assert finished == summary.as_json()
    assert finished["schema_version"] == 1


def test_a_third_party_adds_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine import cli

    original = plugins.load
    monkeypatch.setattr(cli, "cli", click.Group("engine"))
    monkeypatch.setattr(cli, "load", lambda: original({"extra": Extra(), "bad": BadCommands()}, installed=False))
    done = CliRunner().invoke(cli.build_cli(), ["hello"])
    assert (done.exit_code, done.stdout) == (0, "hello from a plugin\n")
    assert "check" in CliRunner().invoke(cli.build_cli(), ["--help"]).stdout, "the other commands are there"


class BadCommands:
    @hookimpl
    def register_commands(self, cli: click.Group) -> None:
        raise RuntimeError("no terminal")


class Noisy:
    """Observers that break."""

    @hookimpl
    def lead_failed(self, lead: Lead, failure: Failure) -> None:
        raise RuntimeError("the chat is down")

    @hookimpl
    def run_finished(self, summary: Mapping[str, Any]) -> None:
        raise KeyError("no such channel")


def test_an_observer_that_breaks_changes_nothing_but_a_note(tmp_path: Path, shelf: dict[str, Any]) -> None:
    write_csv(tmp_path / "leads.csv", ROWS)
    quiet = run_spec(write_spec(tmp_path), tmp_path / "quiet.db", shelf_plugins())
    shelf.clear()
    noisy = run_spec(write_spec(tmp_path), tmp_path / "noisy.db", shelf_plugins(noisy=Noisy()))
    assert noisy.totals == quiet.totals
    assert (noisy.exit_code, noisy.status) == (1, "done")
    assert any("the chat is down" in note for note in noisy.notes)
    assert not any("broke" in note for note in quiet.notes)


# Broken plugins ------------------------------------------------------------------------------------------------------


class Torn:
    @hookimpl
    def register_vendors(self) -> list[type[Vendor]]:
        raise ImportError("a library is missing")


class Misspelt:
    @hookimpl
    def register_vendor(self) -> list[type[Vendor]]:
        return []


class WrongSignature:
    @hookimpl
    def lead_failed(self, person: Lead) -> None:
        """Asks for something that the hook does not have."""


def registering(hook: str, *adapters: Any) -> object:
    """A plugin that registers these adapters."""
    return type("Registering", (), {hook: staticmethod(hookimpl(lambda: list(adapters)))})()


class Future(Shelf):
    name = "future"
    api_version: ClassVar[int] = 99


class Nameless(Shelf):
    name = ""


class Silent(Shelf):
    name = "silent"
    summary = ""


class BadSchema(Shelf):
    name = "bad-schema"
    config_schema: ClassVar[Mapping[str, Any]] = {"type": "no such type"}


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (Torn(), "a library is missing"),
        (WrongSignature(), "person"),
        (registering("register_vendors", Future), "written for adapter interface 99, this engine has 1"),
        (registering("register_vendors", Nameless), "Nameless has no name"),
        (registering("register_vendors", Silent), "Silent has no summary"),
        (registering("register_vendors", BadSchema), "no valid JSON Schema"),
        (registering("register_vendors", Guess), "is not a subclass of Vendor"),
        (registering("register_vendors", "shelf"), "is not a subclass of Vendor"),
        (registering("register_enrichers", Shelf), "is not a subclass of Enricher"),
        (registering("register_vendors", Shelf), "two plugins provide the vendor 'shelf': shelf-plugin and bad"),
        (type("NoList", (), {"register_vendors": staticmethod(hookimpl(lambda: None))})(), "register_vendors"),
        (type("NoMap", (), {"register_filters": staticmethod(hookimpl(lambda: ["shout"]))})(), "register_filters"),
    ],
)  # fmt: skip
def test_a_broken_plugin_is_listed_with_its_reason_and_stops_no_other(plugin: object, reason: str) -> None:
    loaded = shelf_plugins(bad=plugin, good=registering("register_enrichers", Guess))
    (broken,) = loaded.broken
    assert broken.plugin == "bad"
    assert reason in broken.reason
    assert set(loaded.enrichers) == {"guess"}
    assert {"csv", "jsonl"} == set(loaded.sources)


def test_two_vendors_of_one_name_are_both_refused_naming_both() -> None:
    loaded = shelf_plugins(other=ShelfPlugin())
    assert loaded.vendors == {}
    with pytest.raises(EnvironmentFault) as caught:
        loaded.vendor("shelf")
    assert "shelf-plugin" in str(caught.value) and "other" in str(caught.value)


def test_two_filters_of_one_name_leave_the_first_and_name_both() -> None:
    mine = type("Mine", (), {"register_filters": staticmethod(hookimpl(lambda: {"upper": str, "shout": str}))})()
    loaded = shelf_plugins(extra=Extra(), mine=mine)
    assert loaded.filters["upper"]("x") == "X"
    reasons = " / ".join(broken.reason for broken in loaded.broken)
    assert "'upper': built-in and mine" in reasons
    assert "'shout'" in reasons and "extra" in reasons


def test_a_broken_plugin_is_fatal_only_to_a_run_that_names_it(tmp_path: Path, shelf: dict[str, Any]) -> None:
    loaded = shelf_plugins(bad=registering("register_vendors", Future))
    write_csv(tmp_path / "leads.csv", ROWS[:1])
    assert run_spec(write_spec(tmp_path), tmp_path / "state.db", loaded).exit_code == 0
    (problem,) = check.check(specs.load(write_spec(tmp_path, destination={"use": "future"})), loaded)
    assert "'bad', which provides the vendor 'future', is broken" in problem.what
    with pytest.raises(EnvironmentFault, match="interface 99"):
        loaded.vendor("future")


def test_an_unknown_name_gets_a_suggestion_and_what_is_installed() -> None:
    with pytest.raises(SpecError) as caught:
        shelf_plugins().vendor("shelv")
    assert caught.value.fix == "Did you mean 'shelf'?"
    assert caught.value.why == "installed: shelf"


class Fussy(Shelf):
    name = "fussy"

    def __init__(self, config: Config, context: Context) -> None:
        raise RuntimeError("no licence")


def test_building_checks_the_configuration_and_names_the_setting() -> None:
    with pytest.raises(SpecError, match=r"shelf: config\.label: 7 is not of type 'string'"):
        plugins.build(Shelf, {"label": 7}, Context())
    with pytest.raises(SpecError, match="colour"):
        plugins.build(Shelf, {"colour": "red"}, Context())
    with pytest.raises(EnvironmentFault, match="no licence"):
        plugins.build(Fussy, {}, Context())


class Poisoned(Shelf):
    """Breaks on one person."""

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        if any(delivery.decision.value == "bo@g.example" for delivery in deliveries):
            raise ZeroDivisionError("on this one")
        return super().sync(deliveries)


def test_a_lead_that_breaks_a_plugin_stops_no_other_lead(tmp_path: Path, shelf: dict[str, Any]) -> None:
    people = ["ada", "bo", "cy", "di", "ed"]
    write_csv(tmp_path / "leads.csv", [(name, "Q", "G", f"{name}@g.example") for name in people])
    loaded = plugins.load({"poisoned": registering("register_vendors", Poisoned)}, installed=False)
    assert run_spec(write_spec(tmp_path), tmp_path / "state.db", loaded).totals["cleared"] == 4
    with Store(tmp_path / "state.db") as store:
        (failed,) = store.reports.failed("expo")
    assert (failed["code"], failed["key"]) == ("PLUGIN_ERROR", "email:bo@g.example")
    assert "on this one" in failed["message"]


@pytest.mark.parametrize("result", [ZeroDivisionError("filtered"), "\ud800", 10**40, float("nan"), object, {"a": {1}}])
def test_a_filter_that_returns_or_raises_anything_stops_no_lead(
    tmp_path: Path, shelf: dict[str, Any], result: Any
) -> None:
    def odd(value: str) -> Any:
        if value != "bo@g.example":
            return value
        if isinstance(result, Exception):
            raise result
        return result

    write_csv(tmp_path / "leads.csv", [(name, "Q", "G", f"{name}@g.example") for name in ("ada", "bo", "cy")])
    mine = type("Mine", (), {"register_filters": staticmethod(hookimpl(lambda: {"odd": odd}))})()
    fields = {"email": "lead.email", "company": "lead.email | odd"}
    summary = run_spec(
        write_spec(tmp_path, mapping={"fields": fields}), tmp_path / "state.db", shelf_plugins(mine=mine)
    )
    assert summary.status == "done"
    assert summary.totals["presync"] == 0
    assert {"ada@g.example", "cy@g.example"} <= set(shelf)
    with Store(tmp_path / "state.db") as store:
        assert [lead["status"] for lead in all_leads(store)][::2] == ["cleared", "cleared"]


def test_what_is_installed_here_is_sound() -> None:
    loaded: Plugins = plugins.load()
    assert loaded.broken == ()
    assert {"marketo", "pardot"} <= set(loaded.vendors)
