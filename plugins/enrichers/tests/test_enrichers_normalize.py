"""What `normalize` does to captured values, as a user sees it in the lead."""

from __future__ import annotations

from typing import Any

import pytest
from engine_enrichers.offline.casing import clean_name
from engine_enrichers.offline.contacts import is_email, normal_domain, normal_email, normal_phone, normal_url
from engine_enrichers.offline.normalize import Normalize
from engine_enrichers.offline.places import country_code, state_as
from engine_enrichers.offline.text import clean, clean_lines
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.adapters import Context
from engine.errors import SpecError

quick = settings(max_examples=150, deadline=None)

#: Text with the characters that are trouble, more often than chance would bring them.
TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]), st.sampled_from("ÃÂâ€™©\u200b\u200d\u00a0\r\n\t '-.,iIıİşŞğßẞσςΣ")
    )
)
ADDRESSES = st.builds(
    "{}{}@{}{}".format,
    st.sampled_from(["", "mailto:", "<", " "]),
    st.text("abcXYZ.+_-'é", min_size=1, max_size=12),
    st.from_regex(r"[A-Za-zäß0-9-]{1,8}\.(com|EXAMPLE|de)", fullmatch=True),
    st.sampled_from(["", ".", ">", "?subject=x", ";"]),
)
NUMBERS = st.text("+0123456789 ()-./x#ext", max_size=24)
URLS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "http://", "HTTPS://", "//", "https:/"]),
    st.from_regex(r"[A-Za-z0-9-]{1,8}\.(com|Example|co\.uk)(:80)?", fullmatch=True),
    st.text("/aB%é.:", max_size=8),
    st.sampled_from(["", "?utm_source=x&b=1", "?a=%20&gclid=1", "#top", "?trk=x#y", "?"]),
)


def normalized(config: dict[str, Any] | None = None, **lead: Any) -> dict[str, Any]:
    """The lead after one pass."""
    answer = Normalize(config or {}, Context()).enrich(lead, ())
    return lead | {field: finding.value for field, finding in answer.findings.items()}


def test_a_lead_in_normal_form_is_a_miss_and_stays_as_it_is() -> None:
    lead = {"first_name": "Jane", "email": "jane@brightloom.example", "phone": "+12025550143", "country": "Germany"}
    answer = Normalize({}, Context()).enrich(lead, Normalize.provides)
    assert (answer.outcome, dict(answer.findings)) == ("miss", {})


def test_only_what_changes_is_offered_and_only_where_it_is_wanted() -> None:
    enricher = Normalize({}, Context())
    lead = {"first_name": "JANE", "last_name": "Doe", "country": "USA", "badge_id": " 0001 ", "captured_at": None}
    answer = enricher.enrich(lead, ())
    assert answer.outcome == "hit"
    assert {field: finding.value for field, finding in answer.findings.items()} == {
        "first_name": "Jane",
        "country": "United States",
    }
    assert list(enricher.enrich(lead, ["country"]).findings) == ["country"]


