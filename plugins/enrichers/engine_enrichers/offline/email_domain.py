"""Finds a company's domain: in its website, then in an email address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from engine.adapters import Config, Context, Enricher
from engine.asking import EnrichAnswer, Finding
from engine_enrichers.offline.contacts import normal_domain
from engine_enrichers.offline.domains import registrable, website_domain
from engine_enrichers.offline.emails import EXTRA_FREE_DOMAINS, address_of, kind_of

#: A person may write from another company's domain, and a company may have several, so neither is certain.
_WEBSITE_CONFIDENCE = 0.95
_ADDRESS_CONFIDENCE = 0.9


class EmailDomain(Enricher):
    """Fills `company_domain` from the website or else a business address, and `email_type`. Needs no network."""

    name = "email_domain"
    summary = "Takes the company domain from the website or a business address, and tells kinds of addresses apart."
    provides = ("company_domain", "email_type")
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"extra_free_domains": EXTRA_FREE_DOMAINS},
    }

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self._free = frozenset(domain.lower() for domain in config.get("extra_free_domains", ()))

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Return the wanted of the two fields; "skipped" where there is neither website nor valid address."""
        findings: dict[str, Finding] = {}
        website = lead.get("website")
        if isinstance(website, str) and website and (domain := website_domain(normal_domain(website))):
            findings["company_domain"] = Finding(domain, _WEBSITE_CONFIDENCE)
        address = address_of(lead.get("email"))
        if not address and not findings:
            return EnrichAnswer("skipped", detail="no website of a company and no valid email address")
        detail = ""
        if address:
            kind = kind_of(address, self._free)
            findings["email_type"] = Finding(kind)
            detail = f"a {kind} address"
            if kind in ("business", "role"):
                found = Finding(registrable(address.rpartition("@")[2]), _ADDRESS_CONFIDENCE)
                findings.setdefault("company_domain", found)
        asked = {field: finding for field, finding in findings.items() if field in wanted}
        return EnrichAnswer("hit", asked) if asked else EnrichAnswer("miss", detail=detail)
