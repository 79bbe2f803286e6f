"""Judges a lead's email address: its syntax, what kind it is and, on request, whether its domain takes mail."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Literal

from engine.adapters import Config, Context, Enricher
from engine.asking import EnrichAnswer, Finding
from engine.errors import SpecError
from engine_enrichers.offline.contacts import is_email, normal_email
from engine_enrichers.offline.domains import is_disposable, is_free_mail, registrable
from engine_enrichers.offline.mail_servers import MailServers
from engine_enrichers.offline.tables import listed

EmailType = Literal["business", "free", "role", "disposable"]

EXTRA_FREE_DOMAINS: Mapping[str, Any] = {
    "title": "More free-mail domains",
    "description": "Domains that are treated as free mail beside the list that is shipped.",
    "type": "array",
    "items": {"type": "string", "minLength": 3},
    "default": [],
    "examples": [["mail.example"]],
}


def address_of(email: Any) -> str:
    """The normal form of a field's value; empty where it is no valid address."""
    address = normal_email(email) if isinstance(email, str) else ""
    return address if address and is_email(address) else ""


def kind_of(address: str, extra_free: Collection[str] = ()) -> EmailType:
    """What kind a valid address in normal form is. `extra_free`: further free-mail domains, in small letters."""
    local, _, host = address.rpartition("@")
    if is_disposable(host):
        return "disposable"
    if is_free_mail(host) or host in extra_free or registrable(host) in extra_free:
        return "free"
    return "role" if local.partition("+")[0] in listed("roles.txt", "role") else "business"


class Emails(Enricher):
    """Fills `email_type` and `email_status`, the latter only with what is certain: `invalid` or `wrong_kind`.

    Needs no network, unless `check_mx` has it ask for the mail servers of each domain. An address that passes has no
    status: that a domain takes mail does not say that the mailbox is there.
    """

    name = "emails"
    summary = "Tells business from free, role and disposable addresses, and finds those that cannot take mail."
    provides = ("email_type", "email_status")
    config_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "extra_free_domains": EXTRA_FREE_DOMAINS,
            "wrong_kinds": {
                "title": "Kinds that are not wanted",
                "description": "Kinds of addresses that get the status `wrong_kind`.",
                "type": "array",
                "items": {"enum": ["free", "role", "disposable"]},
                "default": ["disposable"],
                "examples": [["disposable", "free"]],
            },
            "check_mx": {
                "title": "Look up mail servers",
                "description": "Ask the domain name system whether an address's domain takes mail, once a domain.",
                "type": "boolean",
                "default": False,
                "examples": [True],
            },
            "nameserver": {
                "title": "Name server",
                "description": "Address and port of the name server to ask; the system's own where there is none.",
                "type": "string",
                "pattern": "^[0-9A-Fa-f.:\\[\\]]+:[0-9]{1,5}$",
                "examples": ["192.0.2.53:53"],
            },
            "mx_timeout": {
                "title": "Time limit of a look-up",
                "description": "Seconds after which nothing is known of a domain.",
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": 30,
                "default": 5,
                "examples": [2],
            },
        },
    }

    def __init__(self, config: Config, context: Context) -> None:
        """Raises SpecError where there is no name server to ask."""
        super().__init__(config, context)
        self._free = frozenset(domain.lower() for domain in config.get("extra_free_domains", ()))
        self._wrong_kinds = frozenset(config.get("wrong_kinds", ("disposable",)))
        self._servers: MailServers | None = None
        if config.get("check_mx", False):
            try:
                self._servers = MailServers(config.get("nameserver", ""), config.get("mx_timeout", 5.0), context.log)
            except ValueError as error:
                raise SpecError(
                    f"mail servers cannot be looked up: {error}",
                    where="enrichment.emails.config.nameserver",
                    fix="Name the IP address and the port of a name server, such as 192.0.2.53:53.",
                ) from error

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        """Return the wanted of the two fields; "skipped" where the lead has no address. Never raises."""
        email = lead.get("email")
        if not isinstance(email, str) or not email.strip():
            return EnrichAnswer("skipped", detail="no email address")
        findings: dict[str, Finding] = {}
        if address := address_of(email):
            kind = kind_of(address, self._free)
            findings["email_type"] = Finding(kind)
            if "email_status" in wanted and (status := self._status(address, kind)):
                findings["email_status"] = Finding(status)
            detail = f"a {kind} address"
        else:
            findings["email_status"] = Finding("invalid")
            detail = "not an email address"
        asked = {field: finding for field, finding in findings.items() if field in wanted}
        return EnrichAnswer("hit" if asked else "miss", asked, detail=detail)

    def _status(self, address: str, kind: EmailType) -> str:
        if kind in self._wrong_kinds:
            return "wrong_kind"
        if self._servers is not None and self._servers.takes_mail(address.rpartition("@")[2]) is False:
            return "invalid"
        return ""
