"""The entry points of installed packages, looked for once: all packages have to be read for it."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import metadata
from importlib.metadata import EntryPoint


def entry_points(*, group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group by name; a package that is installed later is seen by a new process."""
    return _found(group, tuple(sys.path))


@lru_cache(maxsize=16)
def _found(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(sorted(metadata.entry_points(group=group), key=lambda entry: entry.name))
