"""Tells what kind of line a phone number is, and the country of a lead that has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from engine.adapters import Config, Context, Enricher
from engine.asking import EnrichAnswer, Finding
from engine.errors import SpecError
from engine_enrichers.offline.contacts import normal_phone
from engine_enrichers.offline.places import country_as, country_code, country_of

DEFAULT_REGION: Mapping[str, Any] = {
    "title": "Default region",
    "description": "Country (ISO 3166 alpha-2) of phone numbers and states of leads without a country.",
    "type": "string",
    "pattern": "^[A-Z]{2}$",
    "examples": ["US"],
}
#: phonenumbers' own numbers of the kinds, in words.
_KINDS = {
    0: "landline", 1: "mobile", 2: "fixed_or_mobile", 3: "toll_free", 4: "premium", 5: "shared_cost", 6: "voip",
    7: "personal", 8: "pager", 9: "company", 10: "voicemail",
}  # fmt: skip
#: Kinds that are bound to a place; a toll-free or internet number may be answered anywhere.
_PLACED = frozenset({0, 1, 2})
#: People keep their number when they move.
_COUNTRY_CONFIDENCE = 0.8
_TYPES = {"phone": "phone_type", "mobile_phone": "mobile_phone_type"}


def default_region(config: Config, step: str) -> str | None:
    """The configured default region. Raises SpecError where that is no country; `step` says whose configuration."""
    region: str | None = config.get("default_region")
    if region is not None and country_code(region) != region:
        raise SpecError(
            f"{region!r} is not a country code",
            where=f"enrichment.{step}.config.default_region",
            fix="Use an ISO 3166 alpha-2 code in capitals, such as US or DE.",
        )
    return region


@lru_cache(maxsize=4096)
def described(number: str) -> tuple[str, str]:
    """The kind of a number in E.164 and the country (alpha-2) that it belongs to; each empty where it is not certain.

    `fixed_or_mobile`: the numbering plan (such as that of the United States) does not tell the two apart.
    """
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return "", ""
    if not phonenumbers.is_valid_number(parsed):
        return "", ""
    kind = phonenumbers.number_type(parsed)
    regions = phonenumbers.region_codes_for_country_code(parsed.country_code or 0) if kind in _PLACED else ()
    valid = [region for region in regions if phonenumbers.is_valid_number_for_region(parsed, region)]
    # The plan knows some regions that are no countries of ISO 3166 (AC, TA, XK).
    known = [region for region in valid if country_code(region) == region]
    return _KINDS.get(kind, ""), known[0] if len(valid) == len(known) == 1 else ""


class Phones(Enricher):
    """Fills the kinds of a lead's phone numbers, and its country by a number with country prefix. Needs no network.

    Numbers are put into one form by `normalize`; this step reads them in whatever form they are.
    """

    name = "phones"
    summary = "Tells mobile from landline and toll-free numbers, and takes a missing country from the number."
    provides = ("phone_type", "mobile_phone_type", "country")
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"default_region": DEFAULT_REGION},
    }

    def __init__(self, config: Config, context: Context) -> None:
        """Raises SpecError where `default_region` is no country."""
        super().__init__(config, context)
        self._default_region = default_region(config, self.name)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Return the wanted of the three fields; "skipped" where the lead has no phone number. Never raises."""
        captured = {field: lead[field] for field in _TYPES if isinstance(lead.get(field), str) and lead[field]}
        if not captured:
            return EnrichAnswer("skipped", detail="no phone number")
        region = country_of(lead) or self._default_region
        findings: dict[str, Finding] = {}
        countries: set[str] = set()
        for field, text in captured.items():
            kind, _ = described(normal_phone(text, region))
            if kind and _TYPES[field] in wanted:
                findings[_TYPES[field]] = Finding(kind)
            # Only the number's own prefix tells a country, not the region that it was read with.
            countries.add(described(normal_phone(text, None))[1])
        countries.discard("")
        if "country" in wanted and len(countries) == 1 and not lead.get("country") and not lead.get("country_code"):
            findings["country"] = Finding(country_as(countries.pop(), "name"), _COUNTRY_CONFIDENCE)
        return EnrichAnswer("hit", findings) if findings else EnrichAnswer("miss", detail="no valid number")
