"""engine plan: what a run would do, lead by lead and field by field, before it does it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from engine import plugins as plugin_loader
from engine import specs
from engine.cli.common import counted, json_option, money, print_json, printable, state_option
from engine.cli.progress import RunProgress
from engine.errors import SpecError
from engine.files import replace_text
from engine.filters import text
from engine.planning.records import Plan, PlannedLead, PlannedPlace, save

_COLOURS = {"create": "green", "update": "yellow", "skip": "bright_black", "fail": "red"}
#: Exit codes of --detailed-exitcode.
SOME_FAIL, CHANGES = 1, 10


@click.command()
@click.argument("integration", type=click.Path(path_type=Path))
@click.argument("source", required=False)
@click.option("--details", is_flag=True, help="Show every lead.")
@click.option("--limit", default=20, show_default=True, help="Show so many leads.")
@click.option("--lead", help="Show this lead only: its address or key.")
@click.option("--save", "target", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Save the plan, for `engine run SPEC --plan FILE`. It holds people's data; only you can read"
              " it.")  # fmt: skip
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write a page for a browser. It holds people's data; only you can read it.")  # fmt: skip
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 10 where anything would change, with 1 where a lead"
              " would fail, and with 0 where neither is so.")  # fmt: skip
@state_option
@json_option
def plan(
    integration: Path, source: str | None, details: bool, limit: int, lead: str | None, target: Path | None,
    page: Path | None, detailed_exitcode: bool, state: Path, as_json: bool,
) -> None:  # fmt: skip
    """Show what `engine run INTEGRATION [SOURCE]` would do, without a write: who is created, updated, left, or fails.

    The source is read, offline enrichment runs, and the vendor's records are looked up, within its limits. No provider
    is asked that costs money: answers that were bought before are used, and what may still be filled is named. Nothing
    is written to the vendor or to the state.
    """
    from engine.planning.make import STANDARD_INPUT, make

    if target is not None and source == STANDARD_INPUT:
        raise click.UsageError("a plan of standard input cannot be run later: save it in a file, and plan that")
    loaded, spec = plugin_loader.load(), specs.load(integration)
    with RunProgress(quiet=as_json) as progress:
        made, _ = make(spec, loaded, state, source, progress=progress)
    if target is not None:
        save(made, target)
        again = ["engine", "run", str(integration), *([source] if source else []), "--plan", str(target)]
        click.echo(f"saved in {target}; to do just that: {shlex.join(again)}", err=True)
    if page is not None:
        from engine.planning.page import html

        replace_text(page, html(made), mode=0o600)
        click.echo(f"written: {page}", err=True)
    if as_json:
        print_json(made.as_json())
    else:
        shown = [each for each in made.leads if lead is None or _is(each, lead)]
        if lead is not None and not shown:
            raise SpecError(f"the plan has no lead {lead!r}", fix="Give its address or key; a lead that a run would not"
                            " touch is not in it.")  # fmt: skip
        for line in (*summary(made), *leads_shown(shown, None if details or lead else limit)):
            click.echo(line)
    if detailed_exitcode:
        sys.exit(SOME_FAIL if made.counts["fail"] else CHANGES if made.alters else 0)


def _is(lead: PlannedLead, wanted: str) -> bool:
    return wanted.strip().lower() in (lead.key.lower(), lead.key.partition(":")[2].lower(), str(lead.lead))


def summary(made: Plan) -> Iterator[str]:
    """A plan in a few lines."""
    counts = made.counts
    yield click.style(f"{made.integration}: what a run would do at {made.account}", bold=True)
    if made.source:
        known = f", {made.known_rows} of them captured before" if made.known_rows else ""
        yield f"  {counted(made.rows, 'row')} of {made.source}{known}"
    words = ", ".join(click.style(f"{counts[word]} {word}", fg=_COLOURS[word], bold=True) for word in _COLOURS)
    yield f"  {words}"
    yield (f"  {counted(counts['fields'], 'field')} changed, {counted(counts['programs'], 'program membership')} and"
           f" {counted(counts['lists'], 'list membership')} given")  # fmt: skip
    calls = ", ".join(f"{count} {what}" for what, count in made.calls.items() if count)
    left = f"; {made.left_today:,} left today" if made.left_today is not None else ""
    yield f"  {counted(made.all_calls, 'call')} of the vendor{f' ({calls})' if calls else ''}{left}"
    if made.too_many_calls:
        yield click.style("  the day's quota does not suffice: the run stops there, and goes on the next day",
                          fg="red")  # fmt: skip
    if made.paid:
        amounts = [money(amount, currency) for currency, amount in made.paid["money"].items() if amount]
        cost = f", {' and '.join(amounts)}" if amounts else ""
        most = made.paid["calls"] + made.paid["further"]
        yield f"  paid calls at most: {most}{cost}; {counted(counts['open'], 'lead')} may still be filled in by them"
    if made.waiting:
        yield f"  {counted(made.waiting, 'lead')} of earlier runs failed and stay so: engine reconcile list"
    for note in made.notes:
        yield click.style(f"  note: {printable(note)}", dim=True)


def leads_shown(leads: Sequence[PlannedLead], limit: int | None) -> Iterator[str]:
    """Leads with their changes: those that fail first, those with nothing to change last; some of each kind."""
    groups = [[lead for lead in leads if lead.word == word] for word in ("fail", "create", "update", "skip")]
    groups = [group for group in groups if group]
    left, shown = limit, 0
    for number, group in enumerate(groups):
        share = len(group) if left is None else -(-left // (len(groups) - number))
        for lead in group[:share]:
            yield ""
            yield from _lead(lead)
        shown += min(share, len(group))
        left = None if left is None else left - min(share, len(group))
    if len(leads) > shown:
        yield ""
        yield f"{len(leads) - shown} more: --details shows all, --lead one"


def _lead(lead: PlannedLead) -> Iterator[str]:
    record = "a new record" if lead.word == "create" else f"record {lead.record}" if lead.record else ""
    head = click.style(f"{lead.word:<6}", fg=_COLOURS[lead.word], bold=True)
    key = printable(lead.key)
    yield f"{head} {key}  {click.style(record, dim=True)}" if record else f"{head} {key}"
    if lead.code:
        yield click.style(f"       {lead.code}: {printable(lead.message)}", fg="red")
    width = max((len(change.field) for change in lead.changes), default=0)
    for change in lead.changes:
        if change.old in (None, "", []):
            yield click.style(f"     + {change.field:<{width}}  {_shown(change.new)}", fg="green")
        elif change.new in (None, "", []):
            yield click.style(f"     - {change.field:<{width}}  {_shown(change.old)}", fg="red")
        else:
            changed = f"{_shown(change.old)} → {_shown(change.new)}"
            yield click.style(f"     ~ {change.field:<{width}}  {changed}", fg="yellow")
    for place in lead.places:
        yield from _place(place)
    if lead.word == "skip":
        sent = " (it is sent all the same)" if lead.sent else ""
        yield click.style(f"       nothing to change{sent}", dim=True)
    if lead.open:
        depends = f", and with it {', '.join(lead.depends)}" if lead.depends else ""
        yield click.style(f"     ? providers may still fill {', '.join(lead.open)}{depends}", fg="cyan")
    for notice in lead.notices:
        yield click.style(f"       {printable(notice)}", dim=True)


def _place(place: PlannedPlace) -> Iterator[str]:
    where = f"{place.kind} {place.target}"
    if place.old and not place.kept:
        yield click.style(f"     ~ {where}  {place.old} → {place.status}", fg="yellow")
    elif not place.kept:
        yield click.style(f"     + {where}{f' as {place.status}' if place.status else ''}", fg="green")
    for name, value in place.data.items():
        yield click.style(f"     + {where}  {name}: {_shown(value)}", fg="green")


def _shown(value: Any) -> str:
    found = printable(text(value).replace("\n", "⏎"))
    return found if len(found) <= 80 else f"{found[:77]}…"
