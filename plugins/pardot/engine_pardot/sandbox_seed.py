"""What the sandbox starts from: the seed, and the business unit that it describes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from engine.records import Field
from engine_pardot.fields import STANDARD

BUSINESS_UNIT = "0Uv000000000001CAA"
CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - for a server on loopback that holds invented people
REFRESH_TOKEN = "sandbox-refresh"  # noqa: S105

#: What a user's role may allow.
ABILITIES = frozenset({"view", "create", "delete", "assign", "configure_fields"})

DEFAULT_SEED: Mapping[str, Any] = {
    "business_unit": BUSINESS_UNIT,
    "utc_offset": "-05:00",
    "clients": [{"id": CLIENT_ID, "secret": CLIENT_SECRET, "refresh_tokens": [REFRESH_TOKEN], "user": 1}],
    "users": [{"id": 1, "email": "integration@example.com"}, {"id": 2, "email": "sales@example.com"}],
    "campaigns": [{"id": 668, "name": "Website Tracking"}, {"id": 1107, "name": "Expo 2026"}],
    "custom_fields": [
        {"name": "Booth Rating", "type": "Dropdown", "values": ["A", "B", "C"]},
        {"name": "Lead Type", "type": "Text"},
        {"name": "Last Event", "type": "Text"},
        {"name": "Event Notes", "type": "Textarea"},
        {"name": "Badge Scans", "type": "Number"},
        {"name": "LinkedIn URL", "type": "Text"},
        {"name": "Follow Up", "type": "Radio Button", "values": ["Yes", "No"]},
    ],
    "prospects": [],
}


@dataclass(frozen=True)
class User:
    """Who a token acts for."""

    id: int
    email: str
    units: frozenset[str]
    abilities: frozenset[str]


@dataclass(frozen=True)
class Client:
    """A connected app. Its refresh tokens are the token host's, for they come and go."""

    id: str
    secret: str
    user: int
    scope: str


@dataclass
class Unit:
    """A business unit: its people, campaigns and custom fields (records by apiFieldId)."""

    id: str
    zone: timezone
    users: dict[int, User]
    campaigns: dict[int, dict[str, Any]]
    custom_fields: dict[str, dict[str, Any]]
    standard: Mapping[str, Field] = field(default_factory=lambda: {each.name: each for each in STANDARD})

    def stamp(self, moment: float) -> str:
        """Unix seconds as the vendor writes them: ISO 8601, whole seconds, the unit's offset."""
        return datetime.fromtimestamp(moment, self.zone).isoformat(timespec="seconds")

    def day(self, moment: float) -> str:
        """The calendar day of the unit, by which calls are counted."""
        return datetime.fromtimestamp(moment, self.zone).date().isoformat()

    @property
    def oldest_campaign(self) -> int | None:
        return min(self.campaigns, default=None)


def complete(seed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the seed with the defaults for what it leaves out."""
    return {**DEFAULT_SEED, **seed}


def unit_of(seed: Mapping[str, Any]) -> Unit:
    """Build the business unit of a completed seed."""
    unit = Unit(
        id=seed["business_unit"],
        zone=_zone(seed["utc_offset"]),
        users={each["id"]: _user(each, seed["business_unit"]) for each in seed["users"]},
        campaigns={each["id"]: {"folderId": None, "isDeleted": False, **each} for each in seed["campaigns"]},
        custom_fields={},
    )
    for number, each in enumerate(seed["custom_fields"]):
        record = _custom_field(each, number)
        unit.custom_fields[record["apiFieldId"]] = record
    return unit


def clients_of(seed: Mapping[str, Any]) -> dict[str, Client]:
    """The connected apps of a completed seed by consumer key."""
    return {
        each["id"]: Client(
            each["id"], each["secret"], each.get("user", 1), each.get("scope", "refresh_token pardot_api")
        )
        for each in seed["clients"]
    }


def refresh_tokens_of(seed: Mapping[str, Any]) -> dict[str, str]:
    """The live refresh tokens of a completed seed, each with its consumer key."""
    return {token: each["id"] for each in seed["clients"] for token in each.get("refresh_tokens", ())}


def _zone(text: str) -> timezone:
    """The zone of an offset such as -05:00. Raises ValueError for anything else."""
    offset = datetime.strptime(text, "%z").utcoffset()
    return timezone(offset or timedelta())


def _user(given: Mapping[str, Any], unit: str) -> User:
    return User(
        id=given["id"],
        email=given["email"],
        units=frozenset(given.get("business_units", [unit])),
        abilities=frozenset(given.get("abilities", ABILITIES)),
    )


def _custom_field(given: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A custom-field record; `values` (the allowed ones) stay inside, for no call of the API shows them."""
    field_id = given.get("fieldId") or re.sub(r"\W+", "_", given["name"]).strip("_")
    return {
        "id": 1070 + 2 * number,
        "isRequired": False,
        "isUseValues": bool(given.get("values")),
        "isRecordMultipleResponses": False,
        "isAnalyticsSynced": False,
        "salesforceId": None,
        "fieldId": field_id,
        "apiFieldId": f"{field_id}__c",
        "type": "Text",
        **given,
    }
