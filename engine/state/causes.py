"""What a cause is looked for in: the leads that failed with one code, as they are now, and what the vendor was seen
to have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from engine.records import Lead
from engine.state import remote_ids
from engine.state.database import Database
from engine.state.queue import lead_from


@dataclass(frozen=True, slots=True)
class Failed:
    """A failed lead as it is now, why it failed, and in which stage.

    sent: the payload of its last delivery, as `engine.stages.map` makes it; empty where it was never mapped.
    """

    lead: Lead
    code: str
    field: str
    message: str
    stage: str
    vendor_code: str = ""
    sent: Mapping[str, Any] | None = None


class Causes:
    def __init__(self, database: Database) -> None:
        self._database = database

    def account(self, integration: str) -> str:
        """The remote account of the last run; empty where none is known."""
        found = self._database.row(
            "SELECT r.account FROM runs r JOIN integrations i ON i.id = r.integration_id WHERE i.name = ?"
            " ORDER BY r.started_at DESC, r.id DESC LIMIT 1",
            [integration],
        )
        return str(found[0] or "") if found else ""

    def catalog_of(self, account: str) -> str:
        """What the newest field list of an account is remembered under; empty where none is."""
        found = self._database.row(
            "SELECT account FROM catalog WHERE kind = 'fields'"
            " AND (account = ? OR substr(account, 1, length(?) + 1) = ? || '|') ORDER BY abs(at) DESC LIMIT 1",
            [account, account, account],
        )
        return str(found[0]) if found else ""

    def failed(self, integration: str, code: str, account: str) -> list[Failed]:
        """The leads that have failed with a code, in order."""
        found = self._database.rows(
            "SELECT l.id, l.key, p.data, l.sent_digest, l.released, r.remote_id, f.code, f.field, f.message, f.stage,"
            " f.vendor_code, (SELECT d.payload FROM deliveries d WHERE d.id = l.delivery_id AND f.stage <> 'map')"
            " FROM leads l JOIN profiles p ON p.lead_id = l.id"
            " JOIN failures f ON f.lead_id = l.id AND f.resolved_at IS NULL"
            " JOIN integrations i ON i.id = l.integration_id"
            f" LEFT JOIN {remote_ids.JOIN}"
            " WHERE i.name = ? AND l.status = 'failed' AND f.code = ? ORDER BY l.id",
            [account, integration, code],
        )
        return [
            Failed(lead_from(*lead), str(code), str(field), str(message), str(stage), str(vendor_code),
                   orjson.loads(sent) if sent else None)
            for *lead, code, field, message, stage, vendor_code, sent in found
        ]  # fmt: skip
