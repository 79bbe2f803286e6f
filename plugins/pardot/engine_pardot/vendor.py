"""Pardot as a destination: prospects are written one by one, matched by email."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from engine.adapters import Config, Context, Vendor
from engine.limits import Limits
from engine.records import Delivery, Field, Found, Outcome
from engine_pardot.client import Client
from engine_pardot.config import (
    CONFIG_SCHEMA,
    DEFAULT_BASE_URL,
    DEFAULT_CONCURRENCY,
    DEFAULT_DAILY,
    DEFAULT_SETTLE_AFTER,
)
from engine_pardot.errors import record_outcome
from engine_pardot.fields import CUSTOM_FIELD_PROPERTIES, STANDARD, custom_field, left_out_of_queries

if TYPE_CHECKING:
    from engine_pardot.sandbox import PardotSandbox

_UPSERT = "prospects/do/upsertLatestByEmail"
_ANSWERED = ("id", "email", "createdAt", "updatedAt")
_RANKED_BY = ("id", "email", "lastActivityAt", "updatedAt")


class PardotVendor(Vendor):
    """Upserts prospects by email, five calls at a time, under the account's daily quota."""

    name = "pardot"
    summary = "Writes leads as prospects to Pardot (Marketing Cloud Account Engagement)."
    secrets = ("client_secret", "refresh_token")
    keys = ("email",)
    config_schema: ClassVar[Mapping[str, Any]] = CONFIG_SCHEMA

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self.settle_after = float(config.get("settle_after", DEFAULT_SETTLE_AFTER))
        self._client = Client(config, context)
        self._single_reads: frozenset[str] | None = None
        self._lock = threading.Lock()

    @property
    def account(self) -> str:
        """The business unit; sandboxes on this machine share its id, so their address belongs to the name."""
        parts = urlsplit(self.config.get("base_url", DEFAULT_BASE_URL))
        unit = f"pardot:{self.config['business_unit_id']}"
        return f"{unit}@{parts.netloc}" if _is_loopback(parts.hostname or "") else unit

    @property
    def limits(self) -> Limits:
        given = self.config.get("limits") or {}
        return Limits(
            batch_size=1,
            calls=given.get("calls"),
            window=float(given.get("window", 1.0)),
            concurrency=int(given.get("concurrency", DEFAULT_CONCURRENCY)),
            daily=int(given.get("daily", DEFAULT_DAILY)),
        )

    def close(self) -> None:
        self._client.close()

    def connect(self) -> None:
        self._client.sign_in()

    def fields(self) -> Sequence[Field]:
        """The standard fields and the live custom ones. Raises CredentialsError, RetryLater, VendorUnavailable."""
        return (*STANDARD, *(custom_field(record) for record in self._custom_fields()))

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        """Read the one prospect per delivery that an upsert would choose; several may share an address legally."""
        return [self._chosen(_address(delivery.decision.value), fields) for delivery in deliveries]

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        return [self._upsert(delivery) for delivery in deliveries]

    @classmethod
    def sandbox(cls, *, port: int = 0, seed: Mapping[str, Any] | None = None) -> PardotSandbox:
        from engine_pardot.sandbox import PardotSandbox

        return PardotSandbox(port=port, seed=seed)

    def _upsert(self, delivery: Delivery) -> Outcome:
        """Source: developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5 (Upsert Latest by Email)."""
        email = _address(delivery.decision.value)
        prospect = {**delivery.fields, "email": _address(str(delivery.fields.get("email") or email))}
        body = {
            "matchEmail": email,
            "prospect": prospect,
            "fields": _ANSWERED,
            "secondaryDeletedSearch": bool(self.config.get("secondary_deleted_search", True)),
        }
        answer = self._client.write("POST", _UPSERT, body)
        if answer.fault is not None:
            return record_outcome(answer.fault, _UPSERT, prospect)
        return _written(answer.data)

    def _chosen(self, email: str, fields: Sequence[str]) -> Sequence[Found]:
        apart = [name for name in fields if name in self._read_singly(fields)]
        together = [name for name in fields if name not in apart]
        params = {"fields": _joined(_RANKED_BY, together), "email": email, "orderBy": "id ASC"}
        sharers: Sequence[Mapping[str, Any]] = self._client.find("prospects", params).data.get("values") or ()
        if not sharers:
            return ()
        chosen = max(sharers, key=_rank)
        found = dict(chosen)
        if apart:
            path = f"prospects/{found['id']}"
            found.update(self._client.find(path, {"fields": _joined(("id",), apart)}).data)
        return (Found(str(found["id"]), {name: found.get(name) for name in fields}),)

    def _read_singly(self, fields: Sequence[str]) -> frozenset[str]:
        """The custom fields that a query leaves out; learned once, and only if a custom field is asked for."""
        if not any(name.endswith("__c") for name in fields):
            return frozenset()
        with self._lock:
            if self._single_reads is None:
                self._custom_fields()
            return self._single_reads or frozenset()

    def _custom_fields(self) -> Sequence[Mapping[str, Any]]:
        """Source: developer.salesforce.com/docs/marketing/pardot/guide/custom-field-v5."""
        records = list(self._client.pages("custom-fields", {"fields": CUSTOM_FIELD_PROPERTIES}))
        self._single_reads = frozenset(str(each["apiFieldId"]) for each in records if left_out_of_queries(each))
        return records


def _written(data: Mapping[str, Any]) -> Outcome:
    """Pardot does not say whether it created or updated: on a new prospect both times are the same."""
    if not data.get("id"):
        return Outcome("unknown", answer=data)
    created = data.get("createdAt") is not None and data.get("createdAt") == data.get("updatedAt")
    return Outcome("created" if created else "updated", remote_id=str(data["id"]), answer=data)


def _address(email: str) -> str:
    """Trimmed and in lower case: Pardot may tell addresses apart by letter case and would then keep two people."""
    return email.strip().lower()


def _joined(first: Sequence[str], more: Sequence[str]) -> str:
    return ",".join(dict.fromkeys((*first, *more)))


def _rank(prospect: Mapping[str, Any]) -> tuple[datetime, datetime, int]:
    """Order of preference among sharers: latest activity (none is last), then latest update, then the newest."""
    return _moment(prospect.get("lastActivityAt")), _moment(prospect.get("updatedAt")), int(prospect["id"])


def _moment(text: Any) -> datetime:
    """An ISO 8601 time; what is none counts as never."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
