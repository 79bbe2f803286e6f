"""The sandbox's program members: their status, their data, and the ways to read and remove them.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/program-members
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine_marketo.sandbox_calls import ApiError, Call, Row, numbered, skipped
from engine_marketo.sandbox_fields import Check, LeadField, checks
from engine_marketo.sandbox_leads import projected, projection
from engine_marketo.sandbox_programs import checked_status, program_id
from engine_marketo.sandbox_schema import described
from engine_marketo.sandbox_upsert import LOOKUP_TYPES
from engine_marketo.sandbox_world import World

_CREATED = "2026-01-05T10:00:00Z"
_DEFAULTS = ("leadId", "programId", "reachedSuccess", "acquiredBy", "membershipDate")
#: The fields that every member has; those below can be written, as release notes say and descriptions deny.
_STANDARD: Mapping[str, LeadField] = {
    name: LeadField(number, name, data_type, length, True, label)
    for number, (name, data_type, length, label) in enumerate(
        (
            ("leadId", "integer", None, "Lead Id"),
            ("programId", "integer", None, "Program Id"),
            ("program", "string", 255, "Program"),
            ("statusName", "string", 255, "Program Status"),
            ("statusReason", "string", 255, "Status Reason"),
            ("acquiredBy", "boolean", None, "Acquired By"),
            ("reachedSuccess", "boolean", None, "Reached Success"),
            ("membershipDate", "datetime", None, "Membership Date"),
        )
    )
}
_STANDARD_WRITABLE = ("acquiredBy", "statusReason")
_FILTERS = ("leadId", "statusName", "reachedSuccess", "acquiredBy")


def describe(world: World, call: Call) -> Row:
    custom = world.member_fields.values()
    fields = [described(field, updateable=_is_writable(world, field)) for field in (*_STANDARD.values(), *custom)]
    return {
        "result": [
            {
                "name": "API Program Membership",
                "description": "Map for API program membership fields",
                "createdAt": _CREATED,
                "updatedAt": _CREATED,
                "dedupeFields": ["leadId", "programId"],
                "searchableFields": [[name] for name in _searchable(world)],
                "fields": fields,
            }
        ]
    }


def _is_writable(world: World, field: LeadField) -> bool:
    if field.custom:
        return not field.read_only
    return field.name in _STANDARD_WRITABLE and world.switches["member_standard_fields"] == "updateable"


def _searchable(world: World) -> list[str]:
    return [*_FILTERS, *(name for name, field in world.member_fields.items() if field.data_type in LOOKUP_TYPES)]


# Writing ------------------------------------------------------------------------------------------------------------


def set_status(world: World, call: Call) -> Row:
    """Give leads a status in a program; a status only moves forward."""
    body, records = call.records()
    status = body.get("statusName")
    with world.lock:
        program = program_id(world, call)
        try:
            checked_status(world, program, status)
        except ApiError as error:
            if world.switches["unknown_status"] == "response":
                raise
            return numbered([skipped(error.code, error.message) for _ in records])
        return numbered([_joined(world, call, program, str(status), record) for record in records])


def _joined(world: World, call: Call, program: int, status: str, record: Any) -> Row:
    lead_id = world.find(_lead_id(record), call.sees)
    if lead_id is None:
        return skipped("1004", "Lead not found")
    done = world.join(program, lead_id, status)
    if done == "skipped":
        return skipped("1037", "Lead skipped because it is already in or past this status")
    return {"status": world.switches["member_created"] if done == "created" else done, "leadId": lead_id}


def set_legacy_status(world: World, call: Call) -> Row:
    """The superseded way to give leads a status, for members only where its description is right."""
    body, records = call.records()
    with world.lock:
        program = program_id(world, call)
        checked_status(world, program, body.get("status"))
        members = world.members.get(program, {})
        rows = []
        for record in records:
            lead_id = world.find(record.get("id") if isinstance(record, dict) else None, call.sees)
            if lead_id is not None and lead_id not in members and world.switches["legacy_status"] == "existing":
                rows.append(skipped("1013", "Membership not found"))
                continue
            row = _joined(world, call, program, str(body["status"]), {"leadId": lead_id})
            rows.append({"id": row.pop("leadId"), **row} if "leadId" in row else row)
    return {"result": rows}


def set_data(world: World, call: Call) -> Row:
    """Write fields of members; whoever is not one is not made one."""
    _, records = call.records()
    with world.lock:
        program, rules = program_id(world, call), member_checks(world)
        if world.switches["unknown_field"] == "response":
            known = {*_STANDARD, *world.member_fields}
            for name in (name for record in records if isinstance(record, dict) for name in record):
                if name not in known:
                    raise ApiError("1006", f"Field '{name}' not found")
        return numbered([_updated(world, call, program, rules, record) for record in records])


def member_checks(world: World) -> dict[str, Check]:
    """The checks of the member fields that can be written, by name."""
    found = checks(world.member_fields.values(), world.switches)
    if world.switches["member_standard_fields"] == "updateable":
        standard = (_STANDARD[name] for name in _STANDARD_WRITABLE)
        writable = [LeadField(each.id, each.name, each.data_type, each.length, False, each.label) for each in standard]
        found.update(checks(writable, world.switches))
    return found


def _updated(world: World, call: Call, program: int, rules: Mapping[str, Check], record: Any) -> Row:
    lead_id = world.find(_lead_id(record), call.sees)
    if lead_id is None:
        return skipped("1004", "Lead not found")
    member = world.members.get(program, {}).get(lead_id)
    if member is None:
        return skipped("1013", "Membership not found")
    values: Row = {}
    for name, value in record.items():
        if name == "leadId":
            continue
        if name not in rules:
            if name in _STANDARD or name in world.member_fields:
                if world.switches["read_only_write"] == "ignore":
                    continue
                return skipped("1003", f"Field '{name}' is read only")
            if world.switches["unknown_field"] == "ignore":
                continue
            return skipped("1006", f"Field '{name}' not found")
        try:
            values[name] = rules[name](value)
        except ValueError:
            code = str(world.switches["type_error_code"])
            return skipped(code, f"Invalid value for field '{name}' and value '{value}'")
    member["values"].update(values)
    return {"status": "updated", "leadId": lead_id}


def remove(world: World, call: Call) -> Row:
    """Take leads out of a program; 1037 means that one was not in it, which is another meaning than elsewhere."""
    _, records = call.records()
    with world.lock:
        program = program_id(world, call)
        return numbered([_removed(world, call, program, record) for record in records])


def _removed(world: World, call: Call, program: int, record: Any) -> Row:
    lead_id = world.find(_lead_id(record), call.sees)
    if lead_id is None:
        return skipped("1004", "Lead not found")
    if world.members.get(program, {}).pop(lead_id, None) is None:
        return skipped("1037", "Lead not in program")
    return {"status": "deleted", "leadId": lead_id}


def _lead_id(record: Any) -> Any:
    return record.get("leadId") if isinstance(record, dict) else None


# Reading ------------------------------------------------------------------------------------------------------------


def read(world: World, call: Call) -> Row:
    """The members of a program that have one of the values in a field, in pages."""
    name = call.params.get("filterType", "")
    if name not in _searchable(world):
        raise ApiError("1003", f"Invalid filterType '{name}'")
    values = {value.lower() for value in call.filter_values()}
    with world.lock:
        program = program_id(world, call)
        found = [
            row
            for lead_id in sorted(world.members.get(program, {}))
            if world.is_seen(lead_id, call.sees)
            and str((row := member_row(world, program, lead_id))[name]).lower() in values
        ]
    page, answer = call.page(found)
    names = dict.fromkeys((*_DEFAULTS, *call.listed("fields")))
    return {**numbered([{each: row.get(each) for each in names} for row in page]), **answer}


def read_leads(world: World, call: Call) -> Row:
    """The leads of a program, each with its `membership`, in pages."""
    names = projection(world, call)
    with world.lock:
        program = program_id(world, call)
        ids = [lead_id for lead_id in sorted(world.members.get(program, {})) if world.is_seen(lead_id, call.sees)]
        page, answer = call.page(ids)
        rows = [
            {**projected(world, world.leads[lead_id], names), "membership": _membership(world, program, lead_id)}
            for lead_id in page
        ]
    return {"result": rows, **answer}


def read_memberships(world: World, call: Call) -> Row:
    """The programs of one lead; only those named where there is a filter."""
    wanted = {int(text) for text in call.listed("filterValues") if text.isdecimal()}
    if "filterType" in call.params and call.params["filterType"] != "programId":
        raise ApiError("1003", f"Invalid filterType '{call.params['filterType']}'")
    with world.lock:
        lead_id = int(world.lead(call.id, call.sees)["id"])
        rows = [
            {
                "id": program,
                "name": world.programs[program]["name"],
                "channel": world.programs[program].get("channel", ""),
                "workspace": str(world.programs[program].get("workspace", "Default")),
                **_membership(world, program, lead_id),
            }
            for program, members in world.members.items()
            if lead_id in members and (not wanted or program in wanted)
        ]
    page, answer = call.page(rows)
    return {"result": list(page), **answer}


def _membership(world: World, program: int, lead_id: int) -> Row:
    row = member_row(world, program, lead_id)
    return {
        "progressionStatus": row["statusName"],
        "reachedSuccess": row["reachedSuccess"],
        "acquiredBy": row["acquiredBy"],
        "membershipDate": row["membershipDate"],
    }


def member_row(world: World, program: int, lead_id: int) -> Row:
    """A membership with all that is known of it, its data too."""
    member = world.members[program][lead_id]
    statuses = world.channels.get(world.programs[program].get("channel", ""), {}).get("statuses", ())
    success = {status["name"] for status in statuses if status.get("success")}
    return {
        "leadId": lead_id,
        "programId": program,
        "program": world.programs[program]["name"],
        "statusName": member["statusName"],
        "statusReason": None,
        "reachedSuccess": member["statusName"] in success,
        "acquiredBy": False,
        "membershipDate": member["membershipDate"],
        **dict.fromkeys(world.member_fields),
        **member["values"],
    }
