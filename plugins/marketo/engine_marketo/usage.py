"""The calls that the whole Marketo instance has used today, the end of that day, and the vendor's clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.limits import Limits
from engine_marketo.envelope import rows

#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/usage
USAGE = "/rest/v1/stats/usage.json"
#: Seconds after midnight in which a spent quota may still be yesterday's, as two clocks never agree.
_AROUND_MIDNIGHT = 900.0


def calls_today(usage: Mapping[str, Any], day: str) -> int:
    """The calls that all users of the instance have made on `day` (YYYY-MM-DD), from an answer of the usage endpoint.

    Around midnight the answer may still be yesterday's, whose calls say nothing of today's quota.
    """
    totals = [row.get("total") for row in rows(usage) if row.get("date") in (None, day)]
    return max((total for total in totals if isinstance(total, int)), default=0)


def quota_reset(limits: Limits, now: float) -> float:
    """When a quota that is spent at `now` is given anew; both in Unix seconds."""
    ended = limits.day_ends(now - _AROUND_MIDNIGHT)
    return ended + _AROUND_MIDNIGHT if ended <= now else ended


def time_of(request_id: str) -> float | None:
    """Unix seconds of the vendor's clock: the part of a request id after the `#` is hexadecimal milliseconds."""
    digits = request_id.partition("#")[2]
    try:
        return int(digits, 16) / 1000
    except ValueError:
        return None
