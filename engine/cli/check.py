"""engine check: everything that is wrong with specs, at once, with its place and its remedy."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from engine import plugins as plugin_loader
from engine.check_files import Report, check_paths, level_of, place_of
from engine.cli.common import counted, print_json, state_option
from engine.errors import AbortRun, Place, SpecError
from engine.redaction import without_secrets

#: A setting that is called like a secret, with a value that is no reference.
_SECRET = re.compile(
    r"""(?i)((?:token|secret|password|api[-_]?key|private[-_]?key)["']?\s*:\s*)(?!\{)(?:"[^"]*"|'[^']*'|[^,}\s#]+)"""
)
_COLOURS = {"error": "red", "warning": "yellow"}


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option("--live", is_flag=True, help="Also compare with what the vendor has now; nothing is written there.")
@click.option("--catalog", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="Compare with this saved catalog, instead of the one that the spec names.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True,
              help="text for people; json for programs; sarif for code hosts.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@state_option
def check(paths: tuple[Path, ...], live: bool, catalog: Path | None, form: str, as_json: bool, state: Path) -> None:
    """Show everything that is wrong with the specs at each PATH, without sending anything.

    PATH is a spec, or a folder with specs; without it, the current folder. An integration is checked with the parts
    that it refers to: syntax, form, names, expressions, rules, and, where `destination.catalog` names a saved catalog,
    the vendor's fields, programs and lists. With --live, the vendor itself is asked; the state is used only to keep to
    its limits. A warning leaves the exit code at 0.
    """
    if live and catalog:
        raise click.UsageError("either --live or --catalog")
    report = check_paths(paths or (Path(),), plugin_loader.load(), state, ask=live, catalog=catalog)
    if not report.checked:
        where = ", ".join(map(str, paths)) or "this folder"
        raise SpecError(f"there is no spec in {where}", fix="Name a file; `engine init` makes a first one.")
    if as_json or form == "json":
        problems = [finding_as_json(finding) for finding in report.findings]
        checked = [str(path) for path in report.checked]
        print_json({"schema_version": 1, "checked": checked, "problems": problems})
    elif form == "sarif":
        from engine.sarif import sarif

        print_json(sarif(report.findings))
    else:
        _print(report)
    sys.exit(report.exit_code)


def finding_as_json(finding: AbortRun) -> dict[str, Any]:
    """A finding as plain values."""
    where = finding.where
    place = {"path": where.path, "line": where.line, "column": where.column} if isinstance(where, Place) else None
    return {
        "code": finding.code if isinstance(finding, SpecError) else "",
        "level": level_of(finding),
        "what": finding.what,
        "where": place or str(where or ""),
        "why": finding.why,
        "fix": finding.fix,
    }


def _print(report: Report) -> None:
    wrong = bool(report.findings)
    print_findings(report.findings)
    counts = [counted(report.count(level), level) for level in _COLOURS if report.count(level)]
    specs = f"{report.checked[0]}" if len(report.checked) == 1 else counted(len(report.checked), "spec")
    click.echo(f"{specs}: {', '.join(counts) or 'nothing is wrong'}", err=wrong)
    if report.compared:
        click.echo(f"compared with {', '.join(report.compared)}", err=wrong)
    if report.unset and len(report.checked) > 1:
        click.echo(f"note: {len(report.unset)} environment variables are to be set before a run; `engine check SPEC`"
                   " names those of one spec", err=wrong)  # fmt: skip
    elif report.unset:
        click.echo(f"note: to be set before a run: {', '.join(report.unset)}", err=wrong)
    codes = list(dict.fromkeys(each.code for each in report.findings if isinstance(each, SpecError) and each.code))
    if codes:
        click.echo(f"more: engine explain {codes[0]}", err=True)


def print_findings(findings: Sequence[AbortRun]) -> None:
    """Print findings on standard error, with their lines; a line with a secret in it is not shown for any of them."""
    secret = {place_of(each) for each in findings if _is_secret(each)}
    hidden = {(place.path, place.line) for place in secret}
    for finding in findings:
        place = place_of(finding)
        for line in shown(finding, excerpt=(place.path, place.line) not in hidden):
            click.echo(line, err=True)


def shown(finding: AbortRun, *, excerpt: bool = True) -> Iterator[str]:
    """A finding as lines: place, what is wrong, the line of the file, why, what to do."""
    level, place = level_of(finding), place_of(finding)
    code = f"  [{finding.code}]" if isinstance(finding, SpecError) and finding.code else ""
    head = f"{place}: " if place.path else ""
    yield f"{head}{click.style(f'{level}:', fg=_COLOURS[level], bold=True)} {finding.what}{click.style(code, dim=True)}"
    if excerpt and not _is_secret(finding):
        yield from _excerpt(place)
    for name, text in (("why", finding.why), ("fix", finding.fix)):
        if text:
            yield f"  {click.style(f'{name}:', bold=True)} {text}"


def _is_secret(finding: AbortRun) -> bool:
    return isinstance(finding, SpecError) and finding.code == "secret-in-spec"


def _excerpt(place: Place) -> Iterator[str]:
    """The line of the file with a mark under its column; nothing where it cannot be read."""
    if not place.line:
        return
    try:
        line = Path(place.path).read_text("utf-8-sig").splitlines()[place.line - 1]
    except (OSError, UnicodeDecodeError, IndexError):
        return
    number = f"{place.line:>5}"
    line = _SECRET.sub(r"\1***", without_secrets(line))
    shortened = line if len(line) <= 160 else f"{line[:157]}..."
    yield click.style(f"{number} | {shortened}", dim=True)
    if 0 < place.column <= len(shortened):
        yield click.style(f"{'':>5} | {_blank(line[: place.column - 1])}^", dim=True)


def _blank(text: str) -> str:
    """White space as wide as a text, tabs kept."""
    return "".join(character if character == "\t" else " " for character in text)
