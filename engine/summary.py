"""How a run ended: for programs, for observers, and in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.errors import AbortRun

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Summary:
    """The end of a run, as `--json` prints it. `failures`: code, owner and number of the leads this run failed."""

    run: str
    integration: str
    vendor: str
    exit_code: int
    status: str
    message: str
    seconds: float
    this_run: Mapping[str, int]
    failures: Sequence[Mapping[str, Any]]
    totals: Mapping[str, int]
    written: Mapping[str, int]
    enriched: Mapping[str, int]
    paid: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    schema_version: int = SCHEMA_VERSION

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def log_abort(log: logging.Logger, error: AbortRun) -> None:
    """Write what keeps a run from starting or from going on."""
    log.error("the run cannot go on: %s", error.what, extra={"exit_code": error.exit_code, "printed": True})


def log_end(log: logging.Logger, summary: Summary) -> None:
    """Write the end of a run, and its counts."""
    totals = summary.totals
    standing = {"presync": totals["presync"], "cleared": totals["cleared"], "standing_failed": totals["failed"]}
    end = {"status": summary.status, "exit_code": summary.exit_code, "seconds": round(summary.seconds, 3)}
    log.info("the run has ended", extra={**standing, **summary.this_run, **end})
