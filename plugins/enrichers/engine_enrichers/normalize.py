"""Brings what was captured into one form: text, names, email addresses, phones, countries, states and web addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from engine.adapters import Config, Context, EnrichAnswer, Enricher, Finding
from engine.errors import SpecError
from engine_enrichers.contacts import normal_domain, normal_email, normal_phone, normal_url
from engine_enrichers.places import country_as, country_code, state_as
from engine_enrichers.text import clean, clean_lines, clean_name

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
        "first_name", "last_name", "email", "phone", "mobile_phone", "job_title", "department", "company",
        "company_domain", "company_size", "industry", "website", "linkedin_url", "twitter_url", "facebook_url",
        "address", "city", "state", "postal_code", "country", "description", "notes",
    )  # fmt: skip
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "default_region": {
                "title": "Default region",
                "description": "Country (ISO 3166 alpha-2) of phone numbers and states of leads without a country.",
                "type": "string",
                "pattern": "^[A-Z]{2}$",
                "examples": ["US"],
            },
            "country_form": {
                "title": "Form of countries",
                "description": "Write a country as its common English name or as an ISO 3166 code.",
                "enum": ["name", "alpha_2", "alpha_3"],
                "default": "name",
                "examples": ["alpha_2"],
            },
            "state_form": {
                "title": "Form of states",
                "description": "Write a state as its ISO 3166-2 name or as the code without the country.",
                "enum": ["name", "code"],
                "default": "name",
                "examples": ["code"],
            },
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
        self._default_region: str | None = config.get("default_region")
        if self._default_region is not None and country_code(self._default_region) != self._default_region:
            raise SpecError(
                f"{self._default_region!r} is not a country code",
                where="enrichment.normalize.config.default_region",
                fix="Use an ISO 3166 alpha-2 code in capitals, such as US or DE.",
            )
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
            "phone": self._phone,
            "mobile_phone": self._phone,
            "country": self._country,
            "state": self._state,
            "company_domain": lambda text, lead: normal_domain(text),
            "linkedin_url": lambda text, lead: clean(normal_url(text, keep_query=False)),
            **dict.fromkeys(("website", "twitter_url", "facebook_url"), lambda text, lead: clean(normal_url(text))),
            **dict.fromkeys(("address", "description", "notes"), lambda text, lead: clean_lines(text)),
        }
        if names:
            special |= dict.fromkeys(("first_name", "last_name"), lambda text, lead: clean_name(text))
        return {field: special.get(field, lambda text, lead: clean(text)) for field in self.provides}

    def _region(self, lead: Mapping[str, Any]) -> str | None:
        """The lead's country, or the default one where the lead has none that is known."""
        country = lead.get("country")
        return (country_code(country) if isinstance(country, str) else None) or self._default_region

    def _phone(self, text: str, lead: Mapping[str, Any]) -> str:
        return normal_phone(text, self._region(lead))

    def _country(self, text: str, lead: Mapping[str, Any]) -> str:
        code = country_code(text)
        return country_as(code, self._country_form) if code else clean(text)

    def _state(self, text: str, lead: Mapping[str, Any]) -> str:
        # A country that is written but not understood decides nothing: the default may be the wrong one.
        region = self._region(lead) if not lead.get("country") else country_code(str(lead["country"]))
        return (state_as(text, region, self._state_form) if region else None) or clean(text)
