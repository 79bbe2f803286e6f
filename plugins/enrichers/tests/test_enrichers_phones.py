"""What `phones` reads from numbers."""

from __future__ import annotations

from typing import Any

import pytest
from engine_enrichers.offline.normalize import Normalize
from engine_enrichers.offline.phones import Phones, described
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adapters import Context
from engine.errors import SpecError


def read(config: dict[str, Any] | None = None, **lead: Any) -> dict[str, Any]:
    answer = Phones(config or {}, Context()).enrich(lead, Phones.provides)
    return {field: finding.value for field, finding in answer.findings.items()}


@pytest.mark.parametrize(
    ("number", "country", "kind"),
    [
        ("+4915112345678", "", "mobile"),
        ("0151 12345678", "Deutschland", "mobile"),
        ("030 901820", "DE", "landline"),
        ("(202) 555-0143", "US", "fixed_or_mobile"),
        ("+1 416-555-0123", "", "fixed_or_mobile"),
        ("+1 800 555 0199", "", "toll_free"),
        ("+44 7911 123456", "", "mobile"),
        ("+81 90-1234-5678", "", "mobile"),
        ("+7 916 123-45-67 ext. 5", "", "mobile"),
        ("٠٥٠١٢٣٤٥٦٧", "SA", "mobile"),  # Arabic digits
        ("०9876543210", "IN", "mobile"),
        ("0900 1234567", "NL", "premium"),
        ("12345", "US", None),
        ("call me", "US", None),
        ("030 901820", "", None),  # whose country?
    ],
)
def test_kind(number: str, country: str, kind: str | None) -> None:
    expected = {"phone_type": kind} if kind else {}
    assert {
        name: value for name, value in read(phone=number, country=country).items() if name == "phone_type"
    } == expected
    mobile = read(mobile_phone=number, country=country)
    assert mobile.get("mobile_phone_type") == kind


def test_the_default_region_helps_leads_without_a_country() -> None:
    assert read({"default_region": "DE"}, phone="030 901820") == {"phone_type": "landline"}
    with pytest.raises(SpecError, match=r"phones.*'QQ'"):
        Phones({"default_region": "QQ"}, Context())


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+4930901820", "Germany"),
        ("0049 30 901820", "Germany"),
        ("+12025550143", "United States"),
        ("+14165550123", "Canada"),
        ("+79161234567", "Russia"),
        ("+77012345678", "Kazakhstan"),
        ("+18005550199", None),  # toll-free: one plan, many countries
        ("+4915112345678 x12", "Germany"),
        ("(202) 555-0143", None),
    ],
)
def test_a_missing_country_is_taken_from_the_prefix(number: str, country: str | None) -> None:
    assert read(phone=number).get("country") == country


def test_a_country_is_not_taken_where_there_is_one_or_the_numbers_disagree() -> None:
    assert "country" not in read(phone="+4930901820", country="France")
    assert "country" not in read(phone="+4930901820", country_code="FR")
    assert "country" not in read(phone="+4930901820", mobile_phone="+33612345678")
    assert read(phone="+4930901820", mobile_phone="+4915112345678")["country"] == "Germany"


def test_the_country_of_a_number_is_not_certain() -> None:
    findings = Phones({}, Context()).enrich({"phone": "+4930901820"}, ["country"]).findings
    assert list(findings) == ["country"]
    assert findings["country"].confidence < 1


def test_numbers_are_read_alike_before_and_after_normalize() -> None:
    lead = {"phone": "030 901820 ext 7", "country": "Germany"}
    normal = Normalize({}, Context()).enrich(lead, ["phone"]).findings["phone"].value
    assert normal == "+4930901820 x7"
    assert read(**lead) == read(phone=normal, country="Germany")


@pytest.mark.parametrize("lead", [{}, {"phone": ""}, {"phone": None, "mobile_phone": 7}])
def test_without_a_number_the_step_is_skipped(lead: dict[str, Any]) -> None:
    assert Phones({}, Context()).enrich(lead, Phones.provides).outcome == "skipped"


@settings(max_examples=150, deadline=None)
@given(st.text("+0123456789 ()-./x#ext٣", max_size=24) | st.text(max_size=12))
def test_numbers_never_raise(number: str) -> None:
    read(phone=number, country="US")
    described(number)
