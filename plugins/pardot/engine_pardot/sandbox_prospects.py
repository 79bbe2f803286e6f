"""The sandbox's prospects endpoints.

Source: developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.testing.server import Response
from engine_pardot.sandbox_calls import Call, World, number
from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_history import Record
from engine_pardot.sandbox_keys import email_key, id_key
from engine_pardot.sandbox_query import RECYCLED, Collection, asked_fields, check_asked
from engine_pardot.sandbox_rules import Rules
from engine_pardot.sandbox_schema import has_several

_FILTERS = {
    "id": "integer", "salesforceId": "text", "userId": "integer", "assignedToId": "integer",
    "createdAt": "time", "updatedAt": "time", "lastActivityAt": "time",
}  # fmt: skip
_ORDER = ("id", "createdAt", "updatedAt", "lastActivityAt")
#: Objects that a prospect leads to: the field that holds their id, and what can be read of them.
_OBJECTS = {
    "campaign": ("campaignId", frozenset({"id", "name", "folderId", "salesforceId", "cost", "isDeleted"})),
    "createdBy": ("createdById", frozenset({"id", "email"})),
    "updatedBy": ("updatedById", frozenset({"id", "email"})),
    "assignedTo": ("userId", frozenset({"id", "email"})),
}


class Prospects:
    """Answers what concerns prospects.

    The vendor promises no atomicity: a write looks its prospect up when the call begins and writes when the call's
    time is over, without a lock in between. Two first-time upserts of one address that overlap create two prospects
    where addresses may be shared.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._store = world.store
        self._unit = world.unit
        self._switches = world.switches
        self._rules = Rules(world.unit, world.switches)

    def query(self, call: Call) -> Response:
        call.require("view")
        collection = self._collection(querying=True)
        with self._world.lock:
            # Later pages are kept by their token, so that nothing is searched again.
            email = call.query.get("email", "" if "nextPageToken" in call.query else None)
            return self._world.reader.query(self._store.all_visible(email), call.query, collection, call.url)

    def read(self, call: Call) -> Response:
        call.require("view")
        with self._world.lock:
            record = self._store.visible(call.id)
            if record is None:
                raise ApiError("109")
            return self._world.reader.single(record, call.query, self._collection())

    def create(self, call: Call) -> Response:
        call.require("create")
        check_asked(call.query.get("fields"), self._collection())
        values = self._rules.checked(call.body, call.user)
        self._require_email(values)
        with self._world.keys.held([email_key(values["email"])]):
            call.wait()
            with self._world.lock:
                record = self._store.create(values, call.user)
                location = {"Location": f"{call.url}/{record['id']}?fields={call.query.get('fields', '')}"}
                return self._answer(call, record, call.query.get("fields"), 201, location)

    def update(self, call: Call) -> Response:
        call.require("create")
        check_asked(call.query.get("fields"), self._collection())
        values = self._rules.checked(call.body, call.user)
        with self._world.lock:
            self._existing(call.id)
        keys = [id_key(call.id), *([email_key(values["email"])] if "email" in values else [])]
        with self._world.keys.held(keys):
            call.wait()
            with self._world.lock:
                record = self._existing(call.id)
                if record["isDeleted"]:
                    raise ApiError("219")
                self._store.update(record, values, call.user)
                return self._answer(call, record, call.query.get("fields"), 200)

    def delete(self, call: Call) -> Response:
        call.require("delete")
        with self._world.keys.held([id_key(call.id)]):
            call.wait()
            with self._world.lock:
                record = self._existing(call.id)
                if record["isDeleted"]:
                    raise ApiError("109", headers=RECYCLED)
                self._store.recycle(record)
        return Response(204)

    def undelete(self, call: Call) -> Response:
        """Restores by id, or by email the recycled one with the latest activity."""
        call.require("delete")
        check_asked(call.query.get("fields"), self._collection())
        with self._world.lock:
            target = self._recycled(call.body)
        with self._world.keys.held([id_key(target["id"])]):
            call.wait()
            with self._world.lock:
                self._store.update(target, {}, call.user, restore=True)
                return self._answer(call, target, call.query.get("fields"), 200)

    def upsert(self, call: Call) -> Response:
        """Find by address, then write."""
        call.require("create")
        fields = call.body.get("fields")
        names = ",".join(map(str, fields)) if isinstance(fields, list) else call.query.get("fields")
        check_asked(names, self._collection())
        given = call.body.get("prospect")
        if not isinstance(given, Mapping):
            raise ApiError("153", "prospect")
        if "matchEmail" not in call.body and self._switches["match_email_missing"] == "reject":
            raise ApiError("153", "matchEmail")
        email = self._rules.email(call.body.get("matchEmail", given.get("email")))
        values = self._rules.checked(given, call.user)
        with self._world.lock:
            target = self._match(email, call.body.get("secondaryDeletedSearch"))
        keys = {email_key(email), email_key(values.get("email", email))}
        with self._world.keys.held(keys if target is None else keys | {id_key(target)}):
            call.wait()
            with self._world.lock:
                return self._upserted(call, target, values, names)

    def _upserted(self, call: Call, target: int | None, values: Mapping[str, Any], names: str | None) -> Response:
        if target is None:
            self._require_email(values)
            record = self._store.create(values, call.user)
            status = int(self._switches["upsert_create_status"])
        else:
            record, status = self._store.records[target], 200
            self._store.update(record, values, call.user, restore=record["isDeleted"])
        bare = str(self._switches["upsert_without_fields"])
        if not names and bare != "nothing":
            return Response(status, {} if bare == "empty" else {"id": record["id"]})
        return self._answer(call, record, names, status)

    def _match(self, email: str, recycled_too: Any) -> int | None:
        """Whom an upsert writes to; recycled prospects count where nobody active has the address."""
        lagged = self._switches["upsert_reads"] == "lagged"
        if recycled_too is None:
            recycled_too = self._switches["deleted_search_default"]
        found = self._store.latest(self._store.sharers(email, lagged=lagged))
        if found is None and (recycled_too or not self._switches["allow_multiple_prospects"]):
            found = self._store.latest(self._store.sharers(email, deleted=True, lagged=lagged))
        return None if found is None else int(found["id"])

    def _recycled(self, asked: Mapping[str, Any]) -> Record:
        """The prospect that is to be restored. Raises ApiError where it is not in the recycle bin."""
        if "id" in asked:
            record = self._store.records.get(number(asked["id"], "3"))
        else:
            record = self._store.latest(self._store.sharers(str(asked.get("email", "")), deleted=True))
        if record is None or not record["isDeleted"]:
            raise ApiError("109")
        return record

    def _existing(self, prospect_id: int) -> Record:
        record = self._store.records.get(prospect_id)
        if record is None:
            raise ApiError("109")
        return record

    @staticmethod
    def _require_email(values: Mapping[str, Any]) -> None:
        if not values.get("email"):
            raise ApiError("153", "email")

    def _answer(
        self, call: Call, record: Record, fields: str | None, status: int, headers: Mapping[str, str] | None = None
    ) -> Response:
        """The asked fields; 204 where none are asked for or the user may write but not read."""
        if not fields or "view" not in call.user.abilities:
            return Response(204, headers=headers or {})
        collection = self._collection()
        body = self._world.reader.projected(record, asked_fields(fields, collection), collection)
        return Response(status, body, headers or {})

    def _collection(self, *, querying: bool = False) -> Collection:
        """What can be asked; a query leaves out (or, by the switch, refuses) fields with several values."""
        email = "text" if self._switches["email_case_sensitive"] else "caseless"

        def readable(name: str) -> bool:
            if querying and self._switches["several_values"] == "reject" and self._has_several(name):
                return False
            head, _, tail = name.partition(".")
            return tail in _OBJECTS[head][1] if head in _OBJECTS else self._unit.rule(name) is not None

        def get(record: Mapping[str, Any], name: str) -> Any:
            head, _, tail = name.partition(".")
            if tail:
                return self._linked(head, record).get(tail)
            return None if querying and self._has_several(name) else record.get(name)

        return Collection(readable, get, {**_FILTERS, "email": email}, _ORDER, frozenset({"userId"}))

    def _has_several(self, name: str) -> bool:
        custom = self._unit.custom_fields.get(name)
        return custom is not None and has_several(custom)

    def _linked(self, head: str, record: Mapping[str, Any]) -> Mapping[str, Any]:
        linked = record.get(_OBJECTS[head][0])
        if head == "campaign":
            return self._unit.campaigns.get(linked or 0, {})
        user = self._unit.users.get(linked or 0)
        return {"id": user.id, "email": user.email} if user else {}
