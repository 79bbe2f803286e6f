"""Kinds of spec that plugins bring, beside those of the core: their schema for editors, and their check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import SpecError


@dataclass(frozen=True, slots=True)
class SpecKind:
    """A kind of spec file that a plugin reads.

    `schema` gives its JSON Schema. `recognise` says of a file's keys and values whether it is one. `check` returns
    everything that is wrong with the file at a path, and raises nothing.
    """

    name: str
    summary: str
    schema: Callable[[], Mapping[str, Any]]
    recognise: Callable[[Mapping[str, Any]], bool]
    check: Callable[[Path], Sequence[SpecError]]
