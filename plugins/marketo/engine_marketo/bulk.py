"""Bulk imports: whole files of leads or program members are handed over, asked after, and their failed rows read.

An import says which rows failed and not what became of the others: neither their ids nor whether they were created.
Sources: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-import,
…/bulk-import/bulk-lead-import, …/bulk-import/bulk-program-member-import
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from engine.adapters import Bulk, ImportState
from engine.errors import NoAnswer, RetryLater
from engine.import_files import Cells, Report, count_of, encode, fitting, read_report
from engine.records import Delivery, Failure, Field, Membership, Notice, Outcome
from engine.redaction import redact
from engine_marketo.client import Client
from engine_marketo.config import Settings
from engine_marketo.envelope import rows
from engine_marketo.errors import Refused
from engine_marketo.import_files import EMAIL, ID, MAX_FILE, lead_cells, member_cells, row_key, wrong_field

ENDPOINT = "bulk/v1"

#: Where an import of each kind is asked after; what a ticket begins with.
_STATUS = {"leads": "/bulk/v1/leads/batch/{}.json", "members": "/bulk/v1/program/members/import/{}/status.json"}
_REPORTS = {"leads": "/bulk/v1/leads/batch/{}/{}.json", "members": "/bulk/v1/program/members/import/{}/{}.json"}
_Kind = Literal["leads", "members"]

#: The batch of a ticket for which nothing was handed over, so that its deliveries go the ordinary way.
_NOTHING = "none"

#: The file itself is too large, which the ordinary way could not tell either.
_TOO_LARGE = "413"
#: The batch is not known; Marketo forgets it after seven days.
_NO_BATCH = frozenset({"702", "1003", "1004", "1013"})

#: An unknown word means that the import has not ended.
_STATES: Mapping[str, ImportState] = {
    "queued": "queued",
    "importing": "running",
    "complete": "done",
    "failed": "failed",
}

#: The member has the status or a later one; statuses only move forward.
_ALREADY = re.compile(r"\b1037\b|\balready\b.*\bstatus\b", re.IGNORECASE)


class BulkImport(Bulk):
    """Imports files into one instance. `fields` gives the live fields of leads; they are kept once they were needed.

    A ticket is the kind of an import and the batch it became, as in "leads:3404".
    """

    def __init__(self, client: Client, settings: Settings, fields: Callable[[], Sequence[Field]]) -> None:
        self._client = client
        self._read_fields = fields
        self._partition = settings.partition
        self._dedupe_field = settings.dedupe_field
        self.places = settings.bulk.imports
        self.poll_after = settings.bulk.poll_after
        self.settle_after = settings.bulk.settle_after

    @cached_property
    def _fields(self) -> Sequence[Field]:
        return self._read_fields()

    def takes(self, delivery: Delivery) -> bool:
        return lead_cells(delivery) is not None

    def fits(self, deliveries: Sequence[Delivery], places: Sequence[Membership] = ()) -> int:
        """See the base. A file has one key column, one set of columns, and for members one program and status."""
        if not places:
            return fitting(((None, lead_cells(delivery)) for delivery in deliveries), MAX_FILE)
        wished = zip(deliveries, places, strict=True)
        rows = (((place.target, place.status), member_cells(delivery, place)) for delivery, place in wished)
        return fitting(rows, MAX_FILE)

    def submit(self, deliveries: Sequence[Delivery]) -> str:
        file = [lead_cells(delivery) for delivery in deliveries]
        lookup = EMAIL if deliveries[0].decision.by == EMAIL else ID
        params = {"format": "csv", "lookupField": lookup}
        # A partition is where persons are created; an update by id finds them wherever they are.
        if self._partition and lookup == EMAIL:
            params["partitionName"] = self._partition
        return self._hand_over("leads", "/bulk/v1/leads.json", params, file)

    def submit_members(self, deliveries: Sequence[Delivery], places: Sequence[Membership]) -> str:
        file = [member_cells(delivery, place) for delivery, place in zip(deliveries, places, strict=True)]
        # Such a file finds people by their address alone, and creates those whom it does not find.
        if self._partition or self._dedupe_field:
            return f"members:{_NOTHING}"
        # It may write the lead too, so a column that both have could mean either.
        if places[0].data and not {field.name for field in self._fields}.isdisjoint(places[0].data):
            return f"members:{_NOTHING}"
        path = f"/bulk/v1/program/{places[0].target}/members/import.json"
        return self._hand_over("members", path, {"format": "csv", "programMemberStatus": places[0].status}, file)

    def _hand_over(self, kind: _Kind, path: str, params: Mapping[str, str], file: Sequence[Cells | None]) -> str:
        """Upload the file and return its ticket. One whose contents Marketo refuses goes the ordinary way as a whole.

        The ordinary way finds the records at fault, where a refused file would end the run for all.
        """
        carried = [cells for cells in file if cells is not None]
        if len(carried) < len(file):
            return f"{kind}:{_NOTHING}"
        try:
            envelope = self._client.upload(path, params, f"{kind}.csv", encode(carried))
        except Refused as refusal:
            if refusal.reason.code == _TOO_LARGE:
                raise
            return f"{kind}:{_NOTHING}"
        batch = next(iter(rows(envelope)), {}).get("batchId")
        if batch is None:
            raise NoAnswer("Marketo did not name the batch of an import", where=path, after=5.0)
        return f"{kind}:{batch}"

    def state(self, ticket: str) -> ImportState:
        """How far an import is; one that Marketo does not know, or no longer, counts as failed."""
        status = self._status(ticket)
        return "failed" if status is None else _state(status)

    def collect(self, ticket: str, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """What became of each delivery. Raises RetryLater also where the import has not ended, AbortRun."""
        status = self._status(ticket)
        state = "failed" if status is None else _state(status)
        if state in {"queued", "running"}:
            raise RetryLater(f"the import {ticket} has not ended", where=ENDPOINT, after=self.poll_after)
        if status is None or state == "failed" or not deliveries:
            why = str((status or {}).get("message") or "the import did not take place")
            return [Outcome("later", answer=why)] * len(deliveries)
        members = ticket.startswith("members:")
        column = EMAIL if members or deliveries[0].decision.by == EMAIL else ID
        failed = self._report(ticket, "failures", status.get("numOfRowsFailed"), column)
        warned = self._report(ticket, "warnings", status.get("numOfRowsWithWarning"), column)
        keys = [row_key(delivery, column) for delivery in deliveries]
        # Only a failed row needs the names of the fields, and they may cost a call.
        fields = self._fields if failed and failed.rows else ()
        reading = _Reading(members, failed or Report(), dict(warned.rows if warned else ()), fields)
        certain = failed is not None and failed.accounts_for(
            keys, count_of(status.get("numOfRowsFailed")), count_of(status.get("numOfLeadsProcessed"))
        )
        return [reading.outcome(key, delivery, certain) for key, delivery in zip(keys, deliveries, strict=True)]

    def _status(self, ticket: str) -> Mapping[str, Any] | None:
        """Marketo's account of an import, or None where it knows none."""
        kind, _, batch = ticket.partition(":")
        if batch == _NOTHING:
            return None
        try:
            return next(iter(rows(self._client.read(_STATUS[kind].format(batch)))), None)
        except Refused as refusal:
            if refusal.reason.code in _NO_BATCH:
                return None
            raise

    def _report(self, ticket: str, which: str, count: Any, column: str) -> Report | None:
        """Read the file of failures or warnings, unless there are none; None where it cannot be had or understood."""
        if count_of(count) == 0:
            return Report()
        kind, _, batch = ticket.partition(":")
        try:
            return read_report(self._client.download(_REPORTS[kind].format(batch, which)), column)
        except Refused:
            return None


