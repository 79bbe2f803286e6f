"""What commands print of runs and of where leads are: counts that add up, groups of failures, what to type next."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.padding import Padding

from engine import plugins as plugin_loader
from engine import specs
from engine.cli.common import console, counted, money, priced, print_json, printable, say, table, where_options
from engine.codes import OWNERS
from engine.errors import EngineError
from engine.stages import reconcile as reconciling
from engine.state import Store
from engine.state.connections import Paused

if TYPE_CHECKING:
    from engine.summary import Summary


def report(summary: Summary, store: Store, *, as_json: bool, again: str) -> None:
    """Print how a run ended: counts that add up, failures by group, and what to type next."""
    groups = groups_of(store, summary.integration)
    if as_json:
        print_json({**summary.as_json(), "groups": [group.as_json() for group in groups]})
        return
    out = console()
    done = summary.this_run
    if summary.status == "aborted":
        say(f"error: {summary.message}", err=True)
    out.print(f"[bold]{summary.integration}[/bold]  run {summary.run}  {summary.status} in {summary.seconds:.1f} s")
    out.print(
        f"  {done['rows']} rows read, {done['known_rows']} of them captured before;"
        f" {done['sent']} leads sent, {done['members']} memberships given, {done['unchanged']} unchanged"
    )
    for paid in summary.paid:
        out.print(f"  {paid_line(paid)}", markup=False)
    print_totals(summary.totals, summary.written)
    if groups:
        print_groups(groups)
    for note in summary.notes:
        out.print(f"note: {printable(note)}", markup=False)
    _next_commands(summary, store, again)


def paid_line(paid: Mapping[str, Any]) -> str:
    """What a run used of one provider: calls, credits and money, what is still open, and what was spared."""
    calls, currency = paid["calls"], paid["currency"]
    parts = [counted(calls, "call"), priced(paid["cost"], paid["amount"], currency)] if calls else ["no call"]
    if paid["possibly_charged"]:
        parts.append(f"{paid['possibly_charged']} possibly charged")
    if paid["pending"]:
        parts.append(f"{paid['pending']} pending")
    if paid["possible_amount"]:
        parts.append(f"at most {money(paid['possible_amount'], currency)} more")
    if paid["reused"]:
        saved = priced(paid["saved_cost"], paid["saved_amount"], currency)
        parts.append(f"{counted(paid['reused'], 'answer')} used again ({saved} saved)")
    return f"{paid['provider']}: {', '.join(parts)}"


def _next_commands(summary: Summary, store: Store, again: str) -> None:
    lines = []
    where = where_options(store, summary.integration)
    state = where_options(store)
    if summary.totals["failed"]:
        lines.append(f"engine reconcile list{where}    # see why leads failed, and who fixes it")
    if summary.totals["frozen"]:
        lines.append(f"engine release{where}    # let the leads go that are held in Pre-Sync")
    if summary.status == "interrupted":
        lines.append(f"{again}{state}    # go on where this run stopped")
    elif summary.status == "aborted":
        lines.append(f"{again}{state}    # once the cause is removed: nothing is lost, nothing is sent twice")
    if lines:
        click.echo("next:")
        for line in lines:
            click.echo(f"  {line}")


def print_totals(totals: Mapping[str, int], written: Mapping[str, int]) -> None:
    shown = {"captured": totals["captured"], "duplicate": totals["duplicate"], "pre-sync": totals["presync"],
             "cleared": totals["cleared"], "failed": totals["failed"]}  # fmt: skip
    shown.update({name: totals[name] for name in ("ignored", "suppressed") if totals[name]})
    shown.update({"created": written["created"], "updated": written["updated"], "members": written["memberships"]})
    made = table(*(f"#{name}" for name in shown))
    made.add_row(*map(str, shown.values()))
    console().print(made)
    if totals["frozen"]:
        console().print(f"  {totals['frozen']} of the Pre-Sync leads are Frozen: held by the sync mode manual")


def groups_of(store: Store, integration: str) -> list[reconciling.Group]:
    """The groups of an integration's failed leads, with what the installed plugins say of their codes."""
    last = store.runs.last(integration)
    try:
        vendor = specs.load(last.spec_path).destination.use if last else ""
    except EngineError:  # moved or changed since: whose answers they are is not known, and the groups are
        vendor = ""
    return reconciling.groups(store, integration, plugin_loader.load().codes, vendor)


def print_groups(groups: list[reconciling.Group]) -> None:
    """Each group: how many leads, what happened with an example, who fixes it and how."""
    out = console()
    for group in groups:
        code = group.code
        own = f" {group.vendor} {group.vendor_code}".rstrip() if group.vendor_code else ""
        what = f"{code.name}{own}" + (f"  ({group.field})" if group.field else "")
        retry = "a retry can succeed as it is" if code.retryable else "retry after the fix"
        out.print(f"[bold]{group.leads:>7}  {escape(what)}[/bold]  {OWNERS[code.owner]}, {retry}")
        seen = f"first {shown_time(group.first_seen)}, last {shown_time(group.last_seen)}"
        more = f"{seen}; more: engine explain {code.name}" + (f", {group.page}" if group.page else "")
        lines = f"{code.meaning}\ne.g. {group.message}\nfix: {code.fix}\n{more}"
        out.print(Padding(escape(printable(lines)), (0, 0, 0, 9), expand=False))


def print_paused(paused: Paused) -> None:
    """Why nothing is sent, told once for all leads that wait for it."""
    first, *more = paused.message.splitlines()
    click.echo(f"{counted(paused.leads, 'lead')} wait since {shown_time(paused.since)}: {paused.code}")
    for line in (first, *more):
        click.echo(f"  {line.strip()}")
    click.echo(f"  more: engine explain {paused.code}")


def print_events(store: Store, integration: str, *, as_json: bool) -> None:
    """Where the leads of each event are."""
    events = store.views.by_event(integration)
    if as_json:
        print_json({"schema_version": 1, "integration": integration, "events": events})
        return
    columns = ("leads", "presync", "frozen", "cleared", "failed", "ignored", "suppressed")
    made = table("event", *(f"#{name}" for name in columns))
    for event, counts in events.items():
        made.add_row(escape(printable(event)) or "(none)", *(str(counts[name]) for name in columns))
    console().print(made)
    leads = sum(store.reports.totals(integration)[name] for name in ("presync", "cleared", "failed", "ignored",
                                                                     "suppressed"))  # fmt: skip
    click.echo(f"{counted(leads, 'lead')} in all; one that was captured at two events counts at each")


def print_period(counts: Mapping[str, int], since: float) -> None:
    """Which share of the leads that were captured since then is where."""
    leads = counts["leads"]
    click.echo(f"since {shown_time(since)}: {counted(leads, 'lead')} captured")
    for name in ("cleared", "failed", "presync", "frozen", "ignored", "suppressed"):
        if counts[name] or name in ("cleared", "failed"):
            share = counts[name] / leads if leads else 0.0
            click.echo(f"  {counts[name]:>7}  {share:>6.1%}  {name}")


def shown_time(moment: float) -> str:
    """A time for people, of this machine's clock."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
