"""Where leads are, looked at by event and by period; the counts of each row add up to its leads."""

from __future__ import annotations

from collections import Counter

from engine.state.database import Database
from engine.state.queue import TERMINAL

#: The places of a row, whose counts add up to the leads in it; frozen leads are Pre-Sync leads that somebody holds.
PLACES = ("presync", "frozen", *TERMINAL)


class Views:
    def __init__(self, database: Database) -> None:
        self._database = database

    def by_event(self, integration: str) -> dict[str, dict[str, int]]:
        """Leads by event and place. A lead that was captured at two events counts at each."""
        found = self._database.rows(
            "SELECT e.key, l.status, count(*) FROM leads l JOIN integrations i ON i.id = l.integration_id"
            " JOIN profiles p ON p.lead_id = l.id, json_each(p.data, '$.e') e"
            " WHERE i.name = ? GROUP BY e.key, l.status ORDER BY e.key",
            [integration],
        )
        events: dict[str, Counter[str]] = {}
        for event, status, count in found:
            events.setdefault(str(event), Counter())[_place(str(status))] += int(count)
        return {event: _row(counts) for event, counts in events.items()}

    def since(self, integration: str, moment: float) -> dict[str, int]:
        """Leads by place that were captured first in a run that began at a time (Unix) or later."""
        found = self._database.rows(
            "SELECT l.status, count(*) FROM leads l JOIN integrations i ON i.id = l.integration_id"
            " WHERE i.name = ? AND (SELECT r.started_at FROM captures c JOIN runs r ON r.id = c.run_id"
            " WHERE c.lead_id = l.id ORDER BY c.id LIMIT 1) >= ? GROUP BY l.status",
            [integration, moment],
        )
        counts: Counter[str] = Counter()
        for status, count in found:
            counts[_place(str(status))] += int(count)
        return _row(counts)


def _place(status: str) -> str:
    return status if status in PLACES else "presync"


def _row(counts: Counter[str]) -> dict[str, int]:
    return {"leads": counts.total(), **{place: counts[place] for place in PLACES}}
