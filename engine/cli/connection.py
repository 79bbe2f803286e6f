"""Commands that ask a vendor and write nothing there: doctor, fields."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from engine import plugins as plugin_loader
from engine import saved_catalog
from engine.adapters import Enricher, Examined, Vendor
from engine.cli.common import console, counted, json_option, print_json, state_option, table
from engine.connection import REACH, Connection, opened, target
from engine.errors import AbortRun, CredentialsError, RetryLater, VendorUnavailable
from engine.expressions import suggestion
from engine.filters import fold
from engine.plugins import Plugins
from engine.records import Field
from engine.redaction import without_secrets
from engine.specs import Integration

#: The point of an examination that is about the credentials.
SIGNED_IN = "signed in"
#: Of a provider that has no call for it that is free.
_NOT_FREE = "it cannot be examined without buying something"
_MARKS: Mapping[bool | None, str] = {True: "[green]✓[/green]", False: "[red]✗[/red]", None: "[dim]–[/dim]"}


@click.command()
@click.argument("spec_or_vendor")
@state_option
@json_option
def doctor(spec_or_vendor: str, state: Path, as_json: bool) -> None:
    """Examine the connection of SPEC_OR_VENDOR to its vendor, point by point, without writing anything there.

    Of an integration, each provider of its waterfall is examined too, by calls that cost nothing.
    SPEC_OR_VENDOR is an integration, or the name of an installed vendor whose settings are in the environment
    (MARKETO_BASE_URL, MARKETO_CLIENT_ID and so on). Exit code: 0 all is well, 1 a point failed, 4 the credentials are
    refused, 5 the vendor cannot be reached.
    """
    loaded = plugin_loader.load()
    meant = target(spec_or_vendor, loaded)
    with opened(meant, loaded, state) as connection:
        vendor = connection.vendor
        points, exit_code = _examine(vendor)
        asked = _examine_enrichers(connection, meant, loaded) if isinstance(meant, Integration) else []
        exit_code = max([exit_code, *(code for _, _, code in asked)])
        if as_json:
            print_json({"schema_version": 1, "vendor": vendor.name, "account": vendor.account,
                        "exit_code": exit_code, "points": [asdict(point) for point in points],
                        "enrichers": [{"name": name, "points": [asdict(point) for point in found]}
                                      for name, found, _ in asked]})  # fmt: skip
        else:
            console().print(f"[bold]{escape(vendor.name)}[/bold]  {escape(vendor.account)}")
            console().print(_points(points))
            for name, found, _ in asked:
                console().print(f"[bold]{escape(name)}[/bold]  enrichment")
                console().print(_points(found))
                points = [*points, *found]
            click.echo(_verdict(points))
    sys.exit(exit_code)


def _examine_enrichers(
    connection: Connection, integration: Integration, loaded: Plugins
) -> list[tuple[str, list[Examined], int]]:
    """Each enricher that makes calls, once a configuration, with its points and its exit code."""
    from engine.waterfalls import WaterfallMaker

    maker = WaterfallMaker(integration, loaded, connection.context)
    found: list[tuple[str, list[Examined], int]] = []
    seen: list[tuple[str, object]] = []
    for at, step in integration.enrichment.placed():
        if (step.use, step.config) in seen or not loaded.enricher(step.use).online:
            continue
        seen.append((step.use, step.config))
        try:
            enricher = maker.step(step, at).enricher
        except AbortRun as error:
            detail = ": ".join(part for part in (error.what, error.why) if part)
            found.append((step.use, [Examined("settings", ok=False, detail=detail, fix=error.fix)], error.exit_code))
            continue
        try:
            points, exit_code = _examine(enricher)
        finally:
            enricher.close()
        found.append((enricher.name, points or [Examined("account", ok=None, detail=_NOT_FREE)], exit_code))
    return found


def _examine(adapter: Vendor | Enricher) -> tuple[list[Examined], int]:
    """The points and the exit code; where the examination could not begin, the one point that says why."""
    try:
        points = list(adapter.examine())
    except (AbortRun, RetryLater) as error:
        exit_code = error.exit_code if isinstance(error, AbortRun) else VendorUnavailable.exit_code
        kinds = {CredentialsError.exit_code: SIGNED_IN, VendorUnavailable.exit_code: "connection"}
        detail = ": ".join(part for part in (error.what, error.why) if part)
        fix = error.fix or (REACH if isinstance(error, RetryLater) else "")
        return [Examined(kinds.get(exit_code, "settings"), ok=False, detail=detail, fix=fix)], exit_code
    failed = [point.name for point in points if point.ok is False]
    return points, CredentialsError.exit_code if SIGNED_IN in failed else 1 if failed else 0


def _verdict(points: Sequence[Examined]) -> str:
    failed = sum(point.ok is False for point in points)
    unclear = sum(point.ok is None for point in points)
    said = f"{counted(failed, 'point')} of {len(points)} failed" if failed else "nothing failed"
    return f"{said}; {counted(unclear, 'point')} could not be judged" if unclear else said


def _points(points: Sequence[Examined]) -> Table:
    made = Table.grid(padding=(0, 2))
    made.add_column(no_wrap=True)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for point in points:
        detail = escape(without_secrets(point.detail))
        if point.fix and not point.ok:
            detail += f"\n[bold]fix:[/bold] {escape(without_secrets(point.fix))}"
        made.add_row(f"  {_MARKS[point.ok]}", escape(point.name), detail.strip())
    return made


@click.command()
@click.argument("spec_or_vendor")
@click.option("--search", help="Only fields with this text in their name or label.")
@click.option("--writable", is_flag=True, help="Only fields that can be written.")
@click.option("--members", is_flag=True, help="The fields of a membership of a program, instead of the lead's.")
@click.option("--refresh", is_flag=True, help="Read them anew, whatever is remembered.")
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Save the fields, and the programs and lists that the spec names, for `destination.catalog`.",
)
@state_option
@json_option
def fields(
    spec_or_vendor: str, search: str | None, writable: bool, members: bool, refresh: bool, save: Path | None,
    state: Path, as_json: bool,
) -> None:  # fmt: skip
    """Show the fields that the vendor of SPEC_OR_VENDOR has, as a mapping names them.

    SPEC_OR_VENDOR is an integration, or the name of an installed vendor whose settings are in the environment. Where
    the state exists, the list is remembered there for a day. A saved catalog lets `engine check` and `engine test`
    compare with the vendor without asking it.
    """
    loaded = plugin_loader.load()
    meant = target(spec_or_vendor, loaded)
    with opened(meant, loaded, state) as connection:
        account = connection.vendor.account
        if save is not None:
            catalog = connection.catalog(meant.mapping if isinstance(meant, Integration) else None)
            saved_catalog.save(save, catalog)
            click.echo(f"saved {counted(len(catalog.fields), 'field')} of {account} in {save}", err=True)
        found, age = connection.fields("member_fields" if members else "fields", refresh=refresh)
    shown = sorted(
        (
            field
            for field in found
            if (field.writable or not writable)
            and (not search or fold(search) in fold(field.name) or fold(search) in fold(field.label))
        ),
        key=lambda field: field.name.lower(),
    )
    if as_json:
        print_json({"schema_version": 1, "account": account, "age_seconds": round(age),
                    "fields": [asdict(field) for field in shown]})  # fmt: skip
        return
    if shown:
        console().print(_table(shown))
    hint = suggestion(search, [field.name for field in found]) if search and not shown else ""
    click.echo(f"{len(shown)} of {counted(len(found), 'field')} of {account}, {_age(age)}{'. ' if hint else ''}{hint}")


def _table(shown: Sequence[Field]) -> Table:
    made = table("name", "label", "type", "#length", "writable", "searchable", "note")
    for field in shown:
        length = str(field.length) if field.length is not None else ""
        length = length or (f"{field.max_bytes} bytes" if field.max_bytes is not None else "")
        yes = {True: "yes", False: "no"}
        made.add_row(escape(field.name), escape(field.label), field.type, length, yes[field.writable],
                     yes[field.searchable], escape(field.note))  # fmt: skip
    return made


def _age(seconds: float) -> str:
    if seconds < 60:
        return "read just now"
    age = f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
    return f"read {age} ago; --refresh reads anew"
