"""engine reconcile export and import: failed leads to a spreadsheet, and what was corrected there back."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from engine import plugins as plugin_loader
from engine import specs
from engine.cli.common import (
    chosen,
    counted,
    existing_store,
    integration_option,
    json_option,
    login,
    print_json,
    state_option,
    where_options,
)
from engine.cli.edits import agreed, known_fields, preview, save
from engine.cli.selection import selection_options
from engine.codes import OWNERS
from engine.codes import code as code_named
from engine.errors import EngineError, EnvironmentFault
from engine.exchange import Corrections, Exported, exported, read_corrections, write_csv, write_jsonl
from engine.files import replace_text
from engine.records import LEAD_FIELDS
from engine.stages import reconcile as reconciling
from engine.state import Store

#: Lines left alone that are shown.
_SHOWN = 20
_MARK = "\ufeff"


@click.command("export")
@selection_options
@click.option("--ignored", is_flag=True, help="The leads that are ignored, instead of those that have failed.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True,
              help="csv is for spreadsheets and can be imported again; jsonl is for programs.")  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="The file to write; without it, standard output.")  # fmt: skip
@integration_option
@state_option
def export(leads: tuple[str, ...], group: str | None, event: str | None, where: str | None, ignored: bool, form: str,
           output: Path | None, integration: str | None, state: Path) -> None:  # fmt: skip
    """Write failed LEADS with their reasons, fields and answers to a file that people correct in a spreadsheet.

    LEADS are numbers, addresses or keys; without any, all failed leads, or those of a --group, of an --event, or of
    which --where is true.
    """
    with existing_store(state) as store:
        name = chosen(store, integration)
        status = "ignored" if ignored else "failed"
        failed = reconciling.select(store, name, leads, group, status, event=event, where=where)
        current = store.edits.current(name, [lead["lead"] for lead in failed])
        codes = plugin_loader.load().codes
        rows: list[Exported] = []
        for lead in failed:
            owner = OWNERS[code_named(lead["code"], codes).owner]
            rows.append(exported(current[lead["lead"]], lead["code"], lead["message"], owner))
        text = io.StringIO(newline="")
        if form == "csv":
            text.write(_MARK)  # spreadsheets take a file without it for one of their own encoding
            write_csv(text, rows, _wanted(store, name, [lead["field"] for lead in failed]))
        else:
            write_jsonl(text, rows)
        if output is None:
            sys.stdout.write(text.getvalue())
            return
        try:
            replace_text(output, text.getvalue(), mode=0o600)  # people's data is for nobody else on the machine
        except OSError as error:
            raise EnvironmentFault(f"cannot write the file: {error.strerror}", where=str(output)) from error
        click.echo(f"{counted(len(rows), 'lead')} written to {output}", err=True)
        if form == "csv":
            click.echo(f"next, once it is corrected:\n  engine reconcile import{where_options(store, name)} {output}",
                       err=True)  # fmt: skip


def _wanted(store: Store, integration: str, failed_for: Sequence[str]) -> set[str]:
    """Fields that people may have to fill: those that the spec requires, and those that leads failed for."""
    last = store.runs.last(integration)
    try:
        required = specs.load(last.spec_path if last else "").required
    except EngineError:  # moved or changed since: then what the leads have says enough
        required = ()
    return {*required, *(name for names in failed_for for name in names.split(",") if name in LEAD_FIELDS)}


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask: make the corrections.")
@click.option("--clear-empty", is_flag=True, help="A cell that was emptied empties the field, for good.")
@click.option("--by", metavar="NAME", help="Who says so; without it, the login name.")
@integration_option
@state_option
@json_option
def import_(file: Path, yes: bool, clear_empty: bool, by: str | None, integration: str | None, state: Path,
            as_json: bool) -> None:  # fmt: skip
    """Take corrected cells of FILE, an exported CSV, back as corrections by hand.

    Only cells that differ from the lead count, and nothing is changed before it was shown. Lines of leads that have
    changed since the export are left alone, and told.
    """
    with existing_store(state) as store:
        name = chosen(store, integration)
        current = partial(store.edits.current, name)
        found = read_corrections(file, current, known_fields(store, name), clear=clear_empty)
        if as_json:
            if yes:
                save(store, name, found.leads, by or login(), quiet=True)
            _print_json(name, found, done=yes)
            return
        _print_left(file, found, clear=clear_empty)
        if not found.leads:
            click.echo("nothing would change")
            return
        preview(found.leads)
        if not agreed("make these corrections?", yes=yes):
            click.echo("nothing was changed; --yes makes the corrections")
            return
        save(store, name, found.leads, by or login())


def _print_left(file: Path, found: Corrections, *, clear: bool) -> None:
    for line, why in found.left[:_SHOWN]:
        click.echo(f"{file}:{line}: {why}", err=True)
    if len(found.left) > _SHOWN:
        click.echo(f"… and {counted(len(found.left) - _SHOWN, 'more line')} left alone", err=True)
    if found.unchanged:
        click.echo(f"{counted(found.unchanged, 'lead')} unchanged")
    if found.emptied and not clear:
        click.echo(f"{counted(found.emptied, 'emptied cell')} left alone; --clear-empty empties the fields")


def _print_json(integration: str, found: Corrections, *, done: bool) -> None:
    print_json({
        "schema_version": 1, "integration": integration, "done": done, "unchanged": found.unchanged,
        "emptied": found.emptied, "left": [{"line": line, "why": why} for line, why in found.left],
        "leads": [{"lead": each.lead, "changes": {field: {"old": old, "new": new}
                                                  for field, (old, new) in each.changes.items()}}
                  for each in found.leads],
    })  # fmt: skip
