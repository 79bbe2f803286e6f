"""Makes calls to a declared provider out of templates, and puts the credentials where the provider wants them."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine_enrichers.declared.provider import Auth, Request
from engine_enrichers.declared.templates import as_text, fill, fill_path


@dataclass(frozen=True, slots=True)
class Call:
    """A call as `engine.http.Http.send` takes it. `timeout` in seconds for the whole answer."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    timeout: float = 30.0

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `Http.send`."""
        return {
            "method": self.method,
            "path": self.path,
            "params": dict(self.params),
            "headers": dict(self.headers),
            "json": self.json,
            "form": self.form,
            "timeout": self.timeout,
        }


def build(request: Request, values: Mapping[str, Any], wanted: Collection[str] = ()) -> Call | None:
    """The call without credentials; None where the path lacks a value, or a value would lead to another path."""
    path = fill_path(request.path, values)
    if not path:
        return None
    body = None
    if request.json is not None:
        filled = fill(request.json, values, wanted)
        body = type(request.json)() if filled is None else filled
    return Call(
        method=request.method,
        path=path,
        params=_parameters(request.query, values, wanted),
        # No input stands in a header, so that no lead can change what a call means.
        headers=_parameters(request.headers, values, wanted),
        json=body,
        form=None if request.form is None else _parameters(request.form, values, wanted),
        timeout=request.timeout,
    )


def _parameters(template: Mapping[str, Any], values: Mapping[str, Any], wanted: Collection[str]) -> dict[str, str]:
    filled = fill(template, values, wanted) or {}
    return {name: as_text(value) for name, value in filled.items()}


def add_auth(call: Call, auth: Auth, values: Mapping[str, Any], token: str = "") -> Call:
    """The call with its credentials; `values` are the credentials and options, `token` the access token of OAuth."""
    headers = {**call.headers, **_parameters(auth.headers, values, ())}
    if auth.basic is not None:
        user, password = (as_text(fill(text, values)) for text in auth.basic)
        headers["Authorization"] = basic(user, password)
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return replace(call, headers=headers, params={**call.params, **_parameters(auth.query, values, ())})


def basic(user: str, password: str) -> str:
    """The header of HTTP Basic authentication (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
