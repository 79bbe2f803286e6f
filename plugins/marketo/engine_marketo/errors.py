"""What follows from the table of Marketo's codes: how a refused call is recovered from, what becomes of a record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.codes import VendorCode
from engine.errors import (
    AbortRun,
    EngineError,
    EnvironmentFault,
    NoAnswer,
    NotTaken,
    PermissionDenied,
    RetryLater,
    SpecError,
    VendorUnavailable,
)
from engine.records import Failure, Outcome
from engine.redaction import redact
from engine_marketo.codes import BY_CODE

Endpoint = Literal["", "leads", "members", "member data", "lists", "import", "assets"]

#: What people are shown as the endpoint of a failure.
_SHOWN: Mapping[Endpoint, str] = {
    "": "rest/v1", "leads": "leads.json", "members": "members/status.json", "member data": "members.json",
    "lists": "lists/leads.json", "import": "bulk/v1", "assets": "asset/v1",
}  # fmt: skip

RATE, DAILY_QUOTA, BUSY, LEAD_GONE, SEVERAL_LEADS = "606", "607", "615", "1004", "1007"

#: Failures of calls, and codes, that meet every call alike: limits, tokens, an instance that is away.
_OF_ALL_CALLS = frozenset({"RATE_OR_QUOTA", "AUTHENTICATION"})
_AWAY = frozenset({"608", "614"})

#: Codes that a setting is at fault for, whoever is written: where it stands, and what to do.
_SETTINGS: Mapping[str, tuple[str, str]] = {
    "1008": ("destination.config.partition", "Name a partition that the API user's workspaces see."),
    "1009": ("destination.config.partition", "Name the partition that people are to be created in."),
    "1011": ("matching", "Match by lead_id, email or a field that `engine fields` shows as searchable."),
}

_NAMED = (
    re.compile(r"""[Ff]ields?:?\s*\[?\s*['"`‘“\[]\s*([\w.-]+)"""),
    re.compile(r"\b[Ff]ield ([\w.-]+) (?:was )?not found"),
)

CREDENTIALS = "destination.config.client_id / client_secret"


@dataclass(frozen=True, slots=True)
class Reason:
    """A code with its text, as Marketo gives them for a call or for a record; the text is fit to be shown."""

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.message or 'no reason given'} (code {self.code or 'missing'})"


def endpoint_of(path: str) -> Endpoint:
    """Which of the endpoints whose codes differ a path belongs to; '' where none does."""
    if path.startswith("/bulk/"):
        return "import"
    if path.startswith("/rest/asset/"):
        return "assets"
    if path.startswith(("/rest/v1/lists/", "/rest/v1/list/")):
        return "lists"
    if path.startswith("/rest/v1/programs/"):
        return "members" if path.endswith("/members/status.json") else "member data"
    return "leads" if path.startswith(("/rest/v1/leads", "/rest/v1/lead/")) else ""


@dataclass(frozen=True, slots=True)
class Site:
    """The call that an error belongs to. `writes`: it may change something; `window`: the rate window in seconds."""

    path: str
    writes: bool
    window: float
    request_id: str = ""

    @property
    def endpoint(self) -> Endpoint:
        return endpoint_of(self.path)

    @property
    def why(self) -> str:
        return f"Marketo's request id is {self.request_id}" if self.request_id else ""


class Refused(SpecError):
    """Marketo refused a whole call, executed nothing, and repeating it as it is cannot help.

    Writers turn it into failures of the records; a reader lets it pass, because then a setting or field is at fault.
    """

    def __init__(self, reason: Reason, site: Site) -> None:
        super().__init__(
            f"Marketo refused the call: {reason}",
            where=site.path,
            why=site.why,
            fix="Correct the field, program or setting that the message names.",
        )
        self.reason = reason
        self.endpoint = site.endpoint

    @property
    def divisible(self) -> bool:
        """Whether one record can have brought this upon its whole batch, of which nothing was written."""
        return classify(self.reason, self.endpoint, "call").recovery == "divide"


def reasons(given: Any) -> list[Reason]:
    """Read a list of `{code, message}`; codes are text but have been met as numbers, and lists as a single object."""
    entries = given if isinstance(given, list) else [given]
    found: list[Reason] = []
    for entry in entries:
        if isinstance(entry, Mapping):
            code, message = entry.get("code"), entry.get("message")
            found.append(Reason("" if code is None else str(code).strip(), redact(str(message or ""))))
        elif isinstance(entry, str):
            found.append(Reason("", redact(entry)))
    return found


