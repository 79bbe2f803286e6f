"""The table of Marketo's error codes: what each means, which failure it becomes, and what recovers from it.

A code does not tell its level: the same number can answer a whole call or one record of it, and some numbers mean
something else at another endpoint. Texts drift, so a message only tells apart what one number is used for.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.codes import Level, Recovery, VendorCode

_VALUE, _FIELD, _GONE = "DATA_VALUE_VALIDATION", "MISSING_REMOTE_FIELD", "REMOTE_RECORD_GONE"
_PLACE, _ACCESS, _QUOTA = "CAMPAIGN_NOT_WRITABLE", "CONNECTION_PERMISSION", "RATE_OR_QUOTA"
_AWAY, _UNCLEAR, _REQUEST, _UNKNOWN = "REMOTE_UNAVAILABLE", "UNKNOWN_OUTCOME", "PLUGIN_ERROR", "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Case:
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
    at: tuple[str, ...] = ("",),
    after: float | None = None,
    words: str = "",
) -> list[Case]:
    """One row for each of the `codes` (apart by blanks) at each of the endpoints."""
    return [
        Case(VendorCode(code, meaning, failure, recovery, level, endpoint, after), words)
        for code in codes.split()
        for endpoint in at
    ]


#: The first row that fits counts, so what is special stands before what is general.
_CASES: tuple[Case, ...] = tuple(
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
        _case("1004", "The lead is too new to be found, or no longer exists, or is hidden by its partition.", _GONE,
              "wait", level="record", at=("members", "member data", "lists"), after=3.0),
        _case("1004", "The lead no longer exists, or the list's workspace cannot see its partition.", _GONE, "divide",
              at=("lists",)),
        _case("1004", "The lead does not exist.", _GONE, "divide"),
        _case("1005", "The lead exists already, and it was to be created only.", "ALREADY_EXISTS", "divide"),
        _case("1006", "A column of the file is no field.", _FIELD, "fix", at=("import",)),
        _case("1006", "A field does not exist.", _FIELD, "divide"),
        _case("1007", "Several leads have the key.", "AMBIGUOUS_MATCH", "divide"),
        _case("1008", "The API user may not see the partition.", _ACCESS, "stop", level="call"),
        _case("1008", "The API user may not see the partition of the lead.", _ACCESS, "fix"),
        _case("1009", "The name of a partition is required.", _ACCESS, "stop", level="call"),
        _case("1009", "The name of a partition is required.", _ACCESS, "fix"),
        _case("1010", "The lead is in another partition.", _ACCESS, "divide"),
        _case("1011", "The field cannot be searched by.", _FIELD, "stop", level="call", at=("leads",)),
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
#: The rows of each code, in the order in which they are tried.
BY_CODE: Mapping[str, Sequence[Case]] = {
    number: [case for case in _CASES if case.code.code == number] for number in {code.code for code in CODES}
}
