"""Groups of failed leads: codes of third parties, when each was seen, a connection told once, events and periods."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result

from engine import hookimpl
from engine.adapters import Source, Vendor
from engine.cli import build_cli
from engine.codes import CODES, Code, VendorCode
from engine.errors import CredentialsError, PermissionDenied
from engine.plugins import Plugins
from engine.records import Delivery, Failure, Outcome
from engine.state import Store
from tests.test_plugins import Notebook
from tests.unit_helpers import Shelf, run_spec, shelf_plugins, write_csv, write_spec

TAKEN = Code("DRAWER_LOCKED", "The drawer is locked.", "admin", "Open the drawer, and retry.", retryable=True)
HEADER = ("First Name", "Last Name", "Company", "Email", "Event")
ROWS = [
    ("Ada", "Quill", "Fernhill", "ada@f.example", "Expo"),
    ("Bo", "Reed", "Gantry", "locked1@g.example", "Expo"),
    ("Cy", "Moss", "Gantry", "locked2@g.example", "Fair"),
    ("Di", "Holt", "", "di@h.example", "Fair"),
]


class Drawer(Shelf):
    """A vendor with a failure code of its own; `refuses` is what signing in raises."""

    name = "drawer"
    summary = "Keeps persons in a drawer."
    failure_codes: ClassVar[Sequence[Code]] = (TAKEN,)
    codes: ClassVar[Sequence[VendorCode]] = (VendorCode("E7", "Somebody turned the key.", "DRAWER_LOCKED", "fix"),)
    refuses: ClassVar[Exception | None] = None

    def fields(self) -> Any:
        if self.refuses:
            raise self.refuses
        return super().fields()

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        if self.refuses:
            raise self.refuses
        failure = Failure("DRAWER_LOCKED", "no key for it", vendor_code="E7", endpoint="PUT /drawer")
        return [
            Outcome("failed", failure=failure)
            if delivery.decision.value.startswith("locked")
            else super(Drawer, self).sync([delivery])[0]
            for delivery in deliveries
        ]


class DrawerPlugin:
    @hookimpl
    def register_vendors(self) -> list[type[Vendor]]:
        return [Drawer]


PLUGINS = shelf_plugins(drawer=DrawerPlugin())


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("engine.plugins.load", lambda: PLUGINS)
    monkeypatch.setattr(Drawer, "refuses", None)
    Shelf.shelves.clear()
    write_csv(tmp_path / "leads.csv", ROWS, HEADER)
    return write_spec(tmp_path, destination={"use": "drawer"}, required=["company"])


def engine(spec: Path, *words: str) -> Result:
    return CliRunner().invoke(build_cli(), [*words, "--state", str(spec.with_name("state.db"))])


def told(spec: Path, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine(spec, *words, "--json").output)
    return found


# Codes of third parties ---------------------------------------------------------------------------------------------


def test_a_code_that_an_adapter_declares_is_explained_wherever_it_is_shown(spec: Path) -> None:
    run_spec(spec, spec.with_name("state.db"), PLUGINS)
    shown = engine(spec, "reconcile", "list").output
    assert "2  DRAWER_LOCKED drawer E7" in shown and "admin: configuration, a retry can succeed as it is" in shown
    assert "Open the drawer, and retry." in shown and "engine explain DRAWER_LOCKED" in shown
    locked, missing = told(spec, "reconcile", "list")["groups"]
    assert (locked["vendor"], locked["vendor_code"], locked["leads"], locked["page"]) == ("drawer", "E7", 2, "")
    assert (locked["meaning"], locked["owner"], locked["retryable"]) == (TAKEN.meaning, "admin", True)
    assert (missing["vendor"], missing["page"]) == ("", "docs/failures/MISSING_REQUIRED_VALUE.md")
    page = engine(spec, "explain", "drawer_locked").output
    assert "The drawer is locked." in page and "Somebody turned the key." in page and "--group DRAWER_LOCKED" in page
    assert "Open the drawer" in engine(spec, "explain", "E7").output
    assert "Open the drawer" in engine(spec, "reconcile", "show", "2").output


def test_an_installed_code_is_known_beside_the_engine_s() -> None:
    assert PLUGINS.broken == ()
    assert PLUGINS.codes == {**CODES, "DRAWER_LOCKED": TAKEN}


def loaded(**plugins: list[Any]) -> Plugins:
    """Plugins with sources that declare these codes."""

    def plugin(name: str, codes: Any) -> object:
        source = type("Told", (Notebook,), {"name": name, "failure_codes": codes})

        class Telling:
            @hookimpl
            def register_sources(self) -> list[type[Source]]:
                return [source]

        return Telling()

    return shelf_plugins(**{name: plugin(name, codes) for name, codes in plugins.items()})


def test_two_that_describe_one_code_differently_are_shown_and_neither_is_believed() -> None:
    other = Code("DRAWER_LOCKED", "Something else.", "you", "Do something else.")
    found = loaded(first=[TAKEN], second=[other], third=[TAKEN])
    assert "DRAWER_LOCKED" not in found.codes
    assert [(each.plugin, each.reason) for each in found.broken] == [
        ("second", "first and second describe the code DRAWER_LOCKED differently")
    ]
    assert {"first", "second"} <= set(found.sources), "what they read can be read all the same"
    assert loaded(first=[TAKEN], second=[TAKEN]).broken == (), "to say the same is no contradiction"


@pytest.mark.parametrize(
    "codes",
    [[Code("AUTHENTICATION", "Mine.", "you", "Mine.")], [Code("odd name", "x", "you", "x")], ["AUTHENTICATION"],
     [Code("VALUE_TRUNCATED", "A notice's.", "you", "x")], None],
)  # fmt: skip
def test_what_is_no_code_of_a_plugin_is_shown_as_broken_and_changes_nothing(codes: Any) -> None:
    found = loaded(odd=codes)
    assert [each.plugin for each in found.broken] == ["odd"]
    assert found.codes == CODES


# Times --------------------------------------------------------------------------------------------------------------


def test_a_group_says_when_it_was_seen_first_and_last_and_shows_its_first_lead(spec: Path) -> None:
    state = spec.with_name("state.db")
    run_spec(spec, state, PLUGINS)
    write_csv(spec.with_name("leads.csv"), [("Ed", "Vane", "Gantry", "locked3@g.example", "Expo")], HEADER)
    run_spec(spec, state, PLUGINS)
    group = told(spec, "reconcile", "list")["groups"][0]
    with Store(state) as store:
        times = [at for (at,) in store.database.rows("SELECT at FROM failures WHERE code = 'DRAWER_LOCKED'")]
    assert (group["first_seen"], group["last_seen"], group["leads"]) == (min(times), max(times), 3)
    assert "leads.csv:3" in group["example"]
    assert "first 20" in engine(spec, "reconcile", "list").output


# A connection that takes nothing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [(CredentialsError("the key is refused"), "AUTHENTICATION"),
     (PermissionDenied("persons may not be written"), "CONNECTION_PERMISSION")],
)  # fmt: skip
def test_a_refused_connection_is_one_group_of_waiting_leads(
    spec: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    monkeypatch.setattr(Drawer, "refuses", error)
    state = spec.with_name("state.db")
    assert run_spec(spec, state, PLUGINS).exit_code == 4
    since = told(spec, "status")["paused"]["since"]
    assert run_spec(spec, state, PLUGINS).exit_code == 4
    paused = told(spec, "reconcile", "list")["paused"]
    assert (paused["code"], paused["leads"], paused["since"]) == (code, 3, since)
    assert [group["code"] for group in told(spec, "status")["groups"]] == ["MISSING_REQUIRED_VALUE"]
    shown = engine(spec, "status").output
    assert "3 leads wait since 20" in shown and shown.index(code) < shown.index("pre-sync")
    told_dry = engine(spec, "reconcile", "retry", "--group", code, "--dry-run")
    assert "3 leads would go on; nothing was done" in told_dry.output
    # Once the cause is removed, a retry of the group simply runs again.
    monkeypatch.setattr(Drawer, "refuses", None)
    assert engine(spec, "reconcile", "retry", "--group", code).exit_code == 1
    after = told(spec, "status")
    assert (after["paused"], after["totals"]["cleared"], after["totals"]["presync"]) == (None, 1, 0)
    assert [act["detail"] for act in after["acts"] if act["what"] == "retry"] == [f"group {code}"]


# Views --------------------------------------------------------------------------------------------------------------


def test_events_and_periods_count_where_leads_are(spec: Path) -> None:
    run_spec(spec, spec.with_name("state.db"), PLUGINS)
    write_csv(spec.with_name("more.csv"), [("Ada", "Quill", "Fernhill", "ada@f.example", "Fair")], HEADER)
    assert engine(spec, "run", str(spec), str(spec.with_name("more.csv"))).exit_code == 1
    events = told(spec, "status", "--by", "event")["events"]
    assert {event: (row["leads"], row["cleared"], row["failed"]) for event, row in events.items()} == {
        "Expo": (2, 1, 1), "Fair": (3, 1, 2)
    }  # fmt: skip
    shown = engine(spec, "reconcile", "list", "--by", "event").output
    assert "4 leads in all; one that was captured at two events counts at each" in shown
    period = engine(spec, "status", "--since", "7d").output
    assert "4 leads captured" in period and "75.0%  failed" in period and "25.0%  cleared" in period
    assert told(spec, "status", "--since", "2999-01-01")["leads"] == 0
    assert engine(spec, "status", "--since", "yesterday").exit_code == 2
