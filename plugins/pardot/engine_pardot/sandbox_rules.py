"""What the sandbox accepts in a prospect's fields.

Source: developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5; what it leaves open is a switch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from engine.records import Field
from engine_pardot.fields import custom_field
from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_seed import Unit, User

#: The server's rule for addresses, as quoted by the vendor's staff (github.com/pardot/api-docs/issues/79).
_EMAIL = re.compile(r"[^ @]{1,64}@[^ @]{1,255}\.[^ @]{2,13}")
_EMAIL_LENGTH = 255
_MULTIPLE = frozenset({"checkbox", "multi-select"})

#: A value that is not stored although the request succeeds.
_DROPPED = object()


def check_email(email: Any) -> None:
    """Raises ApiError 4 for what is no address."""
    if not isinstance(email, str) or len(email) > _EMAIL_LENGTH or not _EMAIL.fullmatch(email):
        raise ApiError("4")


def checked(values: Mapping[str, Any], unit: Unit, user: User, switches: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as they are stored; raises ApiError for the first rule that is broken."""
    fields = {name: _writable(name, unit) for name in values}
    unknown = sorted(name for name, found in fields.items() if found is None)
    if unknown:
        raise ApiError("180", ", ".join(unknown))
    stored: dict[str, Any] = {}
    for name, value in values.items():
        kept = _stored(fields[name] or Field(name), value, unit, switches)
        if kept is not _DROPPED:
            stored[name] = kept
    if "email" in stored:
        check_email(stored["email"])
    _check_references(stored, unit, user, switches)
    return stored


def _writable(name: str, unit: Unit) -> Field | None:
    record = unit.custom_fields.get(name)
    if record is not None:
        return custom_field(record)
    standard = unit.standard.get(name)
    return standard if standard is not None and standard.writable else None


def _stored(field: Field, value: Any, unit: Unit, switches: Mapping[str, Any]) -> Any:
    if value is None:
        return None
    record = unit.custom_fields.get(field.name, {})
    kind = str(record.get("type", "")).lower()
    if kind in _MULTIPLE:
        return _several(field, value)
    cast: Callable[[Any], Any] = _CASTS.get(field.type, _text)
    kept = cast(value)
    if kept is None:
        # Custom numbers and dates that cannot be read were dropped without a word by version 4.
        lenient = field.name in unit.custom_fields and switches["bad_custom_value"] == "drop"
        return _DROPPED if lenient else _invalid(field)
    if isinstance(kept, str):
        return _listed(field, _fitting(field, kept, switches), record.get("values"), switches)
    return kept


def _fitting(field: Field, text: str, switches: Mapping[str, Any]) -> str:
    if field.length is None or len(text) <= field.length or field.type == "email":
        return text
    if switches["too_long"] == "reject":
        _invalid(field)
    return text[: field.length] if switches["too_long"] == "cut" else text


def _listed(field: Field, text: str, allowed: Any, switches: Mapping[str, Any]) -> Any:
    """Apply the predefined values of a drop-down or radio field."""
    if not allowed or text in allowed or switches["unlisted_option"] == "accept":
        return text
    return _DROPPED if switches["unlisted_option"] == "drop" else _invalid(field)


def _several(field: Field, value: Any) -> list[str]:
    """A multi-value field takes a list of texts, or one text with semicolons."""
    if isinstance(value, str):
        return [part for part in value.split(";") if part]
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    return list(_invalid(field))


def _invalid(field: Field) -> Any:
    raise ApiError("154", field.name)


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value)


def _integer(value: Any) -> int | None:
    number = _float(value)
    return int(number) if number is not None and number.is_integer() else None


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _date(value: Any) -> str | None:
    """A date as YYYY-MM-DD; of a date with a time only the date is kept."""
    if not isinstance(value, str):
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(value).date().isoformat()
    except ValueError:
        return None


_CASTS: Mapping[str, Callable[[Any], Any]] = {
    "integer": _integer, "float": _float, "boolean": _boolean, "date": _date,
}  # fmt: skip


def _check_references(values: Mapping[str, Any], unit: Unit, user: User, switches: Mapping[str, Any]) -> None:
    """What a prospect refers to must exist. The sandbox has no prospect accounts and one profile."""
    if values.get("userId") is not None and values.get("salesforceOwnerId") is not None:
        raise ApiError("125")
    if (values.get("userId") or values.get("salesforceOwnerId")) and "assign" not in user.abilities:
        raise ApiError("46", "Prospects > Prospects > Assign")
    if values.get("userId") is not None and values["userId"] not in unit.users:
        raise ApiError("10")
    if values.get("campaignId") is not None and values["campaignId"] not in unit.campaigns:
        raise ApiError("38")
    if values.get("profileId") is not None and values["profileId"] != 1:
        raise ApiError("39")
    if values.get("prospectAccountId") is not None:
        raise ApiError("37" if switches["crm_connector"] else "61")
