"""Keeps what people set or cleared in a lead, and lets the lead start over with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from engine.edits import edited
from engine.state.captures import IN_FLIGHT, LEFT
from engine.state.database import Database
from engine.state.failures import resolve_failures

#: What becomes of a lead that was edited: it starts over, does so once it has landed, still lacks something, or is
#: left where people have put it.
Way = Literal["starts over", "in flight", "lacks", "left"]


@dataclass(frozen=True, slots=True)
class Edited:
    """What an edit did. `changes`: old and new value by field, empty for none. `missing`: what the lead still lacks."""

    lead_id: int
    changes: Mapping[str, tuple[Any, Any]]
    way: Way
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Current:
    """A lead as it is: `data` as stored (`f` fields, `q` answers), `code` why it failed, empty where it has not."""

    id: int
    key: str
    status: str
    data: Mapping[str, Any]
    code: str = ""


class Edits:
    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, lead_id: int, changes: Mapping[str, str], by: str, now: float, *, live: bool) -> Edited:
        """Set fields of a lead, or clear them by an empty value, for good; earlier edits of them stay on record.

        `live`: a run may be at work, which may have the lead in its hands. Raises KeyError where there is no lead.
        """
        return self.save_all({lead_id: changes}, by, now, live=live)[0]

    def save_all(
        self, changes: Mapping[int, Mapping[str, str]], by: str, now: float, *, live: bool
    ) -> Sequence[Edited]:
        """The same for several leads, each with its own changes: all of them or none."""
        with self._database.transaction() as db:
            return [_saved(db, lead_id, own, by, now, live=live) for lead_id, own in changes.items()]

    def current(self, integration: str, leads: Sequence[int]) -> dict[int, Current]:
        """Those of the leads that are the integration's, as they are now, by number."""
        found = self._database.rows(
            "SELECT l.id, l.key, l.status, p.data, (SELECT f.code FROM failures f WHERE f.lead_id = l.id"
            " AND f.resolved_at IS NULL ORDER BY f.id DESC LIMIT 1) FROM leads l JOIN profiles p ON p.lead_id = l.id"
            " JOIN integrations i ON i.id = l.integration_id"
            " WHERE i.name = ? AND l.id IN (SELECT value FROM json_each(?)) ORDER BY l.id",
            [integration, orjson.dumps(list(leads)).decode()],
        )
        return {int(id): Current(int(id), str(key), str(status), orjson.loads(data), str(code or ""))
                for id, key, status, data, code in found}  # fmt: skip


def _saved(
    db: sqlite3.Connection, lead_id: int, changes: Mapping[str, str], by: str, now: float, *, live: bool
) -> Edited:
    row = db.execute(
        "SELECT l.status, p.data FROM leads l JOIN profiles p ON p.lead_id = l.id WHERE l.id = ?", [lead_id]
    ).fetchone()
    if row is None:
        raise KeyError(lead_id)
    status, data = str(row[0]), orjson.loads(row[1])
    edits = dict(data.get("h", {}))
    for name, value in changes.items():
        edits[name] = _edit(edits.get(name), {"v": value, "by": by, "at": now})
    after = edited(data, edits)
    db.execute("UPDATE profiles SET data = ? WHERE lead_id = ?", [orjson.dumps(after).decode(), lead_id])
    told = {name: (data["f"].get(name) or "", after["f"].get(name) or "") for name in changes}
    if status in LEFT:
        return Edited(lead_id, told, "left")
    if db.execute(f"UPDATE leads SET stale = 1 WHERE id = ? AND status IN {IN_FLIGHT}", [lead_id]).rowcount:
        return Edited(lead_id, told, "in flight")
    if status == "failed":
        return _retried(db, lead_id, after["f"], told, now)
    # A run that has the lead in its hands would go on with the older form.
    db.execute(
        "UPDATE leads SET status = 'captured', not_before = 0, attempts = 0, stale = ? WHERE id = ?", [live, lead_id]
    )
    return Edited(lead_id, told, "starts over")


def _edit(earlier: Mapping[str, Any] | None, edit: dict[str, Any]) -> dict[str, Any]:
    """An edit with those that it takes the place of, the oldest first."""
    if earlier is None:
        return edit
    last = {key: value for key, value in earlier.items() if key != "was"}
    return {**edit, "was": [*earlier.get("was", ()), last]}


def _retried(
    db: sqlite3.Connection, lead_id: int, fields: Mapping[str, Any], told: Mapping[str, tuple[Any, Any]], now: float
) -> Edited:
    """Let a failed lead start over, unless the reason is a required value that it still lacks."""
    code, stage, names = db.execute(
        "SELECT code, stage, field FROM failures WHERE lead_id = ? AND resolved_at IS NULL ORDER BY id DESC LIMIT 1",
        [lead_id],
    ).fetchone() or ("", "", "")
    if code == "MISSING_REQUIRED_VALUE" and stage == "capture":
        missing = tuple(name for name in names.split(",") if not fields.get(name))
        if missing:
            return Edited(lead_id, told, "lacks", missing)
    # One whose sending is to be looked up starts over once that has shown what the vendor holds.
    unclear = code == "UNKNOWN_OUTCOME"
    db.execute(
        "UPDATE leads SET status = ?, not_before = 0, attempts = 0, stale = ? WHERE id = ?",
        ["unknown" if unclear else "captured", unclear, lead_id],
    )
    resolve_failures(db, [lead_id], now)
    return Edited(lead_id, told, "starts over")
