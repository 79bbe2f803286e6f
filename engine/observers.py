"""Who watches a run: the plugins, and the people that notification rules tell. What they do changes nothing in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pluggy

from engine.errors import EngineError
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
        manager = self.plugins.manager
        if not manager.hook.lead_failed.get_hookimpls():
            return
        story = self.run.store.reports.lead(lead_id) or {}
        lead = Lead(lead_id, story["key"], story["fields"], story["qualifiers"], story["events"])
        tell(manager, "lead_failed", self.run.note, lead=lead, failure=failure)

    def tick(self) -> None:
        self._guarded(self._notifier.tick)

    def run_finished(self, summary: Mapping[str, Any]) -> None:
        tell(self.plugins.manager, "run_finished", self.run.note, summary=summary)
        self._guarded(self._notifier.run_finished)

    def _guarded(self, call: Callable[[], object]) -> None:
        """A message is sent to somebody else's server: whatever happens there, the run goes on."""
        try:
            call()
        except Exception as error:
            broken = "telling people broke"
            self.run.note(f"{broken}: {redact(repr(error))}", f"{broken}: {type(error).__name__}")


class Note(Protocol):
    """Takes a sentence for people, and what the log says instead."""

    def __call__(self, text: str, logged: str = "") -> None: ...


def tell(manager: pluggy.PluginManager, hook: str, note: Note, **told: object) -> None:
    """Call an observing hook plugin by plugin; `note` is given what they raise, an EngineError in its own words."""
    everybody = manager.get_plugins()
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        others = [plugin for plugin in everybody if plugin is not implementation.plugin]
        try:
            manager.subset_hook_caller(hook, others)(**told)
        except EngineError as error:
            note(str(error), f"{implementation.plugin_name}: {error.what}")
        except Exception as error:
            # An observer is somebody else's plugin: whatever it does, the run goes on.
            broken = f"an observer broke, of the plugin {implementation.plugin_name}"
            note(f"{broken}: {error!r}", f"{broken}: {type(error).__name__}")
