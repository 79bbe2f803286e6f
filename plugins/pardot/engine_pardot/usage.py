"""The calls that the whole business unit has made today, and when a spent quota is given anew."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.limits import Limits

#: Source: developer.salesforce.com/docs/marketing/pardot/guide/overview (rate limits)
ASKS_USAGE = {"X-Return-Api-Usage": "1"}
USAGE_HEADER = "x-api-usage"
#: Seconds after midnight in which a spent quota may still be yesterday's, as two clocks never agree.
_AROUND_MIDNIGHT = 900.0
#: Seconds after which a spent quota is tried again where it is not known when the account's day ends.
_TRY_AGAIN = 3600.0
_COUNTS = re.compile(r"(\d[\d,]*)\s*(?:/|of|out of)\s*(\d[\d,]*)", re.IGNORECASE)
_COUNT = re.compile(r"\d[\d,]*")


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls made today by anybody, and how many the account may make; `allowed` is None where it is not told."""

    used: int
    allowed: int | None = None


def usage_of(header: str) -> Usage | None:
    """Read the header; its text is not documented, so a count, or a count and what it is out of, is looked for."""
    if counts := _COUNTS.search(header):
        return Usage(_number(counts[1]), _number(counts[2]))
    count = _COUNT.search(header)
    return Usage(_number(count[0])) if count else None


def usage_in(account: Mapping[str, Any]) -> Usage | None:
    """Read the figures of the account, where it gives them.

    Source: developer.salesforce.com/docs/marketing/pardot/guide/account-v5
    """
    used, allowed = account.get("apiCallsUsed"), account.get("maximumDailyApiCalls")
    if not isinstance(used, int) or isinstance(used, bool):
        return None
    return Usage(used, allowed if isinstance(allowed, int) else None)


def quota_reset(limits: Limits, now: float, *, zone_known: bool) -> float:
    """When a quota that is spent at `now` is to be tried again; both in Unix seconds."""
    if not zone_known:
        return now + _TRY_AGAIN
    ended = limits.day_ends(now - _AROUND_MIDNIGHT)
    return ended + _AROUND_MIDNIGHT if ended <= now else ended


def _number(text: str) -> int:
    return int(text.replace(",", ""))
