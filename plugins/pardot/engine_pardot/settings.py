"""The settings of the Pardot destination that concern its calls and writes, read from its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from engine.addresses import is_loopback
from engine.errors import SpecError
from engine.limits import Limits
from engine_pardot import schema
from engine_pardot.oauth import address_of


@dataclass(frozen=True, slots=True)
class BulkSettings:
    """How files are imported: imports under way at once, and seconds."""

    imports: int
    poll_after: float
    settle_after: float


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration with defaults filled in.

    zone_known: whether the account's time zone is set, so that the end of the quota's day is known. usage_every: calls
    between two questions for Pardot's own count, None for none. settle_after, timeout: seconds.
    """

    base_url: str
    business_unit_id: str
    limits: Limits
    zone_known: bool
    usage_every: int | None
    deleted: Literal["restore", "create"]
    verify: bool
    separator: str
    bulk: BulkSettings
    settle_after: float
    timeout: float

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Settings:
        """Raises SpecError naming the setting where the limits leave no call or there is no such time zone."""
        limits, bulk = config.get("limits") or {}, config.get("bulk") or {}
        return cls(
            base_url=address_of(str(config.get("base_url", schema.BASE_URL)), "destination.config.base_url"),
            business_unit_id=config["business_unit_id"],
            limits=_limits(limits),
            zone_known="day_zone" in limits,
            usage_every=limits.get("usage_every", schema.USAGE_EVERY),
            deleted=config.get("deleted", "restore"),
            verify=bool(config.get("verify", False)),
            separator=config.get("separator", schema.SEPARATOR),
            bulk=BulkSettings(
                imports=bulk.get("imports", schema.IMPORTS),
                poll_after=float(bulk.get("poll_after", schema.POLL_AFTER)),
                settle_after=float(bulk.get("settle_after", schema.IMPORT_SETTLE_AFTER)),
            ),
            settle_after=float(config.get("settle_after", schema.SETTLE_AFTER)),
            timeout=float(config.get("timeout", schema.TIMEOUT)),
        )

    @property
    def account(self) -> str:
        """The business unit; sandboxes on this machine share its id, so their address belongs to the name."""
        parts = urlsplit(self.base_url)
        unit = f"pardot:{self.business_unit_id}"
        return f"{unit}@{parts.netloc}" if is_loopback(parts.hostname or "") else unit


def _limits(given: Mapping[str, Any]) -> Limits:
    limits = Limits(
        batch_size=1,
        calls=given.get("calls"),
        window=float(given.get("window", 1.0)),
        concurrency=given.get("concurrency", schema.CONCURRENCY),
        daily=given.get("daily", schema.DAILY[given.get("edition", schema.EDITION)]),
        reserve=given.get("reserve", 0),
        day_zone=given.get("day_zone", "UTC"),
        alert=given.get("alert", schema.ALERT),
    )
    if limits.daily is not None and limits.reserve >= limits.daily:
        raise SpecError(
            f"a reserve of {limits.reserve} calls leaves none of the {limits.daily} calls a day",
            where="destination.config.limits.reserve",
            fix="Lower limits.reserve, or raise limits.daily to what Pardot allows the business unit.",
        )
    return limits
