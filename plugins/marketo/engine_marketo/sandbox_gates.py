"""What stands before the sandbox's API: tokens, the rate window, calls at once, the daily quota; and the usage kept.

Sources: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/authentication,
…/rest/marketo-integration-best-practices, …/rest/lead-database/usage, …/rest/error-codes
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
from engine_marketo.sandbox_calls import ApiError, Row
from engine_marketo.sandbox_timing import speed_of

CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - known to everybody, as the sandbox is
_TOKEN_LIFE = 3600.0
_PERMISSIONS = ("Read-Write Lead", "Read-Only Assets")
#: Who made the calls of the seed key `used`: the limits are the whole instance's, not one client's.
_OTHERS = "another.integration@example.com"


@dataclass(slots=True)
class _Token:
    client: Mapping[str, Any]
    expires_at: float
    reported_expired: bool = False


class Identity:
    """Issues tokens and knows whom they belong to. The caller holds the sandbox's lock."""

    def __init__(self, seed: Mapping[str, Any], switches: Mapping[str, Any], now: Callable[[], float]) -> None:
        default = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "user": "sandbox@example.com"}
        self._clients = {str(client["client_id"]): client for client in seed.get("clients", (default,))}
        self._life = float(seed.get("token_life", _TOKEN_LIFE)) / speed_of(seed)
        self._switches = switches
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
        left = max(0, math.ceil(token.expires_at - self._now()) - 1)
        if (wanted := self._switches["expires_in"]) is not None:
            left = int(wanted)
            token.expires_at = self._now() + left
        body = {
            "access_token": text,
            "token_type": "bearer",
            "expires_in": left,
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

    def kill(self, text: str, code: str) -> None:
        """Make a token dead, as one that was answered by 601 or 602 is; its client gets another."""
        if code == "602" and text in self._tokens:
            self._tokens[text].expires_at, self._tokens[text].reported_expired = self._now(), True
        else:
            self._tokens.pop(text, None)

    def revoke(self) -> None:
        """Make every token invalid, as an administrator can."""
        self._tokens.clear()


def permissions_of(client: Mapping[str, Any]) -> frozenset[str]:
    """What the client's role permits; write access includes read access."""
    given = client.get("permissions", _PERMISSIONS)
    return frozenset(given) | {name.replace("Read-Write", "Read-Only") for name in given}


def require(held: frozenset[str], *any_of: str) -> None:
    """Raise 603 where none of the permissions is held."""
    if any_of and not held.intersection(any_of):
        raise ApiError("603", "Access denied")


class Turnstile:
    """Counts calls and refuses those above the limits; 0 or None is no limit. Call it with the sandbox's lock held.

    A refused call is not counted, so that a client which waits for the length of the window is let in.
    """

    def __init__(self, seed: Mapping[str, Any], now: Callable[[], float]) -> None:
        rate = seed.get("rate", {"calls": 100}) or {"calls": None}
        self._calls = rate.get("calls", 100)
        self._told_window = float(rate.get("window", 20))
        self.window = self._told_window / speed_of(seed)
        self._concurrency = seed.get("concurrency", 10)
        self._daily = seed.get("daily", 50_000)
        self._now = now
        self._recent: deque[float] = deque()
        self._in_flight = 0
        self.total, self.most_in_window, self.most_in_flight = 0, 0, 0
        self._users: dict[str, Counter[str]] = {}
        if used := int(seed.get("used", 0)):
            self._users[self._day()] = Counter({_OTHERS: used})
        self._errors: dict[str, Counter[str]] = {}

    def enter(self, user: str) -> None:
        """Let a call in, or raise 607, 606 or 615."""
        now, day = self._now(), self._day()
        while self._recent and self._recent[0] <= now - self.window:
            self._recent.popleft()
        used = self._users.setdefault(day, Counter())
        if self._daily and used.total() >= self._daily:
            raise ApiError("607", "Daily quota reached")
        if self._calls and len(self._recent) >= self._calls:
            raise ApiError("606", f"Max rate limit '{self._calls}' exceeded with in '{self._told_window:g}' secs")
        if self._concurrency and self._in_flight >= self._concurrency:
            raise ApiError("615", f"Concurrent access limit '{self._concurrency}' reached")
        self._recent.append(now)
        used[user] += 1
        self._in_flight += 1
        self.total += 1
        self.most_in_window = max(self.most_in_window, len(self._recent))
        self.most_in_flight = max(self.most_in_flight, self._in_flight)

    def leave(self) -> None:
        self._in_flight -= 1

    def note_error(self, code: str) -> None:
        self._errors.setdefault(self._day(), Counter())[code] += 1

    def statistics(self) -> Row:
        """The calls that were let in, the most of them in a window and at once, and the calls refused by code."""
        return {
            "calls": self.total,
            "window": self.window,
            "most_in_window": self.most_in_window,
            "most_in_flight": self.most_in_flight,
            "errors": dict(sum(self._errors.values(), Counter[str]())),
        }

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
