"""Leads: written in batches with one outcome per record, and read back by email or id.

Skipped rows carry neither id nor key: a row belongs to the record at its index, so an answer with another number of
rows says nothing about any record.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from engine.errors import AbortRun, EngineError, NoAnswer, RetryLater
from engine.records import Delivery, Failure, Found, Outcome
from engine_marketo.client import Client
from engine_marketo.errors import (
    DIVISIBLE,
    LEAD_CODES,
    TOO_MANY_RESULTS,
    Reason,
    Refused,
    failure,
    is_unclear,
    named_field,
    reasons,
    record_wait,
)

PATH = "/rest/v1/leads.json"
ENDPOINT = "leads.json"
#: Filter values that one read takes, and the largest body in bytes (1 MB, less a margin for the gateway).
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/rest-api
FILTER_VALUES = 300
MAX_BODY = 1_000_000

_EMAIL, _ID = "email", "lead_id"
_HEADS: Mapping[str, bytes] = {
    _EMAIL: b'{"action":"createOrUpdate","lookupField":"email","input":[',
    # Marketo assigns ids itself: a record with an unknown id must never create a lead.
    _ID: b'{"action":"updateOnly","lookupField":"id","input":[',
}
_TAIL = b"]}"


@dataclass(frozen=True, slots=True)
class _Record:
    """A delivery ready to be sent: its place among the deliveries and its JSON text."""

    place: int
    delivery: Delivery
    encoded: bytes


class LeadWriter:
    """Writes batches of leads. Keeps nothing between calls. `window`: the rate window in seconds."""

    def __init__(self, client: Client, window: float) -> None:
        self._client = client
        self._window = window

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Write all deliveries, which share one key, and return their outcomes in order.

        Raises AbortRun or RetryLater where nothing was executed, NoAnswer where that is unclear for all.
        """
        if not deliveries:
            return ()
        batch = _Batch(self._client, self._window, deliveries)
        batch.run()
        return [batch.outcomes[place] for place in range(len(deliveries))]


class _Batch:
    """One `sync`: usually one call; several where the body is too large or one record brings the batch down."""

    def __init__(self, client: Client, window: float, deliveries: Sequence[Delivery]) -> None:
        self._client = client
        self._window = window
        self._deliveries = deliveries
        self._head = _HEADS[deliveries[0].decision.by]
        self._executed = False
        self._pending: deque[list[_Record]] = deque()
        self.outcomes: dict[int, Outcome] = {}

    def run(self) -> None:
        self._pending.extend(_parts(list(self._records()), MAX_BODY - len(self._head) - len(_TAIL)))
        while self._pending:
            part = self._pending.popleft()
            try:
                self._send(part)
            except Refused as refusal:
                self._divide(part, refusal.reason)
            except (AbortRun, RetryLater) as error:
                self._interrupted(part, error)

    def _records(self) -> Iterator[_Record]:
        """Encode the deliveries; one that cannot be sent gets its outcome here and stops no other."""
        for place, delivery in enumerate(self._deliveries):
            try:
                encoded = orjson.dumps(_fields(delivery))
            except (TypeError, ValueError) as error:
                self.outcomes[place] = _invalid(f"the record cannot be sent: {error}")
                continue
            if len(encoded) + len(self._head) + len(_TAIL) > MAX_BODY:
                self.outcomes[place] = _invalid(f"the record is {len(encoded)} bytes long; Marketo takes {MAX_BODY}")
                continue
            yield _Record(place, delivery, encoded)

    def _send(self, part: list[_Record]) -> None:
        body = self._head + b",".join([record.encoded for record in part]) + _TAIL
        rows = self._client.write(PATH, body).get("result")
        self._executed = True
        if not isinstance(rows, list) or len(rows) != len(part):
            for record in part:
                self.outcomes[record.place] = Outcome("unknown")
            return
        for record, row in zip(part, rows, strict=True):
            self.outcomes[record.place] = _outcome(row, record.delivery, self._window)

    def _divide(self, part: list[_Record], reason: Reason) -> None:
        """Nothing of `part` was written: find the records at fault, so that the others are still delivered."""
        name = named_field(reason.message) if reason.code == "1006" else ""
        blamed = [record for record in part if name in record.delivery.fields] if name else []
        if blamed:
            # The whole mapping is at fault here; halving would spend two calls on every record.
            if rest := [record for record in part if name not in record.delivery.fields]:
                self._pending.appendleft(rest)
        elif reason.code in DIVISIBLE and not name and len(part) > 1:
            half = len(part) // 2
            self._pending.extendleft((part[half:], part[:half]))
        else:
            blamed = part
        for record in blamed:
            why = failure(reason, ENDPOINT, LEAD_CODES)
            self.outcomes[record.place] = Outcome("failed", failure=why, answer=_as_answer(reason))

    def _interrupted(self, part: list[_Record], error: EngineError) -> None:
        """A call of several failed: what was not executed is to be sent later; what is unclear is looked up."""
        unclear = isinstance(error, NoAnswer)
        alone = not self.outcomes and not self._pending
        if alone or not (unclear or self._executed):
            raise error
        after = error.after if isinstance(error, RetryLater) else 0.0
        for record in part:
            self.outcomes[record.place] = Outcome("unknown") if unclear else Outcome("later", after=after)
        for record in (record for rest in self._pending for record in rest):
            self.outcomes[record.place] = Outcome("later", after=after)
        self._pending.clear()


