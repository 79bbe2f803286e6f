"""The sandbox's lead database: sync, push, read, delete, merge, associate and partitions.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine_marketo.sandbox_calls import ApiError, Call, Row, skipped
from engine_marketo.sandbox_programs import checked_status, unknown_program
from engine_marketo.sandbox_upsert import Upsert, partition_named, require_lookup_field
from engine_marketo.sandbox_world import PARTITION, World, email_key

#: What a read returns where no fields are named, in the order in which Marketo does.
DEFAULT_PROJECTION = ("id", "firstName", "lastName", "email", "updatedAt", "createdAt")
_ACTIONS = frozenset({"createOrUpdate", "createOnly", "updateOnly", "createDuplicate"})
_MOST_MATCHES = 1000
#: Since 2026-03-31; more are refused by 1080.
_MOST_LOSERS = 25


def sync(world: World, call: Call) -> Row:
    """Create and update leads."""
    body, records = call.records()
    action, lookup = body.get("action", "createOrUpdate"), body.get("lookupField", "email")
    if action not in _ACTIONS:
        raise ApiError("1003", f"Invalid value for action: '{action}'")
    require_lookup_field(world, lookup)
    try:
        partition = partition_named(world, call, body.get("partitionName"), action)
    except ApiError as error:
        if error.code != "1008" or world.switches["partition_denied"] == "response":
            raise
        return {"result": [skipped(error.code, error.message) for _ in records]}
    rows = Upsert(world, action, lookup, sees=call.sees, partition=partition).run(records, call.wait)
    if body.get("asyncProcessing") and world.switches["async_processing"] == "empty":
        return {"result": []}
    return {"result": rows}


def push(world: World, call: Call) -> Row:
    """Create and update leads and, where a status is given, put them in the program that is named."""
    body, records = call.records()
    name, status, lookup = body.get("programName"), body.get("programStatus"), body.get("lookupField", "email")
    if not name:
        raise ApiError("1002", "Required parameter missing: programName")
    require_lookup_field(world, lookup)
    partition = partition_named(world, call, body.get("partitionName"), "createOrUpdate")
    with world.lock:
        program_id = next((number for number, row in world.programs.items() if row["name"] == name), None)
        if program_id is None:
            raise unknown_program(world)
        if status:
            checked_status(world, program_id, status)
    rows = Upsert(world, "createOrUpdate", lookup, sees=call.sees, partition=partition).run(records, call.wait)
    with world.lock:
        for row in rows:
            if status and row.get("id") in world.leads:
                world.join(program_id, row["id"], str(status))
            if "reasons" in row and world.switches["push_failure"] == "no_status":
                del row["status"]
    return {"warnings": [], "result": rows}


# Reading ------------------------------------------------------------------------------------------------------------


def read_by_filter(world: World, call: Call) -> Row:
    """The leads with one of the values, by id, in pages of at most 300 and 1,000 in all."""
    name, values = call.params.get("filterType", ""), call.filter_values()
    require_lookup_field(world, name)
    names = projection(world, call)
    with world.lock:
        ids = sorted(lead_id for lead_id in _filtered(world, name, values) if is_visible(world, lead_id, call))
        if len(ids) > _MOST_MATCHES:
            raise ApiError("1003", "Too many results match the filter")
        page, answer = call.page(ids)
        return {"result": [projected(world, world.leads[lead_id], names) for lead_id in page], **answer}


def read_one(world: World, call: Call) -> Row:
    names = projection(world, call)
    with world.lock:
        return {"result": [projected(world, world.lead(call.id, call.sees), names)]}


def _filtered(world: World, name: str, values: Sequence[str]) -> set[int]:
    if name == "email":
        return {lead_id for value in values for lead_id in world.with_email(value)}
    if name == "id":
        found = (world.find(int(value)) for value in values if value.isdecimal())
        return {lead_id for lead_id in found if lead_id is not None}
    wanted = {email_key(value) for value in values}
    known = name in world.fields
    return {
        lead_id
        for lead_id, lead in world.leads.items()
        if (value := world.value(lead, name) if known else lead.get(name)) is not None
        and email_key(str(value)) in wanted
    }


def is_visible(world: World, lead_id: int, call: Call) -> bool:
    """Whether a client finds a lead: it sees its partition, and the lead is no longer too new."""
    return world.hidden_until.get(lead_id, 0.0) <= world.now() and world.is_seen(lead_id, call.sees)


def projection(world: World, call: Call) -> Sequence[str]:
    """The names of the fields that a read asks for. Raises ApiError for an unknown one."""
    names = call.listed("fields")
    for name in names:
        if name not in world.fields:
            raise ApiError("1006", f"Field '{name}' not found")
    return ("id", *(name for name in names if name != "id")) if names else DEFAULT_PROJECTION


def projected(world: World, lead: Row, names: Sequence[str]) -> Row:
    row = {name: world.value(lead, name) for name in names}
    if world.switches["null_projection"] == "omit":
        return {name: value for name, value in row.items() if value is not None}
    return row


# Other writes -------------------------------------------------------------------------------------------------------


def delete(world: World, call: Call) -> Row:
    _, records = call.records()
    with world.lock:
        return {"result": [_deleted(world, call, record) for record in records]}


def _deleted(world: World, call: Call, record: Any) -> Row:
    lead_id = world.find(record.get("id") if isinstance(record, dict) else None, call.sees)
    if lead_id is None or not world.delete(lead_id):
        return skipped("1004", "Lead not found")
    return {"id": lead_id, "status": "deleted"}


def merge(world: World, call: Call) -> Row:
    """Merge the leads named in the query, and only there, into that of the path."""
    query = call.request.query
    ids = [text for text in f"{query.get('leadIds', '')},{query.get('leadId', '')}".split(",") if text.strip()]
    if not ids or not all(text.strip().isdecimal() for text in ids):
        raise ApiError("1003", "leadIds not specified")
    if len(ids) > _MOST_LOSERS:
        raise ApiError("1080", f"Too many leads to merge: at most {_MOST_LOSERS} are allowed")
    with world.lock:
        winner = int(world.lead(call.id, call.sees)["id"])
        losers = dict.fromkeys(int(world.lead(int(text), call.sees)["id"]) for text in ids)
        if winner in losers:
            raise ApiError("1003", "A lead cannot be merged with itself")
        for loser in losers:
            world.merge(winner, loser)
    return {}


def associate(world: World, call: Call) -> Row:
    """Tie the web activity of a browser to a lead; only the cookie's form is checked, as there is no activity."""
    cookie = call.params.get("cookie", "")
    if not (cookie.startswith("id:") and "&token:" in cookie):
        raise ApiError("1012", "Invalid cookie value")
    with world.lock:
        world.lead(call.id, call.sees)
    return {}


def partitions(world: World, call: Call) -> Row:
    """The partitions that the client may see."""
    with world.lock:
        seen = [row for row in world.partitions.values() if call.sees is None or row["id"] in call.sees]
        return {"result": [{name: row[name] for name in ("id", "name", "description") if name in row} for row in seen]}


def move(world: World, call: Call) -> Row:
    """Put leads in another partition."""
    _, records = call.records()
    with world.lock:
        return {"result": [_moved(world, call, record) for record in records]}


def _moved(world: World, call: Call, record: Any) -> Row:
    given = record if isinstance(record, dict) else {}
    lead_id, target = world.find(given.get("id"), call.sees), world.partitions.get(str(given.get("partitionName")))
    if lead_id is None:
        return skipped("1004", "Lead not found")
    if target is None or (call.sees is not None and target["id"] not in call.sees):
        return skipped("1008", "Partition access denied")
    world.update(lead_id, {PARTITION: target["id"]})
    return {"id": lead_id, "status": "updated"}
