"""The sandbox's static lists.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/list-membership
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine_marketo.sandbox_calls import ApiError, Call, Row
from engine_marketo.sandbox_leads import is_visible, projected, projection
from engine_marketo.sandbox_world import World

_CREATED = "2026-01-05T10:00:00Z"


def add(world: World, call: Call) -> Row:
    """Put leads on a list; one that is on it is added again."""

    def added(members: dict[int, None], lead_id: int) -> Row:
        members[lead_id] = None
        return {"id": lead_id, "status": "added"}

    return _each(world, call, added)


def remove(world: World, call: Call) -> Row:
    def removed(members: dict[int, None], lead_id: int) -> Row:
        if lead_id not in members:
            return _refused(lead_id, "1015", "Lead not in list")
        del members[lead_id]
        return {"id": lead_id, "status": "removed"}

    return _each(world, call, removed)


def is_member(world: World, call: Call) -> Row:
    return _each(
        world,
        call,
        lambda members, lead_id: {"id": lead_id, "status": "memberof" if lead_id in members else "notmemberof"},
    )


def _each(world: World, call: Call, answer: Callable[[dict[int, None], int], Row]) -> Row:
    """Answer for each lead of the call that the list's workspace sees."""
    ids = call.lead_ids()
    with world.lock:
        row = static_list(world, call.id)
        sees = workspace_sees(world, row)
        rows = []
        for given in ids:
            lead_id = world.find(given, call.sees)
            if lead_id is None or not world.is_seen(lead_id, sees):
                rows.append(_refused(given, "1004", "Lead not found"))
            else:
                rows.append(answer(world.listed[call.id], lead_id))
    return {"result": rows}


def _refused(given: Any, code: str, message: str) -> Row:
    """Unlike those of other calls, the skipped rows of lists carry the id."""
    return {"id": given, "status": "skipped", "reasons": [{"code": code, "message": message}]}


def workspace_sees(world: World, row: Row) -> frozenset[int] | None:
    """The partitions that a list's workspace sees, by the seed; all where it says nothing of the workspace."""
    return world.partition_ids(world.seed.get("workspaces", {}).get(row.get("workspace", "Default")))


def static_list(world: World, list_id: int) -> Row:
    """The list with an id. Raises 1013 where there is none."""
    if list_id not in world.lists:
        raise ApiError("1013", "List not found")
    return world.lists[list_id]


def lists(world: World, call: Call) -> Row:
    """The lists, narrowed by id, name or workspaceName, in pages."""
    ids, names, spaces = call.request.query_list("id"), call.listed("name"), call.listed("workspaceName")
    wanted = {part for text in ids for part in text.split(",")}
    with world.lock:
        rows = [_row(row) for row in world.lists.values()]
    found = [
        row
        for row in rows
        if (not wanted or str(row["id"]) in wanted)
        and (not names or row["name"] in names)
        and (not spaces or row["workspaceName"] in spaces)
    ]
    page, answer = call.page(found)
    return {"result": list(page), **answer}


def one(world: World, call: Call) -> Row:
    with world.lock:
        return {"result": [_row(static_list(world, call.id))]}


def leads(world: World, call: Call) -> Row:
    """The leads of a list, in pages."""
    names = projection(world, call)
    with world.lock:
        static_list(world, call.id)
        ids = [lead_id for lead_id in sorted(world.listed[call.id]) if is_visible(world, lead_id, call)]
        page, answer = call.page(ids)
        return {"result": [projected(world, world.leads[lead_id], names) for lead_id in page], **answer}


def _row(row: Row) -> Row:
    return {
        "id": int(row["id"]),
        "name": row["name"],
        "description": row.get("description", ""),
        "programName": row.get("program", ""),
        "workspaceName": str(row.get("workspace", "Default")),
        "createdAt": _CREATED,
        "updatedAt": _CREATED,
    }
