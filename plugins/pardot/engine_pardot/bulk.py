"""Bulk imports: whole files of prospects or list members are handed over, asked after, and their failed rows read.

An import says which rows failed and not what became of the others: neither their ids nor whether they were created.
An import does nothing before it is made ready, and expires after a day if it never is.
Source: developer.salesforce.com/docs/marketing/pardot/guide/import-v5
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from engine.adapters import Bulk, Context, ImportState
from engine.errors import NoAnswer, NotTaken, RetryLater, VendorUnavailable
from engine.import_files import Cells, Report, count_of, encode, fitting, folded, read_report, row_cells
from engine.limits import LONGEST_WAIT
from engine.records import Delivery, Membership, Outcome, PlaceKind
from engine_pardot.client import Client
from engine_pardot.errors import Fault, Refused, read_error
from engine_pardot.fields import CustomFields, without_opt_ins
from engine_pardot.lookup import EMAIL, ID, address, is_address, is_id
from engine_pardot.settings import Settings

IMPORTS = "/api/v5/imports"
#: The largest batch in bytes: Pardot takes less than 10 MB.
MAX_FILE = 9_990_000

#: The column by which Pardot finds the prospect of a row, by match key.
_MATCH = {EMAIL: "matchEmail", ID: "matchId"}
_ADD_TO_LIST = "addToList"
#: A prospect is assigned by one of them.
_OWNERS = {"userId", "salesforceOwnerId"}
_NAMED = {"fields": "id,status"}
_COUNTS = ("createdCount", "updatedCount", "errorCount")
_ASKED = ",".join(("id", "status", "isExpired", *_COUNTS))

_TICKET = "import:"
#: The ticket for which nothing was handed over, so that its deliveries go the ordinary way.
_NOTHING = f"{_TICKET}none"

#: The file itself is too large.
_TOO_LARGE = "204"

#: An unknown word means that the import has not ended.
_STATES: Mapping[str, ImportState] = {
    "open": "queued",
    "ready": "queued",
    "waiting": "queued",
    "complete": "done",
    "failed": "failed",
    "cancelled": "failed",
    "canceled": "failed",
}
_OPEN = "open"


class BulkImport(Bulk):
    """Imports files into one business unit. Safe to use from many threads.

    Where written values are to be verified it takes nothing, as no import tells them. A ticket names the import, as in
    "import:871".
    """

    kinds: ClassVar[tuple[PlaceKind, ...]] = ("list",)
    first_after: ClassVar[float | None] = 0.0

    def __init__(self, client: Client, settings: Settings, context: Context, custom: CustomFields) -> None:
        self._client = client
        self._context = context
        self._custom = custom
        self._restore = settings.deleted == "restore"
        self._verify = settings.verify
        self._open_since: dict[str, float] = {}
        self._not_started: set[str] = set()
        self._read_lag = settings.settle_after
        self.places = settings.bulk.imports
        self.poll_after = settings.bulk.poll_after
        self.settle_after = settings.bulk.settle_after

    def takes(self, delivery: Delivery) -> bool:
        return not self._verify and _prospect_cells(delivery) is not None

    def fits(self, deliveries: Sequence[Delivery], places: Sequence[Membership] = ()) -> int:
        """See the base. A file has one match column, one set of columns, and for members one list."""
        if not places:
            rows = ((_kept(delivery), _prospect_cells(delivery)) for delivery in deliveries)
            return fitting(rows, MAX_FILE)
        wished = zip(deliveries, places, strict=True)
        return fitting(((place.target, _member_cells(delivery, place)) for delivery, place in wished), MAX_FILE)

    def submit(self, deliveries: Sequence[Delivery]) -> str:
        """See the base. Fields for new prospects only are columns that overwrite nothing.

        Raises VendorUnavailable also where the day's batches are used up, SpecError where the file is too large.
        """
        file = [_prospect_cells(delivery) for delivery in deliveries]
        # How a cell gives several values, and whether they replace the old ones, is not documented.
        if self._custom.unqueried(file[0] or ()):
            return _NOTHING
        creates = deliveries[0].decision.by == EMAIL
        return self._hand_over(file, _kept(deliveries[0]), restore=self._restore, create=creates)

    def submit_members(self, deliveries: Sequence[Delivery], places: Sequence[Membership]) -> str:
        """See the base. Prospects are put in a list by a file that has only a match column and the list."""
        file = [_member_cells(delivery, place) for delivery, place in zip(deliveries, places, strict=True)]
        return self._hand_over(file, (), restore=False, create=False)

    def _hand_over(self, file: Sequence[Cells | None], kept: Collection[str], *, restore: bool, create: bool) -> str:
        """Create an import, give it the file, start it and return its ticket. `kept`: columns that overwrite nothing.

        These are three calls: whether an import that is created with its file starts at once is not documented.
        """
        carried = [cells for cells in file if cells is not None]
        if len(carried) < len(file):
            return _NOTHING
        described = {
            "operation": "Upsert",
            "object": "Prospect",
            "restoreDeleted": restore,
            "createOnNoMatch": create,
            "fields": [_column(name, overwrite=name not in kept) for name in carried[0]],
        }
        try:
            created = self._client.write("POST", IMPORTS, described, _NAMED)
            if created.fault is not None:
                return self._refused(created.fault)
            if not created.data.get("id"):
                return self._left("Pardot did not name it")
            ticket = f"{_TICKET}{created.data['id']}"
            fault = self._client.upload(f"{_path(ticket)}/batches", "prospects.csv", encode(carried)).fault
        except NotTaken as error:
            if error.after <= LONGEST_WAIT:
                raise
            raise VendorUnavailable(
                error.what,
                where=error.where,
                why="Pardot takes 1,000 batches a day from all integrations of a business unit",
                fix="Run the same command again tomorrow; or leave out `destination.bulk` and --bulk, so that leads go "
                "one by one.",
            ) from error
        except NoAnswer as error:
            # Whether that was done does not matter: the import is open, so that it expires without any effect.
            raise RetryLater(error.what, where=error.where, why=error.why, after=max(error.after, 60.0)) from error
        # It is started when it is asked after first: until its ticket is stored, nothing of it may take effect.
        return ticket if fault is None else self._refused(fault)

    def _start(self, ticket: str) -> Fault | None:
        """Make an import ready and return why Pardot refuses it. One that did not hear is started when asked after."""
        try:
            fault = self._client.write("PATCH", _path(ticket), {"status": "Ready"}, _NAMED).fault
        except RetryLater as error:
            self._context.log.debug("pardot: whether %s has started is not known yet: %s", ticket, error.what)
            return None
        return None if fault and isinstance(read_error(fault, IMPORTS), RetryLater) else fault

    def _refused(self, fault: Fault) -> str:
        """The ticket of a file that Pardot refuses; the ordinary way finds the records at fault.

        Raises RetryLater, and SpecError for a file that is too large, which the ordinary way could not tell.
        """
        error = read_error(fault, IMPORTS)
        if isinstance(error, RetryLater) or fault.code == _TOO_LARGE:
            raise error
        return self._left(str(fault))

    def _left(self, why: str) -> str:
        self._context.log.warning("pardot: no import was made, so its leads go the ordinary way: %s", why)
        return _NOTHING

    def state(self, ticket: str) -> ImportState:
        """How far an import is; one that Pardot does not know, or no longer, counts as failed.

        An import that is still open did not hear that it is ready, and is told again for as long as an unanswered
        submission may take effect.
        """
        status, state = self._asked_after(ticket)
        if state == "queued" and _word(status) == _OPEN:
            fault = self._start(ticket)
            if fault is not None:
                self._left(str(fault))
                self._not_started.add(ticket)
                return "failed"
        return state

    def collect(self, ticket: str, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """What became of each delivery. A failed row is sent again the ordinary way, which tells its code.

        Raises RetryLater also where the import has not ended, AbortRun.
        """
        status, state = self._asked_after(ticket)
        if state in {"queued", "running"}:
            raise RetryLater(f"the import {ticket} has not ended", where=IMPORTS, after=self.poll_after)
        if state == "failed" or not deliveries:
            # It may have written some of its rows, and reads are behind: nobody is written again before they are not.
            after = 0.0 if ticket == _NOTHING or ticket in self._not_started else self._read_lag
            return [Outcome("later", after=after, answer="the import did not take place")] * len(deliveries)
        by = deliveries[0].decision.by
        report = self._report(ticket, status.get("errorCount"), _MATCH[by])
        failed = dict(report.rows) if report else {}
        keys = [folded(delivery.decision.value) for delivery in deliveries]
        created, updated, errors = (count_of(status.get(name)) for name in _COUNTS)
        self._context.log.info("pardot: %s: %s created, %s updated, %s failed", ticket, created, updated, errors)
        # What might be passed over in silence, as an id that is gone, is told by the counts, where they are told.
        done = None if created is None and updated is None else (created or 0) + (updated or 0)
        certain = report is not None and report.accounts_for(keys, errors, done)
        lag = self._read_lag
        return [
            _outcome(failed.get(key), delivery, certain, lag) for key, delivery in zip(keys, deliveries, strict=True)
        ]

    def _asked_after(self, ticket: str) -> tuple[Mapping[str, Any], ImportState]:
        """Pardot's account of an import, and its state by that."""
        if ticket == _NOTHING or ticket in self._not_started:
            return {}, "failed"
        try:
            answer = self._client.find(_path(ticket), {"fields": _ASKED})
        except Refused as refusal:
            self._context.log.warning("pardot: %s cannot be asked after: %s", ticket, refusal.what)
            return {}, "failed"
        if answer.fault is not None:
            return {}, "failed"
        state = _STATES.get(_word(answer.data), "running")
        # The results of a complete import stay true when they expire.
        expired = answer.data.get("isExpired") is True and state != "done"
        return answer.data, "failed" if expired or self._given_up(ticket, answer.data) else state

    def _given_up(self, ticket: str, status: Mapping[str, Any]) -> bool:
        """Whether an import has been open for so long that nothing can start it any more."""
        now = self._context.now()
        return _word(status) == _OPEN and now - self._open_since.setdefault(ticket, now) > self.settle_after

    def _report(self, ticket: str, count: Any, column: str) -> Report | None:
        """Read the file of failed rows, unless there are none; None where it cannot be had or understood."""
        if count_of(count) == 0:
            return Report()
        try:
            return read_report(self._client.download(f"{_path(ticket)}/errors"), column)
        except Refused:
            return None


