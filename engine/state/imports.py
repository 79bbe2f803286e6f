"""Imports: files handed over to a vendor's bulk import, the leads in them, and those that wait for one.

    matched ─▶ (submitting) ─▶ importing ─▶ written, cleared, matched, failed
                   └▶ unknown
    written ─▶ (submitting) ─▶ importing ─▶ written, failed      for files that give memberships

An import belongs to the vendor once it is taken over: it goes on when the run is killed, and so its leads stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from engine.records import Membership, PlaceKind
from engine.state import remote_ids
from engine.state.database import Database
from engine.state.moves import Job

_OPEN = "state IN ('queued', 'running')"
_JOB = "l.id, l.key, d.id, d.payload, l.rule, l.attempts"
_DELIVERY = "JOIN deliveries d ON d.id = l.delivery_id"
_WANTED = "JOIN memberships m ON m.lead_id = l.id AND m.state = 'wanted'"
#: Persons that are written and have no remote id, due now; takes the account, the integration and the time.
_WITHOUT_ID = (
    f" LEFT JOIN {remote_ids.JOIN}"
    " WHERE l.integration_id = ? AND l.status = 'written' AND l.not_before <= ? AND r.id IS NULL"
)


@dataclass(frozen=True, slots=True)
class ImportRow:
    """An import under way. `what`: person, or "program ID status". Times in Unix seconds."""

    id: int
    integration_id: int
    what: str
    ticket: str
    state: str
    submitted_at: float
    poll_at: float


class Imports:
    def __init__(self, database: Database) -> None:
        self._database = database

    # What waits -------------------------------------------------------------------------------------------------

    def matched(self, integration_id: int, limit: int, now: float) -> list[Job]:
        """Matched leads that are due and have not been sent yet, in order."""
        return self._jobs(
            f"SELECT {_JOB} FROM leads l {_DELIVERY} WHERE l.integration_id = ? AND l.status = 'matched'"
            " AND l.attempts = 0 AND l.not_before <= ? ORDER BY l.id LIMIT ?",
            [integration_id, now, limit],
        )

    def places(
        self, integration_id: int, account: str, kinds: Sequence[PlaceKind], now: float
    ) -> list[tuple[Membership, int]]:
        """Places that persons without a remote id want and were not tried to be given, with their count."""
        found = self._database.rows(
            f"SELECT m.kind, m.program_id, m.status, count(*) FROM leads l {_WANTED} {_WITHOUT_ID}"
            " AND l.attempts = 0 AND m.kind IN (SELECT value FROM json_each(?))"
            " GROUP BY m.kind, m.program_id, m.status ORDER BY m.kind, m.program_id, m.status",
            [account, integration_id, now, _json(kinds)],
        )
        return [(Membership(target, status, kind=kind), count) for kind, target, status, count in found]

    def waiting_for(
        self, integration_id: int, account: str, place: Membership, limit: int, now: float
    ) -> list[tuple[Job, Membership]]:
        """The leads behind a count of `places`, in order, each with the place and its member's own fields."""
        found = self._database.rows(
            f"SELECT {_JOB}, m.data FROM leads l {_DELIVERY} {_WANTED} {_WITHOUT_ID} AND l.attempts = 0"
            " AND m.kind = ? AND m.program_id = ? AND m.status = ? ORDER BY l.id LIMIT ?",
            [account, integration_id, now, place.kind, place.target, place.status, limit],
        )
        return [
            (_job(*row), Membership(place.target, place.status, orjson.loads(data) if data else {}, place.kind))
            for *row, data in found
        ]

    def seeking(
        self, integration_id: int, account: str, filed: Sequence[Membership], limit: int, now: float
    ) -> list[Job]:
        """Leads without a remote id that want places, in order, save those that may get one of `filed` by a file."""
        return self._jobs(
            f"SELECT {_JOB} FROM leads l {_DELIVERY} {_WITHOUT_ID}"
            " AND EXISTS (SELECT 1 FROM memberships m WHERE m.lead_id = l.id AND m.state = 'wanted')"
            " AND (l.attempts > 0 OR NOT EXISTS (SELECT 1 FROM memberships m JOIN json_each(?) f"
            " ON m.program_id = json_extract(f.value, '$[0]') AND m.status = json_extract(f.value, '$[1]')"
            " AND m.kind = json_extract(f.value, '$[2]') WHERE m.lead_id = l.id AND m.state = 'wanted'))"
            " ORDER BY l.id LIMIT ?",
            [account, integration_id, now, _json([[each.target, each.status, each.kind] for each in filed]), limit],
        )

    def unsettled_elsewhere(self, integration_id: int, account: str) -> list[tuple[Job, str, float]]:
        """Other integrations' deliveries to this account whose effect is open, with status and `not_before`.

        Those in an import are not among them: see `open_elsewhere`.
        """
        found = self._database.rows(
            f"SELECT {_JOB}, l.status, l.not_before FROM leads l {_DELIVERY} JOIN runs r ON r.id = d.run_id"
            " WHERE l.integration_id <> ? AND r.account = ?"
            " AND l.status IN ('sending', 'submitting', 'unknown', 'resolving')",
            [integration_id, account],
        )
        return [(_job(*row), status, not_before) for *row, status, not_before in found]

    # Imports under way ------------------------------------------------------------------------------------------

    def open(self, integration_id: int) -> list[ImportRow]:
        """The integration's imports under way, in order of their submission."""
        return self._rows("integration_id = ?", [integration_id])

    def open_elsewhere(self, integration_id: int, account: str) -> list[ImportRow]:
        """Imports of other integrations that occupy the account, as far as is known."""
        return self._rows("integration_id <> ? AND account = ?", [integration_id, account])

    def content(self, import_id: int) -> list[tuple[Job, bool]]:
        """What an import's file holds, in its order, and whether the lead still waits for the import's end."""
        found = self._database.rows(
            f"SELECT {_JOB}, l.status = 'importing' AND l.delivery_id = d.id"
            " FROM imports i JOIN json_each(i.leads) e JOIN leads l ON l.id = json_extract(e.value, '$[0]')"
            " JOIN deliveries d ON d.id = json_extract(e.value, '$[1]') WHERE i.id = ? ORDER BY e.key",
            [import_id],
        )
        return [(_job(*row), bool(waits)) for *row, waits in found]

    def under_way(self, integration: str) -> list[dict[str, Any]]:
        """An integration's imports under way, for people: ticket, what, state, leads, times."""
        found = self._database.rows(
            "SELECT ticket, what, state, json_array_length(leads), submitted_at, poll_at FROM imports"
            f" WHERE {_OPEN} AND integration_id = (SELECT id FROM integrations WHERE name = ?) ORDER BY id",
            [integration],
        )
        names = ("ticket", "what", "state", "leads", "submitted_at", "poll_at")
        return [dict(zip(names, row, strict=True)) for row in found]

    # Changes ----------------------------------------------------------------------------------------------------

    def hold(self, leads: Sequence[int], now: float, *, writes: bool) -> None:
        """Mark leads as being handed over since now, durably, before the call is made.

        `writes`: the file writes persons, so what the vendor holds of them is not known until the outcome says so.
        """
        with self._database.transaction() as db:
            db.execute(
                "UPDATE leads SET status = 'submitting', not_before = ?,"
                " sent_digest = CASE WHEN ? THEN NULL ELSE sent_digest END"
                " WHERE id IN (SELECT value FROM json_each(?))",
                [now, writes, _json(leads)],
            )

    def submitted(
        self, run_id: str, account: str, what: str, ticket: str, jobs: Sequence[Job], poll_at: float, now: float
    ) -> ImportRow:
        """Store that the vendor has taken a file over, and that its leads wait for the import's end."""
        leads = [(job.lead_id, job.delivery_id) for job in jobs]
        with self._database.transaction() as db:
            (integration_id,) = db.execute("SELECT integration_id FROM runs WHERE id = ?", [run_id]).fetchone()
            cursor = db.execute(
                "INSERT INTO imports (integration_id, run_id, account, what, ticket, state, submitted_at, poll_at,"
                " leads) VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?)",
                [integration_id, run_id, account, what, ticket, now, poll_at, _json(leads)],
            )
            db.execute(
                "UPDATE leads SET status = 'importing' WHERE id IN (SELECT value FROM json_each(?))",
                [_json([lead for lead, _ in leads])],
            )
        return ImportRow(cursor.lastrowid or 0, integration_id, what, ticket, "queued", now, poll_at)

    def asked(self, import_id: int, state: str, poll_at: float) -> None:
        """Store how far an import is, and when it is asked for again."""
        with self._database.transaction(wait=False) as db:
            db.execute("UPDATE imports SET state = ?, poll_at = ? WHERE id = ?", [state, poll_at, import_id])

    def close(self, import_id: int, state: str) -> None:
        """Store that an import has ended and that the outcomes of its leads are stored."""
        with self._database.transaction(wait=False) as db:
            db.execute("UPDATE imports SET state = ? WHERE id = ?", [state, import_id])

    def _rows(self, condition: str, parameters: Sequence[Any]) -> list[ImportRow]:
        found = self._database.rows(
            "SELECT id, integration_id, what, ticket, state, submitted_at, poll_at FROM imports"
            f" WHERE {_OPEN} AND {condition} ORDER BY id",
            parameters,
        )
        return [ImportRow(*row) for row in found]

    def _jobs(self, sql: str, parameters: Sequence[Any]) -> list[Job]:
        return [_job(*row) for row in self._database.rows(sql, parameters)]


def _job(lead_id: int, key: str, delivery_id: int, payload: str, rule: int, attempts: int) -> Job:
    found: Mapping[str, Any] = orjson.loads(payload)
    return Job(lead_id, key, delivery_id, found, rule, attempts)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
