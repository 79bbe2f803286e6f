"""Pardot (Account Engagement) for Lead Engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine import hookimpl

if TYPE_CHECKING:
    import click

    from engine.adapters import Vendor


@hookimpl
def register_vendors() -> Sequence[type[Vendor]]:
    """Return the vendor of this plugin; imported here, so that starting the command line does not pay for it."""
    from engine_pardot.vendor import PardotVendor

    return [PardotVendor]


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add `engine pardot`."""
    from engine_pardot.login import pardot

    cli.add_command(pardot)
