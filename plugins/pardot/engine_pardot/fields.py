"""The fields of a prospect: the standard ones, and how the types of custom ones read to the engine.

Pardot has no call that describes the standard fields, so their list is kept here.
Source: developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5 and …/custom-field-v5
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.records import Field
from engine_pardot.errors import Denied

if TYPE_CHECKING:
    from engine_pardot.client import Client

_TEXT = 255
_LONG_TEXT = 65_535
#: Custom fields of type Text take more than standard ones.
_CUSTOM_TEXT = 56_000

#: Writable standard fields by type. Pardot keeps annualRevenue, employees and yearsInBusiness as text.
_WRITABLE: dict[str, str] = {
    "string": "addressOne addressTwo annualRevenue city company country department employees firstName industry "
    "jobTitle lastName salesforceId salesforceOwnerId salutation source state territory yearsInBusiness zip",
    "text": "comments notes",
    "email": "email",
    "phone": "phone fax",
    "url": "website",
    "integer": "campaignId prospectAccountId profileId score userId",
    "boolean": "isDoNotCall isDoNotEmail isReviewed isStarred optedOut",
}
_READ_ONLY: dict[str, str] = {
    "integer": "id createdById updatedById assignedToId lifecycleStageId",
    "datetime": "createdAt updatedAt lastActivityAt firstActivityAt firstAssignedAt emailBouncedAt "
    "salesforceLastSync convertedAt",
    "boolean": "isDeleted isEmailHardBounced doNotSell",
    "string": "grade recentInteraction emailBouncedReason salesforceAccountId salesforceCampaignId "
    "salesforceContactId salesforceLeadId convertedFromObjectName convertedFromObjectType campaignParameter "
    "contentParameter mediumParameter sourceParameter termParameter firstReferrerQuery firstReferrerType password",
    "url": "salesforceUrl firstReferrerUrl",
}
_LENGTHS: dict[str, int] = {"string": _TEXT, "text": _LONG_TEXT, "email": _TEXT, "phone": _TEXT, "url": _TEXT}
_OWNER = "assigns the prospect, with userId or salesforceOwnerId but not both; needs the ability to assign"
_NOTES: dict[str, str] = {
    "campaignId": "the campaign of the first touch, by Pardot's own number: `write: on_create` keeps that of a prospect"
    " who is known",
    "prospectAccountId": "cannot be set where the account has a CRM connector",
    "userId": _OWNER,
    "salesforceOwnerId": _OWNER,
    "optedOut": "the person's own choice to get no mail",
    "isDoNotEmail": "the marketer's choice to send no mail",
}

#: The standard field that most mappings write a lead field to.
USUAL: Mapping[str, str] = {
    "email": "email", "first_name": "firstName", "last_name": "lastName", "salutation": "salutation",
    "company": "company", "job_title": "jobTitle", "department": "department", "phone": "phone",
    "address": "addressOne", "city": "city", "state": "state", "postal_code": "zip", "country": "country",
    "website": "website", "industry": "industry", "company_size": "employees", "company_revenue": "annualRevenue",
    "event": "source", "notes": "comments",
}  # fmt: skip

#: Custom field type, in lower case → our type and the length in characters.
_CUSTOM: dict[str, tuple[str, int | None]] = {
    "text": ("string", _CUSTOM_TEXT),
    "textarea": ("text", _LONG_TEXT),
    "number": ("float", None),
    "date": ("date", None),
    "crm user": ("reference", None),
}
#: Types with several values: a query leaves these fields out, a read of one prospect returns them.
_MULTIPLE = frozenset({"checkbox", "multi-select"})
_NO_OPTIONS = "Pardot does not tell its predefined values: list them under `options` in the mapping"

#: Fields that say that a person wants no mail; only true is ever written to them.
_OPT_OUTS = ("optedOut", "isDoNotEmail")

#: What is asked of each custom field.
CUSTOM_FIELD_PROPERTIES = "id,name,fieldId,apiFieldId,type,isRequired,isUseValues,isRecordMultipleResponses"
#: How the API names of custom fields end.
_CUSTOM_ENDING = "__c"


def _standard(groups: Mapping[str, str], *, writable: bool) -> Iterable[Field]:
    for kind, names in groups.items():
        for name in names.split():
            length = _LENGTHS.get(kind) if writable else None
            note = _NOTES.get(name, "") if writable else "read-only"
            yield Field(name, kind, _label(name), length, writable, note=note)


def _label(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return words[0].upper() + words[1:]


#: Every standard field, the writable ones first.
STANDARD: tuple[Field, ...] = (*_standard(_WRITABLE, writable=True), *_standard(_READ_ONLY, writable=False))


def custom_field(record: Mapping[str, Any]) -> Field:
    """Return the engine's field for a custom-field record. Its predefined values cannot be read by any call."""
    kind, length = _CUSTOM.get(_type(record), ("string", None))
    name = str(record["apiFieldId"])
    return Field(name, kind, str(record.get("name") or name), length, note="; ".join(_notes(record)))


