"""Import files: the rows of persons and program members, and which field a failed row's reason is about.

The header has the REST names of the fields. What an empty cell does is not documented.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-lead-import
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.import_files import Cells, folded, row_cells
from engine.records import Delivery, Field, Membership
from engine_marketo.lookup import is_id

#: The largest file in bytes: the vendor takes 10 MB, and the frame of the form that carries the file counts.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-import
MAX_FILE = 9_990_000

EMAIL, ID = "email", "id"

#: What says that a value was wrong, as opposed to the record or the import.
_WRONG_VALUE = re.compile(r"\b(invalid|not valid|exceed\w*|too long|length|format|data type|range)\b", re.IGNORECASE)
#: What stands before the name of a field.
_FIELD = re.compile(r"\bfields?\b:? ?['\"]?", re.IGNORECASE)


def lead_cells(delivery: Delivery) -> Cells | None:
    """Return the row of a person, or None where an import would not write the delivery as it is meant.

    An import inserts or updates by the email address and only updates by the id.
    """
    decision, fields = delivery.decision, dict(delivery.fields)
    value = decision.value.strip()
    if decision.by == EMAIL and decision.action == "upsert" and decision.duplicates == "fail":
        return row_cells(EMAIL, value, fields, MAX_FILE)
    if decision.by == "lead_id" and decision.action != "create_only" and is_id(value):
        if not decision.update_email:
            fields.pop(EMAIL, None)
        return row_cells(ID, str(int(value)), fields, MAX_FILE)
    return None


def member_cells(delivery: Delivery, place: Membership) -> Cells | None:
    """Return the row of a program member, or None where an import cannot carry it.

    Members are found by their address and nothing else, so one that was written by another key is not among them.
    """
    known = delivery.decision.by == EMAIL and place.kind == "program" and is_id(place.target) and place.status
    return row_cells(EMAIL, delivery.decision.value.strip(), place.data, MAX_FILE) if known else None


def row_key(delivery: Delivery, column: str) -> str:
    """The key of a delivery's row as files are searched by it; empty where the file has no row for it."""
    by = {EMAIL: EMAIL, ID: "lead_id"}[column]
    return folded(delivery.decision.value) if delivery.decision.by == by else ""


def wrong_field(reason: str, columns: Sequence[str], fields: Sequence[Field]) -> str:
    """The field of the import whose value a reason calls wrong, or "" where it does not say so beyond doubt.

    Reasons name a field by its display name, as in "Invalid data type in field Lead Score".
    """
    if _WRONG_VALUE.search(reason) is None:
        return ""
    rests = [reason[found.end() :].lower() for found in _FIELD.finditer(reason)]
    named = [(label.lower(), field.name) for field in fields for label in (field.label, field.name) if label]
    found = [(len(label), name) for label, name in named if any(_starts(rest, label) for rest in rests)]
    # One display name can be the start of another, and two fields can have the same.
    longest = max((length for length, _ in found), default=0)
    names = {name for length, name in found if length == longest} & set(columns)
    return names.pop() if len(names) == 1 else ""


def _starts(text: str, label: str) -> bool:
    return text.startswith(label) and not text[len(label) : len(label) + 1].isalnum()
