"""Leads read back by id, email or a field of the instance.

Answers are in no order and say nothing of the values that match nobody: rows are told apart by the value that they
have, never by their place.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.errors import RetryLater
from engine.filters import text
from engine.records import Decision, Delivery, Found
from engine_marketo.client import Client
from engine_marketo.config import Settings
from engine_marketo.errors import Reason, Refused
from engine_marketo.partitions import partitions

PATH = "/rest/v1/leads.json"
#: Filter values that one read takes.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/rest-api
FILTER_VALUES = 300
EMAIL, ID = "email", "lead_id"
_PARTITION = "leadPartitionId"
#: The code of many mistakes; the text tells that there were too many leads, or too many values.
_TOO_MANY = "1003"

#: A key as it is compared: folded text, and a number where the field holds numbers.
_Key = str | int


def vendor_name(by: str) -> str:
    """The field that a match key of the engine is at Marketo."""
    return "id" if by == ID else by


def is_id(text: str) -> bool:
    """Whether a text can be an id that Marketo gave: a whole number that fits into 64 bits."""
    return text.isascii() and text.isdigit() and len(text) <= 18


class Partition:
    """The id of the partition that settings name, read once. Safe to use from many threads.

    Leads carry the number of their partition and settings its name.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        self._lock = threading.Lock()
        self._known: tuple[int | None] | None = None

    def id(self) -> int | None:
        """Return the id; None where no partition is named or the API user may not read them. Raises RetryLater."""
        if not self._name:
            return None
        with self._lock:
            if self._known is None:
                self._known = ((partitions(self._client) or {}).get(self._name),)
            return self._known[0]


class LeadReader:
    """Reads leads by their keys; of what it reads it keeps only the partition's id.

    A value that holds a comma cannot be asked for, because commas separate the values of a filter and cannot be
    escaped: nothing is found for it. A write by such a value still finds its lead, as there it stands alone.
    """

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._partition = Partition(client, settings.partition)
        self._second = settings.dedupe_field

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        """Return for each delivery every lead that its decision matches, with `fields` (absent ones as None).

        Where settings name a partition, leads of other partitions are left out, unless an id names them; where people
        are told apart by a second field, so are those with another value of it than the delivery has. Raises
        RetryLater; Refused where a field cannot be read or searched by; CredentialsError; VendorUnavailable.
        """
        found: dict[tuple[str, _Key], dict[str, Found]] = {}
        seconds: dict[str, Any] = {}
        partition = self._partition.id()
        used = sorted({delivery.decision.by for delivery in deliveries})
        # A dict, as the order of the fields must not change from run to run.
        asked = dict.fromkeys(["id", "email", "updatedAt", *(vendor_name(by) for by in used), *fields])
        if partition is not None:
            asked[_PARTITION] = None
        if self._second:
            asked[self._second] = None
        for by in used:
            values = dict.fromkeys(_value(delivery) for delivery in deliveries if delivery.decision.by == by)
            askable = [value for value in values if _askable(by, value)]
            for start in range(0, len(askable), FILTER_VALUES):
                for row in self._matching(by, askable[start : start + FILTER_VALUES], list(asked)):
                    seconds[str(row["id"])] = row.get(self._second)
                    if by == ID or partition is None or row.get(_PARTITION) in (None, partition):
                        # By id, as a lead shows up twice where the pages shift while they are read.
                        matches = found.setdefault((by, _row_key(row.get(vendor_name(by)))), {})
                        matches[str(row["id"])] = _found(row, used, fields)
        return [self._told_apart(_of(found, delivery), delivery, seconds) for delivery in deliveries]

    def _told_apart(self, matches: Sequence[Found], delivery: Delivery, seconds: Mapping[str, Any]) -> Sequence[Found]:
        """Those of the matches by an address that have the delivery's value of the second field."""
        if not self._second or delivery.decision.by != EMAIL:
            return matches
        wanted = text(delivery.fields.get(self._second)).strip().lower()
        return tuple(each for each in matches if text(seconds[each.remote_id]).strip().lower() == wanted)

    def _matching(self, by: str, values: list[str], fields: list[str]) -> Iterator[Mapping[str, Any]]:
        """Yield all leads with one of the `values`, page after page."""
        params = {"filterType": vendor_name(by), "filterValues": ",".join(values), "fields": ",".join(fields)}
        while True:
            try:
                envelope = self._client.read(PATH, params)
            except Refused as refusal:
                if not _too_many(refusal.reason):
                    raise
                yield from self._halves(by, values, fields)
                return
            rows = envelope.get("result")
            if not isinstance(rows, list):
                # Nobody found is an empty list; to take anything else for it would give up ids that are good.
                raise RetryLater("Marketo answered a search without a list of leads", where=PATH, after=5.0)
            yield from (row for row in rows if isinstance(row, Mapping) and "id" in row)
            token = str(envelope.get("nextPageToken") or "")
            if not token or token == params.get("nextPageToken"):
                return
            params["nextPageToken"] = token

    def _halves(self, by: str, values: list[str], fields: list[str]) -> Iterator[Mapping[str, Any]]:
        """Ask for fewer values, as Marketo gives no more than 1,000 leads in all.

        A value with more than 1,000 leads of its own yields none; a write by it is refused as ambiguous anyway.
        """
        half = len(values) // 2
        if half:
            yield from self._matching(by, values[:half], fields)
            yield from self._matching(by, values[half:], fields)


def askable(decision: Decision) -> bool:
    """Whether a filter can ask for a key: a comma separates values, and cannot be escaped."""
    return _askable(decision.by, decision.value.strip().lower())


def _value(delivery: Delivery) -> str:
    """The value as it is asked for and compared: an address in lower case, an id without leading zeros."""
    by, value = delivery.decision.by, delivery.decision.value.strip().lower()
    return value.lstrip("0") if by == ID else value


def _row_key(value: Any) -> _Key:
    return value if isinstance(value, int) else str(value).strip().lower()


def _of(found: Mapping[tuple[str, _Key], Mapping[str, Found]], delivery: Delivery) -> tuple[Found, ...]:
    """The leads of a delivery: rows show a key as a number where its field holds numbers, and else as text."""
    by, value = delivery.decision.by, _value(delivery)
    matches = {**found.get((by, value), {}), **(found.get((by, int(value)), {}) if is_id(value) else {})}
    return tuple(matches.values())


def _found(row: Mapping[str, Any], used: Sequence[str], fields: Sequence[str]) -> Found:
    named = {by: row.get(vendor_name(by)) for by in dict.fromkeys([ID, EMAIL, *used])}
    return Found(
        remote_id=str(row["id"]),
        values={name: row.get(name) for name in fields},
        keys={by: str(value) for by, value in named.items() if value not in (None, "")},
        changed_at=str(row.get("updatedAt") or ""),
    )


def _askable(by: str, value: str) -> bool:
    return is_id(value) if by == ID else bool(value) and "," not in value


def _too_many(reason: Reason) -> bool:
    return reason.code == _TOO_MANY and "too many" in reason.message.lower()
