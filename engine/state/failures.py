"""Failures and notices: why leads failed, and what people should know of those that went on."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence

from engine.records import Failure, Notice
from engine.redaction import redact

#: What differs from lead to lead in messages with one cause: texts in brackets and quotes, addresses, numbers.
_VARYING = (
    (re.compile(r"\s*\([^()]*\)"), ""),
    (re.compile(r"(?<!\w)'[^']*'(?!\w)|\"[^\"]*\""), "…"),
    (re.compile(r"\S+@\S+"), "…"),
    (re.compile(r"\d+([.,:#-]?\d+)*"), "N"),
)
_LONGEST = 300


def pattern(message: str) -> str:
    """A message without what differs from lead to lead, so that failures with one cause fall into one group."""
    found = message
    for varying, instead in _VARYING:
        found = varying.sub(instead, found)
    return found[:_LONGEST]


def resolve_failures(db: sqlite3.Connection, leads: Iterable[int], now: float) -> None:
    """Mark the open failures of these leads as over."""
    db.executemany(
        "UPDATE failures SET resolved_at = ? WHERE lead_id = ? AND resolved_at IS NULL", [(now, id) for id in leads]
    )


def insert_failures(
    db: sqlite3.Connection, run_id: str, stage: str, failures: Iterable[tuple[int, Failure]], now: float
) -> None:
    """Record why leads failed."""
    rows = [(lead_id, failure, redact(failure.message)) for lead_id, failure in failures]
    db.executemany(
        "INSERT INTO failures (lead_id, run_id, stage, code, vendor_code, field, endpoint, message, pattern, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (lead_id, run_id, stage, f.code, f.vendor_code, f.field, f.endpoint, message, pattern(message), now)
            for lead_id, f, message in rows
        ],
    )


def insert_notices(
    db: sqlite3.Connection, run_id: str, notices: Iterable[tuple[int, Sequence[Notice]]], now: float
) -> None:
    """Record what people should know of leads that go on."""
    db.executemany(
        "INSERT INTO notices (lead_id, run_id, code, field, message, at) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (lead_id, run_id, notice.code, notice.field, redact(notice.message), now)
            for lead_id, found in notices
            for notice in found
        ],
    )
