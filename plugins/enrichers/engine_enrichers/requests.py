"""Makes the call to a declared provider out of a lead: which inputs, in which places, with which key."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from engine_enrichers.provider_files import PLACEHOLDER, Auth, Provider, Request

#: An extension as the `normalize` enricher writes it; providers match the number without it.
_EXTENSION = re.compile(r" x\d+$")


def choose_inputs(provider: Provider, lead: Mapping[str, Any]) -> dict[str, str] | None:
    """The inputs to send: the first complete set and what is sent beside it; None if no set is complete."""
    for fields in provider.inputs:
        values = {field: _input(field, lead) for field in fields}
        if all(values.values()):
            beside = {field: _input(field, lead) for field in provider.also}
            return {field: value for field, value in {**beside, **values}.items() if value}
    return None


def _input(field: str, lead: Mapping[str, Any]) -> str:
    value = lead.get(field)
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return _EXTENSION.sub("", text) if field in ("phone", "mobile_phone") else text


def limits_of_request(provider: Provider, wanted: Sequence[str], min_confidence: float) -> dict[str, Any]:
    """`min_score` (whole number on the provider's scale) and `required`, each only where it says something."""
    known = provider.request.required_names
    found: dict[str, Any] = {}
    if score := math.ceil(min_confidence * provider.scale):
        found["min_score"] = score
    if wanted and all(field in known for field in wanted):
        found["required"] = provider.request.required_join.join(sorted({known[field] for field in wanted}))
    return found


def key_of(provider: Provider, inputs: Mapping[str, Any], settings: Mapping[str, Any], wanted: Sequence[str]) -> str:
    """A stable text for equal requests; the inputs' case does not matter, because it does not to a match."""
    folded = {field: value.casefold() for field, value in inputs.items()}
    parts = {
        "provider": provider.name,
        "version": provider.version,
        "inputs": folded,
        "settings": settings,
        "wanted": sorted(wanted),
    }
    return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS).decode()


def build(request: Request, values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `Http.send` without the key: method, path, headers, params, json."""
    path = PLACEHOLDER.sub(lambda found: quote(str(values.get(found[1], "")), safe=""), request.path)
    query = {name: fill(template, values) for name, template in request.query.items()}
    return {
        "method": request.method,
        "path": path,
        "headers": dict(request.headers),
        "params": {name: _query_text(value) for name, value in query.items() if value is not None},
        "json": None if request.json is None else fill(request.json, values) or {},
    }


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with `{name}` replaced; None where nothing is left of it.

    A text that is one `{name}` takes the value with its type. A text with any empty `{name}` in it is empty altogether.
    """
    if isinstance(template, dict):
        filled = {name: fill(child, values) for name, child in template.items()}
        return {name: value for name, value in filled.items() if value is not None} or None
    if isinstance(template, list):
        return [value for child in template if (value := fill(child, values)) is not None] or None
    if not isinstance(template, str):
        return template
    names = PLACEHOLDER.findall(template)
    if any(values.get(name) in (None, "") for name in names):
        return None
    if len(names) == 1 and template == f"{{{names[0]}}}":
        return values[names[0]]
    return PLACEHOLDER.sub(lambda found: str(values[found[1]]), template)


def _query_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def add_key(auth: Auth, key: str, call: dict[str, Any]) -> None:
    """Put the API key into the call, where the provider wants it."""
    if auth.place == "query":
        call["params"][auth.name] = key
    elif auth.place == "header":
        call["headers"][auth.name] = key
    elif auth.place == "bearer":
        call["headers"]["Authorization"] = f"Bearer {key}"
    else:
        call["headers"]["Authorization"] = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
