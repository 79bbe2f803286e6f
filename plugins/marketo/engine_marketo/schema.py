"""What the Marketo destination can be told: the JSON Schema of its configuration, and the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The vendor's limits for a whole instance: calls per window in seconds, calls at once, calls a day, records a call.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/rest-api
CALLS = 100
WINDOW = 20.0
CONCURRENCY = 10
DAILY = 50_000
BATCH_SIZE = 300
#: The zone whose midnight ends the quota's day (source: as above).
DAY_ZONE = "America/Chicago"
#: Calls do not reach Marketo as evenly as they leave, so its window is taken for that share longer.
MARGIN = 0.03
#: The share of the daily quota at which people are told, and after how many calls Marketo's own count is read.
ALERT = 0.8
USAGE_EVERY = 500

#: Seconds after which an unanswered write can no longer take effect: the vendor stops a lead write after 90.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
SETTLE_AFTER = 100.0
TIMEOUT = 100.0
#: Seconds within which a search has been seen not to find a lead that was just written; Adobe names no figure.
READ_LAG = 5.0

#: Imports that may be queued or under way in an instance, and what this integration takes of them.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-import
MOST_IMPORTS = 10
IMPORTS = 5
POLL_AFTER = 10.0
IMPORT_SETTLE_AFTER = 3600.0


def _whole(title: str, description: str, default: int, **bounds: int) -> dict[str, Any]:
    return {
        "type": "integer",
        "minimum": 1,
        **bounds,
        "title": title,
        "description": description,
        "default": default,
        "examples": [max(1, default // 2)],
    }


def _limit(title: str, description: str, default: int) -> dict[str, Any]:
    return {**_whole(title, description, default), "type": ["integer", "null"]}


def _seconds(title: str, description: str, default: float, example: float, *, positive: bool = False) -> dict[str, Any]:
    return {
        "type": "number",
        "exclusiveMinimum" if positive else "minimum": 0,
        "title": title,
        "description": description,
        "default": default,
        "examples": [example],
    }


CONFIG_SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Marketo Engage",
    "description": "How to reach a Marketo Engage instance over its REST API.",
    "examples": [
        {
            "base_url": "https://123-ABC-456.mktorest.com",
            "client_id": "4f1c8e2a-0000-4000-8000-000000000000",
            "client_secret": {"env": "MARKETO_CLIENT_SECRET"},
        }
    ],
    "type": "object",
    "additionalProperties": False,
    "required": ["base_url", "client_id", "client_secret"],
    "properties": {
        "base_url": {
            "type": "string",
            "minLength": 1,
            "title": "Address of the REST API",
            "description": "Shown in Marketo under Admin, Integration, Web Services, REST API. A trailing /rest, "
            "/rest/v1, /identity or slash may stay.",
            "examples": ["https://123-ABC-456.mktorest.com"],
        },
        "identity_url": {
            "type": "string",
            "minLength": 1,
            "title": "Address of the identity service",
            "description": "Where tokens are issued. Left out, it is the REST address followed by /identity.",
            "examples": ["https://123-ABC-456.mktorest.com/identity"],
        },
        "client_id": {
            "type": "string",
            "minLength": 1,
            "title": "Client id",
            "description": "Of the custom service, shown in Marketo under Admin, Integration, LaunchPoint.",
            "examples": ["4f1c8e2a-0000-4000-8000-000000000000"],
        },
        "client_secret": {
            "type": "string",
            "minLength": 1,
            "title": "Client secret",
            "description": "Of the same custom service. Refer to an environment variable; never write it down.",
            "examples": [{"env": "MARKETO_CLIENT_SECRET"}],
        },
        "limits": {
            "type": "object",
            "additionalProperties": False,
            "title": "Limits",
            "description": "What this integration may use. The defaults are what Marketo allows for a whole instance; "
            "lower them where other integrations share it (Adobe advises 50 calls per 20 seconds, 5 at once). "
            "null removes a limit.",
            "examples": [{"calls": 50, "concurrency": 5, "daily": 20000}],
            "properties": {
                "calls": _limit("Calls per window", "How many calls may start within one window.", CALLS),
                "window": _seconds("Window", "Length of the window in seconds.", WINDOW, 20, positive=True),
                "concurrency": _whole("Calls at once", "How many calls may be under way together.", CONCURRENCY),
                "daily": _limit(
                    "Calls per day", "How many calls the instance may make in a day, by all integrations.", DAILY
                ),
                "reserve": {
                    "type": "integer",
                    "minimum": 0,
                    "title": "Reserve",
                    "description": "Calls of a day that are left to other integrations: no call is made once the "
                    "day's calls, by anybody, reach the daily limit less this reserve.",
                    "default": 0,
                    "examples": [10000],
                },
                "alert": {
                    "type": ["number", "null"],
                    "minimum": 0,
                    "maximum": 1,
                    "title": "Alert",
                    "description": "Share of the daily limit at which people are told that it is used up to there; "
                    "null tells nobody.",
                    "default": ALERT,
                    "examples": [0.9],
                },
                "batch_size": _whole("Records per call", "How many leads travel in one call.", BATCH_SIZE,
                                     maximum=BATCH_SIZE),
                "usage_every": _limit(
                    "Usage every", "After how many calls Marketo's own count of the day is read, which takes one "
                    "call; null never reads it.", USAGE_EVERY
                ),
            },
        },
        "partition": {
            "type": "string",
            "minLength": 1,
            "title": "Partition",
            "description": "Name of the lead partition that leads are created and looked for in. Left out, it is the "
            "API user's default partition.",
            "examples": ["Default"],
        },
        "dedupe_field": {
            "type": "string",
            "minLength": 1,
            "title": "Second field of the dedupe rule",
            "description": "Where Adobe has set up a custom dedupe rule for the instance: the field that must be the "
            "same beside the address. The mapping has to write it. Memberships then never go by file, which tells "
            "people apart by their address alone.",
            "examples": ["company"],
        },
        "company_fields": {
            "enum": ["allow", "refuse"],
            "title": "Company fields",
            "description": "Whether company, billingCity and the other company fields may be written. Adobe's pages "
            "say that Sync Leads does not take them, instances list them as writable; with refuse, a mapping that "
            "names one fails before anything is sent.",
            "default": "allow",
            "examples": ["refuse"],
        },
        "archived_programs": {
            "enum": ["refuse", "allow"],
            "title": "Archived programs",
            "description": "Whether leads may be put in programs that are in an archived folder.",
            "default": "refuse",
            "examples": ["allow"],
        },
        "bulk": {
            "type": "object",
            "additionalProperties": False,
            "title": "Bulk import",
            "description": "How large runs are imported as files. Marketo works on two imports at a time and queues "
            "ten in all, for the whole instance.",
            "examples": [{"imports": 2, "poll_after": 30}],
            "properties": {
                "imports": _whole("Imports at once", "How many imports may be queued or under way.", IMPORTS,
                                  maximum=MOST_IMPORTS),
                "poll_after": _seconds("Polling interval", "Seconds between two questions after one import.",
                                       POLL_AFTER, 30, positive=True),
                "settle_after": _seconds("Settling time", "Seconds after which an unanswered import can no longer "
                                         "take effect and its leads are looked up.", IMPORT_SETTLE_AFTER, 3600),
            },
        },
        "settle_after": _seconds("Settling time", "Seconds after which an unanswered write can no longer take effect.",
                                 SETTLE_AFTER, 100),
        "read_lag": _seconds("Read lag", "Seconds for which a search may not find a lead that was just written. An "
                             "unanswered write is looked up once it has settled and this time is over.", READ_LAG, 10),
        "timeout": _seconds("Timeout", "Seconds to wait for an answer. Marketo may work on a lead write for 90 "
                            "seconds.", TIMEOUT, 100, positive=True),
    },
}  # fmt: skip
