"""What a plan is read from, on the copy of a state that it was made on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from engine.state.database import Database, marks

#: Where the effect of a lead's sending is being decided.
ON_THE_WAY = ("sending", "submitting", "resolving", "unknown", "importing")


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """A membership that was given: to which lead, in which program (with a status) or list, and the record's id."""

    lead: int
    key: str
    kind: str
    target: str
    status: str
    data: Mapping[str, Any]
    record: str


class Plans:
    def __init__(self, database: Database) -> None:
        self._database = database

    def take_up(self, integration: str) -> int:
        """Let what an interrupted run has left be done at once: nothing waits, and what is on its way is looked up.

        Returns how many leads are on their way.
        """
        mine = "integration_id IN (SELECT id FROM integrations WHERE name = ?)"
        with self._database.transaction() as db:
            db.execute(f"UPDATE leads SET not_before = 0 WHERE not_before > 0 AND {mine}", [integration])
            moving = db.execute(
                f"UPDATE leads SET status = 'unknown' WHERE status IN ({marks(len(ON_THE_WAY))}) AND {mine}",
                [*ON_THE_WAY, integration],
            )
            return moving.rowcount

    def touched(self, run_id: str, sent: Iterable[int]) -> dict[int, str]:
        """The keys of the leads that a run has mapped, looked up or sent, by lead; `sent` are among them."""
        return dict(
            self._database.rows(
                "SELECT l.id, l.key FROM leads l WHERE l.id IN (SELECT lead_id FROM deliveries WHERE run_id = ?"
                " UNION SELECT d.lead_id FROM outcomes o JOIN deliveries d ON d.id = o.delivery_id WHERE o.run_id = ?"
                " UNION SELECT value FROM json_each(?)) ORDER BY l.id",
                [run_id, run_id, orjson.dumps(list(sent)).decode()],
            )
        )

    def failed(self, run_id: str) -> list[tuple[int, str, str, str]]:
        """The leads that failed in a run and stay so: (lead, key, code, message)."""
        return [
            (int(lead), str(key), str(code), str(message))
            for lead, key, code, message in self._database.rows(
                "SELECT l.id, l.key, f.code, f.message FROM failures f JOIN leads l ON l.id = f.lead_id"
                " WHERE f.run_id = ? AND f.resolved_at IS NULL AND l.status = 'failed' ORDER BY l.id",
                [run_id],
            )
        ]

    def places(self, run_id: str) -> list[PlaceRow]:
        """The memberships that a run has given, in order."""
        return [
            PlaceRow(int(lead), key, kind, target, status, orjson.loads(data) if data else {}, str(record or ""))
            for lead, key, kind, target, status, data, record in self._database.rows(
                "SELECT DISTINCT d.lead_id, l.key, m.kind, m.program_id, m.status, m.data, o.remote_id FROM outcomes o"
                " JOIN deliveries d ON d.id = o.delivery_id JOIN leads l ON l.id = d.lead_id"
                " JOIN memberships m ON m.lead_id = d.lead_id"
                " AND rtrim(m.kind || ' ' || m.program_id || ' ' || m.status) = o.what AND m.state = 'done'"
                " WHERE o.run_id = ? AND o.what <> 'person' ORDER BY d.lead_id, m.kind DESC, m.program_id, m.status",
                [run_id],
            )
        ]

    def notices(self, run_id: str) -> list[tuple[int, str, str]]:
        """What people should know of the leads of a run: (lead, code, message)."""
        return [
            (int(lead), str(code), str(message))
            for lead, code, message in self._database.rows(
                "SELECT lead_id, code, message FROM notices WHERE run_id = ? ORDER BY id", [run_id]
            )
        ]

    def begun(self, integration: str, since: float) -> set[str]:
        """The keys of the leads that have been sent since a time (Unix seconds), or may have been."""
        found = self._database.rows(
            "SELECT l.key FROM leads l JOIN integrations i ON i.id = l.integration_id WHERE i.name = ?"
            f" AND (l.status IN ({marks(len(ON_THE_WAY))}) OR EXISTS (SELECT 1 FROM deliveries d"
            " JOIN outcomes o ON o.delivery_id = d.id WHERE d.lead_id = l.id AND o.at >= ?"
            " AND o.status <> 'later'))",
            [integration, *ON_THE_WAY, since],
        )
        return {str(key) for (key,) in found}
