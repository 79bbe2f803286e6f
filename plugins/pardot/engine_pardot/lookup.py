"""Prospects read back by address or by id. Those in the recycle bin are not found.

Source: developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from engine.records import Delivery, Found
from engine_pardot.client import PAGE, Client
from engine_pardot.fields import CustomFields

EMAIL, ID = "email", "prospect_id"
PATH = "prospects"
#: What is asked of every prospect: its keys, and what an upsert chooses among the sharers of an address by.
_RANKED_BY = ("id", "email", "isDeleted", "lastActivityAt", "updatedAt")
#: The server's rule for addresses, and how long they are at most.
#: Source: github.com/pardot/api-docs/issues/79; …/guide/error-codes (code 4)
_ADDRESS = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}\.[^\s@]{2,}")
_ADDRESS_LENGTH = 255


class ProspectReader:
    """Reads the prospects that deliveries match."""

    def __init__(self, client: Client, custom: CustomFields) -> None:
        self._client = client
        self._custom = custom

    def look_up(self, delivery: Delivery, fields: Sequence[str]) -> Sequence[Found]:
        """Read the prospect that a delivery matches, with `fields`; by address the one that an upsert would choose.

        Raises RetryLater, CredentialsError, VendorUnavailable, SpecError for a field that cannot be asked for.
        """
        by, value = delivery.decision.by, delivery.decision.value
        prospect = self._with_id(value.strip(), fields) if by == ID else self._with_address(address(value), fields)
        if prospect is None:
            return ()
        remote_id = str(prospect["id"])
        keys = {EMAIL: str(prospect.get("email") or ""), ID: remote_id}
        return (
            Found(
                remote_id,
                {name: prospect.get(name) for name in fields},
                {by: held for by, held in keys.items() if held},
                str(prospect.get("updatedAt") or ""),
            ),
        )

    def _with_id(self, prospect_id: str, fields: Sequence[str]) -> Mapping[str, Any] | None:
        if not is_id(prospect_id):
            return None
        answer = self._client.find(f"{PATH}/{prospect_id}", {"fields": joined(_RANKED_BY, fields)})
        there = answer.fault is None and answer.data.get("id") is not None and not answer.data.get("isDeleted")
        return answer.data if there else None

    def _with_address(self, email: str, fields: Sequence[str]) -> Mapping[str, Any] | None:
        if not is_address(email):
            return None
        apart = self._custom.unqueried(fields)
        params = {
            "fields": joined(_RANKED_BY, [name for name in fields if name not in apart]),
            "email": email,
            "deleted": "false",
            "orderBy": "id ASC",
            "limit": str(PAGE),
        }
        found: Sequence[Mapping[str, Any]] = self._client.find(PATH, params).data.get("values") or ()
        sharers = [prospect for prospect in found if not prospect.get("isDeleted")]
        if not sharers:
            return None
        latest: Mapping[str, Any] = max(sharers, key=_rank)
        chosen = dict(latest)
        if apart:
            chosen.update(self._client.find(f"{PATH}/{chosen['id']}", {"fields": joined(("id",), sorted(apart))}).data)
        return chosen


def address(email: str) -> str:
    """Trimmed and in lower case: Pardot may tell addresses apart by letter case and would then keep two people."""
    return email.strip().lower()


def is_address(email: str) -> bool:
    """Whether Pardot takes a text for an address."""
    return len(email) <= _ADDRESS_LENGTH and _ADDRESS.fullmatch(email) is not None


def is_id(text: str) -> bool:
    """Whether a text can be an id that Pardot gave: a whole number that fits into 64 bits."""
    return text.isascii() and text.isdigit() and len(text) <= 18


def joined(first: Sequence[str], more: Sequence[str]) -> str:
    """Names of fields as a query takes them, each once."""
    return ",".join(dict.fromkeys((*first, *more)))


def moment(text: Any) -> datetime:
    """An ISO 8601 time; what is none counts as never."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _rank(prospect: Mapping[str, Any]) -> tuple[datetime, datetime, int]:
    """Order of preference among sharers: latest activity (none is last), then latest update, then the newest."""
    return moment(prospect.get("lastActivityAt")), moment(prospect.get("updatedAt")), int(prospect["id"])
