"""A local stand-in for a Marketo instance: `engine sandbox marketo`, or MarketoSandbox() in a test.

It answers as Marketo is documented or known to; what nobody has documented is a switch. See the README for the seed.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from engine.testing.server import Request, Response, Sandbox
from engine_marketo import sandbox_leads, sandbox_programs
from engine_marketo.sandbox_gates import Identity, Turnstile, passing, require
from engine_marketo.sandbox_world import ApiError, Call, Row, World

Handler = Callable[["MarketoSandbox", Call], Row]

_IDENTITY = "/identity/oauth/token"
_MAX_BODY = 2**20
_MAX_URI = 8 * 1024

#: What Marketo says with each code.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
MESSAGES: Mapping[str, str] = {
    "601": "Access token invalid", "602": "Access token expired", "603": "Access denied",
    "604": "Request timed-out", "606": "Max rate limit '100' exceeded with in '20' secs", "607": "Daily quota reached",
    "608": "API Temporarily Unavailable", "609": "Invalid JSON", "610": "Requested resource not found",
    "611": "System error", "612": "Invalid Content Type", "614": "Invalid Subscription",
    "615": "Concurrent access limit '10' reached", "702": "No data found", "713": "Transient Error",
    "1003": "Invalid data", "1006": "Field 'xyz' not found", "1013": "Object not found",
    "1025": "Program status not found",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Route:
    """`asset`: which of the two envelopes. `json`: whether a body of that type is required."""

    method: str
    path: re.Pattern[str]
    handler: Handler
    permission: str = ""
    asset: bool = False
    json: bool = False


def _route(method: str, path: str, handler: Handler, permission: str = "", **traits: bool) -> _Route:
    pattern = re.escape(path).replace(r"\{id\}", r"(?P<id>\d{1,18})")
    return _Route(method, re.compile(pattern), handler, permission, **traits)


def _on_world(answer: Callable[[World, Call], Row]) -> Handler:
    return lambda sandbox, call: sandbox.answer_after("read", lambda: answer(sandbox.world, call))


def _changing(answer: Callable[[World, Call], Row]) -> Handler:
    return lambda sandbox, call: sandbox.answer_after("write", lambda: answer(sandbox.world, call))


_LEADS, _WRITE_LEADS, _ASSETS = "Read-Only Lead", "Read-Write Lead", "Read-Only Assets"
_ROUTES = (
    _route("POST", "/rest/v1/leads.json", lambda sandbox, call: sandbox.sync(call), _WRITE_LEADS, json=True),
    _route("GET", "/rest/v1/leads.json", _on_world(sandbox_leads.read_by_filter), _LEADS),
    _route("DELETE", "/rest/v1/leads.json", _changing(sandbox_leads.delete), _WRITE_LEADS, json=True),
    _route("POST", "/rest/v1/leads/delete.json", _changing(sandbox_leads.delete), _WRITE_LEADS, json=True),
    _route("GET", "/rest/v1/lead/{id}.json", _on_world(sandbox_leads.read_one), _LEADS),
    _route("GET", "/rest/v1/leads/describe.json", _on_world(sandbox_leads.describe), _LEADS),
    _route("GET", "/rest/v1/leads/describe2.json", _on_world(sandbox_leads.describe2), _LEADS),
    _route("POST", "/rest/v1/programs/{id}/members/status.json", _changing(sandbox_programs.set_status),
           _WRITE_LEADS, json=True),
    _route("GET", "/rest/v1/programs/{id}/members.json", _on_world(sandbox_programs.read_members), _LEADS),
    _route("GET", "/rest/asset/v1/program/{id}.json", _on_world(sandbox_programs.program), _ASSETS, asset=True),
    _route("GET", "/rest/asset/v1/program/byName.json", _on_world(sandbox_programs.program_by_name), _ASSETS,
           asset=True),
    _route("GET", "/rest/asset/v1/programs.json", _on_world(sandbox_programs.programs), _ASSETS, asset=True),
    _route("GET", "/rest/asset/v1/channel/byName.json", _on_world(sandbox_programs.channel_by_name), _ASSETS,
           asset=True),
    _route("GET", "/rest/asset/v1/channels.json", _on_world(sandbox_programs.channels), _ASSETS, asset=True),
    _route("GET", "/rest/v1/stats/usage.json", lambda sandbox, _: sandbox.usage(1)),
    _route("GET", "/rest/v1/stats/usage/last7days.json", lambda sandbox, _: sandbox.usage(7)),
    _route("GET", "/rest/v1/stats/errors.json", lambda sandbox, _: sandbox.errors(1)),
    _route("GET", "/rest/v1/stats/errors/last7days.json", lambda sandbox, _: sandbox.errors(7)),
)  # fmt: skip


class MarketoSandbox(Sandbox):
    """A Marketo instance in memory. `pause` takes simulated latency and can be replaced to order overlapping calls."""

    name: ClassVar[str] = "marketo"
    #: Each with the behaviour that is likeliest, or strictest where none is.
    default_switches: ClassVar[Mapping[str, Any]] = {
        "email_validation": "strict",  # or lenient: any text is an address
        "overlong": "reject",  # or truncate
        "field_case": "strict",  # or insensitive
        "unknown_field": "record",  # or response, or ignore
        "query_token": "reject",  # or allow
        "custom_dedupe": "off",  # or email+FIELD: both must match
        "company_fields": "allow",  # or 1021
        "read_after_write": 0,  # seconds until a new lead is found by a filter
        "field_blocked_sources": (),  # fields whose updates are blocked, silently
        "null_projection": "explicit",  # or omit
        "asset_missing": "warning",  # or 702
        "unknown_program": "1013",  # or 702
        "unknown_status": "response",  # or record
    }

    def __init__(self, *, port: int = 0, seed: Mapping[str, Any] | None = None, journal: bool = True) -> None:
        super().__init__(port=port, seed=seed, journal=journal)
        self.pause: Callable[[float], None] = time.sleep
        self._numbers = itertools.count(1)
        self.switches = dict(self.default_switches)
        self.load(self.seed)

    def load(self, seed: Mapping[str, Any]) -> None:
        self.world = World(self.lock, self.switches, self.now, seed)
        self.identity = Identity(seed, self.now)
        self._turnstile = Turnstile(seed, self.now)
        given = seed.get("latency") or 0
        self._latency = given if isinstance(given, Mapping) else {"read": given, "write": given}

    def state(self) -> Mapping[str, Any]:
        with self.lock:
            world = self.world
            members = [
                sandbox_programs.member_row(world, program_id, lead_id, member)
                for program_id, joined in world.members.items()
                for lead_id, member in joined.items()
            ]
            counts = {"leads": len(world.leads), "members": len(members), "calls": self._turnstile.total}
            leads = [dict(lead) for lead in world.leads.values()]
            return {"leads": leads, "members": members, "duplicates": world.duplicates(), "counts": counts}

    def environment(self) -> dict[str, str]:
        client = self.identity.first_client
        return {
            "MARKETO_BASE_URL": self.url,
            "MARKETO_CLIENT_ID": str(client["client_id"]),
            "MARKETO_CLIENT_SECRET": str(client["client_secret"]),
        }

    def error_response(self, code: str) -> Response:
        """A call's failure with `code`; codes 400 to 599 are HTTP statuses, answered as a gateway does."""
        if re.fullmatch(r"[45]\d\d", code):
            return _gateway(int(code))
        return self._failure(ApiError(code, MESSAGES.get(code, f"Error {code}")), asset=False)

    def revoke_tokens(self) -> None:
        """Make every token invalid, so that the next call with one is answered by 601."""
        with self.lock:
            self.identity.revoke()

    # What the routes call -----------------------------------------------------------------------------------------

    def sync(self, call: Call) -> Row:
        seconds = self._latency.get("write", 0)
        return sandbox_leads.sync(self.world, call, (lambda: self.pause(seconds)) if seconds else None)

    def answer_after(self, kind: str, answer: Callable[[], Row]) -> Row:
        """Answer once the latency of that kind of call is over."""
        if seconds := self._latency.get(kind, 0):
            self.pause(seconds)
        return answer()

    def usage(self, days: int) -> Row:
        with self.lock:
            return {"result": self._turnstile.usage(days)}

    def errors(self, days: int) -> Row:
        with self.lock:
            return {"result": self._turnstile.errors(days)}

    # One request --------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        if request.path == _IDENTITY:
            with self.lock:
                return self.identity.issue(request)
        if len(request.body) > _MAX_BODY:
            return _gateway(413)
        if len(request.path) + len(urlencode(request.query)) > _MAX_URI:
            return _gateway(414)
        asset = request.path.startswith("/rest/asset/")
        try:
            return self._success(self._answer(request, asset), asset=asset)
        except ApiError as error:
            with self.lock:
                self._turnstile.note_error(error.code)
            return self._failure(error, asset=asset)

    def _answer(self, request: Request, asset: bool) -> Row:
        method, params = _meant(request, asset)
        route, parts = _find(method, request.path)
        with self.lock:
            client = self.identity.owner(self._token(request))
        require(client, route.permission)
        with passing(self.lock, self._turnstile, str(client.get("user", ""))):
            if route.json and not request.headers.get("content-type", "").startswith("application/json"):
                raise ApiError("612", "Invalid Content Type")
            return route.handler(self, Call(request, params, parts))

    def _token(self, request: Request) -> str:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return token.strip()
        return request.query.get("access_token", "") if self.switches["query_token"] == "allow" else ""  # noqa: S105

    def _success(self, body: Row, *, asset: bool) -> Response:
        """Lead answers have no list of errors where there are none; asset answers always have both lists."""
        if asset:
            return Response(200, {"success": True, "errors": [], "requestId": self._request_id(), **body})
        return Response(200, {"requestId": self._request_id(), **body, "success": True})

    def _failure(self, error: ApiError, *, asset: bool) -> Response:
        errors = [{"code": error.code, "message": error.message}]
        warnings: Row = {"warnings": []} if asset else {}
        return Response(200, {"requestId": self._request_id(), "success": False, "errors": errors, **warnings})

    def _request_id(self) -> str:
        """Up to five hexadecimal digits, then the time in milliseconds, hexadecimal too."""
        return f"{next(self._numbers) * 40503 % 0xFFFFF:x}#{int(self.now() * 1000):x}"


def _meant(request: Request, asset: bool) -> tuple[str, Mapping[str, str]]:
    """The method that is meant and the parameters: a POST can stand for another one, except for assets."""
    form: Mapping[str, str] = {}
    if request.method == "POST" and "form-urlencoded" in request.headers.get("content-type", ""):
        form = request.form
    params = {**request.query, **form}
    stands_for = params.pop("_method", "").upper() if not asset else ""
    return (stands_for if request.method == "POST" and stands_for else request.method), params


def _find(method: str, path: str) -> tuple[_Route, Mapping[str, str]]:
    known = False
    for route in _ROUTES:
        if match := route.path.fullmatch(path):
            if route.method == method:
                return route, match.groupdict()
            known = True
    if known:
        raise ApiError("605", f"Request method '{method}' not supported")
    raise ApiError("610", "Requested resource not found")


def _gateway(status: int) -> Response:
    """What stands before the API answers in HTML."""
    page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>nginx</body></html>"
    return Response(status, page, {"Content-Type": "text/html"})
