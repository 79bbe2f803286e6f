"""What several commands share: where the state is, reading specs, printing."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson
from rich.console import Console
from rich.table import Table

from engine.errors import SpecError
from engine.state import Store

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_STATE = ".engine/state.db"


def state_option(function: F) -> F:
    return click.option(
        "--state",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="ENGINE_STATE",
        default=DEFAULT_STATE,
        show_default=True,
        help="The state file (also: ENGINE_STATE).",
    )(function)


def json_option(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, for programs.")(
        function
    )


def integration_option(function: F) -> F:
    return click.option("--integration", help="The integration's name; without it, the one that ran last.")(function)


def existing_store(state: Path) -> Store:
    """Open a state that must exist already. Raises SpecError."""
    if not state.exists():
        raise SpecError(
            "there is no state yet", where=str(state), fix="Run an integration first, or name its file with --state."
        )
    return Store(state, check=False)


def chosen(store: Store, integration: str | None) -> str:
    """The integration that is meant. Raises SpecError where there is none."""
    if integration is None:
        last = store.runs.last()
        if last is None:
            raise SpecError("nothing has run on this state yet", where=str(store.database.path))
        return last.integration
    known = store.runs.integrations()
    if integration not in known:
        raise SpecError(f"no integration {integration!r} ran on this state", why=f"known: {', '.join(known) or 'none'}")
    return integration


def where_options(store: Store, integration: str = "") -> str:
    """What a further command needs to mean the same state (and integration), in front of its own words."""
    path = str(store.database.path)
    state = "" if path == os.environ.get("ENGINE_STATE", DEFAULT_STATE) else f" --state {shlex.quote(path)}"
    return state + (f" --integration {integration}" if integration and len(store.runs.integrations()) > 1 else "")


def login() -> str:
    """Who types, for the record of who did what."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have no name for its user
        return "somebody"


def counted(count: int, what: str) -> str:
    """`1 lead`, `2 leads`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def money(amount: float, currency: str) -> str:
    """An amount with its currency; below a unit with as many places as it needs, four at most."""
    text = f"{amount:,.2f}" if abs(amount) >= 1 or round(amount, 2) == round(amount, 4) else f"{amount:,.4f}"
    return f"{text} {currency}"


def credited(cost: float) -> str:
    """`1 credit`, `4.5 credits`."""
    return f"{cost:,.10g} credit" + ("" if cost == 1 else "s")


def priced(cost: float, amount: float, currency: str) -> str:
    """What something costs: in credits, and in money where the price is known."""
    return f"{credited(cost)}, {money(amount, currency)}" if currency else credited(cost)


#: Control characters but line break and tab, and those that turn the direction of what follows.
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: object) -> str:
    """A text of the outside with `�` for each character that would steer a terminal instead of being shown."""
    return _STEERING.sub("�", str(text))


def say(text: str, *, err: bool = False) -> None:
    """Print lines that may hold values of leads, or what a vendor answered."""
    click.echo(printable(text), err=err)


def print_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode() + "\n")


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """A reader that has seen enough is no failure."""
        self.quiet = True
        sys.exit(0)


def console(*, stderr: bool = False) -> Console:
    """Rich output: colours and full width on a terminal, plain text elsewhere."""
    found = _Console(stderr=stderr, highlight=False)
    if not found.is_terminal:
        found = _Console(stderr=stderr, highlight=False, width=200, color_system=None)
    return found


def table(*columns: str, title: str | None = None) -> Table:
    from rich import box

    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        numeric = column.startswith("#")
        made.add_column(column.removeprefix("#"), justify="right" if numeric else "left", overflow="fold")
    return made
