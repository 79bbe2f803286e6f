"""How the sandbox's parts see a call, and what they answer with: errors, rows of records, pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.testing.server import Request

Row = dict[str, Any]

#: The most records of a call, values of a filter and rows of a page.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
MOST_RECORDS = 300


class ApiError(Exception):
    """The whole call fails with a vendor code; nothing was executed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was let in.

    `params` from query and form; `parts` from the path; `sees`: the ids of the partitions that the client may see
    (None: all); `permissions` of the client's role; `wait` takes the simulated time of the call (None: no time).
    """

    request: Request
    params: Mapping[str, str]
    parts: Mapping[str, str]
    switches: Mapping[str, Any]
    sees: frozenset[int] | None = None
    permissions: frozenset[str] = frozenset()
    wait: Callable[[], None] | None = None

    @property
    def id(self) -> int:
        """The number in the path."""
        return int(self.parts["id"])

    def records(self) -> tuple[Row, list[Any]]:
        """The JSON body and its `input`; raises ApiError where it is no JSON or holds no or too many records."""
        try:
            body = self.request.json()
        except ValueError:
            raise ApiError("609", "Invalid JSON") from None
        given = body.get("input") if isinstance(body, dict) else None
        if not isinstance(given, list) or not given:
            raise ApiError("1003", "Leads not specified")
        self._refuse_too_many(given)
        return body, given

    def lead_ids(self) -> list[Any]:
        """Lead ids from repeated parameters, from one with commas, or from the `input` of a JSON body."""
        values = self.request.query_list("id") or ([self.params["id"]] if "id" in self.params else [])
        if not values:
            _, records = self.records()
            return [record.get("id") if isinstance(record, dict) else record for record in records]
        ids = [text.strip() for value in values for text in value.split(",") if text.strip()]
        if not ids or not all(text.isdecimal() for text in ids):
            raise ApiError("1001", "Invalid value for parameter 'id': lead ids are numbers")
        self._refuse_too_many(ids)
        return [int(text) for text in ids]

    def _refuse_too_many(self, given: Sequence[Any]) -> None:
        code = str(self.switches["too_many_records"])
        if len(given) > MOST_RECORDS and code != "accept":
            raise ApiError(code, f"Too many records specified: at most {MOST_RECORDS} are allowed")

    def listed(self, name: str) -> list[str]:
        """The values of a parameter that are separated by commas."""
        return [value.strip() for value in self.params.get(name, "").split(",") if value.strip()]

    def filter_values(self) -> list[str]:
        """The values of a filter; raises ApiError where there are none or too many."""
        values = self.listed("filterValues")
        most = int(self.switches["filter_values"])
        if not values:
            raise ApiError("1003", "filterValues not specified")
        if len(values) > most:
            raise ApiError("1003", f"Too many filter values: at most {most} are allowed")
        return values

    def page(self, items: Sequence[Any], *, more: bool = False) -> tuple[Sequence[Any], Row]:
        """The page of `items` that was asked for, and what its answer says of the next one.

        `more`: whether the answer has `moreResult`. Raises ApiError for a token that is none.
        """
        token, size = self.params.get("nextPageToken"), self.params.get("batchSize", "")
        start = 0
        if token:
            try:
                start = int(base64.b32decode(token).decode().removeprefix("leads:"))
            except (binascii.Error, ValueError):
                raise ApiError("1003", "Invalid nextPageToken") from None
        count = min(int(size), MOST_RECORDS) if size.isdecimal() and int(size) else MOST_RECORDS
        follows = start + count < len(items)
        answer: Row = {"moreResult": follows} if more else {}
        if follows:
            answer["nextPageToken"] = base64.b32encode(f"leads:{start + count}".encode()).decode()
        return items[start : start + count], answer


def skipped(code: str, message: str) -> Row:
    """A row for a record that was not written; such rows carry no id."""
    return {"status": "skipped", "reasons": [{"code": code, "message": message}]}


def numbered(rows: Sequence[Row]) -> Row:
    """An answer whose rows carry their index, as those of program members do."""
    return {"result": [{"seq": seq, **row} for seq, row in enumerate(rows)]}
