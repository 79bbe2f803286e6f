"""Marketo's error codes: one table, from which follows what recovers from a call and what becomes of a record.

A code does not tell its level: the same number can answer a whole call or one record of it, and some numbers mean
something else at another endpoint. Texts drift, so a message only tells apart what one number is used for.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.codes import Level, Recovery, VendorCode
from engine.errors import (
    AbortRun,
    CredentialsError,
    EngineError,
    EnvironmentFault,
    NoAnswer,
    RetryLater,
    SpecError,
    VendorUnavailable,
)
from engine.records import Failure, Outcome
from engine.redaction import redact

Endpoint = Literal["", "leads", "members", "member data", "lists", "import", "assets"]

#: What people are shown as the endpoint of a failure.
_SHOWN: Mapping[Endpoint, str] = {
    "": "rest/v1", "leads": "leads.json", "members": "members/status.json", "member data": "members.json",
    "lists": "lists/leads.json", "import": "bulk/v1", "assets": "asset/v1",
}  # fmt: skip

RATE, DAILY_QUOTA, BUSY, LEAD_GONE, SEVERAL_LEADS = "606", "607", "615", "1004", "1007"

_VALUE, _FIELD, _GONE = "DATA_VALUE_VALIDATION", "MISSING_REMOTE_FIELD", "REMOTE_RECORD_GONE"
_PLACE, _ACCESS, _QUOTA = "CAMPAIGN_NOT_WRITABLE", "CONNECTION_PERMISSION", "RATE_OR_QUOTA"
_AWAY, _UNCLEAR, _REQUEST, _UNKNOWN = "REMOTE_UNAVAILABLE", "UNKNOWN_OUTCOME", "PLUGIN_ERROR", "UNKNOWN"


@dataclass(frozen=True, slots=True)
class _Case:
    """A row of the table. `words`: what the message says where the number alone does not tell, as a pattern."""

    code: VendorCode
    words: str = ""


def _case(
    codes: str,
    meaning: str,
    failure: str,
    recovery: Recovery,
    *,
    level: Level = "both",
    at: tuple[Endpoint, ...] = ("",),
    after: float | None = None,
    words: str = "",
) -> list[_Case]:
    """One row for each of the `codes` (apart by blanks) at each of the endpoints."""
    return [
        _Case(VendorCode(code, meaning, failure, recovery, level, endpoint, after), words)
        for code in codes.split()
        for endpoint in at
    ]


#: The first row that fits counts, so what is special stands before what is general.
_CASES: tuple[_Case, ...] = tuple(
    case
    for rows in (
        _case("404 605 610", "The address or the method is not one of Marketo's REST API.", "", "stop", level="call"),
        _case("413", "The request is larger than 1 MB.", _VALUE, "divide"),
        _case("414", "The address is longer than 8 KB.", _REQUEST, "fix", level="call"),
        _case("500 502 503 504", "The server or the gateway before it failed.", _UNCLEAR, "look_up"),
        _case("401 600 601 602", "The access token is empty, not valid or expired.", "AUTHENTICATION", "sign_in"),
        _case("403 603", "Access denied: a permission of the API user's role is missing, or its IP allow-list "
              "excludes this machine.", _ACCESS, "stop"),
        _case("604", "Marketo stopped working on the call after its time limit.", _UNCLEAR, "look_up"),
        _case("429", "More calls than the gateway lets in.", _QUOTA, "wait", level="call", after=20.0),
        _case("606", "More calls than the instance may make in 20 seconds.", _QUOTA, "wait", after=20.0),
        _case("607", "The daily quota of the instance is spent.", _QUOTA, "stop"),
        _case("608", "The API is temporarily unavailable.", _AWAY, "wait", after=10.0),
        _case("609", "The request is no JSON that Marketo reads.", _VALUE, "divide"),
        _case("611", "System error: something that Marketo does not handle, be it a record.", _UNCLEAR, "look_up"),
        _case("612 613", "The content type or the parts of the request are wrong.", _REQUEST, "stop", level="call"),
        _case("614", "The subscription cannot be reached.", _AWAY, "wait", after=30.0),
        _case("615", "More calls at once than the instance may make.", _QUOTA, "wait", after=1.5),
        _case("616 703", "The subscription lacks this feature.", _ACCESS, "stop"),
        _case("701", "A value that must not be blank is blank.", _VALUE, "divide"),
        _case("702", "The program or folder does not exist.", _PLACE, "fix", at=("assets", "members", "member data")),
        _case("702", "No data found.", _GONE, "fix"),
        _case("704", "A date is not in the form that Marketo reads.", _VALUE, "divide"),
        _case("709 710 711", "A rule for assets or their folders was broken.", _PLACE, "fix"),
        _case("712 714", "The leads cannot be merged.", _UNKNOWN, "fix"),
        _case("713", "A transient error.", _AWAY, "wait", after=5.0),
        _case("718", "The externalSalesPersonId is not known.", _VALUE, "divide"),
        _case("719", "A lock was not granted in time.", _AWAY, "wait", after=5.0),
        _case("1001", "A parameter of the request has the wrong type.", _REQUEST, "fix",
              at=("members", "lists", "assets", "import")),
        _case("1001", "A value has the wrong type.", _VALUE, "divide"),
        _case("1002", "A required parameter is missing.", _REQUEST, "fix", at=("members", "lists", "assets", "import")),
        _case("1002", "A required value is missing.", _VALUE, "divide"),
        _case("1003", "A value does not fit its field.", _VALUE, "divide", words="invalid value"),
        _case("1003", "More leads match than a search gives.", "AMBIGUOUS_MATCH", "divide", words="too many results"),
        _case("1003", "The request names no leads.", _REQUEST, "fix", level="call", words="leads not specified"),
        _case("1003", "The id of a lead was given although it is to be created.", _FIELD, "divide",
              words=r"createOnly|\bid\b.*\bcreat"),
        _case("1003", "Fields are not known, or not to be used here.", _FIELD, "divide", words="invalid fields"),
        _case("1003", "The import is not known, or its parameters are not valid.", _REQUEST, "fix", at=("import",)),
        _case("1003", "The program or folder id is not valid.", _PLACE, "fix", at=("assets",)),
        _case("1003", "The data is not valid.", _VALUE, "divide"),
        _case("1004", "The lead no longer exists, or the list's workspace cannot see its partition.", _GONE, "divide",
              at=("lists",)),
        _case("1004", "The lead does not exist.", _GONE, "divide"),
        _case("1005", "The lead exists already, and it was to be created only.", "ALREADY_EXISTS", "divide"),
        _case("1006", "A column of the file is no field.", _FIELD, "fix", at=("import",)),
        _case("1006", "A field does not exist.", _FIELD, "divide"),
        _case("1007", "Several leads have the key.", "AMBIGUOUS_MATCH", "divide"),
        _case("1008", "The API user may not see the partition.", _ACCESS, "divide"),
        _case("1009", "The name of a partition is required.", _ACCESS, "divide"),
        _case("1010", "The lead is in another partition.", _ACCESS, "divide"),
        _case("1011", "The field cannot be searched by.", _FIELD, "fix"),
        _case("1012", "The cookie is not valid.", _VALUE, "fix"),
        _case("1013", "The person is not a member of the program.", _PLACE, "fix", at=("member data",),
              words="membership"),
        _case("1013", "The program does not exist.", _PLACE, "fix", at=("members", "member data", "assets")),
        _case("1013", "The list does not exist.", _PLACE, "fix", at=("lists",)),
        _case("1013", "The list or program of the import, or the import itself, does not exist.", _PLACE, "fix",
              at=("import",)),
        _case("1013", "The object does not exist.", _UNKNOWN, "fix"),
        _case("1014", "Marketo failed to create the object.", _AWAY, "wait", after=5.0),
        _case("1015", "The lead is not in the list, so it need not be taken out.", "", "done", at=("lists",)),
        _case("1016", "Ten imports are queued or under way already.", _QUOTA, "wait", after=60.0),
        _case("1017", "The object exists already.", "ALREADY_EXISTS", "fix"),
        _case("1018", "The CRM that is connected to Marketo owns the object.", _ACCESS, "fix"),
        _case("1019", "An import to this list is under way.", _QUOTA, "wait", after=60.0),
        _case("1020", "The day's allotment of this operation is used.", _QUOTA, "stop"),
        _case("1021", "Sync Leads does not take company fields here.", _FIELD, "divide"),
        _case("1022", "The object is in use.", _PLACE, "fix"),
        _case("1025", "The program's channel has no such status.", "INVALID_CAMPAIGN_STATUS", "fix"),
        _case("1026 1027 1028 1048 1049", "A limit of custom objects or activities.", _UNKNOWN, "fix"),
        _case("1029", "The day's quota of bulk extracts is spent.", _QUOTA, "stop", words="quota"),
        _case("1029", "Too many bulk extracts are queued.", _QUOTA, "wait", after=60.0),
        _case("1035 1042", "A filter or a time that Marketo does not take.", _UNKNOWN, "fix"),
        _case("1036", "Two records of one request are the same object.", _VALUE, "divide"),
        _case("1037", "The person has the status or a later one already; statuses only move forward.", "", "done",
              at=("members", "import")),
        _case("1037", "The lead is skipped because of its status in the program.", _UNKNOWN, "fix"),
        _case("1076 1077 1078 1079 1080", "The leads cannot be merged.", _UNKNOWN, "fix"),
    )
    for case in rows
)  # fmt: skip

#: Every code that is known, as people are shown it.
CODES: tuple[VendorCode, ...] = tuple(case.code for case in _CASES)
_BY_CODE: Mapping[str, Sequence[_Case]] = {
    number: [case for case in _CASES if case.code.code == number] for number in {code.code for code in CODES}
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
    endpoint: Endpoint = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint", endpoint_of(self.path))

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
    for case in _BY_CODE.get(reason.code, ()):
        fits = case.code.level in {"both", level} and case.code.endpoint in {"", endpoint}
        if fits and re.search(case.words, reason.message, re.IGNORECASE):
            return case.code
    return VendorCode(reason.code, "A code that this plugin does not know.", _UNKNOWN, "fix")


def is_known(code: str) -> bool:
    """Whether the table has a row for `code`."""
    return code in _BY_CODE


def wait_of(code: VendorCode, window: float) -> float:
    """Seconds after which what was refused with `code` can be sent again; `window`: the rate window in seconds."""
    return window if code.code == RATE else code.after or 1.0


def call_error(reason: Reason, site: Site) -> EngineError:
    """Return the exception that says how a call which was refused with `reason` is recovered from."""
    code = classify(reason, site.endpoint, "call")
    match code.recovery:
        case "wait" | "sign_in":
            wait = wait_of(code, site.window)
            return RetryLater(f"Marketo did not take the call: {reason}", where=site.path, why=site.why, after=wait)
        case "look_up":
            return unclear(f"Marketo failed at the call: {reason}", site)
        case "stop":
            return _stop(code, reason, site)
        case _:
            return Refused(reason, site)


def _stop(code: VendorCode, reason: Reason, site: Site) -> AbortRun:
    if code.failure == _ACCESS:
        return CredentialsError(
            f"Marketo denies access: {reason}",
            where=site.path,
            why=code.meaning,
            fix="In Marketo give the API user's role Read-Write Lead and Read-Only Assets, and allow this machine's "
            f"address; or use another custom service in {CREDENTIALS}.",
        )
    if code.failure == _QUOTA:
        return VendorUnavailable(
            f"{code.meaning.rstrip('.')}: {reason}",
            where=site.path,
            why=site.why,
            fix="Run the same command again after midnight US Central time, when the quota is reset.",
        )
    if code.failure == _REQUEST:
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
        code=classify(reason, endpoint).failure or _UNKNOWN,
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
            return Outcome("later", after=wait_of(code, window), answer=row)
        case "look_up":
            return Outcome("unknown", answer=row)
        case _:
            return Outcome("failed", failure=failure(reason, endpoint), answer=row)
