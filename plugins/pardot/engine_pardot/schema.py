"""What a Pardot destination can be told beside how to sign in: JSON Schemas of the settings, and the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BASE_URL = "https://pi.pardot.com"
#: Seconds to wait for an answer.
TIMEOUT = 60.0
#: Seconds until an unanswered write can be seen by a read, which may be served from a cache 60 seconds old.
#: Source: developer.salesforce.com/docs/marketing/pardot/guide/version5overview
SETTLE_AFTER = 65.0

#: Calls at a time and calls a day by edition, for a whole business unit.
#: Source: developer.salesforce.com/docs/marketing/pardot/guide/overview (rate limits)
CONCURRENCY = 5
DAILY: Mapping[str, int] = {"growth": 25_000, "plus": 50_000, "advanced": 100_000, "premium": 100_000}
EDITION = "growth"
#: The share of the daily quota at which people are told, and after how many calls Pardot's own count is asked for.
ALERT = 0.8
USAGE_EVERY = 50
#: Imports that are handed over at once, and seconds: between two questions after one, and until one whose submission
#: was interrupted can no longer take effect.
IMPORTS = 5
POLL_AFTER = 30.0
IMPORT_SETTLE_AFTER = 3600.0
#: What is between several values of one field in a text.
SEPARATOR = ";"

#: The settings, by name.
PROPERTIES: Mapping[str, Any] = {
    "base_url": {
        "type": "string",
        "title": "API address",
        "description": "The Pardot API host; developer and sandbox orgs use https://pi.demo.pardot.com.",
        "default": BASE_URL,
        "examples": [BASE_URL, "https://pi.demo.pardot.com"],
    },
    "deleted": {
        "enum": ["restore", "create"],
        "title": "Recycled prospects",
        "description": "What becomes of a lead whose only prospects are in the recycle bin: restore takes the one with "
        "the latest activity out of it and updates it, create makes a new prospect. Where addresses are unique in the "
        "account, Pardot restores in any case.",
        "default": "restore",
        "examples": ["create"],
    },
    "verify": {
        "type": "boolean",
        "title": "Verify",
        "description": "Ask for the written fields in the same call and fail a lead of which a value was not stored. "
        "Fields with several values and those that record multiple responses cannot be asked for that way.",
        "default": False,
        "examples": [True],
    },
    "separator": {
        "type": "string",
        "minLength": 1,
        "title": "Separator",
        "description": "What is between the values where one text holds several for a multi-select or checkbox field; "
        "they are sent as a list.",
        "default": SEPARATOR,
        "examples": ["|"],
    },
    "limits": {
        "type": "object",
        "title": "Limits",
        "description": "What this integration may use of the business unit's allowance, which all integrations share.",
        "examples": [{"edition": "plus", "concurrency": 4, "reserve": 5_000, "day_zone": "America/New_York"}],
        "additionalProperties": False,
        "properties": {
            "calls": {
                "type": "integer",
                "minimum": 1,
                "title": "Calls per window",
                "description": "At most this many calls in `window` seconds; no limit if left out.",
                "examples": [100],
            },
            "window": {
                "type": "number",
                "exclusiveMinimum": 0,
                "title": "Window",
                "description": "The length of the window in seconds.",
                "default": 1.0,
                "examples": [20.0],
            },
            "concurrency": {
                "type": "integer",
                "minimum": 1,
                "maximum": CONCURRENCY,
                "title": "Calls at a time",
                "description": "Pardot allows five, shared by all integrations of the business unit.",
                "default": CONCURRENCY,
                "examples": [4],
            },
            "edition": {
                "enum": list(DAILY),
                "title": "Edition",
                "description": "The account's edition, which says how many calls a day Pardot allows: 25,000 with "
                "growth, 50,000 with plus, 100,000 with advanced and premium. `daily` goes before it.",
                "default": EDITION,
                "examples": ["plus"],
            },
            "daily": {
                "type": "integer",
                "minimum": 1,
                "title": "Calls a day",
                "description": "The calls that the business unit may make in a day, by all integrations; left out, it "
                "follows from the edition.",
                "examples": [DAILY[EDITION]],
            },
            "reserve": {
                "type": "integer",
                "minimum": 0,
                "title": "Reserve",
                "description": "Calls of a day that are left to other integrations: no call is made once the day's "
                "calls, by anybody, reach the daily limit less this reserve.",
                "default": 0,
                "examples": [5_000],
            },
            "alert": {
                "type": ["number", "null"],
                "minimum": 0,
                "maximum": 1,
                "title": "Alert",
                "description": "Share of the daily limit at which people are told that it is used up to there; null "
                "tells nobody.",
                "default": ALERT,
                "examples": [0.9],
            },
            "day_zone": {
                "type": "string",
                "minLength": 1,
                "title": "Time zone of the day",
                "description": "The account's time zone (IANA name), at whose midnight Pardot gives the quota anew. "
                "Left out, days are counted in UTC, and a spent quota is tried again after an hour.",
                "examples": ["America/New_York"],
            },
            "usage_every": {
                "type": ["integer", "null"],
                "minimum": 1,
                "title": "Usage every",
                "description": "After how many calls Pardot is asked, along with a call, how many the day has seen by "
                "anybody; null never asks on the way.",
                "default": USAGE_EVERY,
                "examples": [20],
            },
        },
    },
    "bulk": {
        "type": "object",
        "title": "Bulk import",
        "description": "How large runs are imported as files. Each question after an import is a call of the day.",
        "examples": [{"imports": 2, "poll_after": 60}],
        "additionalProperties": False,
        "properties": {
            "imports": {
                "type": "integer",
                "minimum": 1,
                "title": "Imports at once",
                "description": "How many imports may be waiting or under way.",
                "default": IMPORTS,
                "examples": [2],
            },
            "poll_after": {
                "type": "number",
                "exclusiveMinimum": 0,
                "title": "Polling interval",
                "description": "Seconds between two questions after one import.",
                "default": POLL_AFTER,
                "examples": [60],
            },
            "settle_after": {
                "type": "number",
                "minimum": 0,
                "title": "Settling time",
                "description": "Seconds after which an import whose submission was interrupted can no longer take "
                "effect and its leads are looked up.",
                "default": IMPORT_SETTLE_AFTER,
                "examples": [IMPORT_SETTLE_AFTER],
            },
        },
    },
    "settle_after": {
        "type": "number",
        "minimum": 0,
        "title": "Settling time",
        "description": "Seconds after which an unanswered write is looked up; Pardot's reads lag up to 60.",
        "default": SETTLE_AFTER,
        "examples": [SETTLE_AFTER],
    },
    "timeout": {
        "type": "number",
        "exclusiveMinimum": 0,
        "title": "Timeout",
        "description": "Seconds to wait for an answer.",
        "default": TIMEOUT,
        "examples": [TIMEOUT],
    },
}
