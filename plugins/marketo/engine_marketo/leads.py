"""Leads written in batches, with one outcome per record.

Skipped rows carry neither id nor key: a row belongs to the record at its index, so an answer with another number of
rows says nothing about any record.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import orjson

from engine.errors import AbortRun, EngineError, NoAnswer, RetryLater
from engine.filters import text
from engine.records import Action, Decision, Delivery, Found, Notice, Outcome, Status
from engine_marketo.batches import MAX_BODY, Patience, as_list, divided, fitting, not_sent, refused, row_outcome
from engine_marketo.client import Client
from engine_marketo.config import Settings
from engine_marketo.errors import LEAD_GONE, SEVERAL_LEADS, Refused
from engine_marketo.fields import IntegerFields
from engine_marketo.lookup import EMAIL, ID, PATH, LeadReader, is_id, vendor_name

#: Records with more fields than this travel in smaller calls: bodies of answers to wide ones have come back empty.
WIDE_FIELDS = 200
WIDE_BATCH = 100

#: Marketo's word for what may become of a key. An id only ever updates: Marketo assigns ids itself.
_ACTIONS: Mapping[str, str] = {"upsert": "createOrUpdate", "create_only": "createOnly", "update_only": "updateOnly"}
_UPDATE = "updateOnly"
_TAIL = b"]}"
_WRITTEN: Mapping[str, Status] = {"created": "created", "updated": "updated"}
#: Candidates that a message lists.
_LISTED = 5
#: Seconds until a lead is tried anew whose chosen duplicate was gone when it was written.
_CHOOSE_AGAIN = 5.0


@dataclass(frozen=True, slots=True)
class _Record:
    """A delivery ready to be sent: its place among the deliveries and its JSON text.

    `notice` says which of several leads it was decided to write.
    """

    place: int
    delivery: Delivery
    encoded: bytes
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """The records of one call, and how its body begins: with what the call may do and by which field."""

    head: bytes
    records: Sequence[_Record]


class LeadWriter:
    """Writes batches of leads; of what it reads it keeps only which fields hold whole numbers."""

    def __init__(self, client: Client, reader: LeadReader, settings: Settings) -> None:
        self._client = client
        self._reader = reader
        self._settings = settings
        self._integers = IntegerFields(client)

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Write all deliveries, which share one key, and return their outcomes in order.

        Raises AbortRun or RetryLater where nothing was executed, NoAnswer where that is unclear for all.
        """
        if not deliveries:
            return ()
        batch = _Batch(self._client, self._reader, self._settings, self._integers)
        batch.run(deliveries)
        return [batch.outcomes[place] for place in range(len(deliveries))]


