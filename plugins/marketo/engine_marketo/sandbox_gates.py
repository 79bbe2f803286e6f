"""What stands before the sandbox's API: tokens, the rate window, calls at once, the daily quota; and the usage kept.

Sources: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/authentication,
…/rest/marketo-integration-best-practices, …/rest/lead-database/usage
"""

from __future__ import annotations

import math
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine.testing.server import Request, Response
from engine_marketo.sandbox_world import ApiError, Row

CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - known to everybody, as the sandbox is
_TOKEN_LIFE = 3600.0
_PERMISSIONS = ("Read-Write Lead", "Read-Only Assets")


@dataclass(slots=True)
class _Token:
    client: Mapping[str, Any]
    expires_at: float
    reported_expired: bool = False


class Identity:
    """Issues tokens and knows whom they belong to. The caller holds the sandbox's lock."""

    def __init__(self, seed: Mapping[str, Any], now: Callable[[], float]) -> None:
        default = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "user": "sandbox@example.com"}
        self._clients = {str(client["client_id"]): client for client in seed.get("clients", (default,))}
        self._life = float(seed.get("token_life", _TOKEN_LIFE))
        self._now = now
        self._tokens: dict[str, _Token] = {}

    @property
    def first_client(self) -> Mapping[str, Any]:
        return next(iter(self._clients.values()))

    def issue(self, request: Request) -> Response:
        """Answer a token request: a client has one living token at a time, shown with the seconds it has left."""
        given = {**request.query, **request.form}
        client = self._clients.get(given.get("client_id", ""))
        if client is None or client["client_secret"] != given.get("client_secret"):
            return Response(401, {"error": "invalid_client", "error_description": "Bad client credentials"})
        if given.get("grant_type") != "client_credentials":
            return Response(400, {"error": "unsupported_grant_type", "error_description": "Use client_credentials"})
        text, token = self._living(client)
        body = {
            "access_token": text,
            "token_type": "bearer",
            "expires_in": max(0, math.ceil(token.expires_at - self._now()) - 1),
            "scope": str(client.get("user", "")),
        }
        return Response(200, body, {"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _living(self, client: Mapping[str, Any]) -> tuple[str, _Token]:
        for text, token in self._tokens.items():
            if token.client is client and token.expires_at > self._now():
                return text, token
        text, token = f"{uuid.uuid4()}:sb", _Token(client, self._now() + self._life)
        self._tokens[text] = token
        return text, token

    def owner(self, text: str) -> Mapping[str, Any]:
        """The client that a token belongs to. The first use after its end is answered by 602, later ones by 601."""
        if not text:
            raise ApiError("603", "Access denied")
        token = self._tokens.get(text)
        if token is None or token.reported_expired:
            raise ApiError("601", "Access token invalid")
        if token.expires_at <= self._now():
            token.reported_expired = True
            raise ApiError("602", "Access token expired")
        return token.client

    def revoke(self) -> None:
        """Make every token invalid, as an administrator can."""
        self._tokens.clear()


def require(client: Mapping[str, Any], permission: str) -> None:
    """Raise 603 where the client's role lacks the permission; write access includes read access."""
    held = set(client.get("permissions", _PERMISSIONS))
    if permission and permission not in held and permission.replace("Read-Only", "Read-Write") not in held:
        raise ApiError("603", "Access denied")


class Turnstile:
    """Counts calls and refuses those above the limits; 0 or None is no limit. Call it with the sandbox's lock held.

    A refused call is not counted, so that a client which waits for the length of the window is let in.
    """

    def __init__(self, seed: Mapping[str, Any], now: Callable[[], float]) -> None:
        rate = seed.get("rate", {"calls": 100}) or {"calls": None}
        self._calls = rate.get("calls", 100)
        self._window = float(rate.get("window", 20))
        self._concurrency = seed.get("concurrency", 10)
        self._daily = seed.get("daily", 50_000)
        self._now = now
        self._recent: deque[float] = deque()
        self._in_flight = 0
        self._users: dict[str, Counter[str]] = {}
        self._errors: dict[str, Counter[str]] = {}

    def enter(self, user: str) -> None:
        """Let a call in, or raise 607, 606 or 615."""
        now, day = self._now(), self._day()
        while self._recent and self._recent[0] <= now - self._window:
            self._recent.popleft()
        used = self._users.setdefault(day, Counter())
        if self._daily and used.total() >= self._daily:
            raise ApiError("607", "Daily quota reached")
        if self._calls and len(self._recent) >= self._calls:
            raise ApiError("606", f"Max rate limit '{self._calls}' exceeded with in '{self._window:g}' secs")
        if self._concurrency and self._in_flight >= self._concurrency:
            raise ApiError("615", f"Concurrent access limit '{self._concurrency}' reached")
        self._recent.append(now)
        used[user] += 1
        self._in_flight += 1

    def leave(self) -> None:
        self._in_flight -= 1

    def note_error(self, code: str) -> None:
        self._errors.setdefault(self._day(), Counter())[code] += 1

    @property
    def total(self) -> int:
        return sum(used.total() for used in self._users.values())

    def usage(self, days: int) -> list[Row]:
        """Calls per day and user, the latest day first."""
        return [
            {"date": day, "total": used.total(), "users": [{"userId": user, "count": used[user]} for user in used]}
            for day, used in self._days(self._users, days)
        ]

    def errors(self, days: int) -> list[Row]:
        """Errors per day and code, the latest day first."""
        return [
            {"date": day, "total": seen.total(), "errors": [{"errorCode": code, "count": seen[code]} for code in seen]}
            for day, seen in self._days(self._errors, days)
        ]

    def _days(self, kept: Mapping[str, Counter[str]], days: int) -> Sequence[tuple[str, Counter[str]]]:
        today = datetime.fromtimestamp(self._now(), _central())
        names = [f"{today - timedelta(days=back):%Y-%m-%d}" for back in range(days)]
        return [(name, kept[name]) for name in names if name in kept]

    def _day(self) -> str:
        return f"{datetime.fromtimestamp(self._now(), _central()):%Y-%m-%d}"


def _central() -> tzinfo:
    """US Central time, by which the quota is reset; without daylight saving where the machine knows no time zones."""
    try:
        return ZoneInfo("America/Chicago")
    except ZoneInfoNotFoundError:
        return timezone(timedelta(hours=-6))


@contextmanager
def passing(lock: AbstractContextManager[Any], turnstile: Turnstile, user: str) -> Iterator[None]:
    """Hold a place among the calls in flight."""
    with lock:
        turnstile.enter(user)
    try:
        yield
    finally:
        with lock:
            turnstile.leave()
