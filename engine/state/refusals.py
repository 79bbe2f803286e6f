"""People of whom a provider said that they must not be processed: no other provider is asked about them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from engine.state.database import Database, marks

#: What a person is known again by.
_PERSONAL = ("email", "linkedin_url", "phone", "mobile_phone")
_NOISE = re.compile(r"^https?://(www\.)?|[\s()./-]+$")


class Refusals:
    def __init__(self, database: Database) -> None:
        self._database = database
        found = database.row("SELECT 1 FROM enrichment_refusals LIMIT 1")
        self._any = found is not None

    def add(self, fields: Mapping[str, Any], provider: str, reason: str, now: float) -> None:
        """Remember a person by what is known of him."""
        with self._database.transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO enrichment_refusals (digest, provider, reason, at) VALUES (?, ?, ?, ?)",
                [(digest, provider, reason, now) for digest in digests(fields)],
            )
        self._any = True

    def among(self, people: Mapping[int, Mapping[str, Any]]) -> dict[int, str]:
        """Which of these leads (fields by lead) must not be asked about, and who said so."""
        if not self._any:
            return {}
        whose: dict[bytes, list[int]] = {}
        for lead, fields in people.items():
            for digest in digests(fields):
                whose.setdefault(digest, []).append(lead)
        asked = list(whose)
        refused: dict[int, str] = {}
        for start in range(0, len(asked), 500):
            some = asked[start : start + 500]
            for digest, provider in self._database.rows(
                f"SELECT digest, provider FROM enrichment_refusals WHERE digest IN ({marks(len(some))})", some
            ):
                for lead in whose[bytes(digest)]:
                    refused[lead] = f"{provider} says that the person must not be processed"
        return refused


def digests(fields: Mapping[str, Any]) -> Iterable[bytes]:
    """What stands for a person: digests of address, profile and phone numbers."""
    for name in _PERSONAL:
        text = str(fields.get(name) or "").strip().casefold()
        if "phone" in name:
            text = re.sub(r"\D", "", text.partition(" x")[0])
        text = _NOISE.sub("", text).rstrip("/")
        if text:
            yield sha256(f"{name.removeprefix('mobile_')}:{text}".encode()).digest()
