"""Asks the domain name system whether a domain takes mail (RFC 5321 section 5.1, null MX by RFC 7505)."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dns.rdatatype import RdataType
    from dns.resolver import Answer

#: Look-ups without an answer, one after the other, after which the name server is asked no more.
_GIVE_UP_AFTER = 5


class MailServers:
    """Remembers what it was answered, so that a domain is asked about once; may be used by several threads.

    nameserver: "address:port", empty for the system's own. timeout: seconds for a look-up. Raises ValueError where
    there is no such name server.
    """

    def __init__(self, nameserver: str, timeout: float, log: logging.Logger) -> None:
        import dns.resolver

        try:
            self._resolver = dns.resolver.Resolver(configure=not nameserver)
        except dns.resolver.NoResolverConfiguration as error:
            raise ValueError("this machine has no name server") from error
        if nameserver:
            address, _, port = nameserver.rpartition(":")
            self._resolver.nameservers = [address.strip("[]")]
            self._resolver.port = int(port)
        self._resolver.lifetime = timeout
        self._log = log
        self._lock = Lock()
        self._known: dict[str, Future[bool | None]] = {}
        self._unanswered = 0

    def takes_mail(self, domain: str) -> bool | None:
        """Whether the domain takes mail: False where it is certain that it does not, None where nobody could say."""
        with self._lock:
            known = self._known.get(domain)
            if known is None:
                mine = self._known[domain] = Future()
                given_up = self._unanswered >= _GIVE_UP_AFTER
        if known is not None:
            return known.result()
        takes: bool | None = None
        try:
            if not given_up:
                takes = self._ask(domain)
        finally:
            mine.set_result(takes)
        return takes

    def _ask(self, domain: str) -> bool | None:
        import dns.exception
        import dns.name
        import dns.rdatatype
        import dns.resolver

        try:
            servers = self._look_up(domain, dns.rdatatype.MX)
            if servers is not None:
                return any(server.exchange != dns.name.root for server in servers)
            # Without an MX record the host itself takes the domain's mail.
            takes = any(self._look_up(domain, kind) for kind in (dns.rdatatype.A, dns.rdatatype.AAAA))
        except dns.resolver.NXDOMAIN:
            takes = False
        except dns.exception.Timeout:
            self._unheard()
            return None
        except (dns.exception.DNSException, OSError, UnicodeError):
            return None
        with self._lock:
            self._unanswered = 0
        return takes

    def _look_up(self, domain: str, kind: RdataType) -> Answer | None:
        """The records of one kind; None where the domain has none of it."""
        import dns.name
        import dns.resolver

        name = dns.name.from_text(domain, idna_codec=dns.name.IDNA_2008_Practical)
        try:
            return self._resolver.resolve(name, kind)
        except dns.resolver.NoAnswer:
            return None

    def _unheard(self) -> None:
        with self._lock:
            self._unanswered += 1
            given_up = self._unanswered == _GIVE_UP_AFTER
        if given_up:
            self._log.warning("the name server gave no answer %d times in a row and is asked no more", _GIVE_UP_AFTER)
