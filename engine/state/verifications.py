"""When cleared leads were last read back from the vendor, what was sent of them last, and what was found."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from engine.records import Failure, Membership
from engine.state import remote_ids
from engine.state.database import Database, key_hash
from engine.state.failures import insert_failures

#: What is kept of a lead whose record is as it was sent; of any other, the code of what was found.
HELD = "held"
_DONE = "('created', 'updated', 'satisfied')"


@dataclass(frozen=True, slots=True)
class Delivered:
    """A cleared lead as it was sent last to an account.

    delivery_id: its present delivery, by which a change meanwhile is noticed; payload: the one that was sent. created:
    whether that sending made the record. at: the last sending of any kind, Unix time. elsewhere: fields that
    other leads with the same record have written since.
    """

    lead_id: int
    key: str
    delivery_id: int
    remote_id: str
    payload: Mapping[str, Any]
    matched_by: str
    created: bool
    at: float
    places: tuple[Membership, ...] = ()
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of the vendor's record: what was sent, and what it holds."""

    field: str
    sent: Any
    held: Any


@dataclass(frozen=True, slots=True)
class Read:
    """What reading one lead's record back has shown, and what a retry has to do for it.

    failure: None where all is held. resend: the person has to be written again. forget: the known id names no record
    any more, so that a retry looks for the person by the other keys. missing: the places to be given again.
    """

    lead: Delivered
    failure: Failure | None = None
    resend: bool = False
    forget: bool = False
    missing: Sequence[Membership] = ()
    differences: Sequence[Difference] = ()


