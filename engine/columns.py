"""The names of columns that mean a lead field without being listed in a spec."""

from __future__ import annotations

from collections.abc import Mapping

from engine.records import LEAD_FIELDS

#: Column names that are recognised beside the lead fields' own names, as `squeeze` writes them.
ALIASES: Mapping[str, str] = {
    "firstname": "first_name", "givenname": "first_name", "forename": "first_name", "lastname": "last_name",
    "surname": "last_name", "familyname": "last_name", "emailaddress": "email", "mail": "email",
    "mobile": "mobile_phone", "cell": "mobile_phone", "phonenumber": "phone", "telephone": "phone",
    "title": "job_title", "jobtitle": "job_title", "position": "job_title", "companyname": "company",
    "organization": "company", "organisation": "company", "employer": "company", "account": "company",
    "zip": "postal_code", "zipcode": "postal_code", "postcode": "postal_code", "street": "address",
    "streetaddress": "address", "province": "state", "region": "state", "badge": "badge_id",
    "badgenumber": "badge_id", "badgeno": "badge_id", "eventname": "event", "show": "event",
    "scannedat": "captured_at", "scantime": "captured_at", "timestamp": "captured_at", "scannedby": "captured_by",
    "capturedby": "captured_by", "linkedin": "linkedin_url", "note": "notes", "comments": "notes",
    "comment": "notes", "url": "website", "marketoid": "remote_id", "leadid": "remote_id", "prospectid": "remote_id",
}  # fmt: skip


def squeeze(name: str) -> str:
    """A name without case and without all that is neither a letter nor a digit."""
    return "".join(character for character in name.casefold() if character.isalnum())


def recognise(column: str) -> str | None:
    """The lead field that a column's name means, if it does."""
    squeezed = squeeze(column)
    return next((field for field in LEAD_FIELDS if squeeze(field) == squeezed), ALIASES.get(squeezed))
