"""What the sandbox accepts in a prospect's fields.

Source: developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5; what it leaves open is a switch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from engine_pardot.sandbox_errors import ApiError
from engine_pardot.sandbox_schema import (
    BOOLEAN,
    DATE,
    EMAIL,
    INTEGER,
    NUMBER,
    SEVERAL,
    TEXT,
    TIME,
    FieldRule,
    has_several,
)
from engine_pardot.sandbox_seed import Unit, User

#: The server's rule for addresses, as quoted by the vendor's staff (github.com/pardot/api-docs/issues/79).
_EMAIL = re.compile(r"[^ @]{1,64}@[^ @]{1,255}\.[^ @]{2,13}")
_EMAIL_LONG_TLD = re.compile(r"[^ @]{1,64}@[^ @]{1,255}\.[^ @]{2,}")
_EMAIL_LENGTH = 255
#: The code of a bad value by its kind, where the switch `value_code` says so.
_TYPED = {INTEGER: "16", NUMBER: "56", BOOLEAN: "50", DATE: "57"}

#: Reads a value as one kind; None where it cannot be read.
Cast = Callable[[Any], Any]

#: A value that is not stored although the request succeeds.
_DROPPED = object()


class Rules:
    """What a business unit accepts. `cells`: values are the texts of a file, and what is too long is cut off."""

    def __init__(self, unit: Unit, switches: Mapping[str, Any], *, cells: bool = False) -> None:
        self._unit = unit
        self._switches = switches
        self._casts = _CELLS if cells else _CASTS
        self._cuts = cells

    def email(self, given: Any) -> str:
        """The address as it is stored. Raises ApiError 4 for what is none."""
        shape = _EMAIL_LONG_TLD if self._switches["long_tld"] == "accept" else _EMAIL
        text = given.strip() if isinstance(given, str) and self._switches["email_spaces"] == "trim" else given
        if not isinstance(text, str) or len(text) > _EMAIL_LENGTH or not shape.fullmatch(text):
            raise ApiError("4")
        return text

    def checked(self, values: Mapping[str, Any], user: User) -> dict[str, Any]:
        """Return the values as they are stored; raises ApiError for the first rule that is broken."""
        rules = {name: self.writable(name) for name in values}
        unknown = sorted(name for name, rule in rules.items() if rule is None)
        if unknown:
            raise ApiError("180", ", ".join(unknown))
        stored: dict[str, Any] = {}
        for name, value in values.items():
            kept = self._stored(rules[name] or FieldRule(name), value)
            if kept is not _DROPPED:
                stored[name] = kept
        self._check_references(stored, user)
        return stored

    def writable(self, name: str) -> FieldRule | None:
        """The rule of a field that can be written, None for any other name."""
        rule = self._unit.rule(name)
        refused = rule is None or not rule.writable
        refused = refused or (name == "optedOut" and self._switches["opted_out"] == "reject")
        return None if refused else rule

    def _stored(self, rule: FieldRule, value: Any) -> Any:
        if rule.kind == EMAIL:
            return self.email(value)
        if rule.name == "optedOut" and self._switches["opted_out"] == "drop":
            return _DROPPED
        record = self._unit.custom_fields.get(rule.name, {})
        if value is None or value == "":
            return self._emptied(rule, value, record)
        if rule.kind == SEVERAL or (record and has_several(record)):
            return self._several(rule, value)
        cast: Cast = self._casts.get(rule.kind, _text)
        kept = cast(value)
        if kept is None:
            # Custom numbers and dates that cannot be read were dropped without a word by version 4.
            lenient = record and rule.kind in {NUMBER, DATE} and self._switches["bad_custom_value"] == "drop"
            return _DROPPED if lenient else self._invalid(rule)
        if isinstance(kept, str):
            return self._listed(rule, self._fitting(rule, kept), record.get("values"))
        return kept

    def _emptied(self, rule: FieldRule, value: Any, record: Mapping[str, Any]) -> Any:
        """What null, or an empty text, does to a field; one that is required cannot be cleared."""
        handling = self._switches["null_value" if value is None else "empty_text"]
        if handling == "ignore":
            return _DROPPED
        if handling == "reject":
            return self._invalid(rule)
        if record.get("isRequired"):
            raise ApiError("153", rule.name)
        return value if handling == "store" and rule.kind == TEXT else None

    def _fitting(self, rule: FieldRule, text: str) -> str:
        if rule.length is None or len(text) <= rule.length:
            return text
        handling = "cut" if self._cuts else self._switches["too_long"]
        if handling == "reject":
            self._invalid(rule)
        return text[: rule.length] if handling == "cut" else text

    def _listed(self, rule: FieldRule, text: str, allowed: Any) -> Any:
        """Apply the predefined values of a drop-down or radio field."""
        if not allowed or text in allowed or self._switches["unlisted_option"] == "accept":
            return text
        return _DROPPED if self._switches["unlisted_option"] == "drop" else self._invalid(rule)

    def _several(self, rule: FieldRule, value: Any) -> list[str]:
        """A field with several values takes a list of texts, or one text with semicolons."""
        ways = self._switches["multi_value"]
        if isinstance(value, str) and ways != "list":
            return [part.strip() for part in value.split(";") if part.strip()]
        if isinstance(value, list) and ways != "text" and all(isinstance(each, str) for each in value):
            return value
        return list(self._invalid(rule))

    def _invalid(self, rule: FieldRule) -> Any:
        if self._switches["value_code"] == "typed":
            raise ApiError("29" if rule.name == "score" else _TYPED.get(rule.kind, "154"), rule.name)
        raise ApiError("154", rule.name)

    def _check_references(self, values: Mapping[str, Any], user: User) -> None:
        """What a prospect refers to must exist. The sandbox has no prospect accounts and one profile."""
        unit = self._unit
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
            raise ApiError("37" if self._switches["crm_connector"] else "61")


def seeded(unit: Unit, row: Mapping[str, Any]) -> dict[str, Any]:
    """A prospect of the seed as it is stored; any field may be given, texts stand for other kinds.

    Raises ValueError for a field that there is not, and for what a field cannot hold.
    """
    if not row.get("email"):
        raise ValueError("a prospect of the seed has no email")
    stored: dict[str, Any] = {}
    for name, value in row.items():
        rule = unit.rule(name)
        if rule is None:
            raise ValueError(f"the seed has a prospect with the field {name}, which there is not")
        cast: Cast = _SEEDED.get(rule.kind, _text)
        kept = value if value is None else cast(value)
        if kept is None and value is not None:
            raise ValueError(f"the seed has {value!r} in the field {name}")
        stored[name] = kept
    return stored


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


def _boolean_cell(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())


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


def _time(value: Any) -> str | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return None if moment.tzinfo is None else moment.isoformat()


def _values(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else str(value).split(";")


_CASTS: Mapping[str, Cast] = {INTEGER: _integer, NUMBER: _float, BOOLEAN: _boolean, DATE: _date}
_CELLS: Mapping[str, Cast] = {**_CASTS, BOOLEAN: _boolean_cell}
_SEEDED: Mapping[str, Cast] = {**_CELLS, TIME: _time, SEVERAL: _values}
