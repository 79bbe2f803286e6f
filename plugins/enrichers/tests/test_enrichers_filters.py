"""The filters for phones, countries and names: what is understood takes its form, everything else stays as it is."""

from __future__ import annotations

from typing import Any

import pytest
from engine_enrichers.offline.filters import FILTERS
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import plugins
from engine.expressions import ExpressionError, Names, function, parse
from engine.filters import BUILT_IN

NAMES = Names(["value", "country"], filters={**BUILT_IN, **FILTERS})
NEEDED = {"phone_format": "('national')"}


def of(value: Any, call: str, country: str = "") -> Any:
    return function(parse(f"lead.value | {call}", NAMES), NAMES)({"value": value, "country": country}, {})


@pytest.mark.parametrize(
    ("call", "given", "expected"),
    [
        ("phone('GB')", "020 7946 0000", "+442079460000"),
        ("phone('United Kingdom')", "(020) 7946-0000", "+442079460000"),
        ("phone(lead.country)", "22 12 34 56", "+4722123456"),
        ("phone", "0047 22 12 34 56", "+4722123456"),
        ("phone", "22 12 34 56", "22 12 34 56"),
        ("phone('Atlantis')", "22 12 34 56", "22 12 34 56"),
        ("phone('GB')", "call me", "call me"),
        ("phone('GB')", "1" * 300, "1" * 300),
        ("phone_format('national')", "+442079460000", "020 7946 0000"),
        ("phone_format('international')", "+44 (0)20 79460000", "+44 20 7946 0000"),
        ("phone_format('e164')", "+44 20 7946 0000", "+442079460000"),
        ("phone_format('national')", "7946 0000", "7946 0000"),
        ("phone_format('national')", "+999 1234", "+999 1234"),
        ("phone('NO') | phone_format('international')", "22123456", "+47 22 12 34 56"),
        ("country_code", "norway", "NO"),
        ("country_code", "NOR", "NO"),
        ("country_code", "Atlantis", "Atlantis"),
        ("country_alpha3", "Deutschland", "DEU"),
        ("country_alpha3", "?", "?"),
        ("country_name", "nl", "Netherlands"),
        ("country_name", " Nowhere ", " Nowhere "),
        ("first_name", "Dr. Ada M. van Lovelace", "Ada"),
        ("last_name", "Dr. Ada M. van Lovelace", "van Lovelace"),
        ("first_name", "LOVELACE, Ada", "Ada"),
        ("last_name", "Ada & Charles", "Ada & Charles"),
        ("first_name", "Ada & Charles", ""),
        ("last_name", "Ada", "Ada"),
    ],
)
def test_what_a_filter_gives(call: str, given: str, expected: str) -> None:
    assert of(given, call, "Norway") == expected


@pytest.mark.parametrize("name", sorted(FILTERS))
@pytest.mark.parametrize("empty", ["", None])
def test_every_filter_leaves_an_empty_value_empty(name: str, empty: Any) -> None:
    assert of(empty, name + NEEDED.get(name, "")) == ""


def test_a_form_that_there_is_not_is_found_when_the_spec_is_read() -> None:
    with pytest.raises(ExpressionError, match="the form is one of") as caught:
        parse("lead.value | phone_format('nationl')", NAMES)
    assert caught.value.code == "filter-arguments"


@settings(deadline=None)
@given(st.sampled_from(sorted(FILTERS)), st.text(max_size=40) | st.integers() | st.booleans() | st.none())
def test_no_value_is_refused(name: str, value: Any) -> None:
    assert isinstance(of(value, name + NEEDED.get(name, "")), str)


def test_the_filters_are_there_when_the_package_is() -> None:
    loaded = plugins.load()
    assert {name: loaded.filters[name] for name in FILTERS} == FILTERS
