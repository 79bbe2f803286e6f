"""The filters: what each gives, that empty stays empty, and that none makes more of a value than it may."""

from __future__ import annotations

import hashlib
import time
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.expressions import ExpressionError, Names, function, parse
from engine.filters import BUILT_IN, MAX_ITEMS, MAX_TEXT, fold

NAMES = Names(["value", "other"], tables={"regions": {"norway": "EMEA", "japan": "APAC", "no where": ""}})
#: Arguments for the filters that need some.
NEEDED = {
    "add_days": "(1)", "after": "('@')", "before": "('@')", "contains": "('a')", "default": "('')",
    "ends_with": "('a')", "format_date": "('%Y')", "in_zone": "('Europe/Oslo')", "lookup": "('regions', 'Other')",
    "pad": "(5)", "replace": "('a', 'b')", "split": "(',')", "starts_with": "('a')", "truncate": "(3)",
    "truncate_bytes": "(3)",
}  # fmt: skip


def of(given: Any, call: str, other: Any = "") -> Any:
    """What a filter makes of a value."""
    return function(parse(f"lead.value | {call}", NAMES), NAMES)({"value": given, "other": other}, {})


@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - {"length"}))
@pytest.mark.parametrize("empty", ["", None, []])
def test_every_filter_leaves_an_empty_value_empty(name: str, empty: Any) -> None:
    assert of(empty, name + NEEDED.get(name, "")) in ("", [])


def test_the_length_of_nothing_is_a_number_that_can_be_compared() -> None:
    assert [of(empty, "length") for empty in ("", None, [])] == [0, 0, 0]


