"""engine verify: read cleared leads back from the vendor, and compare them with what was sent."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from engine import check, specs
from engine import plugins as plugin_loader
from engine.cli.common import (
    chosen,
    counted,
    existing_store,
    integration_option,
    json_option,
    login,
    print_json,
    say,
    state_option,
    where_options,
)
from engine.cli.report import print_groups
from engine.codes import code as code_named
from engine.connection import opened
from engine.filters import text
from engine.selection import Selection
from engine.stages.reconcile import Group
from engine.state import Store
from engine.state.failures import pattern
from engine.verify import Report, Verification, Wanted

#: Leads that are verified where nobody says how many.
SAMPLE = 200
#: What is counted of each code, after the number of leads.
_WORDS = {
    "REMOTE_VALUE_CHANGED": "changed",
    "VALUE_NOT_STORED": "not stored",
    "REMOTE_RECORD_GONE": "gone",
    "REMOTE_RECORD_MERGED": "merged",
    "MEMBERSHIP_MISSING": "without a place in a program or list",
    "MISSING_REMOTE_FIELD": "with a field that is gone",
}
#: Seconds between two lines of progress.
_EVERY = 5.0


@click.command()
@click.argument("leads", nargs=-1)
@click.option("--event", help="Only leads captured at this event.")
@click.option("--where", metavar="EXPRESSION", help="Only leads of which this is true, as in"
              " \"lead.country == 'Norway'\".")  # fmt: skip
@click.option("--sample", type=click.IntRange(1), metavar="N", help=f"So many at most; {SAMPLE} if nothing is said.")
@click.option("--all", "every", is_flag=True, help="All of them, however many.")
@click.option("--differing", is_flag=True, help="Only leads that were not as they were sent when last verified.")
@click.option(
    "--fail", is_flag=True, help="Let leads fail that are not as they were sent, so that they can be retried."
)
@click.option("--details", is_flag=True, help="Show every lead that is not as it was sent, not only the groups.")
@integration_option
@state_option
@json_option
def verify(leads: tuple[str, ...], event: str | None, where: str | None, sample: int | None, every: bool,
           differing: bool, fail: bool, details: bool, integration: str | None, state: Path,
           as_json: bool) -> None:  # fmt: skip
    """Read cleared LEADS back from the vendor and compare them with what was sent last. Nothing is written there.

    LEADS are numbers, addresses or keys; without any, a sample of all, those that were not verified for the longest
    time first. The leads stay Cleared, unless --fail is given. An interrupted verification goes on with the same
    command. Exit code: 0 all is as it was sent, 1 something differs.
    """
    if sample is not None and every:
        raise click.UsageError("either --sample or --all")
    if sample is None and not (every or leads or differing):
        sample = SAMPLE
    loaded = plugin_loader.load()
    with existing_store(state) as store:
        name = chosen(store, integration)
        last = store.runs.last(name)
        spec = specs.load(last.spec_path if last else "")
        meant = Selection(leads, None, event, where)
        wanted = Wanted(meant, sample, differing, check.names_of(spec, loaded))
        with opened(spec, loaded, state) as connection:
            progress = _Progress(quiet=as_json)
            report = Verification(connection, store, spec, by=login(), progress=progress).go(wanted, fail=fail)
        if as_json:
            print_json(_as_json(name, report))
        else:
            _print(store, name, report, fail=fail, details=details or bool(leads))
    sys.exit(0 if report.all_held else 1)


class _Progress:
    """A line now and then on standard error. Called with the leads that are done, and all."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._last = time.monotonic()

    def __call__(self, done: int, all_: int) -> None:
        if self._quiet or time.monotonic() - self._last < _EVERY:
            return
        self._last = time.monotonic()
        click.echo(f"read back {done:,} of {counted(all_, 'lead')}", err=True)


def summary(report: Report) -> str:
    """What was found, in one line."""
    found = [f"{report.held:,} held", *(f"{n:,} {_WORDS.get(code, code)}" for code, n in report.codes.items())]
    of = f"{report.cleared:,} cleared lead" + ("" if report.cleared == 1 else "s")
    return f"verified {report.verified:,} of {of}: {', '.join(found)}"


def groups(report: Report) -> list[Group]:
    """What is not held in groups, as failed leads are grouped, the largest first."""
    now = time.time()
    made: dict[tuple[str, str, str], list[str]] = {}
    for read in report.differing:
        if read.failure:
            key = (read.failure.code, read.failure.field, pattern(read.failure.message))
            made.setdefault(key, []).append(f"{read.failure.message} (lead {read.lead.lead_id})")
    largest = sorted(made.items(), key=lambda each: -len(each[1]))
    return [
        Group(code_named(code), "", field, messages[0], len(messages), first_seen=now, last_seen=now)
        for (code, field, _), messages in largest
    ]


def notes(report: Report) -> list[str]:
    """What was not verified, and why."""
    told = []
    if report.before:
        wrong = sum(outcome != "held" for outcome in report.before.values())
        told.append(f"{counted(len(report.before), 'lead')} had been verified before the interruption; {wrong} of them"
                    " differ: --differing shows them again")  # fmt: skip
    if report.recent:
        told.append(
            f"{counted(report.recent, 'lead')} left for later: sent so recently that the vendor may not show it"
        )
    if report.elsewhere:
        told.append(f"{counted(report.elsewhere, 'lead')} left out: not sent to this account of the vendor")
    if report.unread:
        told.append(f"{counted(report.unread, 'lead')} left out: the vendor cannot be asked for the key")
    if report.unasked:
        places = ", ".join(f"{kind} {target}" for kind, target, _ in sorted(report.unasked))
        told.append(f"not verified: who is in {places}, for the vendor's plugin does not tell")
    return told


def _print(store: Store, integration: str, report: Report, *, fail: bool, details: bool) -> None:
    say(summary(report))
    print_groups(groups(report))
    for read in report.differing if details else ():
        assert read.failure is not None  # noqa: S101 - what differs has a failure
        say(f"lead {read.lead.lead_id}  {read.lead.key}  record {read.lead.remote_id or '(no id)'}")
        say(f"  {read.failure.code}: {read.failure.message}")
        for each in read.differences:
            say(f"    {each.field:<16}  sent {text(each.sent)!r}  held {text(each.held)!r}")
    for note in notes(report):
        say(f"note: {note}")
    if report.all_held:
        return
    where = where_options(store, integration)
    say("next:")
    if fail:
        say(f"  engine reconcile list{where}                # the groups of failed leads")
        for code in report.codes:
            say(f"  engine reconcile retry{where} --group {code}")
    else:
        say(f"  engine verify{where} --differing --details    # read them again, and show each")
        say(f"  engine verify{where} --differing --fail       # let them fail, so that they can be retried")


def _as_json(integration: str, report: Report) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "integration": integration,
        "cleared": report.cleared,
        "verified": report.verified,
        "held": report.held,
        "differ": len(report.differing),
        "codes": report.codes,
        "failed": report.failed,
        "verified_before_interruption": len(report.before),
        "notes": notes(report),
        "groups": [group.as_json() for group in groups(report)],
        "leads": [
            {
                "lead": read.lead.lead_id,
                "key": read.lead.key,
                "remote_id": read.lead.remote_id,
                "code": read.failure.code if read.failure else "",
                "field": read.failure.field if read.failure else "",
                "message": read.failure.message if read.failure else "",
                "differences": [
                    {"field": each.field, "sent": each.sent, "held": each.held} for each in read.differences
                ],
                "missing": [
                    {"kind": place.kind, "target": place.target, "status": place.status} for place in read.missing
                ],
            }
            for read in report.differing
        ],
    }
