"""What the sandbox starts from: the seed, and the business unit that it describes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from engine_pardot.sandbox_schema import STANDARD, FieldRule, custom_rule

BUSINESS_UNIT = "0Uv000000000001CAA"
CLIENT_ID = "sandbox"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - for a server on loopback that holds invented people
REFRESH_TOKEN = "sandbox-refresh"  # noqa: S105

#: What a user's role may allow.
ABILITIES = frozenset({"view", "create", "delete", "assign", "configure_fields", "lists", "import"})

DEFAULT_SEED: Mapping[str, Any] = {
    "business_unit": BUSINESS_UNIT,
    "utc_offset": "-05:00",
    "clients": [{"id": CLIENT_ID, "secret": CLIENT_SECRET, "refresh_tokens": [REFRESH_TOKEN], "user": 1}],
    "users": [{"id": 1, "email": "integration@example.com"}, {"id": 2, "email": "sales@example.com"}],
    "campaigns": [{"id": 668, "name": "Website Tracking"}, {"id": 1107, "name": "Expo 2026"}],
    "lists": [
        {"id": 233_086, "name": "Expo 2026 visitors"},
        {"id": 233_088, "name": "Newsletter"},
        {"id": 233_090, "name": "Everybody with a score above 100", "isDynamic": True},
    ],
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
    """Who a token acts for. `username` is the one of Salesforce."""

    id: int
    email: str
    units: frozenset[str]
    abilities: frozenset[str]
    username: str = ""
    active: bool = True


@dataclass(frozen=True)
class Client:
    """A connected app. Its refresh tokens are the token host's, for they come and go.

    run_as: the user of client credentials, None where none is set. public_key: PEM of the key or the certificate that
    assertions are signed for. approved: the usernames that may be named in one, None for all. redirect_uris: the
    callback addresses, None for any on this machine.
    """

    id: str
    secret: str
    user: int
    scope: str
    run_as: int | None = None
    public_key: str = ""
    approved: frozenset[str] | None = None
    redirect_uris: frozenset[str] | None = None
    requires_secret: bool = True
    requires_pkce: bool = False


@dataclass
class Unit:
    """A business unit: its people, campaigns, lists and custom fields (records by apiFieldId)."""

    id: str
    zone: tzinfo
    users: dict[int, User]
    campaigns: dict[int, dict[str, Any]]
    lists: dict[int, dict[str, Any]]
    custom_fields: dict[str, dict[str, Any]]

    def stamp(self, moment: float) -> str:
        """Unix seconds as the vendor writes them: ISO 8601, whole seconds, the unit's offset."""
        return datetime.fromtimestamp(moment, self.zone).isoformat(timespec="seconds")

    def day(self, moment: float) -> str:
        """The calendar day of the unit, by which calls are counted."""
        return datetime.fromtimestamp(moment, self.zone).date().isoformat()

    @property
    def oldest_campaign(self) -> int | None:
        return min(self.campaigns, default=None)

    def rule(self, name: str) -> FieldRule | None:
        """The rule of a prospect's field, None where there is no such field."""
        record = self.custom_fields.get(name)
        return STANDARD.get(name) if record is None else custom_rule(record)


def complete(seed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the seed with the defaults for what it leaves out."""
    return {**DEFAULT_SEED, **seed}


def unit_of(seed: Mapping[str, Any], moment: float) -> Unit:
    """Build the business unit of a completed seed; its records were made at `moment`.

    Raises KeyError, TypeError, ValueError for a seed that is malformed.
    """
    unit = Unit(
        id=seed["business_unit"],
        zone=_zone(seed),
        users={each["id"]: _user(each, seed["business_unit"]) for each in seed["users"]},
        campaigns={},
        lists={},
        custom_fields={},
    )
    stamp = unit.stamp(moment)
    times = {"isDeleted": False, "createdAt": stamp, "updatedAt": stamp, "createdById": 1, "updatedById": 1}
    unit.campaigns = {each["id"]: {**times, **each} for each in seed["campaigns"]}
    flags = {"isDynamic": False, "isPublic": False, "isSalesforceVisible": False}
    unit.lists = {each["id"]: {**times, **flags, "title": each["name"], **each} for each in seed["lists"]}
    for number, each in enumerate(seed["custom_fields"]):
        record = {**times, **_custom_field(each, number)}
        unit.custom_fields[record["apiFieldId"]] = record
    return unit


def clients_of(seed: Mapping[str, Any]) -> dict[str, Client]:
    """The connected apps of a completed seed by consumer key."""
    return {each["id"]: _client(each) for each in seed["clients"]}


def refresh_tokens_of(seed: Mapping[str, Any]) -> dict[str, str]:
    """The live refresh tokens of a completed seed, each with its consumer key."""
    return {token: each["id"] for each in seed["clients"] for token in each.get("refresh_tokens", ())}


def _client(given: Mapping[str, Any]) -> Client:
    user = given.get("user", 1)
    approved, redirect_uris = given.get("approved"), given.get("redirect_uris")
    return Client(
        id=given["id"],
        secret=given.get("secret", ""),
        user=user,
        scope=given.get("scope", "refresh_token pardot_api"),
        run_as=given.get("run_as", user),
        public_key=given.get("public_key", ""),
        approved=None if approved is None else frozenset(approved),
        redirect_uris=None if redirect_uris is None else frozenset(redirect_uris),
        requires_secret=given.get("require_secret", True),
        requires_pkce=given.get("require_pkce", False),
    )


def _zone(seed: Mapping[str, Any]) -> tzinfo:
    """The zone by its name or by an offset such as -05:00. Raises ValueError for anything else."""
    if name := seed.get("time_zone"):
        try:
            return ZoneInfo(name)
        except ZoneInfoNotFoundError:
            raise ValueError(f"time_zone: {name!r} is not known on this machine") from None
    offset = datetime.strptime(seed["utc_offset"], "%z").utcoffset()
    return timezone(offset or timedelta())


def _user(given: Mapping[str, Any], unit: str) -> User:
    return User(
        id=given["id"],
        email=given["email"],
        units=frozenset(given.get("business_units", [unit])),
        abilities=frozenset(given.get("abilities", ABILITIES)),
        username=given.get("username", given["email"]),
        active=given.get("active", True),
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
