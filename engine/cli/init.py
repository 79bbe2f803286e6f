"""engine init: a first integration, proposed from the columns of an export and the fields of the vendor."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from engine import plugins as plugin_loader
from engine import saved_catalog
from engine.adapters import Context, Vendor
from engine.authoring.export import Export, read_export
from engine.authoring.guesses import Guess, guess_columns
from engine.authoring.project import name_of, refuse_overwriting, slug, write_project
from engine.authoring.proposal import Proposal, rows_for, settled, steps_for, with_derived
from engine.authoring.rows import Row
from engine.check_files import check_paths
from engine.cli.check import print_findings
from engine.cli.common import counted, state_option
from engine.cli.init_dialogue import ask_columns, ask_rows, ask_text
from engine.connection import opened, settings_of
from engine.errors import SpecError
from engine.plugins import Plugins, build
from engine.sample_runs import accept, try_paths
from engine.saved_catalog import SavedCatalog


@click.command()
@click.argument("name", required=False)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where the files go;"
              " without it, the current folder.")  # fmt: skip
@click.option("--source", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="The export with the leads: CSV, or JSON Lines (.jsonl).")  # fmt: skip
@click.option("--vendor", help="The vendor that the leads go to; `engine plugins` shows those that are there.")
@click.option("--event", help="The event of rows that name none themselves.")
@click.option("--region", help="The country of phone numbers without a prefix, as US or Norway.")
@click.option("--catalog", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="The vendor's fields, as `engine fields VENDOR --save FILE` saved them.")  # fmt: skip
@click.option("--offline", is_flag=True, help="Do not ask the vendor, also where its settings are in the environment.")
@click.option("--yes", is_flag=True, help="Take every proposal that is sure enough; the others stay behind a #.")
@click.option("--force", is_flag=True, help="Overwrite files that are there already.")
@state_option
def init(
    name: str | None, folder: Path, source: Path | None, vendor: str | None, event: str | None, region: str | None,
    catalog: Path | None, offline: bool, yes: bool, force: bool, state: Path,
) -> None:  # fmt: skip
    """Write a first integration, NAME.yaml, for an export and a vendor.

    The columns of the export are told by their names, in several languages, and by what they hold; the mapping by the
    vendor's usual fields, and by the names, types and lengths of all of them. These come from --catalog, or else from
    the vendor itself, where its settings are in the environment as for `engine fields`; without either, only the usual
    fields are proposed. You are asked what you did not say, and can change every proposal.

    Written beside NAME.yaml: invented samples for `engine test`, the vendor's fields where they are known, the
    environment variables in .env.example, and a line of .gitignore. No value of the export is written anywhere, but
    for the answers to questions. At the end the result is checked.
    """
    loaded = plugin_loader.load()
    asking = on_terminal()
    missing = [flag for flag, given in (("--source", source), ("--vendor", vendor), ("--yes", yes)) if not given]
    if missing and not asking:
        what = f"not given, and there is no terminal to ask on: {', '.join(missing)}"
        raise SpecError(what, fix="Give the options; --yes takes what is proposed.")
    if source is None:
        kind = click.Path(exists=True, dir_okay=False, path_type=Path)
        source = click.prompt("Which file holds the leads?", type=kind, err=True, prompt_suffix=" ")
    assert source is not None  # noqa: S101 - it was asked for
    export = read_export(source, loaded)
    known = sorted(loaded.vendors)
    chosen = vendor or click.prompt(
        "Which vendor do they go to?", type=click.Choice(known), err=True, prompt_suffix=" "
    )
    adapter = loaded.vendor(chosen)
    for note in export.notes:
        click.echo(f"{export.path.name}: {note}", err=True)
    if name is None:
        usual = f"{slug(export.path.stem)}-to-{adapter.name}"
        name = usual if yes else ask_text("Name of the integration?", usual)
    name = name_of(name)
    if not force:
        refuse_overwriting(folder, name)
    fields = _fields(adapter, loaded, catalog, offline, state)
    guesses = guess_columns(export.columns)
    if not yes:
        guesses = ask_columns(guesses, export)
    held = {guess.field for guess in guesses if guess.taken}
    if event is None:
        event = "" if yes or "event" in held else ask_text("Event of the rows (Enter: none)?", "")
    region = _region(
        region, loaded, ask=region is None and not yes and bool(held & {"phone", "mobile_phone", "company_phone"})
    )
    proposal = _proposal(name, folder, adapter, export, guesses, event, region, fields, loaded, ask=not yes)
    for path in write_project(proposal):
        click.echo(f"written: {path}")
    sys.exit(_finish(proposal, loaded, state))


def on_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty()


def _fields(
    vendor: type[Vendor], loaded: Plugins, catalog: Path | None, offline: bool, state: Path
) -> SavedCatalog | None:
    """The vendor's fields from a saved catalog or from itself; None, and a word on that, where neither can be had."""
    if catalog is not None:
        saved = saved_catalog.load(catalog)
        if saved.vendor != vendor.name:
            raise SpecError(f"the saved catalog is of {saved.vendor}, not of {vendor.name}", where=str(catalog))
        return saved
    why = "--offline"
    if not offline:
        try:
            settings_of(vendor, os.environ)
        except SpecError as error:
            why = error.why
        else:
            with opened(vendor, loaded, state) as connection:
                found = connection.catalog()
            click.echo(f"{counted(len(found.fields), 'field')} of {found.account}", err=True)
            return found
    click.echo(f"The fields of {vendor.name} are not known ({why}): only the usual ones are proposed. Give --catalog,"
               " or set the variables.", err=True)  # fmt: skip
    return None