@pytest.mark.parametrize(
    ("call", "given", "expected"),
    [
        ("squeeze", "  two \n\t words\u00a0", "two words"),
        ("initials", "ada m. lovelace-king", "AML"),
        ("initials", "(ada) – 'bo'", "AB"),
        ("without_accents", "Åse Müßig-Łoś", "Ase Mussig-Los"),
        ("without_accents", "e\u0301clair", "eclair"),
        ("without_accents", "Ёлка Ждано\u0301в 한국 ≠", "Ёлка Ждано\u0301в 한국 ≠"),
        ("truncate(9, '…')", "Chief of Engines", "Chief of…"),
        ("truncate(12, '…')", "Chief of Engines", "Chief of…"),
        ("truncate(16, '…')", "Chief of Engines", "Chief of Engines"),
        ("truncate(4, '…')", "Incomprehensibilities", "Inc…"),
        ("truncate_bytes(4)", "æøå", "æø"),
        ("truncate_bytes(5)", "æøå", "æø"),
        ("truncate_bytes(6)", "æøå", "æøå"),
        ("truncate_bytes(4)", "ae\u0301e\u0301", "ae\u0301"),
        ("truncate_bytes(3)", "👍👍", ""),
        ("pad(5)", "2134", "02134"),
        ("pad(5, ' ')", 42, "   42"),
        ("pad(2)", "2134", "2134"),
        ("before('@')", "ada @ fernhill.example", "ada"),
        ("after('@')", "ada @ fernhill.example", "fernhill.example"),
        ("before('@')", "ada", "ada"),
        ("after('@')", "ada", ""),
        ("contains('ENGINE')", "Chief Engineer", True),
        ("contains('engine')", "Chief of Staff", False),
        ("contains('pumps')", ["Valves", "Pumps"], True),
        ("contains('pump')", ["Valves", "Pumps"], False),
        ("starts_with('chief ')", "CHIEF  engineer", True),
        ("ends_with('Engineer')", "chief engineer", True),
        ("ends_with('chief')", "chief engineer", False),
        ("length", "Grüße", 5),
        ("length", ["a", "b"], 2),
        ("domain", "Ada <ada@Mail.Fernhill.example>", "mail.fernhill.example"),
        ("domain", "https://www.Fernhill.example:8080/@ada?to=x@y.example", "fernhill.example"),
        ("domain", "fernhill.example", "fernhill.example"),
        ("domain", "not a domain", ""),
        ("domain", "10.0.0.1", ""),
        ("unique", ["b", "a", "b"], ["b", "a"]),
        ("unique", "a", ["a"]),
        ("coalesce('', lead.other, 'x')", "", "x"),
        ("coalesce('x')", 0, 0),
        ("lookup('regions')", " NORWAY", "EMEA"),
        ("lookup('regions')", "Oslo", ""),
        ("lookup('regions', 'Other')", "Oslo", "Other"),
        ("lookup('regions', default='Other')", "no where", ""),
        ("lookup('regions')", ["Japan", "Oslo", "Norway"], ["APAC", "EMEA"]),
        ("number", "-12.50", -12.5),
        ("number", "1200", 1200),
        ("number(',', '.')", "1.234.567,89", 1234567.89),
        ("number(',', ' ')", "1\u00a0234", 1234),
        ("number(decimal='.', thousands=',')", "12,34,567", 1234567),
        ("round", "2.5", 3),
        ("round", -2.5, -3),
        ("round(2)", 2.675, 2.68),
        ("round(1)", "1e2", 100.0),
        ("format_number", "1234567.5", "1,234,568"),
        ("format_number(2, ',', '.')", 1234.5, "1.234,50"),
        ("format_number(1, thousands='')", "-0.04", "0.0"),
        ("boolean", " YES ", True),
        ("boolean", "x", True),
        ("boolean", "no", False),
        ("boolean", False, False),
        ("sha256", "ada@fernhill.example", hashlib.sha256(b"ada@fernhill.example").hexdigest()),
        ("sha1", "å", "cfb50dd6cf79fd470f3a558a720777d835bb45de"),
        ("md5", "å", "e726cc85f77337c9816323749b573281"),
        ("date", "2026-05-12T23:30:00-05:00", "2026-05-12"),
        ("date('%d.%m.%Y')", "1.2.2026", "2026-02-01"),
        ("date('%B %d, %Y')", "may 12, 2026", "2026-05-12"),
        ("date('%a %d-%b-%y %H:%M')", "Tue 12-MAY-26  14:30", "2026-05-12"),
        ("date('%Y%m%d')", "20260512", "2026-05-12"),
        ("datetime('%d/%m/%Y %I:%M %p', 'Europe/Oslo')", "12/05/2026 12:05 AM", "2026-05-12T00:05:00+02:00"),
        ("datetime('%Y-%m-%d %H:%M:%S.%f %z')", "2026-05-12 14:30:00.5 +0530", "2026-05-12T14:30:00.500000+05:30"),
        ("datetime(zone='Asia/Tokyo')", "2026-05-12 14:30", "2026-05-12T14:30:00+09:00"),
        ("datetime(zone='Asia/Tokyo')", "2026-05-12T14:30Z", "2026-05-12T14:30:00+00:00"),
        ("in_zone('America/New_York')", "2026-05-12T14:30:00Z", "2026-05-12T10:30:00-04:00"),
        ("in_zone('Europe/Oslo')", "2026-01-12 14:30", "2026-01-12T15:30:00+01:00"),
        ("format_date('%A %d %B %Y')", "2026-05-12", "Tuesday 12 May 2026"),
        ("format_date('%I:%M %p, %a %b %y, 100%%')", "2026-05-12T00:05", "12:05 AM, Tue May 26, 100%"),
        ("add_days(30)", "2026-05-12", "2026-06-11"),
        ("add_days(-1)", "2026-03-01T10:00:00+01:00", "2026-02-28T10:00:00+01:00"),
    ],
)
def test_what_a_filter_gives(call: str, given: Any, expected: Any) -> None:
    found = of(given, call)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("call", "given", "problem"),
    [
        ("number", "1,200", "'1,200' is no number that is written so"),
        ("number(',', '.')", "1.2", "is no number that is written so"),
        ("number", "9" * 101, "100 digits"),
        ("round", "a dozen", "'a dozen' is no number"),
        ("round", "1e999999999", "too large"),
        ("format_number", "nan", "is no number"),
        ("float", "inf", "is no number"),
        ("float", "1e999", "is no number"),
        ("boolean", "maybe", "neither yes nor no"),
        ("date", "12.05.2026", "is no date or time of the form"),
        ("date('%d.%m.%Y')", "31.02.2026", "is no date of the form '%d.%m.%Y'"),
        ("date('%d.%m.%Y')", "12/05/2026", "is no date of the form"),
        ("date('%d.%m.%Y')", "١٢.05.2026", "is no date of the form"),
        ("date('%d.%m.%Y %I %p')", "12.05.2026 13 PM", "is no date of the form"),
        ("in_zone('Europe/Oslo')", "2026-05-12", "has no time of the day"),
        ("in_zone('Asia/Tokyo')", "9999-12-31T23:00:00Z", "in no year"),
        ("add_days(1)", "9999-12-31", "in no year"),
        ("split(' ')", "a " * MAX_ITEMS, "more than 10000 items"),
        ("in_zone(lead.other)", "2026-05-12T00:00Z", "there is no time zone '../../x'"),
    ],
)
def test_what_a_filter_does_not_understand_fails_the_lead_with_the_reason(call: str, given: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("(", r"\(").replace(".", r"\.")):
        of(given, call, "../../x")


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("date('%Q')", "a format has no '%Q'"), ("date('%d.%m')", "needs a day"), ("date('%d %m %Y %')", "has no '%'"),
        ("date('%d %m %Y %H')", ""), ("date('%d %m %Y %I')", "%I and %p go together"),
        ("date('%d %m %b %Y')", "one thing twice"), ("date('%d %d %m %Y')", "one thing twice"),
        ("format_date('%c')", "a format has no '%c'"), ("format_date('')", "is empty"),
        (f"format_date('{'%d' * 51}')", "100 characters"),
        ("in_zone('Europe/Olso')", "did you mean 'Europe/Oslo'"), ("datetime(zone='CEST')", "no time zone 'CEST'"),
        ("in_zone('/etc/localtime')", "no time zone"), ("add_days('1')", "whole number"), ("add_days(1.5)", "whole"),
        ("add_days(10000000)", "between"), ("round(1000000000)", "between 0 and 15"), ("pad(1000000000)", "between"),
        ("pad(5, '00')", "one character"), ("truncate('9')", "whole number"), ("truncate(2, '...')", "longer than"),
        ("number('.', '.')", "different signs"), ("number('')", "the one sign"), ("format_number(2, '0')", "one sign"),
        ("replace('', 'x')", "look for"), ("split('')", "is empty"), ("contains('')", "is empty"),
    ],
)  # fmt: skip
def test_arguments_that_make_no_sense_are_found_when_the_spec_is_read(call: str, problem: str) -> None:
    if not problem:
        parse(f"lead.value | {call}", NAMES)
        return
    with pytest.raises(ExpressionError, match=problem) as caught:
        parse(f"lead.value | {call}", NAMES)
    assert caught.value.code == "filter-arguments"