class _Batch:
    """One `sync`: usually one call; several where the body is too large, or some records need a call of their own."""

    def __init__(self, client: Client, reader: LeadReader, settings: Settings, integers: IntegerFields) -> None:
        self._client = client
        self._reader = reader
        self._partition = settings.partition
        self._window = settings.limits.window
        self._integers = integers
        self._executed = False
        self._patience = Patience()
        self._pending: deque[_Part] = deque()
        self._ambiguous: list[_Record] = []
        self.outcomes: dict[int, Outcome] = {}

    def run(self, deliveries: Sequence[Delivery]) -> None:
        self._prepare(enumerate(deliveries))
        self._send_all()
        if self._ambiguous:
            self._choose()
            self._send_all()

    # Preparing ------------------------------------------------------------------------------------------------------

    def _prepare(self, deliveries: Iterator[tuple[int, Delivery]], notices: Mapping[int, Notice] | None = None) -> None:
        """Encode the deliveries by place into parts; one that cannot be sent gets its outcome here and stops no other.

        Raises what reading the field list raises, where a key needs its field's type.
        """
        groups: dict[bytes, list[_Record]] = {}
        wide = False
        for place, delivery in deliveries:
            head = _head(delivery.decision.by, delivery.decision.action, self._partition)
            if not delivery.decision.value.strip():
                problem = f"the lead has no value for {delivery.decision.by}, by which it is written"
                self.outcomes[place] = not_sent("MISSING_MATCH_KEY", problem, "leads")
                continue
            try:
                encoded = orjson.dumps(_fields(delivery, self._integers))
            except (TypeError, ValueError) as error:
                self.outcomes[place] = _invalid(f"the record cannot be sent: {error}")
                continue
            if len(encoded) + len(head) + len(_TAIL) > MAX_BODY:
                self.outcomes[place] = _invalid(f"the record is {len(encoded)} bytes long; Marketo takes {MAX_BODY}")
                continue
            wide = wide or len(delivery.fields) > WIDE_FIELDS
            groups.setdefault(head, []).append(_Record(place, delivery, encoded, (notices or {}).get(place)))
        for head, records in groups.items():
            sizes, room = [len(record.encoded) for record in records], MAX_BODY - len(head) - len(_TAIL)
            for part in fitting(sizes, room, WIDE_BATCH if wide else len(records)):
                self._pending.append(_Part(head, records[part.start : part.stop]))

    # Sending --------------------------------------------------------------------------------------------------------

    def _send_all(self) -> None:
        while self._pending:
            part = self._pending.popleft()
            try:
                self._send(part)
            except Refused as refusal:
                # Nothing of the part was written: find who is at fault, so that the others are still delivered.
                blamed, rest = divided(refusal, part.records, _names)
                if self._patience.spent():
                    blamed, rest = part.records, []
                for record in blamed:
                    self._settle(record, refused(refusal))
                self._pending.extendleft(_Part(part.head, records) for records in reversed(rest))
            except (AbortRun, RetryLater) as error:
                self._interrupted(part, error)

    def _send(self, part: _Part) -> None:
        body = part.head + b",".join([record.encoded for record in part.records]) + _TAIL
        envelope = self._client.write(PATH, body)
        self._executed = True
        self._patience.accepted()
        rows, request_id = as_list(envelope.get("result")), envelope.get("requestId")
        if len(rows) != len(part.records):
            rows = ["the answer does not have one row a record"] * len(part.records)
        for record, row in zip(part.records, rows, strict=True):
            told = row_outcome(row, _WRITTEN, "leads", self._window, remote_id=_remote_id(row, record),
                               request_id=request_id)  # fmt: skip
            self._settle(record, told)

    def _settle(self, record: _Record, outcome: Outcome) -> None:
        """Store what became of the record; which of several leads is meant is decided for all together."""
        decision = record.delivery.decision
        code = outcome.failure.vendor_code if outcome.failure else ""
        if record.notice and outcome.status in _WRITTEN:
            outcome = replace(outcome, notices=(record.notice,))
        elif code == LEAD_GONE and record.notice:
            outcome = Outcome("later", after=_CHOOSE_AGAIN, answer=outcome.answer)
        elif code == LEAD_GONE and (decision.by == ID or decision.action == "update_only"):
            outcome = Outcome("missing", answer=outcome.answer)
        elif code == SEVERAL_LEADS and decision.by != ID:
            self._ambiguous.append(record)
        self.outcomes[record.place] = outcome

    def _interrupted(self, part: _Part, error: EngineError) -> None:
        """A call of several failed: what was not executed is to be sent later; what is unclear is looked up."""
        unclear = isinstance(error, NoAnswer)
        alone = not self.outcomes and not self._pending
        if alone or not (unclear or self._executed):
            raise error
        after = error.after if isinstance(error, RetryLater) else 0.0
        later = Outcome("later", after=after, answer=error.what)
        for record in part.records:
            self.outcomes[record.place] = Outcome("unknown", answer=error.what) if unclear else later
        for record in (record for rest in self._pending for record in rest.records):
            self.outcomes[record.place] = later
        self._pending.clear()

    # Several leads with one key -------------------------------------------------------------------------------------

    def _choose(self) -> None:
        """Read the leads that share a key, of all ambiguous records in one call, and prepare the writes by id."""
        chosen: dict[int, Delivery] = {}
        notices: dict[int, Notice] = {}
        after: float | None = None
        found: Sequence[Sequence[Found]] = [()] * len(self._ambiguous)
        try:
            found = self._reader.look_up([record.delivery for record in self._ambiguous], ())
        except (AbortRun, RetryLater) as error:
            after = error.after if isinstance(error, RetryLater) else _CHOOSE_AGAIN
        for record, leads in zip(self._ambiguous, found, strict=True):
            ranked = sorted(leads, key=lambda found: found.recency, reverse=True)
            decision, refusal = record.delivery.decision, self.outcomes[record.place]
            # A rule that only creates must not come to update anybody by this way.
            resolves = decision.duplicates == "most_recent" and decision.action != "create_only"
            if resolves and ranked:
                by_id = Decision(ID, ranked[0].remote_id)
                chosen[record.place] = replace(record.delivery, decision=by_id)
                notices[record.place] = _resolved(decision, ranked)
            elif resolves and after is not None:
                self.outcomes[record.place] = Outcome("later", after=after, answer=refusal.answer)
            elif ranked and refusal.failure:
                message = f"{refusal.failure.message}: {_candidates(ranked)}"
                self.outcomes[record.place] = replace(refusal, failure=replace(refusal.failure, message=message))
        self._prepare(iter(chosen.items()), notices)


