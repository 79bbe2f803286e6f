"""What people were told by notification rules, and what there is to tell since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.state.database import Database


@dataclass(frozen=True, slots=True)
class Told:
    """Up to where a rule has told people. `at`: Unix time, 0 for never. `stop`: why runs did not get through, if so."""

    failure_id: int = 0
    at: float = 0.0
    stop: str = ""


@dataclass(frozen=True, slots=True)
class FailedSince:
    """Leads that failed with one code, vendor code and field, and are failed still."""

    code: str
    vendor_code: str
    field: str
    leads: int


@dataclass(frozen=True, slots=True)
class RunsSince:
    """Runs that have ended, by how; and the rows that they read."""

    done: int
    aborted: int
    interrupted: int
    rows: int

    @property
    def ended(self) -> int:
        return self.done + self.aborted + self.interrupted


class Notified:
    def __init__(self, database: Database) -> None:
        self._database = database

    def last(self, integration: str, rule: str) -> Told:
        """What a rule told last."""
        found = self._database.row(
            "SELECT n.failure_id, n.at, n.stop FROM notified n JOIN integrations i ON i.id = n.integration_id"
            " WHERE i.name = ? AND n.rule = ?",
            [integration, rule],
        )
        return Told(*found) if found else Told()

    def record(self, integration: str, rule: str, told: Told) -> None:
        """Remember what a rule has told."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO notified (integration_id, rule, failure_id, at, stop)"
                " SELECT id, ?, ?, ?, ? FROM integrations WHERE name = ? ON CONFLICT DO UPDATE SET"
                " failure_id = excluded.failure_id, at = excluded.at, stop = excluded.stop",
                [rule, told.failure_id, told.at, told.stop, integration],
            )

    def last_failure(self) -> int:
        """The number of the latest failure."""
        found = self._database.row("SELECT coalesce(max(id), 0) FROM failures")
        return int(found[0]) if found else 0

    def failed_since(self, integration: str, told: Told, until: int) -> Sequence[FailedSince]:
        """Failed leads of which a rule has not told, in failures up to the number `until`; the largest groups first.

        A number can come again after an erasure, so the time counts as well.
        """
        found = self._database.rows(
            "SELECT f.code, f.vendor_code, f.field, count(DISTINCT f.lead_id) FROM failures f"
            " JOIN leads l ON l.id = f.lead_id JOIN integrations i ON i.id = l.integration_id"
            " WHERE i.name = ? AND l.status = 'failed' AND f.resolved_at IS NULL"
            " AND (f.id > ? OR f.at > ?) AND f.id <= ?"
            " GROUP BY f.code, f.vendor_code, f.field ORDER BY 4 DESC, 1, 2, 3",
            [integration, told.failure_id, told.at, until],
        )
        return [FailedSince(*row) for row in found]

    def runs_since(self, integration: str, moment: float, until: float) -> RunsSince:
        """The runs that ended after a moment and until another one (Unix times)."""
        found = self._database.rows(
            "SELECT r.status, count(*), sum(r.rows) FROM runs r JOIN integrations i ON i.id = r.integration_id"
            " WHERE i.name = ? AND r.ended_at > ? AND r.ended_at <= ? GROUP BY r.status",
            [integration, moment, until],
        )
        by_status = {str(status): int(count) for status, count, _ in found}
        done, aborted, interrupted = (by_status.get(status, 0) for status in ("done", "aborted", "interrupted"))
        return RunsSince(done, aborted, interrupted, sum(int(rows or 0) for _, _, rows in found))
