"""Tell the observers of a run, each by itself: what one of them raises reaches neither the run nor the others."""

from __future__ import annotations

from typing import Protocol

import pluggy

from engine.errors import EngineError


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
