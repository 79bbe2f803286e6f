"""What is known of a domain without asking anybody: who registered it, and whether it is a company's own.

The public suffix list is the copy that tldextract carries; it is never fetched. Host names are expected in small
letters, as `contacts.normal_domain` writes them. tldextract and the list of disposable domains are imported only when
they are needed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from engine_enrichers.offline.tables import listed

if TYPE_CHECKING:
    from tldextract import TLDExtract

_TABLE = "domains.txt"
_NUMERIC = re.compile(r"[\d.]+(?::\d+)?|\[.*")


def registrable(host: str) -> str:
    """The part of a host name that somebody registered: `mail.acme.co.uk` is `acme.co.uk`.

    Goes by the public suffix list with its private section, so that `acme.github.io` is a name of its own. Under an
    ending that the list does not know, and for a public suffix itself, it is the last two labels.
    """
    return _parts(host)[0]


def is_free_mail(domain: str) -> bool:
    """Whether a domain hands out mailboxes to everybody, so that it is no sign of a company."""
    found = listed(_TABLE, "free")
    name = registrable(domain)
    return domain in found or name in found or f"{name.partition('.')[0]}.*" in found


def is_disposable(domain: str) -> bool:
    """Whether a domain is known for addresses that live for minutes."""
    from disposable_email_domains import blocklist

    name = registrable(domain)
    return domain in blocklist or name in blocklist or name in listed(_TABLE, "disposable")


def is_shared_host(host: str) -> bool:
    """Whether pages of many companies stand under this host: social networks, site builders, link collections."""
    found = listed(_TABLE, "shared")
    name, suffix = _parts(host)
    # Of the private suffixes, a few are sold as domains (`uk.com`); the others lend names under their own.
    lent = bool(suffix) and suffix not in listed(_TABLE, "registry")
    return lent or host in found or name in found or name.partition(".")[0] + ".*" in found


def website_domain(host: str) -> str:
    """The domain of the company whose website stands at a host; empty where that tells of none."""
    if "." not in host or _NUMERIC.fullmatch(host) or is_shared_host(host) or _is_suffix(host):
        return ""
    domain = registrable(host)
    return "" if is_free_mail(domain) or is_disposable(domain) else domain


@lru_cache(maxsize=16384)
def _is_suffix(host: str) -> bool:
    """Whether a host is a public suffix itself, such as `co.uk`: nobody's own."""
    return _suffixes().extract_str(host, include_psl_private_domains=True).suffix == host


@lru_cache(maxsize=16384)
def _parts(host: str) -> tuple[str, str]:
    """The registered name, and the suffix that it stands under where that one is private."""
    if host.count(".") < 2:
        return host, ""
    found = _suffixes().extract_str(host, include_psl_private_domains=True)
    name = found.top_domain_under_public_suffix or ".".join(host.split(".")[-2:])
    return name, found.suffix if found.is_private else ""


@lru_cache(maxsize=1)
def _suffixes() -> TLDExtract:
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
