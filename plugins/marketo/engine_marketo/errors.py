"""Marketo's error codes: what recovers from each when it answers a whole call, and which failure it is for one record.

A code does not tell its level: the same number can answer a whole call or one record of it, so each level has a table.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import AbortRun, CredentialsError, EngineError, NoAnswer, RetryLater, SpecError, VendorUnavailable
from engine.records import Failure

#: The token died; the call was not executed and is repeated with a new one.
REAUTHENTICATE = frozenset({"600", "601", "602"})
_PERMISSION = frozenset({"603", "616", "703"})
#: Adobe answers one of these after working on the call, so that a write may have taken effect.
_UNCLEAR = frozenset({"500", "502", "503", "504", "604", "611"})
_ADDRESS = frozenset({"605", "610", "612", "613"})
#: Refused without being executed, with the seconds after which the same call can succeed.
_WAITS: Mapping[str, float] = {
    "608": 10.0,  # the API is temporarily unavailable
    "614": 30.0,  # the subscription cannot be reached
    "615": 1.5,  # too many calls at once
    "713": 5.0,  # a transient error
    "719": 5.0,  # a lock was not granted in time
}
_RATE = "606"
_DAILY_QUOTA = "607"

#: Codes that one record can bring upon its whole batch; nothing of the batch was written.
DIVISIBLE = frozenset({"413", "609", "701", "704", "1001", "1002", "1003", "1004", "1005", "1006", "1007", "1021"})
#: No such object; how the asset API may answer for a program.
NO_DATA = "702"
TOO_MANY_RESULTS = "1003"

#: Vendor code of one lead -> failure code. What is not listed is UNKNOWN.
LEAD_CODES: Mapping[str, str] = {
    "413": "DATA_VALUE_VALIDATION",
    "603": "CONNECTION_PERMISSION",
    "609": "DATA_VALUE_VALIDATION",
    "701": "DATA_VALUE_VALIDATION",
    "704": "DATA_VALUE_VALIDATION",
    "718": "DATA_VALUE_VALIDATION",
    "1001": "DATA_VALUE_VALIDATION",
    "1002": "DATA_VALUE_VALIDATION",
    "1003": "DATA_VALUE_VALIDATION",
    "1004": "REMOTE_RECORD_GONE",
    "1005": "ALREADY_EXISTS",
    "1006": "MISSING_REMOTE_FIELD",
    "1007": "AMBIGUOUS_MATCH",
    "1008": "CONNECTION_PERMISSION",
    "1009": "CONNECTION_PERMISSION",
    "1010": "CONNECTION_PERMISSION",
    "1011": "MISSING_REMOTE_FIELD",
    "1021": "MISSING_REMOTE_FIELD",
}
#: The same for a program member. 1013 names the program here, 702 is how an asset may be reported missing.
MEMBER_CODES: Mapping[str, str] = {
    **LEAD_CODES,
    NO_DATA: "CAMPAIGN_NOT_WRITABLE",
    "1013": "CAMPAIGN_NOT_WRITABLE",
    "1025": "INVALID_CAMPAIGN_STATUS",
}

_FIELD = re.compile(r"[Ff]ields?:? ?['\[\"]([\w.-]+)['\]\"]")

CREDENTIALS = "destination.config.client_id / client_secret"


@dataclass(frozen=True, slots=True)
class Reason:
    """A code with its text, as Marketo gives them for a call or for a record."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Site:
    """The call that an error belongs to. `writes`: it may change something; `window`: the rate window in seconds."""

    endpoint: str
    writes: bool
    window: float
    request_id: str = ""

    @property
    def why(self) -> str:
        return f"Marketo's request id is {self.request_id}" if self.request_id else ""


class Refused(SpecError):
    """Marketo refused a whole call, executed nothing, and repeating it as it is cannot help.

    Writers turn it into failures of the records; a reader lets it pass, because then a setting or field is at fault.
    """

    def __init__(self, reason: Reason, site: Site) -> None:
        super().__init__(
            f"Marketo refused the call: {reason.message} (code {reason.code})",
            where=site.endpoint,
            why=site.why,
            fix="Correct the field, program or setting that the message names.",
        )
        self.reason = reason


def reasons(given: Any) -> list[Reason]:
    """Read a list of `{code, message}`; codes are text but have been met as numbers, so both are taken."""
    if not isinstance(given, list):
        return []
    found = [entry for entry in given if isinstance(entry, Mapping)]
    return [Reason(str(entry.get("code", "")), str(entry.get("message", ""))) for entry in found]


def call_error(reason: Reason, site: Site) -> EngineError:
    """Return the exception that says how a call which was refused with `reason` is recovered from."""
    code, told = reason.code, f"{reason.message} (code {reason.code})"
    if code in REAUTHENTICATE:
        return CredentialsError(
            f"Marketo does not accept the token it has just issued: {told}",
            where=site.endpoint,
            why=site.why,
            fix=f"See in Marketo whether the custom service of {CREDENTIALS} is still active.",
        )
    if code in _PERMISSION:
        return CredentialsError(
            f"Marketo denies access: {told}",
            where=site.endpoint,
            why="the API user's role lacks a permission, or its IP allow-list excludes this machine",
            fix="In Marketo give the API user's role Read-Write Lead and Read-Only Assets, "
            "or use another custom service in destination.config.",
        )
    if code == _DAILY_QUOTA:
        return VendorUnavailable(
            f"Marketo's daily quota is spent: {told}",
            where=site.endpoint,
            why=site.why,
            fix="Run the same command again after midnight US Central time, when the quota is reset.",
        )
    if code == _RATE:
        return RetryLater(f"Marketo's rate limit was reached: {told}", where=site.endpoint, after=site.window)
    if code in _WAITS:
        return RetryLater(f"Marketo is busy: {told}", where=site.endpoint, why=site.why, after=_WAITS[code])
    if code in _UNCLEAR:
        return unclear(f"Marketo failed at the call: {told}", site)
    if code in _ADDRESS:
        return wrong_address(told, site)
    return Refused(reason, site)


def unclear(what: str, site: Site) -> RetryLater:
    """Return NoAnswer for a write, which may have taken effect, and RetryLater for a read, which cannot."""
    kind = NoAnswer if site.writes else RetryLater
    return kind(what, where=site.endpoint, why=site.why, after=5.0)


def wrong_address(what: str, site: Site) -> AbortRun:
    """Return the error for a service that does not know a path or method of the REST API."""
    return SpecError(
        f"there is no Marketo REST API at this address: {what}",
        where=site.endpoint,
        why=site.why,
        fix="Copy the address under Admin, Integration, Web Services, REST API to destination.config.base_url.",
    )


def record_wait(code: str, window: float) -> float | None:
    """Seconds after which a record that failed with `code` can be sent again, or None where waiting does not help."""
    return window if code == _RATE else _WAITS.get(code)


def is_unclear(code: str) -> bool:
    """Whether a record with this code may have been written nevertheless."""
    return code in _UNCLEAR


def named_field(message: str) -> str:
    """The field that a message names, or ''. Texts drift, so only the quoted word after "field" is relied on."""
    found = _FIELD.search(message)
    return found.group(1) if found else ""


def failure(reason: Reason, endpoint: str, codes: Mapping[str, str]) -> Failure:
    """Return the failure that `reason` means for one record, by the table of its endpoint."""
    return Failure(
        code=codes.get(reason.code, "UNKNOWN"),
        message=f"Marketo: {reason.message or 'no message'} (code {reason.code or 'missing'})",
        field=named_field(reason.message),
        vendor_code=reason.code,
        endpoint=endpoint,
    )
