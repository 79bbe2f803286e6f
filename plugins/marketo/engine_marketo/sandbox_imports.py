"""The sandbox's bulk imports of leads and of program members: a queue that works by the sandbox's clock.

Sources: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-lead-import,
…/rest/bulk-import/bulk-program-member-import
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.testing.server import Response
from engine_marketo.sandbox_calls import ApiError, Call, Row
from engine_marketo.sandbox_fields import Check, LeadField, checks, is_address
from engine_marketo.sandbox_files import delimiter, reported, uploaded
from engine_marketo.sandbox_lists import static_list
from engine_marketo.sandbox_members import member_checks
from engine_marketo.sandbox_programs import checked_status, program_id
from engine_marketo.sandbox_timing import speed_of
from engine_marketo.sandbox_upsert import Upsert, partition_named, require_lookup_field
from engine_marketo.sandbox_world import World

_RUNNING, _WAITING_OR_RUNNING = 2, 10
_KEPT = 7 * 86_400.0
QUEUED, IMPORTING, COMPLETE, FAILED = "Queued", "Importing", "Complete", "Failed"


@dataclass(slots=True)
class _Line:
    """A row of the file: its cells, what is written of it, and what is wrong with it."""

    cells: Sequence[str]
    values: Row = field(default_factory=dict)
    member: Row = field(default_factory=dict)
    key: Any = None
    failure: str = ""
    warning: str = ""


@dataclass(slots=True)
class _Job:
    """An import. `list_id` or `program` and `status_name` where leads go there too."""

    id: int
    upsert: Upsert
    lookup: str
    between: str
    header: list[str]
    lines: list[_Line]
    created_at: float
    list_id: int | None = None
    program: int | None = None
    status_name: str = ""
    refused: bool = False
    status: str = QUEUED
    ends_at: float = 0.0
    matches: list[Sequence[int]] = field(default_factory=list)
    keys_held: int = -1

    def row(self) -> Row:
        """What its status call answers."""
        row: Row = {"batchId": self.id, "importId": str(self.id), "status": self.status}
        if self.status not in {COMPLETE, FAILED}:
            return row
        failed = sum(bool(line.failure) for line in self.lines)
        done = 0 if self.status == FAILED else len(self.lines) - failed
        told = f"{done} records imported ({done} members)"
        message = f"Import completed with errors, {told}, {failed} failed" if failed else f"Import succeeded, {told}"
        return {
            **row,
            "numOfLeadsProcessed": done,
            "numOfRowsFailed": failed,
            "numOfRowsWithWarning": sum(bool(line.warning) for line in self.lines),
            "message": "Import failed" if self.status == FAILED else message,
        }


class Imports:
    """The queue of imports. Seed: `import_seconds` and `import_row_seconds`, what an import and a row of it take."""

    def __init__(self, world: World, seed: Mapping[str, Any]) -> None:
        self._world = world
        self._seconds = float(seed.get("import_seconds", 5)) / speed_of(seed)
        self._row_seconds = float(seed.get("import_row_seconds", 0.01)) / speed_of(seed)
        self._jobs: dict[int, _Job] = {}

    def rows(self) -> list[Row]:
        """Every import that there was, as its status call shows it."""
        return [job.row() for job in self._jobs.values()]

    # Calls --------------------------------------------------------------------------------------------------------

    def create_leads(self, call: Call) -> Row:
        """Queue an import that inserts or updates leads; by `id` it only updates."""
        world, params = self._world, call.params
        lookup, given = params.get("lookupField", "email"), params.get("listId", "")
        require_lookup_field(world, lookup)
        partition = partition_named(world, call, params.get("partitionName"), "createOrUpdate")
        with world.lock:
            list_id = int(given) if given.isdecimal() else None
            if given:
                static_list(world, list_id or 0)
                if any(job.list_id == list_id for job in self._open()):
                    raise ApiError("1019", "Import already in progress for the target list")
            job = self._create(call, lookup, partition, {})
            job.list_id = list_id
            return self._queued(job)

    def create_members(self, call: Call) -> Row:
        """Queue an import that inserts or updates leads by email and makes them members of a program."""
        world, status = self._world, call.params.get("programMemberStatus", "")
        if not status:
            raise ApiError("1002", "Required parameter missing: programMemberStatus")
        with world.lock:
            program = program_id(world, call)
            checked_status(world, program, status)
            job = self._create(call, "email", None, member_checks(world))
            job.program, job.status_name = program, status
            return self._queued(job)

    def status_of_leads(self, call: Call) -> Row:
        with self._world.lock:
            return {"result": [self._job(call, members=False).row()]}

    def status_of_members(self, call: Call) -> Row:
        with self._world.lock:
            return {"result": [self._job(call, members=True).row()]}

    def failures(self, call: Call) -> Response:
        with self._world.lock:
            job = self._job(call, members="program" in call.request.path)
            rows = [(line.cells, line.failure) for line in job.lines if line.failure and job.status == COMPLETE]
            return reported(job.header, job.between, "Import Failure Reason", rows)

    def warnings(self, call: Call) -> Response:
        with self._world.lock:
            job = self._job(call, members="program" in call.request.path)
            rows = [(line.cells, line.warning) for line in job.lines if line.warning and job.status == COMPLETE]
            return reported(job.header, job.between, "Import Warning Reason", rows)

    def _job(self, call: Call, *, members: bool) -> _Job:
        """The import in the path. Raises ApiError where there is none of this kind, or none any more."""
        job = self._jobs.get(call.id)
        known = job is not None and (job.program is not None) == members
        if job is None or not known or job.created_at + _KEPT < self._world.now():
            raise ApiError(str(self._world.switches["unknown_batch"]), f"Batch '{call.id}' not found")
        return job

    # Reading the file ---------------------------------------------------------------------------------------------

    def _create(self, call: Call, lookup: str, partition: int | None, of_members: Mapping[str, Check]) -> _Job:
        """Read the file of a call. Raises ApiError where the queue is full or the file cannot be imported."""
        if len(self._open()) >= _WAITING_OR_RUNNING:
            raise ApiError("1016", "Too many imports")
        world = self._world
        between = delimiter(call.params.get("format", "csv"))
        header, rows = uploaded(call.request, between)
        # An address that is none is imported with a warning, and cells are text, whatever the API's own rules are.
        lenient = {**world.switches, "email_validation": "lenient", "string_booleans": "accept"}
        of_leads = checks(world.fields.values(), lenient)
        names = self._names(header)
        if lookup not in names:
            raise ApiError("1003", f"The file has no column for the lookup field '{lookup}'")
        unknown = [name for name in names if name not in world.fields and name not in of_members]
        handling = world.switches["import_unknown_column"]
        if unknown and handling == "response":
            raise ApiError("1006", f"Field '{unknown[0]}' not found")
        action = "updateOnly" if lookup == "id" else "createOrUpdate"
        upsert = Upsert(world, action, lookup, sees=call.sees, partition=partition, checks=of_leads)
        lines = [_Line(cells) for cells in rows]
        reader = _Reader(world, upsert, lookup, of_leads, of_members)
        for line in lines:
            reader.read(
                line, {name: text for name, text in zip(names, line.cells, strict=False) if name not in unknown}
            )
        refused = bool(unknown) and handling == "failed"
        return _Job(len(self._jobs) + 1, upsert, lookup, between, header, lines, world.now(), refused=refused)

    def _names(self, header: Sequence[str]) -> list[str]:
        if self._world.switches["field_case"] == "strict":
            return list(header)
        known = {name.lower(): name for name in (*self._world.member_fields, *self._world.fields)}
        return [known.get(name.lower(), name) for name in header]

    # The queue ----------------------------------------------------------------------------------------------------

    def _queued(self, job: _Job) -> Row:
        self._jobs[job.id] = job
        answer = job.row()
        self._start_next(self._world.now())
        return {"result": [answer]}

    def _open(self) -> list[_Job]:
        return [job for job in self._jobs.values() if job.status in {QUEUED, IMPORTING}]

    def _start_next(self, moment: float) -> None:
        """Start those that have waited longest while there is a place."""
        waiting = [job for job in self._open() if job.status == QUEUED]
        places = _RUNNING - (len(self._open()) - len(waiting))
        for job in waiting[: max(0, places)]:
            keys = [line.key for line in job.lines]
            job.status = IMPORTING
            job.ends_at = moment + self._seconds + self._row_seconds * len(job.lines)
            job.keys_held = self._world.keys.take(job.lookup, keys)
            job.matches = job.upsert.matches(keys)

    def settle(self) -> None:
        """Finish every import whose time is over, and start what waited for it. The caller holds the lock."""
        while running := [job for job in self._jobs.values() if job.status == IMPORTING]:
            first = min(running, key=lambda job: job.ends_at)
            if first.ends_at > self._world.now():
                return
            self._finish(first)
            self._start_next(first.ends_at)

    def _finish(self, job: _Job) -> None:
        world = self._world
        world.keys.release(job.keys_held)
        job.status = FAILED if job.refused else COMPLETE
        for line, ids in zip(job.lines, job.matches, strict=True):
            if job.refused or line.failure:
                continue
            row = job.upsert.write(line.values, line.key, ids)
            if "reasons" in row:
                line.failure, line.warning = row["reasons"][0]["message"], ""
                continue
            if job.list_id is not None:
                world.listed[job.list_id][row["id"]] = None
            if job.program is not None:
                world.join(job.program, row["id"], job.status_name)
                world.members[job.program][row["id"]]["values"].update(line.member)


class _Reader:
    """Turns the cells of one row into values of the lead and of the member."""

    def __init__(
        self, world: World, upsert: Upsert, lookup: str, of_leads: Mapping[str, Check], of_members: Mapping[str, Check]
    ) -> None:
        self._world = world
        self._upsert = upsert
        self._lookup = lookup
        self._of_leads = of_leads
        self._of_members = of_members
        self._keeps_empty = world.switches["import_empty"] == "keep"
        self._rejects_addresses = world.switches["import_email"] == "reject"

    def read(self, line: _Line, cells: Mapping[str, str]) -> None:
        """Fill the line's values and key, or say why it fails."""
        given = {name: text for name, text in cells.items() if text or not self._keeps_empty}
        # Where a lead has a field of the same name, the member's is meant: the import is one of members.
        member = {name: text for name, text in given.items() if name in self._of_members}
        lead: Row = {name: text for name, text in given.items() if name not in member}
        of_members = self._world.member_fields
        line.failure = self._bad_value(lead, self._of_leads, self._world.fields)
        line.failure = line.failure or self._bad_value(member, self._of_members, of_members)
        problem = self._upsert.read(lead, line.values)
        if problem is not None:
            line.failure = line.failure or problem["reasons"][0]["message"]
        if line.failure:
            return
        line.member = {name: self._of_members[name](text) for name, text in member.items()}
        identified = {"id": int(lead["id"])} if lead.get("id") else {}
        (line.key,) = self._upsert.keys([{**line.values, **identified}])
        if line.key is None:
            line.failure = f"Value for lookup field '{self._lookup}' is missing"
        elif (address := line.values.get("email")) and not is_address(address.strip()):
            reason = "Invalid email address"
            line.failure, line.warning = (reason, "") if self._rejects_addresses else ("", reason)

    @staticmethod
    def _bad_value(given: Mapping[str, Any], rules: Mapping[str, Check], fields: Mapping[str, LeadField]) -> str:
        """Why the first value that its field cannot hold fails the row; "" where there is none."""
        for name, text in given.items():
            try:
                if name in rules:
                    rules[name](text)
            except ValueError:
                return f"Invalid data type in field {fields[name].label if name in fields else name}"
        return ""
