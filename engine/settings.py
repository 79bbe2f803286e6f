"""Settings that a spec only refers to: environment variables, files and keyring entries.

They are resolved when a run starts. One that the vendor replaces in the middle of it is written back through `Secrets`.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Protocol

from engine.errors import Place, RetryLater, SpecError
from engine.files import replace_text
from engine.redaction import redact, remember_secret

#: Seconds between two attempts to get a lock that another process holds, and for which they are made.
_LOCK_PAUSE = 0.1
_LOCK_PATIENCE = 300.0

_log = logging.getLogger("engine")


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


class Secrets(Protocol):
    """The settings of one adapter at the places that its spec refers to, for what changes during a run."""

    def read(self, setting: str) -> str | None:
        """Resolve the setting's reference again: another process may have changed what is kept there.

        None where the setting is no reference. Raises SpecError where it cannot be read.
        """

    def write(self, setting: str, value: str) -> bool:
        """Keep a new value where the setting refers to; False where that is not possible."""

    def lock(self, setting: str) -> AbstractContextManager[None]:
        """Hold the setting, one process and thread at a time. Raises RetryLater where another holds it for long."""


class NoSecrets:
    """Of an adapter whose settings are kept nowhere: nothing is read and nothing can be written."""

    def read(self, setting: str) -> str | None:
        return None

    def write(self, setting: str, value: str) -> bool:
        return False

    def lock(self, setting: str) -> AbstractContextManager[None]:
        return nullcontext()


class ReferredSecrets:
    """The settings of a spec's `config`; relative paths start in `folder`, `where` names the config in messages.

    A file is replaced as a whole, with mode 0600, and a keyring entry is set; an environment variable cannot be
    written. `sleep` waits that many seconds.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        folder: Path,
        *,
        where: str,
        environ: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._references = {key: value for key, value in config.items() if is_reference(value)}
        self._folder = folder
        self._where = where
        self._environ = os.environ if environ is None else environ
        self._sleep = sleep

    def read(self, setting: str) -> str | None:
        if setting not in self._references:
            return None
        found = _referred(self._references[setting], self._folder, f"{self._where}.{setting}", self._environ)
        if found is not None:
            remember_secret(found)
        return found

    def write(self, setting: str, value: str) -> bool:
        remember_secret(value)
        reference = self._references.get(setting, {})
        try:
            if "keyring" in reference:
                _to_keyring(str(reference["keyring"]), value)
            elif "file" in reference:
                replace_text(self._file(reference), value + "\n", mode=0o600)
            else:
                return False
        except Exception as error:  # a keyring's backend is somebody else's code
            reason = redact(str(error)) or type(error).__name__
            _log.warning("%s.%s: the new value cannot be kept: %s", self._where, setting, reason)
            return False
        return True

    @contextmanager
    def lock(self, setting: str) -> Iterator[None]:
        handle = self._open_lock(setting) if setting in self._references else None
        if handle is None:
            yield
            return
        with os.fdopen(handle, "rb"):
            for _ in range(int(_LOCK_PATIENCE / _LOCK_PAUSE)):
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._sleep(_LOCK_PAUSE)
            else:
                raise RetryLater(
                    f"{self._where}.{setting} is held by another process for more than {_LOCK_PATIENCE:.0f} seconds",
                    fix="See what other `engine` process hangs, and end it.",
                )
            yield  # closing the file gives the lock back, as the end of the process does

    def _file(self, reference: Mapping[str, Any]) -> Path:
        """Where the value really is: a link stays a link, and all who come through links share one lock."""
        return (self._folder / str(reference["file"])).resolve()

    def _open_lock(self, setting: str) -> int | None:
        """Open the lock file: beside the file that it is for, else in the user's state folder. None for neither."""
        reference = self._references[setting]
        kind = next(kind for kind in ("env", "keyring", "file") if kind in reference)
        entry = str(self._file(reference) if kind == "file" else reference[kind])
        digest = hashlib.sha256(f"{kind}:{entry}".encode()).hexdigest()[:32]
        if kind == "file":
            with suppress(OSError):  # a folder that can only be read
                return _opened(Path(f"{entry}.lock"))
        try:
            folder = state_folder() / "locks"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return _opened(folder / f"{digest}.lock")
        except OSError as error:
            _log.warning("%s.%s cannot be locked against other processes: %s", self._where, setting, error)
            return None


def _opened(lock_file: Path) -> int:
    return os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def state_folder() -> Path:
    """Where the user's programs keep what outlives a run (XDG_STATE_HOME, else ~/.local/state), our part of it."""
    given = os.environ.get("XDG_STATE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path.home() / ".local" / "state"
    return base / "lead-engine"


def _to_keyring(entry: str, value: str) -> None:
    import keyring

    service, _, name = entry.rpartition("/")
    keyring.set_password(service, name, value)


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
