"""What `names` makes of whole names and of captured parts."""

from __future__ import annotations

from typing import Any

import pytest
from engine_enrichers.offline.name_parts import split
from engine_enrichers.offline.names import Names
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adapters import Context

quick = settings(max_examples=150, deadline=None)


def named(config: dict[str, Any] | None = None, wanted: Any = Names.provides, **lead: Any) -> dict[str, Any]:
    """What is offered for the lead."""
    answer = Names(config or {}, Context()).enrich(lead, wanted)
    return {field: finding.value for field, finding in answer.findings.items()}


def pair(full_name: str, country: str | None = None, **config: Any) -> tuple[str, str] | None:
    """First and last name, or None where the name is not split."""
    found = named(config, full_name=full_name, country_code=country)
    return (found["first_name"], found["last_name"]) if "first_name" in found else None


@pytest.mark.parametrize(
    ("full_name", "first", "last"),
    [
        ("Ada Lovelace", "Ada", "Lovelace"),
        ("Lovelace, Ada", "Ada", "Lovelace"),
        ("LOVELACE, ADA", "Ada", "Lovelace"),
        ("ada lovelace", "Ada", "Lovelace"),
        ("QUILLFEATHER Hans", "Hans", "Quillfeather"),
        ("Hans QUILLFEATHER", "Hans", "Quillfeather"),
        ("NGUYEN Van An", "An", "Nguyen"),
        ("Juan de la Cruz", "Juan", "de la Cruz"),
        ("VAN DER BERG, JAN", "Jan", "van der Berg"),
        ("Hans von der Heide", "Hans", "von der Heide"),
        ("MCDONALD, RONA", "Rona", "McDonald"),
        ("O'NEIL, SHANE", "Shane", "O'Neil"),
        ("Jean-Luc Saint-Aubin", "Jean-Luc", "Saint-Aubin"),
        ('Ada "Addie" Lovelace', "Ada", "Lovelace"),
        ("Ada (Addie) Lovelace", "Ada", "Lovelace"),
        ("Ada Lovelace née Byron", "Ada", "Lovelace"),
        ("Łukasz Żółć", "Łukasz", "Żółć"),
        ("İBRAHİM IŞIK", "İbrahim", "Işık"),
        ("Иван Петров", "Иван", "Петров"),
        ("Петров Иван Сергеевич", "Иван", "Петров"),
        ("ΓΙΩΡΓΟΣ ΠΑΠΑΔΟΠΟΥΛΟΣ", "ΓΙΩΡΓΟΣ", "ΠΑΠΑΔΟΠΟΥΛΟΣ"),
        ("დავით ბერიძე", "დავით", "ბერიძე"),
        ("ليلى العلي", "ليلى", "العلي"),
        ("יעל בן דוד", "יעל", "בן דוד"),
        ("राम शर्मा", "राम", "शर्मा"),
        ("นาย สมชาย ใจดี", "สมชาย", "ใจดี"),
        ("山田 太郎", "太郎", "山田"),
        ("佐々木 のぞみ", "のぞみ", "佐々木"),
        ("ジョン・スミス", "ジョン", "スミス"),
        ("김 민수", "민수", "김"),
        ("김민수", "민수", "김"),
        ("Nguyễn Văn An", "An", "Nguyễn"),
    ],
)
def test_a_whole_name_is_split(full_name: str, first: str, last: str) -> None:
    assert pair(full_name) == (first, last)


@pytest.mark.parametrize(
    ("full_name", "country"),
    [
        ("Madonna", None),
        ("王小明", None),  # one syllable of family name, or two?
        ("남궁민수", None),
        ("ヤマダ タロウ", None),
        ("マイケル", None),
        ("Tanaka 太郎", None),
        ("Петренко Иван", None),
        ("Nagy Anna", "HU"),
        ("Kim Minsu", "KR"),
        ("Wang Xiaoming", "CN"),
        ("Gabriel García Márquez", "CO"),
        ("Ada & Bob Smith", None),
        ("Ada and Bob Smith", None),
        ("M. Jean Dupont", None),
        ("ada@example.com", None),
        ("Booth 12", None),
        ("Ada Lovelace - Acme", None),
        ("Dr. Ada", None),
        ("", None),
    ],
)
def test_what_could_be_split_in_two_ways_is_left_alone(full_name: str, country: str | None) -> None:
    assert pair(full_name, country) is None


@pytest.mark.parametrize(
    ("full_name", "order", "first", "last"),
    [
        ("Nagy Anna", "family_first", "Anna", "Nagy"),
        ("Anna Nagy", "given_first", "Anna", "Nagy"),
        ("Lovelace Ada", "family_first", "Ada", "Lovelace"),
        ("Lovelace, Ada", "given_first", "Ada", "Lovelace"),
        ("ヤマダ タロウ", "family_first", "タロウ", "ヤマダ"),
        ("ジョン スミス", "given_first", "ジョン", "スミス"),
        ("山田 太郎", "given_first", "太郎", "山田"),  # what the script shows is no matter of taste
    ],
)
def test_a_project_says_what_stands_first(full_name: str, order: str, first: str, last: str) -> None:
    assert pair(full_name, "HU" if "Nagy" in full_name else None, order=order) == (first, last)


