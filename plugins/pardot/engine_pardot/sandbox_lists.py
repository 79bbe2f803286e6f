"""The sandbox's lists and their members.

Source: developer.salesforce.com/docs/marketing/pardot/guide/list-v5, …/list-membership-v5
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.testing.server import Response
from engine_pardot.sandbox_calls import Call, World, number
from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_history import History, Record
from engine_pardot.sandbox_query import asked_fields, check_asked, plain
from engine_pardot.sandbox_seed import User

_MADE = "id createdAt updatedAt createdById updatedById"
_LISTS = plain(
    f"{_MADE} name description title isPublic isSalesforceVisible folderId campaignId isDynamic isDeleted",
    {"id": "integer", "name": "text", "createdAt": "time", "updatedAt": "time"},
    ("id", "name", "createdAt", "updatedAt"),
)
_MEMBERSHIPS = plain(
    f"{_MADE} listId prospectId optedOut isDeleted",
    {"id": "integer", "listId": "integer", "prospectId": "integer", "createdAt": "time", "updatedAt": "time"},
    ("id", "listId", "createdAt", "updatedAt"),
)
_FIRST_ID = 30_061_734
_ID_STEP = 2
_WRITABLE = frozenset({"listId", "prospectId", "optedOut"})


class Lists:
    """Answers what concerns lists, and keeps their members."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._switches = world.switches
        self._members: dict[int, Record] = {}
        self._by_pair: dict[tuple[int, int], int] = {}
        #: The memberships that a prospect has or ever had.
        self._of_prospect: dict[int, list[int]] = {}
        self._history = History(world.now, world.lag)
        self._next_id = _FIRST_ID

    def rows(self) -> list[Record]:
        """Every membership."""
        return [dict(record) for record in self._members.values()]

    def query(self, call: Call) -> Response:
        call.require("view")
        with self._world.lock:
            return self._world.reader.query(self._world.unit.lists.values(), call.query, _LISTS, call.url)

    def read(self, call: Call) -> Response:
        call.require("view")
        with self._world.lock:
            if call.id not in self._world.unit.lists:
                raise ApiError("109")
            return self._world.reader.single(self._world.unit.lists[call.id], call.query, _LISTS)

    # Memberships ------------------------------------------------------------------------------------------------

    def query_memberships(self, call: Call) -> Response:
        """The memberships of prospects that are not in the recycle bin."""
        call.require("view")
        with self._world.lock:
            of = call.query.get("prospectId", "")
            ids = self._of_prospect.get(int(of), []) if of.isdecimal() else range(_FIRST_ID, self._next_id, _ID_STEP)
            seen = (self._history.seen(each, self._members.get(each)) for each in ids)
            live = [record for record in seen if record is not None and self._is_live(record["prospectId"])]
            return self._world.reader.query(live, call.query, _MEMBERSHIPS, call.url)

    def read_membership(self, call: Call) -> Response:
        call.require("view")
        with self._world.lock:
            record = self._history.seen(call.id, self._members.get(call.id))
            if record is None:
                raise ApiError("109")
            return self._world.reader.single(record, call.query, _MEMBERSHIPS)

    def create_membership(self, call: Call) -> Response:
        call.require("lists")
        check_asked(call.query.get("fields"), _MEMBERSHIPS)
        values = _checked(call.body)
        for name in ("listId", "prospectId"):
            if values.get(name) is None:
                raise ApiError("153", name)
        with self._world.lock:
            self.check_list(values["listId"])
            if not self._is_live(values["prospectId"]):
                raise ApiError(str(self._switches["unknown_member"]))
        call.wait()
        with self._world.lock:
            present = self.membership(values["listId"], values["prospectId"])
            if present is not None and self._switches["repeated_member"] != "accept":
                raise ApiError(str(self._switches["repeated_member"]))
            record = present or self.add(values["listId"], values["prospectId"], call.user)
            if "optedOut" in values:
                record["optedOut"] = values["optedOut"]
            return self._answer(call, record, 201, {"Location": f"{call.url}/{record['id']}"})

    def update_membership(self, call: Call) -> Response:
        """Changes whether the person has opted out of the list; list and prospect stay."""
        call.require("lists")
        check_asked(call.query.get("fields"), _MEMBERSHIPS)
        values = _checked(call.body)
        if set(values) - {"optedOut"}:
            raise ApiError("180", ", ".join(sorted(set(values) - {"optedOut"})))
        call.wait()
        with self._world.lock:
            record = self._existing(call.id)
            self._history.remember(call.id, record)
            record.update(values, updatedAt=self._stamp(), updatedById=call.user.id)
            return self._answer(call, record, 200)

    def delete_membership(self, call: Call) -> Response:
        call.require("lists")
        call.wait()
        with self._world.lock:
            self._remove(self._existing(call.id))
        return Response(204)

    # What imports do as well ------------------------------------------------------------------------------------

    def check_list(self, list_id: int) -> None:
        """Raises ApiError where the list is not there, is deleted, or takes its members by a rule."""
        record = self._world.unit.lists.get(list_id)
        if record is None or record["isDeleted"]:
            raise ApiError(str(self._switches["unknown_list"]))
        if record["isDynamic"] and self._switches["dynamic_list"] != "accept":
            raise ApiError(str(self._switches["dynamic_list"]), "dynamic list")

    def membership(self, list_id: int, prospect_id: int) -> Record | None:
        found = self._by_pair.get((list_id, prospect_id))
        return None if found is None else self._members[found]

    def add(self, list_id: int, prospect_id: int, user: User) -> Record:
        """Put a prospect on a list, where it stays if it is there already."""
        present = self.membership(list_id, prospect_id)
        if present is not None:
            return present
        membership_id, self._next_id = self._next_id, self._next_id + _ID_STEP
        stamp = self._stamp()
        record = {
            "id": membership_id,
            "listId": list_id,
            "prospectId": prospect_id,
            "optedOut": False,
            "isDeleted": False,
            "createdAt": stamp,
            "updatedAt": stamp,
            "createdById": user.id,
            "updatedById": user.id,
        }
        self._history.remember(membership_id, None)
        self._members[membership_id] = record
        self._by_pair[list_id, prospect_id] = membership_id
        self._of_prospect.setdefault(prospect_id, []).append(membership_id)
        return record

    def remove(self, list_id: int, prospect_id: int) -> None:
        """Take a prospect off a list, if it is there."""
        present = self.membership(list_id, prospect_id)
        if present is not None:
            self._remove(present)

    def _remove(self, record: Record) -> None:
        self._history.remember(record["id"], record)
        del self._members[record["id"]]
        del self._by_pair[record["listId"], record["prospectId"]]

    def _existing(self, membership_id: int) -> Record:
        if membership_id not in self._members:
            raise ApiError("109")
        return self._members[membership_id]

    def _is_live(self, prospect_id: int) -> bool:
        record = self._world.store.records.get(prospect_id)
        return record is not None and not record["isDeleted"]

    def _stamp(self) -> str:
        return self._world.unit.stamp(self._world.now())

    def _answer(self, call: Call, record: Record, status: int, headers: Mapping[str, str] | None = None) -> Response:
        fields = call.query.get("fields")
        if not fields or "view" not in call.user.abilities:
            return Response(204, headers=headers or {})
        body = self._world.reader.projected(record, asked_fields(fields, _MEMBERSHIPS), _MEMBERSHIPS)
        return Response(status, body, headers or {})


def _checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a membership. Raises ApiError for other properties and for values of another kind."""
    unknown = sorted(set(body) - _WRITABLE)
    if unknown:
        raise ApiError("180", ", ".join(unknown))
    values = {name: number(body[name], "154") for name in ("listId", "prospectId") if body.get(name) is not None}
    if "optedOut" not in body:
        return values
    if not isinstance(body["optedOut"], bool):
        raise ApiError("154", "optedOut")
    return {**values, "optedOut": body["optedOut"]}
