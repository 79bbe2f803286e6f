"""What goes wrong at Pardot, in the engine's words.

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

from engine.errors import CredentialsError, EngineError, NoAnswer, RetryLater, SpecError, VendorUnavailable
from engine.http import Reply
from engine.records import Failure, Outcome
from engine.redaction import redact

_UNIT = "destination.config.business_unit_id"
_HOST = "destination.config.base_url"
_CLIENT = "destination.config.client_id"

#: The access token is not accepted (184) or access is denied (49): a new token may help, once.
_TOKEN_CODES = frozenset({"49", "184"})
#: Role ability missing, address not allowed, API switched off, way of signing in withdrawn.
_PERMISSION_CODES = frozenset({"46", "53", "76", "126", "199"})
#: Faults that pass, with the seconds to wait: a conflicting update, a save that failed, the CRM connector, the server.
_PASSING = {"62": 5.0, "85": 10.0, "116": 5.0, "119": 30.0, "120": 30.0, "121": 30.0, "183": 10.0}
#: Page tokens that ran out or are not known: the reading starts over.
_PAGING_CODES = frozenset({"210", "211"})


def _failure_codes() -> dict[str, str]:
    groups = {
        "DATA_VALUE_VALIDATION": "4 10 11 12 16 29 32 35 38 39 50 52 55 56 57 61 137 138 139 154",
        "MISSING_REQUIRED_VALUE": "13 36 153",
        "MISSING_REMOTE_FIELD": "37 59 130 180 224",
        "ALREADY_EXISTS": "9 54",
        "REMOTE_RECORD_GONE": "3 14 92 109 132 192 219",
    }
    return {number: code for code, numbers in groups.items() for number in numbers.split()}


#: Vendor code → our failure code, for what concerns one record.
_FAILURES = _failure_codes()
#: The field that a code is about by its meaning.
_FIELD_OF = {
    "4": "email", "9": "email", "54": "email", "10": "userId", "11": "userId", "29": "score", "32": "grade",
    "38": "campaignId", "39": "profileId", "61": "prospectAccountId",
}  # fmt: skip

_XML_FAULT = re.compile(r"<rsp\b[^>]*\bstat=[\"']fail[\"']", re.IGNORECASE)
_XML_ERROR = re.compile(r"<err\b([^>]*)>(.*?)</err>", re.IGNORECASE | re.DOTALL)
_XML_CODE = re.compile(r"\bcode=[\"'](\d+)[\"']", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """What Pardot reported: HTTP status, its code as text ("" where the body names none) and its message."""

    status: int
    code: str
    message: str

    @property
    def refuses_token(self) -> bool:
        return self.code in _TOKEN_CODES or (not self.code and self.status == 401)

    @property
    def no_such_record(self) -> bool:
        """Whether it means that no prospect is there; code 4 also stands for an address nobody has."""
        return self.code == "4" or _FAILURES.get(self.code) == "REMOTE_RECORD_GONE"

    def __str__(self) -> str:
        return f"code {self.code}: {self.message}" if self.code else self.message


def read_fault(reply: Reply) -> Fault | None:
    """Return what an answer reports as wrong, or None for a good one; a 2xx whose body is a fault is one."""
    found = _json_fault(reply) or _xml_fault(reply)
    if found is None and not 200 <= reply.status < 300:
        found = "", f"HTTP {reply.status} {reply.excerpt(120)}".strip()
    return Fault(reply.status, found[0], redact(found[1])) if found else None


def call_error(fault: Fault, where: str) -> EngineError | None:
    """Return the error for a fault of the whole call, or None where it is about the record alone.

    `where` is the endpoint. The access token having been refused means here that a new one was refused as well.
    """
    if fault.refuses_token or fault.code in _PERMISSION_CODES:
        return _refused(fault)
    if fault.code in {"181", "182", "201"}:
        return CredentialsError(
            f"Pardot does not know the business unit ({fault})",
            where=_HOST if fault.code == "201" else _UNIT,
            why="the id is wrong or inactive, or it belongs to another API host",
            fix=f"Compare {_UNIT} with Business Unit Setup in Salesforce; developer and sandbox orgs use "
            f"https://pi.demo.pardot.com as {_HOST}.",
        )
    if fault.code == "122":
        return VendorUnavailable(
            f"the day's quota of API calls is spent ({fault})",
            where=where,
            fix="Run the same command again after midnight in the time zone of the Pardot account.",
        )
    if fault.code == "66":
        return RetryLater(f"too many calls at once ({fault})", after=2.0, where=where)
    if fault.code == "202":
        return RetryLater(f"the limit of the minute is reached ({fault})", after=60.0, where=where)
    if fault.code == "214":
        return NoAnswer(f"Pardot gave up on the call ({fault})", after=5.0, where=where)
    if fault.code in _FAILURES or fault.code in _PASSING:
        return None
    return _status_error(fault, where)


def read_error(fault: Fault, where: str) -> EngineError:
    """Return the error for any fault of a call that only reads."""
    error = call_error(fault, where)
    if error is not None:
        return error
    if fault.code in _PASSING:
        return RetryLater(f"Pardot is busy ({fault})", after=_PASSING[fault.code], where=where)
    if fault.code in _PAGING_CODES:
        return RetryLater(f"the pages ran out while they were read ({fault})", where=where)
    return SpecError(f"Pardot refuses the request ({fault})", where=where)


def record_outcome(fault: Fault, endpoint: str, sent: Iterable[str]) -> Outcome:
    """Return what a fault means for the one record that was written; `sent` are the names of its fields."""
    if fault.code in _PASSING:
        return Outcome("later", after=_PASSING[fault.code], answer=str(fault))
    failure = Failure(
        code=_FAILURES.get(fault.code, "UNKNOWN"),
        message=fault.message,
        field=_FIELD_OF.get(fault.code) or _named_field(fault.message, sent),
        vendor_code=fault.code or f"HTTP {fault.status}",
        endpoint=endpoint,
    )
    return Outcome("failed", failure=failure)


def token_error(error: str, description: str, *, refreshing: bool) -> CredentialsError:
    """Return the error for a refusal by Salesforce's token endpoint, naming the setting to correct.

    Source: help.salesforce.com, article remoteaccess_oauth_flow_errors
    """
    setting, fix = _token_setting(error, description, refreshing=refreshing)
    return CredentialsError(
        f"Salesforce refuses to sign in: {redact(description or error)}", where=setting, why=error, fix=fix
    )


def _token_setting(error: str, description: str, *, refreshing: bool) -> tuple[str, str]:
    if "not supported on this domain" in description:
        return (
            "destination.config.token_url",
            "Use the org's own address, https://<my-domain>.my.salesforce.com; login.salesforce.com and "
            "test.salesforce.com refuse client credentials.",
        )
    if error == "invalid_client_id":
        return _CLIENT, "Copy the consumer key of the connected app; a new app needs some minutes to be known."
    if error == "invalid_client":
        return "destination.config.client_secret", "Copy the consumer secret of the connected app."
    if error == "unsupported_grant_type":
        return _CLIENT, "Allow this flow in the connected app."
    if error == "invalid_grant" and refreshing:
        return "destination.config.refresh_token", "Authorise the connected app again and store the new refresh token."
    return _CLIENT, "Check the connected app: its run-as user must be active, approved and allowed to use it."


def _refused(fault: Fault) -> CredentialsError:
    if fault.code == "49":
        return CredentialsError(
            f"Pardot denies access ({fault})",
            where=_UNIT,
            why="the user behind the access token may not use this business unit",
            fix="Sync the user into the business unit, or correct the business unit.",
        )
    if fault.refuses_token:
        return CredentialsError(
            f"Pardot does not accept the access token, not even a new one ({fault})",
            where=_CLIENT,
            why="the connected app lacks the scope pardot_api, or its user is not synced into the business unit",
            fix="Add the scope `pardot_api` to the connected app and sync the user into the business unit.",
        )
    return CredentialsError(
        f"Pardot does not permit the call ({fault})",
        where=_CLIENT,
        fix="Give the role of the connected app's user the ability for prospects, and check its IP and API settings.",
    )


def _status_error(fault: Fault, where: str) -> EngineError | None:
    if fault.status >= 500 or fault.status == 408:
        return NoAnswer(f"Pardot did not answer properly ({fault})", after=5.0, where=where)
    if fault.code:
        return None
    if fault.status == 429:
        return RetryLater(f"Pardot asks to slow down ({fault})", after=5.0, where=where)
    if fault.status in {403, 405}:
        return _refused(fault)
    if fault.status == 404 or fault.status < 400:
        return SpecError(
            f"there is no Pardot API at this address ({fault})",
            where=_HOST,
            fix="Use https://pi.pardot.com, or https://pi.demo.pardot.com for developer and sandbox orgs.",
        )
    return None


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
