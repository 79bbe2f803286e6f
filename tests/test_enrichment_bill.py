"""The demo's waterfall against the providers' sandbox: its bill is the ledger's, to the cent, also across `kill -9`."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from engine_enrichers.sandbox import ProviderSandbox
from engine_marketo.sandbox import MarketoSandbox

from engine.state import Store

DEMO = Path(__file__).parents[1] / "specs/demo"
SPEC = DEMO / "marketo.yaml"
CRASHING = Path(__file__).with_name("crashing.py")
#: Seconds that each call to a provider takes: long enough to be killed in.
LATENCY = 0.01
#: Lines of the demo's export in the short form.
ROWS = 200


@dataclass
class World:
    """Sandboxes with the demo's seeds, and a state."""

    folder: Path
    providers: ProviderSandbox
    environment: Mapping[str, str]
    export: Path

    @property
    def state(self) -> Path:
        return self.folder / "state.db"

    def start(self, *crash: object) -> subprocess.Popen[bytes]:
        head = [CRASHING, *crash, "--"] if crash else ["-m", "engine"]
        words = [sys.executable, *head, "run", SPEC, self.export, "--state", self.state, "--quiet"]
        environment = {**os.environ, **self.environment}
        return subprocess.Popen(
            list(map(str, words)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def finish(self) -> None:
        process = self.start()
        out, _ = process.communicate(timeout=120)
        assert process.returncode in (0, 1), out.decode()

    def bill(self) -> dict[str, float]:
        """Credits by provider, as the providers would charge them."""
        return {name: each["credits"] for name, each in self.providers.bill()["providers"].items() if each["credits"]}

    def ledger(self) -> dict[str, Any]:
        with Store(self.state, check=False) as store:
            return {each.provider: each for each in store.ledger.totals()}

    def values(self) -> set[tuple[Any, ...]]:
        with Store(self.state, check=False) as store:
            return set(
                store.database.rows(
                    "SELECT l.key, v.field, v.provider, v.value, v.status, v.verifier FROM enriched_values v"
                    " JOIN leads l ON l.id = v.lead_id"
                )
            )


@pytest.fixture(scope="module")
def export(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's export; its beginning in the short form."""
    whole = DEMO / "scanner-export.csv"
    if request.config.getoption("--torture"):
        return whole
    path = tmp_path_factory.mktemp("export") / whole.name
    path.write_bytes(b"".join(whole.read_bytes().splitlines(keepends=True)[:ROWS]))
    return path


@pytest.fixture(scope="module")
def make_world(tmp_path_factory: pytest.TempPathFactory, export: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def make(name: str) -> World:
            seed = json.loads((DEMO / "providers.seed.json").read_text("utf-8"))
            delay = [{"match": ".*", "times": -1, "delay": LATENCY}]
            providers = ProviderSandbox(seed={**seed, "faults": delay})
            marketo = MarketoSandbox(seed=json.loads((DEMO / "marketo.seed.json").read_text("utf-8")))
            for box in (providers, marketo):
                stack.enter_context(box)
            folder = tmp_path_factory.mktemp(name)
            return World(folder, providers, {**providers.environment(), **marketo.environment()}, export)

        yield make


@pytest.fixture(scope="module")
def whole(make_world: Any) -> tuple[World, float]:
    """A run that nobody disturbs, and the seconds it took."""
    world = make_world("whole")
    started = time.monotonic()
    world.finish()
    return world, time.monotonic() - started


def test_five_providers_or_more_are_paid_in_the_demo(whole: tuple[World, float]) -> None:
    world, _ = whole
    assert len(world.bill()) >= 5
    assert {each.unanswered + each.pending for each in world.ledger().values()} == {0}


def test_the_bill_equals_the_ledger_to_the_cent(whole: tuple[World, float]) -> None:
    world, _ = whole
    ledger = {name: round(each.cost, 6) for name, each in world.ledger().items() if each.cost}
    assert world.bill() == ledger
    money = {name: each["money"] for name, each in world.providers.bill()["providers"].items() if each["money"]}
    assert money and money == {name: each.amount for name, each in world.ledger().items() if each.amount}


@pytest.mark.parametrize(("kills", "seed"), [(2, 214), pytest.param(30, 30, marks=pytest.mark.torture)])
def test_kills_cost_no_more_than_the_calls_that_were_in_flight(
    kills: int, seed: int, make_world: Any, whole: tuple[World, float]
) -> None:
    undisturbed, seconds = whole
    world = make_world(f"killed-{kills}")
    chance = random.Random(seed)  # noqa: S311 - made to repeat
    killed = 0
    while killed < kills:
        # Most of them at an early step of the ledger's, so that there is something left to kill; some by the clock.
        if chance.random() < 0.95:
            step = chance.choice(["reserve", "reserve", "reserve", "settle", "known", "known"])
            when = chance.choice(["before", "after"])
            process = world.start(f"engine.state.ledger:Ledger.{step}", 1 + (chance.random() < 0.1), when)
        else:
            process = world.start()
            try:
                process.wait(seconds * chance.uniform(0.25, 0.35))
            except subprocess.TimeoutExpired:
                process.kill()
        process.communicate(timeout=120)
        killed += process.returncode == -signal.SIGKILL
        assert process.returncode == -signal.SIGKILL, f"the run was over after {killed} kills"
    world.finish()
    assert world.values() == undisturbed.values()
    ledger, bill = world.ledger(), world.bill()
    for name, charged in undisturbed.bill().items():
        lost = ledger[name].unanswered
        extra = bill[name] - charged
        each = _dearest(world, name)
        assert 0 <= extra <= lost * each + 1e-9, name
        # What the engine knows of, and what it shows as possibly charged, is all that was charged.
        assert ledger[name].cost - 1e-9 <= bill[name] <= ledger[name].cost + lost * each + 1e-9, name


def _dearest(world: World, provider: str) -> float:
    """The most that one answer of a provider was charged at."""
    return max(
        (each["credits"] for each in world.providers.bill()["charges"] if each["provider"] == provider), default=0
    )
