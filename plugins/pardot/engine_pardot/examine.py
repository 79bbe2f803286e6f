"""The examination of a connection for `engine doctor`: each point read from Pardot by a call that writes nothing.

Source: developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5 (abilities)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from email.utils import parsedate_to_datetime

from engine.adapters import Context, Examined
from engine.errors import CredentialsError, EngineError, RetryLater, SpecError
from engine_pardot.client import Client
from engine_pardot.errors import HOST, UNIT, Denied
from engine_pardot.fields import CustomFields
from engine_pardot.settings import Settings

#: Seconds by which two clocks may differ before times that one of them gave mislead.
CLOCKS_APART = 60.0
_ONE = {"fields": "id", "limit": "1"}
_ROLE = "In Pardot's settings open User Management, Roles, and allow the role of the connected app's user: "
_CREATE = "Prospects > Prospects > Create"


class Examination:
    """Examines one connection, call by call. `token_host`: where Salesforce issues the tokens."""

    def __init__(
        self, client: Client, custom: CustomFields, settings: Settings, context: Context, token_host: str
    ) -> None:
        self._client = client
        self._custom = custom
        self._settings = settings
        self._context = context
        self._token_host = token_host

    def points(self) -> Sequence[Examined]:
        """Examine everything. Raises RetryLater and VendorUnavailable where Salesforce or Pardot cannot be reached."""
        try:
            self._client.sign_in()
        except (CredentialsError, SpecError) as error:
            if "token_url" in str(error.where or ""):
                return [_failed("token host", error), Examined("signed in", ok=None, detail="not tried")]
            return [Examined("token host", ok=True, detail=self._token_host), _failed("signed in", error)]
        return [
            Examined("token host", ok=True, detail=self._token_host),
            Examined("signed in", ok=True),
            *self._signed_in(),
        ]

    def _signed_in(self) -> Iterator[Examined]:
        unit, reading = self._first_call()
        yield unit
        if unit.ok is False:
            return
        yield reading
        yield Examined(
            "prospects writable",
            ok=None,
            detail=f"only a write tells; the user's role must allow {_CREATE}",
            fix=f"{_ROLE}{_CREATE}; and Prospects > Prospects > Assign where the mapping has userId or "
            "salesforceOwnerId, > Delete where leads are matched by prospect_id and recycled prospects are restored.",
        )
        yield self._point("custom fields", self._reads_fields, needs="Prospects > Configure Fields")
        yield self._point("lists readable", lambda: self._reads("lists"), needs="Marketing > Segmentation > Lists")
        yield Examined("lists writable", ok=None, detail="only a write tells",
                       fix=f"{_ROLE}adding prospects to lists, where the mapping has lists.")  # fmt: skip
        yield Examined("imports", ok=None, detail="only an import tells",
                       fix=f"{_ROLE}Admin > Imports, where destination.bulk is set.")  # fmt: skip
        yield self._quota()
        yield self._clock()

    def _first_call(self) -> tuple[Examined, Examined]:
        """What the first call tells of the business unit, and of reading prospects."""
        settings, name = self._settings, "prospects readable"
        known = Examined("business unit", ok=True, detail=f"{settings.business_unit_id} at {settings.base_url}")
        try:
            return known, Examined(name, ok=True, detail=self._reads("prospects"))
        except Denied as error:
            # Access that is denied without a word of an ability may be that to the business unit.
            if error.where != UNIT:
                return known, Examined(name, ok=False, detail=error.what, fix=f"{_ROLE}Prospects > Prospects > View.")
            return _failed("business unit", error), _failed(name, error)
        except EngineError as error:
            if isinstance(error, CredentialsError):
                return _failed("business unit", error), _failed(name, error)
            if error.where == HOST:
                return _failed("API host", error), _failed(name, error)
            return replace(known, ok=None if isinstance(error, RetryLater) else True), _failed(name, error)

    def _point(self, name: str, ask: Callable[[], str], *, needs: str) -> Examined:
        """A point that must be right; what cannot be asked now is not judged."""
        try:
            return Examined(name, ok=True, detail=ask())
        except Denied as error:
            return Examined(name, ok=False, detail=error.what, fix=f"{_ROLE}{needs}.")
        except RetryLater as error:
            return Examined(name, ok=None, detail=error.what, fix="Examine it again later.")
        except EngineError as error:
            return _failed(name, error)

    def _reads(self, path: str) -> str:
        self._client.read(path, _ONE)
        return ""

    def _reads_fields(self) -> str:
        return f"{len(self._custom.read())} custom fields"

    def _quota(self) -> Examined:
        limits = self._settings.limits
        try:
            told = self._client.usage()
        except EngineError as error:
            return Examined("quota", ok=None, detail=f"the calls of the day cannot be read: {error.what}")
        if told is None:
            return Examined("quota", ok=None, detail="Pardot does not tell the calls of the day")
        allowed = limits.daily if told.allowed is None else told.allowed
        detail = f"{told.used} of {allowed} calls made today by all integrations"
        if allowed is None or limits.daily is None:
            return Examined("quota", ok=True, detail=detail)
        if allowed == 0:
            fix = "Have an edition that includes the API, or another business unit."
            return Examined("quota", ok=False, detail=f"{detail}: the account's edition has no access", fix=fix)
        if allowed < limits.daily:
            fix = f"Set destination.config.limits.daily to {allowed}, or limits.edition to the account's."
            return Examined("quota", ok=False, detail=f"{detail}, and the settings allow {limits.daily}", fix=fix)
        if limits.reserve:
            detail += f"; {limits.reserve} are left to others"
        if allowed > limits.daily:
            detail += f"; the settings stop at {limits.daily}"
        full = limits.daily - limits.reserve
        if told.used >= full or (limits.alert is not None and told.used > limits.alert * limits.daily):
            ends = limits.clock_time(limits.day_ends(self._context.now()))
            fix = f"Run what can wait after {ends}, when the quota is given anew; or see which integration uses it up."
            return Examined("quota", ok=False, detail=detail, fix=fix)
        return Examined("quota", ok=True, detail=detail)

    def _clock(self) -> Examined:
        try:
            theirs = parsedate_to_datetime(self._client.date).timestamp()
        except ValueError:
            return Examined("clock", ok=None, detail="Pardot's answers tell no time")
        apart = self._context.now() - theirs
        if abs(apart) <= CLOCKS_APART:
            return Examined("clock", ok=True, detail=f"within {CLOCKS_APART:g} seconds of Pardot's")
        detail = f"this machine's clock is {abs(apart):.0f} seconds {'ahead of' if apart > 0 else 'behind'} Pardot's"
        return Examined("clock", ok=False, detail=detail, fix="Set this machine's clock by a time server (NTP).")


def _failed(name: str, error: EngineError) -> Examined:
    ok = None if isinstance(error, RetryLater) else False
    return Examined(name, ok=ok, detail="; ".join(filter(None, (error.what, error.why))), fix=error.fix)
