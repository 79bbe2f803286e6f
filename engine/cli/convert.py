"""engine convert: the field pairs of a spreadsheet as a mapping."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from engine import plugins as plugin_loader
from engine import saved_catalog
from engine.adapters import Vendor
from engine.authoring.conversion import convert as converted
from engine.authoring.conversion import mapping_text
from engine.authoring.merging import known_columns, merged
from engine.authoring.pairs import read_pairs
from engine.check_files import Report, check_part, check_paths
from engine.cli.check import print_findings
from engine.cli.common import counted, state_option
from engine.connection import opened
from engine.errors import SpecError
from engine.files import replace_text
from engine.plugins import Plugins
from engine.records import Field


@click.command()
@click.argument("pairs", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--vendor", help="The vendor that the fields are of.")
@click.option("--from", "ours", default="", metavar="COLUMN", help="The column with our side of each pair.")
@click.option("--to", "theirs", default="", metavar="COLUMN", help="The column with the vendor's field.")
@click.option("--catalog", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="The vendor's fields, as `engine fields VENDOR --save FILE` saved them, for labels.")  # fmt: skip
@click.option("--live", is_flag=True, help="Ask the vendor for its fields instead; needs --vendor, and its settings in"
              " the environment.")  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write the mapping to this file, instead of printing it.")  # fmt: skip
@click.option("--into", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="SPEC",
              help="Add the rows to this integration; its comments stay.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace the file, or rows that say something else.")
@state_option
def convert(
    pairs: Path, vendor: str | None, ours: str, theirs: str, catalog: Path | None, live: bool, output: Path | None,
    into: Path | None, force: bool, state: Path,
) -> None:  # fmt: skip
    """Turn PAIRS, a CSV of field pairs as teams keep them in spreadsheets, into a mapping.

    Each row names a field or column of ours and a field of the vendor's. The header is understood in many forms (Source
    and Target, Column and Marketo field); --from and --to name the two columns where it is not. More columns may say
    how a field is written (overwrite, if blank, on create), its type, a default, a fixed value, a maximum length,
    whether it is required, options (Hot=A; Warm=B), and notes, which become comments.

    With --catalog or --live, labels become API names, and names that the vendor does not have are found. What is
    unclear is shown with its line, all of it at once, and then nothing is written.
    """
    if output and into:
        raise click.UsageError("either --output or --into")
    if live and (catalog or not vendor):
        raise click.UsageError("--live needs --vendor, and no --catalog")
    if output and output.exists() and not force:
        raise SpecError("the file is there already", where=str(output), fix="Name another, or --force to replace it.")
    loaded = plugin_loader.load()
    adapter, known = _known(loaded, vendor, catalog, live, state)
    rows = read_pairs(pairs, adapter, known, ours=ours, theirs=theirs)
    columns, qualifiers = known_columns(into) if into else ({}, {})
    made = converted(rows, columns, qualifiers)
    if known is None and any(" " in row.target for row in rows):
        click.echo("note: some names have spaces, as labels do; --catalog FILE turns labels into API names", err=True)
    if into:
        changed = merged(into, made, force=force)
        for path, text in changed.items():
            replace_text(path, text)
            click.echo(f"changed: {path}")
        sys.exit(_checked(check_paths((into,), loaded, state), len(rows), len(changed)))
    if not made.fields:
        what = "the table has options alone, and a mapping needs a field beside them"
        raise SpecError(what, where=str(pairs), fix="Add a row, as Email and the vendor's field for it.")
    text = mapping_text(made, pairs.name)
    if output is None:
        click.echo(text, nl=False)
        return
    replace_text(output, text)
    click.echo(f"written: {output}")
    report = Report()
    report.add(check_part(output, "mapping", loaded))
    sys.exit(_checked(report, len(rows), 1))


def _known(
    loaded: Plugins, vendor: str | None, catalog: Path | None, live: bool, state: Path
) -> tuple[type[Vendor] | None, Sequence[Field] | None]:
    """The vendor, and its fields where they are to be compared with. Raises SpecError."""
    adapter = loaded.vendor(vendor) if vendor else None
    if live and adapter is not None:
        with opened(adapter, loaded, state) as connection:
            return adapter, connection.fields()[0]
    if catalog is None:
        return adapter, None
    saved = saved_catalog.load(catalog)
    if vendor and saved.vendor != vendor:
        raise SpecError(f"the saved catalog is of {saved.vendor}, not of {vendor}", where=str(catalog))
    return adapter or loaded.vendors.get(saved.vendor), saved.fields


def _checked(report: Report, rows: int, files: int) -> int:
    print_findings(report.findings)
    if not report.findings:
        click.echo(f"{counted(rows, 'pair')}: {'nothing is wrong' if files else 'all of them are there'}", err=True)
    return report.exit_code
