"""The fields of a prospect: the standard ones, and how the types of custom ones read to the engine.

Pardot has no call that describes the standard fields, so their list is kept here.
Source: developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5 and …/custom-field-v5
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from engine.records import Field

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

#: What is asked of each custom field.
CUSTOM_FIELD_PROPERTIES = "id,name,fieldId,apiFieldId,type,isRecordMultipleResponses"


def _standard(groups: Mapping[str, str], *, writable: bool) -> Iterable[Field]:
    for kind, names in groups.items():
        for name in names.split():
            yield Field(name, kind, _label(name), _LENGTHS.get(kind) if writable else None, writable)


def _label(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return words[0].upper() + words[1:]


#: Every standard field, the writable ones first.
STANDARD: tuple[Field, ...] = (*_standard(_WRITABLE, writable=True), *_standard(_READ_ONLY, writable=False))


def custom_field(record: Mapping[str, Any]) -> Field:
    """Return the engine's field for a custom-field record. Its predefined values cannot be read by any call."""
    kind, length = _CUSTOM.get(str(record.get("type")).lower(), ("string", None))
    return Field(str(record["apiFieldId"]), kind, str(record.get("name") or record["apiFieldId"]), length)


def left_out_of_queries(record: Mapping[str, Any]) -> bool:
    """Whether a query leaves the custom field out, so that it takes a read of the single prospect."""
    return str(record.get("type")).lower() in _MULTIPLE or bool(record.get("isRecordMultipleResponses"))
