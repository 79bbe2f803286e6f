"""Logs for operators: the fields that a record may carry, and the two forms it is written in.

Every part of the engine, and every plugin, logs to the logger `engine`. A record says what happened in words of the
program, and carries what it happened to in fields: a lead by its number, never by what it holds.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.redaction import redact

NAME = "engine"
LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

#: The fields of records and what each holds; no other is written, whatever a plugin adds.
FIELDS: Mapping[str, str] = {
    "run": "the run",
    "integration": "the name of the integration",
    "vendor": "the vendor that the run writes to",
    "stage": "the stage: capture, enrich, map, match, bulk, sync or enroll",
    "provider": "the step of enrichment that is asked",
    "lead": "the number of the lead",
    "code": "the failure code",
    "owner": "who fixes it",
    "outcome": "what a sending that is repeated came to: later or unknown",
    "attempts": "how often a sending was tried",
    "account": "the account whose calls are paused",
    "host": "the host that was called",
    "method": "the method of the call",
    "http_status": "the status of the answer",
    "seconds": "how long it took, or has to wait",
    "status": "how the run ended: done, aborted or interrupted",
    "exit_code": "the exit code of the run",
    "rows": "rows read",
    "known_rows": "rows that were captured before",
    "captured": "rows captured",
    "leads": "leads captured",
    "enriched": "leads enriched",
    "mapped": "leads mapped",
    "sent": "leads sent",
    "members": "memberships given",
    "unchanged": "leads that are at the vendor already as they are",
    "failed": "leads that failed",
    "presync": "leads of the integration in Pre-Sync at the end of the run",
    "cleared": "leads of the integration that are cleared at the end of the run",
    "standing_failed": "leads of the integration that are failed at the end of the run",
}

# An address in what a plugin or a provider says is some person's.
_ADDRESS = re.compile(r"[^\s@<>\"'(),;:=/?&]+@[^\s@<>\"'(),;:=/?&]+")
_USER_OF_URL = re.compile(r"(?<=://)[^/\s@]+@")
_DEEPEST = 30


class BoundLogger(logging.Logger):
    """A logger whose records carry `fields` too; otherwise it is the logger `engine`.

    `fields` may grow: what was made from it with `bound` has the new ones as well.
    """

    def __init__(self, fields: MutableMapping[str, Any] | None = None) -> None:
        super().__init__(NAME)
        self.parent = logging.getLogger(NAME)
        self.fields: MutableMapping[str, Any] = {} if fields is None else fields

    def bound(self, **fields: Any) -> BoundLogger:
        """A logger with these fields and those of this one."""
        return BoundLogger(ChainMap(fields, self.fields))

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - a name of the standard library
        """Ask the logger `engine`, whose level may be set later."""
        return not self.disabled and logging.getLogger(NAME).isEnabledFor(level)

    def makeRecord(self, *args: Any, **options: Any) -> logging.LogRecord:  # noqa: N802
        record = super().makeRecord(*args, **options)
        for name, value in self.fields.items():
            record.__dict__.setdefault(name, value)
        return record


def without_people(text: str) -> str:
    """A text of the outside without secrets and without what looks like an email address."""
    return _ADDRESS.sub("***", _USER_OF_URL.sub("***@", redact(text)))


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The fields that a record carries, texts without secrets and addresses."""
    found = {name: record.__dict__[name] for name in FIELDS if name in record.__dict__}
    return {
        name: value if isinstance(value, int | float) else without_people(str(value))
        for name, value in found.items()
        if value is not None
    }


def broken_at(error: BaseException | None) -> list[str]:
    """What was raised and where, outermost call first; not its message, which may hold what a lead holds."""
    found: list[str] = []
    while error is not None and len(found) < _DEEPEST:
        found.append(f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."))
        trace = error.__traceback__
        while trace is not None and len(found) < _DEEPEST:
            code = trace.tb_frame.f_code
            found.append(f"  {code.co_filename}:{trace.tb_lineno} in {code.co_name}")
            trace = trace.tb_next
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _message(record: logging.LogRecord) -> str:
    try:
        return without_people(record.getMessage())
    except Exception:
        # A plugin's text and what belongs in it do not fit; the text alone still tells where to look.
        return without_people(f"{record.msg!s}")


def _error(record: logging.LogRecord) -> list[str]:
    return broken_at(record.exc_info[1]) if record.exc_info else []


class JsonLines(logging.Formatter):
    """One JSON object a line: time (ISO 8601, UTC), level, logger, message, the fields, and `error` for what broke."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        whole: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **fields_of(record),
        }
        if error := _error(record):
            whole["error"] = error
        return json.dumps(whole)


class Lines(logging.Formatter):
    """A line for people: the time of day (UTC), the level, the message, and the fields that tell records apart."""

    _SAME = frozenset({"run", "integration", "vendor"})

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = " ".join(f"{name}={value}" for name, value in fields_of(record).items() if name not in self._SAME)
        line = f"{clock} {record.levelname.lower()}: {_message(record)}" + (f"  ({fields})" if fields else "")
        # What would move the cursor, or begin a line that is none, is not handed to a terminal.
        line = "".join(mark if mark.isprintable() else " " for mark in line)
        return "\n".join([line, *(f"    {each}" for each in _error(record))])


class _Output(logging.Handler):
    """Writes lines to an open file, or to what is standard error at the time: a progress display stands in front of it.

    Raises nothing: a log that cannot be written, which is said once, keeps no run from going on.
    """

    def __init__(self, file: int | None) -> None:
        super().__init__()
        self._file = file
        self._broken = False

    def emit(self, record: logging.LogRecord) -> None:
        if self._broken:
            return
        line = self.format(record) + "\n"
        try:
            if self._file is not None:
                os.write(self._file, line.encode("utf-8", "backslashreplace"))
            else:
                sys.stderr.write(line)
                sys.stderr.flush()
        except (OSError, ValueError) as error:
            self._broken = True
            if self._file is not None:
                sys.stderr.write(f"warning: the log cannot be written: {error}\n")

    def close(self) -> None:
        super().close()
        self._broken = True
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _not_printed_anyway(record: logging.LogRecord) -> bool:
    """Whether the command does not print it itself, as it does the notes of a run."""
    return not getattr(record, "printed", False)


@contextmanager
def shown(form: str, level: str, file: Path | None = None, *, asked: bool = True) -> Iterator[None]:
    """Write the log to standard error, or to the end of a `file` that its owner alone can read, until it is left.

    form: one of FORMATS. level: the lowest, one of LEVELS. asked: whether anybody asked for a log; where nobody did,
    what the command prints in any case is left out. Raises OSError where the file cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    handler = _Output(None if file is None else os.open(file, flags, 0o600))
    handler.setFormatter(JsonLines() if form == "json" else Lines())
    if not asked:
        handler.addFilter(_not_printed_anyway)
    logger, before = logging.getLogger(NAME), logging.getLogger(NAME).level
    handler.setLevel(level.upper())
    logger.setLevel(level.upper())
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        handler.close()
