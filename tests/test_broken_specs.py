"""Specs as beginners break them: each gives one finding, at the line that is wrong, and says how to mend it.

The first line of each file says which line that is and what kind of finding, and what its author did.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import click
import pytest
from syrupy.assertion import SnapshotAssertion

from engine import plugins
from engine.check_files import Report, check_paths, place_of
from engine.cli.check import shown
from engine.errors import SpecError
from engine.findings import FINDINGS
from engine.plugins import Plugins

FOLDER = Path(__file__).parent / "broken_specs"
FILES = sorted(FOLDER.glob("*.yaml"))
_HEAD = re.compile(r"# line (\d+): ([a-z0-9-]+): (.+)")
#: Findings that no file of this kind can have.
_ELSEWHERE = {"wrong-provider-file"}


@pytest.fixture(scope="module")
def installed() -> Plugins:
    return plugins.load()


def announced(path: Path) -> tuple[int, str]:
    """The line and the code that a file's first line announces."""
    found = _HEAD.match(path.read_text("latin-1"))
    assert found, f"{path.name} does not say what is wrong with it"
    return int(found[1]), found[2]


def checked(path: Path, installed: Plugins) -> Report:
    return check_paths([path], installed, FOLDER / "no-state")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_one_clear_finding_at_the_right_line(path: Path, installed: Plugins, snapshot: SnapshotAssertion) -> None:
    findings = checked(path, installed).findings
    (finding,) = findings
    assert isinstance(finding, SpecError)
    line, code = announced(path)
    assert (place_of(finding).line, finding.code) == (line, code), finding
    assert Path(place_of(finding).path) == path
    assert finding.fix, "it says what to do"
    printed = click.unstyle("\n".join(shown(finding))).replace(f"{FOLDER}/", "")
    assert printed == snapshot
    assert "hushhush" not in printed


def test_every_kind_of_finding_has_an_example() -> None:
    codes = Counter(announced(path)[1] for path in FILES)
    assert set(FINDINGS) == set(codes) | _ELSEWHERE
    assert len(FILES) > 60


def test_a_spec_with_all_of_these_mistakes_at_once_tells_them_all(installed: Plugins, tmp_path: Path) -> None:
    text = (FOLDER / "lead-field-typo.yaml").read_text("utf-8")
    text = text.replace("use: normalize", "use: normalise").replace(
        "program_id: 1107, status: Registered", "program_id: 1"
    )
    text = text.replace("options: {Hot: A, Warm: B}", 'options: {Hot: A, Warm: ""}').replace(
        "parts/", f"{FOLDER}/parts/"
    )
    path = tmp_path / "expo.yaml"
    path.write_text(text, "utf-8")
    found = checked(path, installed).findings
    assert [getattr(finding, "code", "") for finding in found] == [
        "unknown-adapter", "unknown-lead-field", "no-target", "no-target", "old-catalog",
    ]  # fmt: skip
