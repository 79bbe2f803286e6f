"""What `places` fills in of countries and states."""

from __future__ import annotations

from typing import Any

import pycountry
import pytest
from engine_enrichers.offline.places import Places, country_code, state_as
from engine_enrichers.offline.tables import entries

from engine.adapters import Context


def filled(config: dict[str, Any] | None = None, **lead: Any) -> dict[str, Any]:
    answer = Places(config or {}, Context()).enrich(lead, Places.provides)
    return {field: finding.value for field, finding in answer.findings.items()}


@pytest.mark.parametrize(
    ("country", "code"),
    [
        ("Germany", "DE"), ("Deutschland", "DE"), ("Turkey", "TR"), ("Türkiye", "TR"), ("TÜRKİYE", "TR"),
        ("Ivory Coast", "CI"), ("Côte d'Ivoire", "CI"), ("UK", "GB"), ("England", "GB"), ("South Korea", "KR"),
        ("Korea, Democratic People's Republic of", "KP"), ("Georgia", "GE"), ("USA", "US"), ("中国", "CN"),
        ("日本", "JP"), ("대한민국", "KR"), ("Россия", "RU"), ("Ελλάδα", "GR"), ("مصر", "EG"), ("ישראל", "IL"),
        ("भारत", "IN"), ("ไทย", "TH"), ("المملكة العربية السعودية", "SA"), ("الإمارات", "AE"), ("الامارات", "AE"),
        ("عمان", "OM"),
    ],
)  # fmt: skip
def test_the_code_follows_from_the_country(country: str, code: str) -> None:
    assert filled(country=country) == {"country_code": code}


@pytest.mark.parametrize("country", ["Korea", "Congo Belge et Ruanda", "Europe", "Germny", "EU", "N/A", "n.a."])
def test_a_country_that_may_be_another_has_no_code(country: str) -> None:
    assert filled(country=country) == {}


def test_the_country_follows_from_the_code() -> None:
    assert filled(country_code="CI") == {"country": "Côte d'Ivoire"}
    assert filled(country_code="TR") == {"country": "Türkiye"}
    assert filled(country_code="kr") == {"country": "South Korea"}
    assert filled({"country_form": "alpha_3"}, country_code="DE") == {"country": "DEU"}
    assert filled(country_code="QQ") == {}


@pytest.mark.parametrize(
    ("country", "state", "code"),
    [
        ("US", "California", "CA"),
        ("US", "calif", None),
        ("US", "Georgia", "GA"),
        ("US", "Washington, D.C.", "DC"),
        ("Canada", "Québec", "QC"),
        ("Germany", "Bavaria", "BY"),
        ("Germany", "Bayern", "BY"),
        ("Switzerland", "Genf", "GE"),
        ("Italy", "Lombardy", "25"),
        ("Spain", "Catalonia", "CT"),
        ("Spain", "Madrid", "MD"),
        ("Brazil", "Sao Paulo", "SP"),
        ("Mexico", "CDMX", "CMX"),
        ("India", "Maharashtra", "MH"),
        ("India", "महाराष्ट्र", "MH"),
        ("China", "北京", "BJ"),
        ("Japan", "東京都", "13"),
        ("South Korea", "서울", "11"),
        ("Russia", "Москва", "MOW"),
        ("Greece", "Αττική", "I"),
        ("Turkey", "ISTANBUL", "34"),
        ("Georgia", "Atlanta", None),
        ("Georgia", "Georgia", None),
        ("Germany", "California", None),
    ],
)
def test_the_code_of_a_state_is_looked_up_in_its_country(country: str, state: str, code: str | None) -> None:
    assert filled(country=country, state=state).get("state_code") == code


def test_the_state_follows_from_its_code_within_the_country() -> None:
    assert filled(country="US", state_code="GA")["state"] == "Georgia"
    assert filled(country_code="DE", state_code="by") == {"country": "Germany", "state": "Bayern"}
    assert filled(country="Georgia", state_code="GA") == {"country_code": "GE"}
    assert filled(state_code="GA") == {}
    assert filled(state="Georgia") == {}
    assert filled(country="Atlantis", country_code="US", state="Texas") == {}


def test_a_captured_value_is_never_replaced() -> None:
    assert filled(country="Deutschland", country_code="XX", state="Bayern", state_code="??") == {}
    assert filled(country=7, state=None) == {}


def test_every_state_of_the_table_is_one_of_iso_3166() -> None:
    for code, names in entries("state_names.txt"):
        country, _, state = code.partition("-")
        assert pycountry.subdivisions.get(code=code) is not None, code
        assert [state_as(name, country, "code") for name in names] == [state] * len(names)


def test_every_alias_of_the_table_is_understood() -> None:
    for code, names in entries("country_aliases.txt"):
        assert [country_code(name) for name in names] == [code] * len(names)