def test_titles_degrees_and_middle_names_are_kept_apart() -> None:
    assert named(full_name="Dr. Ada B. Lovelace, PhD") == {
        "first_name": "Ada",
        "middle_name": "B.",
        "last_name": "Lovelace",
        "salutation": "Dr.",
        "name_suffix": "PhD",
    }
    german = named(full_name="PROF. DR. MED. HANS VON DER HEIDE")
    assert (german["salutation"], german["last_name"]) == ("Prof. Dr. Med.", "von der Heide")
    assert named(full_name="Mr. John Public Jr.")["name_suffix"] == "Jr."
    assert "salutation" not in named(full_name="Ada Lovelace, CEO")


def test_two_surnames_stay_together_where_that_is_usual() -> None:
    found = named(full_name="María José García López", country="Mexico")
    assert (found["first_name"], found["middle_name"], found["last_name"]) == ("María", "José", "García López")


def test_a_split_that_is_not_certain_says_so() -> None:
    def confidence(full_name: str) -> float:
        return Names({}, Context()).enrich({"full_name": full_name}, ["last_name"]).findings["last_name"].confidence

    assert confidence("Ada Lovelace") == 1.0
    assert confidence("Ada B. Lovelace") == 1.0
    assert confidence("Ada Byron Lovelace") < 1.0
    assert confidence("Van Morrisey") < 1.0
    assert confidence("김민수") < 1.0


def test_a_captured_pair_is_never_overwritten() -> None:
    assert named(first_name="Ada", last_name="Byron", full_name="Ada Lovelace") == {}
    found = named(first_name="Ada", last_name="Lovelace", full_name="Dr. ada B. lovelace")
    assert found == {"salutation": "Dr.", "middle_name": "B."}


def test_a_missing_half_is_taken_where_the_other_agrees() -> None:
    assert named(first_name="ada", full_name="Ada Lovelace") == {"last_name": "Lovelace"}
    assert named(first_name="Grace", full_name="Ada Lovelace") == {}


@pytest.mark.parametrize(
    ("first", "salutation", "rest"),
    [
        ("Dr. Ada", "Dr.", "Ada"),
        ("Prof. Dr. Ada", "Prof. Dr.", "Ada"),
        ("Frau Ada", "Frau", "Ada"),
        ("mrs ada", "mrs", "ada"),
        ("д-р Анна", "д-р", "Анна"),
    ],
)
def test_a_title_moves_out_of_the_first_name(first: str, salutation: str, rest: str) -> None:
    found = named(first_name=first, last_name="Lovelace")
    assert (found["salutation"], found["first_name"], found["full_name"]) == (salutation, rest, f"{rest} Lovelace")


def test_a_degree_moves_out_of_the_last_name() -> None:
    found = named(first_name="Ada", last_name="Lovelace, PhD")
    assert found == {"last_name": "Lovelace", "name_suffix": "PhD", "full_name": "Ada Lovelace PhD"}


@pytest.mark.parametrize("first", ["Drew", "Prince", "Dr.", "Sir", "Mirza", "Fr"])
def test_a_name_that_only_looks_like_a_title_stays(first: str) -> None:
    assert "first_name" not in named(first_name=first, last_name="Lovelace")


def test_a_title_stays_where_its_field_says_something_else_or_a_person_has_edited_it() -> None:
    assert named(first_name="Dr. Ada", salutation="Ms.") == {}
    assert named(first_name="Dr. Ada", salutation="Dr") == {"first_name": "Ada"}
    assert named(wanted=["last_name", "salutation"], first_name="Dr. Ada") == {}


@pytest.mark.parametrize(
    ("first", "last", "country", "whole"),
    [
        ("Ada", "Lovelace", None, "Ada Lovelace"),
        ("太郎", "山田", "JP", "山田 太郎"),
        ("小明", "王", "CN", "王小明"),
        ("민수", "김", None, "김민수"),
        ("ジョン", "スミス", "US", "ジョン・スミス"),
        ("Anna", "Nagy", "HU", "Nagy Anna"),
        ("An", "Nguyễn", "VN", "Nguyễn An"),
    ],
)
def test_the_whole_name_follows_from_its_parts(first: str, last: str, country: str | None, whole: str) -> None:
    assert named(first_name=first, last_name=last, country_code=country) == {"full_name": whole}


def test_half_a_name_makes_no_whole_one() -> None:
    assert named(first_name="Ada") == {}
    assert named() == {}
    assert named(full_name=7, first_name=None) == {}


WORDS = st.lists(
    st.one_of(
        st.sampled_from(
            ["Dr.", "von", "PhD", "LOVELACE", "Ada", "Jr.", ",", "山田", "김민수", "Иван", "İlke", "(x)", "y"]
        ),
        st.text(max_size=6),
    ),
    max_size=5,
).map(" ".join)


@quick
@given(WORDS, st.sampled_from([None, "ES", "TR", "VN"]))
def test_splitting_never_raises(full_name: str, country: str | None) -> None:
    split(full_name, "detect", country)
    split(full_name, "family_first", country)


@quick
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(Names.provides, WORDS)))
def test_a_lead_settles_in_one_pass(lead: dict[str, Any]) -> None:
    once = lead | named(**lead)
    assert named(**once) == {}
