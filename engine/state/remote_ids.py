"""Which remote record a person is, by remote account: remembered for every integration and every later run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from engine.state.database import marks

#: Joins a lead `l` to its remote id `r` in the account given as parameter.
JOIN = "remote_ids r ON r.key_hash = l.key_hash AND r.key = l.key AND r.account = ?"


def remember(db: sqlite3.Connection, account: str, ids: Mapping[int, str], now: float) -> dict[int, str]:
    """Store remote ids by lead; returns those that leads had before and that are other ones now."""
    stored: dict[int, tuple[int, str]] = {
        lead: (row, remote_id)
        for lead, row, remote_id in db.execute(
            f"SELECT l.id, r.id, r.remote_id FROM leads l JOIN {JOIN} WHERE l.id IN ({marks(len(ids))})",
            [account, *ids],
        )
    }
    changed = {lead: remote_id for lead, (_, remote_id) in stored.items() if ids[lead] != remote_id}
    db.executemany(
        "UPDATE remote_ids SET remote_id = ?, at = ? WHERE id = ?",
        [(ids[lead], now, stored[lead][0]) for lead in changed],
    )
    db.executemany(
        "INSERT INTO remote_ids (account, key, key_hash, remote_id, at) SELECT ?, key, key_hash, ?, ? FROM leads"
        " WHERE id = ?",
        [(account, remote_id, now, lead) for lead, remote_id in ids.items() if lead not in stored],
    )
    return changed


def forget(db: sqlite3.Connection, account: str, leads: Iterable[int]) -> None:
    """Forget the remote ids of leads for which they turned out to name no record."""
    db.executemany(
        f"DELETE FROM remote_ids WHERE id = (SELECT r.id FROM leads l JOIN {JOIN} WHERE l.id = ?)",
        [(account, lead) for lead in leads],
    )
