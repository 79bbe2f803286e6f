"""Reads a lead's email address: what kind it is, and the company domain it gives away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, ClassVar, Literal

from engine.adapters import Config, Context, EnrichAnswer, Enricher, Finding
from engine_enrichers.contacts import is_email, normal_email

EmailType = Literal["business", "free", "role", "disposable"]

#: Second-level names under which country registries sell domains (`acme.co.uk`).
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gob", "gov", "ltd", "me", "ne", "net", "nom", "or", "org", "plc"})
#: A person may write from another company's domain, so this is not certain.
_DOMAIN_CONFIDENCE = 0.9


class EmailDomain(Enricher):
    """Fills `email_type` and, from an address that is not free mail, `company_domain`. Needs no network and no key."""

    name = "email_domain"
    summary = "Tells business from free, role and disposable addresses, and takes the company domain from the former."
    provides = ("company_domain", "email_type")
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "extra_free_domains": {
                "title": "More free-mail domains",
                "description": "Domains that are treated as free mail beside the list that is shipped.",
                "type": "array",
                "items": {"type": "string", "minLength": 3},
                "default": [],
                "examples": [["mail.example"]],
            },
        },
    }

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__(config, context)
        self._free = _listed("free") | {domain.lower() for domain in config.get("extra_free_domains", ())}

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Return the wanted of the two fields; "skipped" where the lead has no valid address. Never raises."""
        email = lead.get("email")
        address = normal_email(email) if isinstance(email, str) else ""
        if not address or not is_email(address):
            return EnrichAnswer("skipped", detail="no valid email address")
        local, _, host = address.rpartition("@")
        kind = self._kind(local, host)
        findings = {"email_type": Finding(kind)}
        if kind in ("business", "role"):
            findings["company_domain"] = Finding(registrable(host), _DOMAIN_CONFIDENCE)
        asked = {field: finding for field, finding in findings.items() if field in wanted}
        return EnrichAnswer("hit", asked) if asked else EnrichAnswer("miss", detail=f"a {kind} address")

    def _kind(self, local: str, host: str) -> EmailType:
        domain = registrable(host)
        names = {host, domain, domain.partition(".")[0] + ".*"}
        if names & _listed("disposable"):
            return "disposable"
        if names & self._free:
            return "free"
        return "role" if local.partition("+")[0] in _listed("role") else "business"


def registrable(host: str) -> str:
    """The part of a host name that somebody registered: `mail.acme.co.uk` is `acme.co.uk`.

    Goes by the usual second-level names of two-letter endings and not by the public suffix list, which is good enough
    for company domains.
    """
    labels = host.split(".")
    third_level = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if third_level else -2 :])


@lru_cache(maxsize=8)
def _listed(kind: str) -> frozenset[str]:
    """The names of one kind (free, disposable, role) in the data file."""
    text = resources.files(__package__).joinpath("data/mail_domains.txt").read_text("utf-8")
    names: dict[str, set[str]] = defaultdict(set)
    for line in text.splitlines():
        if line and not line.startswith("#"):
            head, _, rest = line.partition(":")
            names[head] |= set(rest.split())
    return frozenset(names[kind])