def takes_several(record: Mapping[str, Any]) -> bool:
    """Whether the custom field holds several of its predefined values, so that it is written as a list."""
    return _type(record) in _MULTIPLE


def left_out_of_queries(record: Mapping[str, Any]) -> bool:
    """Whether a query leaves the custom field out, so that it takes a read of the single prospect."""
    return takes_several(record) or bool(record.get("isRecordMultipleResponses"))


def _type(record: Mapping[str, Any]) -> str:
    return str(record.get("type")).lower()


def _notes(record: Mapping[str, Any]) -> Iterable[str]:
    """What people should know of a custom field, in a fixed order."""
    if takes_several(record):
        yield "takes several values"
    if record.get("isRecordMultipleResponses"):
        yield "keeps every value that it was given, and cannot be cleared"
    if record.get("isRequired"):
        yield "required in Pardot, which does not clear it"
    if record.get("isUseValues"):
        yield _NO_OPTIONS


def without_opt_ins(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], Sequence[str]]:
    """The fields without those that would take an opt-out back, and the names of these.

    A person who has unsubscribed, or whom marketing has suppressed, stays so whatever a form at an event says.
    """
    taken_back = [name for name in _OPT_OUTS if name in fields and fields[name] is not True]
    return {name: value for name, value in fields.items() if name not in taken_back}, taken_back


class CustomFields:
    """The custom fields of a business unit; which take several values is learned once. Safe to use from many threads.

    Source: developer.salesforce.com/docs/marketing/pardot/guide/custom-field-v5
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._records: Sequence[Mapping[str, Any]] | None = None

    def read(self) -> Sequence[Field]:
        """Read them all, page by page. Raises CredentialsError naming the ability, RetryLater, VendorUnavailable."""
        with self._lock:
            return [custom_field(record) for record in self._read()]

    def lists(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the fields `names` that are written as lists. Raises as `read`, where one of them is custom."""
        return frozenset(str(record["apiFieldId"]) for record in self._known(names) if takes_several(record))

    def unqueried(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the fields `names` that only a read of the single prospect returns. Raises as `lists`."""
        return frozenset(str(record["apiFieldId"]) for record in self._known(names) if left_out_of_queries(record))

    def _known(self, names: Iterable[str]) -> Sequence[Mapping[str, Any]]:
        wanted = {name for name in names if name.endswith(_CUSTOM_ENDING)}
        return [record for record in self._all() if record["apiFieldId"] in wanted] if wanted else ()

    def _all(self) -> Sequence[Mapping[str, Any]]:
        with self._lock:
            return self._read() if self._records is None else self._records

    def _read(self) -> Sequence[Mapping[str, Any]]:
        try:
            records = [
                record
                for record in self._client.pages("custom-fields", {"fields": CUSTOM_FIELD_PROPERTIES})
                if record.get("apiFieldId")
            ]
        except Denied as error:
            raise Denied(
                f"the custom fields cannot be read: {error.what}",
                where=error.where,
                why="the field list needs an ability of its own",
                fix="In the role of the connected app's user in Pardot, allow Prospects > Configure Fields.",
            ) from error
        self._records = records
        return records
