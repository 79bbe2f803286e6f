"""A Pardot on this machine: the Salesforce token endpoint and version 5 of the API on one port.

A request passes the same doors in the same order as at the vendor: path, method, access token, business unit, the
day's quota, calls at once, body, ability, fields, business rules. SANDBOX.md lists the seed's keys and the switches.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from engine.testing.server import Fault, Request, Response, Sandbox
from engine_pardot.sandbox_calls import Call, World
from engine_pardot.sandbox_catalogue import Catalogue
from engine_pardot.sandbox_errors import ApiError, gateway, message_of, reported, text_of
from engine_pardot.sandbox_gates import Turnstile, caller
from engine_pardot.sandbox_imports import Imports
from engine_pardot.sandbox_keys import KeysInUse
from engine_pardot.sandbox_lists import Lists
from engine_pardot.sandbox_oauth import PREFIX, TokenHost
from engine_pardot.sandbox_prospects import Prospects
from engine_pardot.sandbox_query import Reader
from engine_pardot.sandbox_routes import Route, collection, find, routes
from engine_pardot.sandbox_rules import seeded
from engine_pardot.sandbox_seed import BUSINESS_UNIT, CLIENT_ID, CLIENT_SECRET, complete, unit_of
from engine_pardot.sandbox_store import Store
from engine_pardot.sandbox_switches import DEFAULT_SWITCHES
from engine_pardot.sandbox_timing import READ, latency_of, speed_of

#: Seed keys that are switches, too.
_SWITCHES_IN_SEED = ("latency", "daily", "concurrency")
#: Codes that stand for others where a switch says so.
_CODE_SWITCHES = {"46": "permission_code", "109": "unknown_record", "153": "missing_property"}
#: Codes of refused credentials, which have been seen in another format.
_AUTH_CODES = frozenset({"49", "181", "182", "184", "201"})
_IMPORT_FILE = re.compile(r"POST /api/v5/imports(?:/(\d+)/batches)?")


class PardotSandbox(Sandbox):
    """Behaves as Pardot does. `pause` takes simulated latency and can be replaced to order overlapping calls."""

    name: ClassVar[str] = "pardot"
    people: ClassVar[str] = "prospects"
    default_switches: ClassVar[Mapping[str, Any]] = DEFAULT_SWITCHES

    def __init__(self, *, port: int = 0, seed: Mapping[str, Any] | None = None, journal: bool = True) -> None:
        super().__init__(port=port, seed=seed, journal=journal)
        self.pause: Callable[[float], None] = time.sleep

    def load(self, seed: Mapping[str, Any]) -> None:
        """Start from a seed. Raises ValueError for one that is malformed."""
        try:
            self._build(complete(seed))
        except (KeyError, TypeError) as error:
            raise ValueError(f"the seed is malformed: {type(error).__name__}: {error}") from error

    def _build(self, seed: Mapping[str, Any]) -> None:
        switches = self.switches
        switches.update({key: seed[key] for key in _SWITCHES_IN_SEED if key in seed})
        self.unit = unit_of(seed, self.now())
        speed = self._speed = speed_of(seed)
        latency_of(switches["latency"], READ, speed)  # so that what is no number is refused now, not by each call
        self.tokens = TokenHost(
            seed, self.unit.users, switches, self.now, url=lambda: self.url, pause=self._pause, speed=speed
        )
        self.store = Store(self.unit, switches, self.now, self._lag)
        self._world = World(
            self.unit,
            self.store,
            Reader(self.now, switches),
            KeysInUse(self.lock),
            switches,
            self.lock,
            self.now,
            self._lag,
            speed,
            self.random,
        )
        self._turnstile = Turnstile(self.unit, switches, self.now, int(seed.get("used", 0)))
        self._lists = Lists(self._world)
        self._imports = Imports(self._world, self._lists, seed, lambda: self.url)
        catalogue = Catalogue(self._world, self._turnstile)
        self._routes = routes(Prospects(self._world), self._lists, catalogue, self._imports)
        self._fill(seed)

    def _fill(self, seed: Mapping[str, Any]) -> None:
        user = next(iter(self.unit.users.values()))
        try:
            for row in seed["prospects"]:
                self.store.create(seeded(self.unit, row), user)
            for row in seed.get("memberships", ()):
                self._lists.check_list(row["listId"])
                self._lists.add(row["listId"], row["prospectId"], user)["optedOut"] = row.get("optedOut", False)
        except ApiError as error:
            raise ValueError(f"the seed cannot be stored: {text_of(error)}") from None
        self.store.seeded()

    def state(self) -> Mapping[str, Any]:
        with self.lock:
            self._imports.settle()
            records = [dict(record) for record in self.store.records.values()]
            deleted = sum(record["isDeleted"] for record in records)
            counts = {
                "prospects": len(records) - deleted,
                "deleted": deleted,
                **self.store.counts,
                "api_calls": self._turnstile.calls,
                "tokens": self.tokens.issued,
            }
            return {
                "prospects": records,
                "memberships": self._lists.rows(),
                "imports": self._imports.rows(),
                "duplicates": self.store.shared(),
                "counts": counts,
            }

    def statistics(self) -> Mapping[str, Any]:
        """Duplicates made, keys (email:address, id:number) that two writes had at once, and what the gates counted."""
        with self.lock:
            self._imports.settle()
            made = {"duplicates": self.store.duplicates(), "overlapping_keys": self._world.keys.overlapping()}
            return {**made, **self._turnstile.statistics()}

    def environment(self) -> dict[str, str]:
        client = complete(self.seed)["clients"][0]
        return {
            "PARDOT_BASE_URL": self.url,
            "PARDOT_TOKEN_URL": self.url,
            "PARDOT_BUSINESS_UNIT_ID": self.seed.get("business_unit", BUSINESS_UNIT),
            "PARDOT_CLIENT_ID": client.get("id", CLIENT_ID),
            "PARDOT_CLIENT_SECRET": client.get("secret", CLIENT_SECRET),
        }

    def touch(self, prospect_id: int, moment: float) -> None:
        """Give a prospect its latest activity, Unix seconds."""
        with self.lock:
            self.store.records[prospect_id]["lastActivityAt"] = self.unit.stamp(moment)

    # Faults -----------------------------------------------------------------------------------------------------

    def fault_response(self, request: Request, fault: Fault) -> Response:
        """A code ("184"), its XML form ("xml:184"), the version 4 envelope ("v4:122"), or an HTTP status ("504").

        184 in any form ends the token of the call.
        """
        form, _, code = fault.error.rpartition(":")
        if not form and int(code) >= 400:
            return gateway(int(code))
        if code == "184":
            self.tokens.kill(request.headers)
        self._turnstile.note_error(code)
        text = fault.message or message_of(code)
        return reported(code, text, form=form) if form else self._formed(code, text)

    def all_but_one(self, request: Request, fault: Fault) -> Response:
        """Let one row of an uploaded file fail; of any other call there is one record, so that the whole call fails."""
        upload = _IMPORT_FILE.fullmatch(f"{request.method} {request.path}")
        if upload is None:
            return self.fault_response(request, Fault(error=fault.record_error, message=fault.message))
        response = self.handle(request)
        number = int(upload[1]) if upload[1] else None
        self._imports.spoil(number, fault.contains, fault.record, fault.message or message_of(fault.record_error))
        return response

    # One request ------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        if request.path.startswith(PREFIX):
            return self.tokens.handle(request)
        try:
            response = self._answered(request)
        except ApiError as error:
            response = self._refused(error)
        if request.headers.get("x-return-api-usage", "").lower() not in {"1", "true"}:
            return response
        usage = str(self.switches["api_usage"]).format(used=self._turnstile.today, allowed=self.switches["daily"])
        return Response(response.status, response.body, {**response.headers, "x-api-usage": usage})

    def _answered(self, request: Request) -> Response:
        route, record_id = find(self._routes, request.method, request.path)
        user = caller(request.headers, self.tokens, self.unit)
        with self._turnstile.passing():
            self._settle()
            wait = self._waiting(route)
            if not route.waits:
                wait()
            address = self.url + collection(request.path)
            return route.answer(Call(user, request, route.body(request), address, record_id, wait))

    def _waiting(self, route: Route) -> Callable[[], None]:
        """What takes the time of one call of the route; imports that end meanwhile have ended by then."""
        seconds = latency_of(self.switches["latency"], route.kind, self._speed)

        def wait() -> None:
            if seconds:
                self._pause(seconds)
                self._settle()

        return wait

    def _settle(self) -> None:
        with self.lock:
            self._imports.settle()

    def _pause(self, seconds: float) -> None:
        self.pause(seconds)

    def _lag(self) -> float:
        return float(self.switches["read_lag"]) / self._speed

    def _refused(self, error: ApiError) -> Response:
        switch = _CODE_SWITCHES.get(error.code)
        code = error.code if switch is None else str(self.switches[switch])
        text = text_of(error if code == error.code else ApiError(code, error.tail))
        self._turnstile.note_error(code)
        status = int(self.switches["permission_status"]) if error.code == "46" else None
        return self._formed(code, text, status=status, headers=error.headers)

    def _formed(
        self, code: str, text: str, *, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """A code in the format and with the status that the switches say."""
        form = str(self.switches["auth_error_format"]) if code in _AUTH_CODES else "json"
        if code in {"66", "122"}:
            form = "v4" if self.switches["limit_status"] == "v4" else form
            status = None if form == "v4" else int(self.switches["limit_status"])
        elif code == "201":
            status = int(self.switches["unit_status"])
        return reported(code, text, status=status, form=form, headers=headers)
