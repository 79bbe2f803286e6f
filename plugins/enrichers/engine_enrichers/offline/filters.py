"""Filters for expressions: phone numbers, countries and the names in a whole name.

They say what the enrichers of this package know, without filling anything in. What is not understood stays as it is
written: nothing is guessed and nothing lost. No text that is longer than a name or a number is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.filters import ArgumentError, text
from engine_enrichers.offline import name_parts
from engine_enrichers.offline.contacts import normal_phone
from engine_enrichers.offline.places import country_as, country_of

_MAX_LENGTH = 250
_FORMS = {"e164": "E164", "international": "INTERNATIONAL", "national": "NATIONAL"}


def phone(value: Any, region: str = "") -> str:
    """A phone number as E.164, read as one of the region (a country's name or code); what is none stays as it is."""
    written = text(value)
    return normal_phone(written, _country(region)) if len(written) <= _MAX_LENGTH else written


def phone_format(value: Any, form: str) -> str:
    """A phone number with a country prefix as `national`, `international` or `e164`; what is none stays as it is."""
    if form not in _FORMS:
        raise ArgumentError(f"the form is one of {', '.join(_FORMS)}")
    written = text(value)
    number = phone(written)
    if form == "e164" or not number.startswith("+"):
        return number
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return written
    if not phonenumbers.is_valid_number(parsed):
        return written
    return str(phonenumbers.format_number(parsed, getattr(phonenumbers.PhoneNumberFormat, _FORMS[form])))


def country_code(value: Any) -> str:
    """A country's ISO 3166 code of two letters, from its name or code; what is none stays as it is."""
    return _country(value) or text(value)


def country_alpha3(value: Any) -> str:
    """A country's ISO 3166 code of three letters, from its name or code; what is none stays as it is."""
    code = _country(value)
    return country_as(code, "alpha_3") if code else text(value)


def country_name(value: Any) -> str:
    """A country's usual English name, from its name or code; what is none stays as it is."""
    code = _country(value)
    return country_as(code, "name") if code else text(value)


def first_name(value: Any) -> str:
    """The given name in a whole name; nothing where it cannot be told without guessing."""
    found = _parts(value)
    return found.first_name if found else ""


def last_name(value: Any) -> str:
    """The family name in a whole name; the whole of it where that cannot be told without guessing."""
    found = _parts(value)
    return found.last_name if found and found.last_name else text(value)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "country_alpha3": country_alpha3,
    "country_code": country_code,
    "country_name": country_name,
    "first_name": first_name,
    "last_name": last_name,
    "phone": phone,
    "phone_format": phone_format,
}


def _country(value: Any) -> str | None:
    written = text(value)
    return country_of({"country": written}) if len(written) <= _MAX_LENGTH else None


def _parts(value: Any) -> name_parts.NameParts | None:
    written = text(value)
    return name_parts.split(written) if len(written) <= _MAX_LENGTH else None
