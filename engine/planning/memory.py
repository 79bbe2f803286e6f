"""What a plan would leave at the vendor: new records, and values of known ones, found by any of their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.filters import text
from engine.records import Found

#: Later than every time that a vendor tells: the changes of a plan come after it, in order.
_LATER = datetime(9000, 1, 1, tzinfo=UTC)


class Memory:
    """Records by id, with the values that the plan has written so far; a new one has all of its values here."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, Any]] = {}
        self._new: set[str] = set()
        self._changed: dict[str, str] = {}
        self._writes = 0
        # By key and folded value, made for a key once somebody is looked for by it.
        self._named: dict[str, dict[str, list[str]]] = {}

    def leave(self, record: str, values: Mapping[str, Any], *, new: bool = False) -> None:
        """Take down what a write leaves in a record."""
        self._held.setdefault(record, {}).update(values)
        if values:
            self._writes += 1
            self._changed[record] = (_LATER + timedelta(seconds=self._writes)).isoformat()
        if new:
            self._new.add(record)
        for by in self._named.keys() & values.keys():
            self._index(by, record, values[by])

    def new(self, record: str) -> Found | None:
        """A record that the plan creates; None where it is none of them."""
        return self._found(record) if record in self._new else None

    def having(self, by: str, value: str) -> list[str]:
        """The records that have this key since the plan has written them."""
        if by not in self._named:
            self._named[by] = {}
            for record, values in self._held.items():
                if by in values:
                    self._index(by, record, values[by])
        wanted = _folded(value)
        records = self._named[by].get(wanted, ())
        return [record for record in records if _folded(self._held[record].get(by)) == wanted]

    def as_left(self, records: Sequence[Found], by: str, value: str) -> list[Found]:
        """Records as the vendor has them now, as the plan leaves them; without those that lose the key by it."""
        return [
            self._left(each) for each in records
            if _folded(self._held.get(each.remote_id, {}).get(by, value)) == _folded(value)
        ]  # fmt: skip

    def _left(self, record: Found) -> Found:
        held = self._held.get(record.remote_id)
        if not held:
            return record
        keys = {by: text(held[by]) if by in held else value for by, value in record.keys.items()}
        return Found(record.remote_id, {**record.values, **held}, keys, self._changed.get(record.remote_id, ""))

    def _found(self, record: str) -> Found:
        held = self._held[record]
        keys = {name: text(value) for name, value in held.items() if value not in (None, "")}
        return Found(record, dict(held), keys, self._changed.get(record, ""))

    def _index(self, by: str, record: str, value: Any) -> None:
        records = self._named[by].setdefault(_folded(value), [])
        if record not in records:
            records.append(record)


def _folded(value: Any) -> str:
    return text(value).strip().lower()
