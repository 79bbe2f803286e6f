"""engine erase: remove a person from the state, for good, and keep him out of later captures."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from engine.cli.common import existing_store, json_option, login, print_json, state_option
from engine.errors import SpecError
from engine.stages.capture import identities, marks_of
from engine.state.erasure import Traces


@click.command()
@click.argument("who")
@click.option("--reason", default="", help="Why, for the record. Name no person in it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@state_option
@json_option
def erase(who: str, reason: str, yes: bool, state: Path, as_json: bool) -> None:
    """Erase WHO, an address, a lead's number or its key, from all integrations of the state.

    What was captured, found, sent and answered about the person is removed, in every byte of the file; what was paid
    stays in the books without its answer. A digest keeps the person out of later captures. What the vendor holds is not
    touched: its records are named, once, so that somebody can delete them there.
    """
    with existing_store(state) as store:
        store.database.hold()
        try:
            traces = store.erasure.traces(who, identities)
            if not traces.held:
                raise SpecError(f"nobody in this state is {who!r}", fix="Give an address, a lead's number or its key.")
            if not as_json:
                _print(traces)
            if traces.imports:
                raise SpecError(
                    f"nothing was erased: the person is in an import under way ({', '.join(traces.imports)})",
                    fix="Run the integration until it has ended; then do this again.",
                )
            if not yes:
                if not sys.stdin.isatty():
                    raise SpecError("nothing was erased: nobody was there to agree", fix="Look, and add --yes.")
                click.confirm("Erase this for good?", abort=True, err=True)
            marks = {mark for each in traces.held for mark in marks_of(each.key, each.fields)}
            done = store.erasure.erase(traces, sorted(marks), login(), reason, time.time())
        finally:
            store.database.release()
    if as_json:
        remote = [{"account": account, "record": record} for account, record in traces.remote]
        print_json({"schema_version": 1, "certificate": asdict(done), "remote": remote,
                    "namesakes": list(traces.namesakes)})  # fmt: skip
        return
    click.echo(f"erased; certificate {done.id}")


def _print(traces: Traces) -> None:
    for each in traces.held:
        click.echo(f"lead {each.lead}  {each.key}  of {each.integration}")
    click.echo("rows")
    for table, count in traces.rows.items():
        click.echo(f"  {count:>6}  {table}")
    if traces.remote:
        click.echo("the vendor keeps what it has; to be deleted there:")
        for account, record in traces.remote:
            click.echo(f"  {account}  record {record}")
    if traces.namesakes:
        listed = ", ".join(map(str, traces.namesakes))
        click.echo(f"known by the same name and company alone, and left: lead {listed}; erase these too by number")
