"""The prospects of the sandbox: a dict of records, an index by email, and what readers see while reads lag."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_seed import Unit, User

Record = dict[str, Any]

_FIRST_ID = 29_014
_ID_STEP = 2
_NEVER = datetime.min.replace(tzinfo=UTC)


class Store:
    """Keeps prospects, the recycled ones included. Not thread-safe: callers hold the sandbox's lock."""

    def __init__(self, unit: Unit, switches: Mapping[str, Any], now: Callable[[], float]) -> None:
        self.unit = unit
        self.records: dict[int, Record] = {}
        self._switches = switches
        self._now = now
        self._by_email: dict[str, list[int]] = {}
        self._next_id = _FIRST_ID
        #: Earlier states by id: (Unix time until which it held, the record then, None before it existed).
        self._earlier: dict[int, list[tuple[float, Record | None]]] = {}

    # Reading ----------------------------------------------------------------------------------------------------

    def sharers(self, email: str, *, deleted: bool = False) -> list[Record]:
        """The prospects with this address that are active, or those in the recycle bin."""
        found = (self.records[each] for each in self._by_email.get(email.lower(), ()))
        exact = self._switches["email_case_sensitive"]
        return [
            record for record in found if record["isDeleted"] == deleted and (not exact or record["email"] == email)
        ]

    def latest(self, records: Iterable[Record]) -> Record | None:
        """The one that wins among sharers: latest activity or latest update, as the switch says; then the newest."""
        by_activity = self._switches["upsert_order"] == "activity"

        def rank(record: Record) -> tuple[datetime, datetime, int]:
            activity = _moment(record.get("lastActivityAt")) if by_activity else _NEVER
            return activity, _moment(record["updatedAt"]), record["id"]

        return max(records, key=rank, default=None)

    def visible(self, prospect_id: int) -> Record | None:
        """The prospect as a read sees it: as it was `read_lag` seconds ago."""
        moment = self._now() - float(self._switches["read_lag"])
        for until, record in self._earlier.get(prospect_id, ()):
            if moment < until:
                return record
        return self.records.get(prospect_id)

    def all_visible(self, email: str | None = None) -> Iterator[Record]:
        """What a query runs over; with an email only its sharers, so that a look-up does not scan everybody."""
        ids: Iterable[int] = list(self.records)
        if email is not None and not self._switches["read_lag"]:
            ids = self._by_email.get(email.lower(), ())
        for prospect_id in ids:
            record = self.visible(prospect_id)
            if record is not None:
                yield record

    # Writing ----------------------------------------------------------------------------------------------------

    def create(self, values: Mapping[str, Any], user: User) -> Record:
        """Add a prospect. Raises ApiError where addresses are unique and this one is taken."""
        self._check_unique(values["email"], None)
        prospect_id = int(values.get("id") or self._next_id)
        self._next_id = max(self._next_id, prospect_id + _ID_STEP)
        stamp = self.unit.stamp(self._now())
        record = {
            "campaignId": self.unit.oldest_campaign,
            "score": 0,
            "isDeleted": False,
            "recentInteraction": "Never active.",
            "createdAt": stamp,
            "createdById": user.id,
            "updatedAt": stamp,
            "updatedById": user.id,
            **values,
            "id": prospect_id,
        }
        self._remember(prospect_id)
        self.records[prospect_id] = record
        self._index(record["email"], prospect_id)
        return record

    def update(self, record: Record, values: Mapping[str, Any], user: User, *, restore: bool = False) -> Record:
        """Change a prospect, out of the recycle bin with `restore`. Raises ApiError where the address is taken."""
        email = values.get("email", record["email"])
        if email != record["email"] or restore:
            self._check_unique(email, record["id"])
        self._remember(record["id"])
        self._unindex(record["email"], record["id"])
        record.update(values, updatedAt=self.unit.stamp(self._now()), updatedById=user.id)
        if restore:
            record["isDeleted"] = False
        self._index(email, record["id"])
        return record

    def recycle(self, record: Record) -> None:
        self._remember(record["id"])
        record["isDeleted"] = True

    def duplicates(self) -> list[str]:
        """The addresses that several active prospects share."""
        return sorted(
            email
            for email, ids in self._by_email.items()
            if sum(not self.records[each]["isDeleted"] for each in ids) > 1
        )

    def _check_unique(self, email: str, own_id: int | None) -> None:
        if self._switches["allow_multiple_prospects"]:
            return
        if any(other["id"] != own_id for other in self.sharers(email)):
            raise ApiError(str(self._switches["duplicate_code"]))

    def _remember(self, prospect_id: int) -> None:
        if self._switches["read_lag"]:
            before = self.records.get(prospect_id)
            self._earlier.setdefault(prospect_id, []).append((self._now(), dict(before) if before else None))

    def _index(self, email: str, prospect_id: int) -> None:
        self._by_email.setdefault(email.lower(), []).append(prospect_id)

    def _unindex(self, email: str, prospect_id: int) -> None:
        self._by_email[email.lower()].remove(prospect_id)


def _moment(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else _NEVER
