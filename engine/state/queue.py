"""The queue: leads move from status to status; each move is one transaction with what it produced.

    captured ─▶ (enriching) ─▶ enriched ─▶ mapped ─▶ (matching) ─▶ matched ─▶ (sending) ─▶ written ─▶ (enrolling)
                                 frozen ─▶ mapped                                └▶ unknown ─▶ (resolving) ─▶ matched
                                                     matched ─▶ (submitting) ─▶ importing ─▶ written, matched, failed
    from written and (enrolling): cleared
    from anywhere: failed; from outside: ignored, suppressed

A status in brackets is held by work in flight outside the process; a killed run's are freed when the next one begins.
Everything that is not cleared, failed, ignored or suppressed is Pre-Sync.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any

import orjson

from engine.records import Lead, Notice
from engine.redaction import without_secrets
from engine.state import remote_ids
from engine.state.captures import restart_stale
from engine.state.database import Database, marks
from engine.state.enriched import insert_enriched
from engine.state.failures import insert_failures, insert_notices, resolve_failures
from engine.state.moves import Enriched, Job, Mapped, Matched, Place, Sent

#: Deliveries kept in memory between mapping and sending; further ones are read back.
MAX_PAYLOADS = 10_000
TERMINAL = ("cleared", "failed", "ignored", "suppressed")


class Queue:
    def __init__(self, database: Database) -> None:
        self._database = database
        # Deliveries never change, so those that were just made need not be read back. The queue itself is the database.
        self._payloads: dict[int, Mapping[str, Any]] = {}

    # What waits -------------------------------------------------------------------------------------------------

    def counts(self, integration_id: int) -> dict[str, int]:
        """Leads by status."""
        return dict(
            self._database.rows(
                "SELECT status, count(*) FROM leads WHERE integration_id = ? GROUP BY status", [integration_id]
            )
        )

    def next_due(self, integration_id: int, statuses: Sequence[str], now: float) -> float | None:
        """When the next delayed lead of these statuses is due; None where none is delayed."""
        found = self._database.row(
            f"SELECT min(not_before) FROM leads WHERE integration_id = ? AND status IN ({marks(len(statuses))})"
            " AND not_before > ?",
            [integration_id, *statuses, now],
        )
        return None if found is None or found[0] is None else float(found[0])

    # Claims -----------------------------------------------------------------------------------------------------

    def leads(
        self, integration_id: int, status: str, account: str, limit: int, now: float, hold: str | None = None
    ) -> list[Lead]:
        """Claim leads of a status that are due, in order. `hold` marks them as in flight."""
        found = self._database.rows(
            "SELECT l.id, l.key, p.data, l.sent_digest, l.released, r.remote_id FROM leads l"
            f" JOIN profiles p ON p.lead_id = l.id LEFT JOIN {remote_ids.JOIN}"
            " WHERE l.integration_id = ? AND l.status = ? AND l.not_before <= ? ORDER BY l.id LIMIT ?",
            [account, integration_id, status, now, limit],
        )
        if hold:
            self.hold([row[0] for row in found], hold, now)
        return [lead_from(*row) for row in found]

    def count(self, integration_id: int, status: str, limit: int, now: float) -> int:
        """How many leads of a status are due, counted no further than `limit`."""
        found = self._database.row(
            "SELECT count(*) FROM (SELECT 1 FROM leads WHERE integration_id = ? AND status = ? AND not_before <= ?"
            " LIMIT ?)",
            [integration_id, status, now, limit],
        )
        return int(found[0]) if found else 0

    def jobs(self, integration_id: int, status: str, limit: int, now: float, *, after: int = 0) -> list[Job]:
        """Leads of a status that are due, with their deliveries, in order; those behind the lead `after`."""
        found = self._database.rows(
            "SELECT id, key, delivery_id, rule, attempts FROM leads"
            " WHERE integration_id = ? AND status = ? AND not_before <= ? AND id > ? ORDER BY id LIMIT ?",
            [integration_id, status, now, after, limit],
        )
        payloads = {row[2]: self._payloads[row[2]] for row in found if row[2] in self._payloads}
        unread = [row[2] for row in found if row[2] not in payloads]
        if unread:
            read = self._database.rows(f"SELECT id, payload FROM deliveries WHERE id IN ({marks(len(unread))})", unread)
            fresh = {id: orjson.loads(payload) for id, payload in read}
            payloads |= fresh
            if len(self._payloads) < MAX_PAYLOADS:
                self._payloads |= fresh
        return [
            Job(id, key, delivery, payloads[delivery], rule, attempts) for id, key, delivery, rule, attempts in found
        ]

    def mapped_at(self, delivery_id: int) -> float:
        """When the run began that made a delivery (Unix time); now and never for one that is not there."""
        found = self._database.row(
            "SELECT r.started_at FROM deliveries d JOIN runs r ON r.id = d.run_id WHERE d.id = ?", [delivery_id]
        )
        return float(found[0]) if found else inf

    def sent_before(self, leads: Iterable[int]) -> set[int]:
        """Which of these leads have been sent, in this delivery or an earlier one, without its being written."""
        found = self._database.rows(
            "SELECT DISTINCT d.lead_id FROM deliveries d JOIN outcomes o ON o.delivery_id = d.id AND o.what = 'person'"
            " AND o.status IN ('failed', 'unknown', 'later') WHERE d.lead_id IN (SELECT value FROM json_each(?))",
            [orjson.dumps(list(leads)).decode()],
        )
        return {id for (id,) in found}

    def recent_ids(self, account: str, leads: Iterable[int], since: float) -> dict[int, str]:
        """The records that these leads' persons got in an account after a time, by whichever integration."""
        found = self._database.rows(
            f"SELECT l.id, r.remote_id FROM leads l JOIN {remote_ids.JOIN}"
            " WHERE r.at > ? AND l.id IN (SELECT value FROM json_each(?))",
            [account, since, orjson.dumps(list(leads)).decode()],
        )
        return dict(found)

    def places(self, integration_id: int, account: str, limit: int, now: float) -> list[Place]:
        """Memberships wanted by leads whose person is written, ordered so that equal ones stand together."""
        found = self._database.rows(
            "SELECT l.id, l.delivery_id, r.remote_id, m.program_id, m.status, l.attempts, m.kind, m.data FROM leads l"
            f" JOIN {remote_ids.JOIN} JOIN memberships m ON m.lead_id = l.id AND m.state = 'wanted'"
            " WHERE l.integration_id = ? AND l.status = 'written' AND l.not_before <= ?"
            " ORDER BY m.kind, m.program_id, m.status, l.id LIMIT ?",
            [account, integration_id, now, limit],
        )
        return [
            Place(lead, delivery, remote, target, status, attempts, kind, orjson.loads(data) if data else {})
            for lead, delivery, remote, target, status, attempts, kind, data in found
        ]

    def hold(self, leads: Iterable[int], status: str, now: float) -> None:
        """Mark leads as in flight since now, durably, before the call is made.

        From its sending on, what the vendor holds of a lead is not known until the outcome says so.
        """
        with self._database.transaction() as db:
            db.execute(
                "UPDATE leads SET status = ?, not_before = ?,"
                " sent_digest = CASE WHEN ? THEN NULL ELSE sent_digest END"
                " WHERE id IN (SELECT value FROM json_each(?))",
                [status, now, status == "sending", orjson.dumps(list(leads)).decode()],
            )

    # Results ----------------------------------------------------------------------------------------------------

    def save_enriched(self, run_id: str, results: Sequence[Enriched], now: float) -> None:
        with self._database.transaction() as db:
            stale = self._stale(result.lead_id for result in results)
            insert_enriched(db, [result for result in results if result.lead_id not in stale], now)
            db.executemany(
                "UPDATE leads SET status = 'enriched', not_before = 0 WHERE id = ?",
                [(result.lead_id,) for result in results],
            )
            restart_stale(db, stale)

    def _stale(self, leads: Iterable[int]) -> set[int]:
        """Which of these leads were captured again meanwhile: what was found for their older form is dropped."""
        return {id for (id,) in self._database.rows("SELECT id FROM leads WHERE stale = 1")}.intersection(leads)

    def delay(self, leads: Sequence[int], status: str, not_before: float, *, attempted: bool = False) -> None:
        """Put leads back into a status, not to be touched before a time; `attempted` counts it as a try."""
        with self._database.transaction() as db:
            db.executemany(
                "UPDATE leads SET status = ?, not_before = ?, attempts = attempts + ? WHERE id = ?",
                [(status, not_before, attempted, id) for id in leads],
            )
            restart_stale(db, leads)

    def save_mapped(self, run_id: str, spec_digest: str, stage: str, results: Sequence[Mapped], now: float) -> None:
        with self._database.transaction(wait=False) as db:
            (next_id,) = db.execute("SELECT coalesce(max(id), 0) + 1 FROM deliveries").fetchone()
            made = [result for result in results if result.payload is not None]
            db.executemany(
                "INSERT INTO deliveries (id, lead_id, run_id, spec_digest, payload, at) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (next_id + index, result.lead_id, run_id, spec_digest, orjson.dumps(result.payload).decode(), now)
                    for index, result in enumerate(made)
                ],
            )
            db.executemany(
                "UPDATE leads SET status = ?, delivery_id = ?, rule = 0, attempts = 0, not_before = 0 WHERE id = ?",
                [(result.status, next_id + index, result.lead_id) for index, result in enumerate(made)],
            )
            if len(self._payloads) < MAX_PAYLOADS:
                self._payloads.update((next_id + index, result.payload or {}) for index, result in enumerate(made))
            failed = [(result.lead_id, result.failure) for result in results if result.failure]
            db.executemany("UPDATE leads SET status = 'failed' WHERE id = ?", [(id,) for id, _ in failed])
            insert_failures(db, run_id, stage, failed, now)
            if db.execute("SELECT 1 FROM memberships LIMIT 1").fetchone():
                db.executemany(
                    "DELETE FROM memberships WHERE lead_id = ? AND state = 'wanted'",
                    [(result.lead_id,) for result in made],
                )
            wanted = [
                (result.lead_id, place.target, place.status, place.kind, _json(place.data or None))
                for result in made
                for place in result.memberships
            ]
            # A place that was given is wanted again only where the member's own fields have changed.
            db.executemany(
                "INSERT INTO memberships (lead_id, program_id, status, kind, data, state)"
                " VALUES (?, ?, ?, ?, ?, 'wanted') ON CONFLICT DO UPDATE SET data = excluded.data, state ="
                " CASE WHEN data IS excluded.data THEN state ELSE 'wanted' END",
                wanted,
            )
            insert_notices(db, run_id, [(result.lead_id, result.notices) for result in made if result.notices], now)
            _finish_written(db, [result.lead_id for result in made if result.status == "written"])

    def save_matched(self, run_id: str, account: str, results: Sequence[Matched], now: float) -> None:
        """Store what reading the records made of leads, and move them on."""
        with self._database.transaction() as db:
            for result in results:
                job = result.job
                if result.payload is not None:
                    self._payloads.pop(job.delivery_id, None)
                    db.execute("UPDATE deliveries SET payload = ? WHERE id = ?",
                               [orjson.dumps(result.payload).decode(), job.delivery_id])  # fmt: skip
                db.execute("UPDATE leads SET status = ?, rule = ?, not_before = 0 WHERE id = ?",
                           ["failed" if result.failure else "matched", result.rule, job.lead_id])  # fmt: skip
            remote_ids.forget(db, account, [result.job.lead_id for result in results if result.forget_id])
            failed = [(result.job.lead_id, result.failure) for result in results if result.failure]
            insert_failures(db, run_id, "match", failed, now)
            insert_notices(db, run_id, [(r.job.lead_id, r.notices) for r in results if r.notices], now)
            restart_stale(db, [result.job.lead_id for result in results])

    def save_sent(self, run_id: str, account: str, results: Sequence[Sent], now: float) -> None:
        """Store outcomes, remote ids, memberships and failures, and move the leads on."""
        with self._database.transaction(wait=False) as db:
            db.executemany(
                "INSERT INTO outcomes (delivery_id, run_id, what, status, matched_by, remote_id, answer, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (s.delivery_id, run_id, s.what, s.status, s.matched_by, s.remote_id, _json(s.answer), now)
                    for s in results
                ],
            )
            persons = {s.lead_id: s.remote_id for s in results if s.remote_id and s.what == "person"}
            changed = remote_ids.remember(db, account, persons, now)
            remote_ids.forget(db, account, [s.lead_id for s in results if s.forget_id])
            db.executemany(
                "UPDATE memberships SET state = 'done' WHERE lead_id = ? AND program_id = ? AND status = ?",
                [(s.lead_id, *s.membership) for s in results if s.membership and s.status != "failed"],
            )
            # One status a program: an earlier one that comes back later has to be given again.
            db.executemany(
                "DELETE FROM memberships WHERE lead_id = ? AND program_id = ? AND status <> ? AND state = 'done'"
                " AND kind = 'program'",
                [(s.lead_id, *s.membership) for s in results if s.membership and s.status != "failed"],
            )
            db.executemany(
                "UPDATE leads SET status = ?, not_before = ?, rule = ?, attempts = ?, released = 0,"
                " sent_digest = CASE WHEN ? THEN NULL ELSE coalesce(?, sent_digest) END WHERE id = ?",
                [(s.next_status, s.not_before, s.rule, s.attempts, s.forget_id, s.written, s.lead_id) for s in results],
            )
            insert_failures(db, run_id, "sync", [(s.lead_id, s.failure) for s in results if s.failure], now)
            insert_notices(db, run_id, [(s.lead_id, s.notices) for s in results if s.notices], now)
            moved = [(lead, [_other_record(old, persons[lead])]) for lead, old in changed.items()]
            insert_notices(db, run_id, moved, now)
            for sent in results:
                self._payloads.pop(sent.delivery_id, None)
            _finish_written(db, [s.lead_id for s in results if s.next_status == "written"])
            restart_stale(db, [s.lead_id for s in results])

    # What people do ---------------------------------------------------------------------------------------------

    def retry(self, leads: Sequence[int], status: str, now: float) -> None:
        """Send failed leads through the stages again from `status` on, with what is now known of them.

        One whose sending is to be looked up first starts over once that has shown what the vendor holds.
        """
        with self._database.transaction() as db:
            db.executemany(
                "UPDATE leads SET status = ?, not_before = 0, attempts = 0, stale = ?"
                " WHERE id = ? AND status = 'failed'",
                [(status, status == "unknown", id) for id in leads],
            )
            resolve_failures(db, leads, now)

    def enrich_again(self, leads: Sequence[int], status: str, now: float, *, fresh: bool) -> None:
        """Send failed, frozen and cleared leads through the stages again from `status` on, to be enriched anew.

        `fresh`: with answers that are given from now on alone.
        """
        with self._database.transaction() as db:
            taken = db.execute(
                "UPDATE leads SET status = ?, not_before = 0, attempts = 0, stale = ?"
                " WHERE id IN (SELECT value FROM json_each(?)) AND status IN ('failed', 'frozen', 'cleared')"
                " RETURNING id",
                [status, status == "unknown", orjson.dumps(list(leads)).decode()],
            ).fetchall()
            db.executemany(
                "UPDATE profiles SET data = json_set(data, '$.r', ?) WHERE lead_id = ?",
                [(now if fresh else 0.0, id) for (id,) in taken],
            )
            resolve_failures(db, [id for (id,) in taken], now)

    def ignore(self, leads: Sequence[int], reason: str) -> None:
        """Leave failed leads as they are, until somebody takes that back."""
        with self._database.transaction() as db:
            db.executemany(
                "UPDATE failures SET ignored_because = ? WHERE lead_id = ? AND resolved_at IS NULL",
                [(reason, id) for id in leads],
            )
            db.executemany(
                "UPDATE leads SET status = 'ignored' WHERE id = ? AND status = 'failed'", [(id,) for id in leads]
            )

    def unignore(self, leads: Sequence[int]) -> None:
        """Take back that leads are ignored: they have failed again, for the reason they had."""
        with self._database.transaction() as db:
            db.executemany(
                "UPDATE leads SET status = 'failed' WHERE id = ? AND status = 'ignored'", [(id,) for id in leads]
            )

    def release(self, leads: Sequence[int]) -> None:
        """Let frozen leads go."""
        with self._database.transaction() as db:
            db.executemany(
                "UPDATE leads SET status = 'mapped', released = 1 WHERE id = ? AND status = 'frozen'",
                [(id,) for id in leads],
            )

    def release_all(self, integration_id: int) -> list[int]:
        """Let every frozen lead go, because the sync mode is automatic again; returns them."""
        with self._database.transaction() as db:
            found = db.execute(
                "UPDATE leads SET status = 'mapped' WHERE integration_id = ? AND status = 'frozen' RETURNING id",
                [integration_id],
            )
            return sorted(id for (id,) in found.fetchall())


def lead_from(id: int, key: str, data: str, digest: bytes | None, released: int, remote_id: str | None) -> Lead:
    found = orjson.loads(data)
    fields = found["f"]
    return Lead(id, key, fields, found["q"], found["e"], remote_id or fields.get("remote_id"), digest, bool(released),
                found.get("h", {}), frozenset(found.get("n", ())), found.get("r"))  # fmt: skip


def _json(value: Any) -> str | None:
    return None if value is None else without_secrets(orjson.dumps(value, default=str).decode())


def _other_record(old: str, new: str) -> Notice:
    return Notice("RECORD_ID_CHANGED", f"was record {old}, is now {new}")


def _finish_written(db: sqlite3.Connection, leads: Sequence[int]) -> None:
    """Clear the leads whose person is written and who want no membership any more."""
    db.executemany(
        "UPDATE leads SET status = 'cleared' WHERE id = ? AND status = 'written' AND NOT EXISTS"
        " (SELECT 1 FROM memberships m WHERE m.lead_id = leads.id AND m.state = 'wanted')",
        [(id,) for id in leads],
    )
