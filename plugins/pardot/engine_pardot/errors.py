"""What follows from the table of Pardot's codes: how a refused call is recovered from, what becomes of a record.

Pardot names a fault by a number in the body; the HTTP status is coarse and the text has variable tails, so the number
decides, then the status, never the text. Bodies have been JSON (`{"code": 4, "message": …}`), the version 4 envelope
(`{"@attributes": {"stat": "fail", "err_code": 4}, "err": …}`, also with a 2xx) and XML (`<rsp stat="fail"><err …>`).

Source: developer.salesforce.com/docs/marketing/pardot/guide/error-codes
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.codes import VendorCode
from engine.errors import (
    CredentialsError,
    EngineError,
    EnvironmentFault,
    NoAnswer,
    NotTaken,
    PermissionDenied,
    RetryLater,
    SpecError,
    VendorUnavailable,
)
from engine.http import Reply
from engine.records import Failure, Outcome
from engine.redaction import redact
from engine_pardot.codes import BY_CODE, FIELD_OF, UPSERT

#: The settings that refusals name.
UNIT = "destination.config.business_unit_id"
HOST = "destination.config.base_url"
_CLIENT = "destination.config.client_id"

#: Limits of calls, at which other calls must be careful too.
TOO_MANY_AT_ONCE, DAY_SPENT = "66", "122"
#: Codes about the header of the business unit, which a wrong API host answers likewise.
_UNIT_CODES = frozenset({"181", "182", "201"})
_ACCESS_DENIED, _WRONG_HOST = "49", "201"
#: The Pardot-Warning of a record that is in the recycle bin, and the codes of a change to one.
#: Source: developer.salesforce.com/docs/marketing/pardot/guide/version5overview
_IN_BIN, _RECYCLED, _RECYCLED_CODE = "201", frozenset({"132", "219"}), "219"
#: Statuses that say more than a code which is not known.
_TELLING = frozenset({401, 408, 429})

_XML_FAULT = re.compile(r"<rsp\b[^>]*\bstat=[\"']fail[\"']", re.IGNORECASE)
_XML_ERROR = re.compile(r"<err\b([^>]*)>(.*?)</err>", re.IGNORECASE | re.DOTALL)
_XML_CODE = re.compile(r"\bcode=[\"'](\d+)[\"']", re.IGNORECASE)

#: The code of a record that does not exist; an answer of status 404 for a record need not name one.
_GONE = "109"
#: What a role must allow, by endpoint.
#: Source: developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5, …/list-membership-v5, …/import-v5
_ABILITIES: Mapping[str, str] = {
    UPSERT: "Prospects > Prospects > Create (and > Assign, where the mapping has userId or salesforceOwnerId)",
    "prospects": "Prospects > Prospects > View and Create (and > Assign, where an owner is mapped)",
    "list-memberships": "Marketing > Segmentation > Lists, with adding prospects to them",
    "lists": "Marketing > Segmentation > Lists > View",
    "custom-fields": "Prospects > Configure Fields",
    "campaigns": "Marketing > Campaigns > View",
    "imports": "Admin > Imports; or leave destination.bulk out",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What Pardot reported: HTTP status, its code as text ("" where the body names none) and its message.

    `warning` is the number of the Pardot-Warning header, "" without one. `of_record`: the path was that of a record.
    """

    status: int
    code: str
    message: str
    warning: str = ""
    of_record: bool = False

    @property
    def refuses_token(self) -> bool:
        return self._known.recovery == "sign_in"

    @property
    def recycled(self) -> bool:
        """Whether the record is in the recycle bin."""
        return self.code in _RECYCLED or (self.status == 404 and self.warning == _IN_BIN)

    @property
    def gone(self) -> bool:
        """Whether the record is not there, or only in the recycle bin."""
        return self.recycled or self._known.failure == "REMOTE_RECORD_GONE"

    @property
    def no_such_record(self) -> bool:
        """Whether it means that nothing was found; code 4 also stands for an address nobody has."""
        return self.code == "4" or self.gone

    @property
    def _known(self) -> VendorCode:
        return classify(self, "")

    def __str__(self) -> str:
        return f"code {self.code}: {self.message}" if self.code else self.message


class Denied(PermissionDenied):
    """The user is signed in and may not do this."""


class Refused(SpecError):
    """Pardot refused a call that only reads, and repeating it as it is cannot help."""

    def __init__(self, fault: Fault, where: str) -> None:
        super().__init__(
            f"Pardot refuses the request ({fault})",
            where=where,
            fix="Correct the field, id or setting that the message names.",
        )
        self.fault = fault


