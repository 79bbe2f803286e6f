"""engine reconcile: see why leads failed, look at one, send them again."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from engine import plugins as plugin_loader
from engine import specs
from engine.cli.common import (
    chosen,
    console,
    counted,
    existing_store,
    integration_option,
    json_option,
    print_json,
    say,
    state_option,
    where_options,
)
from engine.cli.exchange import export, import_
from engine.cli.fix import fix
from engine.cli.operate import record, run_again
from engine.cli.report import groups_of, print_events, print_groups, print_paused, print_totals
from engine.cli.selection import confirm, selection_options
from engine.codes import Code
from engine.codes import code as code_named
from engine.errors import SpecError
from engine.history import way
from engine.selection import Selection
from engine.stages import reconcile as reconciling
from engine.state import Store
from engine.state.connections import Paused


@click.group()
def reconcile() -> None:
    """Every lead is Pre-Sync, Cleared or Failed: see why leads failed, and send them again."""


reconcile.add_command(fix)
reconcile.add_command(export)
reconcile.add_command(import_)


@reconcile.command("list")
@selection_options
@click.option("--leads", "flat", is_flag=True, help="All failed leads, one a line, instead of groups.")
@click.option("--ignored", is_flag=True, help="The leads that are ignored, instead of those that have failed.")
@click.option("--by", type=click.Choice(["event"]), help="Count by event, instead of groups.")
@integration_option
@state_option
@json_option
def list_(leads: tuple[str, ...], group: str | None, event: str | None, where: str | None, flat: bool, ignored: bool,
          by: str | None, integration: str | None, state: Path, as_json: bool) -> None:  # fmt: skip
    """Show the groups of failed leads, or one a line those of a --group, an --event, or of which --where is true."""
    with existing_store(state) as store:
        name = chosen(store, integration)
        if by:
            print_events(store, name, as_json=as_json)
            return
        meant = Selection(leads, group, event, where)
        if flat or ignored or not meant.is_all:
            failed = reconciling.select(store, name, leads, group, "ignored" if ignored else "failed",
                                        event=event, where=where)  # fmt: skip
            if as_json:
                print_json({"schema_version": 1, "integration": name, "leads": failed})
                return
            for lead in failed:
                say(f"{lead['lead']:>8}  {lead['captured_at']:<28}  {lead['key']:<40}  {lead['message']}")
            return
        groups = groups_of(store, name)
        totals = store.reports.totals(name)
        if as_json:
            waiting = store.connections.paused(name)
            print_json({"schema_version": 1, "integration": name, "totals": totals,
                        "paused": asdict(waiting) if waiting else None,
                        "groups": [group.as_json() for group in groups]})  # fmt: skip
            return
        console().print(f"[bold]{name}[/bold]")
        if paused := store.connections.paused(name):
            print_paused(paused)
        print_totals(totals, store.reports.written(name))
        if not groups:
            click.echo("no lead has failed")
            return
        print_groups(groups)
        where = where_options(store, name)
        click.echo("next:")
        click.echo(f"  engine reconcile list{where} --group CODE     # the leads of a group")
        click.echo(f"  engine reconcile show{where} LEAD             # everything about one lead")
        click.echo(f"  engine reconcile fix{where} --group CODE      # changes of the spec that would clear a group")
        click.echo(f"  engine reconcile fix{where} LEAD FIELD=VALUE  # correct a lead by hand, for good")
        click.echo(f"  engine reconcile retry{where} --group CODE    # send a group again, with the spec as it is now")
        click.echo(f"  engine reconcile ignore{where} LEAD           # leave a lead as it is")


@reconcile.command()
@click.argument("lead")
@integration_option
@state_option
@json_option
def show(lead: str, integration: str | None, state: Path, as_json: bool) -> None:
    """Everything about one LEAD (number, address or key): where each value came from, what was sent and answered."""
    with existing_store(state) as store:
        name = chosen(store, integration)
        found = store.reports.find(name, lead)
        if not found:
            raise SpecError(f"no lead of {name} is {lead!r}", fix="Give its number, address or key.")
        stories = [story for id in found if (story := store.reports.lead(id))]
        last = store.runs.last(name)
        acts = store.actions.of_integration(last.integration_id) if last else []
        modes = [act for act in acts if act["what"] == "mode"]
        for story in stories:
            events = way(story, store.runs.starts(), store.actions.of_lead(story["lead"]), modes)
            story["way"] = [{"at": at, "what": what, "detail": detail} for at, what, detail in events]
        if as_json:
            print_json({"schema_version": 1, "integration": name, "leads": stories})
            return
        codes = plugin_loader.load().codes
        for story in stories:
            _print_story(story, codes)


def _when(moment: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)) if moment else ""


def _print_story(story: dict[str, Any], codes: Mapping[str, Code]) -> None:
    say(f"lead {story['lead']}  {story['key']}  {story['status']}")
    say("way")
    for event in story["way"]:
        say(f"  {_when(event['at']):<19}  {event['what']:<9} {event['detail'].splitlines()[0]}")
    enriched = {value["field"]: value for value in story["values"]}
    edits = story["edits"]
    say("fields")
    for field, value in sorted(story["fields"].items()):
        origin = enriched.get(field)
        source = "captured"
        if field in edits:
            source = f"set by {edits[field]['by']}, {_when(edits[field]['at'])}"
        elif origin:
            source = f"{origin['provider']}, confidence {origin['confidence']:g}"
            source += f", cost {origin['cost']:g}" if origin["cost"] else ""
            source += f", captured as {origin['replaced']!r}" if origin["replaced"] else ""
        say(f"  {field:<16} {value!s:<40} {source}")
    for field, edit in sorted(edits.items()):
        if not edit["v"]:
            say(f"  {field:<16} {'(cleared)':<40} by {edit['by']}, {_when(edit['at'])}")
    for qualifier, answer in story["qualifiers"].items():
        say(f"  {qualifier:<16} {'; '.join(answer) if isinstance(answer, list) else answer}")
    say("captured")
    for capture in story["captures"]:
        say(f"  {capture['source']}:{capture['line']} in run {capture['run']}")
    scans = [f"{event or 'no event'} {count}" for event, count in story["events"].items()]
    say(f"  scans: {', '.join(scans)}")
    for step in story["steps"]:
        say(f"enrichment step {step['step'] + 1}: {step['provider']}: {step['outcome']} {step['detail']}")
    for delivery in story["deliveries"]:
        payload = delivery["payload"]
        say(f"delivery {delivery['delivery']} in run {delivery['run']}")
        for field, value in {**payload["fields"], **payload.get("if_blank", {})}.items():
            say(f"  {field:<16} {'(emptied)' if value is None else value}")
        for outcome in (row for row in story["outcomes"] if row["delivery"] == delivery["delivery"]):
            remote = f" remote id {outcome['remote_id']}" if outcome["remote_id"] else ""
            answer = f" {outcome['answer']}" if outcome["answer"] else ""
            how = f"{outcome['what']}: {outcome['status']} by {outcome['matched_by']}"
            say(f"  {_when(outcome['at'])}  {how}{remote}{answer}")
    for membership in story["memberships"]:
        place = f"{membership['kind']} {membership['target']}"
        status = f" as {membership['status']}" if membership["status"] else ""
        say(f"{place}{status}: {membership['state']}")
        for field, value in (membership["data"] or {}).items():
            say(f"  {field:<16} {value}")
    for notice in story["notices"]:
        say(f"notice {_when(notice['at'])}: {notice['code']}: {notice['message']}")
    for failure in story["failures"]:
        meaning = code_named(failure["code"], codes)
        over = f" (over since {_when(failure['resolved_at'])})" if failure["resolved_at"] else ""
        say(f"failed {_when(failure['at'])} in {failure['stage']}: {failure['code']}{over}")
        say(f"  {failure['message']}")
        if not over:
            say(f"  {meaning.meaning} Fix ({meaning.owner}): {meaning.fix}")


@reconcile.command()
@selection_options
@click.option("--spec", type=click.Path(path_type=Path), help="The spec, where it is no longer where it was.")
@click.option("--dry-run", is_flag=True, help="Only say how many leads of which groups would be tried again.")
@click.option("--yes", is_flag=True, help="Do not ask, however many they are.")
@integration_option
@state_option
@json_option
def retry(leads: tuple[str, ...], group: str | None, event: str | None, where: str | None, spec: Path | None,
          dry_run: bool, yes: bool, integration: str | None, state: Path, as_json: bool) -> None:  # fmt: skip
    """Send failed LEADS again, with the spec as it is now.

    LEADS are numbers, addresses or keys; without any, all failed leads, or those of a --group, of an --event, or of
    which --where is true. An interrupted retry goes on with the same command.
    """
    with existing_store(state) as store:
        name = chosen(store, integration)
        last = store.runs.last(name)
        loaded = specs.load(spec or (last.spec_path if last else ""))
        if group in reconciling.CONNECTION_CODES and (paused := store.connections.paused(name)):
            _run_on(store, name, loaded, paused, dry_run=dry_run, as_json=as_json)
            return
        failed = reconciling.select(store, name, leads, group, event=event, where=where)
        if dry_run:
            _print_dry_run(failed, as_json=as_json)
            return
        confirm(len(failed), "try again", yes=yes)
        meant = Selection(leads, group, event, where)

        def take_up() -> None:
            result = reconciling.retry(store, loaded, failed, time.time())
            record(store, name, [lead["lead"] for lead in failed], "retry", str(meant))
            click.echo(f"trying {counted(result.taken, 'lead')} again", err=True)
            for lead, why in result.left:
                say(f"lead {lead} stays failed: {why}", err=True)

        sys.exit(run_again(store, name, take_up, as_json=as_json, spec=loaded))


def _run_on(store: Store, name: str, spec: specs.Integration, paused: Paused, *, dry_run: bool, as_json: bool) -> None:
    """Try the connection again: the leads that wait for it have not failed, and go on from where they are."""
    if dry_run and as_json:
        print_json({"schema_version": 1, "leads": paused.leads, "codes": {paused.code: paused.leads}})
    elif dry_run:
        click.echo(f"{counted(paused.leads, 'lead')} would go on; nothing was done")
    else:
        prepare = partial(record, store, name, [], "retry", f"group {paused.code}")
        sys.exit(run_again(store, name, prepare, as_json=as_json, spec=spec))


def _print_dry_run(failed: list[dict[str, Any]], *, as_json: bool) -> None:
    codes = Counter(lead["code"] for lead in failed)
    if as_json:
        print_json({"schema_version": 1, "leads": len(failed), "codes": dict(codes)})
        return
    for code, count in codes.most_common():
        click.echo(f"{count:>7}  {code}")
    click.echo(f"{counted(len(failed), 'lead')} would be tried again; nothing was done")


@reconcile.command()
@selection_options
@click.option("--reason", default="", help="Why, for those who look later.")
@click.option("--undo", is_flag=True, help="Take it back: the leads have failed again.")
@integration_option
@state_option
def ignore(leads: tuple[str, ...], group: str | None, event: str | None, where: str | None, reason: str, undo: bool,
           integration: str | None, state: Path) -> None:  # fmt: skip
    """Leave failed LEADS as they are (numbers, addresses or keys, a --group, an --event); --undo takes it back."""
    if Selection(leads, group, event, where).is_all:
        raise click.UsageError("name leads, a --group, an --event or an expression")
    with existing_store(state) as store:
        name = chosen(store, integration)
        status = "ignored" if undo else "failed"
        found = reconciling.select(store, name, leads, group, status, event=event, where=where)
        ids = [lead["lead"] for lead in found]
        if undo:
            store.queue.unignore(ids)
        else:
            store.queue.ignore(ids, reason)
        if ids:
            record(store, name, ids, "unignore" if undo else "ignore", reason)
        click.echo(f"{counted(len(ids), 'lead')} {'no longer ' if undo else ''}ignored")
