"""Remembers what provider files say, so that starting the command line does not pay for reading YAML again.

A file that was read and found sound is kept as JSON in the user's cache folder, under a digest of its text and of
everything that decided that it is sound. Nothing depends on the cache: without it, files are read again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import orjson

from engine.records import EMAIL_STATUSES, LEAD_FIELDS


def data_of(path: Path, text: str) -> dict[str, Any]:
    """The checked data of a provider file. Raises SpecErrors, SpecError."""
    kept = _folder() / f"{_digest(text)}.json"
    with suppress(OSError, orjson.JSONDecodeError):
        data = orjson.loads(kept.read_bytes())
        if isinstance(data, dict):
            return data
    from engine_enrichers.declared.provider_files import read_data

    data = read_data(path, text)
    with suppress(OSError):  # a home that cannot be written
        _write(kept, orjson.dumps(data))
    return data


def _folder() -> Path:
    """Where the user's programs keep what can be lost (XDG_CACHE_HOME, else ~/.cache), our part of it."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
    return base / "lead-engine" / "providers"


def _digest(text: str) -> str:
    return hashlib.sha256(_rules() + text.encode()).hexdigest()


@lru_cache(maxsize=1)
def _rules() -> bytes:
    """Stands for everything that a file is checked by."""
    package = resources.files(__package__)
    parts = ("provider.schema.json", "provider_checks.py", "provider_files.py", "inputs.py")
    known = orjson.dumps([*LEAD_FIELDS, *EMAIL_STATUSES])
    return hashlib.sha256(b"".join(package.joinpath(part).read_bytes() for part in parts) + known).digest()


def _write(path: Path, content: bytes) -> None:
    """Write the file at once: whoever reads finds all of it or none."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