def _prospect_cells(delivery: Delivery) -> Cells | None:
    """Return the row of a prospect, or None where an import would not write the delivery as it is meant.

    An import updates or creates by the email address and only updates by the id.
    """
    decision, fields = delivery.decision, dict(delivery.fields)
    if without_opt_ins(fields)[1]:
        return None
    if decision.action != "upsert":
        return None
    if decision.by == ID and not decision.update_email:
        fields.pop(EMAIL, None)
    if decision.by == EMAIL:
        # Another address than the one it is found by would hide the prospect from what is done by the address next.
        if address(str(fields.setdefault(EMAIL, decision.value))) != address(decision.value):
            return None
        fields = {**delivery.on_create, **fields, EMAIL: address(decision.value)}
    return _cells(delivery, fields) if fields and not fields.keys() >= _OWNERS else None


def _kept(delivery: Delivery) -> frozenset[str]:
    """The fields that only a new prospect gets."""
    return frozenset(delivery.on_create.keys() - delivery.fields.keys())


def _member_cells(delivery: Delivery, place: Membership) -> Cells | None:
    """Return the row of a list member, or None where an import cannot carry it."""
    return _cells(delivery, {_ADD_TO_LIST: place.target}) if place.kind == "list" and is_id(place.target) else None


def _cells(delivery: Delivery, fields: Mapping[str, Any]) -> Cells | None:
    """The row of these fields by the delivery's key, where that is one that prospects are found by."""
    by, value = delivery.decision.by, delivery.decision.value.strip()
    if by == ID and is_id(value):
        return row_cells(_MATCH[by], str(int(value)), fields, MAX_FILE)
    if by == EMAIL and is_address(address(value)):
        return row_cells(_MATCH[by], address(value), fields, MAX_FILE)
    return None


def _column(name: str, *, overwrite: bool) -> Mapping[str, Any]:
    """How a column is described. An empty cell would change nothing; there is none."""
    if name in {*_MATCH.values(), _ADD_TO_LIST}:
        return {"field": name}
    return {"field": name, "overwrite": overwrite, "nullOverwrite": False}


def _path(ticket: str) -> str:
    return f"{IMPORTS}/{ticket.removeprefix(_TICKET)}"


def _word(status: Mapping[str, Any]) -> str:
    return str(status.get("status", "")).strip().lower()


def _outcome(reason: str | None, delivery: Delivery, certain: bool, lag: float) -> Outcome:
    """What became of one delivery. `certain`: a row that is not reported was imported; `lag`: of reads, in seconds."""
    if reason is not None:
        return Outcome("later", answer=reason)
    if not certain:
        return Outcome("later", after=lag, answer="the import does not say what became of the row")
    return Outcome("updated", remote_id=str(int(delivery.decision.value)) if delivery.decision.by == ID else None)
