"""People of whom a provider said that they must not be processed: no other provider is asked about them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from engine.state.database import Database

_PROFILE = re.compile(r"linkedin\.com/(?:in|pub)/([^/?#\s]+)")
#: A number without its country is known again by its last digits.
_DIGITS = 10


class Refusals:
    """Held in memory as well: every question asks for them, and there are few."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, str] | None = None

    def add(self, lead_id: int, fields: Mapping[str, Any], provider: str, reason: str, now: float) -> None:
        """Remember a person by what is known of him, and the lead."""
        found = list(_digests(lead_id, fields))
        with self._database.transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO enrichment_refusals (digest, provider, reason, at) VALUES (?, ?, ?, ?)",
                [(digest, provider, reason, now) for digest in found],
            )
        for digest in found:
            self._all().setdefault(digest, provider)

    def reason(self, lead_id: int, fields: Mapping[str, Any]) -> str:
        """Why nobody may be asked about a lead; empty where there is no such reason."""
        known = self._all()
        if not known:
            return ""
        provider = next((known[digest] for digest in _digests(lead_id, fields) if digest in known), "")
        return f"{provider} says that the person must not be processed" if provider else ""

    def _all(self) -> dict[bytes, str]:
        if self._known is None:
            rows = self._database.rows("SELECT digest, provider FROM enrichment_refusals")
            self._known = {bytes(digest): str(provider) for digest, provider in rows}
        return self._known


def _digests(lead_id: int, fields: Mapping[str, Any]) -> Iterator[bytes]:
    """What stands for a person: digests of the lead, of address, profile and numbers, and of name with company."""
    texts = {name: str(value).strip().casefold() for name, value in fields.items() if isinstance(value, str)}
    yield _digest("lead", str(lead_id))
    if address := texts.get("email"):
        yield _digest("email", address)
    profile = texts.get("linkedin_url", "")
    if found := _PROFILE.search(profile):
        yield _digest("profile", found[1])
    elif profile:
        yield _digest("profile", profile.rstrip("/"))
    for name in ("phone", "mobile_phone"):
        number = re.sub(r"\D", "", texts.get(name, "").partition(" x")[0])
        if number:
            yield _digest("phone", number[-_DIGITS:])
    parts = [" ".join(texts.get(name, "").split()) for name in ("first_name", "last_name", "company")]
    if all(parts):
        yield _digest("name", "|".join(parts))


def _digest(kind: str, text: str) -> bytes:
    return sha256(f"{kind}:{text}".encode()).digest()