def _fields(delivery: Delivery) -> dict[str, Any]:
    """What is sent for a delivery. By id the address stays out: it would overwrite the one that the lead has."""
    fields, decision = dict(delivery.fields), delivery.decision
    if decision.by == _EMAIL:
        fields["email"] = decision.value
        return fields
    fields.pop("email", None)
    if not is_id(decision.value):
        raise ValueError(f"a Marketo lead id is a whole number, not {decision.value!r}")
    fields["id"] = int(decision.value)
    return fields


def _parts(records: list[_Record], room: int) -> list[list[_Record]]:
    """Cut records in halves until each part, with its commas, fits into `room` bytes."""
    if sum(len(record.encoded) + 1 for record in records) <= room or len(records) < 2:
        return [records] if records else []
    half = len(records) // 2
    return _parts(records[:half], room) + _parts(records[half:], room)


def _invalid(message: str) -> Outcome:
    return Outcome("failed", failure=Failure("DATA_VALUE_VALIDATION", message, endpoint=ENDPOINT))


def _as_answer(reason: Reason) -> dict[str, str]:
    return {"code": reason.code, "message": reason.message}


def _outcome(row: Any, delivery: Delivery, window: float) -> Outcome:
    """Read one row. A row with reasons failed, whatever its status says."""
    if not isinstance(row, Mapping):
        return Outcome("unknown", answer=row)
    status, why = row.get("status"), reasons(row.get("reasons"))
    if not why and status in {"created", "updated"}:
        remote_id = row.get("id", delivery.decision.value if delivery.decision.by == _ID else None)
        return Outcome(status, remote_id=None if remote_id is None else str(remote_id), answer=row)
    if not why and status != "skipped":
        return Outcome("unknown", answer=row)
    reason = why[0] if why else Reason("", "skipped without a reason")
    if reason.code == "1004" and delivery.decision.by == _ID:
        return Outcome("missing", answer=row)
    if is_unclear(reason.code):
        return Outcome("unknown", answer=row)
    wait = record_wait(reason.code, window)
    if wait is not None:
        return Outcome("later", after=wait, answer=row)
    return Outcome("failed", failure=failure(reason, ENDPOINT, LEAD_CODES), answer=row)


class LeadReader:
    """Reads leads by email or id. Keeps nothing between calls."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        """Return for each delivery every lead that its decision matches, with `fields` (absent ones as None).

        Raises RetryLater; Refused where a field cannot be read; CredentialsError; VendorUnavailable.
        """
        found: dict[tuple[str, str], list[Found]] = {}
        for by in sorted({delivery.decision.by for delivery in deliveries}):
            keys = dict.fromkeys(_key(delivery) for delivery in deliveries if delivery.decision.by == by)
            askable = [key for key in keys if _askable(by, key)]
            for start in range(0, len(askable), FILTER_VALUES):
                for row in self._matching(by, askable[start : start + FILTER_VALUES], fields):
                    key = str(row.get("id") if by == _ID else row.get("email")).strip().lower()
                    values = {name: row.get(name) for name in fields}
                    found.setdefault((by, key), []).append(Found(str(row["id"]), values))
        return [tuple(found.get((delivery.decision.by, _key(delivery)), ())) for delivery in deliveries]

    def _matching(self, by: str, values: list[str], fields: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Yield all leads with one of the `values`, page after page."""
        params = {
            "filterType": "id" if by == _ID else "email",
            "filterValues": ",".join(values),
            "fields": ",".join(dict.fromkeys(["id", "email", *fields])),
        }
        while True:
            try:
                envelope = self._client.read(PATH, params)
            except Refused as refusal:
                if not _too_many(refusal.reason):
                    raise
                yield from self._halves(by, values, fields)
                return
            rows = envelope.get("result")
            yield from (row for row in (rows if isinstance(rows, list) else []) if "id" in row)
            token = envelope.get("nextPageToken")
            if not token:
                return
            params["nextPageToken"] = str(token)

    def _halves(self, by: str, values: list[str], fields: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Ask for fewer values, as Marketo gives no more than 1,000 leads in all.

        A value with more than 1,000 leads of its own yields none; a write by it is refused as ambiguous anyway.
        """
        half = len(values) // 2
        if half:
            yield from self._matching(by, values[:half], fields)
            yield from self._matching(by, values[half:], fields)


def is_id(text: str) -> bool:
    """Whether a text can be an id that Marketo gave: a whole number that fits into 64 bits."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def _key(delivery: Delivery) -> str:
    """The key as rows show it: an address in lower case, an id without leading zeros."""
    by, value = delivery.decision.by, delivery.decision.value.strip()
    return value.lstrip("0") if by == _ID else value.lower()


def _askable(by: str, key: str) -> bool:
    """Whether a key can stand in a filter: values are separated by commas and a comma cannot be escaped."""
    return is_id(key) if by == _ID else bool(key) and "," not in key


def _too_many(reason: Reason) -> bool:
    return reason.code == TOO_MANY_RESULTS and "too many" in reason.message.lower()