@pytest.mark.parametrize(
    ("captured", "expected"),
    [
        ("JosÃ©", "José"),
        ("MÃ¼ller GmbH", "Müller GmbH"),
        ("itâ€™s", "it’s"),
        ("Ã\x81ngel", "Ángel"),
        ("José", "José"),
        ("CAFÉ®", "CAFÉ®"),  # sound text that could be taken for misread
        ("PROTEÇÃO", "PROTEÇÃO"),
        ("  a \u200b\u00a0 b\ufeff ", "a b"),
        ("Jose\u0301", "José"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # a joiner that Persian spelling needs
        ("\u200b", ""),
    ],
)
def test_text_is_repaired(captured: str, expected: str) -> None:
    assert normalized(company=captured)["company"] == expected


def test_notes_keep_their_lines() -> None:
    assert normalized(notes=" one  two \r\n\r\n three ")["notes"] == "one two\n\nthree"


@pytest.mark.parametrize(
    ("captured", "expected"),
    [
        ("SMITH", "Smith"),
        ("smith", "Smith"),
        ("MCDONALD", "McDonald"),
        ("McDonald", "McDonald"),
        ("van der Berg", "van der Berg"),
        ("VAN DER BERG", "van der Berg"),
        ("VAN", "Van"),
        ("DE LA CRUZ", "de la Cruz"),
        ("O'BRIEN", "O'Brien"),
        ("o’brien", "O’Brien"),
        ("SAINT-EXUPÉRY", "Saint-Exupéry"),
        ("İBRAHİM", "İbrahim"),
        ("SMITH III", "Smith III"),
        ("TJ", "TJ"),
        ("J.R.", "J.R."),
        ("LI", "Li"),
        ("deVries", "deVries"),
        ("王", "王"),
        ("NG", "Ng"),
        ("MACLEOD", "MacLeod"),
        ("MACKEY", "Mackey"),
        ("MACRON", "Macron"),
        ("D'ANGELO", "D'Angelo"),
        ("'T HOOFT", "'t Hooft"),
        ("IJZERMAN", "IJzerman"),
        ("IJAZ", "Ijaz"),
        ("WEISS", "Weiss"),
        ("GROẞ", "Groß"),
        ("YILDIZOĞLU", "Yıldızoğlu"),
        ("IŞIK", "IŞIK"),  # Turkish or not?
        ("ИВАНОВ", "ИВАНОВ"),
        ("ΠΑΠΑΔΟΠΟΥΛΟΣ", "ΠΑΠΑΔΟΠΟΥΛΟΣ"),
        ("ԽԱՉԱՏՐՅԱՆ", "ԽԱՉԱՏՐՅԱՆ"),
        ("ბერიძე", "ბერიძე"),
        ("العلي", "العلي"),
        ("בן גוריון", "בן גוריון"),
        ("शर्मा", "शर्मा"),
        ("ใจดี", "ใจดี"),
        ("山田", "山田"),
        ("ヤマダ", "ヤマダ"),
        ("김", "김"),
    ],
)
def test_names_are_capitalised_only_where_nobody_did(captured: str, expected: str) -> None:
    assert normalized(last_name=captured)["last_name"] == expected
    assert normalized({"name_case": False}, last_name=captured)["last_name"] == captured


def test_turkish_letters_go_by_the_country_as_well() -> None:
    assert normalized(last_name="IŞIK", country="Türkiye")["last_name"] == "Işık"
    assert normalized(first_name="ibrahim çağlar", country="TR")["first_name"] == "İbrahim Çağlar"


@pytest.mark.parametrize(
    ("captured", "expected"),
    [
        ("DR. ADA LOVELACE, PHD", "Dr. Ada Lovelace, PhD"),
        ("VAN MORRISON", "Van Morrison"),
        ("VAN DER BERG, JAN", "van der Berg, Jan"),
        ("JEANNE D'ARC", "Jeanne d'Arc"),
        ("CHINUA MBA", "Chinua Mba"),
        ("JANE DOE, MBA", "Jane Doe, MBA"),
        ("Jane DOE", "Jane DOE"),
    ],
)
def test_whole_names(captured: str, expected: str) -> None:
    assert normalized(full_name=captured)["full_name"] == expected


@pytest.mark.parametrize(
    ("captured", "expected"),
    [
        ("Jane.Doe@Example.COM", "jane.doe@example.com"),
        (" mailto:jane@example.com?subject=Hi ", "jane@example.com"),
        ("<jane@example.com>,", "jane@example.com"),
        ("jane@example.com.", "jane@example.com"),
        ("JANE@MÜLLER.example", "jane@müller.example"),
        ("jane@example", "jane@example"),  # not valid: left for a person to see
        ("Jane Doe", "Jane Doe"),
        ("a@b@EXAMPLE.com", "a@b@EXAMPLE.com"),
    ],
)
def test_email(captured: str, expected: str) -> None:
    assert normalized(email=captured)["email"] == expected


@pytest.mark.parametrize(
    ("captured", "country", "expected"),
    [
        ("(202) 555-0143", "USA", "+12025550143"),
        ("202.555.0143 ext. 12", "United States", "+12025550143 x12"),
        ("030 901820", "Deutschland", "+4930901820"),
        ("0049 30 901820", "", "+4930901820"),
        ("+49 (30) 901820", "", "+4930901820"),
        ("030 901820", "", "030 901820"),  # whose country?
        ("12345", "US", "12345"),
        ("call me", "US", "call me"),
    ],
)
def test_phone_goes_by_the_country_of_the_lead(captured: str, country: str, expected: str) -> None:
    assert normalized(mobile_phone=captured, country=country)["mobile_phone"] == expected


def test_the_default_region_helps_leads_without_a_country() -> None:
    lead = normalized({"default_region": "US"}, phone="(202) 555-0143", state="tx")
    assert (lead["phone"], lead["state"]) == ("+12025550143", "Texas")
    german = normalized({"default_region": "US"}, phone="030 901820", country="Germany")
    assert german["phone"] == "+4930901820"


def test_a_default_region_that_is_no_country_is_a_spec_error() -> None:
    with pytest.raises(SpecError, match=r"default_region.*'QQ'"):
        Normalize({"default_region": "QQ"}, Context())


@pytest.mark.parametrize(
    ("captured", "code"),
    [
        ("UK", "GB"), ("U.K.", "GB"), ("USA", "US"), ("u.s.", "US"), ("United States of America", "US"), ("deu", "DE"),
        ("Deutschland", "DE"), ("Turkey", "TR"), ("Türkiye", "TR"), ("Ivory Coast", "CI"), ("South Korea", "KR"),
        ("Korea, Republic of", "KR"), ("north korea", "KP"), ("Holland", "NL"), ("the Netherlands", "NL"),
        ("Czech Republic", "CZ"), ("Russia", "RU"), ("Taiwan", "TW"), ("Vietnam", "VN"), ("Viet Nam", "VN"),
        ("NO", "NO"), ("日本", "JP"), ("ESPAÑA", "ES"), ("DRC", "CD"),
        ("Korea", None), ("Guinea Bissau Republic", None), ("Germny", None), ("", None), ("Europe", None),
    ],
)  # fmt: skip
def test_countries_are_known_by_their_usual_names_and_never_guessed(captured: str, code: str | None) -> None:
    assert country_code(captured) == code


@pytest.mark.parametrize(("form", "expected"), [("name", "South Korea"), ("alpha_2", "KR"), ("alpha_3", "KOR")])
def test_country_form(form: str, expected: str) -> None:
    assert normalized({"country_form": form}, country="Republic of Korea")["country"] == expected


@pytest.mark.parametrize(
    ("captured", "country", "name", "code"),
    [
        ("ca", "United States", "California", "CA"),
        ("US-TX", "US", "Texas", "TX"),
        ("Washington, D.C.", "US", "District of Columbia", "DC"),
        ("Québec", "Canada", "Quebec", "QC"),
        ("NSW", "Australia", "New South Wales", "NSW"),
        ("Texas", "Germany", "Texas", "Texas"),
        ("Calif", "US", "Calif", "Calif"),
        ("CA", "", "CA", "CA"),
        ("CA", "Atlantis", "CA", "CA"),
        ("Catalonia", "Spain", "Cataluña", "CT"),
        ("BAVARIA", "Germany", "Bayern", "BY"),
        ("广东省", "China", "Guangdong", "GD"),
        ("東京都", "Japan", "Tokyo", "13"),
        ("ISTANBUL", "Turkey", "İstanbul", "34"),
    ],
)
def test_states_are_looked_up_in_their_country(captured: str, country: str, name: str, code: str) -> None:
    assert normalized(state=captured, country=country)["state"] == name
    assert normalized({"state_form": "code"}, state=captured, country=country)["state"] == code


def test_codes_are_brought_into_form_too() -> None:
    lead = normalized(country_code="usa", state_code="Texas", company_phone="(202) 555-0143")
    assert lead == {"country_code": "US", "state_code": "TX", "company_phone": "+12025550143"}


def test_a_country_that_is_not_understood_is_not_replaced_by_the_default() -> None:
    assert normalized({"default_region": "US"}, state="CA", country="Atlantis")["state"] == "CA"


@pytest.mark.parametrize(
    ("captured", "expected"),
    [
        ("www.Brightloom.Example", "https://www.brightloom.example"),
        ("HTTP://Brightloom.example/A?utm_source=x&id=7", "http://brightloom.example/A?id=7"),
        ("https://brightloom.example/a?b=%20c", "https://brightloom.example/a?b=%20c"),
        ("not a site", "not a site"),
        ("@brightloom", "@brightloom"),
        ("javascript:alert(1)", "javascript:alert(1)"),
    ],
)
def test_website(captured: str, expected: str) -> None:
    assert normalized(website=captured)["website"] == expected


def test_linkedin_profiles_lose_their_query_and_domains_their_address() -> None:
    lead = normalized(linkedin_url="linkedin.com/in/jane-doe?trk=x&a=b#c", company_domain="https://www.Acme.example/x")
    assert lead["linkedin_url"] == "https://linkedin.com/in/jane-doe"
    assert lead["company_domain"] == "acme.example"


def turkish_name(text: str) -> str:
    return clean_name(text, "TR", whole=True)


@quick
@given(TEXT)
@example("Ã\u200b©")
@example("â€\u200b™")
@example("î¡")
@example("ß0")
def test_text_settles_in_one_pass(text: str) -> None:
    for repair in (clean, clean_lines, clean_name, turkish_name, normal_url, normal_domain):
        once = repair(text)
        assert repair(once) == once


@quick
@given(ADDRESSES | TEXT)
def test_emails_settle_in_one_pass(text: str) -> None:
    once = normal_email(text)
    assert normal_email(once) == once
    assert once == text or is_email(once)


@quick
@given(NUMBERS | TEXT, st.sampled_from([None, "US", "DE", "IT", "JP"]))
def test_phones_settle_in_one_pass(text: str, region: str | None) -> None:
    once = normal_phone(text, region)
    assert normal_phone(once, region) == once


@quick
@given(URLS)
def test_urls_settle_in_one_pass(text: str) -> None:
    for once in (normal_url(text), normal_url(text, keep_query=False)):
        assert normal_url(once) == once
    assert normal_domain(normal_domain(text)) == normal_domain(text)


@quick
@given(TEXT, st.sampled_from(["US", "ES", "QQ"]))
def test_places_never_raise(text: str, country: str) -> None:
    country_code(text)
    state_as(text, country, "name")


FIELDS = (
    "first_name",
    "full_name",
    "email",
    "phone",
    "country",
    "state",
    "website",
    "linkedin_url",
    "notes",
    "company_domain",
)


@quick
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, TEXT | NUMBERS | st.none())))
def test_a_whole_lead_settles_in_one_pass(lead: dict[str, Any]) -> None:
    once = normalized(**lead)
    assert normalized(**once) == once
