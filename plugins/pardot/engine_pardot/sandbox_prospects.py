"""The sandbox's prospects endpoints.

Source: developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from engine.testing.server import Response
from engine_pardot.fields import left_out_of_queries
from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_query import Collection, Reader, asked_fields
from engine_pardot.sandbox_rules import check_email, checked
from engine_pardot.sandbox_seed import Unit, User
from engine_pardot.sandbox_store import Record, Store

_FILTERS = {
    "id": "integer", "salesforceId": "text", "userId": "integer", "assignedToId": "integer",
    "createdAt": "time", "updatedAt": "time", "lastActivityAt": "time",
}  # fmt: skip
_ORDER = ("id", "createdAt", "updatedAt", "lastActivityAt")
#: Objects that a prospect leads to, with the field that holds their id.
_OBJECTS = {"campaign": "campaignId", "createdBy": "createdById", "updatedBy": "updatedById", "assignedTo": "userId"}
_RECYCLED = {"Pardot-Warning": "201;Record In Recycle Bin"}


@dataclass(frozen=True)
class Call:
    """A request that passed the door: whom it acts for, its query and its body; `url` is the collection's address."""

    user: User
    query: Mapping[str, str]
    body: Mapping[str, Any]
    url: str

    def require(self, ability: str) -> None:
        """Raises ApiError where the role of the user lacks the ability."""
        if ability not in self.user.abilities:
            raise ApiError("46", ability)


