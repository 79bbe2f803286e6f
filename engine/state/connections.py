"""Destinations that take nothing until somebody has acted, such as one whose credentials are refused."""

from __future__ import annotations

from dataclasses import dataclass

from engine.redaction import redact
from engine.state.database import Database


@dataclass(frozen=True, slots=True)
class Paused:
    """Why an integration's destination takes nothing. `since`: Unix time. `leads`: that wait for it."""

    code: str
    message: str
    since: float
    leads: int


class Connections:
    def __init__(self, database: Database) -> None:
        self._database = database

    def pause(self, integration_id: int, code: str, message: str, now: float) -> None:
        """Record that a run could not go on; a reason that stands already keeps the time since when it does."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO connections (integration_id, code, message, since) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET message = excluded.message,"
                " since = CASE WHEN code = excluded.code THEN since ELSE excluded.since END, code = excluded.code",
                [integration_id, code, redact(message), now],
            )

    def resume(self, integration_id: int) -> None:
        """Record that a run got through."""
        if self._database.row("SELECT 1 FROM connections WHERE integration_id = ?", [integration_id]) is None:
            return
        with self._database.transaction() as db:
            db.execute("DELETE FROM connections WHERE integration_id = ?", [integration_id])

    def paused(self, integration: str) -> Paused | None:
        """Why an integration waits, and how many of its leads do; None where it does not."""
        found = self._database.row(
            "SELECT c.code, c.message, c.since, (SELECT count(*) FROM leads l WHERE l.integration_id = c.integration_id"
            " AND l.status NOT IN ('cleared', 'failed', 'ignored', 'suppressed', 'frozen'))"
            " FROM connections c JOIN integrations i ON i.id = c.integration_id WHERE i.name = ?",
            [integration],
        )
        return Paused(str(found[0]), str(found[1]), float(found[2]), int(found[3])) if found else None
