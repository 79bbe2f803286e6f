"""The sandbox's programs, channels and program members.

Sources: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/assets/programs, …/rest/assets/channels,
…/rest/lead-database/program-members
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from engine_marketo.sandbox_world import ApiError, Call, Row, World, skipped

#: Asset times end in a form that standard parsers refuse.
_CREATED = "2026-01-05T10:00:00Z+0000"
_MOST = 200
_OUTSIDE: Row = {"name": "Not in Program", "step": 0}


def program(world: World, call: Call) -> Row:
    with world.lock:
        found = world.programs.get(int(call.parts["id"]))
        return _assets(world, [] if found is None else [_program_row(found)])


def program_by_name(world: World, call: Call) -> Row:
    name = call.params.get("name")
    with world.lock:
        return _assets(world, [_program_row(row) for row in world.programs.values() if row["name"] == name])


def programs(world: World, call: Call) -> Row:
    with world.lock:
        return _assets(world, [_program_row(row) for row in _browsed(world.programs.values(), call)])


def channel_by_name(world: World, call: Call) -> Row:
    name = call.params.get("name")
    with world.lock:
        return _assets(world, [_channel_row(row) for row in world.channels.values() if row["name"] == name])


def channels(world: World, call: Call) -> Row:
    with world.lock:
        return _assets(world, [_channel_row(row) for row in _browsed(world.channels.values(), call)])


def _browsed(rows: Iterable[Row], call: Call) -> Sequence[Row]:
    start, most = _whole(call.params.get("offset"), 0), min(_whole(call.params.get("maxReturn"), 20), _MOST)
    return list(rows)[start : start + most]


def _whole(given: str | None, default: int) -> int:
    return int(given) if given and given.isdigit() else default


def _assets(world: World, rows: list[Row]) -> Row:
    """An asset answer; with nothing found it is still a success, but has a warning and no result."""
    if rows:
        return {"warnings": [], "result": rows}
    if world.switches["asset_missing"] == "702":
        raise ApiError("702", "No data found")
    return {"warnings": ["No assets found for the given search criteria."]}


def _program_row(row: Row) -> Row:
    workspace = str(row.get("workspace", "Default"))
    return {
        "id": int(row["id"]),
        "name": row["name"],
        "description": row.get("description", ""),
        "createdAt": _CREATED,
        "updatedAt": _CREATED,
        "url": f"https://app.example.com/#ME{row['id']}A1",
        "type": row.get("type", "Event"),
        "channel": row.get("channel", ""),
        "folder": {"type": "Folder", "value": 1910, "folderName": row.get("folder", "Events")},
        "status": "",
        "workspace": workspace,
        "tags": [],
        "costs": None,
        "headStart": False,
    }


def _channel_row(row: Row) -> Row:
    statuses = [_OUTSIDE, *row.get("statuses", ())]
    return {
        "id": row["id"],
        "name": row["name"],
        "applicableProgramType": "event",
        "progressionStatuses": [_status_row(status) for status in statuses],
        "createdAt": _CREATED,
        "updatedAt": _CREATED,
    }


def _status_row(status: Row) -> Row:
    return {
        "name": status["name"],
        "step": int(status["step"]),
        "description": None,
        "hidden": bool(status.get("hidden")),
        "success": bool(status.get("success")),
    }


# Members ------------------------------------------------------------------------------------------------------------


def set_status(world: World, call: Call) -> Row:
    """Give leads a status in a program; a status only moves forward."""
    body, records = call.records()
    status = str(body.get("statusName") or "")
    with world.lock:
        program_id = _program_id(world, call)
        if status not in world.steps(program_id):
            if world.switches["unknown_status"] == "response":
                raise ApiError("1025", "Program status not found")
            rows = [skipped("1025", "Program status not found") for _ in records]
        else:
            rows = [_member(world, program_id, status, record) for record in records]
    return {"result": [{"seq": seq, **row} for seq, row in enumerate(rows)]}


def read_members(world: World, call: Call) -> Row:
    """The memberships of the leads named by `filterType=leadId`."""
    if call.params.get("filterType") != "leadId":
        raise ApiError("1003", "Only filterType leadId is supported here")
    ids = [value for value in call.params.get("filterValues", "").split(",") if value.isdigit()]
    wanted = [name for name in call.params.get("fields", "").split(",") if name]
    with world.lock:
        program_id = _program_id(world, call)
        members = world.members.get(program_id, {})
        found = [int(lead_id) for lead_id in ids if int(lead_id) in members]
        rows = [member_row(world, program_id, lead_id, members[lead_id]) for lead_id in found]
    named = ["leadId", "programId", "reachedSuccess", "acquiredBy", "membershipDate", *wanted]
    rows = [{name: row.get(name) for name in dict.fromkeys(named)} for row in rows]
    return {"result": [{"seq": seq, **row} for seq, row in enumerate(rows)]}


def member_row(world: World, program_id: int, lead_id: int, member: Row) -> Row:
    """A membership with all that is known of it."""
    statuses = world.channels.get(world.programs[program_id].get("channel", ""), {}).get("statuses", ())
    success = {status["name"] for status in statuses if status.get("success")}
    return {
        "leadId": lead_id,
        "programId": program_id,
        "program": world.programs[program_id]["name"],
        "statusName": member["statusName"],
        "reachedSuccess": member["statusName"] in success,
        "acquiredBy": False,
        "membershipDate": member["membershipDate"],
    }


def _program_id(world: World, call: Call) -> int:
    program_id = int(call.parts["id"])
    if program_id not in world.programs:
        if world.switches["unknown_program"] == "702":
            raise ApiError("702", "Program not found")
        raise ApiError("1013", "Program not found")
    return program_id


def _member(world: World, program_id: int, status: str, record: Any) -> Row:
    lead_id = record.get("leadId") if isinstance(record, dict) else None
    if not isinstance(lead_id, int) or lead_id not in world.leads:
        return skipped("1004", "Lead not found")
    done = world.join(program_id, lead_id, status)
    if done == "skipped":
        return skipped("1037", "Lead skipped because it is already in or past this status")
    return {"status": done, "leadId": lead_id}
