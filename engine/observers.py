"""Who watches a run: the plugins, and the people that notification rules tell. What they do changes nothing in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.notify.notifier import Notifier
from engine.plugins import Plugins
from engine.records import Failure, Lead
from engine.redaction import redact
from engine.stages.base import Circumstances


class Observers(Protocol):
    def lead_failed(self, lead_id: int, failure: Failure) -> None:
        """A lead has failed, and that is stored."""

    def tick(self) -> None:
        """The run goes on; called a few times a second."""

    def run_finished(self, summary: Mapping[str, Any]) -> None:
        """The run has ended, and that is stored."""


class Nobody:
    """Nobody watches: a plan is nobody's news."""

    def lead_failed(self, lead_id: int, failure: Failure) -> None:
        """Not told."""

    def tick(self) -> None:
        """Not told."""

    def run_finished(self, summary: Mapping[str, Any]) -> None:
        """Not told."""


@dataclass
class Everybody:
    """The plugins' hooks, then the notification rules. Whatever breaks becomes a note of the run."""

    plugins: Plugins
    run: Circumstances

    def __post_init__(self) -> None:
        run = self.run
        self._notifier = Notifier(run.integration, run.store, self.plugins.codes, run.now, run.note)

    def lead_failed(self, lead_id: int, failure: Failure) -> None:
        self._notifier.lead_failed(failure.code)
        hook = self.plugins.manager.hook.lead_failed
        if not hook.get_hookimpls():
            return
        story = self.run.store.reports.lead(lead_id) or {}
        lead = Lead(lead_id, story["key"], story["fields"], story["qualifiers"], story["events"])
        self._guarded(lambda: hook(lead=lead, failure=failure))

    def tick(self) -> None:
        self._guarded(self._notifier.tick)

    def run_finished(self, summary: Mapping[str, Any]) -> None:
        self._guarded(lambda: self.plugins.manager.hook.run_finished(summary=summary))
        self._guarded(self._notifier.run_finished)

    def _guarded(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:
            # An observer is somebody else's code, or talks to somebody else's server: the run goes on.
            self.run.note(f"an observer broke: {redact(repr(error))}")
