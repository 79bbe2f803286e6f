"""What `job_titles` reads from a title."""

from __future__ import annotations

from typing import Any

import pytest
from engine_enrichers.offline.job_titles import SENIORITIES, JobTitles
from engine_enrichers.offline.tables import entries
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.adapters import Context

FUNCTIONS = {
    "sales", "marketing", "engineering", "it", "finance", "hr", "operations", "legal", "product", "support",
    "executive", "education", "medical", "research", "design", "procurement",
}  # fmt: skip


def read(title: Any) -> tuple[str | None, str | None]:
    """Function and seniority."""
    found = JobTitles({}, Context()).enrich({"job_title": title}, JobTitles.provides).findings
    function, seniority = found.get("job_function"), found.get("seniority")
    return function.value if function else None, seniority.value if seniority else None


@pytest.mark.parametrize(
    ("title", "function", "seniority"),
    [
        ("VP Sales", "sales", "vp"),
        ("Vice-President, Finance", "finance", "vp"),
        ("SVP Operations", "operations", "vp"),
        ("CEO", "executive", "c_level"),
        ("Chief Marketing Officer", "marketing", "c_level"),
        ("CTO", "engineering", "c_level"),
        ("Co-Founder & CTO", "engineering", "owner"),
        ("Managing Director", "executive", "c_level"),
        ("Head of Marketing", "marketing", "head"),
        ("Senior Director of Product", "product", "director"),
        ("Senior Software Engineer", "engineering", "senior"),
        ("Sales Engineer", "sales", None),
        ("Product Owner", "product", None),
        ("Process Owner", None, None),
        ("Secretary General", "executive", "c_level"),
        ("Secretary", None, "entry"),
        ("Account Executive", "sales", None),
        ("HR Business Partner", "hr", None),
        ("Junior Sales Manager", "sales", "entry"),
        ("Marketing Manager Intern", "marketing", "intern"),
        ("R&D Manager", "research", "manager"),
        ("it director", "it", "director"),
        ("General Counsel", "legal", "c_level"),
        ("Registered Nurse", "medical", None),
        ("Assistant Professor", "education", "senior"),
        ("Buyer", "procurement", None),
        ("UX Designer", "design", None),
        # German
        ("Geschäftsführerin", "executive", "c_level"),
        ("Geschaeftsfuehrer", "executive", "c_level"),
        ("Vertriebsleiter/in", "sales", "head"),
        ("Leiterin Einkauf", "procurement", "head"),
        ("Sachbearbeiter Buchhaltung", "finance", "entry"),
        ("Entwicklungsingenieur", "engineering", None),
        ("Werkstudentin Marketing", "marketing", "intern"),
        # French, Spanish, Italian, Portuguese
        ("Directeur général", "executive", "c_level"),
        ("Directrice des ressources humaines", "hr", "director"),
        ("Responsable achats", "procurement", "manager"),
        ("Gerente de ventas", "sales", "manager"),
        ("Directora general", "executive", "c_level"),
        ("Amministratore delegato", "executive", "c_level"),
        ("Responsabile vendite", "sales", "manager"),
        ("Diretor financeiro", "finance", "director"),
        # Dutch, Nordic, Polish
        ("Hoofd inkoop", "procurement", "head"),
        ("Säljchef", "sales", "manager"),
        ("Økonomichef", "finance", None),
        ("Toimitusjohtaja", "executive", "c_level"),
        ("Właściciel", "executive", "owner"),
        # Other scripts
        ("Генеральный директор", "executive", "c_level"),
        ("Διευθυντής πωλήσεων", "sales", "director"),
        ("Satış Müdürü", "sales", "head"),
        ("代表取締役社長", "executive", "c_level"),
        ("営業部長", "sales", "director"),
        ("マーケティングマネージャー", "marketing", "manager"),
        ("副总经理", None, "vp"),
        ("销售总监", "sales", "director"),
        ("영업팀장", "sales", "manager"),
    ],
)
def test_titles(title: str, function: str | None, seniority: str | None) -> None:
    assert read(title) == (function, seniority)
    assert read(title.upper())[1] == seniority


@pytest.mark.parametrize(
    "title",
    [
        "Executive Assistant to the CEO", "Assistant to the VP Sales", "Assistentin der Geschäftsführung", "Former CEO",
        "Retired", "Astronaut", "Personal Trainer", "مهندس", "מנהל", "प्रबंधक", "ผู้จัดการ", "???", "x",
    ],
)  # fmt: skip
def test_what_is_not_known_gives_nothing(title: str) -> None:
    assert read(title) == (None, None)


@pytest.mark.parametrize(
    ("title", "field", "sure"),
    [
        ("VP Sales", "job_function", True),
        ("VP of Sales & Marketing", "job_function", False),
        ("President of Sales", "job_function", False),
        ("Head of Sales", "seniority", True),
        ("Product Manager", "seniority", False),
        ("Partner", "seniority", False),
    ],
)
def test_a_weak_word_lowers_the_confidence(title: str, field: str, sure: bool) -> None:
    finding = JobTitles({}, Context()).enrich({"job_title": title}, JobTitles.provides).findings[field]
    assert (finding.confidence == 1.0) is sure


def test_only_what_is_wanted_is_offered() -> None:
    answer = JobTitles({}, Context()).enrich({"job_title": "VP Sales"}, ["seniority"])
    assert list(answer.findings) == ["seniority"]


@pytest.mark.parametrize("title", [None, "", " ", 7])
def test_without_a_title_the_step_is_skipped(title: Any) -> None:
    assert JobTitles({}, Context()).enrich({"job_title": title}, JobTitles.provides).outcome == "skipped"


def test_every_entry_of_the_table_can_be_found() -> None:
    for head, phrases in entries("job_titles.txt"):
        field, _, value = head.partition(" ")
        assert field == "none" or value == "-" or value in (FUNCTIONS if field == "function" else SENIORITIES), head
        for phrase in phrases:
            bare = phrase.rstrip("?!")
            assert bare, head
            assert "*" not in bare or (" " not in bare and len(bare) > 3), (head, phrase)
            if value not in ("", "-") and read(bare.replace("*", "")) != (None, None):
                assert value in read(bare.replace("*", "")) or "?" in phrase or " " in bare, (head, phrase)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40))
def test_titles_never_raise(title: str) -> None:
    read(title)
