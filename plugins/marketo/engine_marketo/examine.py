"""The examination of a connection for `engine doctor`: each point read from Marketo by a call that writes nothing.

Sources: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/custom-services (permissions),
…/rest/endpoint-reference
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from email.utils import parsedate_to_datetime

from engine.adapters import Context, Examined
from engine.errors import CredentialsError, EngineError, RetryLater, SpecError, VendorUnavailable
from engine_marketo.client import Client
from engine_marketo.config import Settings
from engine_marketo.envelope import Envelope
from engine_marketo.errors import Refused
from engine_marketo.partitions import check_partition, partitions
from engine_marketo.usage import USAGE, calls_today, time_of

#: Seconds by which two clocks may differ before times that one of them gave mislead.
CLOCKS_APART = 60.0
_NO_LEADS = b'{"action":"updateOnly","lookupField":"email","input":[]}'
_ROLE = "In Marketo open Admin, Users & Roles, and give the role of the API user: "


class Examination:
    """Examines one connection, call by call."""

    def __init__(self, client: Client, settings: Settings, context: Context) -> None:
        self._client = client
        self._settings = settings
        self._context = context
        self._request_id = ""

    def points(self) -> Sequence[Examined]:
        """Examine everything. Raises RetryLater and VendorUnavailable where the identity service cannot be reached."""
        try:
            user = self._client.sign_in()
        except CredentialsError as error:
            return [Examined("identity", ok=True, detail=self._settings.token_url), _failed("signed in", error)]
        except SpecError as error:
            return [_failed("identity", error)]
        return [
            Examined("identity", ok=True, detail=self._settings.token_url),
            Examined("signed in", ok=True, detail=f"as {user}" if user else ""),
            *self._signed_in(),
        ]

    def _signed_in(self) -> Iterator[Examined]:
        # An update of no leads is refused once the permission is found to be there, and changes nothing.
        writing = self._point("Read-Write Lead", self._writes_leads, needs="Access API, Read-Write Lead")
        address = self._address(writing)
        yield address
        if address.ok is False:
            return
        yield writing
        yield self._point(
            "Read-Only Assets",
            lambda: self._read("/rest/asset/v1/channels.json", maxReturn="1"),
            needs="Access API, Read-Only Assets",
        )
        yield self._optional(
            "schema",
            lambda: self._read("/rest/v1/leads/schema/fields.json", batchSize="1"),
            without="hidden and sensitive fields are not marked in the field list",
            needs="Access API, Read-Only Schema Standard Field and Read-Only Schema Custom Field",
        )
        yield self._partition()
        yield self._quota()
        yield self._clock()
        yield self._optional(
            "bulk import",
            self._imports,
            without="large runs cannot be imported as files",
            needs="Access API, Read-Write Lead",
        )

    def _point(self, name: str, ask: Callable[[], str], *, needs: str) -> Examined:
        """A point that must be right; what cannot be asked now is not judged."""
        try:
            return Examined(name, ok=True, detail=ask())
        except CredentialsError as error:
            return Examined(name, ok=False, detail=error.what, fix=f"{_ROLE}{needs}.")
        except (RetryLater, VendorUnavailable) as error:
            return Examined(name, ok=None, detail=f"not asked: {error.what}", fix="Examine it again later.")
        except EngineError as error:
            return _failed(name, error)

    def _optional(self, name: str, ask: Callable[[], str], *, without: str, needs: str) -> Examined:
        """A point that the engine can do without."""
        point = self._point(name, ask, needs=needs)
        if point.ok:
            return point
        return Examined(name, ok=None, detail=f"{point.detail}; without it, {without}", fix=point.fix)

    def _read(self, path: str, **params: str) -> str:
        self._noted(self._client.read(path, params))
        return ""

    def _noted(self, envelope: Envelope) -> Envelope:
        self._request_id = str(envelope.get("requestId") or "") or self._request_id
        return envelope

    def _writes_leads(self) -> str:
        try:
            self._noted(self._client.write("/rest/v1/leads.json", _NO_LEADS))
        except Refused:
            return ""
        return ""

    def _imports(self) -> str:
        try:
            self._read("/bulk/v1/leads/batch/0.json")
        except Refused:
            return ""  # that there is no such import is told to those who may import
        return ""

    def _address(self, first: Examined) -> Examined:
        """The REST API answered if its first call was answered by it, whatever it said."""
        if "base_url" in first.fix:
            return Examined("REST address", ok=False, detail=first.detail, fix=first.fix)
        return Examined("REST address", ok=None if first.ok is None else True, detail=self._settings.base_url)

    def _partition(self) -> Examined:
        name = self._settings.partition
        try:
            found = partitions(self._client)
            if name and found is not None:
                check_partition(found, name)
        except (RetryLater, VendorUnavailable) as error:
            return Examined("partition", ok=None, detail=f"not asked: {error.what}")
        except EngineError as error:
            return _failed("partition", error)
        if found is None:
            detail = f"{name or 'none set'}; the API user may not read the partitions"
            return Examined("partition", ok=None, detail=detail)
        return Examined("partition", ok=True, detail=name or f"none set; there are: {', '.join(found) or 'none'}")

    def _quota(self) -> Examined:
        limits = self._settings.limits
        try:
            used = calls_today(self._noted(self._client.read(USAGE)), limits.day(self._context.now()))
        except VendorUnavailable as error:
            return Examined("quota", ok=False, detail=error.what, fix=error.fix)
        except EngineError as error:
            return Examined("quota", ok=None, detail=f"the calls of the day cannot be read: {error.what}")
        self._context.gate.seen(used)
        if limits.daily is None:
            return Examined("quota", ok=True, detail=f"{used} calls made today by all integrations")
        detail = f"{used} of {limits.daily} calls made today by all integrations"
        if limits.reserve:
            detail += f"; {limits.reserve} are left to others"
        full = limits.daily - limits.reserve
        if used >= full or (limits.alert is not None and used > limits.alert * limits.daily):
            ends = limits.clock_time(limits.day_ends(self._context.now()))
            fix = f"Run what can wait after {ends}, when the quota is given anew; or see which integration uses it up."
            return Examined("quota", ok=False, detail=detail, fix=fix)
        return Examined("quota", ok=True, detail=detail)

    def _clock(self) -> Examined:
        theirs = time_of(self._request_id)
        if theirs is None:
            theirs = _date(self._client.date)
        if theirs is None:
            return Examined("clock", ok=None, detail="Marketo's answers tell no time")
        apart = self._context.now() - theirs
        if abs(apart) <= CLOCKS_APART:
            return Examined("clock", ok=True, detail=f"within {CLOCKS_APART:g} seconds of Marketo's")
        detail = f"this machine's clock is {abs(apart):.0f} seconds {'ahead of' if apart > 0 else 'behind'} Marketo's"
        return Examined("clock", ok=False, detail=detail, fix="Set this machine's clock by a time server (NTP).")


def _date(header: str) -> float | None:
    """Unix seconds of an HTTP date."""
    try:
        return parsedate_to_datetime(header).timestamp()
    except ValueError:
        return None


def _failed(name: str, error: EngineError) -> Examined:
    ok = None if isinstance(error, RetryLater) else False
    return Examined(name, ok=ok, detail="; ".join(filter(None, (error.what, error.why))), fix=error.fix)