_CHAINS = ["title", "upper", "lower", "initials", "without_accents", "squeeze", "domain", "contains('ab')", "digits",
           "truncate(99, '…')", "truncate_bytes(5000)", "after('-')", "split('-') | first", "starts_with('-')",
           "sha256", "replace('-', '+')", "split('--') | unique"]  # fmt: skip


@pytest.mark.parametrize("character", ["-", " ", "a ", "'", "ΐ", "\u0301\u0316", "ß", "\ufdfa", "1.", "@", "<"])
def test_a_long_value_costs_little_whatever_it_consists_of(character: str) -> None:
    value = (character * 256_000)[:256_000]
    for call in _CHAINS:
        started = time.process_time()
        try:
            found = of(value, call)
        except ValueError as error:
            assert "than" in str(error)
            found = ""
        assert time.process_time() - started < 2, call
        assert not isinstance(found, str) or len(found) <= max(MAX_TEXT, len(value))


def test_what_identity_is_compared_by_costs_little_for_accents_without_end() -> None:
    started = time.process_time()
    fold("\u0301\u0316" * 100_000)
    assert time.process_time() - started < 2
    assert fold("Ａda \u00a0LOVELACE" * 100) == fold("ada lovelace" * 100)


@settings(deadline=None)
@given(st.text(max_size=80), st.integers(0, 60))
def test_a_text_that_is_cut_is_the_front_of_the_whole(text: str, length: int) -> None:
    text = text.encode(errors="ignore").decode()
    cut = of(text, f"truncate_bytes({length})")
    assert text.startswith(cut) and len(cut.encode()) <= length
    assert cut == text or len(text.encode()) > length
    shown = of(text, f"truncate({length}, '…')") if length else ""
    assert len(shown) <= length
    assert shown == text or not shown or text.startswith(shown[:-1])


@settings(deadline=None)
@given(st.dates())
def test_a_date_that_is_written_in_a_form_is_read_in_it(day: date) -> None:
    for form in ("%d.%m.%Y", "%B %d, %Y", "%Y%m%d", "%d-%b-%Y (%A)"):
        assert of(of(day.isoformat(), f"format_date('{form}')"), f"date('{form}')") == day.isoformat()


@settings(deadline=None)
@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)), st.sampled_from(["Europe/Oslo", "Asia/Kolkata"]))
def test_a_moment_is_the_same_by_all_clocks(moment: datetime, zone: str) -> None:
    there = of(moment.isoformat(), f"in_zone('{zone}')")
    assert datetime.fromisoformat(there) == moment.replace(tzinfo=ZoneInfo("UTC"))
    assert of(there, "in_zone('UTC')") == moment.isoformat() + "+00:00"
    assert of(there, "add_days(3)")[:10] == (datetime.fromisoformat(there) + timedelta(days=3)).date().isoformat()


@settings(deadline=None)
@given(st.decimals(-(10**9), 10**9, places=3), st.integers(0, 3))
def test_a_number_that_is_written_is_read_again(number: Any, digits: int) -> None:
    written = of(str(number), f"format_number({digits}, ',', '.')")
    assert of(written, "number(',', '.')") == of(str(number), f"round({digits})")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(BUILT_IN)), st.text(max_size=40) | st.lists(st.text(max_size=9), max_size=5)
       | st.integers() | st.floats() | st.booleans())  # fmt: skip
def test_a_filter_gives_a_value_or_says_what_is_wrong(name: str, value: Any) -> None:
    call = name + NEEDED.get(name, "")
    try:
        found = of(value, call)
    except (ValueError, TypeError, ArithmeticError) as error:
        assert str(error)
        return
    assert repr(found) == repr(of(value, call))
