"""The paths of the sandbox's API, what answers each, and the permission that it takes.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/endpoint-reference
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.testing.server import Response
from engine_marketo import (
    sandbox_leads,
    sandbox_lists,
    sandbox_members,
    sandbox_programs,
    sandbox_schema,
)
from engine_marketo.sandbox_calls import ApiError, Call, Row
from engine_marketo.sandbox_gates import Turnstile
from engine_marketo.sandbox_imports import Imports
from engine_marketo.sandbox_timing import LIST, READ, WRITE
from engine_marketo.sandbox_world import World


@dataclass(frozen=True, slots=True)
class Instance:
    """What answers calls."""

    world: World
    imports: Imports
    turnstile: Turnstile


Handler = Callable[[Instance, Call], Row | Response]


@dataclass(frozen=True, slots=True)
class Route:
    """`permissions`: one of them is needed; `kind`: whose time it takes ("" is none); `json`: a body of that type.

    `looks_first`: the handler takes the call's time itself, between looking leads up and writing them.
    """

    method: str
    path: re.Pattern[str]
    handler: Handler
    permissions: tuple[str, ...] = ()
    kind: str = ""
    json: bool = False
    looks_first: bool = False


def _route(
    method: str, path: str, handler: Handler, *permissions: str, kind: str = READ, json: bool = False,
    looks_first: bool = False,
) -> Route:  # fmt: skip
    pattern = re.escape(path).replace(r"\{id\}", r"(?P<id>\d{1,18})").replace(r"\{name\}", r"(?P<name>\w+)")
    return Route(method, re.compile(pattern), handler, permissions, kind, json, looks_first)


def _world(answer: Callable[[World, Call], Row]) -> Handler:
    return lambda instance, call: answer(instance.world, call)


def _get(path: str, answer: Callable[[World, Call], Row], *permissions: str) -> Route:
    return _route("GET", path, _world(answer), *permissions)


def _post(path: str, answer: Callable[[World, Call], Row], *, kind: str = WRITE, looks_first: bool = False) -> Route:
    return _route("POST", path, _world(answer), _WRITE_LEADS, kind=kind, json=True, looks_first=looks_first)


_LEADS, _WRITE_LEADS, _ASSETS = "Read-Only Lead", "Read-Write Lead", "Read-Only Assets"
_SCHEMA = (sandbox_schema.STANDARD_FIELDS, sandbox_schema.CUSTOM_FIELDS)
_LIST_LEADS = "/rest/v1/lists/{id}/leads.json"
_BATCH, _MEMBER_BATCH = "/bulk/v1/leads/batch/{id}", "/bulk/v1/program/members/import/{id}"

ROUTES = (
    # Leads
    _post("/rest/v1/leads.json", sandbox_leads.sync, looks_first=True),
    _get("/rest/v1/leads.json", sandbox_leads.read_by_filter, _LEADS),
    _post("/rest/v1/leads/push.json", sandbox_leads.push, looks_first=True),
    _route("DELETE", "/rest/v1/leads.json", _world(sandbox_leads.delete), _WRITE_LEADS, kind=WRITE, json=True),
    _post("/rest/v1/leads/delete.json", sandbox_leads.delete),
    _get("/rest/v1/lead/{id}.json", sandbox_leads.read_one, _LEADS),
    _route("POST", "/rest/v1/leads/{id}/merge.json", _world(sandbox_leads.merge), _WRITE_LEADS, kind=WRITE),
    _route("POST", "/rest/v1/leads/{id}/associate.json", _world(sandbox_leads.associate), _WRITE_LEADS, kind=WRITE),
    _get("/rest/v1/leads/partitions.json", sandbox_leads.partitions, _LEADS),
    _post("/rest/v1/leads/partitions.json", sandbox_leads.move),
    # Their fields
    _get("/rest/v1/leads/describe.json", sandbox_schema.describe, _LEADS),
    _get("/rest/v1/leads/describe2.json", sandbox_schema.describe2, _LEADS),
    _get("/rest/v1/leads/schema/fields.json", sandbox_schema.schema, *_SCHEMA),
    _get("/rest/v1/leads/schema/fields/{name}.json", sandbox_schema.schema_field, *_SCHEMA),
    # Program members
    _post("/rest/v1/programs/{id}/members/status.json", sandbox_members.set_status, kind=LIST),
    _post("/rest/v1/programs/{id}/members.json", sandbox_members.set_data, kind=LIST),
    _get("/rest/v1/programs/{id}/members.json", sandbox_members.read, _LEADS),
    _post("/rest/v1/programs/{id}/members/delete.json", sandbox_members.remove, kind=LIST),
    _get("/rest/v1/programs/members/describe.json", sandbox_members.describe, _LEADS),
    _post("/rest/v1/leads/programs/{id}/status.json", sandbox_members.set_legacy_status, kind=LIST),
    _get("/rest/v1/leads/programs/{id}.json", sandbox_members.read_leads, _LEADS),
    _get("/rest/v1/leads/{id}/programMembership.json", sandbox_members.read_memberships, _ASSETS),
    # Static lists
    _route("POST", _LIST_LEADS, _world(sandbox_lists.add), _WRITE_LEADS, kind=LIST),
    _route("DELETE", _LIST_LEADS, _world(sandbox_lists.remove), _WRITE_LEADS, kind=LIST),
    _get(_LIST_LEADS, sandbox_lists.leads, _LEADS),
    _get("/rest/v1/list/{id}/leads.json", sandbox_lists.leads, _LEADS),
    _get("/rest/v1/lists/{id}/leads/ismember.json", sandbox_lists.is_member, _LEADS),
    _get("/rest/v1/lists.json", sandbox_lists.lists, _LEADS),
    _get("/rest/v1/lists/{id}.json", sandbox_lists.one, _LEADS),
    # Assets
    _get("/rest/asset/v1/program/{id}.json", sandbox_programs.program, _ASSETS),
    _get("/rest/asset/v1/program/byName.json", sandbox_programs.program_by_name, _ASSETS),
    _get("/rest/asset/v1/programs.json", sandbox_programs.programs, _ASSETS),
    _get("/rest/asset/v1/channel/byName.json", sandbox_programs.channel_by_name, _ASSETS),
    _get("/rest/asset/v1/channels.json", sandbox_programs.channels, _ASSETS),
    _get("/rest/asset/v1/folder/{id}.json", sandbox_programs.folder, _ASSETS),
    # Imports
    _route("POST", "/bulk/v1/leads.json", lambda at, call: at.imports.create_leads(call), _WRITE_LEADS),
    _route("GET", f"{_BATCH}.json", lambda at, call: at.imports.status_of_leads(call), _WRITE_LEADS),
    _route("GET", f"{_BATCH}/failures.json", lambda at, call: at.imports.failures(call), _WRITE_LEADS),
    _route("GET", f"{_BATCH}/warnings.json", lambda at, call: at.imports.warnings(call), _WRITE_LEADS),
    _route("POST", "/bulk/v1/program/{id}/members/import.json", lambda at, call: at.imports.create_members(call),
           _WRITE_LEADS),
    _route("GET", f"{_MEMBER_BATCH}/status.json", lambda at, call: at.imports.status_of_members(call), _WRITE_LEADS),
    _route("GET", f"{_MEMBER_BATCH}/failures.json", lambda at, call: at.imports.failures(call), _WRITE_LEADS),
    _route("GET", f"{_MEMBER_BATCH}/warnings.json", lambda at, call: at.imports.warnings(call), _WRITE_LEADS),
    # Usage
    _route("GET", "/rest/v1/stats/usage.json", lambda at, _: {"result": at.turnstile.usage(1)}, kind=""),
    _route("GET", "/rest/v1/stats/usage/last7days.json", lambda at, _: {"result": at.turnstile.usage(7)}, kind=""),
    _route("GET", "/rest/v1/stats/errors.json", lambda at, _: {"result": at.turnstile.errors(1)}, kind=""),
    _route("GET", "/rest/v1/stats/errors/last7days.json", lambda at, _: {"result": at.turnstile.errors(7)}, kind=""),
)  # fmt: skip


def find(method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """The route of a request and the parts of its path. Raises 605 for a wrong method, 610 for a wrong path."""
    known = False
    for route in ROUTES:
        if match := route.path.fullmatch(path):
            if route.method == method:
                return route, match.groupdict()
            known = True
    if known:
        raise ApiError("605", f"Request method '{method}' not supported")
    raise ApiError("610", "Requested resource not found")
