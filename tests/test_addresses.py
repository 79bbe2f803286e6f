"""Addresses of services: what is cut, what is refused, and why."""

from __future__ import annotations

import pytest

from engine.addresses import is_loopback, plain_address

ENDINGS = ("/identity", "/rest/v1", "/rest")


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("https://a.example", "https://a.example"),
        (" https://a.example/rest/v1/ ", "https://a.example"),
        ("https://a.example:8443/identity", "https://a.example:8443"),
        ("http://127.0.0.1:8080/rest", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_what_a_vendors_pages_append_is_cut(given: str, plain: str) -> None:
    assert plain_address(given, ENDINGS) == plain


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("a.example", "must begin with https://"),
        ("https://", "must begin with https://"),
        ("http://a.example", "must be https"),
        ("http://localhost.a.example", "must be https"),
        ("https://user:pass@a.example", "only a scheme, a host and a port"),
        ("https://a.example/other", "only a scheme, a host and a port"),
        ("https://a.example?x=1", "only a scheme, a host and a port"),
        ("https://a.example:port", "Port"),
    ],
)
def test_what_is_no_address_of_a_host_is_refused_with_the_reason(given: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        plain_address(given, ENDINGS)


def test_only_this_machine_is_loopback() -> None:
    assert [host for host in ("localhost", "127.0.0.9", "::1", "10.0.0.1", "a.example", "") if is_loopback(host)] == [
        "localhost",
        "127.0.0.9",
        "::1",
    ]