class Verifications:
    def __init__(self, database: Database) -> None:
        self._database = database

    def cleared(self, integration: str) -> dict[int, tuple[float, str]]:
        """The cleared leads, each with the time of its last verification (Unix, 0 for none) and what that found."""
        found = self._database.rows(
            "SELECT l.id, coalesce(v.at, 0), coalesce(v.outcome, '') FROM leads l"
            " JOIN integrations i ON i.id = l.integration_id LEFT JOIN verifications v ON v.lead_id = l.id"
            " WHERE i.name = ? AND l.status = 'cleared'",
            [integration],
        )
        return {int(id): (float(at), str(outcome)) for id, at, outcome in found}

    def since(self, integration: str, moment: float) -> dict[int, str]:
        """What was found of the leads that were verified at a time (Unix) or later, whatever became of them since."""
        found = self._database.rows(
            "SELECT v.lead_id, v.outcome FROM verifications v JOIN leads l ON l.id = v.lead_id"
            " JOIN integrations i ON i.id = l.integration_id WHERE i.name = ? AND v.at >= ?",
            [integration, moment],
        )
        return {int(id): str(outcome) for id, outcome in found}

    def seed(self) -> str:
        """A text that is this state's own and stays the same, for choosing by chance in a way that can be repeated."""
        found = self._database.row("SELECT id FROM runs ORDER BY started_at, id LIMIT 1")
        return str(found[0]) if found else ""

    def delivered(self, account: str, leads: Sequence[int]) -> list[Delivered]:
        """Those of the leads that are cleared and were sent to the account, as they were sent last, in order."""
        ids = _json(list(leads))
        found = self._database.rows(
            "SELECT l.id, l.key, l.delivery_id, r.remote_id, d.payload, o.matched_by, o.status, o.id,"
            " (SELECT max(s.at) FROM outcomes s JOIN deliveries e ON e.id = s.delivery_id WHERE e.lead_id = l.id)"
            " FROM json_each(?) j JOIN leads l ON l.id = j.value JOIN deliveries d ON d.lead_id = l.id"
            f" JOIN outcomes o ON o.delivery_id = d.id AND o.what = 'person' AND o.status IN {_DONE}"
            f" JOIN runs n ON n.id = o.run_id AND n.account = ? LEFT JOIN {remote_ids.JOIN}"
            " WHERE l.status = 'cleared' ORDER BY l.id, o.id",
            [ids, account, account],
        )
        last = {row[0]: row for row in found}  # the last of each lead's sendings
        places: dict[int, list[Membership]] = {}
        for lead, kind, target, status in self._database.rows(
            "SELECT lead_id, kind, program_id, status FROM memberships WHERE state = 'done'"
            " AND lead_id IN (SELECT value FROM json_each(?)) ORDER BY lead_id, kind DESC, program_id, status",
            [ids],
        ):
            places.setdefault(lead, []).append(Membership(target, status, kind=kind))
        since = self._elsewhere(account, {row[0]: (row[3] or "", int(row[7])) for row in last.values()})
        return [
            Delivered(
                int(id), str(key), int(delivery), remote_id or "", orjson.loads(payload), str(by), status == "created",
                float(at), tuple(places.get(id, ())), frozenset(since.get(id, ())),
            )
            for id, key, delivery, remote_id, payload, by, status, _, at in last.values()
        ]  # fmt: skip

    def _elsewhere(self, account: str, mine: Mapping[int, tuple[str, int]]) -> dict[int, set[str]]:
        """The fields that other leads have written to the records of leads after these; `mine`: record and outcome."""
        by_key = {
            str(key): str(record)
            for key, record in self._database.rows(
                "SELECT key, remote_id FROM remote_ids WHERE account = ?"
                " AND remote_id IN (SELECT value FROM json_each(?))",
                [account, _json([record for record, _ in mine.values() if record])],
            )
        }
        leads: dict[int, str] = {
            int(id): by_key[key]
            for id, key in self._database.rows(
                "SELECT id, key FROM leads WHERE key_hash IN (SELECT value FROM json_each(?))",
                [_json([key_hash(key) for key in by_key])],
            )
            if key in by_key
        }
        shared = {record for record, count in Counter(leads.values()).items() if count > 1}
        written: dict[str, list[tuple[int, int, Any]]] = {}
        for lead, outcome, payload in self._database.rows(
            "SELECT d.lead_id, o.id, d.payload FROM json_each(?) j JOIN deliveries d ON d.lead_id = j.value"
            f" JOIN outcomes o ON o.delivery_id = d.id AND o.what = 'person' AND o.status IN {_DONE}"
            " JOIN runs n ON n.id = o.run_id AND n.account = ?",
            [_json([lead for lead, record in leads.items() if record in shared]), account],
        ):
            written.setdefault(leads[lead], []).append((lead, outcome, orjson.loads(payload)["fields"]))
        return {
            lead: {name for other, at, fields in written.get(record, ()) if other != lead and at > outcome
                   for name in fields}
            for lead, (record, outcome) in mine.items()
        }  # fmt: skip

    def save(self, found: Iterable[Read], account: str, now: float, *, fail_in: str = "") -> list[Read]:
        """Store what was found. Returns it without the leads that have moved on since they were looked at.

        fail_in: the run in which those fail of which something is not held, so that a retry brings it back; without
        one, all stay cleared.
        """
        kept = []
        with self._database.transaction() as db:
            for read in found:
                lead = read.lead
                stored = db.execute(
                    "INSERT OR REPLACE INTO verifications (lead_id, outcome, at) SELECT id, ?, ? FROM leads"
                    " WHERE id = ? AND status = 'cleared' AND delivery_id = ?",
                    [read.failure.code if read.failure else HELD, now, lead.lead_id, lead.delivery_id],
                )
                if stored.rowcount:
                    kept.append(read)
            if fail_in:
                _fail(db, fail_in, account, kept, now)
        return kept


def _fail(db: sqlite3.Connection, run_id: str, account: str, found: Sequence[Read], now: float) -> None:
    """Let the leads fail of which something is not held, and forget of the vendor what is not so."""
    wrong = [(read.lead.lead_id, read, read.failure) for read in found if read.failure]
    db.executemany(
        "UPDATE leads SET status = 'failed', sent_digest = CASE WHEN ? THEN NULL ELSE sent_digest END WHERE id = ?",
        [(read.resend, lead) for lead, read, _ in wrong],
    )
    db.executemany(
        "UPDATE memberships SET state = 'wanted' WHERE lead_id = ? AND kind = ? AND program_id = ? AND status = ?",
        [(lead, place.kind, place.target, place.status) for lead, read, _ in wrong for place in read.missing],
    )
    remote_ids.forget(db, account, [lead for lead, read, _ in wrong if read.forget])
    insert_failures(db, run_id, "verify", [(lead, failure) for lead, _, failure in wrong], now)


def _json(values: Sequence[int | str]) -> str:
    return orjson.dumps(values).decode()
