"""Commands that move leads: run, status, release, demo."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

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
    login,
    print_json,
    state_option,
    table,
)
from engine.cli.progress import RunProgress
from engine.cli.report import (
    groups_of,
    print_events,
    print_groups,
    print_paused,
    print_period,
    print_totals,
    report,
    shown_time,
)
from engine.cli.selection import confirm, selection_options
from engine.errors import SpecError
from engine.selection import Selection, selected
from engine.stages import reconcile as reconciling
from engine.state import Store

if TYPE_CHECKING:
    from engine.adapters import Vendor
    from engine.run import Run
    from engine.summary import Summary


@click.command()
@click.argument("integration", type=click.Path(path_type=Path))
@click.argument("source", required=False)
@state_option
@json_option
@click.option("--quiet", "-q", is_flag=True, help="No progress on standard error.")
@click.option(
    "--wait", default=0.0, metavar="SECONDS", help="Wait for another run on the state to end, so long at most."
)
@click.option("--bulk", is_flag=True, help="Hand leads over as files, however few, where the vendor has an import.")
@click.option("--plan", "planned", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Do what this saved plan says, and nothing where anything has changed since.")  # fmt: skip
def run(integration: Path, source: str | None, state: Path, as_json: bool, quiet: bool, wait: float,
        bulk: bool, planned: Path | None) -> None:  # fmt: skip
    """Take leads from SOURCE to the destination of INTEGRATION, a spec.

    SOURCE is a file, or - for standard input; without it, the spec's own. Running again goes on where the last run
    stopped, reads the source for new rows, and sends nothing twice.
    """
    # What makes a run is imported by the commands that need it: the others, and --help, answer sooner.
    from engine.run import Run

    if planned and bulk:
        raise click.UsageError("either --plan or --bulk: a file says nothing of single records")
    if planned and source == "-":
        raise click.UsageError("--plan reads the source twice, and standard input can be read once: save it in a file")
    spec, loaded = specs.load(integration), plugin_loader.load()
    guard: Callable[[Vendor], Vendor] | None = None
    if planned:
        from engine.planning.hold import guard_of

        guard = guard_of(planned, spec, loaded, state, source)
        click.echo(f"as planned in {planned}", err=True)
    with Store(state) as store:
        running = Run(spec, store, loaded, path=source, bulk=bulk, wait=wait, by=login())
        if guard is not None:
            running.integration = replace(spec, destination=replace(spec.destination, bulk_from=None))
            running.guard = guard
        summary = execute(running, quiet=quiet or as_json)
        again = shlex.join(["engine", "run", str(integration), *([source] if source else []), *["--bulk"] * bulk,
                            *(["--plan", str(planned)] if planned else [])])  # fmt: skip
        report(summary, store, as_json=as_json, again=again)
    sys.exit(summary.exit_code)


def execute(running: Run, *, quiet: bool) -> Summary:
    """Run with progress; the first Ctrl-C ends the run in order, the second at once."""
    with RunProgress(quiet=quiet) as progress, _interruptible(running.stop):
        running.progress = progress
        return running.go()


@contextmanager
def _interruptible(stop: threading.Event) -> Iterator[None]:
    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            click.echo("stopped at once; the same command goes on where it stopped", err=True)
            os._exit(130)  # the calls in flight are left alone: the next run looks them up
        stop.set()
        click.echo("\nstopping: waiting for the calls in flight (press Ctrl-C again to stop at once)", err=True)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@click.command()
@click.option("--by", type=click.Choice(["event"]), help="Count by event.")
@click.option("--since", metavar="WHEN", help="Shares of the leads captured since then: 7d, 12h, or a date.")
@integration_option
@state_option
@json_option
def status(by: str | None, since: str | None, integration: str | None, state: Path, as_json: bool) -> None:
    """Show where the leads of an integration are: Pre-Sync, Cleared or Failed."""
    with existing_store(state) as store:
        name = chosen(store, integration)
        if by:
            print_events(store, name, as_json=as_json)
            return
        if since:
            moment = moment_of(since, time.time())
            counts = store.views.since(name, moment)
            if as_json:
                print_json({"schema_version": 1, "integration": name, "since": moment, **counts})
            else:
                print_period(counts, moment)
            return
        paused = store.connections.paused(name)
        totals, written = store.reports.totals(name), store.reports.written(name)
        groups = groups_of(store, name)
        last, imports = store.runs.last(name), store.imports.under_way(name)
        if as_json:
            print_json({"schema_version": 1, "integration": name, "totals": totals, "written": written,
                        "last_run": {"run": last.id, "status": last.status, "exit_code": last.exit_code,
                                     "message": last.message} if last else None,
                        "imports": imports,
                        "paused": asdict(paused) if paused else None,
                        "acts": store.actions.of_integration(last.integration_id) if last else [],
                        "groups": [group.as_json() for group in groups]})  # fmt: skip
            return
        out = console()
        out.print(f"[bold]{name}[/bold]" + (f"  last run {last.id}: {last.status}" if last else ""))
        if paused:
            print_paused(paused)
        print_totals(totals, written)
        modes = (
            [act for act in store.actions.of_integration(last.integration_id) if act["what"] == "mode"] if last else []
        )
        if len(modes) > 1:
            out.print(f"  sync mode {modes[-1]['detail']} since {shown_time(modes[-1]['at'])}, by {modes[-1]['by']}")
        for each in imports:
            out.print(
                f"  import {each['ticket']} of {counted(each['leads'], 'lead')} ({each['what']}): {each['state']}"
            )
        if groups:
            print_groups(groups)
        others = [other for other in store.runs.integrations() if other != name]
        if others:
            out.print(f"other integrations on this state: {', '.join(others)} (--integration NAME)")


@click.command()
@selection_options
@click.option("--lead", "more", multiple=True, help="A lead as well: number, address or key; may be repeated.")
@click.option("--yes", is_flag=True, help="Do not ask, however many they are.")
@integration_option
@state_option
@json_option
def release(leads: tuple[str, ...], group: str | None, event: str | None, where: str | None, more: tuple[str, ...],
            yes: bool, integration: str | None, state: Path, as_json: bool) -> None:  # fmt: skip
    """Let leads go that the sync mode manual holds in Pre-Sync, and send them.

    LEADS are numbers, addresses or keys; without any, all that are held, or those of an --event, or of which --where is
    true.
    """
    with existing_store(state) as store:
        name = chosen(store, integration)
        meant = Selection((*leads, *more), group, event, where)
        frozen = selected(store, name, meant, ("frozen",))
        if not frozen:
            said = "" if meant.is_all else " that is meant by these options"
            raise SpecError(f"no lead of {name} is held{said}")
        confirm(len(frozen), "send", yes=yes)

        def let_go() -> None:
            store.queue.release(frozen)
            record(store, name, frozen, "release", str(meant))
            click.echo(f"{counted(len(frozen), 'lead')} released", err=True)

        sys.exit(run_again(store, name, let_go, as_json=as_json))


def moment_of(text: str, now: float) -> float:
    """A time as people say it: 7d or 12h before now, or an ISO 8601 date. Raises UsageError."""
    if found := re.fullmatch(r"(\d{1,5})([dh])", text.strip()):
        return now - int(found[1]) * (86_400 if found[2] == "d" else 3_600)
    try:
        return datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except ValueError as error:
        raise click.UsageError(f"{text!r} is no time: say 7d, 12h, or 2026-05-01") from error


def record(store: Store, integration: str, leads: Sequence[int], what: str, detail: str) -> None:
    """Remember what somebody did to leads, or to the integration where there are none."""
    last = store.runs.last(integration)
    store.actions.add(last.integration_id if last else None, leads, what, detail, login(), time.time())


def run_again(
    store: Store,
    integration: str,
    prepare: Callable[[], None],
    *,
    as_json: bool,
    spec: specs.Integration | None = None,
) -> int:
    """Prepare, then drive the stages over what waits, without reading the source; returns the exit code."""
    from engine.run import Run

    if spec is None:
        last = store.runs.last(integration)
        spec = specs.load(last.spec_path if last else "")
    summary = execute(Run(spec, store, plugin_loader.load(), capture=False, prepare=prepare, by=login()), quiet=as_json)
    report(summary, store, as_json=as_json, again=shlex.join(["engine", "run", str(spec.path)]))
    return summary.exit_code


@click.command()
@click.option("--specs", "folder", type=click.Path(file_okay=False, path_type=Path), default="specs/demo",
              show_default=True, help="The folder with the demo's integrations.")  # fmt: skip
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), default=".engine/demo.db", show_default=True,
              help="The state file; a new one is made each time.")  # fmt: skip
@click.option("--quiet", "-q", is_flag=True, help="No progress on standard error.")
def demo(folder: Path, state: Path, quiet: bool) -> None:
    """Take an invented export of 500 leads into sandboxes of every vendor that the demo's integrations name."""
    from engine.run import Run

    loaded = plugin_loader.load()
    paths = sorted(path for path in folder.glob("*.yaml") if "destination:" in path.read_text("utf-8"))
    if not paths:
        raise click.UsageError(f"no integrations in {folder}; run this from a checkout, or give --specs")
    for name in (state, Path(f"{state}-wal"), Path(f"{state}-shm")):
        name.unlink(missing_ok=True)
    summaries: list[tuple[Summary, list[reconciling.Group]]] = []
    sandboxes: list[Any] = []
    try:
        adapters: dict[str, Any] = dict(loaded.vendors)
        for own, enricher in loaded.enrichers.items():
            adapters.setdefault(enricher.sandbox_name or own, enricher)
        for whose, adapter in adapters.items():
            if not hasattr(adapter, "sandbox"):
                continue
            try:
                seed = folder / f"{whose}.seed.json"
                box = adapter.sandbox(seed=json.loads(seed.read_text("utf-8")) if seed.exists() else None).start()
            except NotImplementedError:  # not every vendor and provider ships one
                continue
            sandboxes.append(box)
            os.environ.update(box.environment())
            click.echo(f"sandbox of {whose} at {box.url}")
        with Store(state) as store:
            for path in paths:
                summary = execute(Run(specs.load(path), store, loaded), quiet=quiet)
                summaries.append((summary, reconciling.groups(store, summary.integration, loaded.codes)))
    finally:
        for box in sandboxes:
            box.stop()
    _demo_table(summaries)
    for summary, _ in summaries:
        if summary.status == "aborted":
            click.echo(f"error: {summary.integration}: {summary.message}", err=True)
    click.echo("next:")
    for line in (
        f"engine status --state {state} --integration {summaries[0][0].integration}",
        f"engine reconcile list --state {state} --integration {summaries[0][0].integration}",
        f"engine enrich stats --state {state}",
        "engine sandbox marketo          a sandbox to try your own spec against",
        "engine check YOUR-SPEC.yaml     see what is wrong with a spec before anything is sent",
    ):
        click.echo(f"  {line}")
    sys.exit(max((summary.exit_code for summary, _ in summaries if summary.exit_code > 1), default=0))


