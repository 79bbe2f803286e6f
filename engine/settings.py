"""Settings that a spec only refers to: environment variables and files, resolved when a run starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import Place, SpecError
from engine.redaction import remember_secret


def is_reference(value: Any) -> bool:
    """Whether a setting says where its value is kept, as {env: NAME} or {file: path}, instead of giving it."""
    return isinstance(value, Mapping) and ("env" in value or "file" in value)


def secret_advice(key: str) -> str:
    """What to do with a secret that stands in a spec."""
    return f"Keep it in the environment: `{key}: {{env: {key.upper()}}}`, or in a file: `{key}: {{file: path}}`."


def resolve(
    config: Mapping[str, Any],
    secrets: Sequence[str],
    folder: Path,
    *,
    where: str,
    environ: Mapping[str, str] | None = None,
    place: Callable[[str], Place] | None = None,
) -> dict[str, Any]:
    """Replace every {env: NAME, default: …} and {file: path} by its text. Raises SpecError naming the setting.

    A setting listed in `secrets` must be such a reference; a secret written into a spec is refused.
    """
    environ = os.environ if environ is None else environ
    resolved: dict[str, Any] = {}
    for key, value in config.items():
        setting = f"{where}.{key}"
        if is_reference(value):
            try:
                found = _referred(value, folder, setting, environ)
            except SpecError as error:
                error.where = place(setting) if place else None
                raise
            if found is not None:
                resolved[key] = found
                if key in secrets:
                    remember_secret(found)
        elif key in secrets:
            raise SpecError(f"{setting} is a secret written into the spec", fix=secret_advice(key))
        else:
            resolved[key] = value
    return resolved


def _referred(value: Mapping[str, Any], folder: Path, setting: str, environ: Mapping[str, str]) -> str | None:
    if "env" in value:
        name = str(value["env"])
        if environ.get(name):
            return environ[name]
        if "default" in value:
            return str(value["default"])
        if value.get("optional"):
            return None
        raise SpecError(f"{setting}: the environment variable {name} is not set", fix=f"export {name}=…")
    path = folder / str(value["file"])
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            f"{setting}: cannot read {str(path)!r}: {error}",
            fix="Correct the path, or make the file readable.",
        ) from error
