"""The prospects of the sandbox: a dict of records, an index by email, and what readers see while reads lag."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_history import History, Record
from engine_pardot.sandbox_seed import Unit, User

_FIRST_ID = 29_014
_ID_STEP = 2
_NEVER = datetime.min.replace(tzinfo=UTC)


class Store:
    """Keeps prospects, the recycled ones included. Not thread-safe: callers hold the sandbox's lock."""

    def __init__(
        self, unit: Unit, switches: Mapping[str, Any], now: Callable[[], float], lag: Callable[[], float]
    ) -> None:
        self.unit = unit
        self.records: dict[int, Record] = {}
        self.counts = {"created": 0, "updated": 0, "restored": 0}
        self._switches = switches
        self._now = now
        self._history = History(now, lag)
        #: Who has or ever had the address, in lower case.
        self._by_email: dict[str, dict[int, None]] = {}
        self._next_id = _FIRST_ID
        self._seeded: dict[str, int] = {}

    # Reading ----------------------------------------------------------------------------------------------------

    def sharers(self, email: str, *, deleted: bool = False, lagged: bool = False) -> list[Record]:
        """The prospects with this address that are active, or those in the recycle bin; `lagged`: as reads see it."""
        found = (self._state(each, lagged=lagged) for each in self._by_email.get(email.lower(), ()))
        return [
            record
            for record in found
            if record is not None and record["isDeleted"] == deleted and self._same(record["email"], email)
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
        return self._history.seen(prospect_id, self.records.get(prospect_id))

    def all_visible(self, email: str | None = None) -> Iterator[Record]:
        """What a query runs over; with an email only who ever had it, so that a look-up does not scan everybody."""
        ids: Iterable[int] = self.records if email is None else self._by_email.get(email.lower(), ())
        for prospect_id in list(ids):
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
        self._history.remember(prospect_id, self.records.get(prospect_id))
        self.records[prospect_id] = record
        self._index(record)
        self.counts["created"] += 1
        return record

    def update(self, record: Record, values: Mapping[str, Any], user: User, *, restore: bool = False) -> Record:
        """Change a prospect, out of the recycle bin with `restore`. Raises ApiError where the address is taken."""
        email = values.get("email", record["email"])
        if email != record["email"] or restore:
            self._check_unique(email, record["id"])
        self._history.remember(record["id"], record)
        record.update(values, updatedAt=self.unit.stamp(self._now()), updatedById=user.id)
        if restore:
            record["isDeleted"] = False
        self._index(record)
        self.counts["restored" if restore else "updated"] += 1
        return record

    def recycle(self, record: Record) -> None:
        self._history.remember(record["id"], record)
        record["isDeleted"] = True

    # Telling ----------------------------------------------------------------------------------------------------

    def seeded(self) -> None:
        """What is here now was in the seed: it counts as nobody's doing."""
        self._seeded = self._live()
        self.counts = dict.fromkeys(self.counts, 0)

    def shared(self) -> list[str]:
        """The addresses that several active prospects share, in lower case."""
        return sorted(email for email, people in self._live().items() if people > 1)

    def duplicates(self) -> list[str]:
        """The addresses that more active prospects share than in the seed, in lower case."""
        live = self._live()
        return sorted(email for email, people in live.items() if people > max(1, self._seeded.get(email, 0)))

    def _live(self) -> dict[str, int]:
        people: dict[str, int] = {}
        for record in self.records.values():
            if not record["isDeleted"]:
                email = record["email"].lower()
                people[email] = people.get(email, 0) + 1
        return people

    def _state(self, prospect_id: int, *, lagged: bool) -> Record | None:
        return self.visible(prospect_id) if lagged else self.records.get(prospect_id)

    def _same(self, stored: str, email: str) -> bool:
        return stored == email if self._switches["email_case_sensitive"] else stored.lower() == email.lower()

    def _check_unique(self, email: str, own_id: int | None) -> None:
        if self._switches["allow_multiple_prospects"]:
            return
        if any(other["id"] != own_id for other in self.sharers(email)):
            raise ApiError(str(self._switches["duplicate_code"]))

    def _index(self, record: Record) -> None:
        self._by_email.setdefault(record["email"].lower(), {})[record["id"]] = None


def _moment(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else _NEVER
