"""Brings what was captured into one form: text, names, email addresses, phones, countries, states and web addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from engine.adapters import Config, Context, Enricher
from engine.asking import EnrichAnswer, Finding
from engine_enrichers.offline.casing import clean_name
from engine_enrichers.offline.contacts import normal_domain, normal_email, normal_phone, normal_url
from engine_enrichers.offline.phones import DEFAULT_REGION, default_region
from engine_enrichers.offline.places import (
    COUNTRY_FORM,
    STATE_FORM,
    StateForm,
    country_as,
    country_code,
    country_of,
    state_as,
)
from engine_enrichers.offline.text import clean, clean_lines

Rule = Callable[[str, Mapping[str, Any]], str]
_MISS = EnrichAnswer("miss")


class Normalize(Enricher):
    """Offers the normal form of every value that is not in it; what is not valid stays as it was captured.

    Needs no network and no key. The engine hands it the fields to look at as `wanted`; none at all means every field.
    """

    name = "normalize"
    summary = "Brings names, emails, phones, countries, states and web addresses into one form, offline."
    rewrites = True
    provides = (
        "first_name", "middle_name", "last_name", "full_name", "salutation", "name_suffix", "email", "phone",
        "mobile_phone", "job_title", "department", "company", "company_domain", "company_size", "company_phone",
        "company_linkedin_url", "industry", "website", "linkedin_url", "twitter_url", "facebook_url", "address", "city",
        "state", "state_code", "postal_code", "country", "country_code", "description", "notes",
    )  # fmt: skip
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "default_region": DEFAULT_REGION,
            "country_form": COUNTRY_FORM,
            "state_form": STATE_FORM,
            "name_case": {
                "title": "Repair the case of names",
                "description": "Capitalise names that are all capitals or all small letters.",
                "type": "boolean",
                "default": True,
                "examples": [False],
            },
        },
    }

    def __init__(self, config: Config, context: Context) -> None:
        """Raises SpecError where `default_region` is no country."""
        super().__init__(config, context)
        self._default_region = default_region(config, self.name)
        self._country_form = config.get("country_form", "name")
        self._state_form = config.get("state_form", "name")
        self._rules = self._all_rules(names=config.get("name_case", True))
        self._plans: dict[tuple[str, ...], tuple[tuple[str, Rule], ...]] = {}

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Return a finding for each wanted value that changes; never raises."""
        findings: dict[str, Finding] = {}
        for field, rule in self._plan(tuple(wanted)):
            value = lead.get(field)
            if value and isinstance(value, str) and (normal := rule(value, lead)) != value:
                findings[field] = Finding(normal)
        return EnrichAnswer("hit", findings) if findings else _MISS

    def _plan(self, wanted: tuple[str, ...]) -> tuple[tuple[str, Rule], ...]:
        plan = self._plans.get(wanted)
        if plan is None:
            chosen = wanted or self.provides
            plan = tuple((field, rule) for field, rule in self._rules.items() if field in chosen)
            self._plans[wanted] = plan
        return plan

    def _all_rules(self, *, names: bool) -> dict[str, Rule]:
        special: dict[str, Rule] = {
            "email": lambda text, lead: normal_email(text),
            "country": self._country,
            "country_code": lambda text, lead: country_code(text) or clean(text),
            "state": self._state,
            "state_code": self._state_code,
            "company_domain": lambda text, lead: normal_domain(text),
            **dict.fromkeys(("phone", "mobile_phone", "company_phone"), self._phone),
            **dict.fromkeys(
                ("linkedin_url", "company_linkedin_url"),
                lambda text, lead: clean(normal_url(text, keep_query=False)),
            ),
            **dict.fromkeys(("website", "twitter_url", "facebook_url"), lambda text, lead: clean(normal_url(text))),
            **dict.fromkeys(("address", "description", "notes"), lambda text, lead: clean_lines(text)),
        }
        if names:
            special |= dict.fromkeys(("first_name", "middle_name", "last_name"), self._name)
            special["full_name"] = self._full_name
        return {field: special.get(field, lambda text, lead: clean(text)) for field in self.provides}

    def _region(self, lead: Mapping[str, Any]) -> str | None:
        """The lead's country, or the default one where the lead has none that is known."""
        return country_of(lead) or self._default_region

    def _name(self, text: str, lead: Mapping[str, Any]) -> str:
        return clean_name(text, country_of(lead))

    def _full_name(self, text: str, lead: Mapping[str, Any]) -> str:
        return clean_name(text, country_of(lead), whole="," not in text)

    def _phone(self, text: str, lead: Mapping[str, Any]) -> str:
        return normal_phone(text, self._region(lead))

    def _country(self, text: str, lead: Mapping[str, Any]) -> str:
        code = country_code(text)
        return country_as(code, self._country_form) if code else clean(text)

    def _state(self, text: str, lead: Mapping[str, Any]) -> str:
        return self._state_as(text, lead, self._state_form)

    def _state_code(self, text: str, lead: Mapping[str, Any]) -> str:
        return self._state_as(text, lead, "code")

    def _state_as(self, text: str, lead: Mapping[str, Any], form: StateForm) -> str:
        # A country that is written but not understood decides nothing: the default may be the wrong one.
        region = country_of(lead) if lead.get("country") or lead.get("country_code") else self._default_region
        return (state_as(text, region, form) if region else None) or clean(text)
