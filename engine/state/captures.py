"""Captures and the leads they make: which rows are known, which lead a key belongs to, and saving a batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from engine.records import Failure
from engine.state.database import Database, key_hash, marks
from engine.state.failures import insert_failures, resolve_failures

#: The statuses of leads whose effect at the vendor, or whose next data, is being decided elsewhere right now.
IN_FLIGHT = "('enriching', 'matching', 'submitting', 'importing', 'sending', 'unknown', 'resolving', 'enrolling')"


#: The statuses of leads that people, or a law, have put aside.
LEFT = ("ignored", "suppressed")


@dataclass(frozen=True, slots=True)
class KnownLead:
    """A lead as stored: what its next capture is merged into."""

    id: int
    key: str
    status: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class LeadChange:
    """A lead that a batch of captures makes or changes.

    A lead in flight keeps its status and starts over when it has landed; one that was ignored or suppressed stays so.
    """

    id: int
    key: str
    data: Mapping[str, Any]
    new: bool
    status: str
    failure: Failure | None = None
    was: str = ""


@dataclass(frozen=True, slots=True)
class Capture:
    """One row to be kept: `digest` names it, `raw` is its JSON."""

    digest: int
    lead_id: int
    line: int
    raw: str


class Captures:
    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, integration_id: int, digests: Sequence[int]) -> set[tuple[int, str]]:
        """Which of these rows have been captured before, as digest and row."""
        found = self._database.rows(
            f"SELECT digest, raw FROM captures WHERE digest IN ({marks(len(digests))}) AND +integration_id = ?",
            [*digests, integration_id],
        )
        return {(digest, raw) for digest, raw in found}

    def leads(self, integration_id: int, keys: Sequence[str]) -> dict[str, KnownLead]:
        """The leads with these keys."""
        hashes = [key_hash(key) for key in keys]
        found = self._database.rows(
            "SELECT l.id, l.key, l.status, p.data FROM leads l JOIN profiles p ON p.lead_id = l.id"
            # The plus keeps SQLite off the index by status, which would read every lead of the integration.
            f" WHERE l.key_hash IN ({marks(len(hashes))}) AND +l.integration_id = ?",
            [*hashes, integration_id],
        )
        wanted = set(keys)
        return {key: KnownLead(id, key, status, orjson.loads(data)) for id, key, status, data in found if key in wanted}

    def next_lead_id(self) -> int:
        found = self._database.row("SELECT coalesce(max(id), 0) + 1 FROM leads")
        return int(found[0]) if found else 1

    def any_suppressed(self) -> bool:
        return self._database.row("SELECT 1 FROM suppressions LIMIT 1") is not None

    def suppressed(self, digests: Sequence[bytes]) -> set[bytes]:
        found = self._database.rows(
            f"SELECT digest FROM suppressions WHERE digest IN ({marks(len(digests))})", list(digests)
        )
        return {digest for (digest,) in found}

    def save(
        self,
        integration_id: int,
        run_id: str,
        source: str,
        captures: Iterable[Capture],
        changes: Sequence[LeadChange],
        *,
        rows: int,
        known_rows: int,
        now: float,
    ) -> None:
        """Store a batch in one transaction: rows, new and changed leads, failures, and the run's row counts."""
        new = [change for change in changes if change.new]
        old = [change for change in changes if not change.new]
        with self._database.transaction(wait=False) as db:
            db.executemany(
                "INSERT INTO captures (integration_id, digest, lead_id, run_id, source, line, raw)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(integration_id, row.digest, row.lead_id, run_id, source, row.line, row.raw) for row in captures],
            )
            db.executemany(
                "INSERT INTO leads (id, integration_id, key, key_hash, status) VALUES (?, ?, ?, ?, ?)",
                [(lead.id, integration_id, lead.key, key_hash(lead.key), lead.status) for lead in new],
            )
            db.executemany(
                "INSERT INTO profiles (lead_id, data) VALUES (?, ?)",
                [(lead.id, orjson.dumps(lead.data).decode()) for lead in new],
            )
            if old:
                db.executemany(
                    "UPDATE profiles SET data = ? WHERE lead_id = ?",
                    [(orjson.dumps(lead.data).decode(), lead.id) for lead in old],
                )
                db.executemany(
                    f"UPDATE leads SET stale = status IN {IN_FLIGHT},"
                    f" status = CASE WHEN status IN {IN_FLIGHT} OR status IN ('ignored', 'suppressed')"
                    " THEN status ELSE ? END,"
                    f" not_before = CASE WHEN status IN {IN_FLIGHT} THEN not_before ELSE 0 END WHERE id = ?",
                    [(lead.status, lead.id) for lead in old],
                )
                resolve_failures(db, [lead.id for lead in old if lead.was not in LEFT], now)
            failed = [(lead.id, lead.failure) for lead in changes if lead.failure and lead.was not in LEFT]
            insert_failures(db, run_id, "capture", failed, now)
            db.execute("UPDATE runs SET rows = rows + ?, known_rows = known_rows + ? WHERE id = ?",
                       [rows, known_rows, run_id])  # fmt: skip


class Occurrences:
    """Counts how often each row occurred in one reading, in a temporary file so that memory does not grow."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA cache_size = -8000")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE seen (content INTEGER PRIMARY KEY, times INTEGER NOT NULL)")

    def count(self, contents: Sequence[int]) -> list[int]:
        """For each content (a 64-bit number), how often it occurred before."""
        distinct = list(dict.fromkeys(contents))
        seen: dict[int, int] = dict(
            self._db.execute(
                f"SELECT content, times FROM seen WHERE content IN ({marks(len(distinct))})", distinct
            ).fetchall()
        )
        before: list[int] = []
        for content in contents:
            times = seen.get(content, 0)
            before.append(times)
            seen[content] = times + 1
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO UPDATE SET times = excluded.times",
            [(content, seen[content]) for content in distinct],
        )
        self._db.execute("COMMIT")
        return before

    def close(self) -> None:
        self._db.close()


def restart_stale(db: sqlite3.Connection, leads: Iterable[int]) -> None:
    """Send leads that were captured again while in flight through the stages once more, now that they have landed."""
    stale = {id for (id,) in db.execute("SELECT id FROM leads WHERE stale = 1")}.intersection(leads)
    db.executemany(
        f"UPDATE leads SET status = 'captured', not_before = 0, stale = 0 WHERE id = ? AND status NOT IN {IN_FLIGHT}",
        [(id,) for id in stale],
    )
    # What failed was their older form.
    db.executemany(
        "UPDATE failures SET resolved_at = at WHERE lead_id = ? AND resolved_at IS NULL", [(id,) for id in stale]
    )
