"""The table of Pardot's error codes: what each means, which failure it becomes, and what recovers from it.

The codes are shared by all versions of the API; those that only version 3 or 4 gives are kept, as answers in their
envelope have been met. A HTTP status stands for a code where the body names none. Texts drift and have tails, so only
the number decides.
Source: developer.salesforce.com/docs/marketing/pardot/guide/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.codes import Level, Recovery, VendorCode

_VALUE, _FIELD, _GONE = "DATA_VALUE_VALIDATION", "MISSING_REMOTE_FIELD", "REMOTE_RECORD_GONE"
_PLACE, _ACCESS, _SIGN_IN, _QUOTA = "CAMPAIGN_NOT_WRITABLE", "CONNECTION_PERMISSION", "AUTHENTICATION", "RATE_OR_QUOTA"
_AWAY, _UNCLEAR, _REQUEST, _UNKNOWN = "REMOTE_UNAVAILABLE", "UNKNOWN_OUTCOME", "PLUGIN_ERROR", "UNKNOWN"

#: What is called; the first part of a path, apart from the call that writes most leads.
UPSERT, MEMBERSHIPS, IMPORTS = "upsertLatestByEmail", "list-memberships", "imports"


def _case(
    codes: str,
    meaning: str,
    failure: str,
    recovery: Recovery,
    *,
    level: Level = "both",
    at: str = "",
    after: float | None = None,
) -> list[VendorCode]:
    """One row for each of the `codes` (apart by blanks)."""
    return [VendorCode(code, meaning, failure, recovery, level, at, after) for code in codes.split()]


#: Every code that is known. What is special to an endpoint stands before what is general: the first that fits counts.
CODES: tuple[VendorCode, ...] = tuple(
    code
    for rows in (
        # HTTP statuses
        _case("401", "The access token is not accepted.", _SIGN_IN, "sign_in", level="call"),
        _case("403 405", "The user may not do this.", _ACCESS, "stop", level="call"),
        _case("404", "The address is not one of the Pardot API.", "", "stop", level="call"),
        _case("408 500 502 503 504", "The server or the gateway before it failed.", _UNCLEAR, "look_up"),
        _case("413", "The request is too large.", _VALUE, "fix"),
        _case("429", "More calls than are let in.", _QUOTA, "wait", level="call", after=5.0),
        # Signing in, the business unit, what the user may do
        _case("1 15 131", "A way of signing in that is no longer used, or a login that is locked.", _SIGN_IN, "stop"),
        _case("184", "The access token is expired or unknown, lacks the scope pardot_api, or its user is not synced "
              "into the business unit.", _SIGN_IN, "sign_in"),
        _case("49", "Access denied: the user may not use this business unit, or lacks an ability.", _ACCESS,
              "sign_in"),
        _case("126 199", "A way of signing in that is no longer supported.", _SIGN_IN, "stop"),
        _case("181", "The header that names the business unit is missing.", _SIGN_IN, "stop", level="call"),
        _case("182", "The header that names the business unit is not well-formed.", _SIGN_IN, "stop", level="call"),
        _case("201", "The business unit is unknown or inactive, or it is on another API host.", _SIGN_IN, "stop",
              level="call"),
        _case("46", "The role of the user lacks an ability.", _ACCESS, "stop"),
        _case("53", "Calls from this machine's address are not allowed.", _ACCESS, "stop"),
        _case("76", "The account's access to the API is switched off.", _ACCESS, "stop"),
        _case("203", "The account has no default admin user.", _ACCESS, "stop"),
        # Limits
        _case("66", "More than five calls at once in the business unit.", _QUOTA, "wait", level="call", after=2.0),
        _case("122", "The day's quota of calls is spent.", _QUOTA, "stop", level="call"),
        _case("202", "The limit of the minute is reached, or a query took too long.", _QUOTA, "wait", level="call",
              after=60.0),
        _case("67 216", "A limit of the account's objects or of a folder.", _QUOTA, "fix"),
        # Faults that pass
        _case("62", "Another change of the record is under way.", _AWAY, "wait", after=5.0),
        _case("85", "The prospect could not be saved.", _AWAY, "wait", after=10.0),
        _case("116", "The request is outdated.", _AWAY, "wait", after=5.0),
        _case("119 120 121", "The connector to Salesforce has no token, is not verified, or failed to sync.", _AWAY,
              "wait", after=30.0),
        _case("183", "An internal error.", _UNCLEAR, "look_up"),
        _case("210 211", "The token of a page has expired or is not known; the reading starts over.", _AWAY, "wait",
              after=1.0),
        _case("214", "Pardot stopped working on the call after its time limit.", _UNCLEAR, "look_up"),
        # Prospects
        _case("9 54", "The address was taken by a prospect that was created at the same moment.", "ALREADY_EXISTS",
              "wait", at=UPSERT, after=5.0),
        _case("9 54", "Another prospect has this email address.", "ALREADY_EXISTS", "fix"),
        _case("4", "The email address is not valid, or no prospect has it.", _VALUE, "fix"),
        _case("3 14 92 109 242", "The prospect does not exist.", _GONE, "fix"),
        _case("132 219", "The prospect is in the recycle bin.", _GONE, "fix"),
        _case("10 11 12", "The user or group that a prospect is assigned to does not exist.", _VALUE, "fix"),
        _case("47 125", "userId and salesforceOwnerId are both given.", _VALUE, "fix"),
        _case("13 36 153", "A required value is missing.", "MISSING_REQUIRED_VALUE", "fix"),
        _case("16 50 52 56 57 137 138 139 154", "A value does not fit its field.", _VALUE, "fix"),
        _case("29", "The score is not valid.", _VALUE, "fix"),
        _case("32", "The grade is not valid.", _VALUE, "fix"),
        _case("35 39 61 86", "The profile, prospect account or other object that is referred to does not exist.",
              _VALUE, "fix"),
        _case("38", "The campaign does not exist.", _PLACE, "fix"),
        _case("37 59", "The CRM connector forbids the change of the prospect account.", _FIELD, "fix"),
        _case("44 45 81", "The id and the address are those of different prospects.", _VALUE, "fix"),
        _case("77 79 80", "An id of the CRM is not valid.", _VALUE, "fix"),
        _case("83 103 233 234", "There is no verified CRM connector.", _FIELD, "fix"),
        _case("98", "The prospect cannot be mailed.", _VALUE, "fix"),
        _case("101 107 110", "A role, a password or an account id is not valid.", _VALUE, "fix"),
        _case("130", "A column of the file is no field.", _FIELD, "fix", at=IMPORTS),
        _case("130 180 224", "Fields do not exist, cannot be written, or cannot be asked for.", _FIELD, "fix"),
        # Lists and campaigns
        _case("58", "The prospect is on the list already.", "", "done"),
        _case("55 236", "The list does not exist in the business unit.", _PLACE, "fix"),
        _case("192", "The list does not exist.", _PLACE, "fix", at=MEMBERSHIPS),
        _case("192", "The record does not exist.", _GONE, "fix"),
        _case("96 97", "The folder does not exist or may not be used.", _PLACE, "fix"),
        _case("128 129", "Campaigns are those of Salesforce and cannot be made or renamed here.", _PLACE, "fix"),
        _case("108", "The record is in use and cannot be deleted.", _UNKNOWN, "fix"),
        _case("245", "The name is in use already.", _UNKNOWN, "fix"),
        # Imports
        _case("164", "The business unit has uploaded all batches of the day.", _QUOTA, "wait", at=IMPORTS,
              after=3600.0),
        _case("155 156 157 158 159 160 161 162 163 165 166 197 204 226 227 228",
              "The state, the file or a limit of the import does not allow it.", _UNKNOWN, "fix", at=IMPORTS),
        # Requests that this plugin should not make
        _case("2 22 60 94 118 151 198 205 206 207 208",
              "The address, the method or the version is not one of the API.", _REQUEST, "stop"),
        _case("5 6 7 8 19 20 21 23 30 31 33 34 209", "A parameter of a query is not valid.", _REQUEST, "fix"),
        _case("63 70 90 91 115", "A batch is too large or not well-formed.", _REQUEST, "fix"),
        _case("71 72 150 152 166", "The body of the request cannot be read.", _REQUEST, "fix"),
        _case("88 89", "The account uses another version of the API.", _REQUEST, "stop"),
        _case("84 193", "A code that Pardot lists without a meaning.", _UNKNOWN, "fix"),
    )
    for code in rows
)  # fmt: skip

#: The rows of each code, in the order in which they are tried.
BY_CODE: Mapping[str, Sequence[VendorCode]] = {
    number: [code for code in CODES if code.code == number] for number in {code.code for code in CODES}
}

#: The field that a code is about by its meaning.
FIELD_OF: Mapping[str, str] = {
    "4": "email", "9": "email", "54": "email", "10": "userId", "11": "userId", "47": "userId", "125": "userId",
    "29": "score", "32": "grade", "38": "campaignId", "39": "profileId", "61": "prospectAccountId",
}  # fmt: skip