class _Reading:
    """The reports of one import, as outcomes of its deliveries. `warned`: reason by key."""

    def __init__(self, members: bool, failed: Report, warned: Mapping[str, str], fields: Sequence[Field]) -> None:
        self._members = members
        self._failed = dict(failed.rows)
        self._columns = failed.columns
        self._warned = warned
        self._fields = fields

    def outcome(self, key: str, delivery: Delivery, certain: bool) -> Outcome:
        """What became of one delivery. `certain`: a row that is not reported was imported."""
        if key in self._failed:
            return self._failure(self._failed[key])
        if not certain or not key:
            return Outcome("later", answer="the import's report does not say what became of the row")
        reason = self._warned.get(key)
        if reason is not None and self._members and _ALREADY.search(reason):
            return Outcome("satisfied", answer=reason)
        remote_id = str(int(delivery.decision.value)) if delivery.decision.by == "lead_id" else None
        notices = () if reason is None else (Notice("IMPORT_WARNING", f"Marketo: {redact(reason)}"),)
        return Outcome("updated", remote_id=remote_id, answer=reason, notices=notices)

    def _failure(self, reason: str) -> Outcome:
        # What the member's own fields hold is written the ordinary way: a failed row may have written none.
        if self._members and _ALREADY.search(reason) and self._columns == (EMAIL,):
            return Outcome("satisfied", answer=reason)
        field = wrong_field(reason, self._columns, self._fields)
        if not field:
            return Outcome("later", answer=reason)
        why = Failure("DATA_VALUE_VALIDATION", f"Marketo: {redact(reason)}", field=field, endpoint=ENDPOINT)
        return Outcome("failed", failure=why, answer=reason)


def _state(status: Mapping[str, Any]) -> ImportState:
    return _STATES.get(str(status.get("status", "")).strip().lower(), "running")
