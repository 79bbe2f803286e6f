"""engine notify: send what the notification rules of an integration have to tell, see it first, or try them out."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from engine import check, specs
from engine import plugins as plugin_loader
from engine.cli.common import existing_store, json_option, print_json, say, state_option
from engine.errors import EngineError, SpecError
from engine.expressions import suggestion
from engine.notify.message import Message
from engine.notify.notifier import Notifier, try_out
from engine.notify_rules import NotifyRule
from engine.specs import Integration


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--rule", "names", multiple=True, metavar="NAME", help="Only this rule; may be repeated.")
@click.option("--now", "early", is_flag=True, help="Whether their time has come or not.")
@click.option("--show", is_flag=True, help="Show the messages that are due; send none.")
@click.option("--test", "trial", is_flag=True, help="Send a test message by each rule; nothing counts as told.")
@state_option
@json_option
def notify(spec: Path, names: tuple[str, ...], early: bool, show: bool, trial: bool, state: Path,
           as_json: bool) -> None:  # fmt: skip
    """Tell people what is new, by the notification rules of the integration SPEC.

    Each run does so at its end; this is for a schedule with days without a run, and for trying rules out. Exit code: 0
    done, 5 a message could not be sent.
    """
    if show and trial:
        raise click.UsageError("either --show or --test")
    integration, loaded = specs.load(spec), plugin_loader.load()
    check.refuse_if_wrong(integration, loaded)
    rules = _chosen(integration, names)
    notes: list[str] = []
    if trial:
        told = _try_out(integration, rules, notes)
    else:
        with existing_store(state) as store:
            telling = Notifier(integration, store, loaded.codes, time.time, notes.append)
            if show:
                due = [(rule, telling.due(rule, early=early)) for rule in rules]
                _show(integration, [(rule, message) for rule, message in due if message], as_json=as_json)
                return
            told = telling.tell(rules, early=early)
    if as_json:
        print_json({"schema_version": 1, "integration": integration.name, "told": told, "notes": notes})
    else:
        for name in told:
            click.echo(f"{name}: sent")
        if not told and not notes:
            click.echo("nothing is due")
    for note in notes:
        say(f"note: {note}", err=True)
    sys.exit(5 if notes else 0)


def _chosen(integration: Integration, names: tuple[str, ...]) -> tuple[NotifyRule, ...]:
    known = {rule.name: rule for rule in integration.notify}
    if not known:
        raise SpecError(
            f"{integration.name} has no notification rules",
            where=integration.place(""),
            fix="Write some under `notify:`; docs/notifications.md shows how.",
        )
    for name in names:
        if name not in known:
            fix = suggestion(name, known) or f"The rules are {', '.join(known)}."
            raise SpecError(f"there is no notification rule {name!r}", where=integration.place("notify"), fix=fix)
    return tuple(rule for name, rule in known.items() if not names or name in names)


def _try_out(integration: Integration, rules: tuple[NotifyRule, ...], notes: list[str]) -> list[str]:
    told = []
    for rule in rules:
        try:
            if refused := try_out(integration, rule, time.time()):
                notes.append(f"notify {rule.name}: the mail server refused {', '.join(refused)}")
            told.append(rule.name)
        except EngineError as error:
            notes.append(f"notify {rule.name}: {error}")
    return told


def _show(integration: Integration, due: Sequence[tuple[NotifyRule, Message]], *, as_json: bool) -> None:
    if as_json:
        messages = [message.data for _, message in due]
        print_json({"schema_version": 1, "integration": integration.name, "due": messages})
        return
    for rule, message in due:
        click.echo(f"{rule.name} ({rule.channel}, {rule.send.replace('_', ' ')}):")
        say(f"{message.subject}\n\n{message.text}\n")
    if not due:
        click.echo("nothing is due")
