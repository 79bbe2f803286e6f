"""The settings of the Marketo destination, read from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from engine.addresses import is_loopback, plain_address
from engine.errors import SpecError
from engine.limits import Limits
from engine.redaction import redact
from engine_marketo import schema

#: Endings of the addresses that the vendor's administration pages show, which are not part of the base address.
_SUFFIXES = ("/identity/oauth/token", "/identity", "/rest/v1", "/rest")


@dataclass(frozen=True, slots=True)
class BulkSettings:
    """`imports` at once; seconds between two questions after one, and until an unanswered one is looked up."""

    imports: int = schema.IMPORTS
    poll_after: float = schema.POLL_AFTER
    settle_after: float = schema.IMPORT_SETTLE_AFTER


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration with defaults filled in and addresses in their plain form (no suffix, no trailing slash).

    partition: '' where none is set. read_lag: seconds until a search finds what was written. usage_every: calls
    between two readings of Marketo's own count, None for none.
    """

    base_url: str
    token_url: str
    client_id: str
    client_secret: str
    limits: Limits
    settle_after: float
    timeout: float
    read_lag: float
    usage_every: int | None
    partition: str
    dedupe_field: str
    company_fields: Literal["allow", "refuse"]
    archived_programs: Literal["refuse", "allow"]
    bulk: BulkSettings

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Settings:
        """Raises SpecError naming the setting where an address cannot be one, or the limits leave no call."""
        base_url = _address(config["base_url"], "base_url")
        identity_url = _address(config["identity_url"], "identity_url") if config.get("identity_url") else base_url
        limits, bulk = config.get("limits") or {}, config.get("bulk") or {}
        return cls(
            base_url=base_url,
            token_url=f"{identity_url}/identity/oauth/token",
            client_id=config["client_id"],
            client_secret=config["client_secret"],
            limits=_limits(limits),
            settle_after=float(config.get("settle_after", schema.SETTLE_AFTER)),
            timeout=float(config.get("timeout", schema.TIMEOUT)),
            read_lag=float(config.get("read_lag", schema.READ_LAG)),
            usage_every=limits.get("usage_every", schema.USAGE_EVERY),
            partition=config.get("partition", ""),
            dedupe_field=config.get("dedupe_field", ""),
            company_fields=config.get("company_fields", "allow"),
            archived_programs=config.get("archived_programs", "refuse"),
            bulk=BulkSettings(
                imports=bulk.get("imports", schema.IMPORTS),
                poll_after=float(bulk.get("poll_after", schema.POLL_AFTER)),
                settle_after=float(bulk.get("settle_after", schema.IMPORT_SETTLE_AFTER)),
            ),
        )

    @property
    def account(self) -> str:
        """Names the instance; the port belongs to it only on this machine, where several sandboxes may run."""
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        return f"marketo:{parts.netloc.lower()}" if is_loopback(host) else f"marketo:{host}"


def _address(url: str, setting: str) -> str:
    """The address of an instance in its plain form. Raises SpecError naming the `setting` where it is none."""
    try:
        return plain_address(url, _SUFFIXES)
    except ValueError as error:
        raise _no_address(url, setting, str(error)) from error


def _no_address(url: str, setting: str, why: str) -> SpecError:
    return SpecError(
        f"{redact(url.rsplit('@', maxsplit=1)[-1])!r} is not the address of a Marketo instance",
        where=f"destination.config.{setting}",
        why=why,
        fix="Copy it from Marketo: Admin, Integration, Web Services, REST API; "
        "for example https://123-ABC-456.mktorest.com.",
    )


def _limits(given: Mapping[str, Any]) -> Limits:
    limits = Limits(
        batch_size=given.get("batch_size", schema.BATCH_SIZE),
        calls=given.get("calls", schema.CALLS),
        window=float(given.get("window", schema.WINDOW)),
        concurrency=given.get("concurrency", schema.CONCURRENCY),
        daily=given.get("daily", schema.DAILY),
        reserve=given.get("reserve", 0),
        day_zone=schema.DAY_ZONE,
        alert=given.get("alert", schema.ALERT),
        margin=schema.MARGIN,
    )
    if limits.daily is not None and limits.reserve >= limits.daily:
        raise SpecError(
            f"a reserve of {limits.reserve} calls leaves none of the {limits.daily} calls a day",
            where="destination.config.limits.reserve",
            fix="Lower limits.reserve, or raise limits.daily to what Marketo allows the instance.",
        )
    return limits
