"""The partitions of a Marketo instance.

Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import CredentialsError, SpecError
from engine_marketo.client import Client
from engine_marketo.envelope import rows
from engine_marketo.errors import Refused

PARTITIONS = "/rest/v1/leads/partitions.json"


def partitions(client: Client) -> Mapping[str, int] | None:
    """The ids of the partitions by name; None where the API user may not read them."""
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
