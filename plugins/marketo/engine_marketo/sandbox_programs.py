"""The sandbox's programs, channels and folders.

Sources: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/assets/programs, …/rest/assets/channels,
…/rest/assets/folders
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine_marketo.sandbox_calls import ApiError, Call, Row
from engine_marketo.sandbox_world import World

#: Asset times end in a form that standard parsers refuse.
_CREATED = "2026-01-05T10:00:00Z+0000"
_MOST = 200
_OUTSIDE: Row = {"name": "Not in Program", "step": 0}


def program(world: World, call: Call) -> Row:
    with world.lock:
        found = world.programs.get(call.id)
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


def folder(world: World, call: Call) -> Row:
    """A folder; that its programs are archived is a trait of it, and changes nothing else about them."""
    with world.lock:
        found = world.folders.get(call.id) if call.params.get("type", "Folder") == "Folder" else None
        return _assets(world, [] if found is None else [_folder_row(call.id, found)])


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
        "folder": {"type": "Folder", "value": row["folder_id"], "folderName": row["folder"]},
        "status": "",
        "workspace": workspace,
        "tags": [],
        "costs": None,
        "headStart": False,
    }


def _folder_row(folder_id: int, row: Row) -> Row:
    return {
        "id": folder_id,
        "name": row["name"],
        "description": "",
        "createdAt": _CREATED,
        "updatedAt": _CREATED,
        "url": f"https://app.example.com/#MF{folder_id}A1",
        "folderId": {"id": folder_id, "type": "Folder"},
        "folderType": "Marketing Folder",
        "parent": {"id": 1, "type": "Folder"},
        "path": f"/Marketing Activities/{row['name']}",
        "isArchive": row["archived"],
        "isSystem": False,
        "workspace": "Default",
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


# What calls about members need of a program -------------------------------------------------------------------------


def program_id(world: World, call: Call) -> int:
    """The program in the path. Raises ApiError where there is none."""
    if call.id not in world.programs:
        raise unknown_program(world)
    return call.id


def unknown_program(world: World) -> ApiError:
    return ApiError("702" if world.switches["unknown_program"] == "702" else "1013", "Program not found")


def checked_status(world: World, program_id: int, status: object) -> None:
    """Raise 1025 where members of the program cannot have a status."""
    if status not in world.steps(program_id):
        raise ApiError("1025", "Program status not found")
