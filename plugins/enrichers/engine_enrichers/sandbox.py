"""Local stand-ins of enrichment providers, for trying a spec, for the demo and for tests; no person in them exists."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import orjson

from engine.testing.server import Request, Response, Sandbox

API_KEY = "sandbox-key"
_PATH = "/v5/person/enrich"

#: HTTP status, error type and message. Statuses: docs.peopledatalabs.com/docs/errors; messages are the sandbox's own.
_ERRORS: Mapping[str, tuple[int, str]] = {
    "invalid_request_error": (400, "Request contained either missing or invalid parameters"),
    "authentication_error": (401, "Request contained a missing or invalid key"),
    "payment_required": (402, "You have hit your account maximum for person enrichment"),
    "not_found": (404, "No records were found matching your request"),
    "rate_limit_error": (429, "An error occurred due to requests hitting the API too quick"),
    "api_error": (500, "The server encountered an unexpected condition"),
}
_CONTACTS = frozenset({"work_email", "mobile_phone", "phone_numbers", "personal_emails"})
_TITLED = frozenset(
    ("first_name", "last_name", "full_name", "job_title", "job_title_role", "job_company_name", "job_company_industry",
     "location_locality", "location_region", "location_country")
)  # fmt: skip


def _person(name: str, title: str, role: str, company: str, domain: str, **more: Any) -> dict[str, Any]:
    first, last = name.split(" ", 1)
    slug = re.sub(r"\W+", "-", name)
    return {
        "first_name": first,
        "last_name": last,
        "full_name": name,
        "job_title": title,
        "job_title_role": role,
        "job_company_name": company,
        "job_company_website": domain,
        "work_email": f"{first}.{last.replace(' ', '')}@{domain}",
        "personal_emails": [],
        "phone_numbers": [],
        "mobile_phone": None,
        "linkedin_url": f"linkedin.com/in/{slug}-example",
        **more,
    }


#: Everything in small letters and web addresses without scheme, as the provider has them.
PEOPLE: tuple[Mapping[str, Any], ...] = (
    _person("ada quillfeather", "vp of marketing", "marketing", "brightloom", "brightloom.example",
            job_company_size="201-500", job_company_industry="computer software", mobile_phone="+12025550143",
            location_locality="austin", location_region="texas", location_country="united states"),
    _person("bruno tessarolo", "plant manager", "operations", "ferrovanti", "ferrovanti.example",
            job_company_size="1001-5000", job_company_industry="machinery", phone_numbers=["+390255501234"],
            location_locality="milano", location_region="lombardia", location_country="italy"),
    _person("chidi okonwaru", "head of procurement", "operations", "palmcrest foods", "palmcrest.example",
            job_company_size="501-1000", job_company_industry="food production",
            location_locality="lagos", location_region="lagos", location_country="nigeria"),
    _person("dagny van der sloot", "data engineer", "engineering", "noordlicht", "noordlicht.example",
            job_company_size="11-50", job_company_industry="information technology and services",
            location_locality="utrecht", location_region="utrecht", location_country="netherlands"),
    _person("emi hoshikawa", "product designer", "design", "hoshi works", "hoshiworks.example", likelihood=4,
            job_company_size="51-200", location_locality="osaka", location_region="osaka", location_country="japan"),
    _person("felix brandtmoor", "chief financial officer", "finance", "moorbach", "moorbach.example",
            job_company_size="51-200", job_company_industry="banking", mobile_phone="+4915112345678",
            location_locality="köln", location_region="north rhine-westphalia", location_country="germany"),
)  # fmt: skip


class ProviderSandbox(Sandbox):
    """Answers as People Data Labs' person enrichment does.

    Source: docs.peopledatalabs.com/docs/reference-person-enrichment-api, …/output-response-person-enrichment-api.

    Seed: `people` (records in the provider's field names, `likelihood` from 1 to 10 where a match shall have that one)
    and `credits` (matches that can be paid for; none means no end).
    """

    name = "people_data_labs"
    people = "people"
    #: `restricted_plan`: contacts are `true` or `false` instead of their values. Whether it happens is undocumented.
    default_switches: ClassVar[Mapping[str, Any]] = {"restricted_plan": False}

    def load(self, seed: Mapping[str, Any]) -> None:
        self._people: list[Mapping[str, Any]] = list(seed.get("people", PEOPLE))
        self._credits: int | None = seed.get("credits")
        self._spent = 0
        self._index: dict[str, Mapping[str, Any]] = {}
        for person in self._people:
            for key in _keys_of(person):
                self._index.setdefault(key, person)

    def state(self) -> Mapping[str, Any]:
        return {"people": self._people, "credits": self._credits, "spent": self._spent}

    def environment(self) -> dict[str, str]:
        return {"PDL_BASE_URL": self.url, "PDL_API_KEY": API_KEY}

    def error_response(self, code: str) -> Response:
        status, message = _ERRORS.get(code, _ERRORS["api_error"])
        return Response(status, {"status": status, "error": {"type": code, "message": message}}, self._headers(0))

    def handle(self, request: Request) -> Response:
        if request.path != _PATH:
            return Response(404, {"message": "no Route matched with those values"})
        if API_KEY not in (request.headers.get("x-api-key"), request.query.get("api_key")):
            return self.error_response("authentication_error")
        if request.method not in ("GET", "POST"):
            return Response(405, {"status": 405, "error": {"type": "invalid_request_error", "message": "method"}})
        try:
            params = dict(request.query) if request.method == "GET" else dict(request.json())
        except (ValueError, TypeError):
            return self.error_response("invalid_request_error")
        return self._enrich({name: str(value).strip().lower() for name, value in params.items()})

    def _enrich(self, params: Mapping[str, str]) -> Response:
        lowest = params.get("min_likelihood", "2")
        if not _has_minimum(params) or not re.fullmatch(r"[1-9]|10", lowest):
            return self.error_response("invalid_request_error")
        with self.lock:
            if self._credits is not None and self._spent >= self._credits:
                return self.error_response("payment_required")
            person, likelihood = self._match(params)
            if person is None or likelihood < int(lowest) or not _has_required(person, params.get("required", "")):
                return self.error_response("not_found")
            self._spent += 1
            body = {"status": 200, "likelihood": likelihood, "data": self._data(person, params)}
            return Response(200, body, self._headers(1))

    def _match(self, params: Mapping[str, str]) -> tuple[Mapping[str, Any] | None, int]:
        """The person and how likely it is the one: by contact 9, by name and company 7, by name and place 5."""
        name = params.get("name") or f"{params.get('first_name', '')} {params.get('last_name', '')}".strip()
        tries = (
            (_profile(params.get("profile", "")), 9),
            (params.get("email", ""), 9),
            (_digits(params.get("phone", "")), 9),
            (f"{name}|{params.get('company')}", 7),
            (f"{name}|{params.get('locality') or params.get('location')}", 5),
        )
        for key, likelihood in tries:
            if key and (person := self._index.get(key)):
                return person, int(person.get("likelihood", likelihood))
        return None, 0

    def _data(self, person: Mapping[str, Any], params: Mapping[str, str]) -> dict[str, Any]:
        data = {name: value for name, value in person.items() if name != "likelihood"}
        if params.get("titlecase") == "true":
            data |= {name: value.title() for name, value in data.items() if name in _TITLED and value}
        if self.switches["restricted_plan"]:
            data |= {name: bool(value) for name, value in data.items() if name in _CONTACTS}
        return data

    def _headers(self, spent: int) -> dict[str, str]:
        """Limits are JSON in headers, and there is no Retry-After: docs.peopledatalabs.com/docs/usage-limits"""
        headers = {"x-call-credits-spent": str(spent), "x-ratelimit-limit": orjson.dumps({"minute": 100}).decode()}
        if self._credits is not None:
            headers["x-totallimit-remaining"] = str(max(0, self._credits - self._spent))
        return headers


def _keys_of(person: Mapping[str, Any]) -> list[str]:
    """What a person is found by."""
    contacts = [person.get("work_email"), *(person.get("personal_emails") or ())]
    phones = [person.get("mobile_phone"), *(person.get("phone_numbers") or ())]
    name = person.get("full_name") or f"{person.get('first_name')} {person.get('last_name')}"
    near = ("job_company_name", "job_company_website", "location_locality")
    return [
        *(str(contact).lower() for contact in contacts if contact),
        *(_digits(phone) for phone in phones if phone),
        *([_profile(person["linkedin_url"])] if person.get("linkedin_url") else ()),
        *(f"{name}|{person[place]}".lower() for place in near if person.get(place)),
    ]


def _profile(url: str) -> str:
    return re.sub(r"^https?://(www\.)?", "", url.lower()).rstrip("/")


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)


def _has_minimum(params: Mapping[str, str]) -> bool:
    """One of the contacts, or a name with one of company, school and place."""
    if any(params.get(name) for name in ("profile", "email", "phone", "email_hash", "lid", "pdl_id")):
        return True
    named = params.get("name") or (params.get("first_name") and params.get("last_name"))
    near = ("company", "school", "location", "locality", "region", "postal_code")
    return bool(named) and any(params.get(name) for name in near)


def _has_required(person: Mapping[str, Any], expression: str) -> bool:
    """Whether the record has the fields of an expression `a OR b` or `a AND b` (no brackets here)."""
    if not expression:
        return True
    quantifier: Callable[..., bool] = all if " and " in expression else any
    return quantifier(person.get(name.strip()) for name in re.split(r" and | or ", expression))


#: The sandboxes by provider.
SANDBOXES: Mapping[str, type[ProviderSandbox]] = {ProviderSandbox.name: ProviderSandbox}
