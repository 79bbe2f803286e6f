"""engine reconcile fix: correct a lead by hand, for good."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import click

from engine import check, specs
from engine import plugins as plugin_loader
from engine.cli.common import (
    chosen,
    existing_store,
    integration_option,
    json_option,
    login,
    print_json,
    state_option,
    where_options,
)
from engine.cli.operate import record
from engine.errors import EngineError, EnvironmentFault, SpecError
from engine.expressions import suggestion
from engine.records import LEAD_FIELDS
from engine.state import Store
from engine.state.edits import Edited


@click.command()
@click.argument("lead")
@click.argument("values", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--clear", "cleared", multiple=True, metavar="FIELD", help="Empty this field for good; may be repeated.")
@click.option("--by", metavar="NAME", help="Who says so; without it, the login name.")
@integration_option
@state_option
@json_option
def fix(lead: str, values: tuple[str, ...], cleared: tuple[str, ...], by: str | None, integration: str | None,
        state: Path, as_json: bool) -> None:  # fmt: skip
    """Set fields of one LEAD (number, address or key) by hand: FIELD=VALUE, as in job_title="Head Buyer".

    What a person set or cleared is never overwritten, by no later capture and by no enrichment, and it stays on record
    who did so and when. The lead starts over with it: it is enriched, mapped and sent by the next run.
    """
    with existing_store(state) as store:
        name = chosen(store, integration)
        found = store.reports.find(name, lead)
        if not found:
            raise SpecError(f"no lead of {name} is {lead!r}", fix="Give its number, address or key.")
        if len(found) > 1:
            listed = ", ".join(map(str, found))
            raise SpecError(f"{len(found)} leads are {lead!r}", fix=f"Give the number of one of them: {listed}.")
        story = store.reports.lead(found[0]) or {}
        _refuse_what_cannot_be_edited(story)
        changes = _changes(values, cleared, _names(store, name, story))
        edited = store.edits.save(found[0], changes, by or login(), time.time(), live=_live(store))
        record(store, name, [found[0]], "edit", ", ".join(changes))
        if as_json:
            shown = {field: {"old": old, "new": new} for field, (old, new) in edited.changes.items()}
            print_json({"schema_version": 1, "integration": name, "lead": edited.lead_id, "changes": shown,
                        "result": edited.way.replace(" ", "_"), "missing": list(edited.missing)})  # fmt: skip
            return
        _print(store, name, story, edited)


def _print(store: Store, integration: str, story: Mapping[str, Any], edited: Edited) -> None:
    click.echo(f"lead {edited.lead_id}  {story['key']}")
    width = max(len(field) for field in edited.changes)
    for field, (old, new) in edited.changes.items():
        click.echo(f"  {field:<{width}}  {old or '(empty)'} -> {new or '(cleared)'}")
    where = where_options(store, integration)
    if edited.way == "lacks":
        click.echo(f"it stays failed: still no {', no '.join(edited.missing)}")
        wanted = " ".join(f"{field}=…" for field in edited.missing)
        click.echo(f"next:\n  engine reconcile fix{where} {edited.lead_id} {wanted}")
        return
    if edited.way == "left":
        click.echo(f"it stays {story['status']}; the edit is kept")
        click.echo(f"next:\n  engine reconcile ignore{where} {edited.lead_id} --undo    # take it up again")
        return
    if edited.way == "in flight":
        click.echo("it is on its way at this moment, and starts over once that has ended")
    last = store.runs.last(integration)
    click.echo("next:")
    click.echo(f"  engine reconcile retry{where}    # send it, without reading the source")
    if last is not None:
        click.echo(f"  engine run {last.spec_path}{where_options(store)}    # read the source for new rows as well")


def _refuse_what_cannot_be_edited(story: Mapping[str, Any]) -> None:
    if story["status"] == "suppressed":
        raise SpecError(f"lead {story['lead']} is suppressed: nothing is done with this person's data")
    if any(failure["code"] == "UNREADABLE_ROW" and not failure["resolved_at"] for failure in story["failures"]):
        raise SpecError(
            f"the row of lead {story['lead']} cannot be read, so that nobody knows what else stands in it",
            fix="Correct the row in the source and run again.",
        )


def _changes(values: Collection[str], cleared: Collection[str], known: Collection[str]) -> dict[str, str]:
    """The new values by field, empty for those to be cleared. Raises UsageError, SpecError."""
    changes: dict[str, str] = {}
    for text in values:
        field, given, value = text.partition("=")
        field, value = field.strip(), value.strip()
        if not (field and given):
            raise click.UsageError(f"{text!r} is no FIELD=VALUE")
        if not value:
            raise click.UsageError(f"{field} has no value; to empty the field, use --clear {field}")
        if field in changes:
            raise click.UsageError(f"{field} is given twice")
        changes[field] = value
    for field in cleared:
        if field in changes:
            raise click.UsageError(f"{field} is given twice")
        changes[field] = ""
    if not changes:
        raise click.UsageError("say what to change: FIELD=VALUE, or --clear FIELD")
    for field in changes:
        if field not in known:
            hint = suggestion(field, known) or "`engine explain LEAD` shows the fields that a lead has."
            raise SpecError(f"there is no lead field {field!r}", fix=hint)
    return changes


def _names(store: Store, integration: str, story: Mapping[str, Any]) -> set[str]:
    """The fields that a lead may have: the usual ones, its own, and those that the spec adds."""
    names = {*LEAD_FIELDS, *story["fields"], *story["edits"]}
    last = store.runs.last(integration)
    try:
        spec = specs.load(last.spec_path if last else "")
        names |= check.names_of(spec, plugin_loader.load()).fields - {"scans"}
    except EngineError:  # moved or changed since: what the spec adds is not known, and the lead's own fields are
        pass
    return names


def _live(store: Store) -> bool:
    """Whether a run is at work on the state."""
    try:
        store.database.hold()
    except EnvironmentFault:
        return True
    store.database.release()
    return False
