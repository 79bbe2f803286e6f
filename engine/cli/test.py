"""engine test: what would become of the sample leads of specs, beside what was accepted before."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from engine import plugins as plugin_loader
from engine.cli.check import finding_as_json, print_findings
from engine.cli.common import counted, json_option, print_json
from engine.errors import SpecError
from engine.sample_runs import Result, Tested, accept, try_paths

_COLOURS = {"pass": "green", "changed": "yellow", "new": "cyan", "failed": "red", "stale": "magenta"}
_ACCEPTED = {"changed": "updated", "new": "written", "stale": "deleted"}
_SIGNS = {"-": "red", "+": "green"}


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--update", is_flag=True, help="Accept: write the snapshots that are new or differ, delete stale ones.")
@json_option
def test(paths: tuple[Path, ...], update: bool, as_json: bool) -> None:
    """Try the sample leads of the specs at each PATH, and compare with what was accepted before. Nothing is sent.

    PATH is a spec, a samples file, or a folder; without it, the current folder. The samples of `expo.yaml` stand in
    `expo.samples.yaml` beside it; what was accepted is in `__samples__`. The `tests` of a spec are tried, too. The
    vendor is known from the saved catalog that `destination.catalog` names. Exit code: 0 all is as accepted and
    expected, 1 something differs, 2 a spec or a sample is wrong.
    """
    tested = try_paths(paths or (Path(),), plugin_loader.load())
    if not (tested.results or tested.stale or tested.report.findings):
        where = ", ".join(map(str, paths)) or "this folder"
        raise SpecError(
            f"there are no samples and no tests in {where}",
            fix="Write sample leads for a spec expo.yaml into expo.samples.yaml beside it; docs/testing.md shows how.",
        )
    written, deleted = accept(tested) if update else ([], [])
    failed = any(result.verdict == "failed" for result in tested.results)
    exit_code = (tested.report.exit_code or int(failed)) if update else tested.exit_code
    if as_json:
        print_json({
            "schema_version": 1,
            "exit_code": exit_code,
            "results": [_as_json(result) for result in tested.results],
            "stale": [str(path) for path in tested.stale],
            "problems": [finding_as_json(finding) for finding in tested.report.findings],
            "notes": list(tested.notes),
            "written": [str(path) for path in written],
            "deleted": [str(path) for path in deleted],
        })  # fmt: skip
    else:
        _print(tested, update=update)
        if tested.differs and not update:
            again = shlex.join(["engine", "test", "--update", *map(str, paths)])
            if any(result.verdict in ("changed", "new") for result in tested.results) or tested.stale:
                click.echo(f"where that is right, accept it: {again}")
    sys.exit(exit_code)


def _as_json(result: Result) -> dict[str, Any]:
    place = result.place
    return {
        "spec": str(result.spec),
        "name": result.name,
        "kind": result.kind,
        "result": result.verdict,
        "where": {"path": place.path, "line": place.line, "column": place.column},
        "snapshot": str(result.snapshot) if result.snapshot else None,
        "lines": list(result.lines),
    }


def _print(tested: Tested, *, update: bool) -> None:
    print_findings(tested.report.findings)
    for spec, results in groupby(tested.results, key=lambda result: result.spec):
        click.echo(click.style(str(spec), bold=True))
        for result in results:
            _print_line(result.verdict, result.name, result.lines, update=update)
    if tested.stale:
        click.echo(click.style("snapshots that no sample has any more", bold=True))
        for path in tested.stale:
            _print_line("stale", str(path), (), update=update)
    for note in tested.notes:
        click.echo(f"note: {note}")
    words = [*(result.verdict for result in tested.results), *(["stale"] * len(tested.stale))]
    counts = [f"{words.count(word)} {_said(word, update=update)}" for word in _COLOURS if word in words]
    wrong = len(tested.report.findings)
    click.echo(", ".join([*counts, *([counted(wrong, "error")] if wrong else [])]))


def _said(word: str, *, update: bool) -> str:
    return _ACCEPTED.get(word, word) if update else word


def _print_line(word: str, name: str, lines: Sequence[str], *, update: bool) -> None:
    said = _said(word, update=update)
    click.echo(f"  {click.style(f'{said:<8}', fg=_COLOURS[word])} {name}")
    for line in lines:
        click.echo(f"           {click.style(line, fg=_SIGNS.get(line[:1]))}")
