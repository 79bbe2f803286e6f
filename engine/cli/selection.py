"""How commands are told which leads are meant: the same arguments and options everywhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from engine.cli.common import counted

F = TypeVar("F", bound=Callable[..., Any])
#: Above so many leads, a command asks on a terminal.
MANY = 1_000


def selection_options(function: F) -> F:
    """Add LEADS, --group, --event and --where; the command gets them by these names, with `leads` as a tuple."""
    function = click.option("--where", metavar="EXPRESSION", help="Only leads of which this is true, as in"
                            " \"lead.country == 'Norway'\".")(function)  # fmt: skip
    function = click.option("--event", help="Only leads captured at this event.")(function)
    function = click.option("--group", help="Only the leads of this group, by code.")(function)
    return click.argument("leads", nargs=-1)(function)


def on_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def confirm(count: int, what: str, *, yes: bool) -> None:
    """Ask before something is done to many leads, on a terminal."""
    if count > MANY and not yes and on_terminal():
        click.confirm(f"{what} {counted(count, 'lead')}?", abort=True, err=True)
