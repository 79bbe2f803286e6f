"""Imports that a run follows, and the calls that ask after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.adapters import ImportState
from engine.records import Membership
from engine.state.imports import ImportRow
from engine.state.moves import Job

#: Seconds between two questions after one import grow up to this, where the vendor does not ask for more.
LONGEST_POLL = 30.0


@dataclass(slots=True, eq=False)
class Import:
    """An import under way. `mine`: of this integration. `ended`: how, where that is known. `poll_at` in Unix time."""

    row: ImportRow
    mine: bool
    poll_at: float
    pause: float
    leads: Sequence[int] = ()
    ended: ImportState | None = None
    asking: bool = False
    tries: int = 0

    def ask_again(self, now: float) -> None:
        """Put the next question off, by half as much again each time."""
        self.poll_at = now + self.pause
        self.pause = max(self.pause, min(LONGEST_POLL, self.pause * 1.5))

    @property
    def place(self) -> Membership | None:
        """The place that the file gives; None where it writes persons."""
        kind, _, rest = self.row.what.partition(" ")
        target, _, status = rest.partition(" ")
        if kind == "list":
            return Membership(target, kind="list")
        return Membership(target, status) if kind == "program" else None


@dataclass(frozen=True, slots=True)
class Asking:
    """A call that asks how far an import is."""

    about: Import


@dataclass(frozen=True, slots=True)
class Collecting:
    """A call that reads what became of an import's leads. `waits`: whether each still waits for it."""

    about: Import
    jobs: Sequence[Job]
    waits: Sequence[bool]