@cache
def _head(by: str, action: Action, partition: str) -> bytes:
    """How the body of a call begins. A partition can only be named where leads may be created."""
    members = {"action": _UPDATE if by == ID else _ACTIONS[action], "lookupField": vendor_name(by)}
    if partition and members["action"] != _UPDATE:
        members["partitionName"] = partition
    return orjson.dumps(members)[:-1] + b',"input":['


def _fields(delivery: Delivery, integers: IntegerFields) -> dict[str, Any]:
    """What is sent for a delivery.

    By id the address stays out unless it is to be changed: it would overwrite the one that the lead has.
    """
    fields, decision = dict(delivery.fields), delivery.decision
    if decision.by == ID:
        if not decision.update_email:
            fields.pop("email", None)
        if not is_id(decision.value):
            raise ValueError(f"a Marketo lead id is a whole number, not {decision.value!r}")
        fields["id"] = int(decision.value)
        return fields
    if decision.by != EMAIL and decision.action == "update_only" and not decision.update_email:
        fields.pop("email", None)
    if decision.by == EMAIL or text(fields.get(decision.by)) != decision.value:
        whole = decision.by != EMAIL and is_id(decision.value) and decision.by in integers
        fields[decision.by] = int(decision.value) if whole else decision.value
    return fields


def _remote_id(row: Any, record: _Record) -> str | None:
    """The id of the lead that a row tells of; the one that the record was written by where it does not say."""
    decision = record.delivery.decision
    found = row.get("id") if isinstance(row, Mapping) else None
    return str(found) if found is not None else decision.value if decision.by == ID else None


def _names(record: _Record) -> Collection[str]:
    return record.delivery.fields


def _invalid(message: str) -> Outcome:
    return not_sent("DATA_VALUE_VALIDATION", message, "leads")


def _resolved(decision: Decision, ranked: Sequence[Found]) -> Notice:
    what = f"{decision.value} is the {decision.by} of {len(ranked)} leads ({_candidates(ranked)})"
    return Notice("DUPLICATES_RESOLVED", f"{what}; lead {ranked[0].remote_id} was written", decision.by)


def _candidates(ranked: Sequence[Found]) -> str:
    told = [f"lead {found.remote_id} changed {found.changed_at or 'at an unknown time'}" for found in ranked[:_LISTED]]
    more = len(ranked) - _LISTED
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")
