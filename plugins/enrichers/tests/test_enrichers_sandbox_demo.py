"""The demo's waterfall against the sandbox: what the engine says that it cost is what the providers would charge."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from engine_enrichers.sandbox import ProviderSandbox
from engine_marketo.sandbox import MarketoSandbox

from engine import plugins, specs
from engine.run import Run
from engine.state import Store

DEMO = Path(__file__).parents[3] / "specs" / "demo"


class Clock(threading.Event):
    """The run's time, and the sandboxes': waiting moves it on and takes none."""

    def __init__(self, *sandboxes: Any) -> None:
        super().__init__()
        self._sandboxes = sandboxes
        self._waited = 0.0
        self._moving = threading.Lock()

    def now(self) -> float:
        return time.time() + self._waited

    def wait(self, timeout: float | None = None) -> bool:
        with self._moving:
            for sandbox in self._sandboxes:
                sandbox.advance(timeout or 0.0)
            self._waited += timeout or 0.0
        time.sleep(0)
        return self.is_set()


def test_the_ledger_and_the_providers_bill_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = {name: json.loads((DEMO / f"{name}.seed.json").read_text("utf-8")) for name in ("marketo", "providers")}
    export = (DEMO / "scanner-export.csv").read_bytes().splitlines(keepends=True)
    (tmp_path / "few.csv").write_bytes(b"".join(export[:120]))
    with MarketoSandbox(seed=seeds["marketo"]) as marketo, ProviderSandbox(seed=seeds["providers"]) as providers:
        for name, value in {**marketo.environment(), **providers.environment()}.items():
            monkeypatch.setenv(name, value)
        clock = Clock(marketo, providers)
        with Store(tmp_path / "state.db") as store:
            spec = specs.load(DEMO / "marketo.yaml")
            run = Run(spec, store, plugins.load(), path=str(tmp_path / "few.csv"), now=clock.now, stop=clock)
            summary = run.go()
        bill = providers.bill()["providers"]
    assert summary.status == "done", summary.message
    assert {paid["provider"]: paid["cost"] for paid in summary.paid} == {
        name: pytest.approx(account["credits"]) for name, account in bill.items()
    }
    assert len(bill) == 6 and all(account["hits"] for account in bill.values())
    assert bill["people_data_labs_company"]["calls"] < 40  # one a company, however many work there
