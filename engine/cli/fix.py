"""engine reconcile fix: correct leads by hand, for good; or the spec, where it is the cause of a whole group."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import click

from engine.cli import fix_cause
from engine.cli.common import (
    chosen,
    existing_store,
    integration_option,
    json_option,
    login,
    print_json,
    say,
    state_option,
    where_options,
)
from engine.cli.edits import agreed, is_live, known_fields, preview, save
from engine.cli.selection import selection_options
from engine.errors import SpecError
from engine.exchange import Correction, refused
from engine.expressions import suggestion
from engine.filters import text
from engine.selection import Selection, selected
from engine.state import Store
from engine.state.edits import Current, Edited

#: Where leads may be that are named one by one; an expression or a group means failed ones.
_ANYWHERE = ("failed", "presync", "frozen", "cleared", "ignored", "suppressed")


@click.command()
@selection_options
@click.option("--clear", "cleared", multiple=True, metavar="FIELD", help="Empty this field for good; may be repeated.")
@click.option("--field", metavar="FIELD", help="Only the leads of the group that failed for this field.")
@click.option("--map", "mapped", multiple=True, metavar="OLD=NEW", help="What a value, answer, field or status of the"
              " group is to become; nothing where NEW is empty. May be repeated.")  # fmt: skip
@click.option("--take", type=click.IntRange(min=1), metavar="N", help="Make the proposed change with this number.")
@click.option("--yes", is_flag=True, help="Do not ask: change the leads, or make the first proposed change.")
@click.option("--no-retry", is_flag=True, help="Only change the spec; do not try the group again.")
@click.option("--spec", type=click.Path(path_type=Path), help="The spec, where it is no longer where it was.")
@click.option("--by", metavar="NAME", help="Who says so; without it, the login name.")
@integration_option
@state_option
@json_option
def fix(leads: tuple[str, ...], group: str | None, event: str | None, where: str | None, cleared: tuple[str, ...],
        field: str | None, mapped: tuple[str, ...], take: int | None, yes: bool, no_retry: bool, spec: Path | None,
        by: str | None, integration: str | None, state: Path, as_json: bool) -> None:  # fmt: skip
    """Correct LEADS by hand with FIELD=VALUE, or with --group alone the spec, where it is the cause.

    LEADS are numbers, addresses or keys, and the words behind them say what to set, as in job_title="Head Buyer". What
    a person set or cleared is never overwritten, by no later capture and by no enrichment, and it stays on record who
    did so and when. The leads start over with it: they are enriched, mapped and sent by the next run.

    With --group CODE and nothing to set, changes of the spec are proposed, each with the leads that it would clear;
    --take N makes one, keeps the comments of the file, and tries those leads again.
    """
    with existing_store(state) as store:
        name = chosen(store, integration)
        words, values = _parted(store, name, leads)
        changing = bool(values or cleared)
        if group and not changing and not words:
            if event or where:
                raise click.UsageError("a change of the spec is for all leads: leave --event and --where out")
            fix_cause.run(store, name, group, field, mapped, take=take, yes=yes, retry=not no_retry, spec=spec,
                          by=by or login(), as_json=as_json)  # fmt: skip
            return
        if field or mapped or take or no_retry or spec:
            raise click.UsageError("--field, --map, --take, --no-retry and --spec go with --group CODE alone")
        meant = Selection(words, group, event, where)
        if meant.is_all:
            raise click.UsageError("name leads, a --group, an --event or an expression")
        changes = _changes(values, cleared)
        if len(words) == 1 and not (group or event or where):
            _fix_one(store, name, words[0], changes, by or login(), as_json=as_json)
            return
        _fix_many(store, name, meant, changes, by or login(), yes=yes, as_json=as_json)


def _parted(store: Store, integration: str, given: Collection[str]) -> tuple[tuple[str, ...], list[str]]:
    """The leads, and what is to be set. A word with = in it may be a lead's key or address all the same."""
    leads = tuple(word for word in given if "=" not in word or store.reports.find(integration, word))
    return leads, [word for word in given if word not in leads]


