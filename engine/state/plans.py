"""What a plan is read from, on the copy of a state that it was made on."""

from __future__ import annotations

from engine.state.database import Database


class Plans:
    def __init__(self, database: Database) -> None:
        self._database = database

    def mapped(self, run_id: str) -> dict[int, str]:
        """The keys of the leads that a run has mapped, by lead."""
        return dict(
            self._database.rows(
                "SELECT l.id, l.key FROM deliveries d JOIN leads l ON l.id = d.lead_id WHERE d.run_id = ?"
                " ORDER BY l.id",
                [run_id],
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

    def places(self, run_id: str) -> list[tuple[int, str, str, str, str, str | None]]:
        """The memberships that a run has given: (lead, key, kind, target, status, data as JSON)."""
        return [
            (int(lead), str(key), str(kind), str(target), str(status), data)
            for lead, key, kind, target, status, data in self._database.rows(
                "SELECT DISTINCT d.lead_id, l.key, m.kind, m.program_id, m.status, m.data FROM outcomes o"
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

    def cleared(self, integration: str, leads: list[int]) -> set[int]:
        """Which of these leads are at the vendor, with all that they were to have there."""
        found = self._database.rows(
            "SELECT l.id FROM leads l JOIN integrations i ON i.id = l.integration_id"
            " WHERE i.name = ? AND l.status = 'cleared'",
            [integration],
        )
        return {id for (id,) in found}.intersection(leads)
