"""What a provider is asked with: fields in normal form, and what follows from them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from engine_enrichers.declared.inputs import INPUTS, value_of
from hypothesis import given
from hypothesis import strategies as st

EMAIL = "ada@brightloom.example"


@pytest.mark.parametrize(
    ("name", "lead", "value"),
    [
        ("full_name", {"first_name": "Ada", "last_name": "Quillfeather"}, "Ada Quillfeather"),
        ("full_name", {"full_name": " A.  Quillfeather ", "first_name": "Ada"}, "A. Quillfeather"),
        ("full_name", {"last_name": "Quillfeather"}, ""),
        ("email", {"email": " Ada@Brightloom.example "}, EMAIL),
        ("email", {"email": "ada at brightloom"}, ""),
        ("email_domain", {"email": EMAIL}, "brightloom.example"),
        ("email_sha256", {"email": "ADA@brightloom.example"}, hashlib.sha256(EMAIL.encode()).hexdigest()),
        ("email_md5", {"email": EMAIL}, hashlib.md5(EMAIL.encode(), usedforsecurity=False).hexdigest()),
        ("email_md5", {}, ""),
        ("company_domain", {"company_domain": "https://www.brightloom.example/about"}, "brightloom.example"),
        ("company_domain", {"website": "http://shop.brightloom.co.uk"}, "brightloom.co.uk"),
        ("company_domain", {"email": "ada@mail.brightloom.example"}, "brightloom.example"),
        ("company_domain", {"email": "ada@gmail.com"}, ""),
        ("company_domain", {"company_domain": "linkedin.com", "email": EMAIL}, "brightloom.example"),
        ("linkedin_slug", {"linkedin_url": "https://uk.linkedin.com/in/ada-q/?trk=x"}, "ada-q"),
        ("linkedin_url", {"linkedin_url": "linkedin.com/pub/ada-q"}, "https://www.linkedin.com/in/ada-q"),
        ("linkedin_url", {"linkedin_url": "https://www.linkedin.com/in/jos%C3%A9-q"}, "https://www.linkedin.com/in/jos%C3%A9-q"),
        ("linkedin_url", {"linkedin_url": "https://www.linkedin.com/sales/lead/ACw,NAME"}, ""),
        ("linkedin_url", {"linkedin_url": "https://www.linkedin.com/company/brightloom"}, ""),
        ("linkedin_url", {"linkedin_url": "https://linkedin.com.evil.example/in/ada-q"}, ""),
        ("phone", {"phone": "+1 202 555 0143 x9"}, "+12025550143"),
        ("mobile_phone", {"mobile_phone": "(202) 555-0143", "country": "United States"}, "+12025550143"),
        ("phone", {"phone": "555-0143"}, ""),
        ("company", {"company": " Bright\tloom "}, "Bright loom"),
        ("company", {"company": True}, ""),
    ],
)  # fmt: skip
def test_an_input_is_the_normal_form_of_what_the_lead_has(name: str, lead: dict[str, Any], value: str) -> None:
    assert value_of(name, lead) == value


@given(
    st.sampled_from(sorted(INPUTS)),
    st.dictionaries(st.sampled_from(sorted(INPUTS)), st.text() | st.none() | st.integers()),
)
def test_no_lead_breaks_an_input(name: str, lead: dict[str, Any]) -> None:
    assert isinstance(value_of(name, lead), str)
