"""What `email_domain` finds of the company's domain, and what is known of domains."""

from __future__ import annotations

from typing import Any

import pytest
from engine_enrichers.offline.domains import is_disposable, is_free_mail, registrable, website_domain
from engine_enrichers.offline.email_domain import EmailDomain
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adapters import Context


def read(email: Any, website: Any = None, **config: Any) -> dict[str, Any]:
    lead = {"email": email, "website": website}
    answer = EmailDomain(config, Context()).enrich(lead, EmailDomain.provides)
    return {field: finding.value for field, finding in answer.findings.items()}


@pytest.mark.parametrize(
    ("email", "kind", "domain"),
    [
        ("jane@brightloom.example", "business", "brightloom.example"),
        ("Jane@Mail.Brightloom.Example", "business", "brightloom.example"),
        ("jane@eu.acme.co.uk", "business", "acme.co.uk"),
        ("jane@acme.uk.com", "business", "acme.uk.com"),
        ("jane@mail.müller-acme.de", "business", "müller-acme.de"),
        ("jane@linkedin.com", "business", "linkedin.com"),  # its own people have addresses there
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


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.brightloom.example/about?x=1", "brightloom.example"),
        ("shop.acme.co.uk", "acme.co.uk"),
        ("acme.uk.com", "acme.uk.com"),
        ("https://www.linkedin.com/company/brightloom", None),
        ("facebook.com/brightloom", None),
        ("https://de-de.facebook.com/brightloom", None),
        ("brightloom.wixsite.com/home", None),
        ("brightloom.github.io", None),
        ("brightloom.wordpress.com", None),
        ("brightloom.blogspot.co.uk", None),
        ("sites.google.com/view/brightloom", None),
        ("https://brightloom.myshopify.com", None),
        ("gmail.com", None),
        ("192.0.2.7", None),
        ("co.uk", None),
        ("https://www.co.uk/", None),
        ("github.io", None),
        ("localhost", None),
        ("none", None),
        ("", None),
    ],
)
def test_the_company_domain_is_that_of_a_website_of_its_own(website: str, domain: str | None) -> None:
    assert read(None, website).get("company_domain") == domain


def test_the_website_goes_before_the_address_and_the_address_helps_out() -> None:
    assert read("jane@mail.example", "brightloom.example")["company_domain"] == "brightloom.example"
    assert read("jane@mail.example", "linkedin.com/company/x")["company_domain"] == "mail.example"
    assert read("jane@gmail.com", "brightloom.example") == {
        "email_type": "free",
        "company_domain": "brightloom.example",
    }


def test_a_project_names_free_domains_of_its_own() -> None:
    assert read("jane@campus.example", extra_free_domains=["Campus.Example"]) == {"email_type": "free"}


@pytest.mark.parametrize("email", [None, "", "jane", "jane@", "a@b@c.example", 7])
def test_without_a_valid_address_and_a_website_the_step_is_skipped(email: Any) -> None:
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
        ("a.b.c.kobe.jp", "b.c.kobe.jp"),
        ("www.acme.github.io", "acme.github.io"),
        ("mail.xn--mller-kva.de", "xn--mller-kva.de"),
        ("mail.пример.рф", "пример.рф"),
        ("localhost", "localhost"),
    ],
)
def test_registrable(host: str, domain: str) -> None:
    assert registrable(host) == domain


def test_domains_that_are_no_sign_of_a_company() -> None:
    assert is_free_mail("gmail.com")
    assert is_free_mail("hotmail.fr")
    assert is_free_mail("mail.yahoo.com")
    assert not is_free_mail("brightloom.example")
    assert is_disposable("mailinator.com")
    assert is_disposable("x.mailinator.com")
    assert not is_disposable("gmail.com")


@settings(max_examples=150, deadline=None)
@given(st.text("ab.-:/@1é漢 ", max_size=16) | st.text(max_size=12))
def test_hosts_never_raise(host: str) -> None:
    assert registrable(registrable(host)) == registrable(host)
    website_domain(host)
    read(host, host)