def _fix_one(store: Store, name: str, lead: str, changes: Mapping[str, str], by: str, *, as_json: bool) -> None:
    found = store.reports.find(name, lead)
    if not found:
        raise SpecError(f"no lead of {name} is {lead!r}", fix="Give its number, address or key.")
    if len(found) > 1:
        listed = ", ".join(map(str, found))
        raise SpecError(f"{len(found)} leads are {lead!r}", fix=f"Give the number of one of them: {listed}.")
    current = store.edits.current(name, found)[found[0]]
    if why := refused(current):
        raise SpecError(f"lead {current.id} {why}")
    _refuse_unknown(store, name, changes, [current])
    edited = store.edits.save(found[0], changes, by, time.time(), live=is_live(store))
    last = store.runs.last(name)
    store.actions.add(last.integration_id if last else None, [found[0]], "edit", ", ".join(changes), by, time.time())
    if as_json:
        shown = {field: {"old": old, "new": new} for field, (old, new) in edited.changes.items()}
        print_json({"schema_version": 1, "integration": name, "lead": edited.lead_id, "changes": shown,
                    "result": edited.way.replace(" ", "_"), "missing": list(edited.missing)})  # fmt: skip
        return
    _print(store, name, current, edited)


def _fix_many(
    store: Store, name: str, meant: Selection, changes: Mapping[str, str], by: str, *, yes: bool, as_json: bool
) -> None:
    """One change of several leads: shown first, and made where people agree."""
    ids = selected(store, name, meant, _ANYWHERE if meant.leads else ("failed",))
    leads = list(store.edits.current(name, ids).values())
    _refuse_unknown(store, name, changes, leads)
    corrections: list[Correction] = []
    for lead in leads:
        old = {field: text(lead.data["f"].get(field)) for field in changes}
        own = {field: (old[field], new) for field, new in changes.items() if old[field] != new}
        if why := refused(lead):
            click.echo(f"lead {lead.id} {why}", err=True)
        elif own:
            corrections.append(Correction(lead.id, lead.key, own))
    if as_json:
        shown = [{"lead": each.lead, "changes": {field: {"old": old, "new": new}
                                                 for field, (old, new) in each.changes.items()}}
                 for each in corrections]  # fmt: skip
        if yes and corrections:
            save(store, name, corrections, by, quiet=True)
        print_json({"schema_version": 1, "integration": name, "leads": shown, "done": yes})
        return
    if not corrections:
        click.echo("nothing would change")
        return
    preview(corrections)
    if not agreed("make these changes?", yes=yes):
        click.echo("nothing was changed; --yes makes the changes")
        return
    save(store, name, corrections, by)


def _print(store: Store, integration: str, lead: Current, edited: Edited) -> None:
    say(f"lead {edited.lead_id}  {lead.key}")
    width = max(len(field) for field in edited.changes)
    for field, (old, new) in edited.changes.items():
        say(f"  {field:<{width}}  {old or '(empty)'} -> {new or '(cleared)'}")
    where = where_options(store, integration)
    if edited.way == "lacks":
        say(f"it stays failed: still no {', no '.join(edited.missing)}")
        wanted = " ".join(f"{field}=…" for field in edited.missing)
        say(f"next:\n  engine reconcile fix{where} {edited.lead_id} {wanted}")
        return
    if edited.way == "left":
        say(f"it stays {lead.status}; the edit is kept")
        say(f"next:\n  engine reconcile ignore{where} {edited.lead_id} --undo    # take it up again")
        return
    if edited.way == "in flight":
        say("it is on its way at this moment, and starts over once that has ended")
    last = store.runs.last(integration)
    say("next:")
    say(f"  engine reconcile retry{where}    # send it, without reading the source")
    if last is not None:
        say(f"  engine run {last.spec_path}{where_options(store)}    # read the source for new rows as well")


def _changes(values: Collection[str], cleared: Collection[str]) -> dict[str, str]:
    """The new values by field, empty for those to be cleared. Raises UsageError."""
    changes: dict[str, str] = {}
    for word in values:
        field, given, value = word.partition("=")
        field, value = field.strip(), value.strip()
        if not (field and given):
            raise click.UsageError(f"{word!r} is no FIELD=VALUE")
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
    return changes


def _refuse_unknown(store: Store, integration: str, changes: Mapping[str, Any], leads: Collection[Current]) -> None:
    """Raise SpecError for a field that no lead may have: the usual ones, the leads' own, and what the spec adds."""
    known = known_fields(store, integration)
    known |= {name for lead in leads for part in ("f", "h") for name in lead.data.get(part, {})}
    for field in changes:
        if field not in known:
            hint = suggestion(field, known) or "`engine explain LEAD` shows the fields that a lead has."
            raise SpecError(f"there is no lead field {field!r}", fix=hint)
