"""Answers that providers posted, and the secret part of the address that each posts to."""

from __future__ import annotations

import secrets

from engine.redaction import without_secrets
from engine.state.database import Database

#: Seconds for which a post is kept; vendors keep results for no longer themselves.
KEPT = 90 * 86_400.0


class Callbacks:
    def __init__(self, database: Database) -> None:
        self._database = database

    def token(self, provider: str) -> str:
        """The part of a provider's address that nobody can guess; the same for as long as the state lives."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO callback_tokens (provider, token) VALUES (?, ?)",
                [provider, secrets.token_urlsafe(24)],
            )
            (token,) = db.execute("SELECT token FROM callback_tokens WHERE provider = ?", [provider]).fetchone()
        return str(token)

    def keep(self, provider: str, ticket: str, body: str, now: float) -> None:
        """Store a posted answer durably, in place of an earlier one with the same ticket; drop what is old."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM callbacks WHERE at < ?", [now - KEPT])
            db.execute(
                "INSERT OR REPLACE INTO callbacks (provider, ticket, body, at) VALUES (?, ?, ?, ?)",
                [provider, ticket, without_secrets(body), now],
            )

    def body(self, provider: str, ticket: str) -> str | None:
        """What was posted for a ticket; None where nothing was yet."""
        found = self._database.row("SELECT body FROM callbacks WHERE provider = ? AND ticket = ?", [provider, ticket])
        return None if found is None else str(found[0])
