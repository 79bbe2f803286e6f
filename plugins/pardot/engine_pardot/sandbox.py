"""A Pardot on this machine: the Salesforce token endpoint and version 5 of the API on one port.

A request passes the same doors in the same order as at the vendor: path, method, access token, business unit, the
day's quota, calls at once, body, ability, fields, business rules.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from engine.testing.server import Request, Response, Sandbox
from engine_pardot.sandbox_errors import ApiError, gateway, reported
from engine_pardot.sandbox_oauth import PREFIX, TokenHost
from engine_pardot.sandbox_prospects import Call, Prospects
from engine_pardot.sandbox_query import Collection, Reader, asked_fields
from engine_pardot.sandbox_seed import BUSINESS_UNIT, CLIENT_ID, CLIENT_SECRET, Unit, User, complete, unit_of
from engine_pardot.sandbox_store import Store

_OBJECTS = "/api/v5/objects/"
_UPSERT = "prospects/do/upsertLatestByEmail"
_ACCOUNT_FIELDS = frozenset({"id", "company", "apiCallsUsed", "maximumDailyApiCalls"})
_CAMPAIGN_FIELDS = frozenset({"id", "name", "folderId", "salesforceId", "isDeleted"})
_CUSTOM_FIELD_FIELDS = frozenset(
    [
        "id",
        "name",
        "fieldId",
        "apiFieldId",
        "type",
        "isRequired",
        "isUseValues",
        "isRecordMultipleResponses",
        "isAnalyticsSynced",
        "salesforceId",
    ]
)

Handler = Callable[..., Response]


class PardotSandbox(Sandbox):
    """Behaves as Pardot does; the README lists the seed's keys and the switches."""

    name = "pardot"
    people = "prospects"
    default_switches: ClassVar[Mapping[str, Any]] = {
        "latency": 0.0,
        "daily": 25_000,
        "concurrency": 5,
        "allow_multiple_prospects": True,
        "duplicate_code": "9",
        "crm_connector": False,
        "client_credentials": True,
        "token_lifetime": 7200.0,
        "rotate_refresh_token": False,
        "refuse_concurrent_refresh": True,
        "auth_error_format": "json",
        "unit_status": 403,
        "limit_status": 429,
        "upsert_create_status": 200,
        "upsert_order": "activity",
        "email_case_sensitive": False,
        "read_lag": 0.0,
        "unlisted_option": "accept",
        "bad_custom_value": "reject",
        "too_long": "cut",
        "several_values": "omit",
    }

    def load(self, seed: Mapping[str, Any]) -> None:
        """Start from a seed. Raises KeyError, TypeError for one that is malformed, ApiError for a refused prospect."""
        whole = complete(seed)
        self.switches.update({key: seed[key] for key in ("latency", "daily", "concurrency") if key in seed})
        self.unit: Unit = unit_of(whole)
        self.tokens = TokenHost(whole, self.switches, self.now)
        self.store = Store(self.unit, self.switches, self.now)
        self._reader = Reader(self.now)
        self._prospects = Prospects(self.store, self.unit, self._reader, self.switches, self.lock)
        self._routes = self._table()
        self._used: dict[str, int] = {}
        self._in_flight = 0
        first_user = next(iter(self.unit.users.values()))
        for values in whole["prospects"]:
            self.store.create(values, first_user)

    def state(self) -> Mapping[str, Any]:
        with self.lock:
            records = [dict(record) for record in self.store.records.values()]
            deleted = sum(record["isDeleted"] for record in records)
            counts = {
                "prospects": len(records) - deleted,
                "deleted": deleted,
                **self._prospects.counts,
                "api_calls": sum(self._used.values()),
                "tokens": self.tokens.issued,
            }
            return {"prospects": records, "duplicates": self.store.duplicates(), "counts": counts}

    def environment(self) -> dict[str, str]:
        client = complete(self.seed)["clients"][0]
        return {
            "PARDOT_BASE_URL": self.url,
            "PARDOT_TOKEN_URL": self.url,
            "PARDOT_BUSINESS_UNIT_ID": self.seed.get("business_unit", BUSINESS_UNIT),
            "PARDOT_CLIENT_ID": client.get("id", CLIENT_ID),
            "PARDOT_CLIENT_SECRET": client.get("secret", CLIENT_SECRET),
        }

    def error_response(self, code: str) -> Response:
        """A code ("184"), its XML form ("xml:184"), the version 4 envelope ("v4:122"), or an HTTP status ("504")."""
        form, _, bare = code.rpartition(":")
        if not form and int(bare) >= 400:
            return gateway(int(bare))
        return reported(bare, form=form) if form else self._refusal(ApiError(bare))

    def touch(self, prospect_id: int, moment: float) -> None:
        """Give a prospect its latest activity, Unix seconds."""
        with self.lock:
            self.store.records[prospect_id]["lastActivityAt"] = self.unit.stamp(moment)

    def handle(self, request: Request) -> Response:
        if request.path.startswith(PREFIX):
            return self.tokens.handle(request)
        try:
            response = self._api(request)
        except ApiError as error:
            response = self._refusal(error)
        if request.headers.get("x-return-api-usage", "").lower() not in {"1", "true"}:
            return response
        usage = f"{self._calls_today()}/{self.switches['daily']}"
        return Response(response.status, response.body, {**response.headers, "x-api-usage": usage})

    # The doors --------------------------------------------------------------------------------------------------

    def _api(self, request: Request) -> Response:
        methods, record_id = self._route(request.path)
        if request.method not in methods:
            raise ApiError("60")
        user = self._user(request.headers)
        self._count()
        with self._place():
            handler = methods[request.method]
            body = _body(request) if request.method in {"POST", "PATCH"} else {}
            if handler != self._prospects.upsert:
                time.sleep(float(self.switches["latency"]))
            collection = request.path.removeprefix(_OBJECTS).split("/")[0]
            call = Call(user, request.query, body, f"{self.url}{_OBJECTS}{collection}")
            return handler(call) if record_id is None else handler(call, record_id)

    def _table(self) -> dict[str, dict[str, Handler]]:
        """What there is: path below the objects, with `*` for a record's id → method → handler."""
        prospects = self._prospects
        return {
            "prospects": {"GET": prospects.query, "POST": prospects.create},
            "prospects/*": {"GET": prospects.read, "PATCH": prospects.update, "DELETE": prospects.delete},
            "prospects/do/undelete": {"POST": prospects.undelete},
            _UPSERT: {"POST": prospects.upsert},
            "custom-fields": {"GET": self._custom_fields},
            "custom-fields/*": {"GET": self._custom_field, "DELETE": self._delete_custom_field},
            "campaigns": {"GET": self._campaigns},
            "campaigns/*": {"GET": self._campaign},
            "account": {"GET": self._account},
        }

    def _route(self, path: str) -> tuple[dict[str, Handler], int | None]:
        if not path.startswith(_OBJECTS):
            raise ApiError("198")
        below = path.removeprefix(_OBJECTS)
        with_id = re.fullmatch(r"([a-z-]+)/(\d+)", below)
        methods = self._routes.get(f"{with_id[1]}/*" if with_id else below)
        if methods is None:
            raise ApiError("205" if "/do/" in below else "198")
        return methods, int(with_id[2]) if with_id else None

    def _user(self, headers: Mapping[str, str]) -> User:
        """Whom the call acts for, with a token that is good for the business unit of the header."""
        client = self.tokens.client_of(headers)
        unit = headers.get("pardot-business-unit-id")
        if unit is None:
            raise ApiError("181", "Pardot-Business-Unit-Id header not found on request.")
        if not re.fullmatch(r"0Uv[A-Za-z0-9]{15}", unit):
            raise ApiError("182")
        if unit != self.unit.id:
            raise ApiError("201")
        user = self.unit.users.get(client.user)
        if user is None:
            raise ApiError("184")
        if unit not in user.units:
            raise ApiError("49", "User associated with access token is not valid for the Pardot Business Unit ID")
        return user

    def _calls_today(self) -> int:
        return self._used.get(self.unit.day(self.now()), 0)

    def _count(self) -> None:
        with self.lock:
            used = self._calls_today()
            if used >= int(self.switches["daily"]):
                raise ApiError("122")
            self._used[self.unit.day(self.now())] = used + 1

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold one of the places for calls at the same time."""
        with self.lock:
            if self._in_flight >= int(self.switches["concurrency"]):
                raise ApiError("66")
            self._in_flight += 1
        try:
            yield
        finally:
            with self.lock:
                self._in_flight -= 1

    def _refusal(self, error: ApiError) -> Response:
        status: int | None = None
        form = "json"
        if error.code in {"66", "122"}:
            form = "v4" if self.switches["limit_status"] == "v4" else "json"
            status = None if form == "v4" else int(self.switches["limit_status"])
        elif error.code == "201":
            status = int(self.switches["unit_status"])
        if error.code in {"49", "181", "182", "184", "201"}:
            form = str(self.switches["auth_error_format"])
        return reported(error.code, tail=error.tail, status=status, form=form, headers=error.headers)

    # Smaller collections ----------------------------------------------------------------------------------------

    def _custom_fields(self, call: Call) -> Response:
        call.require("configure_fields")
        with self.lock:
            records = list(self.unit.custom_fields.values())
            return Response(200, self._reader.query(records, call.query, _plain(_CUSTOM_FIELD_FIELDS), call.url))

    def _custom_field(self, call: Call, record_id: int) -> Response:
        call.require("configure_fields")
        return self._single(call, self._field_called(record_id), _CUSTOM_FIELD_FIELDS)

    def _delete_custom_field(self, call: Call, record_id: int) -> Response:
        call.require("configure_fields")
        with self.lock:
            name = self._field_called(record_id)["apiFieldId"]
            del self.unit.custom_fields[name]
            for record in self.store.records.values():
                record.pop(name, None)
        return Response(204)

    def _field_called(self, record_id: int) -> dict[str, Any]:
        for record in self.unit.custom_fields.values():
            if record["id"] == record_id:
                return record
        raise ApiError("109")

    def _campaigns(self, call: Call) -> Response:
        with self.lock:
            records = list(self.unit.campaigns.values())
            return Response(200, self._reader.query(records, call.query, _plain(_CAMPAIGN_FIELDS), call.url))

    def _campaign(self, call: Call, record_id: int) -> Response:
        if record_id not in self.unit.campaigns:
            raise ApiError("109")
        return self._single(call, self.unit.campaigns[record_id], _CAMPAIGN_FIELDS)

    def _account(self, call: Call) -> Response:
        account = {
            "id": 1,
            "company": "Example Events",
            "apiCallsUsed": self._calls_today(),
            "maximumDailyApiCalls": self.switches["daily"],
        }
        return self._single(call, account, _ACCOUNT_FIELDS)

    def _single(self, call: Call, record: Mapping[str, Any], readable: frozenset[str]) -> Response:
        collection = _plain(readable)
        names = asked_fields(call.query.get("fields"), collection)
        return Response(200, self._reader.projected(record, names, collection))


def _plain(readable: frozenset[str]) -> Collection:
    """A collection without objects inside, filtered by id and name."""
    return Collection(readable.__contains__, lambda record, name: record.get(name), {"id": "integer", "name": "text"})


def _body(request: Request) -> Mapping[str, Any]:
    """The JSON object of a request. Raises ApiError for another content type, no body, or something else."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise ApiError("151")
    if not request.body.strip():
        raise ApiError("152")
    try:
        body = request.json()
    except ValueError:
        raise ApiError("150") from None
    if not isinstance(body, dict):
        raise ApiError("150")
    return body
