"""Which remote record a person is, by remote account: remembered for every integration and every later run."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from engine.state.database import key_hash, marks


def known(db: sqlite3.Connection, account: str, keys: Sequence[str]) -> dict[str, str]:
    """The remote ids of the leads with these keys, where they are known."""
    return {key: remote_id for key, (_, remote_id) in _rows(db, account, keys).items()}


def remember(db: sqlite3.Connection, account: str, ids: Mapping[str, str], now: float) -> None:
    """Store remote ids by lead key."""
    stored = _rows(db, account, list(ids))
    db.executemany(
        "UPDATE remote_ids SET remote_id = ?, at = ? WHERE id = ?",
        [(ids[key], now, row) for key, (row, remote_id) in stored.items() if ids[key] != remote_id],
    )
    db.executemany(
        "INSERT INTO remote_ids (account, key, key_hash, remote_id, at) VALUES (?, ?, ?, ?, ?)",
        [(account, key, key_hash(account, key), ids[key], now) for key in ids if key not in stored],
    )


def forget(db: sqlite3.Connection, account: str, keys: Sequence[str]) -> None:
    """Forget remote ids that turned out to name no record."""
    db.executemany("DELETE FROM remote_ids WHERE id = ?", [(row,) for row, _ in _rows(db, account, keys).values()])


def _rows(db: sqlite3.Connection, account: str, keys: Sequence[str]) -> dict[str, tuple[int, str]]:
    if not keys:
        return {}
    wanted = {key_hash(account, key): key for key in keys}
    found = db.execute(
        f"SELECT id, key, account, remote_id FROM remote_ids WHERE key_hash IN ({marks(len(wanted))})", list(wanted)
    )
    known_keys = set(keys)
    return {key: (row, remote) for row, key, owner, remote in found if owner == account and key in known_keys}
