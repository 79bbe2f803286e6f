"""What people see while a run is at work: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from engine.cli.common import console

if TYPE_CHECKING:
    from engine.run import Run

_STAGES = ("capture", "enrich", "map", "sync")


class RunProgress:
    """Call it with the run, as its `progress`. `quiet` shows nothing."""

    def __init__(self, *, quiet: bool = False, every: float = 5.0) -> None:
        self._quiet = quiet
        self._every = every
        self._started = time.monotonic()
        self._last = self._started
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> RunProgress:
        if not self._quiet and sys.stderr.isatty():
            self._bars = Progress(
                TextColumn("{task.description:>8}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[more]}"),
                console=console(stderr=True),
                transient=True,
            )
            self._tasks = {name: self._bars.add_task(name, total=None, rate="", more="") for name in _STAGES}
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, run: Run) -> None:
        if self._quiet:
            return
        if self._bars is None:
            self._line(run)
        else:
            self._draw(run, self._bars)

    def _draw(self, run: Run, bars: Progress) -> None:
        done = run.tallies
        seconds = max(0.1, time.monotonic() - self._started)
        position = run.source.progress() if run.source else None
        share = position[0] / position[1] if position and position[1] else None
        expected = int(done.rows / share) if share else None
        ended = share is not None and share >= 1
        values = {
            "capture": (done.rows, expected),
            "enrich": (done.enriched, done.leads if ended else expected),
            "map": (done.mapped, done.leads if ended else expected),
            "sync": (done.sent + done.unchanged, max(0, done.mapped - done.failed) if ended else expected),
        }
        more = {"sync": f"{done.members} memberships" if done.members else "", "map": f"{done.failed} failed"}
        for name, (count, total) in values.items():
            bars.update(
                self._tasks[name],
                completed=count,
                total=max(total, count) if total else None,
                rate=f"{count / seconds:,.0f}/s",
                more=more.get(name, ""),
            )

    def _line(self, run: Run) -> None:
        now = time.monotonic()
        if now - self._last < self._every:
            return
        self._last = now
        done = run.tallies
        click.echo(
            f"{now - self._started:6.0f} s  captured {done.captured}  enriched {done.enriched}  mapped {done.mapped}"
            f"  sent {done.sent}  memberships {done.members}  failed {done.failed}",
            err=True,
        )
