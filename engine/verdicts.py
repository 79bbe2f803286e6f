"""What a record that was read back says of the lead that was sent: held as it was sent, or what is not."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.adapters import Vendor
from engine.casts import stored_as
from engine.filters import text
from engine.records import Decision, Delivery, Failure, Found, Membership, Standing
from engine.state.verifications import Delivered, Difference, Read

EMAIL = "email"
#: Seconds within which a change belongs to the writing itself: clocks differ, and rules at the vendor act at once.
AT_ONCE = 120.0
_BLANK: tuple[Any, ...] = (None, "", [], False)
_SEPARATORS = re.compile(r"[;,|\n]")
_LONGEST = 60


#: A place by kind, id and status.
PlaceKey = tuple[str, str, str]


def key_of(place: Membership) -> PlaceKey:
    return place.kind, place.target, place.status


@dataclass(frozen=True, slots=True)
class Expected:
    """What a record should hold of a lead, and the key that it is read by.

    if_empty: fields that are written where they are blank, or to new records only; what somebody else puts there later
    is right, and a retry would not overwrite it, so that they only have to hold something. by_id: whether the key is
    the id that the vendor gave the record.
    """

    lead: Delivered
    decision: Decision
    values: Mapping[str, Any]
    if_empty: Collection[str] = ()
    by_id: bool = False


def expected(vendor: Vendor, lead: Delivered, gentle: Collection[str]) -> Expected:
    """What a vendor should hold of a lead. `gentle`: the fields that the mapping does not overwrite."""
    payload = lead.payload
    sent_by = _key(payload["keys"], lead.matched_by)
    on_create = payload.get("on_create") or {}
    delivery = Delivery(lead.lead_id, sent_by, payload["fields"], on_create)
    values = vendor.foreseen(delivery, created=lead.created)
    by_id = bool(vendor.named and lead.remote_id)
    return Expected(
        lead,
        Decision(vendor.named[0], lead.remote_id) if by_id else sent_by,
        {name: value for name, value in values.items() if name not in lead.elsewhere},
        {*gentle, *(on_create.keys() - payload["fields"].keys())},
        by_id,
    )


def address_of(lead: Delivered) -> str:
    """The address by which a lead's record would be found, or an empty text."""
    of_key = next((key[1] for key in lead.payload["keys"] if key[0] == EMAIL), "")
    return text(of_key or lead.payload["fields"].get(EMAIL)).strip().lower()


def gone(what: Expected, others: Sequence[Found]) -> Read:
    """The lead's record is not there. `others`: the records that its address belongs to now."""
    lead, key = what.lead, what.decision
    message = f"no record has the {key.by} {key.value} any more"
    code = "REMOTE_RECORD_GONE"
    if others:
        code = "REMOTE_RECORD_MERGED"
        message += f"; {address_of(lead) or key.value} is that of {', '.join(each.remote_id for each in others)}"
    # What the record had is of no use to another one: all places are given again.
    return Read(lead, Failure(code, message, field=key.by), resend=True, forget=True, missing=lead.places)


def judged(
    what: Expected, record: Found, standings: Mapping[PlaceKey, Standing | None], known: Collection[str] = ()
) -> Read:
    """Compare the lead's record, and where it stands in the lead's places, with what was sent.

    known: the fields that the vendor has, empty where that is not known. standings: by place, None where the person is
    not in it; places that could not be read are left out.
    """
    lead = what.lead
    if what.by_id and record.remote_id != lead.remote_id:
        return gone(what, [record])
    lost = [name for name in what.values if known and name not in known]
    wrong = [name for name in what.values if name not in lost and not _holds(what, name, record.values.get(name))]
    missing = [place for place in lead.places if key_of(place) in standings and not _reached(standings[key_of(place)])]
    told = [f"{name}: the vendor no longer has this field" for name in lost]
    told += [f"{name}: sent {_shown(what.values[name])}, held {_shown(record.values.get(name))}" for name in wrong]
    told += [_missed(place, standings[key_of(place)]) for place in missing]
    if not told:
        return Read(lead)
    field = ""
    if lost:
        code, field = "MISSING_REMOTE_FIELD", lost[0]
    elif wrong:
        # Where the vendor does not say when, it was at some time after it was written.
        never = record.changed is not None and record.changed <= lead.at + AT_ONCE
        code, field = "VALUE_NOT_STORED" if never else "REMOTE_VALUE_CHANGED", wrong[0]
    else:
        code, field = "MEMBERSHIP_MISSING", f"{missing[0].kind} {missing[0].target}"
    more = f" (and {len(told) - 1} more: {'; '.join(told[1:])})" if len(told) > 1 else ""
    differences = [Difference(name, what.values[name], record.values.get(name)) for name in wrong]
    failure = Failure(code, told[0] + more, field=field)
    return Read(lead, failure, resend=bool(lost or wrong), missing=missing, differences=differences)


def _key(keys: Sequence[Sequence[Any]], matched_by: str) -> Decision:
    """The key that a lead was written by."""
    by, value, *options = next((key for key in keys if key[0] == matched_by), keys[0])
    return Decision(by, value, **options[0]) if options else Decision(by, value)


def _holds(what: Expected, name: str, held: Any) -> bool:
    sent = what.values[name]
    if name in what.if_empty and sent not in _BLANK:
        return held not in _BLANK
    if name == EMAIL:
        return text(sent).strip().lower() == text(held).strip().lower()
    if isinstance(held, (list, tuple)):  # several values, which vendors keep in an order of their own
        return _parts(sent) == _parts(held)
    return stored_as(sent, held)


def _parts(value: Any) -> set[str]:
    return {part.strip() for part in _SEPARATORS.split(text(value))} - {""}


def _reached(standing: Standing | None) -> bool:
    return standing is not None and standing.reached


def _missed(place: Membership, standing: Standing | None) -> str:
    if place.kind == "list":
        return f"list {place.target}: the person is not in it"
    if standing is None:
        return f"program {place.target}: no member, was given {place.status!r}"
    return f"program {place.target}: is {standing.status!r}, was given {place.status!r}"


def _shown(value: Any) -> str:
    found = repr(text(value))
    return found if len(found) <= _LONGEST else f"{found[: _LONGEST - 2]}…'"
