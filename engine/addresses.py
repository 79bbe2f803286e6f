"""The addresses of services, as settings give them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: The prefix by which IPv6 networks reach IPv4 addresses, which are its last 32 bits (RFC 6052, section 2.1).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_loopback(host: str) -> bool:
    """Tell whether the host is this machine, where sandboxes run."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_public(address: Address) -> bool:
    """Tell whether the address is one of the public internet; one that carries an IPv4 address is as public as that."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if carried is not None:
            return is_public(carried)
    return address.is_global and not address.is_multicast


def plain_address(url: str, endings: Iterable[str]) -> str:
    """Cut a trailing slash and what a vendor's pages append to the address of its host: the `endings`, in their order.

    Raises ValueError, saying why, where what is left is more than an https address of a host; http is for a sandbox
    on this machine.
    """
    plain = url.strip().rstrip("/")
    for ending in endings:
        plain = plain.removesuffix(ending).rstrip("/")
    parts = urlsplit(plain)
    host, _ = parts.hostname or "", parts.port
    if parts.scheme not in {"https", "http"} or not host:
        raise ValueError("it must begin with https:// and a host")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("credentials and personal data are sent there, so it must be https")
    if parts.username or parts.password or parts.query or parts.fragment or parts.path or " " in plain:
        raise ValueError("it may hold only a scheme, a host and a port")
    return plain