def read_fault(reply: Reply, path: str = "") -> Fault | None:
    """Return what an answer reports as wrong, or None for a good one; a 2xx whose body is a fault is one."""
    found = _json_fault(reply) or _xml_fault(reply)
    if found is None and not 200 <= reply.status < 300:
        found = "", f"HTTP {reply.status} {reply.excerpt(120)}".strip()
    warning = re.match(r"\s*(\d+)", reply.headers.get("pardot-warning", ""))
    if found is None:
        return None
    of_record = path.rpartition("/")[2].isdecimal()
    return Fault(reply.status, found[0], redact(found[1]), warning[1] if warning else "", of_record)


def endpoint_of(path: str) -> str:
    """Which of the endpoints whose codes differ a path belongs to; the first part of the path for all others."""
    if path.endswith(UPSERT):
        return UPSERT
    parts = [part for part in path.removeprefix("/api/v5/").removeprefix("objects/").split("/") if part]
    return parts[0] if parts else ""


def classify(fault: Fault, endpoint: str) -> VendorCode:
    """The row of the table for a fault; a code that is not in it is kept as it is and becomes UNKNOWN."""
    number = _RECYCLED_CODE if fault.recycled else fault.code
    if fault.status == 404 and not number and fault.of_record:
        number = _GONE
    for code in (*BY_CODE.get(number, ()), *BY_CODE.get(_status_code(fault), ())):
        if code.endpoint in {"", endpoint}:
            return code
    return VendorCode(fault.code or f"HTTP {fault.status}", "A code that this plugin does not know.", "UNKNOWN", "fix")


def _status_code(fault: Fault) -> str:
    """The HTTP status that tells what a fault is where no code does, as it stands in the table; "" for none."""
    if fault.status >= 500:
        return str(fault.status) if str(fault.status) in BY_CODE else "500"
    if fault.status in _TELLING or (not fault.code and fault.status >= 400):
        return str(fault.status)
    # A redirection: the host is another one than that of the API.
    return "404" if not fault.code and fault.status >= 300 else ""


def call_error(fault: Fault, where: str, *, writes: bool) -> EngineError | None:
    """Return the error for a fault of the whole call, or None where it is about the record alone.

    `where` is the path. The access token having been refused means here that a new one was refused as well.
    """
    code = classify(fault, endpoint_of(where))
    match code.recovery:
        case "sign_in" | "stop":
            return _stop(code, fault, where)
        case "look_up":
            # A read has no effect that could be unknown.
            kind = NoAnswer if writes else RetryLater
            return kind(f"Pardot did not answer properly ({fault})", after=5.0, where=where)
        case "wait" if writes and fault.status >= 500:
            # The server failed while it worked on the call.
            return NoAnswer(f"Pardot did not answer properly ({fault})", after=5.0, where=where)
        case "wait" if code.failure == "RATE_OR_QUOTA":
            return NotTaken(f"Pardot did not take the call ({fault})", after=code.after or 1.0, where=where)
        case _:
            return None


def read_error(fault: Fault, where: str) -> EngineError:
    """Return the error for any fault of a call that only reads."""
    error = call_error(fault, where, writes=False)
    if error is not None:
        return error
    code = classify(fault, endpoint_of(where))
    if code.recovery == "wait":
        return RetryLater(f"Pardot is busy ({fault})", after=code.after or 1.0, where=where)
    return Refused(fault, where)


def record_outcome(fault: Fault, where: str, sent: Iterable[str], *, remote_id: str | None = None) -> Outcome:
    """Return what a fault of a call to the path `where` means for its record; `sent` are the names of its fields."""
    code = classify(fault, endpoint_of(where))
    match code.recovery:
        case "done":
            return Outcome("satisfied", remote_id, answer=str(fault))
        case "wait":
            return Outcome("later", remote_id, after=code.after or 1.0, answer=str(fault))
        case _:
            return Outcome("failed", remote_id, failure=failure(fault, where, sent), answer=str(fault))


def failure(fault: Fault, where: str, sent: Iterable[str] = ()) -> Failure:
    """Return the failure that a fault means, with the field that it is about where that can be told."""
    return Failure(
        code=classify(fault, endpoint_of(where)).failure or "UNKNOWN",
        message=f"Pardot: {fault.message}",
        field=FIELD_OF.get(fault.code) or _named_field(fault.message, sent),
        vendor_code=fault.code or f"HTTP {fault.status}",
        endpoint=_without_ids(where),
    )


