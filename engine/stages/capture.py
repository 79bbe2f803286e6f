"""Capture: rows become leads. Every row is accounted for; the same row read twice makes nothing new."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from hashlib import blake2b, sha256
from itertools import islice
from typing import Any

import orjson

from engine.adapters import Source
from engine.edits import edited
from engine.errors import EngineError, EnvironmentFault
from engine.filters import fold
from engine.records import RawLead
from engine.stages.base import Circumstances
from engine.stages.rows import RowReader, refused
from engine.state.captures import Capture, LeadChange, Occurrences

BATCH = 1_000


def _by_remote_id(fields: Mapping[str, str]) -> str:
    return f"id:{fields['remote_id']}" if fields.get("remote_id") else ""


def _by_email(fields: Mapping[str, str]) -> str:
    email = fields.get("email", "")
    return f"email:{fold(email)}" if "@" in email else ""


def _by_badge(fields: Mapping[str, str]) -> str:
    badge = fields.get("badge_id")
    return f"badge:{fold(fields.get('event', ''))}:{fold(badge)}" if badge else ""


def _by_name(fields: Mapping[str, str]) -> str:
    parts = [fields.get(name, "") for name in ("first_name", "last_name", "company")]
    return "name:" + "|".join(map(fold, parts)) if all(parts) else ""


_IDENTITY: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "remote_id": _by_remote_id,
    "email": _by_email,
    "badge": _by_badge,
    "name": _by_name,
}


def merge(stored: Mapping[str, Any], captured: Mapping[str, Any]) -> dict[str, Any]:
    """Add a further capture to a lead: it fills what is missing, gives the newest answers, and counts as a scan.

    What was captured goes before what enrichment found, and what a person edited before both.
    """
    found = [name for name in stored.get("n", ()) if name not in captured["f"]]
    replaced = {name for name in stored.get("n", ()) if name in captured["f"]}
    kept = {name: value for name, value in stored["f"].items() if value not in ("", None) and name not in replaced}
    events = dict(stored.get("e", {}))
    for event, scans in captured["e"].items():
        events[event] = events.get(event, 0) + scans
    merged: dict[str, Any] = {
        "f": {**captured["f"], **kept},
        "q": {**stored.get("q", {}), **captured["q"]},
        "e": events,
    }
    if found:
        merged["n"] = found
    if "r" in stored:
        merged["r"] = stored["r"]
    return edited(merged, stored.get("h", {}))


_MASK = 2**64 - 1


def _number(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)


@dataclass(slots=True)
class _Row:
    """A row read ahead: its JSON, what names it, whose it is, and the lead's data in it."""

    line: int
    problem: str
    raw: str
    digest: int
    key: str
    data: dict[str, Any]


