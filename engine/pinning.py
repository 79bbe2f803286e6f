"""Pinned hosts: a name is resolved here, its addresses are checked, and connections are made to these alone.

A check of a name is worth nothing where the name is resolved once more to connect: its second answer can be another
one (DNS rebinding). So what was checked is what is connected to, for as long as it is kept.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence

from engine.addresses import Address, is_loopback
from engine.errors import RetryLater, SpecError

#: Seconds for which the addresses of a name are used before they are resolved and checked again.
KEPT = 60.0

#: Host and port to addresses; raises OSError where the host is not known, UnicodeError where it is no host name.
Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> list[str]:
    """The addresses that the system knows for a host, the one to try first before the others.

    Raises OSError where it knows none, UnicodeError where the name cannot be one.
    """
    return [str(address[0]) for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class PinnedHost:
    """A host and the checked addresses by which it is reached. Thread-safe.

    host: a name in ASCII, or a literal address without brackets. clock: seconds that never go back.
    """

    def __init__(
        self, host: str, port: int, *, resolve: Resolve, allowed: Callable[[Address], bool], clock: Callable[[], float]
    ) -> None:
        self.host = host
        self._port = port
        self._resolve = resolve
        self._allowed = allowed
        self._clock = clock
        self._lock = threading.Lock()
        self._addresses: list[str] = []
        self._until = 0.0

    def address(self) -> str:
        """The address to connect to now: the host itself where that is one, or is this machine.

        Raises SpecError where any address of the host is internal, RetryLater where the host is not known.
        """
        with self._lock:
            now = self._clock()
            if not self._addresses or now >= self._until:
                self._renew()
                self._until = now + KEPT
            return self._addresses[0]

    def failed(self, address: str) -> None:
        """Connecting to this address failed: the next call uses the next one, however many calls saw it fail."""
        with self._lock:
            if self._addresses[0] == address:
                self._addresses.append(self._addresses.pop(0))

    def _renew(self) -> None:
        found = self._checked()
        # The address in use stays in use while it is one of the host's: those before it may be the ones that failed.
        used = found.index(self._addresses[0]) if self._addresses and self._addresses[0] in found else 0
        self._addresses = found[used:] + found[:used]

    def _checked(self) -> list[str]:
        if is_loopback(self.host):
            return [self.host]
        found = [self.host] if _is_literal(self.host) else self._resolved()
        for address in found:
            if not self._allowed(ipaddress.ip_address(address)):
                raise SpecError(
                    f"{self.host!r} leads to the internal address {address}",
                    fix="Use the vendor's public host name.",
                )
        return found

    def _resolved(self) -> list[str]:
        try:
            found = list(dict.fromkeys(self._resolve(self.host, self._port)))
        except UnicodeError as error:
            raise SpecError(f"{self.host!r} is no host name") from error
        except OSError as error:
            raise _unknown(self.host, error.strerror or str(error)) from error
        if not found:
            raise _unknown(self.host, "it has no address")
        return found


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _unknown(host: str, reason: str) -> RetryLater:
    return RetryLater(f"the host {host!r} is not known: {reason}", where=host, after=5.0)
