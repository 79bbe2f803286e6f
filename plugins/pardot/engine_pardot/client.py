"""Calls to the Pardot API (version 5), signed with a Salesforce token.

Source: developer.salesforce.com/docs/marketing/pardot/guide/version5overview
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.adapters import Config, Context
from engine.errors import EngineError, EnvironmentFault, NoAnswer, NotTaken, RetryLater, RunStopped, VendorUnavailable
from engine.http import Reply
from engine.patience import Patience
from engine_pardot.errors import (
    DAY_SPENT,
    TOO_MANY_AT_ONCE,
    Denied,
    Fault,
    Refused,
    call_error,
    read_error,
    read_fault,
)
from engine_pardot.settings import Settings
from engine_pardot.tokens import Tokens
from engine_pardot.usage import ASKS_USAGE, USAGE_HEADER, Usage, quota_reset, usage_in, usage_of

_OBJECTS = "/api/v5/objects/"
#: Records of one page of a query, the most that Pardot gives.
PAGE = 1000
#: A refusal for too many calls at once is waited out a little longer each time, up to this many times its wait.
_LONGEST_BUSY = 8
#: What Salesforce's support asks for; Pardot gives its answers no other id.
_TRACES = ("x-pardot-rsp", "x-pardot-lb")


@dataclass(frozen=True, slots=True)
class Answer:
    """A call that was answered: the body, {} where there is none, or the fault that concerns the record alone."""

    data: Mapping[str, Any]
    fault: Fault | None = None


class Client:
    """The API of one business unit. Thread-safe.

    A path is that of an object, such as `prospects/29014`, or begins with a slash and is a whole one. Every call raises
    CredentialsError, VendorUnavailable, EnvironmentFault, SpecError, and RetryLater where nothing was executed; one
    that changes something raises NoAnswer where that is unclear.
    """

    def __init__(self, config: Config, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._http = context.http(settings.base_url, timeout=settings.timeout)
        self._tokens = Tokens(config, context, self._http)
        self._lock = threading.Lock()
        self._calls = 0
        self._busy = 0
        self._let_in = False
        self._patience = Patience(
            context.now,
            fix="See what else uses the business unit, or its status at Salesforce; then run the same command again.",
        )
        self._date = ""

    def sign_in(self) -> None:
        """Get a token. Raises CredentialsError, RetryLater, VendorUnavailable."""
        self._tokens.sign_in()

    def close(self) -> None:
        self._http.close()

    @property
    def date(self) -> str:
        """The Date header of the latest answer, "" where there is none."""
        return self._date

    def write(self, method: str, path: str, body: Mapping[str, Any], params: Mapping[str, str] | None = None) -> Answer:
        """Change something; the fault of the record alone is returned."""
        reply, fault = self._send(method, path, writes=True, json=body, params=params)
        return Answer({}, fault) if fault else Answer(_content(reply, path))

    def upload(self, path: str, filename: str, content: bytes) -> Answer:
        """POST a CSV file, as the part `file` of a multipart body; the fault of the file alone is returned.

        Source: developer.salesforce.com/docs/marketing/pardot/guide/import-v5
        """
        reply, fault = self._send("POST", path, writes=True, files={"file": (filename, content, "text/csv")})
        return Answer({}, fault) if fault else Answer(_content(reply, path))

    def download(self, path: str) -> bytes:
        """Read a file."""
        reply, fault = self._send("GET", path, writes=False)
        if fault is not None:
            raise read_error(fault, path)
        return reply.body

    def read(self, path: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        """Read one answer. Raises Refused for what is not there."""
        answer = self.find(path, params)
        if answer.fault is not None:
            raise read_error(answer.fault, path)
        return answer.data

    def find(self, path: str, params: Mapping[str, str]) -> Answer:
        """Read what may not be there: that fault alone is returned."""
        reply, fault = self._send("GET", path, writes=False, params=params)
        if fault is None:
            return Answer(_content(reply, path, writes=False))
        if fault.no_such_record:
            return Answer({}, fault)
        raise read_error(fault, path)

    def pages(self, path: str, params: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """Yield every record of a query. On a later page only `fields` may go along with the page's token."""
        asked = {**params, "limit": str(PAGE)}
        while True:
            answer = self.read(path, asked)
            yield from answer.get("values") or ()
            token = answer.get("nextPageToken")
            if not token:
                return
            asked = {"fields": params["fields"], "nextPageToken": str(token)}

    def usage(self) -> Usage | None:
        """Read the calls of the day, by the account's figures or else by the header, and tell the gate.

        None where Pardot answers the call and tells no figures.
        """
        params = {"fields": "apiCallsUsed,maximumDailyApiCalls"}
        seen: list[Usage] = []
        try:
            reply, fault = self._send("GET", "account", writes=False, params=params, usage=seen)
        except (Denied, EnvironmentFault):
            if not seen:
                raise
            return seen[0]
        if fault is None and (told := usage_in(_content(reply, "account", writes=False))):
            self._context.gate.seen(told.used)
            return told
        if seen:
            return seen[0]
        if fault is not None:
            raise read_error(fault, "account")
        return None

    def tell_usage(self) -> None:
        """Read the calls of the day, and with that see that the business unit is the right one.

        Raises CredentialsError, SpecError, VendorUnavailable; what only hides the figures stops nothing.
        """
        try:
            told = self.usage()
        except RunStopped:
            raise
        except (Denied, Refused, EnvironmentFault, RetryLater) as error:
            self._context.log.debug("pardot: the calls of the day cannot be read: %s", error.what)
            return
        daily = self._settings.limits.daily
        if told and told.allowed is not None and daily is not None and told.allowed < daily:
            self._context.log.warning(
                "pardot: the account allows %s calls a day and the settings %s: set limits.edition or limits.daily",
                told.allowed,
                daily,
            )

    def _send(
        self, method: str, path: str, *, writes: bool, usage: list[Usage] | None = None, **options: Any
    ) -> tuple[Reply, Fault | None]:
        """Make the call, with a renewed token once where the first is refused; `usage` takes what is told of it.

        Returns the fault where it is about the record alone.
        """
        token = self._tokens.current()
        asks = usage is not None or self._is_due()
        reply, fault = self._once(method, path, token, asks=asks, writes=writes, **options)
        if fault is not None and fault.refuses_token:
            token = self._tokens.after(token)
            reply, fault = self._once(method, path, token, asks=asks, writes=writes, **options)
        if told := usage_of(reply.headers.get(USAGE_HEADER, "")):
            self._context.gate.seen(told.used)
            if usage is not None:
                usage.append(told)
        error = call_error(fault, path, writes=writes) if fault else None
        if fault is not None and error is not None:
            raise self._failed(fault, error)
        self._tokens.accepted()
        self._busy, self._let_in = 0, True
        self._patience.taken()
        return reply, fault

    def _once(
        self, method: str, path: str, token: str, *, asks: bool, writes: bool, **options: Any
    ) -> tuple[Reply, Fault | None]:
        headers = {
            "Authorization": f"Bearer {token}",
            "Pardot-Business-Unit-Id": self._settings.business_unit_id,
            **(ASKS_USAGE if asks else {}),
        }
        whole = path if path.startswith("/") else _OBJECTS + path
        try:
            reply = self._http.send(method, whole, headers=headers, **options)
        except NoAnswer as error:
            if writes:
                raise
            # A read has no effect that could be unknown.
            raise RetryLater(error.what, where=error.where, why=error.why, after=error.after) from error
        self._date = reply.headers.get("date", "")
        traces = {name: reply.headers[name] for name in _TRACES if name in reply.headers}
        self._context.log.debug("pardot %s %s: HTTP %s %s", method, whole, reply.status, traces)
        return reply, read_fault(reply, path)

    def _failed(self, fault: Fault, error: EngineError) -> EngineError:
        """Return the error of a refused call; a quota that is spent is made known to all calls of the account."""
        if fault.code == DAY_SPENT:
            return self._spent(error)
        if fault.refuses_token and self._let_in and not isinstance(error, Denied):
            # These credentials have served already, so it is the token that was ended, and not they that are wrong.
            error = NotTaken(error.what, where=error.where, why=error.why, fix=error.fix)
            return self._patience.judge(self._tokens.refused(error))
        if fault.code == TOO_MANY_AT_ONCE and isinstance(error, RetryLater):
            with self._lock:
                self._busy = min(self._busy + 1, _LONGEST_BUSY)
                error.after *= (self._busy + 1) / 2
        return self._patience.judge(error)

    def _spent(self, error: EngineError) -> VendorUnavailable:
        now, settings = self._context.now(), self._settings
        until = quota_reset(settings.limits, now, zone_known=settings.zone_known)
        self._context.gate.hold(until - now, error.what)
        fix = "Run the same command again after that, or have fewer calls made by other integrations."
        if not settings.zone_known:
            fix = (
                "Run the same command again after midnight in the time zone of the Pardot account, which "
                "limits.day_zone tells this engine."
            )
        why = f"no call is made before {settings.limits.clock_time(until)}; {error.why}"
        return VendorUnavailable(error.what, where=error.where, why=why, fix=fix)

    def _is_due(self) -> bool:
        """Count a call; of so many of them one asks for Pardot's own count, as other integrations make calls too."""
        every = self._settings.usage_every
        with self._lock:
            self._calls += 1
            return every is not None and self._calls % every == 0


def _content(reply: Reply, path: str, *, writes: bool = True) -> Mapping[str, Any]:
    """The body of a good answer. Raises NoAnswer for a write where it cannot be read: it may have been done."""
    if not reply.body.strip():
        return {}
    data = reply.json()
    if not isinstance(data, dict):
        kind = NoAnswer if writes else RetryLater
        raise kind("the answer cannot be read", after=5.0, where=path)
    return data
