"""What the sandbox holds where a seed says nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from engine_marketo.sandbox_calls import Row

#: What a seed adds to: one row per custom field, channel and program; those of equal name or id are replaced.
DEFAULT_FIELDS: tuple[Row, ...] = (
    {"name": "leadType"},
    {"name": "eventScore", "dataType": "integer"},
    {"name": "boothNotes", "dataType": "text"},
    {"name": "lastEvent"},
    {"name": "linkedInUrl", "dataType": "url", "displayName": "LinkedIn URL"},
    {"name": "twitterUrl", "dataType": "url"},
    {"name": "badgeId", "displayName": "Badge ID"},
    {"name": "followUp"},
    {"name": "productInterest"},
    {"name": "companyDomain"},
    {"name": "companySize"},
    {"name": "scanCount", "dataType": "integer"},
    {"name": "capturedAt", "dataType": "datetime"},
    {"name": "capturedBy"},
    {"name": "consentGiven", "dataType": "boolean"},
)
DEFAULT_CHANNELS: tuple[Row, ...] = (
    {
        "name": "Tradeshow",
        "statuses": [
            {"name": "Invited", "step": 10},
            {"name": "Registered", "step": 20},
            {"name": "Member", "step": 25},
            {"name": "Engaged", "step": 30},
            {"name": "Attended", "step": 40, "success": True},
        ],
    },
)
DEFAULT_PROGRAMS: tuple[Row, ...] = (
    {"id": 1107, "name": "Expo 2026", "channel": "Tradeshow"},
    {"id": 1108, "name": "Summit 2026", "channel": "Tradeshow"},
)
DEFAULT_MEMBER_FIELDS: tuple[Row, ...] = (
    {"name": "registrationCode"},
    {"name": "boothVisit"},
    {"name": "rating", "dataType": "integer"},
)
DEFAULT_LISTS: tuple[Row, ...] = ({"id": 1001, "name": "Event leads"},)
DEFAULT_PARTITIONS: tuple[Row, ...] = ({"id": 1, "name": "Default", "description": "Initial system lead partition"},)


def overlaid(defaults: Sequence[Row], given: Sequence[Row], key: str) -> list[Row]:
    """The default rows and those of a seed; of two with one key, the seed's."""
    return list({str(row[key]): row for row in (*defaults, *given)}.values())
