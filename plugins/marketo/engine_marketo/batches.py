"""Batches: cut to the size of a body, what each row of an answer says, and the search for a record at fault."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from engine.records import Outcome, Status
from engine_marketo.errors import Endpoint, Reason, Refused, failure, named_field, outcome, reasons

#: The largest body in bytes (1 MB, less a margin for the gateway).
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/rest-api
MAX_BODY = 1_000_000
#: A field does not exist; the field that the text names is usually in many records.
_UNKNOWN_FIELD = "1006"

#: Refused parts of a batch of which none was taken; halving 300 records down to one takes nine.
_MOST_REFUSALS = 24

_T = TypeVar("_T")


def objects(given: Any) -> list[Mapping[str, Any]]:
    """The objects in a list of an answer; empty where it is no list."""
    return [entry for entry in given if isinstance(entry, Mapping)] if isinstance(given, list) else []


def as_list(result: Any) -> list[Any]:
    """The rows of an answer, which has been met as a single object instead of a list; empty where it is neither."""
    return result if isinstance(result, list) else [result] if isinstance(result, Mapping) else []


def not_sent(code: str, message: str, endpoint: Endpoint) -> Outcome:
    """The outcome of a record that is not sent because Marketo could not take it."""
    return Outcome("failed", failure=replace(failure(Reason("", ""), endpoint), code=code, message=message))


def refused(refusal: Refused) -> Outcome:
    """The outcome of a record at fault for the refusal of its whole call."""
    reason = refusal.reason
    answer = {"code": reason.code, "message": reason.message}
    return Outcome("failed", failure=failure(reason, refusal.endpoint), answer=answer)


def fitting(sizes: Sequence[int], room: int, most: int) -> Iterator[range]:
    """Yield the places of records of these `sizes`, `most` of them at most, that fit into `room` bytes with commas.

    A record that does not fit by itself stands alone.
    """
    for start in range(0, len(sizes), most):
        yield from _halves(sizes, room, range(start, min(start + most, len(sizes))))


def _halves(sizes: Sequence[int], room: int, part: range) -> Iterator[range]:
    if len(part) < 2 or sum(sizes[place] + 1 for place in part) <= room:
        yield part
        return
    half = len(part) // 2
    yield from _halves(sizes, room, part[:half])
    yield from _halves(sizes, room, part[half:])


def row_outcome(
    row: Any,
    written: Mapping[str, Status],
    endpoint: Endpoint,
    window: float,
    *,
    remote_id: str | None = None,
    request_id: Any = None,
) -> Outcome:
    """What a row says of its record.

    `written` has the statuses of success, `remote_id` the lead that was written then; `window`: the rate window in
    seconds; `request_id`: of the call, kept with what went wrong, as Adobe's support asks for it.

    A row with reasons failed whatever its status says, and one that is not understood says nothing.
    Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
    """
    if not isinstance(row, Mapping):
        return Outcome("unknown", answer=row)
    status, why = str(row.get("status")), reasons(row.get("reasons"))
    if not row.get("reasons") and status in written:
        return Outcome(written[status], remote_id, answer=row)
    if not row.get("reasons") and status != "skipped":
        return Outcome("unknown", answer=row)
    first, *more = why or [Reason("", "skipped without a reason")]
    told = Reason(first.code, "; ".join([first.message, *map(str, more)]))
    return outcome(told, endpoint, window, row={**row, "requestId": request_id} if request_id else row)


class Patience:
    """Ends a search for records at fault that has found nobody who is not: the whole call is at fault then."""

    def __init__(self) -> None:
        self._refused = 0
        self._accepted = False

    def accepted(self) -> None:
        """A part was taken, so the others can be."""
        self._accepted = True

    def spent(self) -> bool:
        """Count a refusal; whether there were too many to go on."""
        self._refused += 1
        return not self._accepted and self._refused > _MOST_REFUSALS


def divided(
    refusal: Refused, part: Sequence[_T], names: Callable[[_T], Collection[str]], *, divisible: bool = False
) -> tuple[Sequence[_T], list[Sequence[_T]]]:
    """Return who of a refused `part` is at fault, and the parts in which the rest is to be sent again.

    `names` gives the fields of a record. `divisible`: one record can have brought the refusal about, whatever the
    table of codes says.
    """
    name = named_field(refusal.reason.message) if refusal.reason.code == _UNKNOWN_FIELD else ""
    blamed = [record for record in part if name in names(record)] if name else []
    if blamed and len(part) > 1:
        # The whole mapping is at fault here; halving would spend two calls on every record.
        rest = [record for record in part if name not in names(record)]
        return blamed, [rest] if rest else []
    if (divisible or refusal.divisible) and len(part) > 1:
        half = len(part) // 2
        return [], [part[:half], part[half:]]
    return part, []


def send_in_parts(
    send: Callable[[Sequence[_T]], Sequence[Outcome]],
    parts: Sequence[Sequence[_T]],
    names: Callable[[_T], Collection[str]],
    *,
    divisible: Collection[str] = (),
) -> list[tuple[_T, Outcome]]:
    """Send every part, and a refused one in ever smaller parts; returns each record with its outcome, in no order.

    Only for calls that may be repeated: what was sent before an error is sent again with the rest. `divisible` has
    further codes of a whole call that one record can bring about. Raises what `send` raises, but for Refused.
    """
    outcomes: list[tuple[_T, Outcome]] = []
    pending, patience = deque(parts), Patience()
    while pending:
        part = pending.popleft()
        try:
            outcomes.extend(zip(part, send(part), strict=True))
            patience.accepted()
        except Refused as refusal:
            blamed, rest = divided(refusal, part, names, divisible=refusal.reason.code in divisible)
            if patience.spent():
                blamed, rest = part, []
            outcomes.extend((record, refused(refusal)) for record in blamed)
            pending.extendleft(reversed(rest))
    return outcomes