def _without_ids(path: str) -> str:
    """The path that failures of many records have in common."""
    return re.sub(r"(?<=/)\d+(?=/|$)", "{id}", path)


def not_sent(code: str, message: str, where: str, field: str = "") -> Outcome:
    """The outcome of a record that cannot be sent as it is."""
    return Outcome("failed", failure=Failure(code, message, field=field, endpoint=_without_ids(where)))


def wrong_address(fault: Fault) -> SpecError:
    """Return the error for a host or a path that is not the API's."""
    return SpecError(
        f"there is no Pardot API at this address ({fault})",
        where=HOST,
        fix="Use https://pi.pardot.com, or https://pi.demo.pardot.com for developer and sandbox orgs.",
    )


def _ability(where: str) -> str:
    """What the role of the user must allow for a call to a path, by the names of Pardot's administration."""
    if where.endswith("do/undelete"):
        return "Prospects > Prospects > Delete"
    return _ABILITIES.get(endpoint_of(where), f"the calls to {endpoint_of(where)}")


def _stop(code: VendorCode, fault: Fault, where: str) -> EngineError:
    if fault.code in _UNIT_CODES:
        return _wrong_unit(fault)
    if fault.code == DAY_SPENT:
        return VendorUnavailable(
            f"the day's quota of API calls is spent ({fault})",
            where=where,
            why="an edition of Pardot without access to the API has a quota of 0",
            fix="Run the same command again after midnight in the time zone of the Pardot account.",
        )
    if fault.code == _ACCESS_DENIED:
        return Denied(
            f"Pardot denies access ({fault})",
            where=UNIT,
            why="the user behind the access token may not use this business unit, or its role lacks an ability",
            fix="Sync the user into the business unit, correct the business unit, or allow its role "
            f"{_ability(where)}.",
        )
    if code.recovery == "sign_in":
        return CredentialsError(
            f"Pardot does not accept the access token, not even a new one ({fault})",
            where=_CLIENT,
            why="the connected app lacks the scope pardot_api, its user is not synced into the business unit, or "
            f"{UNIT} is not the user's",
            fix="Add the scope `pardot_api` to the connected app and sync the user into the business unit.",
        )
    if code.failure == "PLUGIN_ERROR":
        return EnvironmentFault(
            f"Pardot does not understand the plugin's requests ({fault})",
            where=where,
            fix="See whether a proxy changes requests on their way; else report the message to the plugin's author.",
        )
    if not code.failure:
        return wrong_address(fault)
    return Denied(
        f"Pardot does not permit the call ({fault})",
        where=_CLIENT,
        why=code.meaning,
        fix=f"In Pardot allow the role of the connected app's user {_ability(where)}, and see that this machine's "
        "address and the API are allowed.",
    )


def _wrong_unit(fault: Fault) -> CredentialsError:
    whys = {
        "181": f"{UNIT} did not reach Pardot: a proxy may drop the header Pardot-Business-Unit-Id",
        "182": f"{UNIT} is not 0Uv and 15 characters more",
        "201": f"{UNIT} is wrong or inactive, or it belongs to another API host than {HOST}",
    }
    return CredentialsError(
        f"Pardot does not know the business unit ({fault})",
        where=HOST if fault.code == _WRONG_HOST else UNIT,
        why=whys[fault.code],
        fix=f"Compare {UNIT} with Business Unit Setup in Salesforce; developer and sandbox orgs use "
        f"https://pi.demo.pardot.com as {HOST}.",
    )


def _json_fault(reply: Reply) -> tuple[str, str] | None:
    data = reply.json()
    if not isinstance(data, Mapping):
        return None
    attributes = data.get("@attributes")
    if isinstance(attributes, Mapping) and attributes.get("stat") == "fail":
        return str(attributes.get("err_code", "")), str(data.get("err", ""))
    if "code" in data and "id" not in data:
        return str(data["code"]), str(data.get("message", ""))
    return None


def _xml_fault(reply: Reply) -> tuple[str, str] | None:
    """Read the XML form by pattern: a parser would open the door to entities for the sake of two values."""
    text = reply.body[:4096].decode("utf-8", "replace")
    if not _XML_FAULT.search(text):
        return None
    error = _XML_ERROR.search(text)
    if error is None:
        return None
    code = _XML_CODE.search(error[1])
    return (code[1] if code else ""), html.unescape(error[2]).strip()


def _named_field(message: str, sent: Iterable[str]) -> str:
    """Return the sent field that the message names, the longest first: `email` is also a plain word."""
    for name in sorted(sent, key=len, reverse=True):
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message):
            return name
    return ""
