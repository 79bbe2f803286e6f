"""A bench for whole runs: a folder with a source, a spec and a state, real sandboxes, and time that tests move."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from engine_enrichers.sandbox import ProviderSandbox
from engine_marketo.sandbox import MarketoSandbox
from engine_pardot.sandbox import PardotSandbox

from engine import plugins as plugin_loader
from engine import specs
from engine.cli import main
from engine.plugins import Plugins
from engine.run import Run, Summary
from engine.stages import reconcile
from engine.state import Store

#: Specs that are wrong on purpose: their `tests` are no tests of this project.
collect_ignore_glob = ["broken_specs/*"]

WRITES = {
    "marketo": r"^(POST|DELETE) /rest/v1/(leads|programs)",
    "pardot": r"^(POST|PATCH|DELETE) /api/v5/objects/prospects",
}
FIELDS = {
    "marketo": {
        "email": "lead.email",
        "firstName": "lead.first_name",
        "lastName": "lead.last_name",
        "company": "lead.company",
        "title": "lead.job_title",
    },
    "pardot": {
        "email": "lead.email",
        "firstName": "lead.first_name",
        "lastName": "lead.last_name",
        "company": "lead.company",
        "jobTitle": "lead.job_title",
    },
}

#: People Data Labs' fields by what they are here: first those that it writes with capitals where it is asked to.
TITLED = {
    "first_name": "first_name",
    "last_name": "last_name",
    "job_title": "job_title",
    "job_company_name": "company",
    "job_company_industry": "industry",
    "location_locality": "city",
    "location_region": "state",
    "location_country": "country",
}
PLAIN = {
    "work_email": "email",
    "mobile_phone": "mobile_phone",
    "linkedin_url": "linkedin_url",
    "job_company_website": "company_domain",
    "job_company_size": "company_size",
}
#: Its error types by the case of the recording.
ERRORS = {
    "rate_limit_error": "throttled",
    "payment_required": "quota",
    "authentication_error": "auth",
    "not_found": "miss",
    "invalid_request_error": "bad_request",
    "api_error": "error",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--torture", action="store_true", help="also run the tests marked torture")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--torture") or os.environ.get("LEAD_ENGINE_TORTURE"):
        return
    skip = pytest.mark.skip(reason="long; runs with --torture or LEAD_ENGINE_TORTURE=1")
    for item in items:
        if "torture" in item.keywords:
            item.add_marker(skip)


class Clock(threading.Event):
    """A run's time, and its `stop`: waiting for it moves the time on, of the sandboxes too, and takes none."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0
        self._moving = threading.Lock()
        self.sandboxes: list[Any] = []

    def now(self) -> float:
        return time.time() + self.waited

    def wait(self, timeout: float | None = None) -> bool:
        self.advance(timeout or 0.0)
        time.sleep(0)
        return self.is_set()

    def advance(self, seconds: float) -> None:
        # The vendors first: whoever calls in between has waited long enough for them, too.
        with self._moving:
            for sandbox in self.sandboxes:
                sandbox.advance(seconds)
            self.waited += seconds


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Bench:
    """Everything that a run needs, in one folder."""

    def __init__(self, folder: Path, plugins: Plugins, stack: ExitStack) -> None:
        self.folder = folder
        self.plugins = plugins
        self.state = folder / "state" / "state.db"
        self.clock = Clock()
        self._stack = stack
        self._boxes: dict[str, Any] = {}
        self.secret("secret", "sandbox-secret")
        self.secret("key", "sandbox-key")

    # Sandboxes --------------------------------------------------------------------------------------------------

    def marketo(self, **seed: Any) -> MarketoSandbox:
        """The Marketo sandbox, started with `seed` at first use."""
        return self._box("marketo", MarketoSandbox, {"rate": 0, **seed})

    def pardot(self, **seed: Any) -> PardotSandbox:
        return self._box("pardot", PardotSandbox, seed)

    def provider(self, **seed: Any) -> ProviderSandbox:
        """The providers' sandbox; people, credits and faults as People Data Labs has them."""
        return self._box("provider", ProviderSandbox, _as_provided(seed))

    def _box(self, name: str, kind: Any, seed: Mapping[str, Any]) -> Any:
        if name not in self._boxes:
            self._boxes[name] = self._stack.enter_context(kind(seed=seed))
            self.clock.sandboxes.append(self._boxes[name])
        return self._boxes[name]

    def fresh(self, name: str) -> None:
        """Forget a sandbox, so that the next use starts another."""
        self.clock.sandboxes.remove(self._boxes.pop(name))

    def writes(self, vendor: str = "marketo") -> list[dict[str, Any]]:
        """The calls so far that write persons or memberships."""
        calls = self._boxes[vendor].calls(WRITES[vendor])
        return [call for call in calls if call["query"].get("_method") != "GET"]

    def person_writes(self) -> list[dict[str, Any]]:
        return [call for call in self.writes() if call["request"].endswith("leads.json")]

    def people(self, vendor: str = "marketo") -> dict[str, dict[str, Any]]:
        """The vendor's records by address."""
        found = self._boxes[vendor].state()
        return {record["email"]: record for record in found["leads" if vendor == "marketo" else "prospects"]}

    # Files ------------------------------------------------------------------------------------------------------

    def secret(self, name: str, content: str) -> dict[str, str]:
        (self.folder / name).write_text(content, "utf-8")
        return {"file": name}

    def leads(self, rows: Sequence[Mapping[str, str]], name: str = "leads.csv") -> Path:
        columns = list(dict.fromkeys(column for row in rows for column in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
        path = self.folder / name
        path.write_text(text.getvalue(), "utf-8")
        return path

    def spec(self, vendor: str = "marketo", name: str = "expo", **changes: Any) -> Path:
        """Write a spec. `config` adds to the destination's settings, `mode` is its sync mode."""
        box = self._boxes[vendor] if vendor in self._boxes else getattr(self, vendor)()
        config = {"base_url": box.url, "client_id": "sandbox", "client_secret": {"file": "secret"},
                  "settle_after": 0.3, "timeout": 10}  # fmt: skip
        if vendor == "marketo":
            config["read_lag"] = 0
        if vendor == "pardot":
            config |= {"token_url": box.url, "business_unit_id": "0Uv000000000001CAA"}
        destination = {"use": vendor, "config": config | changes.pop("config", {})}
        if "mode" in changes:
            destination["sync_mode"] = changes.pop("mode")
        spec = {
            "version": 1,
            "name": name,
            "source": {"use": "csv", "path": "leads.csv", **changes.pop("source", {})},
            "required": ["last_name"],
            "destination": destination,
            "mapping": {**changes.pop("mapping", {}), "fields": changes.pop("fields", FIELDS[vendor])},
            **changes,
        }
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(spec, indent=1), "utf-8")
        return path

    def provider_step(self, **changes: Any) -> dict[str, Any]:
        """An enrichment step that asks the paid provider, about one lead a call."""
        url = f"{self.provider().url}/people_data_labs"
        config = {"base_url": url, "api_key": {"file": "key"}, "limits": {"batch_size": 1}, **changes.pop("config", {})}
        config["limits"] = {"batch_size": 1, **config["limits"]}
        return {"use": "people_data_labs", "config": config, **changes}

    # Running ----------------------------------------------------------------------------------------------------

    def run(self, spec: Path | None = None, *, plugins: Plugins | None = None, real_time: bool = False,
            **settings: Any) -> Summary:  # fmt: skip
        """One run; waiting takes no time, unless in `real_time`."""
        loaded = specs.load(spec or self.folder / "expo.yaml")
        self.clock.clear()
        if not real_time:
            settings = {"now": self.clock.now, "stop": self.clock, **settings}
        with Store(self.state) as store:
            summary = Run(loaded, store, plugins or self.plugins, **settings).go()
        self.conserved()
        return summary

    def retry(self, spec: Path | None = None, code: str | None = None, **settings: Any) -> Summary:
        """What `engine reconcile retry` does."""
        loaded = specs.load(spec or self.folder / "expo.yaml")
        with Store(self.state) as store:
            failed = reconcile.select(store, loaded.name, (), code)
            assert reconcile.retry(store, loaded, failed, self.clock.now()).taken
        return self.run(spec, capture=False, **settings)

    def cli(self, *words: object) -> Ended:
        """The command line in this process, on this bench's state."""
        out, err = io.StringIO(), io.StringIO()
        code, before = 0, sys.argv
        sys.argv = ["engine", *map(str, words), "--state", str(self.state)]
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            sys.argv = before
        return Ended(code, out.getvalue(), err.getvalue())

    def start(self, *words: object) -> subprocess.Popen[str]:
        """The command line in a process of its own, on this bench's state."""
        command = [sys.executable, "-m", "engine", *map(str, words), "--state", str(self.state)]
        return subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    # Looking ----------------------------------------------------------------------------------------------------

    def sql(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.state)
        try:
            return connection.execute(query, parameters).fetchall()
        finally:
            connection.close()

    def statuses(self) -> dict[str, str]:
        """Leads by key, without the kind of the key where it is an address."""
        return {key.removeprefix("email:"): status for key, status in self.sql("SELECT key, status FROM leads")}

    def failures(self) -> dict[str, str]:
        """The codes of the failed leads by key."""
        found = self.sql(
            "SELECT l.key, f.code FROM leads l JOIN failures f ON f.lead_id = l.id AND f.resolved_at IS NULL"
        )
        assert len(dict(found)) == len(found)
        return {key.removeprefix("email:"): code for key, code in found}

    def conserved(self, name: str = "") -> dict[str, int]:
        """Check that every capture is accounted for, of one integration or of all; returns the last one's totals."""
        totals: dict[str, int] = {}
        if not self.state.exists():
            return totals
        with Store(self.state) as store:
            for integration in [name] if name else store.runs.integrations():
                totals = store.reports.totals(integration)
                ends = ("duplicate", "presync", "cleared", "failed", "ignored", "suppressed")
                assert totals["captured"] == sum(totals[end] for end in ends), totals
        return totals


def _as_provided(seed: Mapping[str, Any]) -> dict[str, Any]:
    """A seed in People Data Labs' words (all in small letters, unless asked for otherwise) as the sandbox takes it."""
    made = dict(seed)
    if "people" in seed:
        made["people"] = [
            {
                **{ours: str(person[theirs]).title() for theirs, ours in TITLED.items() if person.get(theirs)},
                **{ours: person[theirs] for theirs, ours in PLAIN.items() if person.get(theirs)},
                "confidence": person.get("likelihood", 7) / 10,
            }
            for person in seed["people"]
        ]
    if "credits" in seed:
        made["credits"] = {"people_data_labs": seed["credits"]}
    if "faults" in seed:
        made["faults"] = [
            {**fault, "error": ERRORS[fault["error"]]} if "error" in fault else fault for fault in seed["faults"]
        ]
    return made


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    return plugin_loader.load()


@pytest.fixture(scope="session")
def make_bench(plugins: Plugins) -> Any:
    """Make a bench in a folder; `stack` ends its sandboxes."""
    return lambda folder, stack: Bench(folder, plugins, stack)


@pytest.fixture
def bench(tmp_path: Path, plugins: Plugins) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(tmp_path, plugins, stack)


@pytest.fixture
def person() -> Any:
    """Make a row of the source: an invented person by number, with changes."""

    def make(number: int = 1, **changes: str) -> dict[str, str]:
        row = {"First Name": f"Ada{number}", "Last Name": f"Lindqvist{number}", "Company": f"Kestrel {number}",
               "Email": f"ada{number}@kestrel.example"}  # fmt: skip
        return {**row, **changes}

    return make


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """All log records, down to the finest."""
    caplog.set_level(logging.DEBUG)
    return caplog
