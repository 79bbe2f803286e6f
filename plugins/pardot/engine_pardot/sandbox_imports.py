"""The sandbox's imports: collected in batches, submitted, and worked on by the sandbox's clock.

Source: developer.salesforce.com/docs/marketing/pardot/guide/import-v5
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.testing.server import Response
from engine_pardot.sandbox_calls import Call, World
from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_import_files import reported, table, uploaded
from engine_pardot.sandbox_import_rows import LIST_COLUMNS, MATCH_COLUMNS, Line, Options, Rows
from engine_pardot.sandbox_lists import Lists
from engine_pardot.sandbox_query import asked_fields, check_asked, plain
from engine_pardot.sandbox_rules import Rules
from engine_pardot.sandbox_seed import User

OPEN, READY, WAITING, PROCESSING = "Open", "Ready", "Waiting", "Processing"
COMPLETE, FAILED, CANCELED = "Complete", "Failed", "Canceled"
_FIRST_ID = 871
_DAY = 86_400.0
#: Seconds until an import that was not submitted expires, and until the results of one do.
_UNSUBMITTED_LIFE, _RESULTS_LIFE = _DAY, 7 * _DAY
_LIMITS = {"batches": 10, "daily": 1000, "bytes": 10 * 2**20}
_FIELDS = plain(
    "id operation object status isExpired restoreDeleted createOnNoMatch createdCount updatedCount errorCount "
    "batchesRef errorsRef createdAt updatedAt createdById updatedById",
    {"id": "integer", "createdAt": "time", "updatedAt": "time"},
    ("id", "createdAt", "updatedAt"),
)


@dataclass(slots=True)
class _Import:
    """An import: what it was told, its rows, and when its next state comes (Unix seconds)."""

    id: int
    user: User
    options: Options
    created_at: float
    rows: Rows
    status: str = OPEN
    batches: int = 0
    lines: list[Line] = field(default_factory=list)
    bad_header: bool = False
    changed_at: float = 0.0
    next_at: float = 0.0
    keys_held: int = -1
    polls: int = 0

    @property
    def failures(self) -> list[Line]:
        return [line for line in self.lines if line.failure] if self.status == COMPLETE else []


class Imports:
    """The imports of a business unit.

    Seed: `import_wait_seconds` from submission to processing, `import_seconds` and `import_row_seconds` that processing
    takes for an import and for each of its rows; `import_limits`: batches, daily, bytes.
    """

    def __init__(self, world: World, lists: Lists, seed: Mapping[str, Any], url: Callable[[], str]) -> None:
        self._world = world
        self._lists = lists
        self._url = url
        self._switches = world.switches
        self._wait = float(seed.get("import_wait_seconds", 5)) / world.speed
        self._seconds = float(seed.get("import_seconds", 5)) / world.speed
        self._row_seconds = float(seed.get("import_row_seconds", 0.01)) / world.speed
        self._limits: Mapping[str, int] = {**_LIMITS, **seed.get("import_limits", {})}
        self._imports: dict[int, _Import] = {}
        self._batches: Counter[str] = Counter()

    def rows(self) -> list[dict[str, Any]]:
        """Every import, as reads show it, with how often it was read."""
        return [{**self._record(each), "polls": each.polls} for each in self._imports.values()]

    # Calls ------------------------------------------------------------------------------------------------------

    def create(self, call: Call) -> Response:
        call.require("import")
        check_asked(call.query.get("fields"), _FIELDS)
        told, content = uploaded(call.request)
        options = self._options(told)
        with self._world.lock:
            rows = Rows(self._world, self._lists, options, call.user)
            made = _Import(_FIRST_ID + len(self._imports), call.user, options, self._world.now(), rows)
            made.changed_at = made.created_at
            if content is not None:
                self._add(made, content)
            self._imports[made.id] = made
            submit = content is not None and self._switches["import_with_file"] == "ready"
            if submit or _wants_ready(told):
                self._submit(made)
            location = {"Location": f"{call.url}/{made.id}"}
            return self._answer(call, made, int(self._switches["import_create_status"]), location)

    def add_batch(self, call: Call) -> Response:
        call.require("import")
        check_asked(call.query.get("fields"), _FIELDS)
        _, content = uploaded(call.request)
        with self._world.lock:
            self._add(self._open(call.id), content)
            return self._answer(call, self._imports[call.id], 201)

    def update(self, call: Call) -> Response:
        """Submits an import; nothing else of it can be changed."""
        call.require("import")
        check_asked(call.query.get("fields"), _FIELDS)
        if set(call.body) - {"status"}:
            raise ApiError("180", ", ".join(sorted(set(call.body) - {"status"})))
        if not _wants_ready(call.body):
            raise ApiError("154", "status")
        with self._world.lock:
            self._submit(self._open(call.id))
            return self._answer(call, self._imports[call.id], 200)

    def query(self, call: Call) -> Response:
        call.require("import")
        with self._world.lock:
            records = [self._record(each) for each in self._imports.values()]
            return self._world.reader.query(records, call.query, _FIELDS, call.url)

    def read(self, call: Call) -> Response:
        call.require("import")
        with self._world.lock:
            found = self._existing(call.id)
            found.polls += 1
            return self._world.reader.single(self._record(found), call.query, _FIELDS)

    def errors(self, call: Call) -> Response:
        """The rows that failed; those that are not in it were done."""
        call.require("import")
        with self._world.lock:
            found = self._existing(call.id)
            if found.status != COMPLETE:
                raise ApiError(str(self._switches["import_state_code"]), found.status)
            if self._expired(found):
                raise ApiError(str(self._switches["import_expired_code"]))
            failed = [(line.header, line.number, line.cells, line.failure) for line in found.failures]
            return reported(failed, str(self._switches["import_error_column"]), str(self._switches["import_errors"]))

    def cancel(self, call: Call) -> Response:
        """Ends an import that is not being processed yet."""
        call.require("import")
        with self._world.lock:
            found = self._existing(call.id)
            if found.status not in {OPEN, READY, WAITING}:
                raise ApiError(str(self._switches["import_state_code"]), found.status)
            self._enter(found, CANCELED, self._world.now(), 0.0)
            return self._answer(call, found, 200)

    def spoil(self, import_id: int | None, contains: str, index: int | None, reason: str) -> None:
        """Make one row of the newest file fail, once it is imported: the one at `index`, or the first with a text."""
        with self._world.lock:
            found = self._imports.get(import_id or max(self._imports, default=0))
            lines = [] if found is None else [line for line in found.lines if line.header is found.lines[-1].header]
            chosen = lines[index : index + 1] if index is not None else lines
            for line in [line for line in chosen if contains in ",".join(line.cells)][:1]:
                line.failure = reason

    # What is told -----------------------------------------------------------------------------------------------

    def _options(self, told: Mapping[str, Any]) -> Options:
        """Raises ApiError for another operation or object, and for columns that are no fields."""
        for name, only in (("operation", "upsert"), ("object", "prospect")):
            if name not in told:
                raise ApiError("153", name)
            if str(told[name]).lower() != only:
                raise ApiError("154", name)
        columns = told.get("fields", [])
        if not isinstance(columns, list) or not all(isinstance(each, dict) and "field" in each for each in columns):
            raise ApiError("154", "fields")
        self._check_names([str(each["field"]) for each in columns])
        return Options(
            restore_deleted=bool(told.get("restoreDeleted", False)),
            create_on_no_match=bool(told.get("createOnNoMatch", True)),
            keep=frozenset(each["field"] for each in columns if not each.get("overwrite", True)),
            keep_where_empty=frozenset(each["field"] for each in columns if not each.get("nullOverwrite", True)),
        )

    def _check_names(self, names: list[str]) -> None:
        rules = Rules(self._world.unit, self._switches)
        known = {*MATCH_COLUMNS, *LIST_COLUMNS}
        unknown = [name for name in names if name not in known and rules.writable(name) is None]
        if unknown:
            raise ApiError("130", ", ".join(unknown))

    def _add(self, to: _Import, content: bytes | None) -> None:
        """Take a file. Raises ApiError where there are too many, or where it is too large or cannot be imported."""
        day = self._world.unit.day(self._world.now())
        if to.batches >= self._limits["batches"]:
            raise ApiError("160")
        if self._batches[day] >= self._limits["daily"]:
            raise ApiError("164")
        if len(content or b"") > self._limits["bytes"]:
            raise ApiError(str(self._switches["import_size_code"]))
        header, rows = table(content, str(self._switches["import_file_code"]))
        try:
            self._check_names(header)
        except ApiError:
            if self._switches["import_bad_header"] == "response":
                raise
            to.bad_header = True
        to.lines += [Line(header, number, cells) for number, cells in enumerate(rows, 1)]
        to.batches += 1
        self._batches[day] += 1

    def _record(self, of: _Import) -> dict[str, Any]:
        status = of.status.lower() if self._switches["import_status_case"] == "lower" else of.status
        address = f"{self._url()}/api/v5/imports/{of.id}"
        stamp = self._world.unit.stamp
        errors = len(of.failures)
        return {
            "id": of.id,
            "operation": "Upsert",
            "object": "Prospect",
            "status": status,
            "isExpired": self._expired(of),
            "restoreDeleted": of.options.restore_deleted,
            "createOnNoMatch": of.options.create_on_no_match,
            "createdCount": of.rows.created,
            "updatedCount": of.rows.updated,
            "errorCount": errors,
            "batchesRef": f"{address}/batches" if of.status == OPEN else None,
            "errorsRef": f"{address}/errors" if errors else None,
            "createdAt": stamp(of.created_at),
            "updatedAt": stamp(of.changed_at),
            "createdById": of.user.id,
            "updatedById": of.user.id,
        }

    def _answer(self, call: Call, of: _Import, status: int, headers: Mapping[str, str] | None = None) -> Response:
        fields = call.query.get("fields")
        if not fields:
            return Response(204, headers=headers or {})
        body = self._world.reader.projected(self._record(of), asked_fields(fields, _FIELDS), _FIELDS)
        return Response(status, body, headers or {})

    # States -----------------------------------------------------------------------------------------------------

    def _existing(self, import_id: int) -> _Import:
        if import_id not in self._imports:
            raise ApiError("109")
        return self._imports[import_id]

    def _open(self, import_id: int) -> _Import:
        """An import that still takes files. Raises ApiError for any other."""
        found = self._existing(import_id)
        if found.status != OPEN:
            raise ApiError(str(self._switches["import_state_code"]), found.status)
        if self._expired(found):
            raise ApiError(str(self._switches["import_expired_code"]))
        return found

    def _expired(self, of: _Import) -> bool:
        life = {OPEN: _UNSUBMITTED_LIFE, COMPLETE: _RESULTS_LIFE}.get(of.status)
        return life is not None and self._world.now() > of.changed_at + life / self._world.speed

    def _submit(self, which: _Import) -> None:
        if not which.batches:
            raise ApiError(str(self._switches["import_file_code"]))
        self._enter(which, READY, self._world.now(), self._wait / 2)

    def _enter(self, which: _Import, status: str, moment: float, lasts: float) -> None:
        which.status, which.changed_at, which.next_at = status, moment, moment + lasts

    def settle(self) -> None:
        """Bring every import to the state that it has by now, in the order of time. The caller holds the lock."""
        while moving := [each for each in self._imports.values() if each.status in {READY, WAITING, PROCESSING}]:
            first = min(moving, key=lambda each: each.next_at)
            if first.next_at > self._world.now():
                return
            moment = first.next_at
            if first.status == READY:
                self._enter(first, WAITING, moment, self._wait / 2)
            elif first.status == WAITING:
                self._begin(first, moment)
            else:
                self._finish(first, moment)

    def _begin(self, which: _Import, moment: float) -> None:
        """People are looked up now and written at the end, so that what comes in between is not seen."""
        if which.bad_header:
            self._enter(which, FAILED, moment, 0.0)
            return
        which.keys_held = self._world.keys.take(which.rows.begin(which.lines))
        self._enter(which, PROCESSING, moment, self._seconds + self._row_seconds * len(which.lines))

    def _finish(self, which: _Import, moment: float) -> None:
        self._world.keys.release(which.keys_held)
        order = list(which.lines)
        if self._switches["import_order"] == "shuffled":
            self._world.chance.shuffle(order)
        for line in order:
            which.rows.write(line)
        self._enter(which, COMPLETE, moment, 0.0)


def _wants_ready(told: Mapping[str, Any]) -> bool:
    return str(told.get("status", "")).lower() == READY.lower()