@dataclass
class Prospects:
    """Answers what concerns prospects. `lock` guards the store; `counts` what was done."""

    store: Store
    unit: Unit
    reader: Reader
    switches: Mapping[str, Any]
    lock: AbstractContextManager[Any]
    counts: dict[str, int] = field(default_factory=lambda: {"created": 0, "updated": 0, "restored": 0})

    def query(self, call: Call) -> Response:
        call.require("view")
        collection = self._collection(querying=True)
        with self.lock:
            records = self.store.all_visible(call.query.get("email"))
            return Response(200, self.reader.query(records, call.query, collection, call.url))

    def read(self, call: Call, prospect_id: int) -> Response:
        call.require("view")
        collection = self._collection()
        names = asked_fields(call.query.get("fields"), collection)
        with self.lock:
            record = self.store.visible(prospect_id)
            if record is None:
                raise ApiError("109")
            if record["isDeleted"]:
                raise ApiError("109", headers=_RECYCLED)
            return Response(200, self.reader.projected(record, names, collection))

    def create(self, call: Call) -> Response:
        call.require("create")
        values = self._checked(call.body, call.user)
        if not values.get("email"):
            raise ApiError("153", "email")
        with self.lock:
            record = self._create(values, call.user)
            location = {"Location": f"{call.url}/{record['id']}?fields={call.query.get('fields', '')}"}
            return self._answer(call, record, call.query.get("fields"), 201, location)

    def update(self, call: Call, prospect_id: int) -> Response:
        call.require("create")
        values = self._checked(call.body, call.user)
        with self.lock:
            record = self._existing(prospect_id)
            if record["isDeleted"]:
                raise ApiError("219")
            self._update(record, values, call.user)
            return self._answer(call, record, call.query.get("fields"), 200)

    def delete(self, call: Call, prospect_id: int) -> Response:
        call.require("delete")
        with self.lock:
            record = self._existing(prospect_id)
            if record["isDeleted"]:
                raise ApiError("109", headers=_RECYCLED)
            self.store.recycle(record)
        return Response(204)

    def undelete(self, call: Call) -> Response:
        """Restores by id, or by email the recycled one with the latest activity."""
        call.require("delete")
        with self.lock:
            if "id" in call.body:
                record: Record | None = self.store.records.get(_id(call.body["id"]))
            else:
                record = self.store.latest(self.store.sharers(str(call.body.get("email", "")), deleted=True))
            if record is None or not record["isDeleted"]:
                raise ApiError("109")
            self._update(record, {}, call.user, restore=True)
            return self._answer(call, record, call.query.get("fields"), 200)

    def upsert(self, call: Call) -> Response:
        """Find by address, then write.

        The vendor promises no atomicity: with a latency the look-up happens at its start and the write at its end, so
        two first-time calls for one address that overlap create two prospects where addresses may be shared.
        """
        call.require("create")
        given = call.body.get("prospect")
        if not isinstance(given, Mapping):
            raise ApiError("153", "prospect")
        email = call.body.get("matchEmail", given.get("email"))
        if email is None:
            raise ApiError("153", "matchEmail")
        check_email(email)
        values = self._checked(given, call.user)
        latency = float(self.switches["latency"])
        with nullcontext() if latency else self.lock:
            with self.lock:
                target = self._match(email, bool(call.body.get("secondaryDeletedSearch", False)))
            if latency:
                time.sleep(latency)
            with self.lock:
                return self._upserted(call, target, values)

    def _upserted(self, call: Call, target: Record | None, values: Mapping[str, Any]) -> Response:
        fields = call.body.get("fields")
        names = ",".join(map(str, fields)) if isinstance(fields, list) else call.query.get("fields")
        if names:
            asked_fields(names, self._collection())
        if target is not None:
            self._update(target, values, call.user, restore=target["isDeleted"])
            return self._answer(call, target, names, 200)
        if not values.get("email"):
            raise ApiError("153", "email")
        record = self._create(values, call.user)
        return self._answer(call, record, names, int(self.switches["upsert_create_status"]))

    def _match(self, email: str, recycled_too: bool) -> Record | None:
        """The prospect an upsert writes to; recycled ones count where nobody active has the address."""
        active = self.store.latest(self.store.sharers(email))
        if active is not None:
            return active
        if recycled_too or not self.switches["allow_multiple_prospects"]:
            return self.store.latest(self.store.sharers(email, deleted=True))
        return None

    def _checked(self, values: Mapping[str, Any], user: User) -> dict[str, Any]:
        return checked(values, self.unit, user, self.switches)

    def _create(self, values: Mapping[str, Any], user: User) -> Record:
        record = self.store.create(values, user)
        self.counts["created"] += 1
        return record

    def _update(self, record: Record, values: Mapping[str, Any], user: User, *, restore: bool = False) -> None:
        self.store.update(record, values, user, restore=restore)
        self.counts["restored" if restore else "updated"] += 1

    def _existing(self, prospect_id: int) -> Record:
        record = self.store.records.get(prospect_id)
        if record is None:
            raise ApiError("109")
        return record

    def _answer(
        self, call: Call, record: Record, fields: str | None, status: int, headers: Mapping[str, str] | None = None
    ) -> Response:
        """The asked fields; 204 where none are asked for or the user may write but not read."""
        if not fields or "view" not in call.user.abilities:
            return Response(204, headers=headers or {})
        collection = self._collection()
        body = self.reader.projected(record, asked_fields(fields, collection), collection)
        return Response(status, body, headers or {})

    def _collection(self, *, querying: bool = False) -> Collection:
        """What can be asked; a query leaves out (or, by the switch, refuses) fields with several values."""
        email = "text" if self.switches["email_case_sensitive"] else "caseless"

        def readable(name: str) -> bool:
            if querying and self.switches["several_values"] == "reject" and self._has_several(name):
                return False
            head, tail = _path(name)
            return name in self.unit.standard or name in self.unit.custom_fields or bool(tail and head in _OBJECTS)

        def get(record: Mapping[str, Any], name: str) -> Any:
            head, tail = _path(name)
            if tail:
                return self._linked(head, record).get(tail)
            return None if querying and self._has_several(name) else record.get(name)

        return Collection(readable, get, {**_FILTERS, "email": email}, _ORDER)

    def _has_several(self, name: str) -> bool:
        custom = self.unit.custom_fields.get(name)
        return custom is not None and left_out_of_queries(custom)

    def _linked(self, head: str, record: Mapping[str, Any]) -> Mapping[str, Any]:
        linked = record.get(_OBJECTS[head])
        if head == "campaign":
            return self.unit.campaigns.get(linked or 0, {})
        user = self.unit.users.get(linked or 0)
        return {"id": user.id, "email": user.email} if user else {}


def _path(name: str) -> tuple[str, str]:
    head, _, tail = name.partition(".")
    return head, tail


def _id(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ApiError("3") from None
