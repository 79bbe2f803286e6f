"""A copy of a state, to try something on without touching the state itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from engine.errors import EnvironmentFault


def copy_state(path: Path, target: Path) -> None:
    """Copy a state as it is at this moment, also while a run is at work on it. Raises EnvironmentFault."""
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True, timeout=30)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
    except sqlite3.Error as error:
        raise EnvironmentFault(
            f"the state cannot be read: {error}", where=str(path), fix="Name the right file with --state."
        ) from error
