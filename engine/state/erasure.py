"""Erase a person: every row that tells of him, and every byte that such rows have left in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.state.database import Database, marks

#: Tables with a row or more for a lead, by the column that names it.
_OF_LEAD = ("captures", "profiles", "enriched_values", "rejected_values", "enrichment_steps", "memberships", "failures",
            "notices", "verifications", "actions")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Traces:
    """What the state knows of a person. `profiles`: key and fields of each lead; `remote`: (account, record) pairs.

    rows: by table.
    """

    leads: Sequence[int]
    keys: Sequence[str]
    profiles: Sequence[tuple[str, Mapping[str, Any]]]
    remote: Sequence[tuple[str, str]]
    rows: dict[str, int] = field(default_factory=dict)


class Erasure:
    def __init__(self, database: Database) -> None:
        self._database = database

    def traces(self, wanted: str) -> Traces:
        """The leads of all integrations that are a person: by number, key or address, and all that share an address."""
        folded = wanted.strip().lower()
        number = int(wanted) if wanted.isdecimal() and len(wanted) < 19 else 0
        first = self._database.rows(
            "SELECT l.id, l.key, p.data FROM leads l JOIN profiles p ON p.lead_id = l.id"
            " WHERE l.key IN (?, ?) OR (? AND l.id = ?) OR lower(json_extract(p.data, '$.f.email')) = ?",
            [wanted, f"email:{folded}", number > 0, number, folded],
        )
        addresses = {address for _, _, data in first if (address := _address(data))}
        profiles = {int(id): (str(key), orjson.loads(data)["f"]) for id, key, data in first}
        for address in addresses:
            more = self._database.rows(
                "SELECT l.id, l.key, p.data FROM leads l JOIN profiles p ON p.lead_id = l.id"
                " WHERE lower(json_extract(p.data, '$.f.email')) = ?",
                [address],
            )
            profiles |= {int(id): (str(key), orjson.loads(data)["f"]) for id, key, data in more}
        keys = sorted({key for key, _ in profiles.values()})
        remote = self._database.rows(
            f"SELECT account, remote_id FROM remote_ids WHERE key IN ({marks(len(keys))}) ORDER BY account, remote_id",
            keys,
        )
        found = Traces(sorted(profiles), keys, list(profiles.values()), [(str(a), str(r)) for a, r in remote])
        found.rows.update(self._count(found))
        return found

    def _count(self, traces: Traces) -> dict[str, int]:
        ids, counts = list(traces.leads), {"leads": len(traces.leads)}
        for table in _OF_LEAD:
            counts[table] = self._one(f"SELECT count(*) FROM {table} WHERE lead_id IN ({marks(len(ids))})", ids)
        counts["deliveries"] = self._one(f"SELECT count(*) FROM deliveries WHERE lead_id IN ({marks(len(ids))})", ids)
        counts["outcomes"] = self._one(
            "SELECT count(*) FROM outcomes WHERE delivery_id IN"
            f" (SELECT id FROM deliveries WHERE lead_id IN ({marks(len(ids))}))",
            ids,
        )
        counts["remote_ids"] = self._one(
            f"SELECT count(*) FROM remote_ids WHERE key IN ({marks(len(traces.keys))})", list(traces.keys)
        )
        counts["paid_calls"] = len(self._calls(ids))
        return {table: count for table, count in counts.items() if count}

    def _one(self, sql: str, parameters: Sequence[Any]) -> int:
        found = self._database.row(sql, list(parameters))
        return int(found[0]) if found else 0

    def _calls(self, ids: Sequence[int]) -> list[int]:
        """The paid calls that were made for these leads, or whose answers they used."""
        found = self._database.rows(
            f"SELECT id FROM paid_calls WHERE lead_id IN ({marks(len(ids))})"
            f" UNION SELECT call_id FROM enriched_values WHERE call_id IS NOT NULL AND lead_id IN ({marks(len(ids))})"
            f" UNION SELECT call_id FROM enrichment_steps WHERE call_id IS NOT NULL AND lead_id IN ({marks(len(ids))})",
            [*ids, *ids, *ids],
        )
        return [int(id) for (id,) in found]

    def erase(self, traces: Traces, marks_kept: Sequence[bytes], by: str, reason: str, now: float) -> int:
        """Remove all of a person, and record it; returns the certificate's number.

        marks_kept: the digests by which he is known again, so that no later capture takes him in.
        What was paid stays in the ledger, without the answer. No run may be at work. The file is written anew without
        what is gone, so that no byte of it is left.
        """
        ids, keys = list(traces.leads), list(traces.keys)
        self._database.connection.execute("PRAGMA secure_delete = ON")
        with self._database.transaction() as db:
            calls = self._calls(ids)
            # What was paid stays in the books, without what was asked and answered.
            posted = [
                (str(provider), str(ticket))
                for provider, ticket in db.execute(
                    f"SELECT provider, ticket FROM paid_calls WHERE ticket <> '' AND id IN ({marks(len(calls))})", calls
                )
            ]
            db.executemany("DELETE FROM callbacks WHERE provider = ? AND ticket = ?", posted)
            db.executemany("UPDATE paid_calls SET answer = NULL, ticket = '', lead_id = NULL, expires_at = 0,"
                           " request = randomblob(32) WHERE id = ?", [(id,) for id in calls])  # fmt: skip
            _delete(
                db, "outcomes", f"delivery_id IN (SELECT id FROM deliveries WHERE lead_id IN ({marks(len(ids))}))", ids
            )
            for table in ("deliveries", *_OF_LEAD):
                _delete(db, table, f"lead_id IN ({marks(len(ids))})", ids)
            _delete(db, "leads", f"id IN ({marks(len(ids))})", ids)
            _delete(db, "remote_ids", f"key IN ({marks(len(keys))})", keys)
            _strip_imports(db, set(ids))
            db.executemany("INSERT OR IGNORE INTO suppressions (digest, reason, at) VALUES (?, 'erased', ?)",
                           [(mark, now) for mark in marks_kept])  # fmt: skip
            db.execute("INSERT INTO erasures (by, at, reason, removed) VALUES (?, ?, ?, ?)",
                       [by, now, reason, orjson.dumps(traces.rows).decode()])  # fmt: skip
            (certificate,) = db.execute("SELECT last_insert_rowid()").fetchone()
        self._rewrite()
        return int(certificate)

    def _rewrite(self) -> None:
        """Write the file anew, and empty the journal: freed pages and the journal still hold what was there."""
        connection = self._database.connection
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with suppress(sqlite3.Error):  # statistics of the query planner may quote values
            connection.execute("DELETE FROM sqlite_stat4")


def _address(data: str) -> str:
    return str(orjson.loads(data)["f"].get("email") or "").strip().lower()


def _delete(db: sqlite3.Connection, table: str, where: str, parameters: Sequence[Any]) -> None:
    db.execute(f"DELETE FROM {table} WHERE {where}", list(parameters))


def _strip_imports(db: sqlite3.Connection, leads: set[int]) -> None:
    """Take leads out of the files that were handed over."""
    for id, listed in db.execute("SELECT id, leads FROM imports").fetchall():
        pairs = orjson.loads(listed)
        kept = [pair for pair in pairs if pair[0] not in leads]
        if len(kept) < len(pairs):
            db.execute("UPDATE imports SET leads = ? WHERE id = ?", [orjson.dumps(kept).decode(), id])
