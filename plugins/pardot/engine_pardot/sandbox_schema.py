"""The fields of a prospect as the sandbox knows them, on its own and not by the plugin's list.

Source: developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5, …/custom-field-v5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TEXT, EMAIL, INTEGER, NUMBER = "text", "email", "integer", "number"
BOOLEAN, DATE, TIME, SEVERAL = "boolean", "date", "time", "several"
_TEXT, _CUSTOM_TEXT, _LONG_TEXT = 255, 56_000, 65_535


@dataclass(frozen=True, slots=True)
class FieldRule:
    """A field: its name, the kind of its values, the length in characters of a text, whether it can be written."""

    name: str
    kind: str = TEXT
    length: int | None = None
    writable: bool = True


_SHORT = (
    "addressOne addressTwo annualRevenue city company country department employees fax firstName industry jobTitle "
    "lastName phone salesforceId salesforceOwnerId salutation source state territory website yearsInBusiness zip"
)
_NUMBERS = "campaignId prospectAccountId profileId score userId"
_FLAGS = "isDoNotCall isDoNotEmail isReviewed isStarred optedOut"
_READ_ONLY: Mapping[str, str] = {
    INTEGER: "id createdById updatedById assignedToId lifecycleStageId",
    TIME: "createdAt updatedAt lastActivityAt firstActivityAt firstAssignedAt emailBouncedAt salesforceLastSync "
    "convertedAt",
    BOOLEAN: "isDeleted isEmailHardBounced doNotSell",
    TEXT: "grade recentInteraction emailBouncedReason salesforceAccountId salesforceCampaignId salesforceContactId "
    "salesforceLeadId salesforceUrl convertedFromObjectName convertedFromObjectType campaignParameter "
    "contentParameter mediumParameter sourceParameter termParameter firstReferrerQuery firstReferrerType "
    "firstReferrerUrl password",
}

#: Every standard field by name.
STANDARD: Mapping[str, FieldRule] = {
    rule.name: rule
    for rule in (
        FieldRule("email", EMAIL),
        *(FieldRule(name, TEXT, _TEXT) for name in _SHORT.split()),
        *(FieldRule(name, TEXT, _LONG_TEXT) for name in ("comments", "notes")),
        *(FieldRule(name, INTEGER) for name in _NUMBERS.split()),
        *(FieldRule(name, BOOLEAN) for name in _FLAGS.split()),
        *(FieldRule(name, kind, writable=False) for kind, names in _READ_ONLY.items() for name in names.split()),
    )
}

_CUSTOM: Mapping[str, tuple[str, int | None]] = {
    "textarea": (TEXT, _LONG_TEXT),
    "number": (NUMBER, None),
    "date": (DATE, None),
    "checkbox": (SEVERAL, None),
    "multi-select": (SEVERAL, None),
}


def custom_rule(record: Mapping[str, Any]) -> FieldRule:
    """The rule of a custom field's record; its type is compared without regard to case."""
    kind, length = _CUSTOM.get(str(record["type"]).lower(), (TEXT, _CUSTOM_TEXT))
    return FieldRule(str(record["apiFieldId"]), kind, length)


def has_several(record: Mapping[str, Any]) -> bool:
    """Whether the custom field can hold several values, so that queries leave it out."""
    return custom_rule(record).kind == SEVERAL or bool(record["isRecordMultipleResponses"])
