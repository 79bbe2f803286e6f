"""Calls to the Pardot API (version 5), signed with a Salesforce token.

Source: developer.salesforce.com/docs/marketing/pardot/guide/version5overview
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.adapters import Config, Context
from engine.errors import NoAnswer
from engine.http import Reply
from engine_pardot.config import DEFAULT_BASE_URL, DEFAULT_TIMEOUT
from engine_pardot.errors import Fault, call_error, read_error, read_fault
from engine_pardot.tokens import Tokens

_OBJECTS = "/api/v5/objects/"
_PAGE = 1000
#: Tokens tried for one call: the first, one that another thread renewed meanwhile, one renewed for this call.
_TOKENS_PER_CALL = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """A call that was answered: the body, {} where there is none, or the fault that concerns the record alone."""

    data: Mapping[str, Any]
    fault: Fault | None = None


class Client:
    """The API of one business unit. Thread-safe."""

    def __init__(self, config: Config, context: Context) -> None:
        timeout = float(config.get("timeout", DEFAULT_TIMEOUT))
        self._unit: str = config["business_unit_id"]
        self._http = context.http(config.get("base_url", DEFAULT_BASE_URL), timeout=timeout)
        self._tokens = Tokens(config, context, self._http)

    def sign_in(self) -> None:
        """Get a token. Raises CredentialsError, VendorUnavailable."""
        self._tokens.sign_in()

    def close(self) -> None:
        self._http.close()

    def write(self, method: str, path: str, body: Mapping[str, Any]) -> Answer:
        """Change something. Raises AbortRun or RetryLater where nothing was executed, NoAnswer where it is unclear."""
        reply, fault = self._send(method, path, json=body)
        if fault is None:
            return Answer(_content(reply, path))
        error = call_error(fault, path)
        if error is not None:
            raise error
        return Answer({}, fault)

    def read(self, path: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        """Read one answer. Raises RetryLater, AbortRun."""
        answer = self.find(path, params)
        if answer.fault is not None:
            raise read_error(answer.fault, path)
        return answer.data

    def find(self, path: str, params: Mapping[str, str]) -> Answer:
        """Read what may not be there: that fault alone is returned. Raises RetryLater, AbortRun for any other."""
        reply, fault = self._send("GET", path, params=params)
        if fault is None:
            return Answer(_content(reply, path))
        if fault.no_such_record:
            return Answer({}, fault)
        raise read_error(fault, path)

    def pages(self, path: str, params: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """Yield every record of a query. On a later page only `fields` may go along with the page's token."""
        asked = {**params, "limit": str(_PAGE)}
        while True:
            answer = self.read(path, asked)
            yield from answer.get("values") or ()
            token = answer.get("nextPageToken")
            if not token:
                return
            asked = {"fields": params["fields"], "nextPageToken": str(token)}

    def _send(self, method: str, path: str, **options: Any) -> tuple[Reply, Fault | None]:
        """Make the call, with a renewed token once where the first is refused."""
        token = self._tokens.current()
        renewed = False
        for _ in range(_TOKENS_PER_CALL):
            headers = {"Authorization": f"Bearer {token}", "Pardot-Business-Unit-Id": self._unit}
            reply = self._http.send(method, _OBJECTS + path, headers=headers, **options)
            fault = read_fault(reply)
            if renewed or fault is None or not fault.refuses_token:
                break
            token, renewed = self._tokens.renew(token)
        return reply, fault


def _content(reply: Reply, path: str) -> Mapping[str, Any]:
    """The body of a good answer. Raises NoAnswer where it cannot be read: what was asked may have been done."""
    if not reply.body.strip():
        return {}
    data = reply.json()
    if not isinstance(data, dict):
        raise NoAnswer("the answer cannot be read", after=5.0, where=path)
    return data