def classify(reason: Reason, endpoint: Endpoint, level: Literal["call", "record"] = "record") -> VendorCode:
    """The row of the table for a reason; a code that is not in it is kept as it is and becomes UNKNOWN."""
    for case in BY_CODE.get(reason.code, ()):
        fits = case.code.level in {"both", level} and case.code.endpoint in {"", endpoint}
        if fits and re.search(case.words, reason.message, re.IGNORECASE):
            return case.code
    # One record may have brought it about, so that the rest of its batch is worth another call.
    return VendorCode(reason.code, "A code that this plugin does not know.", "UNKNOWN",
                      "divide" if level == "call" else "fix")  # fmt: skip


def is_known(code: str) -> bool:
    """Whether the table has a row for `code`."""
    return code in BY_CODE


def wait_of(code: VendorCode, window: float) -> float:
    """Seconds after which what was refused with `code` can be sent again; `window`: the rate window in seconds."""
    return window if code.code == RATE else code.after or 1.0


def call_error(reason: Reason, site: Site) -> EngineError:
    """Return the exception that says how a call which was refused with `reason` is recovered from."""
    if not reason.code:
        return unclear(f"Marketo did not say what is wrong: {reason}", site)
    code = classify(reason, site.endpoint, "call")
    match code.recovery:
        case "wait" | "sign_in":
            # What meets every call is no fault of the records in this one; anything else may be.
            kind = NotTaken if code.failure in _OF_ALL_CALLS or code.code in _AWAY else RetryLater
            wait = wait_of(code, site.window)
            return kind(f"Marketo did not take the call: {reason}", where=site.path, why=site.why, after=wait)
        case "look_up":
            return unclear(f"Marketo failed at the call: {reason}", site)
        case "stop":
            return _stop(code, reason, site)
        case _:
            return Refused(reason, site)


def _stop(code: VendorCode, reason: Reason, site: Site) -> AbortRun:
    if setting := _SETTINGS.get(code.code):
        return SpecError(f"{code.meaning.rstrip('.')}: {reason}", where=setting[0], why=site.why, fix=setting[1])
    if code.failure == "CONNECTION_PERMISSION":
        return PermissionDenied(
            f"Marketo denies access: {reason}",
            where=site.path,
            why=code.meaning,
            fix="In Marketo give the API user's role Read-Write Lead and Read-Only Assets, and allow this machine's "
            f"address; or use another custom service in {CREDENTIALS}.",
        )
    if code.failure == "RATE_OR_QUOTA":
        return VendorUnavailable(
            f"{code.meaning.rstrip('.')}: {reason}",
            where=site.path,
            why=site.why,
            fix="Run the same command again after midnight US Central time, when the quota is reset.",
        )
    if code.failure == "PLUGIN_ERROR":
        return EnvironmentFault(
            f"Marketo does not understand the plugin's requests: {reason}",
            where=site.path,
            why=site.why,
            fix="See whether a proxy changes requests on their way; else report the message to the plugin's author.",
        )
    return wrong_address(str(reason), site)


def unclear(what: str, site: Site) -> RetryLater:
    """Return NoAnswer for a write, which may have taken effect, and RetryLater for a read, which cannot."""
    kind = NoAnswer if site.writes else RetryLater
    return kind(what, where=site.path, why=site.why, after=5.0)


def wrong_address(what: str, site: Site) -> SpecError:
    """Return the error for a service that does not know a path or method of the REST API."""
    return SpecError(
        f"there is no Marketo REST API at this address: {what}",
        where=site.path,
        why=site.why,
        fix="Copy the address under Admin, Integration, Web Services, REST API to destination.config.base_url.",
    )


def named_field(message: str) -> str:
    """The field that a message names, the first of several, or ''. Only the word after "field" is relied on."""
    return next((found.group(1) for pattern in _NAMED if (found := pattern.search(message))), "")


def failure(reason: Reason, endpoint: Endpoint) -> Failure:
    """Return the failure that `reason` means for one record of a call to `endpoint`."""
    return Failure(
        code=classify(reason, endpoint).failure or "UNKNOWN",
        message=f"Marketo: {reason}",
        field=named_field(reason.message),
        vendor_code=reason.code,
        endpoint=_SHOWN[endpoint],
    )


def outcome(reason: Reason, endpoint: Endpoint, window: float, *, row: Any) -> Outcome:
    """What became of a record that was refused with `reason` in a call that succeeded; `row` is Marketo's answer."""
    code = classify(reason, endpoint)
    match code.recovery:
        case "done":
            return Outcome("satisfied", answer=row)
        case "wait" | "sign_in":
            # The failure is what it comes to where waiting does not help.
            later = failure(reason, endpoint) if code.failure == "REMOTE_RECORD_GONE" else None
            return Outcome("later", after=wait_of(code, window), answer=row, failure=later)
        case "look_up":
            return Outcome("unknown", answer=row)
        case _:
            return Outcome("failed", failure=failure(reason, endpoint), answer=row)
