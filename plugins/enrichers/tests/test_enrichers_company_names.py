"""What `company_names` makes of captured company names."""

from __future__ import annotations

from typing import Any

import pytest
from engine_enrichers.offline.company_names import CompanyNames
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adapters import Context

quick = settings(max_examples=150, deadline=None)


def company(captured: Any, *, remove: bool = False, country: str = "") -> Any:
    """The company after the step."""
    enricher = CompanyNames({"legal_suffix": "remove"} if remove else {}, Context())
    answer = enricher.enrich({"company": captured, "country": country}, CompanyNames.provides)
    return answer.findings["company"].value if answer.outcome == "hit" else captured


@pytest.mark.parametrize(
    ("captured", "expected"),
    [
        ("ACME ROBOTICS GMBH", "Acme Robotics GmbH"),
        ("ACME ROBOTICS GMBH & CO. KG", "Acme Robotics GmbH & Co. KG"),
        ("ACME ROBOTICS, INC.", "Acme Robotics, Inc."),
        ("ACME ROBOTICS INC", "Acme Robotics Inc"),
        ("BRIGHTLOOM S.P.A.", "Brightloom S.p.A."),
        ("WELLNESS SPA", "Wellness SPA"),  # no form, no word: nobody can tell
        ("ACME WIDGETS PTY LTD", "Acme Widgets Pty Ltd"),
        ("ACME TRADING CO., LTD.", "Acme Trading Co., Ltd."),
        ("PT ACME NUSANTARA TBK", "PT Acme Nusantara Tbk"),
        ("SPÓŁKA TESTOWA SP. Z O.O.", "Spółka Testowa Sp. z o.o."),
        ("STRASSENBAU MÜLLER", "Strassenbau Müller"),
        ("IŞIK TEKSTİL A.Ş.", "Işık Tekstil A.Ş."),
        ('ООО "РОМАШКА"', 'ООО "РОМАШКА"'),
        ("ΑΚΜΗ ΡΟΜΠΟΤΙΚΗΣ Α.Ε.", "ΑΚΜΗ ΡΟΜΠΟΤΙΚΗΣ Α.Ε."),
        ("O'REILLY BOOKS", "O'Reilly Books"),
        ("MCDONALD'S FARM", "McDonald's Farm"),
        ("BANK OF ACME", "Bank of Acme"),
        ("THE ACME GROUP", "The Acme Group"),
        ("GROUPE DES EAUX", "Groupe des Eaux"),
        ("  Acme   Robotics ", "Acme Robotics"),
        ("EBAY INC", "eBay Inc"),
        ("IBM DEUTSCHLAND GMBH", "IBM Deutschland GmbH"),
        ("H&M HENNES", "H&M Hennes"),
        ("STUDIO 3D PRINT", "Studio 3D Print"),
    ],
)
def test_the_case_of_names_in_capitals_is_repaired(captured: str, expected: str) -> None:
    assert company(captured) == expected
    assert company(expected) == expected


@pytest.mark.parametrize(
    "captured",
    [
        "IBM", "3M", "eBay", "SAP SE", "BASF SE", "AT&T", "adidas", "acme robotics gmbh", "Acme GMBH & friends",
        "n/a", "N/A", "none", "NONE", "-", "self", "test", "", "株式会社アクメ", "北京科技有限公司", "주식회사 한빛",
        "شركة النور", 'אקמה בע"מ', "บริษัท ตัวอย่าง จำกัด", "एक्मे", "ბერიძე",
    ],
)  # fmt: skip
def test_everything_else_stays_as_it_was_captured(captured: str) -> None:
    assert company(captured) == captured


def test_letters_that_may_be_turkish_go_by_the_country() -> None:
    assert company("IŞIK YAPI", country="Turkey") == "Işık Yapı"
    assert company("IŞIK YAPI") == "IŞIK Yapi"


@pytest.mark.parametrize(
    ("captured", "expected"),
    [
        ("Acme Robotics GmbH & Co. KG", "Acme Robotics"),
        ("ACME ROBOTICS GMBH", "Acme Robotics"),
        ("Acme, Inc.", "Acme"),
        ("Acme Co., Ltd.", "Acme"),
        ("Brightloom S.p.A.", "Brightloom"),
        ("Brightloom SpA", "Brightloom"),
        ("Acme Pty Ltd", "Acme"),
        ("Acme K.K.", "Acme"),
        ("Acme S.à r.l.", "Acme"),
        ("Acme UG (haftungsbeschränkt)", "Acme"),
        ("AB Brightloom", "Brightloom"),
        ("ООО Ромашка", "Ромашка"),
        ("株式会社アクメ", "アクメ"),
        ("アクメ株式会社", "アクメ"),
        ("（株）アクメ", "アクメ"),
        ("北京科技有限公司", "北京科技"),
        ("(주)한빛", "한빛"),
        ('אקמה בע"מ', "אקמה"),
        ("บริษัท ตัวอย่าง จำกัด", "ตัวอย่าง"),
        ("Brightloom Limited Holdings", "Brightloom Limited Holdings"),
        ("Wellness Spa", "Wellness Spa"),
        ("Acme & Company", "Acme & Company"),
        ("Acme & Co.", "Acme & Co."),
        ("The Limited", "The Limited"),
        ("Limited", "Limited"),
        ("S.à r.l.", "S.à r.l."),
        ("株式会社", "株式会社"),
        ("-", "-"),
    ],
)
def test_legal_forms_are_taken_off_where_that_is_wanted(captured: str, expected: str) -> None:
    assert company(captured, remove=True) == expected


@pytest.mark.parametrize("captured", [None, 7, ""])
def test_without_a_name_there_is_nothing_to_do(captured: Any) -> None:
    assert company(captured) == captured


def test_a_field_that_a_person_has_edited_is_not_asked_for() -> None:
    assert CompanyNames({}, Context()).enrich({"company": "ACME ROBOTICS"}, []).outcome == "miss"


NAMES = st.lists(
    st.one_of(
        st.sampled_from(
            ["ACME", "GMBH", "& CO. KG", "LTD.", "CO.,", "ООО", "株式会社", "IŞIK", "İ", "MCDONALD'S", "ẞ", ","]
        ),
        st.text(max_size=8),
    ),
    max_size=5,
).map(" ".join)


@quick
@given(NAMES, st.booleans(), st.sampled_from(["", "TR"]))
def test_names_settle_in_one_pass_and_never_vanish(captured: str, remove: bool, country: str) -> None:
    once = company(captured, remove=remove, country=country)
    assert company(once, remove=remove, country=country) == once
    assert once or not captured.strip()
