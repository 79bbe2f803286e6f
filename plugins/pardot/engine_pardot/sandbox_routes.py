"""The paths of the sandbox's API and what answers each.

Source: developer.salesforce.com/docs/marketing/pardot/guide/version5overview
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.testing.server import Request, Response
from engine_pardot.sandbox_calls import Call
from engine_pardot.sandbox_catalogue import Catalogue
from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_import_files import json_object
from engine_pardot.sandbox_imports import Imports
from engine_pardot.sandbox_lists import Lists
from engine_pardot.sandbox_prospects import Prospects
from engine_pardot.sandbox_timing import LIST, READ, WRITE

BASE = "/api/v5/"
_ID = re.compile(r"/(\d{1,18})(?=/|$)")


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a method of a path.

    kind: whose time it takes. json: it has a body of that type. waits: the handler takes the call's time itself,
    between looking up and writing.
    """

    answer: Callable[[Call], Response]
    kind: str = READ
    json: bool = False
    waits: bool = False

    def body(self, request: Request) -> Mapping[str, Any]:
        """The JSON object of a request, {} where the route takes none. Raises ApiError 150, 151, 152."""
        if not self.json:
            return {}
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise ApiError("151")
        return json_object(request.body)


Routes = Mapping[str, Mapping[str, Route]]


def routes(prospects: Prospects, lists: Lists, catalogue: Catalogue, imports: Imports) -> Routes:
    """What there is: path below /api/v5/, with `*` for an id → method → route."""

    def write(answer: Callable[[Call], Response], kind: str = WRITE, *, json: bool = True) -> Route:
        return Route(answer, kind, json, waits=True)

    return {
        "objects/prospects": {"GET": Route(prospects.query), "POST": write(prospects.create)},
        "objects/prospects/*": {
            "GET": Route(prospects.read),
            "PATCH": write(prospects.update),
            "DELETE": write(prospects.delete, json=False),
        },
        "objects/prospects/do/undelete": {"POST": write(prospects.undelete)},
        "objects/prospects/do/upsertLatestByEmail": {"POST": write(prospects.upsert)},
        "objects/lists": {"GET": Route(lists.query)},
        "objects/lists/*": {"GET": Route(lists.read)},
        "objects/list-memberships": {
            "GET": Route(lists.query_memberships),
            "POST": write(lists.create_membership, LIST),
        },
        "objects/list-memberships/*": {
            "GET": Route(lists.read_membership),
            "PATCH": write(lists.update_membership, LIST),
            "DELETE": write(lists.delete_membership, LIST, json=False),
        },
        "objects/custom-fields": {"GET": Route(catalogue.custom_fields)},
        "objects/custom-fields/*": {
            "GET": Route(catalogue.custom_field),
            "DELETE": Route(catalogue.delete_custom_field),
        },
        "objects/campaigns": {"GET": Route(catalogue.campaigns)},
        "objects/campaigns/*": {"GET": Route(catalogue.campaign)},
        "objects/account": {"GET": Route(catalogue.account)},
        "imports": {"GET": Route(imports.query), "POST": Route(imports.create)},
        "imports/*": {"GET": Route(imports.read), "PATCH": Route(imports.update, json=True)},
        "imports/*/batches": {"POST": Route(imports.add_batch)},
        "imports/*/errors": {"GET": Route(imports.errors)},
        "imports/*/do/cancel": {"POST": Route(imports.cancel)},
    }


def find(there: Routes, method: str, path: str) -> tuple[Route, int]:
    """The route of a request and the id in its path, 0 where there is none.

    Raises ApiError 198 for another path, 205 for another action of records, 60 for another method.
    """
    below = path.removeprefix(BASE)
    with_id = _ID.search(below)
    methods = there.get(_ID.sub("/*", below, count=1)) if path.startswith(BASE) else None
    if methods is None:
        raise ApiError("205" if "/do/" in below else "198")
    if method not in methods:
        raise ApiError("60")
    return methods[method], int(with_id[1]) if with_id else 0


def collection(path: str) -> str:
    """The path of the collection that a request is for."""
    parts = path.removeprefix(BASE).split("/")
    return BASE + "/".join(parts[:2] if parts[0] == "objects" else parts[:1])
