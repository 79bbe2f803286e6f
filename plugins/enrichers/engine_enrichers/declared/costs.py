"""What an answer cost, in the provider's credits, exactly as the provider counts."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from engine.http import Reply
from engine_enrichers.declared.provider import Cost


def cost_of(cost: Cost, body: Any, found: Collection[str]) -> float:
    """Credits by the file: the first rule that fits, else a hit with its fields, or a miss if nothing was `found`."""
    for when, credits in cost.rules:
        if when.holds(body):
            return credits
    return cost.hit + sum(cost.fields.get(field, 0) for field in found) if found else cost.miss


def reported(cost: Cost, reply: Reply | None, body: Any) -> float | None:
    """Credits that the answer itself reports; None where it reports none."""
    if cost.report_header:
        return number(reply.headers.get(cost.report_header)) if reply is not None else None
    return number(cost.report_path.of(body)) if cost.report_path is not None else None


def shares(total: float, computed: Sequence[float]) -> list[float]:
    """The reported total of a batch, shared out as the computed costs are; they add up to the total."""
    weight = sum(computed)
    if weight == total or not computed:
        return list(computed)
    parts = [total * each / weight if weight else total / len(computed) for each in computed]
    last = max(range(len(parts)), key=parts.__getitem__)
    parts[last] = total - sum(part for index, part in enumerate(parts) if index != last)
    return parts


def number(value: Any) -> float | None:
    """A figure of an answer, which may be written as a text; None for anything else, and below zero."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        figure = float(value)
    except (ValueError, OverflowError):
        return None
    return figure if math.isfinite(figure) and figure >= 0 else None
