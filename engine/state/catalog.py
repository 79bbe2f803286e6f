"""What a remote account was last seen to have: fields, programs, lists. Each entry knows when it was read.

A time below zero is in doubt: no reading is as old as that, so it counts for none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import orjson

from engine.records import Field, Program
from engine.state.database import Database

FieldKind = Literal["fields", "member_fields"]


class Catalog:
    """Entries by account; a program or list that was not there is remembered as such."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fields(self, account: str, kind: FieldKind = "fields") -> tuple[list[Field], float] | None:
        """The field list with the Unix time of its reading; None where it was never read."""
        found = self._entries(account, kind)
        if not found:
            return None
        content, at = found[""]
        return [Field(**{**row, "options": tuple(row["options"])}) for row in content], at

    def save_fields(self, account: str, kind: FieldKind, fields: Sequence[Field], now: float) -> None:
        self._save(account, kind, {"": [asdict(field) for field in fields]}, now)

    def programs(self, account: str) -> dict[str, tuple[Program | None, float]]:
        """Programs by id with the time of their reading; None for one that does not exist."""
        found = self._entries(account, "program")
        return {
            id: (Program(**{**row, "statuses": tuple(row["statuses"])}) if row else None, at)
            for id, (row, at) in found.items()
        }

    def save_programs(self, account: str, ids: Iterable[str], programs: Mapping[str, Program], now: float) -> None:
        """Remember which of the `ids` exist, and what they are."""
        self._save(account, "program", {id: asdict(programs[id]) if id in programs else None for id in ids}, now)

    def lists(self, account: str) -> dict[str, tuple[str | None, float]]:
        """Names of lists by id with the time of their reading; None for one that does not exist."""
        return self._entries(account, "list")

    def save_lists(self, account: str, ids: Iterable[str], lists: Mapping[str, str], now: float) -> None:
        self._save(account, "list", {id: lists.get(id) for id in ids}, now)

    def doubt(self, account: str) -> None:
        """Let all of an account be read again, whatever settings it was read with: something of it is no longer so.

        Until then what was seen stays, for the fixes that are proposed.
        """
        with self._database.transaction() as db:
            db.execute(
                "UPDATE catalog SET at = -abs(at) WHERE account = ? OR substr(account, 1, length(?) + 1) = ? || '|'",
                [account, account, account],
            )

    def _entries(self, account: str, kind: str) -> dict[str, tuple[Any, float]]:
        rows = self._database.rows(
            "SELECT name, content, at FROM catalog WHERE account = ? AND kind = ?", [account, kind]
        )
        return {name: (orjson.loads(content), at) for name, content, at in rows}

    def _save(self, account: str, kind: str, entries: Mapping[str, Any], now: float) -> None:
        with self._database.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO catalog (account, kind, name, content, at) VALUES (?, ?, ?, ?, ?)",
                [(account, kind, name, orjson.dumps(content).decode(), now) for name, content in entries.items()],
            )
