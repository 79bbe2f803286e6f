"""Settings that a spec only refers to: environment variables, files and keyring entries, resolved when a run starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import Place, SpecError
from engine.redaction import redact, remember_secret


def is_reference(value: Any) -> bool:
    """Whether a setting says where its value is kept, instead of giving it.

    As {env: NAME}, {file: path} or {keyring: SERVICE/NAME}.
    """
    return isinstance(value, Mapping) and ("env" in value or "file" in value or "keyring" in value)


def secret_advice(key: str) -> str:
    """What to do with a secret that stands in a spec."""
    return (
        f"Keep it in the environment: `{key}: {{env: {key.upper()}}}`, or in a file: `{key}: {{file: path}}`,"
        f" or in the keyring: `{key}: {{keyring: lead-engine/{key}}}`."
    )


def resolve(
    config: Mapping[str, Any],
    secrets: Sequence[str],
    folder: Path,
    *,
    where: str,
    environ: Mapping[str, str] | None = None,
    place: Callable[[str], Place] | None = None,
) -> dict[str, Any]:
    """Replace every {env: NAME, default: …}, {file: path} and {keyring: SERVICE/NAME} by its text.

    A setting listed in `secrets` must be such a reference; a secret written into a spec is refused. Raises SpecError
    naming the setting.
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
                if key in secrets or "keyring" in value:
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
    if "keyring" in value:
        return _from_keyring(str(value["keyring"]), setting)
    path = folder / str(value["file"])
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            f"{setting}: cannot read {str(path)!r}: {error}",
            fix="Correct the path, or make the file readable.",
        ) from error


def _from_keyring(entry: str, setting: str) -> str:
    service, slash, name = entry.rpartition("/")
    if not (service and slash and name):
        raise SpecError(f"{setting}: {entry!r} names no keyring entry", fix="Write it as {keyring: SERVICE/NAME}.")
    try:
        import keyring
        from keyring.errors import NoKeyringError
    except ModuleNotFoundError as error:
        if error.name != "keyring":
            raise _unreadable(setting, error) from error
        raise SpecError(
            f"{setting}: the library that reads the keyring is not installed",
            fix="pip install 'lead-engine[keyring]'",
        ) from error
    except Exception as error:  # a backend is somebody else's code, and is loaded by the import
        raise _unreadable(setting, error) from error
    try:
        found = keyring.get_password(service, name)
    except NoKeyringError as error:
        raise SpecError(
            f"{setting}: this machine has no keyring",
            fix="Install a backend that the library `keyring` can use, or keep the value in the environment"
            " or in a file.",
        ) from error
    except Exception as error:
        raise _unreadable(setting, error) from error
    if not found:
        raise SpecError(
            f"{setting}: the keyring has no entry {name!r} of the service {service!r}",
            fix=f"keyring set {service} {name}",
        )
    return found


def _unreadable(setting: str, error: Exception) -> SpecError:
    return SpecError(
        f"{setting}: the keyring cannot be read: {redact(str(error)) or type(error).__name__}",
        fix="Unlock it, or see with `keyring diagnose` which backend is used.",
    )
