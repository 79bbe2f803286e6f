"""Calls to Marketo's REST API: the token, the call itself, and what its envelope says.

HTTP 200 means nothing here: whether a call succeeded stands in the body, and what became of a record in its own row.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from engine.adapters import Context
from engine.errors import EngineError, NoAnswer, RetryLater, VendorUnavailable
from engine.http import Reply
from engine.patience import Patience
from engine_marketo.config import Settings
from engine_marketo.envelope import Envelope, envelope_of
from engine_marketo.errors import (
    BUSY,
    DAILY_QUOTA,
    RATE,
    Reason,
    Site,
    call_error,
    classify,
    is_known,
    reasons,
    unclear,
)
from engine_marketo.tokens import Identity
from engine_marketo.usage import USAGE, calls_today, quota_reset

Params = Mapping[str, str] | Sequence[tuple[str, str]]

#: The vendor refuses a URI above 8 KB; longer queries travel as a form. The margin is for the host and the headers.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
MAX_URI = 7_000
#: Assets take no form in place of a query, but a URI of 64 KB.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/blog (February 2020)
ASSETS = "/rest/asset/"
#: A refusal for too many calls at once is waited out a little longer each time, up to this many times its wait.
_LONGEST_BUSY = 8
_SLASHES = re.compile("/{2,}")


class Client:
    """Makes calls; safe to use from many threads. Every method but `download` returns a successful call's envelope.

    Raises CredentialsError, VendorUnavailable, SpecError (Refused: nothing was executed), EnvironmentFault; RetryLater;
    and for writes NoAnswer where the effect is unknown.
    """

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._http = context.http(settings.base_url, timeout=settings.timeout)
        self._identity = Identity(self._http, settings, context)
        self._tokens = self._identity.tokens()
        self._lock = threading.Lock()
        self._calls = 0
        self._busy = 0
        self._patience = Patience(
            context.now,
            fix="See what else uses the instance, or its status at Adobe; then run the same command again.",
        )
        self._date = ""

    def close(self) -> None:
        self._http.close()

    def sign_in(self) -> str:
        """Get a token and return the API user that it was issued for. Raises CredentialsError, RetryLater."""
        self._tokens.current()
        return self._identity.scope

    @property
    def date(self) -> str:
        """The Date header of the latest answer, '' where there is none."""
        return self._date

    def read(self, path: str, params: Params | None = None) -> Envelope:
        """GET `path`; a query too long for an address goes as a form in a POST that stands for the GET."""
        pairs = _pairs(params)
        if len(path) + len(urlencode(pairs)) <= MAX_URI or path.startswith(ASSETS):
            return self._reading("GET", path, params=pairs or None)
        # A repeated name would lose values in a form, and stands for a list of them anyway.
        joined = {name: ",".join(value for key, value in pairs if key == name) for name, _ in pairs}
        return self._reading("POST", path, params={"_method": "GET"}, form=joined)

    def write(self, path: str, body: bytes) -> Envelope:
        """POST the JSON text `body` to `path`."""
        return self._changing("POST", path, content=body, headers={"Content-Type": "application/json"})

    def delete(self, path: str, body: bytes) -> Envelope:
        """DELETE at `path` what the JSON text `body` names."""
        return self._changing("DELETE", path, content=body, headers={"Content-Type": "application/json"})

    def upload(self, path: str, params: Params, filename: str, content: bytes) -> Envelope:
        """POST a CSV file of at most 10 MB to `path`, as the part `file` of a form.

        Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-import
        """
        return self._changing("POST", path, params=_pairs(params), files={"file": (filename, content, "text/csv")})

    def download(self, path: str) -> bytes:
        """GET the file at `path`; a file of no bytes is an answer too. Raises as `read`.

        Errors come as an envelope with the same status, so that the content tells.
        """
        site = self._site(path, writes=False)
        answer, reply = self._call("GET", site)
        if answer is None and reply.status != 200:
            raise _no_envelope(reply, site)
        if answer is not None or reply.body.lstrip()[:1] == b"<":
            raise unclear(f"no file: HTTP {reply.status} {reply.excerpt(100)}", site)
        return reply.body

    def tell_usage(self) -> None:
        """Read Marketo's own count of today's calls and tell the gate; where it cannot be read, the run goes on."""
        try:
            day = self._settings.limits.day(self._context.now())
            used = calls_today(self.read(USAGE), day)
        except EngineError as error:
            self._context.log.debug("marketo: the calls of the day cannot be read: %s", error.what)
        else:
            self._context.gate.seen(used)

    def _reading(self, method: str, path: str, **options: Any) -> Envelope:
        return self._enveloped(method, self._site(path, writes=False), **options)

    def _changing(self, method: str, path: str, **options: Any) -> Envelope:
        return self._enveloped(method, self._site(path, writes=True), **options)

    def _site(self, path: str, *, writes: bool) -> Site:
        return Site(_SLASHES.sub("/", path), writes=writes, window=self._settings.limits.window)

    def _enveloped(self, method: str, site: Site, **options: Any) -> Envelope:
        envelope, reply = self._call(method, site, **options)
        if envelope is None:
            raise _no_envelope(reply, site)
        return envelope

    def _call(self, method: str, site: Site, **options: Any) -> tuple[Envelope | None, Reply]:
        """Make the call; where the token died it was not executed and is made once more with a new one."""
        token = self._tokens.current()
        envelope, reply = self._send(method, site, token, **options)
        if _token_refusal(envelope, reply):
            envelope, reply = self._send(method, site, self._tokens.after(token), **options)
            if reason := _token_refusal(envelope, reply):
                raise self._tokens.refused(self._patience.judge(call_error(reason, site)))
        self._tokens.accepted()
        if envelope is not None and not envelope["success"]:
            raise self._failed(_reason(envelope), replace(site, request_id=str(envelope.get("requestId", ""))))
        self._busy = 0
        self._patience.taken()
        if site.path != USAGE:
            self._count()
        return envelope, reply

    def _send(
        self, method: str, site: Site, token: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> tuple[Envelope | None, Reply]:
        signed = {**(headers or {}), "Authorization": f"Bearer {token}"}
        try:
            reply = self._http.send(method, site.path, headers=signed, **options)
        except NoAnswer as error:
            if site.writes:
                raise
            # A read has no effect that could be unknown.
            raise RetryLater(error.what, where=error.where, why=error.why, after=error.after) from error
        self._date = reply.headers.get("date", "")
        envelope = envelope_of(reply)
        # Adobe's support asks for the request id, so it is always noted.
        self._context.log.debug("marketo %s %s: request id %s", method, site.path, (envelope or {}).get("requestId"))
        return envelope, reply

    def _failed(self, reason: Reason, site: Site) -> EngineError:
        """Return the error of a refused call; a limit of the whole instance is made known to all its other calls."""
        error, gate = call_error(reason, site), self._context.gate
        if reason.code == RATE:
            gate.hold(site.window, error.what)
        elif reason.code == DAILY_QUOTA:
            now, limits = self._context.now(), self._settings.limits
            until = quota_reset(limits, now)
            gate.hold(until - now, error.what)
            return VendorUnavailable(
                error.what,
                where=error.where,
                why=f"no call is made before {limits.clock_time(until)}; {site.why or 'other integrations count too'}",
                fix="Run the same command again after that, or have the quota raised by Adobe.",
            )
        elif reason.code == BUSY and isinstance(error, RetryLater):
            with self._lock:
                self._busy = min(self._busy + 1, _LONGEST_BUSY)
                error.after *= (self._busy + 1) / 2
        return self._patience.judge(error)

    def _count(self) -> None:
        """Count a call; after so many of them Marketo's own count is read, as other integrations make calls too."""
        every = self._settings.usage_every
        with self._lock:
            self._calls += 1
            due = every is not None and self._calls % every == 0
        if due:
            self.tell_usage()


def _pairs(params: Params | None) -> list[tuple[str, str]]:
    return list(params.items()) if isinstance(params, Mapping) else list(params or ())


def _reason(envelope: Envelope) -> Reason:
    """Why a call failed; the first of several reasons."""
    return next(iter(reasons(envelope.get("errors"))), Reason("", "no reason given"))


def _token_refusal(envelope: Envelope | None, reply: Reply) -> Reason | None:
    """Why a call was refused, where it was for its token; such a call was not executed. None for all other calls."""
    if envelope is None:
        reason = Reason(str(reply.status), reply.excerpt(100))
    elif envelope["success"]:
        return None
    else:
        reason = _reason(envelope)
    return reason if classify(reason, "", "call").recovery == "sign_in" else None


def _no_envelope(reply: Reply, site: Site) -> EngineError:
    """Return what an answer that is no envelope means, by its HTTP status."""
    reason = Reason(str(reply.status), f"HTTP {reply.status} {reply.excerpt(100)}".strip())
    return call_error(reason, site) if is_known(reason.code) else unclear(f"no usable answer: {reason.message}", site)
