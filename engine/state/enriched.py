"""What the waterfall made of leads: values with their provenance, what was rejected, and how each step ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import orjson

from engine.redaction import redact, without_secrets
from engine.state.moves import Enriched


def insert_enriched(db: sqlite3.Connection, results: Sequence[Enriched], now: float) -> None:
    """Store leads' profiles, values, rejected values and steps, in place of those of an earlier enrichment."""
    db.executemany(
        "UPDATE profiles SET data = ? WHERE lead_id = ?",
        [
            (_json(result.data), result.lead_id)
            for result in results
            if result.data is not None and (result.values or result.again)
        ],
    )
    # Of what was found anew the earlier finds are no longer the origin.
    db.executemany(
        "DELETE FROM enriched_values WHERE lead_id = ? AND field = ? AND replaced IS NULL",
        [(each.lead_id, v.field) for each in results if each.again for v in each.values if v.replaced is None],
    )
    db.executemany(
        "INSERT OR REPLACE INTO enriched_values (lead_id, field, provider, value, replaced, confidence, cost, at,"
        " call_id, status, verifier, path) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (result.lead_id, v.field, v.provider, _json(v.value), None if v.replaced is None else _json(v.replaced),
             v.confidence, v.cost, v.at, v.call, v.status, v.verifier, v.path)
            for result in results
            for v in result.values
        ],
    )  # fmt: skip
    told = [result for result in results if result.steps]
    for table in ("rejected_values", "enrichment_steps"):
        db.executemany(f"DELETE FROM {table} WHERE lead_id = ?", [(result.lead_id,) for result in told])
    db.executemany(
        "INSERT INTO rejected_values (lead_id, position, field, provider, value, confidence, reason, call_id, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                result.lead_id,
                position,
                r.field,
                r.provider,
                _json(r.value),
                r.confidence,
                redact(r.reason),
                r.call,
                r.at,
            )
            for result in told
            for position, r in enumerate(result.rejected)
        ],
    )
    db.executemany(
        "INSERT INTO enrichment_steps (lead_id, step, provider, outcome, detail, at, cost, call_id, known)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (result.lead_id, place, end.provider, end.outcome, redact(end.detail), now, end.cost, end.call, end.known)
            for result in told
            for place, end in enumerate(result.steps)
        ],
    )


def _json(value: Any) -> str:
    return without_secrets(orjson.dumps(value, default=str).decode())
