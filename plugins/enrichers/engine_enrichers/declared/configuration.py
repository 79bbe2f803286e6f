"""The configuration of an enrichment step, as a provider file declares it."""

from __future__ import annotations

from typing import Any

from engine_enrichers.declared.provider import Provider
from engine_enrichers.declared.templates import names_in

_LIMITS: dict[str, Any] = {
    "title": "Limits",
    "description": "What your plan allows, where that differs from the smallest plan; replaces the file's as a whole.",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "calls": {
            "title": "Calls", "description": "Calls per window.", "type": "integer", "minimum": 1, "examples": [100],
        },
        "window": {
            "title": "Window",
            "description": "Length of the window in seconds.",
            "type": "number",
            "exclusiveMinimum": 0,
            "default": 1,
            "examples": [60],
        },
        "more": {
            "title": "More",
            "description": "Further windows that hold at the same time.",
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["calls", "window"],
                "properties": {
                    "calls": {"type": "integer", "minimum": 1},
                    "window": {"type": "number", "exclusiveMinimum": 0},
                },
            },
            "examples": [[{"calls": 2000, "window": 86400}]],
        },
        "concurrency": {
            "title": "Concurrency", "description": "Calls at once.", "type": "integer", "minimum": 1, "examples": [4],
        },
        "batch_size": {
            "title": "Batch size", "description": "Leads of one call, where the provider takes several; 1 asks singly.",
            "type": "integer", "minimum": 1, "examples": [1],
        },
        "daily": {"title": "Daily", "description": "Calls a day.", "type": "integer", "minimum": 1, "examples": [1000]},
    },
    "examples": [{"calls": 100, "window": 60}],
}  # fmt: skip
_PRICE: dict[str, Any] = {
    "title": "Price",
    "description": "What one credit costs you, where that differs from the published price.",
    "type": "object",
    "additionalProperties": False,
    "required": ["amount", "currency"],
    "properties": {
        "amount": {
            "title": "Amount", "description": "Money for one credit.", "type": "number", "minimum": 0,
            "examples": [0.2],
        },
        "currency": {
            "title": "Currency", "description": "ISO 4217 code.", "type": "string", "pattern": "^[A-Z]{3}$",
            "examples": ["USD"],
        },
    },
    "examples": [{"amount": 0.2, "currency": "USD"}],
}  # fmt: skip


def config_schema(provider: Provider) -> dict[str, Any]:
    """The JSON Schema of an enrichment step's configuration."""
    credentials = {
        name: {
            "title": given["title"],
            "description": f"{given['description']} See {provider.docs}.",
            "type": "string",
            "minLength": 1,
            "examples": [{"env": variable_of(provider, name)}],
        }
        for name, given in provider.credentials.items()
    }
    base_url = {
        "title": "Base URL",
        "description": "Another address than the provider's own, such as that of a sandbox.",
        "type": "string",
        "pattern": "^https?://",
        "default": provider.base_url,
        "examples": ["http://127.0.0.1:8800"],
    }
    paths = [request.path for request in (*(each.request for each in provider.inputs),
                                          *(each.request for each in provider.before))]  # fmt: skip
    needed = [name for name, given in provider.options.items() if name in names_in(paths) and "default" not in given]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [*credentials, *needed],
        "properties": {
            **credentials, "base_url": base_url, "limits": _LIMITS, "price": _PRICE, **provider.options,
        },
    }  # fmt: skip


def variable_of(provider: Provider, credential: str) -> str:
    """The environment variable that a credential is usually kept in."""
    return f"{provider.name}_{credential}".upper()
