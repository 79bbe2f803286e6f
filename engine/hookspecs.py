"""The hooks of a plugin: eight, each with one purpose. Hooks register, classes adapt, dataclasses travel.

A plugin is a module or object named by an entry point in the group `engine`:

    [project.entry-points.engine]
    acme = "engine_acme"

and marks its functions with `engine.hookimpl`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from engine.adapters import Enricher, Source, Vendor
    from engine.records import Failure, Lead
    from engine.spec_kinds import SpecKind

hookspec = pluggy.HookspecMarker("engine")
hookimpl = pluggy.HookimplMarker("engine")


@hookspec
def register_sources() -> Sequence[type[Source]]:  # type: ignore[empty-body]
    """Return the Source classes of this plugin."""


@hookspec
def register_enrichers() -> Sequence[type[Enricher]]:  # type: ignore[empty-body]
    """Return the Enricher classes of this plugin."""


@hookspec
def register_vendors() -> Sequence[type[Vendor]]:  # type: ignore[empty-body]
    """Return the Vendor classes of this plugin."""


@hookspec
def register_filters() -> Mapping[str, Callable[..., Any]]:  # type: ignore[empty-body]
    """Return filters for expressions, by name: one word of plain letters, digits and `_`.

    A filter is pure: same input, same output, no side effect. An empty value should stay empty. What it raises fails
    the lead; an `engine.filters.ArgumentError`, raised for an empty value too, is found by `engine check`.
    """


@hookspec
def register_spec_kinds() -> Sequence[SpecKind]:  # type: ignore[empty-body]
    """Return the kinds of spec file that this plugin reads: `engine schema` and `engine check` know them then."""


@hookspec
def register_commands(cli: click.Group) -> None:
    """Add subcommands to the command line."""


@hookspec
def lead_failed(lead: Lead, failure: Failure) -> None:
    """Observe that a lead failed. An exception raised here is reported and changes nothing."""


@hookspec
def run_finished(summary: Mapping[str, Any]) -> None:
    """Observe the end of a run: its counts and exit code, as `engine run --json` prints them."""
