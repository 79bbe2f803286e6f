"""The settings of a Pardot destination: one JSON Schema for checking, documentation, defaults and completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_BASE_URL = "https://pi.pardot.com"
#: Seconds to wait for an answer.
DEFAULT_TIMEOUT = 60.0
#: Seconds until an unanswered write can be seen by a read, which may be served from a cache 60 seconds old.
DEFAULT_SETTLE_AFTER = 65.0
#: Pardot allows five calls at a time and, in its smallest edition, 25,000 a day, both per business unit.
#: Source: developer.salesforce.com/docs/marketing/pardot/guide/overview (rate limits).
DEFAULT_CONCURRENCY = 5
DEFAULT_DAILY = 25_000

CONFIG_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "title": "Pardot",
    "description": "Where the Pardot business unit is and how to sign in to it.",
    "examples": [
        {
            "token_url": "https://example.my.salesforce.com",
            "business_unit_id": "0Uv000000000001CAA",
            "client_id": "3MVG9example",
            "client_secret": {"env": "PARDOT_CLIENT_SECRET"},
        }
    ],
    "additionalProperties": False,
    "required": ["token_url", "business_unit_id", "client_id", "client_secret"],
    "properties": {
        "base_url": {
            "type": "string",
            "title": "API address",
            "description": "The Pardot API host; developer and sandbox orgs use https://pi.demo.pardot.com.",
            "default": DEFAULT_BASE_URL,
            "examples": [DEFAULT_BASE_URL, "https://pi.demo.pardot.com"],
        },
        "token_url": {
            "type": "string",
            "title": "Salesforce address",
            "description": "The Salesforce org that issues the tokens: its own My Domain address.",
            "examples": ["https://example.my.salesforce.com"],
        },
        "business_unit_id": {
            "type": "string",
            "title": "Business unit",
            "description": "The 18 characters under Business Unit Setup in Salesforce; they begin with 0Uv.",
            "pattern": "^0Uv[A-Za-z0-9]{15}$",
            "examples": ["0Uv000000000001CAA"],
        },
        "client_id": {
            "type": "string",
            "minLength": 1,
            "title": "Consumer key",
            "description": "The consumer key of the connected app; the app needs the scope pardot_api.",
            "examples": ["3MVG9example"],
        },
        "client_secret": {
            "type": "string",
            "minLength": 1,
            "title": "Consumer secret",
            "description": "The consumer secret of the connected app.",
            "examples": [{"env": "PARDOT_CLIENT_SECRET"}],
        },
        "refresh_token": {
            "type": "string",
            "minLength": 1,
            "title": "Refresh token",
            "description": "Signs in as the user who authorised the app. Without it the app signs in as its "
            "run-as user (client credentials).",
            "examples": [{"env": "PARDOT_REFRESH_TOKEN"}],
        },
        "secondary_deleted_search": {
            "type": "boolean",
            "title": "Restore from the recycle bin",
            "description": "Where every prospect with the address is in the recycle bin: true restores and "
            "updates the latest, false creates a new one.",
            "default": True,
            "examples": [True],
        },
        "limits": {
            "type": "object",
            "title": "Limits",
            "description": "What this integration may use of the account's allowance.",
            "examples": [{"concurrency": 4, "daily": 10_000}],
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
                    "maximum": DEFAULT_CONCURRENCY,
                    "title": "Calls at a time",
                    "description": "Pardot allows five, shared by all integrations of the business unit.",
                    "default": DEFAULT_CONCURRENCY,
                    "examples": [4],
                },
                "daily": {
                    "type": "integer",
                    "minimum": 1,
                    "title": "Calls a day",
                    "description": "25,000 with Growth, 50,000 with Plus, 100,000 with Advanced and Premium.",
                    "default": DEFAULT_DAILY,
                    "examples": [DEFAULT_DAILY],
                },
            },
        },
        "settle_after": {
            "type": "number",
            "minimum": 0,
            "title": "Settling time",
            "description": "Seconds after which an unanswered write is looked up; Pardot's reads lag up to 60.",
            "default": DEFAULT_SETTLE_AFTER,
            "examples": [DEFAULT_SETTLE_AFTER],
        },
        "timeout": {
            "type": "number",
            "exclusiveMinimum": 0,
            "title": "Timeout",
            "description": "Seconds to wait for an answer.",
            "default": DEFAULT_TIMEOUT,
            "examples": [DEFAULT_TIMEOUT],
        },
    },
}
