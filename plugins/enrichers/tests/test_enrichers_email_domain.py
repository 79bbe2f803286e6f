"""What `email_domain` reads from an address."""

from __future__ import annotations

from typing import Any

import pytest
from engine_enrichers.email_domain import EmailDomain, registrable

from engine.adapters import Context


def read(email: Any, **config: Any) -> dict[str, Any]:
    answer = EmailDomain(config, Context()).enrich({"email": email}, EmailDomain.provides)
    return {field: finding.value for field, finding in answer.findings.items()}


@pytest.mark.parametrize(
    ("email", "kind", "domain"),
    [
        ("jane@brightloom.example", "business", "brightloom.example"),
        ("Jane@Mail.Brightloom.Example", "business", "brightloom.example"),
        ("jane@eu.acme.co.uk", "business", "acme.co.uk"),
        ("info@brightloom.example", "role", "brightloom.example"),
        ("sales+expo@brightloom.example", "role", "brightloom.example"),
        ("jane@gmail.com", "free", None),
        ("jane@yahoo.co.jp", "free", None),
        ("jane@t-online.de", "free", None),
        ("info@gmail.com", "free", None),
        ("jane@mailinator.com", "disposable", None),
    ],
)
def test_kind_and_domain(email: str, kind: str, domain: str | None) -> None:
    expected = {"email_type": kind} | ({"company_domain": domain} if domain else {})
    assert read(email) == expected


def test_a_project_names_free_domains_of_its_own() -> None:
    assert read("jane@campus.example", extra_free_domains=["Campus.Example"]) == {"email_type": "free"}


@pytest.mark.parametrize("email", [None, "", "jane", "jane@", "a@b@c.example", 7])
def test_without_a_valid_address_the_step_is_skipped(email: Any) -> None:
    answer = EmailDomain({}, Context()).enrich({"email": email}, EmailDomain.provides)
    assert (answer.outcome, dict(answer.findings)) == ("skipped", {})


def test_a_free_address_has_no_company_domain_to_offer() -> None:
    answer = EmailDomain({}, Context()).enrich({"email": "jane@gmail.com"}, ["company_domain"])
    assert (answer.outcome, answer.detail) == ("miss", "a free address")


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("a.b.example", "b.example"),
        ("acme.com.au", "acme.com.au"),
        ("x.acme.com.au", "acme.com.au"),
        ("de.com", "de.com"),
    ],
)
def test_registrable(host: str, domain: str) -> None:
    assert registrable(host) == domain