class CaptureStage:
    """Reads the source in batches; each batch is stored in one transaction with all it made."""

    name = "capture"

    def __init__(self, circumstances: Circumstances, source: Source) -> None:
        self._run = circumstances
        self._source = source
        integration = circumstances.integration
        self._read = RowReader(integration, source.columns()).read
        self._identity = [_IDENTITY[kind] for kind in integration.identity]
        # Where there is nothing to enrich, enrichment is finished.
        self._ready = "captured" if integration.enrichment.steps else "enriched"
        self._rows = source.rows()
        self._occurrences = Occurrences()
        self._store = circumstances.store.captures
        self._next_id = self._store.next_lead_id()
        self._suppressions = self._store.any_suppressed()
        self._ahead: list[_Row] = []
        self._broken: EnvironmentFault | None = None

    @property
    def in_flight(self) -> Sequence[Future[Any]]:
        return ()

    @property
    def next_due(self) -> float | None:
        return None

    def settle(self) -> None:
        """Store the rows that were read ahead: standard input does not give them a second time."""
        if self._ahead:
            self._take(self._ahead)
            self._ahead = []

    def close(self) -> None:
        self._occurrences.close()

    def step(self, *, flush: bool) -> bool:
        batch = self._ahead or self._read_rows()
        if batch:
            self._take(batch)
        elif self._broken is not None:
            raise self._broken
        # While this batch is being committed the next one is read and worked out.
        self._ahead = self._read_rows() if batch else []
        return bool(batch)

    def _read_rows(self) -> list[_Row]:
        """The next rows of the source, each with all that can be worked out without the state."""
        batch: list[RawLead] = []
        try:
            for row in islice(self._rows, BATCH):
                batch.append(row)
        except EngineError:
            raise
        except Exception as error:
            self._broken = EnvironmentFault(f"the source {self._source.label} cannot be read on: {error!r}")
        raws = [orjson.dumps(row.values) for row in batch]
        contents = [_number(raw) for raw in raws]
        rows = []
        for row, raw, content, times in zip(batch, raws, contents, self._occurrences.count(contents), strict=True):
            # The second occurrence of a row in one reading is another scan; the same row in another reading is not.
            digest = content if not times else _number(b"%d %d" % (content, times))
            data = self._read(row.values)
            key = "" if row.problem else self._key(data["f"])
            rows.append(_Row(row.line, row.problem, raw.decode(), digest, key or f"row:{digest & _MASK:016x}", data))
        return rows

    def _take(self, batch: Sequence[_Row]) -> None:
        """Make and change leads from rows, and store them with all that belongs to them in one transaction."""
        integration_id = self._run.run.integration_id
        batch = self._without_suppressed(batch) if self._suppressions else batch
        known = self._store.known(integration_id, [row.digest for row in batch])
        fresh = [row for row in batch if (row.digest, row.raw) not in known] if known else batch
        keys = list(dict.fromkeys(row.key for row in fresh))
        leads = self._store.leads(integration_id, keys) if keys else {}
        changes: dict[str, LeadChange] = {}
        captures: list[Capture] = []
        for row in fresh:
            key = row.key
            change = changes.get(key)
            if change is not None:
                change.data = merge(change.data, row.data)
            elif key in leads:
                change = LeadChange(leads[key].id, key, merge(leads[key].data, row.data), False, leads[key].status)
                change.was = leads[key].status
                changes[key] = change
            else:
                change = LeadChange(self._next_id, key, row.data, True, self._ready)
                changes[key] = change
                self._next_id += 1
            self._judge(change, row)
            captures.append(Capture(row.digest, change.id, row.line, row.raw))
        self._store.save(
            integration_id,
            self._run.run.id,
            self._source.label,
            captures,
            list(changes.values()),
            rows=len(batch),
            known_rows=len(batch) - len(fresh),
            now=self._run.now(),
        )
        tallies = self._run.tallies
        tallies.rows += len(batch)
        tallies.known_rows += len(batch) - len(fresh)
        tallies.captured += len(fresh)
        tallies.leads += sum(change.failure is None for change in changes.values())
        for change in changes.values():
            if change.failure:
                self._run.fail(change.id, change.failure, self.name)

    def _key(self, fields: Mapping[str, str]) -> str:
        for identity in self._identity:
            key = identity(fields)
            if key:
                return key
        return ""

    def _judge(self, change: LeadChange, row: _Row) -> None:
        """Decide whether a lead can go on, or waits for somebody to complete it."""
        change.status, change.failure = self._ready, None
        if change.key.startswith(SUPPRESSED):
            change.status = "suppressed"
            return
        if found := refused(self._run.integration, change.data["f"], row.problem):
            change.status = "failed"
            change.failure = replace(found, message=f"{self._source.label}:{row.line}: {found.message}")

    def _without_suppressed(self, batch: Sequence[_Row]) -> list[_Row]:
        """The rows, those of people who must not be captured without anything that they say.

        Such a row is accounted for, and known again by its number alone.
        """
        marks = [marks_of(row.key, row.data["f"]) for row in batch]
        found = self._store.suppressed([mark for some in marks for mark in some])
        kept = []
        for row, some in zip(batch, marks, strict=True):
            by = next((mark for mark in some if mark in found), None)
            nothing: dict[str, Any] = {"f": {}, "q": {}, "e": {}}
            blank = _Row(row.line, "", "{}", row.digest, f"{SUPPRESSED}{by.hex()[:16]}", nothing) if by else None
            kept.append(blank or row)
        return kept


def marks_of(key: str, fields: Mapping[str, Any]) -> list[bytes]:
    """The digests by which a person is known again who must not be captured: of the address and of all keys."""
    address = fields.get("email")
    return [*([suppression_digest(address)] if address else ()), *map(key_digest, sorted({key, *identities(fields)}))]


def identities(fields: Mapping[str, Any]) -> list[str]:
    """The keys that a person may have as a lead, by whichever identity an integration goes by."""
    return [key for identity in _IDENTITY.values() if (key := identity(fields))]


#: The kind of key of a person who must not be captured; behind it stands what he is known again by, and no data.
SUPPRESSED = "suppressed:"


def key_digest(key: str) -> bytes:
    """What stands for a lead's key in the list of people never to be captured again."""
    return sha256(f"key:{key}".encode()).digest()


def suppression_digest(email: str) -> bytes:
    """What stands for an address in the list of people never to be captured again."""
    return sha256(fold(email).encode()).digest()
