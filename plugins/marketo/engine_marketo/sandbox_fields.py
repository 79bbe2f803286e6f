"""The sandbox's lead fields: the standard ones, the custom ones of the seed, and what values each takes.

Checking a value is the hot path of every write, so each field gets one function, made once, that returns the value as
it is stored or raises ValueError.
Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/field-types
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

Check = Callable[[Any], Any]

#: Type, length, read-only -> "name:id …": the standard fields that a new instance describes.
_STANDARD: tuple[tuple[str, int | None, bool, str], ...] = (
    ("string", 255, False,
     "company:4 site:5 billingCity:7 billingState:8 billingCountry:9 billingPostalCode:10 mainPhone:12 industry:17 "
     "salutation:52 firstName:53 middleName:54 lastName:55 title:60 city:64 state:65 country:66 postalCode:67 "
     "registrationSourceType:72 emailInvalidCause:78 mktoDoNotCallCause:83 marketingSuspendedCause:86 "
     "blackListedCause:88 anonymousIP:103 emailSuspendedCause:124 department:126 cookies:136 leadSource:144 "
     "leadStatus:145 rating:160"),
    ("string", 255, True,
     "mktoName:45 personTimeZone:68 originalSourceType:70 originalSearchEngine:74 originalSearchPhrase:75 "
     "inferredCompany:104 inferredCountry:105 inferredCity:106 inferredStateRegion:107 inferredPostalCode:108 "
     "inferredMetropolitanArea:109 inferredPhoneAreaCode:110 ecids:830"),
    ("string", 2000, False, "registrationSourceInfo:73 unsubscribedReason:81 doNotCallReason:84"),
    ("string", 2000, True, "originalSourceInfo:71"),
    ("string", 50, False, "externalCompanyId:41 personType:46 externalSalesPersonId:137 leadRole:143"),
    ("string", 40, False, "sicCode:18"),
    ("email", 255, False, "email:56"),
    ("phone", 255, False, "phone:57 mobilePhone:58 fax:59"),
    ("url", 255, False, "website:11"),
    ("url", 255, True, "originalReferrer:76"),
    ("text", None, False, "billingStreet:6 mktoCompanyNotes:20 address:63 mktoPersonNotes:89"),
    ("boolean", None, False,
     "mktoIsPartner:48 isLead:49 mktoIsCustomer:50 isAnonymous:51 emailInvalid:77 unsubscribed:79 doNotCall:82 "
     "marketingSuspended:85 blackListed:87 emailSuspended:123"),
    ("integer", None, False,
     "numberOfEmployees:16 id:44 leadScore:146 priority:148 relativeScore:149 relativeUrgency:150"),
    ("float", None, False, "urgency:147"),
    ("currency", None, False, "annualRevenue:15"),
    ("date", None, False, "dateOfBirth:62"),
    ("datetime", None, False, "emailSuspendedAt:125 mktoAcquisitionDate:627"),
    ("datetime", None, True, "createdAt:130 updatedAt:131"),
    ("reference", None, False,
     "leadPartitionId:479 leadRevenueCycleModelId:485 leadRevenueStageId:487 acquisitionProgramId:625"),
    ("reference", None, True, "contactCompany:61 leadPerson:141 personPrimaryLeadInterest:181"),
)  # fmt: skip
_LABELS = {"email": "Email Address", "company": "Company Name", "title": "Job Title", "phone": "Phone Number"}

#: Fields that belong to the company of a lead, which Adobe's pages say this call does not take.
COMPANY_FIELDS = frozenset((
    "company", "site", "billingStreet", "billingCity", "billingState", "billingCountry", "billingPostalCode",
    "mainPhone", "website", "industry", "numberOfEmployees", "annualRevenue", "sicCode", "mktoCompanyNotes",
))  # fmt: skip
#: What leads can be filtered by beside custom fields of type string, email or integer.
#: Source: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/leads
SEARCHABLE = (
    "cookies", "email", "facebookId", "id", "leadPartitionId", "linkedInId", "sfdcAccountId", "sfdcContactId",
    "sfdcLeadId", "sfdcLeadOwnerId", "sfdcOpptyId", "twitterId",
)  # fmt: skip

#: The switches that the checks of values depend on.
CHECK_SWITCHES = ("overlong", "email_validation", "string_booleans")

_CUSTOM_IDS = 2001
_TEXT_BYTES = 30_000
_EMAIL = re.compile(r"[!-?A-~]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LeadField:
    """A field as describe shows it; `length` in characters. `rest`: whether the REST API can use it at all."""

    id: int
    name: str
    data_type: str
    length: int | None
    read_only: bool
    label: str
    custom: bool = False
    rest: bool = True


#: A field that describe lists without a `rest` part: no call can read or write it.
_NOT_REST = LeadField(900, "socialSyndicationId", "string", 2000, True, "Social Syndication ID", rest=False)


def lead_fields(custom: Iterable[Mapping[str, Any]]) -> dict[str, LeadField]:
    """The standard fields and those of the seed, by name.

    Keys of the seed's: `name`, `dataType`, `length`, `displayName`, `readOnly`, `rest` (false: not usable over REST).
    """
    fields = {
        name: LeadField(int(number), name, data_type, length, read_only, _LABELS.get(name) or _label(name))
        for data_type, length, read_only, names in _STANDARD
        for name, number in (entry.split(":") for entry in names.split())
    }
    fields[_NOT_REST.name] = _NOT_REST
    return {**fields, **custom_fields(custom)}


def custom_fields(custom: Iterable[Mapping[str, Any]]) -> dict[str, LeadField]:
    """The fields that rows of a seed describe, by name."""
    fields: dict[str, LeadField] = {}
    for number, row in enumerate(custom, start=_CUSTOM_IDS):
        name, data_type = str(row["name"]), str(row.get("dataType", "string"))
        length = row.get("length", None if data_type not in {"string", "email", "phone", "url"} else 255)
        label = str(row.get("displayName") or _label(name))
        fields[name] = LeadField(
            number, name, data_type, length, bool(row.get("readOnly")), label, custom=True, rest=row.get("rest", True)
        )
    return fields


def _label(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return words[0].upper() + words[1:]


def checks(fields: Iterable[LeadField], switches: Mapping[str, Any]) -> dict[str, Check]:
    """One check per field that can be written, by name; depends on the switches of CHECK_SWITCHES."""
    return {field.name: _check(field, switches) for field in fields if not field.read_only}


def _check(field: LeadField, switches: Mapping[str, Any]) -> Check:
    truncate, strict = switches["overlong"] == "truncate", switches["email_validation"] == "strict"
    if field.data_type == "boolean":
        return _boolean if switches["string_booleans"] == "accept" else _strict_boolean
    if field.data_type in _SCALARS:
        return _or_none(_SCALARS[field.data_type])
    text = _bytes_text(truncate) if field.data_type == "text" else _short_text(field.length or 255, truncate)
    # The standard address is checked only where the switch says so; a custom field of the type always is.
    return _address(text) if field.data_type == "email" and (strict or field.custom) else text


def _short_text(length: int, truncate: bool) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not str:
            value = _as_text(value)
        if not value:
            return None
        if len(value) > length:
            if not truncate:
                raise ValueError(value)
            return value[:length]
        return value

    return check


def _bytes_text(truncate: bool) -> Check:
    def check(value: Any) -> Any:
        value = _as_text(value)
        if not value:
            return None
        # Four bytes are the most that a character takes, so most texts need no encoding to be measured.
        if len(value) * 4 > _TEXT_BYTES and len(encoded := value.encode()) > _TEXT_BYTES:
            if not truncate:
                raise ValueError(value)
            return encoded[:_TEXT_BYTES].decode(errors="ignore")
        return value

    return check


def _address(text: Check) -> Check:
    def check(value: Any) -> Any:
        address = text(value.strip() if isinstance(value, str) else value)
        if address is not None and _EMAIL.fullmatch(address) is None:
            raise ValueError(value)
        return address

    return check


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise ValueError(value)


def _or_none(check: Check) -> Check:
    def checked(value: Any) -> Any:
        return None if value is None or value == "" else check(value)

    return checked


def _boolean(value: Any) -> bool:
    if value is None or value == "":
        return False
    word = str(value).lower()
    if word not in {"true", "false", "1", "0"}:
        raise ValueError(value)
    return word in {"true", "1"}


def _strict_boolean(value: Any) -> bool:
    if value is None or value == "":
        return False
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


def is_address(text: str) -> bool:
    """Whether a text is an email address as Marketo takes them: ASCII only."""
    return _EMAIL.fullmatch(text) is not None


def from_text(field: LeadField | None, value: Any) -> Any:
    """A value of a seed as its field stores it; a text that the field's type cannot hold raises ValueError."""
    if field is None or not isinstance(value, str):
        return value
    return _boolean(value) if field.data_type == "boolean" else _SCALARS.get(field.data_type, str)(value)


def _integer(value: Any) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError(value)
    return value


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return value if isinstance(value, (int, float)) else number


def _date(value: Any) -> str:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError(value)
    return date.fromisoformat(value).isoformat()


def _datetime(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    moment = datetime.fromisoformat(value)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return timestamp(moment.astimezone(UTC))


def timestamp(moment: datetime) -> str:
    """A moment in UTC as leads carry it: without fractions of a second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


_SCALARS: Mapping[str, Check] = {
    "integer": _integer,
    "score": _integer,
    "percent": _integer,
    "reference": _integer,
    "float": _float,
    "currency": _float,
    "date": _date,
    "datetime": _datetime,
}
