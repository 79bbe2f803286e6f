"""Makes the calls to one provider: signs in, keeps to what the provider says of its limits, and sorts the answers.

What concerns the provider is raised (refused credentials, spent credits, throttling, outages, answers that are not
whole); what concerns the lead is returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from engine.adapters import Context
from engine.asking import AnswerClass
from engine.errors import CredentialsError, EngineError, NoAnswer, NotTaken, RetryLater, VendorUnavailable
from engine.http import Reply
from engine.redaction import remember_secret
from engine.tokens import Token, Tokens
from engine_enrichers.declared.costs import number
from engine_enrichers.declared.outcomes import Verdict, asked_wait, judge, spent, until_reset, wait_of
from engine_enrichers.declared.privacy import said
from engine_enrichers.declared.provider import OAuth, Provider, Rule
from engine_enrichers.declared.requests import Call, add_auth, basic

#: A larger answer is not about one person, nor about a batch of them.
MAX_BYTES = 8 * 2**20
_TOKEN_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that says something about a lead, and why in words where it is no hit."""

    outcome: AnswerClass
    reply: Reply
    body: Any
    detail: str = ""


class Client:
    """The calls to one provider with one set of credentials. Thread-safe."""

    def __init__(
        self, provider: Provider, config: Mapping[str, Any], options: Mapping[str, Any], context: Context
    ) -> None:
        """Raises SpecError where the base URL is not allowed."""
        self._provider = provider
        self._context = context
        self.base_url = str(config.get("base_url") or provider.base_url)
        self.secrets = {name: str(config[name]) for name in provider.credentials if config.get(name)}
        for secret in self.secrets.values():
            remember_secret(secret)
        self._values = {**options, **self.secrets}
        self._http = context.http(self.base_url, max_bytes=MAX_BYTES)
        oauth = provider.auth.oauth
        self._tokens: Tokens | None = None
        if oauth is not None:
            self._tokens = Tokens(
                lambda: self._fetch(oauth),
                context.now,
                vendor=provider.name,
                fix=f"See {provider.docs} for what the application must be allowed to do.",
            )

    def close(self) -> None:
        self._http.close()

    def signed(self, call: Call, token: str = "") -> Call:
        """The call with its credentials."""
        return add_auth(call, self._provider.auth, self._values, token)

    def ask(
        self, call: Call, rules: Sequence[Rule], *, private: Iterable[str], later: bool = False, counted: bool = True
    ) -> Answered:
        """Make a call. `private`: what the lead is asked about with, which no message repeats.

        Raises CredentialsError, VendorUnavailable (credits), NotTaken (throttled), RetryLater (outage, no connection),
        NoAnswer (no whole answer, possibly charged).
        """
        private = tuple(private)
        token = self._tokens.current() if self._tokens else ""
        reply, verdict = self._made(call, rules, token, later, counted)
        if verdict.outcome == "auth" and self._tokens is not None:
            token = self._tokens.after(token)
            reply, verdict = self._made(call, rules, token, later, counted)
            if verdict.outcome == "auth":
                raise self._tokens.refused(self._trouble("auth", reply, private))
        if self._tokens is not None:
            self._tokens.accepted()
        return self._sorted(reply, verdict, private)

    def sort(
        self, reply: Reply, rules: Sequence[Rule], *, private: Iterable[str] = (), later: bool = False
    ) -> Answered:
        """As `ask`, for an answer that is there already."""
        return self._sorted(reply, judge(rules, reply, reply.json(), later=later), tuple(private))

    def _sorted(self, reply: Reply, verdict: Verdict, private: Sequence[str]) -> Answered:
        if not verdict.whole:
            kind = "HTML" if "html" in reply.content_type else "not JSON"
            raise NoAnswer(f"the answer of {self._provider.name} is not whole (HTTP {reply.status}, {kind})", after=5.0)
        outage = verdict.outcome == "error" and not verdict.ruled and reply.status >= 500
        if outage or verdict.outcome in ("auth", "quota", "throttled"):
            raise self._trouble("outage" if outage else verdict.outcome, reply, private)
        detail = "" if verdict.outcome in ("hit", "pending") else said(reply, private, self.secrets.values())
        return Answered(verdict.outcome, reply, reply.json(), detail)

    def _made(self, call: Call, rules: Sequence[Rule], token: str, later: bool, counted: bool) -> tuple[Reply, Verdict]:
        reply = self._http.send(**self.signed(call, token).arguments, counted=counted)
        verdict = judge(rules, reply, reply.json(), later=later)
        headers, body = self._provider.limit_headers, self._provider.limit_body
        now = self._context.now()
        if verdict.outcome == "throttled":
            self._context.gate.hold(
                max(wait_of(reply, headers, now, body), asked_wait(reply, headers, now, body) or 0.0),
                f"{self._provider.name} asks to slow down",
            )
        elif spent(reply, headers):
            reset = until_reset(reply, headers, now)
            pause = self._provider.limits.window if reset is None else reset
            self._context.gate.hold(pause, f"{self._provider.name} takes no more calls until then")
        return reply, verdict

    def _trouble(self, outcome: str, reply: Reply, private: Iterable[str]) -> EngineError:
        """What is raised for an answer that says nothing about the lead."""
        name = self._provider.name
        why = said(reply, private, self.secrets.values())
        if outcome == "auth":
            first = next(iter(self._provider.credentials))
            return CredentialsError(
                f"{name} refused the credentials (HTTP {reply.status})",
                where=f"enrichment.{name}.config.{first}",
                why=why,
                fix=f"Correct them, or what they may do; see {self._provider.docs}.",
            )
        if outcome == "quota":
            return VendorUnavailable(
                f"the credits of {name} are spent (HTTP {reply.status})",
                why=why,
                fix="Buy credits, or wait for the next billing period, then run the same command again.",
            )
        body = self._provider.limit_body if outcome == "throttled" else None
        after = wait_of(reply, self._provider.limit_headers, self._context.now(), body)
        if outcome == "throttled":
            return NotTaken(f"{name} asks to slow down", after=after)
        return RetryLater(f"{name} is out of order (HTTP {reply.status})", after=after, why=why)

    # OAuth ------------------------------------------------------------------------------------------------------

    def _fetch(self, oauth: OAuth) -> Token:
        """Get an access token (RFC 6749, section 4.4). Raises CredentialsError, VendorUnavailable, RetryLater."""
        form = {"grant_type": "client_credentials"}
        headers = {}
        client_id, secret = self.secrets.get("client_id", ""), self.secrets.get("client_secret", "")
        if oauth.client == "basic":
            headers["Authorization"] = basic(client_id, secret)
        else:
            form |= {"client_id": client_id, "client_secret": secret}
        if oauth.scope:
            form["scope"] = oauth.scope
        call = Call("POST", self._token_url(oauth), headers=headers, form=form, timeout=_TOKEN_TIMEOUT)
        reply = self._http.send(**call.arguments, counted=False)
        name = self._provider.name
        if reply.status in (400, 401, 403):
            raise CredentialsError(
                f"{name} refused the client id or secret (HTTP {reply.status})",
                where=f"enrichment.{name}.config.client_secret",
                why=said(reply, (), self.secrets.values()),
                fix=f"Correct them; see {self._provider.docs}.",
            )
        body = reply.json()
        body = body if isinstance(body, dict) else {}
        text = body.get("access_token")
        if reply.status == 429:
            raise NotTaken(f"{name} asks to slow down", after=wait_of(reply, None, self._context.now()))
        if not 200 <= reply.status < 300 or not isinstance(text, str) or not text:
            raise RetryLater(f"{name} issued no access token (HTTP {reply.status})", after=5.0)
        remember_secret(text)
        return Token(text, number(body.get("expires_in")))

    def _token_url(self, oauth: OAuth) -> str:
        """Where tokens are issued; with a base URL of the configuration's own (a sandbox), there too."""
        if self.base_url == self._provider.base_url:
            return oauth.token_url
        here = urlsplit(self.base_url)
        return f"{here.scheme}://{here.netloc}{urlsplit(oauth.token_url).path}"
