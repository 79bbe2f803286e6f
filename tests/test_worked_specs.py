"""The worked specs in specs/ are right, and run as they are against the sandboxes."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import check, plugins, specs
from engine.run import Run
from engine.state import Store

FOLDER = Path(__file__).parent.parent / "specs"
INTEGRATIONS = sorted(path for path in FOLDER.glob("*/*.yaml") if "destination:" in path.read_text("utf-8"))


@pytest.mark.parametrize("path", INTEGRATIONS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_worked_spec_has_no_problems(path: Path) -> None:
    assert check.check(specs.load(path), plugins.load()) == []


@pytest.mark.parametrize(
    ("spec", "vendor", "totals", "codes"),
    [
        ("marketo/tradeshow.yaml", "marketo", {"captured": 6, "duplicate": 1, "cleared": 3, "failed": 2},
         {"MISSING_REQUIRED_VALUE", "MISSING_MATCH_KEY"}),
        ("pardot/tradeshow.yaml", "pardot", {"captured": 5, "duplicate": 1, "cleared": 2, "failed": 2},
         {"MISSING_REQUIRED_VALUE", "NO_TAG_MAPPING"}),
    ],
)  # fmt: skip
def test_a_worked_spec_delivers(
    spec: str,
    vendor: str,
    totals: dict[str, int],
    codes: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = plugins.load()
    with loaded.vendor(vendor).sandbox() as sandbox, Store(tmp_path / "state" / "state.db") as store:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        summary = Run(specs.load(FOLDER / spec), store, loaded).go()
        assert summary.exit_code == 1, summary
        assert {name: summary.totals[name] for name in totals} == totals
        assert {code for code, *_ in store.reports.groups(summary.integration)} == codes
        assert sandbox.state()["duplicates"] == []