def _region(given: str | None, loaded: Plugins, *, ask: bool) -> str:
    """The code of the country of phone numbers without a prefix, or nothing. Raises SpecError where there is none."""
    while True:
        region = ask_text("Country of phone numbers without a prefix (Enter: none)?", "") if ask else given or ""
        region = str(loaded.filters["country_code"](region)) if "country_code" in loaded.filters else region
        try:
            if region and "normalize" in loaded.enrichers:
                build(loaded.enricher("normalize"), {"default_region": region}, Context()).close()
        except SpecError as error:
            if not ask:
                raise SpecError(f"there is no country {region!r}", fix="Write its name or code, as US.") from error
            click.echo(f"There is no country {region!r}.", err=True)
        else:
            return region


def _proposal(
    name: str, folder: Path, vendor: type[Vendor], export: Export, guesses: list[Guess], event: str, region: str,
    catalog: SavedCatalog | None, loaded: Plugins, *, ask: bool,
) -> Proposal:  # fmt: skip
    """The whole proposal, with the rows of the mapping as they are agreed on. Raises SpecError."""
    steps = steps_for(guesses, loaded)
    rows: list[Row] = rows_for(with_derived(guesses, steps, event), vendor, catalog)
    if ask:
        rows = ask_rows(rows, vendor, catalog)
    if not any(row.target for row in rows):
        what = f"no field of {vendor.name} is known that these columns could go to"
        raise SpecError(what, fix=f"Give its fields: `engine fields {vendor.name} --save FILE`, then --catalog FILE.")
    guesses, rows = settled(guesses, rows)
    return Proposal(name, folder, vendor, export, guesses, rows, steps, event, region, catalog)


def _finish(proposal: Proposal, loaded: Plugins, state: Path) -> int:
    """Check what was written, accept what its samples give, and say what to type next; returns the exit code."""
    path = proposal.path
    report = check_paths((path,), loaded, state)
    print_findings(report.findings)
    if report.exit_code:
        return report.exit_code
    click.echo(f"{path}: nothing is wrong" if not report.findings else f"{path}: it can run", err=True)
    written, _ = accept(try_paths((path,), loaded))
    if written:
        click.echo(f"written: {counted(len(written), 'snapshot')} in {written[0].parent}")
    if not any(row.guess.field == "email" and not row.guess.derived for row in proposal.rows):
        click.echo("note: no column holds email addresses; enrichment has to find them", err=True)
    off = sum(not row.target for row in proposal.rows) + sum(not guess.taken for guess in proposal.guesses)
    if off:
        click.echo(f"note: {counted(off, 'row')} behind a # in {path}: look at them", err=True)
    spec = shlex.quote(str(path))
    click.echo(f"""
next:
  engine sandbox {proposal.vendor.name}            # in a second terminal; paste the export lines that it prints
  engine run {spec}
  engine test {spec}    # after a change: what would be sent of each sample?
  engine test --update {spec}    # accept what it shows""")
    return 0
