"""What people ask: counts that add up, groups of failures, and one lead's whole story."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from engine.state.database import Database, key_hash
from engine.state.queue import TERMINAL


class Reports:
    def __init__(self, database: Database) -> None:
        self._database = database

    def totals(self, integration: str) -> dict[str, int]:
        """Captures by what became of them.

        captured = duplicate + presync + cleared + failed + ignored + suppressed, at every instant; frozen is a part of
        presync.
        """
        row = self._database.row(
            "SELECT (SELECT count(*) FROM captures c WHERE c.integration_id = i.id),"
            " (SELECT count(*) FROM leads l WHERE l.integration_id = i.id) FROM integrations i WHERE i.name = ?",
            [integration],
        )
        captured, leads = row if row else (0, 0)
        by_status = dict(
            self._database.rows(
                "SELECT l.status, count(*) FROM leads l JOIN integrations i ON i.id = l.integration_id"
                " WHERE i.name = ? GROUP BY l.status",
                [integration],
            )
        )
        terminal = {status: by_status.get(status, 0) for status in TERMINAL}
        return {
            "captured": captured,
            "duplicate": captured - leads,
            "presync": leads - sum(terminal.values()),
            "frozen": by_status.get("frozen", 0),
            **terminal,
        }

    def written(self, integration: str) -> dict[str, int]:
        """How often persons were created and updated, and memberships given."""
        persons = dict(
            self._database.rows(
                "SELECT o.status, count(*) FROM outcomes o JOIN deliveries d ON d.id = o.delivery_id"
                " JOIN leads l ON l.id = d.lead_id JOIN integrations i ON i.id = l.integration_id"
                " WHERE i.name = ? AND o.what = 'person' AND o.status IN ('created', 'updated') GROUP BY o.status",
                [integration],
            )
        )
        members = self._database.row(
            "SELECT count(*) FROM memberships m JOIN leads l ON l.id = m.lead_id"
            " JOIN integrations i ON i.id = l.integration_id WHERE i.name = ? AND m.state = 'done'",
            [integration],
        )
        return {
            "created": persons.get("created", 0),
            "updated": persons.get("updated", 0),
            "memberships": int(members[0]) if members else 0,
        }

    def enriched(self, integration: str) -> dict[str, int]:
        """Leads by provider that gave at least one value."""
        return dict(
            self._database.rows(
                "SELECT v.provider, count(DISTINCT v.lead_id) FROM enriched_values v JOIN leads l ON l.id = v.lead_id"
                " JOIN integrations i ON i.id = l.integration_id WHERE i.name = ? GROUP BY v.provider",
                [integration],
            )
        )

    def groups(self, integration: str) -> list[tuple[str, str, str, str, int, float, float, bool]]:
        """Failed leads by (code, vendor code, field): the first one's message and place, the count, and when.

        Messages that differ in more than names and figures, or come from another endpoint, are groups of their own. At
        last the Unix times of the first failure and of the last, and whether it is what the vendor answered.
        """
        return [
            (
                str(code),
                str(vendor),
                str(field),
                message if str(place) in message else f"{message} ({place})",
                int(count),
                float(first),
                float(last),
                bool(vendor or endpoint),
            )
            for code, vendor, field, message, count, first, last, endpoint, place in self._database.rows(
                "SELECT g.code, g.vendor_code, g.field, f.message, g.leads, g.first, g.last, g.endpoint,"
                " (SELECT c.source || ':' || c.line FROM captures c WHERE c.lead_id = g.lead_id ORDER BY c.id LIMIT 1)"
                " FROM (SELECT f.code, f.vendor_code, f.field, f.endpoint, count(*) AS leads, min(l.id) AS lead_id,"
                " min(f.at) AS first, max(f.at) AS last FROM failures f"
                " JOIN leads l ON l.id = f.lead_id JOIN integrations i ON i.id = l.integration_id"
                " WHERE i.name = ? AND l.status = 'failed' AND f.resolved_at IS NULL"
                " GROUP BY f.code, f.vendor_code, f.field, f.endpoint, f.pattern) g"
                " JOIN failures f ON f.lead_id = g.lead_id AND f.resolved_at IS NULL"
                " ORDER BY g.leads DESC, g.code, g.vendor_code, g.field, g.lead_id",
                [integration],
            )
        ]

    def notices(self, run_id: str) -> list[tuple[str, int, str]]:
        """What people should know of a run's leads that went on: (code, leads, an example), the most frequent first."""
        return [
            (str(code), int(count), str(message))
            for code, count, message, _ in self._database.rows(
                "SELECT code, count(DISTINCT lead_id), message, min(id) FROM notices WHERE run_id = ?"
                " GROUP BY code ORDER BY 2 DESC, code",
                [run_id],
            )
        ]

    def failed(self, integration: str, code: str | None = None, status: str = "failed") -> list[dict[str, Any]]:
        """Failed (or ignored) leads with their reason and where they were captured first."""
        found = self._database.rows(
            "SELECT l.id, l.key, f.code, f.field, f.message, f.stage,"
            " (SELECT c.source || ':' || c.line FROM captures c WHERE c.lead_id = l.id ORDER BY c.id LIMIT 1)"
            " FROM leads l JOIN failures f ON f.lead_id = l.id AND f.resolved_at IS NULL"
            " JOIN integrations i ON i.id = l.integration_id"
            " WHERE i.name = ? AND l.status = ? AND (? IS NULL OR f.code = ?) ORDER BY l.id",
            [integration, status, code, code],
        )
        names = ("lead", "key", "code", "field", "message", "stage", "captured_at")
        return [dict(zip(names, row, strict=True)) for row in found]

    def find(self, integration: str, wanted: str) -> list[int]:
        """The ids of the leads that people mean by an id, an email address or a key."""
        row = self._database.row("SELECT id FROM integrations WHERE name = ?", [integration])
        keys = [wanted, f"email:{wanted.strip().lower()}"]
        found = self._database.rows(
            "SELECT id, key FROM leads WHERE +integration_id = ? AND (key_hash IN (?, ?) OR (? AND id = ?))"
            " ORDER BY id",
            [
                row[0] if row else 0,
                *(key_hash(key) for key in keys),
                wanted.isdecimal(),
                int(wanted) if wanted.isdecimal() and len(wanted) < 19 else 0,
            ],
        )
        exact = [id for id, key in found if key in keys or str(id) == wanted]
        if exact or "@" not in wanted:
            return exact
        # A lead that is known by something else may have the address all the same.
        held = self._database.rows(
            "SELECT l.id FROM leads l JOIN profiles p ON p.lead_id = l.id WHERE l.integration_id = ?"
            " AND lower(json_extract(p.data, '$.f.email')) = ? ORDER BY l.id",
            [row[0] if row else 0, wanted.strip().lower()],
        )
        return [id for (id,) in held]

    def lead(self, lead_id: int) -> dict[str, Any] | None:
        """One lead's whole story: captures, values with provenance, deliveries, outcomes, failures."""
        head = self._database.row(
            "SELECT l.id, l.key, l.status, l.attempts, p.data FROM leads l JOIN profiles p ON p.lead_id = l.id"
            " WHERE l.id = ?",
            [lead_id],
        )
        if head is None:
            return None
        data = orjson.loads(head[4])
        return {
            "lead": head[0],
            "key": head[1],
            "status": head[2],
            "attempts": head[3],
            "fields": data["f"],
            "qualifiers": data.get("q", {}),
            "events": data.get("e", {}),
            "edits": data.get("h", {}),
            "captures": self._all(
                ("source", "line", "run", "raw"),
                "SELECT source, line, run_id, raw FROM captures WHERE lead_id = ? ORDER BY id",
                [lead_id],
            ),
            "values": self._all(
                (
                    "field",
                    "value",
                    "replaced",
                    "provider",
                    "confidence",
                    "cost",
                    "at",
                    "call",
                    "status",
                    "verifier",
                    "path",
                ),
                "SELECT field, value, replaced, provider, confidence, cost, at, call_id, status, verifier, path"
                " FROM enriched_values"
                " WHERE lead_id = ? ORDER BY at, field",
                [lead_id],
            ),
            "rejected": self._all(
                ("field", "value", "provider", "confidence", "reason", "at", "call"),
                "SELECT field, value, provider, confidence, reason, at, call_id FROM rejected_values"
                " WHERE lead_id = ? ORDER BY position",
                [lead_id],
            ),
            "steps": self._all(
                ("step", "provider", "outcome", "detail", "at", "cost", "call", "known"),
                "SELECT step, provider, outcome, detail, at, cost, call_id, known FROM enrichment_steps"
                " WHERE lead_id = ? ORDER BY step",
                [lead_id],
            ),
            "deliveries": self._all(
                ("delivery", "run", "payload", "at"),
                "SELECT id, run_id, payload, at FROM deliveries WHERE lead_id = ? ORDER BY id",
                [lead_id],
            ),
            "outcomes": self._all(
                ("delivery", "what", "status", "matched_by", "remote_id", "answer", "at"),
                "SELECT o.delivery_id, o.what, o.status, o.matched_by, o.remote_id, o.answer, o.at FROM outcomes o"
                " JOIN deliveries d ON d.id = o.delivery_id WHERE d.lead_id = ? ORDER BY o.id",
                [lead_id],
            ),
            "verified": self._all(
                ("outcome", "at"), "SELECT outcome, at FROM verifications WHERE lead_id = ?", [lead_id]
            ),
            "memberships": self._all(
                ("kind", "target", "status", "state", "data"),
                "SELECT kind, program_id, status, state, data FROM memberships WHERE lead_id = ?"
                " ORDER BY kind DESC, program_id, status",
                [lead_id],
            ),
            "notices": self._all(
                ("code", "field", "message", "run", "at"),
                "SELECT code, field, message, run_id, at FROM notices WHERE lead_id = ? ORDER BY id",
                [lead_id],
            ),
            "failures": self._all(
                ("stage", "code", "vendor_code", "field", "message", "at", "resolved_at"),
                "SELECT stage, code, vendor_code, field, message, at, resolved_at FROM failures"
                " WHERE lead_id = ? ORDER BY id",
                [lead_id],
            ),
        }

    def _all(self, names: Sequence[str], sql: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
        rows = [dict(zip(names, row, strict=True)) for row in self._database.rows(sql, parameters)]
        for row in rows:
            for name in ("raw", "value", "replaced", "payload", "answer", "data"):
                if row.get(name) is not None:
                    row[name] = orjson.loads(row[name])
        return rows
