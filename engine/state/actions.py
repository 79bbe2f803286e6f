"""What people did: kept with who and when, for as long as the state lives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.state.database import Database


class Actions:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, integration_id: int | None, leads: Sequence[int], what: str, detail: str, by: str, now: float
    ) -> None:
        """Record an act on leads, or on the integration where there are none. `detail` holds no person's data."""
        with self._database.transaction() as db:
            db.executemany(
                "INSERT INTO actions (integration_id, lead_id, what, detail, by, at) VALUES (?, ?, ?, ?, ?, ?)",
                [(integration_id, lead, what, detail, by, now) for lead in (leads or (None,))],
            )

    def switched(self, integration_id: int, mode: str, by: str, now: float) -> None:
        """Record the sync mode that a run goes by, where it is another than before."""
        last = self._database.row(
            "SELECT detail FROM actions WHERE integration_id = ? AND what = 'mode' ORDER BY id DESC LIMIT 1",
            [integration_id],
        )
        if last is None or last[0] != mode:
            self.add(integration_id, (), "mode", mode, by, now)

    def of_lead(self, lead_id: int) -> list[dict[str, Any]]:
        """The acts on a lead, in their order."""
        found = self._database.rows("SELECT what, detail, by, at FROM actions WHERE lead_id = ? ORDER BY id", [lead_id])
        return [dict(zip(("what", "detail", "by", "at"), row, strict=True)) for row in found]

    def of_integration(self, integration_id: int) -> list[dict[str, Any]]:
        """The acts on an integration as a whole, in their order."""
        found = self._database.rows(
            "SELECT what, detail, by, at FROM actions WHERE integration_id = ? AND lead_id IS NULL ORDER BY id",
            [integration_id],
        )
        return [dict(zip(("what", "detail", "by", "at"), row, strict=True)) for row in found]