def _demo_table(summaries: list[tuple[Summary, list[reconciling.Group]]]) -> None:
    made = table("", *(f"#{summary.integration}" for summary, _ in summaries))
    rows: dict[str, Sequence[int | str]] = {}
    for name in ("captured", "duplicate", "cleared", "failed", "presync"):
        rows[name] = [summary.totals[name] for summary, _ in summaries]
    rows["enriched"] = [max(summary.enriched.values(), default=0) for summary, _ in summaries]
    for name in ("created", "updated", "memberships"):
        rows[name] = [summary.written[name] for summary, _ in summaries]
    rows["paid calls"] = [sum(paid["calls"] for paid in summary.paid) for summary, _ in summaries]
    for currency in sorted({paid["currency"] for summary, _ in summaries for paid in summary.paid} - {""}):
        spent = [
            sum(paid["amount"] for paid in summary.paid if paid["currency"] == currency) for summary, _ in summaries
        ]
        rows[f"paid, {currency}"] = [f"{amount:.2f}" for amount in spent]
    for code in sorted({group.code.name for _, groups in summaries for group in groups}):
        counts = [sum(group.leads for group in groups if group.code.name == code) for _, groups in summaries]
        rows[f"failed: {code}"] = counts
    for name, numbers in rows.items():
        made.add_row(name, *(str(number) for number in numbers))
    console().print(made)
