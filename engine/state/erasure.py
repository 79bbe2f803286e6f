"""Erase a person: every row that tells of him, and every byte that such rows have left in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import orjson

from engine.errors import EnvironmentFault
from engine.state.database import Database, marks

#: Tables with a row or more for a lead, by the column that names it.
_OF_LEAD = ("captures", "profiles", "enriched_values", "rejected_values", "enrichment_steps", "memberships", "failures",
            "notices", "verifications", "actions")  # fmt: skip


#: The leads that a condition is true of, with what is known of them.
_LEADS = "SELECT l.id, i.name, l.key, p.data FROM leads l JOIN profiles p ON p.lead_id = l.id" \
    " JOIN integrations i ON i.id = l.integration_id WHERE "  # fmt: skip
#: Seconds to wait for what else reads the state.
PATIENCE = 10.0
#: Keys that two people may share.
_NAME = "name:"


@dataclass(frozen=True, slots=True)
class Held:
    """A lead of a person."""

    lead: int
    integration: str
    key: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was erased, when, by whom and why; no data of the person. `removed`: rows by table."""

    id: str
    at: float
    by: str
    reason: str
    removed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Traces:
    """What the state knows of a person. `remote`: (account, record) pairs. `rows` by table.

    namesakes: leads that are known by nothing but the same name and company; they may be another person.
    imports: tickets of imports under way that the leads are in.
    """

    held: Sequence[Held]
    remote: Sequence[tuple[str, str]]
    namesakes: Sequence[int]
    imports: Sequence[str]
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def leads(self) -> list[int]:
        return [each.lead for each in self.held]

    @property
    def keys(self) -> list[str]:
        return sorted({each.key for each in self.held})


class Erasure:
    def __init__(self, database: Database) -> None:
        self._database = database

    def traces(self, wanted: str, identities: Callable[[Mapping[str, Any]], Sequence[str]]) -> Traces:
        """The leads of all integrations that are a person: by number, key or address.

        With them all that share an address or a key with one of them, as `identities` tells a lead's keys from its
        fields.
        """
        folded = wanted.strip().lower()
        number = int(wanted) if wanted.isdecimal() and len(wanted) < 19 else 0
        new = self._held(
            "l.key IN (?, ?) OR (? AND l.id = ?) OR lower(json_extract(p.data, '$.f.email')) = ?",
            [wanted, f"email:{folded}", number > 0, number, folded],
        )
        held: dict[int, Held] = {}
        names: set[str] = set()
        while new:
            held |= {each.lead: each for each in new}
            addresses = {address for each in new if (address := str(each.fields.get("email") or "").strip().lower())}
            keys = {key for each in new for key in (each.key, *identities(each.fields))}
            names |= {key for key in keys if key.startswith(_NAME)}
            keys = {key for key in keys if not key.startswith(_NAME) or key in {each.key for each in new}}
            found = self._held(
                f"l.key IN ({marks(len(keys))})"
                f" OR lower(json_extract(p.data, '$.f.email')) IN ({marks(len(addresses))})",
                [*sorted(keys), *sorted(addresses)],
            )
            new = [each for each in found if each.lead not in held]
        ids = sorted(held)
        namesakes = [each.lead for each in self._held(f"l.key IN ({marks(len(names))})", sorted(names))]
        tickets = self._database.rows(
            "SELECT DISTINCT i.ticket FROM imports i, json_each(i.leads) e WHERE i.state IN ('queued', 'running')"
            f" AND json_extract(e.value, '$[0]') IN ({marks(len(ids))})",
            ids,
        )
        known = sorted({each.key for each in held.values()})
        remote = self._database.rows(
            f"SELECT account, remote_id FROM remote_ids WHERE key IN ({marks(len(known))}) ORDER BY account, remote_id",
            known,
        )
        traces = Traces(
            [held[id] for id in ids], [(str(account), str(record)) for account, record in remote],
            [id for id in namesakes if id not in held], [str(ticket) for (ticket,) in tickets],
        )  # fmt: skip
        traces.rows.update(self._count(traces))
        return traces

    def _held(self, condition: str, parameters: Sequence[Any]) -> list[Held]:
        rows = self._database.rows(f"{_LEADS}{condition} ORDER BY l.id", parameters)
        return [Held(int(id), str(name), str(key), orjson.loads(data)["f"]) for id, name, key, data in rows]

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
            f" UNION SELECT call_id FROM enrichment_steps WHERE call_id IS NOT NULL AND lead_id IN ({marks(len(ids))})"
            f" UNION SELECT call_id FROM rejected_values WHERE call_id IS NOT NULL AND lead_id IN ({marks(len(ids))})",
            [*ids, *ids, *ids, *ids],
        )
        return [int(id) for (id,) in found]

    def erase(self, traces: Traces, marks_kept: Sequence[bytes], by: str, reason: str, now: float) -> Certificate:
        """Remove all of a person, and record it.

        marks_kept: the digests by which he is known again, so that no later capture takes him in.
        What was paid stays in the ledger, without the answer. No run may be at work. The file is written anew without
        what is gone, so that no byte of it is left. Raises EnvironmentFault while something else reads the state.
        """
        ids, keys = traces.leads, traces.keys
        certificate = Certificate(token_hex(8), now, by, reason, dict(traces.rows))
        if not self._empty_journal():
            raise EnvironmentFault(
                "nothing was erased: something else reads the state, and would keep what is gone in its journal",
                where=str(self._database.path), fix="End it, and do this again.",
            )  # fmt: skip
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
            db.executemany(
                "UPDATE paid_calls SET answer = NULL, ticket = '', lead_id = NULL, expires_at = 0,"
                " request = randomblob(32), state = CASE state WHEN 'pending' THEN 'unanswered' ELSE state END"
                " WHERE id = ?",
                [(id,) for id in calls],
            )
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
            db.execute("INSERT INTO erasures (id, by, at, reason, removed) VALUES (?, ?, ?, ?, ?)",
                       [certificate.id, by, now, reason, orjson.dumps(certificate.removed).decode()])  # fmt: skip
        self._rewrite()
        return certificate

    def _rewrite(self) -> None:
        """Write the file anew, and empty the journal: freed pages and the journal still hold what was there."""
        self._database.connection.execute("VACUUM")
        if not self._empty_journal():
            raise EnvironmentFault(
                "the person is erased, and yet the journal may hold traces until what reads the state has ended",
                where=str(self._database.path), fix="End it; the last to close the state takes the journal away.",
            )  # fmt: skip

    def _empty_journal(self) -> bool:
        """Whether nothing else needs the journal, and it is empty now; waits a while for others to end."""
        run = self._database.connection.execute
        (before,) = run("PRAGMA busy_timeout").fetchone()
        run(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")
        (busy, _, _) = run("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        run(f"PRAGMA busy_timeout = {before}")
        return not busy


def _delete(db: sqlite3.Connection, table: str, where: str, parameters: Sequence[Any]) -> None:
    db.execute(f"DELETE FROM {table} WHERE {where}", list(parameters))


def _strip_imports(db: sqlite3.Connection, leads: set[int]) -> None:
    """Take leads out of the files that were handed over."""
    for id, listed in db.execute("SELECT id, leads FROM imports").fetchall():
        pairs = orjson.loads(listed)
        kept = [pair for pair in pairs if pair[0] not in leads]
        if len(kept) < len(pairs):
            db.execute("UPDATE imports SET leads = ? WHERE id = ?", [orjson.dumps(kept).decode(), id])
