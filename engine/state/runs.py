"""Runs: opening one, ending it, finding the last."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass

from engine.state.database import Database


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as recorded. Times in Unix seconds."""

    id: str
    integration_id: int
    integration: str
    spec_path: str
    spec_digest: str
    source: str
    status: str
    started_at: float
    ended_at: float | None
    exit_code: int | None
    rows: int
    known_rows: int
    message: str


_SELECT = """SELECT r.id, r.integration_id, i.name, r.spec_path, r.spec_digest, r.source, r.status, r.started_at,
    r.ended_at, r.exit_code, r.rows, r.known_rows, r.message
    FROM runs r JOIN integrations i ON i.id = r.integration_id"""


class Runs:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self,
        integration: str,
        spec_path: str,
        spec_digest: str,
        source: str,
        now: float,
        *,
        account: str = "",
        settle_after: float = 0.0,
        import_settle_after: float = 0.0,
    ) -> RunRow:
        """Open a run, after closing any that was killed, and put every lead it had in hand back where it belongs.

        A lead that was being sent is not known to have arrived: it becomes `unknown`, to be looked up once
        `settle_after` seconds have passed since it was sent, or `import_settle_after` where it was in a file that was
        being handed over. A file that the vendor has taken over goes on by itself, and so do its leads. What another
        spec mapped, or what was meant for another remote account, is mapped anew.
        """
        with self._database.transaction() as db:
            db.execute("INSERT OR IGNORE INTO integrations (name) VALUES (?)", [integration])
            (integration_id,) = db.execute("SELECT id FROM integrations WHERE name = ?", [integration]).fetchone()
            last = db.execute(
                "SELECT spec_digest, account FROM runs WHERE integration_id = ?"
                " ORDER BY started_at DESC, id DESC LIMIT 1",
                [integration_id],
            ).fetchone()
            self._free(db, integration_id, now, {"sending": settle_after, "submitting": import_settle_after})
            if last is not None and last[1] != account:
                self._leave_account(db, integration_id)
            if last is not None and last != (spec_digest, account):
                db.execute(
                    "UPDATE leads SET status = 'enriched' WHERE integration_id = ?"
                    " AND status IN ('mapped', 'matched', 'frozen', 'written')",
                    [integration_id],
                )
                # What may still arrive as the last spec made it starts over once that is known.
                db.execute(
                    "UPDATE leads SET stale = 1 WHERE integration_id = ? AND status IN ('unknown', 'importing')",
                    [integration_id],
                )
            stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
            (same,) = db.execute("SELECT count(*) FROM runs WHERE id LIKE ? || '%'", [stamp]).fetchone()
            run_id = f"{stamp}-{same + 1}"
            db.execute(
                "INSERT INTO runs (id, integration_id, spec_path, spec_digest, account, source, status, started_at)"
                " VALUES (?, ?, ?, ?, ?, ?, 'running', ?)",
                [run_id, integration_id, spec_path, spec_digest, account, source, now],
            )
        return self.get(run_id)

    @staticmethod
    def _free(db: sqlite3.Connection, integration_id: int, now: float, settle_after: Mapping[str, float]) -> None:
        """Close runs that were killed, and free the leads that they held.

        settle_after: by status, the seconds after which what was begun can no longer take effect.
        """
        db.execute(
            "UPDATE runs SET status = 'interrupted', ended_at = ? WHERE integration_id = ? AND status = 'running'",
            [now, integration_id],
        )
        for held, freed in _AFTER_A_KILL:
            db.execute(
                "UPDATE leads SET status = ?, not_before = CASE WHEN ? THEN not_before + ? ELSE 0 END"
                " WHERE integration_id = ? AND status = ?",
                [freed, held in settle_after, settle_after.get(held, 0.0), integration_id, held],
            )
        db.execute(
            "UPDATE leads SET status = 'captured', stale = 0 WHERE integration_id = ? AND stale = 1"
            " AND status NOT IN ('unknown', 'importing')",
            [integration_id],
        )
        # A clock that was set back must not keep a lead waiting until it has caught up.
        latest = now + max(LONGEST_DELAY, *settle_after.values())
        db.execute(
            "UPDATE leads SET not_before = ? WHERE integration_id = ? AND not_before > ?",
            [latest, integration_id, latest],
        )

    @staticmethod
    def _leave_account(db: sqlite3.Connection, integration_id: int) -> None:
        """Forget what holds for another remote account only: ids in deliveries, what is stored there, memberships.

        Nor can this account be asked for the imports of that one.
        """
        db.execute(
            "UPDATE leads SET sent_digest = NULL, not_before = 0, status = CASE"
            " WHEN status IN ('mapped', 'matched', 'frozen', 'written', 'unknown', 'importing')"
            " THEN CASE WHEN stale THEN 'captured' ELSE 'enriched' END ELSE status END,"
            " stale = 0 WHERE integration_id = ?",
            [integration_id],
        )
        db.execute(
            "UPDATE imports SET state = 'failed' WHERE integration_id = ? AND state IN ('queued', 'running')",
            [integration_id],
        )
        db.execute(
            "DELETE FROM memberships WHERE lead_id IN (SELECT id FROM leads WHERE integration_id = ?)",
            [integration_id],
        )

    def end(self, run_id: str, status: str, exit_code: int, now: float, message: str = "") -> None:
        with self._database.transaction() as db:
            db.execute(
                "UPDATE runs SET status = ?, exit_code = ?, ended_at = ?, message = ? WHERE id = ?",
                [status, exit_code, now, message, run_id],
            )

    def get(self, run_id: str) -> RunRow:
        found = self._database.row(f"{_SELECT} WHERE r.id = ?", [run_id])
        if found is None:
            raise KeyError(run_id)
        return RunRow(*found)

    def last(self, integration: str | None = None) -> RunRow | None:
        """The latest run, of one integration or of all."""
        found = self._database.row(
            f"{_SELECT} WHERE ? IS NULL OR i.name = ? ORDER BY r.started_at DESC, r.id DESC LIMIT 1",
            [integration, integration],
        )
        return RunRow(*found) if found else None

    def starts(self) -> dict[str, float]:
        """When each run began (Unix time)."""
        return dict(self._database.rows("SELECT id, started_at FROM runs"))

    def integrations(self) -> list[str]:
        return [str(name) for (name,) in self._database.rows("SELECT name FROM integrations ORDER BY name")]


#: No lead is ever delayed by more seconds than this, save until an unanswered write has settled.
LONGEST_DELAY = 900.0
#: What a lead in the hands of a killed run goes back to.
_AFTER_A_KILL = (
    ("enriching", "captured"),
    ("matching", "mapped"),
    ("sending", "unknown"),
    ("submitting", "unknown"),
    ("resolving", "unknown"),
    ("enrolling", "written"),
)
