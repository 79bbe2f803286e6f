"""The configuration of the Marketo destination: its JSON Schema, its defaults, and the settings read from it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from engine.limits import Limits

#: The vendor's limits for a whole instance: calls per window in seconds, calls at once, calls a day, records a call.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/rest-api
CALLS = 100
WINDOW = 20.0
CONCURRENCY = 10
DAILY = 50_000
BATCH_SIZE = 300

#: Seconds after which an unanswered write can no longer take effect: the vendor stops a lead write after 90.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
SETTLE_AFTER = 100.0
TIMEOUT = 100.0

#: Endings of the addresses that the vendor's administration pages show, which are not part of the base address.
_SUFFIXES = ("/rest/v1", "/rest", "/identity")


def _limit(title: str, description: str, default: int, **bounds: int) -> dict[str, Any]:
    return {
        "type": ["integer", "null"],
        "minimum": 1,
        **bounds,
        "title": title,
        "description": description,
        "default": default,
        "examples": [default // 2],
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
            "description": "Shown in Marketo under Admin, Integration, Web Services, REST API. A trailing /rest or "
            "slash may stay.",
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
                "window": {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "title": "Window",
                    "description": "Length of the window in seconds.",
                    "default": WINDOW,
                    "examples": [20],
                },
                "concurrency": {
                    **_limit("Calls at once", "How many calls may be under way at the same time.", CONCURRENCY),
                    "type": "integer",
                },
                "daily": _limit("Calls per day", "How many calls may be made in a day.", DAILY),
                "batch_size": {
                    **_limit("Records per call", "How many leads travel in one call.", BATCH_SIZE, maximum=BATCH_SIZE),
                    "type": "integer",
                },
            },
        },
        "settle_after": {
            "type": "number",
            "minimum": 0,
            "title": "Settling time",
            "description": "Seconds after which an unanswered write can no longer take effect and is looked up.",
            "default": SETTLE_AFTER,
            "examples": [100],
        },
        "timeout": {
            "type": "number",
            "exclusiveMinimum": 0,
            "title": "Timeout",
            "description": "Seconds to wait for an answer. Marketo may work on a lead write for 90 seconds.",
            "default": TIMEOUT,
            "examples": [100],
        },
    },
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration with defaults filled in and addresses in their plain form (no suffix, no trailing slash)."""

    base_url: str
    token_url: str
    client_id: str
    client_secret: str
    limits: Limits
    settle_after: float
    timeout: float

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Settings:
        base_url = plain_address(config["base_url"])
        identity_url = plain_address(config.get("identity_url") or base_url)
        return cls(
            base_url=base_url,
            token_url=f"{identity_url}/identity/oauth/token",
            client_id=config["client_id"],
            client_secret=config["client_secret"],
            limits=_limits(config.get("limits") or {}),
            settle_after=float(config.get("settle_after", SETTLE_AFTER)),
            timeout=float(config.get("timeout", TIMEOUT)),
        )

    @property
    def account(self) -> str:
        """Names the instance; the port belongs to it only on this machine, where several sandboxes may run."""
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        return f"marketo:{parts.netloc.lower()}" if _is_loopback(host) else f"marketo:{host}"


def plain_address(url: str) -> str:
    """Cut what the vendor's pages append to the base address: a trailing slash, /rest or /identity."""
    plain = url.strip().rstrip("/")
    for suffix in _SUFFIXES:
        plain = plain.removesuffix(suffix).rstrip("/")
    return plain


def _limits(given: Mapping[str, Any]) -> Limits:
    return Limits(
        batch_size=given.get("batch_size", BATCH_SIZE),
        calls=given.get("calls", CALLS),
        window=float(given.get("window", WINDOW)),
        concurrency=given.get("concurrency", CONCURRENCY),
        daily=given.get("daily", DAILY),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
