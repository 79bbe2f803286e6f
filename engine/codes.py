"""The failure codes: what each means, who fixes it, how, and whether a retry can succeed as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Owner = Literal["you", "admin", "vendor"]

#: How an owner is called to people: *you* fix data, an *admin* fixes configuration, the *vendor* only needs time.
OWNERS: dict[Owner, str] = {"you": "you: data", "admin": "admin: configuration", "vendor": "vendor: later"}


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of failure. `retryable`: a retry can succeed although nobody changed anything."""

    name: str
    meaning: str
    owner: Owner
    fix: str
    retryable: bool = False


Level = Literal["call", "record", "both"]
#: What recovers from a vendor's code. wait: the same again later; sign_in: the same with a new token; look_up: its
#: effect is unknown and is read back; divide: a smaller batch finds the record at fault; fix: somebody changes data or
#: configuration; stop: the connection takes no call until somebody has acted; done: it counts as done.
Recovery = Literal["wait", "sign_in", "look_up", "divide", "fix", "stop", "done"]


@dataclass(frozen=True, slots=True)
class VendorCode:
    """A vendor's own code, and what it becomes here.

    `failure`: the failure code of a lead that ends with it, empty where none does. `endpoint`: the one that it is meant
    for, empty for all. `after`: seconds to wait where `recovery` is wait.
    """

    code: str
    meaning: str
    failure: str
    recovery: Recovery
    level: Level = "both"
    endpoint: str = ""
    after: float | None = None


def _table(*codes: Code) -> dict[str, Code]:
    return {code.name: code for code in codes}


CODES: dict[str, Code] = _table(
    Code("UNREADABLE_ROW", "A row of the source could not be read as a lead.", "you",
         "Correct the row in the source file (file and line are shown), run again, and ignore this one."),
    Code("MISSING_REQUIRED_VALUE", "The lead lacks a value that is required.", "you",
         "Complete the row in the source (file and line are shown) and run again, or the lead with"
         " `engine reconcile fix LEAD field=value`."),
    Code("MISSING_MATCH_KEY", "No matching rule has a value for this lead, usually because it has no email address.",
         "you", "Add an enrichment step that finds the address and retry; or set it with `engine reconcile fix LEAD"
         " email=ADDRESS`."),
    Code("DATA_VALUE_VALIDATION", "A value does not have the form, type, length or option that the field takes.",
         "you", "Correct the value, or the expression that makes it, and retry;"
         " `engine reconcile fix --group DATA_VALUE_VALIDATION` proposes how."),
    Code("NO_TAG_MAPPING", "A qualifier answer has no option in the mapping.", "admin",
         "Add the answer under `qualifiers: … options:` in the mapping and retry;"
         " `engine reconcile fix --group NO_TAG_MAPPING` proposes how."),
    Code("MISSING_REMOTE_FIELD", "The mapping names a field that the vendor does not have or does not let us write.",
         "admin", "Correct the field name in the mapping, or restore the field at the vendor, and retry;"
         " `engine reconcile fix --group MISSING_REMOTE_FIELD` proposes how."),
    Code("CAMPAIGN_NOT_WRITABLE", "The program or list does not exist, is archived, or cannot take members.", "admin",
         "Correct the id in the mapping, or the program or list at the vendor, and retry."),
    Code("INVALID_CAMPAIGN_STATUS", "The program has no such status.", "admin",
         "Use a status of the program's channel, written exactly as there, and retry;"
         " `engine reconcile fix --group INVALID_CAMPAIGN_STATUS` proposes how."),
    Code("AMBIGUOUS_MATCH", "Several records at the vendor have this key.", "admin",
         "Merge the duplicates at the vendor, or allow `duplicates: most_recent` in the matching rule, and retry;"
         " `engine reconcile fix --group AMBIGUOUS_MATCH` proposes how."),
    Code("ALREADY_EXISTS", "The record exists already and the spec allows creating only.", "admin",
         "Ignore the lead, or allow updates with `action: upsert` in the matching rule and retry."),
    Code("REMOTE_RECORD_GONE", "The record that this lead was written to no longer exists, and no other key matches.",
         "admin", "Restore the record at the vendor or give the lead an email address, and retry."),
    Code("AUTHENTICATION", "The vendor did not accept the credentials.", "admin",
         "Correct the credentials of the destination, see `engine doctor`, and retry."),
    Code("CONNECTION_PERMISSION", "Signing in works, but the permission for this object is missing.", "admin",
         "Give the API user the permission that `engine doctor` finds missing, and retry."),
    Code("RATE_OR_QUOTA", "The vendor's limit was reached.", "vendor",
         "Retry later, or lower `limits` in the destination where other systems use the API too.", retryable=True),
    Code("REMOTE_UNAVAILABLE", "The vendor did not answer properly, several times over.", "vendor", "Retry later.",
         retryable=True),
    Code("UNKNOWN_OUTCOME", "A write was sent and never answered, and looking it up did not settle it.", "vendor",
         "Retry: the record is looked up again before anything is written.", retryable=True),
    Code("VALUE_NOT_STORED", "The vendor reported success, and yet does not hold a value that was sent.", "admin",
         "See why the field does not take the value (its type, its options, a rule that sets it back), and retry."),
    Code("REMOTE_VALUE_CHANGED", "A field holds another value at the vendor than the one that was written.", "admin",
         "See who changed it. Retry to write it again; or ignore the lead, and let the row say `write: if_blank` or"
         " `on_create` where others may change the field.", retryable=True),
    Code("REMOTE_RECORD_MERGED", "The record that this lead was written to is gone, and its address is another one's.",
         "admin", "Retry: the lead is matched anew, by its other keys, and written to that record.", retryable=True),
    Code("MEMBERSHIP_MISSING", "A place in a program or list that was given is not there, or has an earlier status.",
         "admin", "See who took it away. Retry to give it again, or ignore the lead.", retryable=True),
    Code("PLUGIN_ERROR", "A plugin broke on this lead.", "admin",
         "Report the message to the plugin's author; retry after updating the plugin."),
    Code("UNKNOWN", "The vendor answered with something that is not understood.", "admin",
         "Look at the vendor's message; retry once its cause is removed.", retryable=True),
)  # fmt: skip


def code(name: str, known: Mapping[str, Code] = CODES) -> Code:
    """Return the code called `name` among those that are known; another is shown as itself, owned by the admin."""
    return known.get(name) or Code(name, "A plugin reported this code without describing it.", "admin", "See message.")


#: Notices by code: what people should know of leads that go on nevertheless.
NOTICES: dict[str, str] = {
    "MATCH_CONFLICT": "The id and the email address of a lead belong to different records; the id was followed.",
    "RECORD_ID_GONE": "The record with the known id no longer exists; the id was forgotten and the next rule tried.",
    "VALUE_TRUNCATED": "A text was longer than the vendor's field and was cut, as the mapping asks for.",
    "CONSENT_KEPT": "An opt-out was not taken back: the mapping wanted to, and only the person may.",
    "RECORD_ID_CHANGED": "The key of a lead has come to stand for another record than before, which was written.",
    "DUPLICATES_RESOLVED": "Several records have the key; the one that was changed last was written.",
    "IMPORT_WARNING": "The vendor imported the lead with a warning.",
}
