"""A local stand-in for a Marketo instance: `engine sandbox marketo`, or MarketoSandbox() in a test.

It answers as Marketo is documented or known to; what nobody has documented is a switch. See the README for the seed.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import orjson

from engine.testing.server import Fault, Request, Response, Sandbox
from engine_marketo.sandbox_calls import ApiError, Call, Row, skipped
from engine_marketo.sandbox_gates import Identity, Turnstile, passing, permissions_of, require
from engine_marketo.sandbox_imports import Imports
from engine_marketo.sandbox_members import member_row
from engine_marketo.sandbox_routes import Instance, Route, find
from engine_marketo.sandbox_switches import DEFAULT_SWITCHES
from engine_marketo.sandbox_timing import Latency
from engine_marketo.sandbox_world import World

_IDENTITY = "/identity/oauth/token"
#: Sizes above which the gateway refuses a request.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
_MAX_BODY, _MAX_IMPORT = 2**20, 10 * 2**20
_MAX_URI, _MAX_ASSET_URI = 8 * 1024, 64 * 1024
#: Codes with which Marketo says that a token is dead.
_DEAD_TOKEN = frozenset({"601", "602"})

#: What Marketo says with each code.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
MESSAGES: Mapping[str, str] = {
    "601": "Access token invalid", "602": "Access token expired", "603": "Access denied",
    "604": "Request timed-out", "605": "HTTP Method not supported",
    "606": "Max rate limit '100' exceeded with in '20' secs", "607": "Daily quota reached",
    "608": "API Temporarily Unavailable", "609": "Invalid JSON", "610": "Requested resource not found",
    "611": "System error", "612": "Invalid Content Type", "613": "Invalid Multipart Request",
    "614": "Invalid Subscription", "615": "Concurrent access limit '10' reached", "616": "Invalid subscription type",
    "702": "No data found", "703": "The feature is not enabled for the subscription", "713": "Transient Error",
    "1001": "Invalid value", "1002": "Missing value for required parameter", "1003": "Invalid data",
    "1004": "Lead not found", "1005": "Lead already exists", "1006": "Field 'xyz' not found",
    "1007": "Multiple lead match lookup criteria", "1008": "Partition access denied",
    "1009": "Partition name must be specified", "1010": "Partition update not allowed",
    "1013": "Object not found", "1014": "Failed to create Object", "1015": "Lead not in list",
    "1016": "Too many imports", "1019": "Import in progress", "1021": "Company update not allowed",
    "1025": "Program status not found", "1037": "Lead skipped because it is already in or past this status",
}  # fmt: skip


class MarketoSandbox(Sandbox):
    """A Marketo instance in memory. `pause` takes simulated latency and can be replaced to order overlapping calls."""

    name: ClassVar[str] = "marketo"
    people: ClassVar[str] = "leads"
    default_switches: ClassVar[Mapping[str, Any]] = DEFAULT_SWITCHES
    seed_keys: ClassVar[Collection[str]] = frozenset((
        "fields", "channels", "programs", "member_fields", "lists", "partitions", "workspaces", "leads", "members",
        "clients", "rate", "concurrency", "daily", "used", "latency", "import_seconds", "import_row_seconds",
        "token_life", "speed", "random", "switches", "faults",
    ))  # fmt: skip

    def __init__(self, *, port: int = 0, seed: Mapping[str, Any] | None = None, journal: bool = True) -> None:
        super().__init__(port=port, seed=seed, journal=journal)
        self.pause: Callable[[float], None] = time.sleep
        self._numbers = itertools.count(1)
        self.switches = dict(self.default_switches)
        self.load(self.seed)

    def load(self, seed: Mapping[str, Any]) -> None:
        """Start from a seed. Raises ValueError where a value in it does not fit its field."""
        self.world = World(self.lock, self.switches, self.now, seed)
        self.identity = Identity(seed, self.switches, self.now)
        self.imports = Imports(self.world, seed)
        self._turnstile = Turnstile(seed, self.now)
        self._instance = Instance(self.world, self.imports, self._turnstile)
        self._latency = Latency(seed, self.random)

    def state(self) -> Mapping[str, Any]:
        with self.lock:
            self.imports.settle()
            world = self.world
            members = [member_row(world, program, lead) for program, joined in world.members.items() for lead in joined]
            counts = {"leads": len(world.leads), "members": len(members), "calls": self._turnstile.total}
            return {
                "leads": [dict(lead) for lead in world.leads.values()],
                "members": members,
                "lists": {str(number): list(ids) for number, ids in world.listed.items()},
                "imports": self.imports.rows(),
                "duplicates": world.duplicates(),
                "counts": counts,
            }

    def statistics(self) -> Mapping[str, Any]:
        """Duplicates made, keys that two writes had at once (lookupField:value), and what was used of the limits."""
        with self.lock:
            self.imports.settle()
            made = {"duplicates": self.world.duplicates(), "overlapping_keys": self.world.keys.overlapping()}
            return {**made, **self._turnstile.statistics()}

    def environment(self) -> dict[str, str]:
        client = self.identity.first_client
        return {
            "MARKETO_BASE_URL": self.url,
            "MARKETO_CLIENT_ID": str(client["client_id"]),
            "MARKETO_CLIENT_SECRET": str(client["client_secret"]),
        }

    def revoke_tokens(self) -> None:
        """Make every token invalid, so that the next call with one is answered by 601."""
        with self.lock:
            self.identity.revoke()

    def usage(self, days: int) -> Row:
        """What the call for usage answers: calls by day and user, the latest day first."""
        with self.lock:
            return {"result": self._turnstile.usage(days)}

    def errors(self, days: int) -> Row:
        """What the call for errors answers: calls that failed by day and code, the latest day first."""
        with self.lock:
            return {"result": self._turnstile.errors(days)}

    # Faults -------------------------------------------------------------------------------------------------------

    def fault_response(self, request: Request, fault: Fault) -> Response:
        """A call's failure; codes 400 to 599 are answered as a gateway does; 601 and 602 kill the token."""
        if re.fullmatch(r"[45]\d\d", fault.error):
            return _gateway(int(fault.error))
        with self.lock:
            if fault.error in _DEAD_TOKEN:
                self.identity.kill(self._token(request), fault.error)
        message = fault.message or MESSAGES.get(fault.error, f"Error {fault.error}")
        return self._failure(request, ApiError(fault.error, message))

    def all_but_one(self, request: Request, fault: Fault) -> Response:
        """Take one record out of the body's `input`, do the rest, and put the record's row where it belongs."""
        try:
            body = request.json()
            records = list(body["input"])
        except (ValueError, TypeError, KeyError):
            return self.handle(request)
        texts = [orjson.dumps(record).decode() for record in records]
        holding = (index for index, text in enumerate(texts) if fault.contains in text)
        at = next(holding, 0) if fault.record is None else fault.record
        rest = [record for index, record in enumerate(records) if index != at]
        if len(rest) == len(records):
            return self.handle(request)
        row = skipped(fault.record_error, fault.message or MESSAGES.get(fault.record_error, "Error"))
        rows: list[Row] = []
        if rest:
            response = self.handle(replace(request, body=orjson.dumps({**body, "input": rest})))
            if not isinstance(response.body, dict) or not response.body.get("success"):
                return response
            rows = response.body["result"]
        rows.insert(at, row)
        if "/members" in request.path:
            rows = [{**each, "seq": seq} for seq, each in enumerate(rows)]
        return self._success(request, {"result": rows})

    # One request --------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        if request.path == _IDENTITY:
            with self.lock:
                return self.identity.issue(request)
        if len(request.body) > (_MAX_IMPORT if request.path.startswith("/bulk/") else _MAX_BODY):
            return _gateway(413)
        longest = _MAX_ASSET_URI if _is_asset(request) else _MAX_URI
        if len(request.path) + len(request.query_string) > longest:
            return _gateway(414)
        try:
            answer = self._answer(request)
        except ApiError as error:
            return self._failure(request, error)
        return answer if isinstance(answer, Response) else self._success(request, answer)

    def _answer(self, request: Request) -> Row | Response:
        method, params = _meant(request)
        route, parts = find(method, request.path)
        with self.lock:
            client = self.identity.owner(self._token(request))
            sees = self.world.partition_ids(client.get("partitions"))
        held = permissions_of(client)
        require(held, *route.permissions)
        with passing(self.lock, self._turnstile, str(client.get("user", ""))):
            if route.json and not request.headers.get("content-type", "").startswith("application/json"):
                raise ApiError("612", "Invalid Content Type")
            return self._handled(route, Call(request, params, parts, self.switches, sees, held, self._waiting(route)))

    def _waiting(self, route: Route) -> Callable[[], None] | None:
        """What takes the time of one call of the route; None where it takes none."""
        if not route.kind:
            return None
        with self.lock:
            seconds = self._latency.of(route.kind)
        return (lambda: self.pause(seconds)) if seconds else None

    def _handled(self, route: Route, call: Call) -> Row | Response:
        """Answer once the call's time is over; imports that end meanwhile have ended by then."""
        with self.lock:
            self.imports.settle()
        if call.wait is not None and not route.looks_first:
            call.wait()
            with self.lock:
                self.imports.settle()
        return route.handler(self._instance, call)

    def _token(self, request: Request) -> str:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return token.strip()
        return request.query.get("access_token", "") if self.switches["query_token"] == "allow" else ""  # noqa: S105

    def _success(self, request: Request, body: Row) -> Response:
        """Lead answers have no list of errors where there are none; asset answers always have both lists."""
        if _is_asset(request):
            return Response(200, {"success": True, "errors": [], "requestId": self._request_id(), **body})
        return Response(200, {"requestId": self._request_id(), **body, "success": True})

    def _failure(self, request: Request, error: ApiError) -> Response:
        with self.lock:
            self._turnstile.note_error(error.code)
        errors = [{"code": error.code, "message": error.message}]
        warnings: Row = {"warnings": []} if _is_asset(request) else {}
        return Response(200, {"requestId": self._request_id(), "success": False, "errors": errors, **warnings})

    def _request_id(self) -> str:
        """Up to five hexadecimal digits, then the time in milliseconds, hexadecimal too."""
        return f"{next(self._numbers) * 40503 % 0xFFFFF:x}#{int(self.now() * 1000):x}"


def _is_asset(request: Request) -> bool:
    return request.path.startswith("/rest/asset/")


def _meant(request: Request) -> tuple[str, Mapping[str, str]]:
    """The method that is meant and the parameters: a POST can stand for another one, except for assets."""
    form: Mapping[str, str] = {}
    if request.method == "POST" and "form-urlencoded" in request.headers.get("content-type", ""):
        form = request.form
    params = {**request.query, **form}
    stands_for = "" if _is_asset(request) else params.pop("_method", "").upper()
    return (stands_for if request.method == "POST" and stands_for else request.method), params


def _gateway(status: int) -> Response:
    """What stands before the API answers in HTML."""
    page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>nginx</body></html>"
    return Response(status, page, {"Content-Type": "text/html"})
