"""Every error the engine raises, named first by what recovers from it.

    EngineError
    ├── AbortRun                  the run cannot go on; leads stay where they are
    │   ├── SpecError             2  a spec, a flag or a source's header is wrong
    │   ├── EnvironmentFault      3  the machine: a file, a lock, a database, a broken plugin
    │   ├── CredentialsError      4  the vendor refused who we are
    │   │   └── PermissionDenied  4  … or what we may do
    │   └── VendorUnavailable     5  the vendor is down or a quota is spent; run again later
    ├── RetryLater                   the same call can succeed after a wait
    │   ├── NotTaken                 the vendor did not take the call: a limit, a token that died
    │   ├── NoAnswer                 a call was sent and not answered: its effect is unknown
    │   └── RunStopped               the run was ended from outside while waiting
    └── FailLead                     one lead cannot go on; all others do

The figures are exit codes of the command line. An adapter raises one of these for a *whole call*; what happened to
one record of a call is an `Outcome`, never an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from engine.records import Failure


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file something is: path, then line and column counted from 1 (0 = unknown)."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.path
        return f"{self.path}:{self.line}:{self.column}" if self.column else f"{self.path}:{self.line}"


class EngineError(Exception):
    """Base of all: what is wrong, where, why, and what to do about it."""

    def __init__(self, what: str, *, where: Place | str | None = None, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        tail = [f"  why: {self.why}" if self.why else "", f"  fix: {self.fix}" if self.fix else ""]
        return "\n".join([head, *(line for line in tail if line)])


class AbortRun(EngineError):
    """The run cannot go on; what is durable stays, and the same command resumes it."""

    exit_code = 1


Level = Literal["error", "warning"]


class SpecError(AbortRun):
    """A spec or the way it is used is wrong; nothing was sent. May carry several problems at once.

    `code` names the kind of finding (see `engine.findings`); one of the level warning keeps no run from starting.
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        where: Place | str | None = None,
        why: str = "",
        fix: str = "",
        code: str = "",
        level: Level = "error",
    ) -> None:
        super().__init__(what, where=where, why=why, fix=fix)
        self.code = code
        self.level = level


class EnvironmentFault(AbortRun):
    """The machine is in the way: a file, a lock, a database that is not understood, a broken plugin."""

    exit_code = 3


class CredentialsError(AbortRun):
    """The vendor refused the credentials or the permission; retrying as is cannot help.

    `failure` is the code of the leads that wait for it.
    """

    exit_code = 4
    failure = "AUTHENTICATION"


class PermissionDenied(CredentialsError):
    """Signing in works, and the vendor refuses what was to be done."""

    failure = "CONNECTION_PERMISSION"


class VendorUnavailable(AbortRun):
    """The vendor is down or its quota is spent; the same command works later."""

    exit_code = 5


class RetryLater(EngineError):
    """The call had no effect and can be repeated after `after` seconds."""

    def __init__(
        self,
        what: str,
        *,
        after: float = 1.0,
        where: Place | str | None = None,
        why: str = "",
        fix: str = "",
    ) -> None:
        super().__init__(what, where=where, why=why, fix=fix)
        self.after = after


class NotTaken(RetryLater):
    """The vendor did not take the call (a limit that is reached, a token that died): it counts as no attempt."""


class NoAnswer(RetryLater):
    """The call went out and no usable answer came back: it may or may not have taken effect."""


class RunStopped(RetryLater):
    """Somebody ended the run while a call was being waited for: the lead stays where it was."""


class FailLead(EngineError):
    """One lead cannot go on, for the reason in `failure`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
