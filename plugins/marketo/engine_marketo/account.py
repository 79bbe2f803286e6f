"""What belongs to the whole Marketo instance: the calls it has used today, the end of that day, and its partitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import CredentialsError, SpecError
from engine.limits import Limits
from engine_marketo.errors import Refused

if TYPE_CHECKING:
    from engine_marketo.client import Client

#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/usage
USAGE = "/rest/v1/stats/usage.json"
PARTITIONS = "/rest/v1/leads/partitions.json"
#: Seconds after midnight in which a spent quota may still be yesterday's, as two clocks never agree.
_AROUND_MIDNIGHT = 900.0


def rows(envelope: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The objects of an answer's `result`, which has been met as a single object; empty where there are none."""
    given = envelope.get("result")
    return [row for row in (given if isinstance(given, list) else [given]) if isinstance(row, Mapping)]


def calls_today(usage: Mapping[str, Any]) -> int:
    """The calls that all users of the instance have made today, from an answer of the usage endpoint."""
    totals = [row.get("total") for row in rows(usage)]
    return max((total for total in totals if isinstance(total, int)), default=0)


def quota_reset(limits: Limits, now: float) -> float:
    """When a quota that is spent at `now` is given anew; both in Unix seconds."""
    ended = limits.day_ends(now - _AROUND_MIDNIGHT)
    return ended + _AROUND_MIDNIGHT if ended <= now else ended


def partitions(client: Client) -> Mapping[str, int] | None:
    """The ids of the partitions by name; None where the API user may not read them.

    Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
    """
    try:
        found = rows(client.read(PARTITIONS))
    except (CredentialsError, Refused):
        return None
    return {str(row["name"]): int(row["id"]) for row in found if "name" in row and "id" in row}


def check_partition(found: Mapping[str, int], name: str) -> None:
    """Raise SpecError where there is no partition called `name` among those `found`."""
    if name not in found:
        raise SpecError(
            f"Marketo has no partition called {name!r}, or the API user may not see it",
            where="destination.config.partition",
            why=f"the API user sees: {', '.join(found) or 'none'}",
            fix="Use one of these names, written exactly so, or leave the setting out.",
        )


def time_of(request_id: str) -> float | None:
    """Unix seconds of the vendor's clock: the part of a request id after the `#` is hexadecimal milliseconds."""
    digits = request_id.partition("#")[2]
    try:
        return int(digits, 16) / 1000
    except ValueError:
        return None
