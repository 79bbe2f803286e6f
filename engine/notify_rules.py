"""The notification rules of a spec: who is told of what, how often, and by which way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from engine.codes import Code, Owner
from engine.filters.dates import zone_of

Pace = Literal["at_once", "hourly", "twice_daily", "daily", "weekly"]
#: What people are told of: leads that failed, runs that could not go on, and runs that ended, however they did.
Subject = Literal["failed", "stopped", "finished"]
Channel = Literal["webhook", "email"]

#: The settings of each channel that are secrets; of headers, see `is_secret_header`.
SECRETS: Mapping[Channel, tuple[str, ...]] = {"webhook": ("url",), "email": ("password",)}


@dataclass(frozen=True, slots=True)
class NotifyRule:
    """One rule. `config`: the settings of its channel, with references to secrets unresolved.

    codes, owners: the only failures that are told, empty for all. at_least: fewer failed leads wait for more.
    """

    name: str
    channel: Channel
    config: Mapping[str, Any]
    send: Pace = "at_once"
    on: tuple[Subject, ...] = ("failed", "stopped")
    codes: tuple[str, ...] = ()
    owners: tuple[Owner, ...] = ()
    at_least: int = 1
    time_zone: str = "UTC"
    headers: Mapping[str, Any] = field(default_factory=dict)

    def due(self, last: float, now: float) -> bool:
        """Whether a message may go out, where the last one did at `last` (Unix time; 0 for never)."""
        return not last or self.send == "at_once" or self._period(last) != self._period(now)

    def concerns(self, code: Code) -> bool:
        """Whether people are told of failures of a code."""
        return (
            "failed" in self.on
            and (not self.codes or code.name in self.codes)
            and (not self.owners or code.owner in self.owners)
        )

    def _period(self, moment: float) -> tuple[object, ...]:
        """The hour, half of the day, day or week (from Monday) of a moment, by the clocks of the rule's time zone."""
        there = datetime.fromtimestamp(moment, zone_of(self.time_zone))
        if self.send == "hourly":
            return there.date(), there.hour, there.utcoffset()  # the hour that comes twice in autumn is two hours
        if self.send == "twice_daily":
            return there.date(), there.hour // 12
        return tuple(there.isocalendar())[:2] if self.send == "weekly" else (there.date(),)


def read(given: Sequence[Mapping[str, Any]]) -> tuple[NotifyRule, ...]:
    """The rules of a spec that its schema accepts."""
    return tuple(_rule(raw) for raw in given)


def _rule(raw: Mapping[str, Any]) -> NotifyRule:
    channel: Channel = "webhook" if "webhook" in raw else "email"
    config = {name: value for name, value in raw[channel].items() if name != "headers"}
    kept: dict[str, Any] = {name: raw[name] for name in ("name", "send", "at_least", "time_zone") if name in raw}
    kept |= {name: tuple(raw[name]) for name in ("on", "codes", "owners") if name in raw}
    return NotifyRule(**kept, channel=channel, config=config, headers=raw[channel].get("headers", {}))


def is_secret_header(name: str) -> bool:
    """Whether what a header says is a secret, by its name."""
    return any(word in name.lower() for word in ("auth", "token", "secret", "key", "cookie", "password"))
