"""Access tokens that a service issues: fetched once for all threads, kept while they live, replaced when refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import CredentialsError, EngineError

#: Seconds before the end of its life at which a token is no longer used, where its lifetime is known.
RENEW_BEFORE = 60.0
#: After this many calls in a row that were refused with a new token too, the credentials are at fault. Of calls that
#: are under way together only one counts, so they are these seconds apart.
_REFUSALS = 5
_APART = 1.0


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; `lifetime` in seconds from now on, None where only a refusal tells that it has ended."""

    text: str
    lifetime: float | None = None


class Tokens:
    """Holds the access token of a vendor. Thread-safe.

    `fetch` gets a token from the vendor's service; one thread calls it while the others wait, and they share its
    outcome. Refused credentials are remembered: until `sign_in` nobody asks with them again. `now`: the time, Unix
    seconds. `vendor` and `fix` are for people: who refuses, and what to do about it.
    """

    def __init__(self, fetch: Callable[[], Token], now: Callable[[], float], *, vendor: str, fix: str) -> None:
        self._fetch = fetch
        self._now = now
        self._vendor = vendor
        self._fix = fix
        self._lock = threading.Lock()
        self._token = ""
        self._renew_at: float | None = None
        self._fetched = 0
        self._error: EngineError | None = None
        self._refusals = 0
        self._refused_at = 0.0

    def sign_in(self) -> str:
        """Fetch a token, whatever happened before, and return it. Raises what `fetch` raises."""
        with self._lock:
            return self._renewed()

    def current(self) -> str:
        """Return a living token. Raises what `fetch` raises."""
        seen = self._fetched
        with self._lock:
            if self._token and (self._renew_at is None or self._now() < self._renew_at):
                return self._token
            return self._shared(seen)

    def after(self, dead: str) -> str:
        """Return another token than the `dead` one; where another thread has got one already, that one."""
        seen = self._fetched
        with self._lock:
            if self._token and self._token != dead:
                return self._token
            return self._shared(seen)

    def accepted(self) -> None:
        """A call was let in."""
        self._refusals = 0

    def refused(self, error: EngineError) -> EngineError:
        """A call was refused with a new token too, which is `error`. Return what to raise for it.

        Tokens are revoked, and replaced elsewhere, at any time; only when it goes on are the credentials at fault.
        """
        with self._lock:
            now = self._now()
            if not self._refusals or abs(now - self._refused_at) >= _APART:
                self._refusals += 1
                self._refused_at = now
            if self._refusals < _REFUSALS:
                return error
        return CredentialsError(
            f"{self._vendor} does not accept the tokens that it issues: {error.what}",
            where=error.where,
            why=f"{_REFUSALS} calls in a row were refused with a new token",
            fix=self._fix,
        )

    def _shared(self, seen: int) -> str:
        """Fetch under the lock, unless somebody did so since `seen`, in vain, or the credentials are refused."""
        if self._error is not None and (self._fetched != seen or isinstance(self._error, CredentialsError)):
            raise self._error
        return self._renewed()

    def _renewed(self) -> str:
        self._token, self._error = "", None
        try:
            token = self._fetch()
        except EngineError as error:
            self._error = error
            raise
        finally:
            self._fetched += 1
        self._token, self._renew_at = token.text, None
        if token.lifetime is not None:
            # Some services hand out one token until its very end, so near it the margin must shrink too.
            self._renew_at = self._now() + token.lifetime - min(RENEW_BEFORE, token.lifetime / 2)
        return self._token
