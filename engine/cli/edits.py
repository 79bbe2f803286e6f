"""What the commands that correct leads by hand share: the fields there are, a preview, and saving."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

import click

from engine import check, specs
from engine import plugins as plugin_loader
from engine.cli.common import console, counted, table, where_options
from engine.cli.selection import on_terminal
from engine.errors import EngineError, EnvironmentFault
from engine.exchange import Correction
from engine.records import LEAD_FIELDS
from engine.state import Store

#: Leads that are saved together, and lines of a preview.
_TOGETHER = 1_000
_SHOWN = 50


def known_fields(store: Store, integration: str) -> set[str]:
    """The usual lead fields and those that the spec adds."""
    last = store.runs.last(integration)
    try:
        spec = specs.load(last.spec_path if last else "")
        return {*LEAD_FIELDS, *check.names_of(spec, plugin_loader.load()).fields} - {"scans"}
    except EngineError:  # moved or changed since: what the spec adds is not known
        return set(LEAD_FIELDS)


def is_live(store: Store) -> bool:
    """Whether a run is at work on the state."""
    try:
        store.database.hold()
    except EnvironmentFault:
        return True
    store.database.release()
    return False


def preview(corrections: Sequence[Correction]) -> None:
    """Show what would become of leads, field by field, and how many there are."""
    made = table("#lead", "key", "field", "old", "new")
    lines = [(each, name) for each in corrections for name in each.changes]
    for each, name in lines[:_SHOWN]:
        old, new = each.changes[name]
        made.add_row(str(each.lead), each.key, name, old or "(empty)", new or "(cleared)")
    console().print(made)
    if len(lines) > _SHOWN:
        click.echo(f"… and {counted(len(lines) - _SHOWN, 'more change')}")
    click.echo(f"{counted(len(lines), 'change')} in {counted(len(corrections), 'lead')}")


def agreed(question: str, *, yes: bool) -> bool:
    """Whether people agree: by --yes, or asked on a terminal."""
    return yes or (on_terminal() and click.confirm(question, err=True))


def save(store: Store, integration: str, corrections: Sequence[Correction], by: str, *, quiet: bool = False) -> None:
    """Save corrections, a thousand leads at a time, and say what becomes of the leads."""
    last = store.runs.last(integration)
    ways: Counter[str] = Counter()
    live = is_live(store)
    for start in range(0, len(corrections), _TOGETHER):
        part = corrections[start : start + _TOGETHER]
        changes: dict[int, Mapping[str, str]] = {
            each.lead: {name: new for name, (_, new) in each.changes.items()} for each in part
        }
        done = store.edits.save_all(changes, by, time.time(), live=live)
        ways.update(each.way for each in done)
        names = ", ".join(dict.fromkeys(name for each in part for name in each.changes))
        store.actions.add(last.integration_id if last else None, list(changes), "edit", names, by, time.time())
    if quiet:
        return
    click.echo(f"{counted(len(corrections), 'lead')} corrected")
    for way, said in (
        ("lacks", "still lack a required value and stay failed"),
        ("left", "stay as people have put them; the correction is kept"),
        ("in flight", "are on their way at this moment, and start over once that has ended"),
    ):
        if ways[way]:
            click.echo(f"  {ways[way]} {said}")
    click.echo("next:")
    where = where_options(store, integration)
    click.echo(f"  engine reconcile retry{where}    # send them, without reading the source")
