"""The people and companies that a sandbox knows, found by whatever a request says about them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from engine_enrichers.sandbox.templates import texts_in

Record = Mapping[str, Any]
#: Fields of a person that say something about the company.
_OF_COMPANY = ("website", "industry", "description", "address", "city", "state", "state_code", "postal_code", "country",
               "country_code")  # fmt: skip
_SLUG = re.compile(r"linkedin\.com/(?:in|pub|company)/([^/?#\s]+)")
_SCHEME = re.compile(r"^[a-z]+://(?:www\.)?|^www\.")
_PHONE = re.compile(r"\+?[\d\s().-]{7,24}")


def _person(name: str, title: str, company: str, domain: str, **more: Any) -> Record:
    first, last = name.split(" ", 1)
    slug = re.sub(r"\W+", "-", name.lower())
    return {
        "first_name": first,
        "last_name": last,
        "job_title": title,
        "company": company,
        "company_domain": domain,
        "email": f"{first}.{last.replace(' ', '')}@{domain}".lower(),
        "linkedin_url": f"https://www.linkedin.com/in/{slug}-example",
        **more,
    }


#: Whom every provider knows beside the personas of the recordings; none of them exists.
PEOPLE: tuple[Record, ...] = (
    _person("Ada Quillfeather", "VP of Marketing", "Brightloom", "brightloom.example", mobile_phone="+12025550143",
            company_size="201-500", industry="Computer Software", city="Austin", state="Texas", country="USA"),
    _person("Bruno Tessarolo", "Plant Manager", "Ferrovanti", "ferrovanti.example", phone="+390255501234",
            company_size="1001-5000", industry="Machinery", city="Milano", state="Lombardia", country="Italy"),
    _person("Chidi Okonwaru", "Head of Procurement", "Palmcrest Foods", "palmcrest.example",
            company_size="501-1000", industry="Food Production", city="Lagos", country="Nigeria"),
    _person("Dagny van der Sloot", "Data Engineer", "Noordlicht", "noordlicht.example",
            company_size="11-50", industry="Information Technology", city="Utrecht", country="Netherlands"),
    _person("Emi Hoshikawa", "Product Designer", "Hoshi Works", "hoshiworks.example", confidence=0.4,
            company_size="51-200", city="Osaka", country="Japan"),
    _person("Felix Brandtmoor", "Chief Financial Officer", "Moorbach", "moorbach.example",
            mobile_phone="+4915112345678", company_size="51-200", industry="Banking", city="Köln", country="Germany"),
)  # fmt: skip


def complete(record: Record) -> dict[str, Any]:
    """The lead fields of a person or company, and what follows from them: what texts in answers may stand for."""
    made = {name: value for name, value in record.items() if value not in (None, "", [])}
    if "full_name" not in made and (made.get("first_name") or made.get("last_name")):
        made["full_name"] = f"{made.get('first_name', '')} {made.get('last_name', '')}".strip()
    if "full_name" in made and " " in made["full_name"]:
        first, last = made["full_name"].split(" ", 1)
        made = {"first_name": first, "last_name": last, **made}
    if email := str(made.get("email", "")).lower():
        made["email_domain"] = email.rpartition("@")[2]
        made["email_sha256"] = hashlib.sha256(email.encode()).hexdigest()
        made["email_md5"] = hashlib.md5(email.encode(), usedforsecurity=False).hexdigest()
    domain = _host(str(made.get("website", "")).lower()) or made.get("email_domain")
    if domain:
        made.setdefault("company_domain", domain)
    if found := _SLUG.search(str(made.get("linkedin_url", ""))):
        made["linkedin_slug"] = unquote(found[1])
        made["linkedin_url"] = f"https://www.linkedin.com/in/{made['linkedin_slug']}"
    made["person_id"] = identity(made)
    return made


def identity(record: Record) -> str:
    """A number of 15 digits that stands for a person or company, the same in every run."""
    names = ("email", "linkedin_url", "full_name", "company", "company_domain")
    text = "|".join(str(record.get(name, "")).casefold() for name in names)
    return str(int(hashlib.sha256(text.encode()).hexdigest()[:13], 16)).zfill(15)[:15]


class Directory:
    """Finds records by the identifiers in a request: one look-up a text, however many records there are."""

    def __init__(self, records: Iterable[Record], *, companies: bool = False) -> None:
        self.records: Sequence[dict[str, Any]] = [complete(record) for record in _merged(records, companies)]
        self._index: dict[str, int] = {}
        self._names: set[str] = set()
        self._firsts: set[str] = set()
        keys = _company_keys if companies else _person_keys
        for number, record in enumerate(self.records):
            for key in keys(record):
                self._index.setdefault(key, number)
            if not companies:
                self._names.update(_names_of(record))
                self._firsts.add(_fold(record.get("first_name", "")))

    def find(self, request: Any) -> dict[str, Any] | None:
        """The record that the texts of the request name: by contact or profile first, else by name and company."""
        texts = list(dict.fromkeys(_fold(text) for text in texts_in(request)))
        # Of two people that one request names, an address or a profile tells better than a phone that they share.
        for by_phone in (False, True):
            for text in texts:
                for key in _phone_keys(text) if by_phone else _text_keys(text):
                    if (number := self._index.get(key)) is not None:
                        return self.records[number]
        return self._by_name(texts)

    def _by_name(self, texts: Sequence[str]) -> dict[str, Any] | None:
        firsts = [text for text in texts if text in self._firsts]
        pairs = (f"{first} {last}" for first in firsts for last in texts)
        for name in (each for each in (*texts, *pairs) if each in self._names):
            for text in texts:
                for place in (text, _host(text)):
                    if (number := self._index.get(f"{name}|{place}")) is not None:
                        return self.records[number]
        return None


def companies_of(people: Iterable[Record]) -> Iterator[Record]:
    """The companies that the people work for."""
    for person in people:
        if person.get("company_domain") or person.get("company"):
            yield {key: value for key, value in person.items() if key.startswith("company") or key in _OF_COMPANY}


def _merged(records: Iterable[Record], companies: bool) -> Iterable[Record]:
    """Those with one address, or one domain, are one record; what the first of them says is true."""
    made: dict[str, Record] = {}
    for number, record in enumerate(records):
        names = ("company_domain", "company") if companies else ("email", "linkedin_url")
        key = next((_fold(record[name]) for name in names if record.get(name)), str(number))
        made[key] = {**record, **made.get(key, {})}
    return made.values()


def identifiers(record: Record) -> list[str]:
    """What a record is known by, for lists of those who must not be processed."""
    names = ("email", "email_sha256", "email_md5", "linkedin_slug", "person_id", "company_domain")
    return [_fold(record[name]) for name in names if record.get(name)]


def _person_keys(record: Record) -> Iterator[str]:
    for name in ("email", "email_sha256", "email_md5", "linkedin_url", "linkedin_slug", "person_id"):
        if record.get(name):
            yield from _text_keys(_fold(record[name]))
    for name in ("mobile_phone", "phone"):
        yield from _phone_keys(_fold(record.get(name, "")))
    for place in ("company", "company_domain", "company_linkedin_url", "city", "state", "postal_code", "address"):
        for name in _names_of(record) if record.get(place) else ():
            yield f"{name}|{_fold(record[place])}"


def _names_of(record: Record) -> set[str]:
    """The name as it is captured, and without what stands between first and last."""
    return {_fold(record.get("full_name", "")), _fold(f"{record.get('first_name', '')} {record.get('last_name', '')}")}


def _company_keys(record: Record) -> Iterator[str]:
    for name in ("company_domain", "website", "company", "company_linkedin_url", "person_id"):
        if record.get(name):
            yield from _text_keys(_fold(record[name]))
    yield from _phone_keys(_fold(record.get("company_phone", "")))


def _text_keys(text: str) -> Iterator[str]:
    yield text
    if found := _SLUG.search(text):
        yield unquote(found[1])
    elif host := _host(text):
        yield host


def _phone_keys(text: str) -> Iterator[str]:
    if _PHONE.fullmatch(text):
        yield "phone:" + re.sub(r"\D", "", text)


def _host(text: str) -> str:
    """The host of a web address without `www.`, or an empty text."""
    bare = _SCHEME.sub("", text).split("/", 1)[0]
    return bare if bare != text or "." in text else ""


def _fold(value: Any) -> str:
    return " ".join(str(value).split()).casefold()
