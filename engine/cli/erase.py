"""engine erase: remove a person from the state, for good, and keep him out of later captures."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from engine.cli.common import counted, existing_store, json_option, login, print_json, state_option
from engine.errors import SpecError
from engine.stages.capture import marks_of
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
            traces = store.erasure.traces(who)
            if not traces.leads:
                raise SpecError(f"nobody in this state is {who!r}", fix="Give an address, a lead's number or its key.")
            if not as_json:
                _print(traces)
            if not yes:
                if not sys.stdin.isatty():
                    raise SpecError("nothing was erased: nobody was there to agree", fix="Look, and add --yes.")
                click.confirm("Erase this for good?", abort=True, err=True)
            marks = {mark for key, fields in traces.profiles for mark in marks_of(key, fields)}
            number = store.erasure.erase(traces, sorted(marks), login(), reason, time.time())
        finally:
            store.database.release()
    if as_json:
        print_json({"schema_version": 1, "certificate": number, "removed": traces.rows,
                    "remote": [{"account": account, "record": record} for account, record in traces.remote]})  # fmt: skip
        return
    removed = ", ".join(f"{count} {table}" for table, count in traces.rows.items())
    click.echo(f"erased; certificate {number}: {removed}")


def _print(traces: Traces) -> None:
    click.echo(f"{counted(len(traces.leads), 'lead')}: {', '.join(map(str, traces.leads))}")
    for table, count in traces.rows.items():
        click.echo(f"  {count:>6}  {table}")
    if traces.remote:
        click.echo("the vendor keeps what it has; to be deleted there:")
        for account, record in traces.remote:
            click.echo(f"  {account}  record {record}")
