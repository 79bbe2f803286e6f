"""Every provider file that is shipped, on trial; and the trial itself, with a file of somebody else's."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from engine_enrichers.declared.files import shipped_files
from engine_enrichers.testing import ProviderConformance

TWO_LINES = """
from pathlib import Path
from engine_enrichers.testing import ProviderConformance

class TestOurs(ProviderConformance):
    files = sorted(Path(__file__).with_name("providers").glob("*.yaml"))
"""


class TestShippedFiles(ProviderConformance):
    files = shipped_files()

    @pytest.fixture(autouse=True)
    def _in_short(self, request: pytest.FixtureRequest) -> None:
        if not request.config.getoption("--torture", default=False):
            self.one_in = 4


def test_there_are_many_of_them() -> None:
    partners = {path.stem.split("_")[0] for path in shipped_files()}
    assert len(partners) >= 24


def test_a_file_of_ones_own_is_tried_in_two_lines_and_what_is_wrong_is_said(tmp_path: Path) -> None:
    own = next(path for path in shipped_files() if path.stem == "hunter_company")
    for folder in ("providers", "recordings"):
        (tmp_path / folder).mkdir()
        text = (own.parents[1] / folder / own.name).read_text("utf-8")
        for name, charged in (("acme", "charged: 1"), ("dear", "charged: 3")):
            changed = text.replace("name: hunter_company", f"name: {name}").replace("charged: 1", charged)
            (tmp_path / folder / f"{name}.yaml").write_text(changed, "utf-8")
    (tmp_path / "test_ours.py").write_text(TWO_LINES, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    failed = re.findall(r"^FAILED .*::test_(\w+)\[(\w+)\]", ended.stdout, re.MULTILINE)
    assert {name for _, name in failed} == {"dear"}, ended.stdout
    assert {test for test, _ in failed} >= {
        "every_case_ends_as_recorded_and_costs_what_is_charged",
        "the_most_is_the_most",
    }
