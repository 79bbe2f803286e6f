"""Which leads are where: what a selection by group, event or expression is made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from engine.state.database import Database, marks

#: The status of leads that are queued or in flight, as people call it.
PRE_SYNC = "presync"
_TERMINAL = ("cleared", "failed", "ignored", "suppressed", "frozen")


class Selections:
    def __init__(self, database: Database) -> None:
        self._database = database

    def leads(
        self, integration: str, statuses: Sequence[str], code: str | None = None
    ) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """The leads of some statuses, or of one group of failures, with their status and data, in order."""
        known = [status for status in statuses if status != PRE_SYNC]
        queued = f" OR l.status NOT IN ({marks(len(_TERMINAL))})" if PRE_SYNC in statuses else ""
        found = self._database.rows(
            "SELECT l.id, l.status, p.data FROM leads l JOIN profiles p ON p.lead_id = l.id"
            " JOIN integrations i ON i.id = l.integration_id"
            f" WHERE i.name = ? AND (l.status IN ({marks(len(known))}){queued})"
            " AND (? IS NULL OR EXISTS (SELECT 1 FROM failures f WHERE f.lead_id = l.id AND f.resolved_at IS NULL"
            " AND f.code = ?)) ORDER BY l.id",
            [integration, *known, *(_TERMINAL if queued else ()), code, code],
        )
        for id, status, data in found:
            yield int(id), str(status), orjson.loads(data)

    def codes(self, integration: str, status: str) -> list[str]:
        """The codes for which leads have failed, or are ignored."""
        found = self._database.rows(
            "SELECT DISTINCT f.code FROM failures f JOIN leads l ON l.id = f.lead_id"
            " JOIN integrations i ON i.id = l.integration_id"
            " WHERE i.name = ? AND l.status = ? AND f.resolved_at IS NULL ORDER BY f.code",
            [integration, status],
        )
        return [str(code) for (code,) in found]

    def events(self, integration: str) -> list[str]:
        """The events at which leads were captured."""
        found = self._database.rows(
            "SELECT DISTINCT e.key FROM leads l JOIN integrations i ON i.id = l.integration_id"
            " JOIN profiles p ON p.lead_id = l.id, json_each(p.data, '$.e') e WHERE i.name = ? ORDER BY e.key",
            [integration],
        )
        return [str(event) for (event,) in found if event]
