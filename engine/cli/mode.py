"""engine mode: show or switch whether an integration sends by itself, holds its leads, or sends nothing."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from engine import specs
from engine.cli.common import counted, json_option, print_json, state_option
from engine.spec_edit import Put, change
from engine.state import Store

#: What becomes of a lead in each mode.
MODES = {
    "automatic": "leads are enriched, mapped and sent",
    "manual": "leads are enriched and mapped, then held until `engine release`",
    "disabled": "leads are captured, enriched and mapped, and nothing is sent",
}


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.argument("mode", type=click.Choice(list(MODES)), required=False)
@state_option
@json_option
def mode(spec: Path, mode: str | None, state: Path, as_json: bool) -> None:
    """Show the sync mode of the integration SPEC, or switch it to MODE.

    To switch changes the key destination.sync_mode in the spec, where its comments stay, and counts from the next run
    on. A switch to automatic lets all leads go that are held.
    """
    integration = specs.load(spec)
    before = integration.destination.sync_mode
    changed = mode is not None and mode != before
    if changed:
        change(integration, [Put(("destination", "sync_mode"), mode)]).write()
    now = mode or before
    held = _held(state, integration.name)
    if as_json:
        print_json({"schema_version": 1, "integration": integration.name, "before": before, "mode": now, "held": held})
        return
    click.echo(f"{integration.name}  {f'{before} -> {now}' if changed else now}: {MODES[now]}")
    run = f"engine run {shlex.quote(str(spec))}"
    if held and now == "automatic":
        click.echo(f"next:\n  {run}    # sends {counted(held, 'lead')} that were held")
    elif held:
        click.echo(f"{counted(held, 'lead')} held")


def _held(state: Path, integration: str) -> int:
    """How many leads of an integration are held."""
    if not state.exists():
        return 0
    with Store(state, check=False) as store:
        return store.reports.totals(integration)["frozen"] if integration in store.runs.integrations() else 0
