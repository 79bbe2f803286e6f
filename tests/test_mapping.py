"""Mapping: fields, qualifiers and programs become one write, or one failure that says what does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.casts import CASTS, stored_as
from engine.expressions import ExpressionError, Names
from engine.field_rows import cut, too_long
from engine.mapping import Compiled, Remote, compile_mapping
from engine.records import LEAD_FIELDS, Failure, Field, Lead, Membership, Notice, Program, Write
from engine.specs import FieldRow, ListRow, MappingSpec, ProgramRow, QualifierRow

REMOTE = (
    Field("text"), Field("short", length=5), Field("pick", options=("A", "B")), Field("locked", writable=False),
    Field("email", "email"), Field("int", "integer"), Field("float", "float"), Field("bool", "boolean"),
    Field("date", "date"), Field("when", "datetime"), Field("phone", "phone"), Field("money", "currency"),
    Field("odd", "a type nobody knows"),
)  # fmt: skip
NAMES = Names({*LEAD_FIELDS, "scans", "x"}, ("Heat", "Wants", "Follow up"))
EXPO = {"1107": Program("1107", "Expo", ("Registered", "Engaged", "Member"))}


def compiled(
    *rows: FieldRow,
    qualifiers: Sequence[QualifierRow] = (),
    programs: Sequence[ProgramRow] = (),
    known: Mapping[str, Program] | None = None,
) -> Compiled:
    return compile_mapping(MappingSpec(rows, tuple(qualifiers), tuple(programs)), NAMES, Remote(REMOTE, programs=known))


def lead(qualifiers: dict[str, Any] | None = None, events: dict[str, int] | None = None, **fields: Any) -> Lead:
    return Lead(1, "email:a@f.example", fields, qualifiers or {}, events or {"Expo": 1})


def mapped(row: FieldRow, **fields: Any) -> dict[str, Any]:
    found = compiled(row).apply(lead(**fields))
    assert isinstance(found, Write), found
    return found.fields


def refused(found: Write | Failure) -> Failure:
    assert isinstance(found, Failure), found
    return found


@pytest.mark.parametrize(
    ("target", "given", "written"),
    [
        ("text", "1e5", "1e5"), ("text", "0012", "0012"), ("text", "NO", "NO"), ("text", " kept ", " kept "),
        ("phone", "+1 555", "+1 555"), ("odd", "12", "12"), ("short", "12345", "12345"), ("pick", "A", "A"),
        ("email", "a.b+c@f.example", "a.b+c@f.example"),
        ("int", "12", 12), ("int", " -7 ", -7), ("int", "+3", 3), ("int", "0", 0), ("int", 4.0, 4), ("int", 9, 9),
        ("float", "12.5", 12.5), ("float", "1e3", 1000.0), ("float", "0", 0.0), ("money", "9.99", 9.99),
        ("bool", "Yes", True), ("bool", "off", False), ("bool", "0", False), ("bool", True, True),
        ("date", "2026-11-10", "2026-11-10"), ("date", "2026-11-10T09:00:00Z", "2026-11-10"),
        ("when", "2026-11-10T09:00:00", "2026-11-10T09:00:00Z"),
        ("when", "2026-11-10T09:00:00+02:00", "2026-11-10T09:00:00+02:00"),
        ("when", "2026-11-10", "2026-11-10T00:00:00Z"),
    ],
)  # fmt: skip
def test_a_value_takes_the_type_of_its_field(target: str, given: Any, written: Any) -> None:
    found = mapped(FieldRow(target, "lead.x"), x=given)
    assert found == {target: written}
    assert type(found[target]) is type(written)


@pytest.mark.parametrize(
    ("target", "given", "why"),
    [
        ("int", "12.5", "no whole number"), ("int", "1,200", "no whole number"), ("int", "9" * 19, "no whole number"),
        ("int", 10**30, "no whole number"), ("int", "1e5", "no whole number"), ("int", float("inf"), "no whole number"),
        ("float", "nan", "no number"), ("float", float("nan"), "no number"), ("float", "12,5", "no number"),
        ("float", 10**30, "no whole number"), ("money", "-inf", "no number"),
        ("bool", "maybe", "neither true nor false"), ("date", "10/11/2026", "no date"),
        ("date", "2026-13-01", "no date"),
        ("when", "yesterday", "no date and time"), ("email", "a@b", "no email address"),
        ("email", "Ada <a@f.example>", "no email address"), ("short", "123456", "longer than the 5 characters"),
        ("pick", "C", "not among the options"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_fails_the_lead_and_names_the_field(target: str, given: Any, why: str) -> None:
    failure = refused(compiled(FieldRow(target, "lead.x")).apply(lead(x=given)))
    assert (failure.code, failure.field) == ("DATA_VALUE_VALIDATION", target)
    assert why in failure.message
    assert len(failure.message) < 200


@pytest.mark.parametrize(
    ("given", "written"),
    [("Norge", {"text": "Norway"}), ("norge ", {"text": "Norway"}), ("NORGE", {"text": "NO"}), ("n/a", {}),
     ("-", {}), ("Sweden", {"text": "Sweden"}), ("", {}), (["a", "b"], {"text": "c"}), (7, {"text": "seven"})],
)  # fmt: skip
def test_what_is_written_instead_of_a_value_which_stays_where_nothing_is(given: Any, written: dict[str, str]) -> None:
    values = {"Norge": "Norway", "NORGE": "NO", "n/a": "", "-": None, "a;b": "c", "7": "seven"}
    assert mapped(FieldRow("text", "lead.x", values=values), x=given) == written


def test_what_is_written_instead_comes_before_default_type_and_options() -> None:
    assert mapped(FieldRow("text", "lead.x", values={"?": ""}, default="none"), x="?") == {"text": "none"}
    assert mapped(FieldRow("int", "lead.x", values={"many": 9, "yes": True}), x="Many") == {"int": 9}
    assert mapped(FieldRow("pick", "lead.x", values={"first": "A"}), x="first") == {"pick": "A"}
    assert mapped(FieldRow("text", "lead.x", values={"?": ""}, empty="clear"), x="?") == {"text": None}
    assert refused(compiled(FieldRow("pick", "lead.x", values={"x": "Z"})).apply(lead(x="x"))).field == "pick"


def test_several_bad_values_make_one_failure_that_counts_them() -> None:
    mapping = compiled(FieldRow("int", "lead.x"), FieldRow("date", "lead.x"), FieldRow("email", "lead.x"))
    failure = refused(mapping.apply(lead(x="?")))
    assert failure.field == "int"
    assert "(and 2 more)" in failure.message


def test_a_declared_type_goes_before_the_type_of_the_field() -> None:
    assert mapped(FieldRow("text", "lead.x", type="integer"), x="7") == {"text": 7}
    assert mapped(FieldRow("int", "lead.x", type="string"), x="1e5") == {"int": "1e5"}


@pytest.mark.parametrize("empty", ["", None, []])
@pytest.mark.parametrize("target", ["text", "int", "bool", "date", "email", "pick", "short"])
def test_an_empty_value_sends_no_key(target: str, empty: Any) -> None:
    assert mapped(FieldRow(target, "lead.x"), x=empty) == {}
    assert mapped(FieldRow(target, "lead.x")) == {}


@pytest.mark.parametrize(("target", "given", "written"), [("int", 0, 0), ("bool", False, False), ("text", 0, "0"),
                                                          ("text", False, "false"), ("float", 0.0, 0.0)])  # fmt: skip
def test_zero_and_false_are_values(target: str, given: Any, written: Any) -> None:
    assert mapped(FieldRow(target, "lead.x", default="9"), x=given) == {target: written}


def test_a_default_stands_in_for_an_empty_value_and_is_cast() -> None:
    assert mapped(FieldRow("text", "lead.x", default="Unknown")) == {"text": "Unknown"}
    assert mapped(FieldRow("int", "lead.x", default=0)) == {"int": 0}
    assert mapped(FieldRow("bool", "lead.x", default=False), x="yes") == {"bool": True}
    assert refused(compiled(FieldRow("int", "lead.x", default="none")).apply(lead())).field == "int"


def test_a_condition_decides_whether_the_field_is_written_at_all() -> None:
    row = FieldRow("text", "'known'", when="lead.x is not blank", default="unknown")
    assert mapped(row, x="y") == {"text": "known"}
    assert mapped(row) == {}


def test_an_expression_that_breaks_fails_its_lead_and_no_other() -> None:
    mapping = compiled(FieldRow("int", "1 // lead.scans"), FieldRow("text", "lead.x | int - 1"))
    assert refused(mapping.apply(lead(x="many"))).field == "text"
    assert mapping.apply(lead(x="5")) == Write({"int": 1, "text": "4"})


def test_values_for_blank_fields_are_kept_apart() -> None:
    mapping = compiled(FieldRow("text", "lead.x"), FieldRow("short", "lead.x", write="if_blank"),
                       qualifiers=[QualifierRow("Heat", "pick", write="if_blank")])  # fmt: skip
    assert mapping.apply(lead({"Heat": "A"}, x="y")) == Write({"text": "y"}, {"short": "y", "pick": "A"})
    assert mapping.reads_blanks
    assert not compiled(FieldRow("text", "lead.x")).reads_blanks


def test_scans_count_over_all_events_and_the_remote_id_is_readable() -> None:
    mapping = compiled(FieldRow("int", "lead.scans"), FieldRow("text", "lead.remote_id"))
    found = mapping.apply(Lead(1, "k", {}, {}, {"Expo": 2, "Summit": 3}, remote_id="77"))
    assert found == Write({"int": 5, "text": "77"})


# Qualifiers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "answer", "written"),
    [
        (QualifierRow("Heat", "text"), "Hot", {"text": "Hot"}),
        (QualifierRow("Heat", "pick", {"Hot": "A"}), "Hot", {"pick": "A"}),
        (QualifierRow("Heat", "text"), ["Hot"], {"text": "Hot"}),
        (QualifierRow("Heat", "text", {"P": "1", "V": "2"}, multiple=True), ["P", "V"], {"text": "1;2"}),
        (QualifierRow("Heat", "text", multiple=True, separator=", "), ["P", "V"], {"text": "P, V"}),
        (QualifierRow("Heat", "bool", {"Yes": "true"}), "Yes", {"bool": True}),
        (QualifierRow("Heat", "text", {}), "", {}),
        (QualifierRow("Heat", "text", {}), [], {}),
        (QualifierRow("Heat", "text", {}), None, {}),
    ],
)
def test_answers_become_options(row: QualifierRow, answer: Any, written: dict[str, Any]) -> None:
    answers = {} if answer is None else {"Heat": answer}
    assert compiled(qualifiers=[row]).apply(lead(answers)) == Write(written)


@pytest.mark.parametrize(
    ("row", "answer", "code", "said"),
    [
        (QualifierRow("Heat", "pick", {"Hot": "A"}), "Tepid", "NO_TAG_MAPPING", "'Tepid'"),
        (QualifierRow("Heat", "pick", {"Hot": "A"}), "hot", "NO_TAG_MAPPING", "'hot'"),
        (QualifierRow("Heat", "text", {"P": "1"}, multiple=True), ["P", "V"], "NO_TAG_MAPPING", "'V'"),
        (QualifierRow("Heat", "text"), ["P", "V"], "DATA_VALUE_VALIDATION", "takes one"),
        (QualifierRow("Heat", "pick", {"Hot": "Z"}), "Hot", "DATA_VALUE_VALIDATION", "options"),
        (QualifierRow("Heat", "short"), "too long", "DATA_VALUE_VALIDATION", "5 characters"),
    ],
)
def test_an_answer_that_cannot_be_written_fails_the_lead(row: QualifierRow, answer: Any, code: str, said: str) -> None:
    failure = refused(compiled(qualifiers=[row]).apply(lead({"Heat": answer})))
    assert (failure.code, failure.field) == (code, row.field)
    assert said in failure.message


# Programs ------------------------------------------------------------------------------------------------------------

FOLLOW_UP = {"Yes": "Engaged", "No": "Member"}


@pytest.mark.parametrize(
    ("row", "given", "status"),
    [
        (ProgramRow("1107", status="Registered"), lead(), "Registered"),
        (ProgramRow("1107", event="Expo", status="Registered"), lead(), "Registered"),
        (ProgramRow("1107", event="Summit", status="Registered"), lead(), None),
        (ProgramRow("1107", status="Registered", min_scans=3), lead(events={"Expo": 2}), None),
        (ProgramRow("1107", status="Registered", min_scans=3), lead(events={"Expo": 2, "Summit": 1}), "Registered"),
        (ProgramRow("1107", "Expo", "Registered", min_scans=3), lead(events={"Expo": 2, "Summit": 1}), None),
        (ProgramRow("1107", "", "Registered", "Follow up", FOLLOW_UP), lead({"Follow up": "Yes"}), "Engaged"),
        (ProgramRow("1107", "", "Registered", "Follow up", FOLLOW_UP), lead({"Follow up": "Maybe"}), "Registered"),
        (ProgramRow("1107", "", "Registered", "Follow up", FOLLOW_UP), lead(), "Registered"),
        (ProgramRow("1107", "", "", "Follow up", FOLLOW_UP), lead({"Follow up": ["Maybe", "No"]}), "Member"),
        (ProgramRow("1107", "", "", "Follow up", FOLLOW_UP), lead(), None),
    ],
)
def test_who_joins_a_program_and_as_what(row: ProgramRow, given: Lead, status: str | None) -> None:
    expected = (Membership("1107", status),) if status else ()
    assert compiled(programs=[row], known=EXPO).apply(given) == Write({}, {}, expected)


def test_a_membership_wanted_twice_is_wanted_once() -> None:
    row = ProgramRow("1107", status="Registered")
    found = compiled(programs=[row, row], known=EXPO).apply(lead())
    assert found == Write({}, {}, (Membership("1107", "Registered"),))


@pytest.mark.parametrize(
    ("row", "code", "said"),
    [
        (ProgramRow("1108", status="Registered"), "CAMPAIGN_NOT_WRITABLE", "1108"),
        (ProgramRow("1107", status="registered"), "INVALID_CAMPAIGN_STATUS", "Did you mean 'Registered'?"),
        (ProgramRow("1107", status="Zzz"), "INVALID_CAMPAIGN_STATUS", "It has: Registered, Engaged, Member"),
        (ProgramRow("1107", "", "", "Heat", FOLLOW_UP), "NO_TAG_MAPPING", "'Tepid'"),
    ],
)
def test_a_program_that_cannot_be_joined_fails_the_lead(row: ProgramRow, code: str, said: str) -> None:
    failure = refused(compiled(programs=[row], known=EXPO).apply(lead({"Heat": "Tepid"})))
    assert (failure.code, failure.owner) == (code, "admin")
    assert said in failure.message


# A broken mapping ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "said"), [("emial", "Did you mean 'email'?"), ("locked", "cannot be written"), ("zzz", "no field 'zzz'")]
)
def test_a_mapping_that_the_vendor_cannot_take_is_one_failure_for_every_lead(target: str, said: str) -> None:
    for mapping in (compiled(FieldRow(target, "lead.x")), compiled(qualifiers=[QualifierRow("Heat", target)])):
        found = [refused(mapping.apply(lead({"Heat": "A"}, x=value))) for value in ("one", "two")]
        assert found[0] == found[1]
        assert (found[0].code, found[0].field, found[0].owner) == ("MISSING_REMOTE_FIELD", target, "admin")
        assert said in found[0].message


def test_a_wrong_expression_is_refused_when_the_mapping_is_compiled() -> None:
    with pytest.raises(ExpressionError, match="unknown lead field 'emial'"):
        compiled(FieldRow("email", "lead.emial"))


def test_without_a_field_list_nothing_is_checked_against_it() -> None:
    mapping = compile_mapping(MappingSpec((FieldRow("anything", "lead.x"),)), NAMES, Remote())
    assert mapping.apply(lead(x="1e5")) == Write({"anything": "1e5"})


# What a row says of texts that are too long, of empty values, and of members ------------------------------------------


def test_a_text_that_is_too_long_is_cut_where_the_row_says_so_and_people_are_told() -> None:
    found = compiled(FieldRow("short", "lead.x", too_long="truncate")).apply(lead(x="123456"))
    assert isinstance(found, Write)
    assert (found.fields, [notice.code for notice in found.notices]) == ({"short": "12345"}, ["VALUE_TRUNCATED"])
    fits = compiled(FieldRow("short", "lead.x", too_long="truncate")).apply(lead(x="12345"))
    assert fits == Write({"short": "12345"})


@pytest.mark.parametrize(("given", "fits"), [("a" * 12, True), ("é" * 6, True), ("é" * 7, False), ("𝄞" * 3, True)])
def test_a_size_in_bytes_counts_bytes(given: str, fits: bool) -> None:
    row = FieldRow("wide", "lead.x")
    mapping = compile_mapping(MappingSpec((row,)), NAMES, Remote((Field("wide", "text", max_bytes=12),)))
    assert isinstance(mapping.apply(lead(x=given)), Write) is fits


@given(text_=st.text(max_size=40), length=st.none() | st.integers(1, 20), size=st.none() | st.integers(4, 40))
def test_what_is_cut_always_fits_and_is_the_beginning(text_: str, length: int | None, size: int | None) -> None:
    field = Field("f", length=length, max_bytes=size)
    notices: list[Notice] = []
    kept = cut(text_, field, notices)
    assert not too_long(kept, field) and text_.startswith(kept)
    assert bool(notices) == (kept != text_)


@pytest.mark.parametrize("target", ["text", "int", "bool", "date"])
def test_an_empty_value_clears_only_where_the_row_says_so(target: str) -> None:
    assert mapped(FieldRow(target, "lead.x", empty="clear"), x="") == {target: None}
    assert mapped(FieldRow(target, "lead.x"), x="") == {}
    assert mapped(FieldRow(target, "lead.x", empty="clear", when="lead.x == 'no'"), x="") == {}


def test_member_fields_belong_to_the_membership() -> None:
    row = ProgramRow("1107", status="Registered", fields=(FieldRow("seat", "lead.x"), FieldRow("visits", "lead.scans")))
    members = (Field("seat"), Field("visits", "integer"))
    spec = MappingSpec((), programs=(row,))
    mapping = compile_mapping(spec, NAMES, Remote(REMOTE, members, EXPO))
    assert mapping.apply(lead(x="A1")) == Write(
        {}, {}, (Membership("1107", "Registered", {"seat": "A1", "visits": 1}),)
    )
    failure = refused(compile_mapping(spec, NAMES, Remote(REMOTE, members[:1], EXPO)).apply(lead(x="A1")))
    assert (failure.code, failure.field) == ("MISSING_REMOTE_FIELD", "visits")


def test_a_program_that_takes_no_members_says_why() -> None:
    archived = {"1107": Program("1107", "Expo", ("Registered",), refusal="it is archived")}
    failure = refused(compiled(programs=[ProgramRow("1107", status="Registered")], known=archived).apply(lead()))
    assert (failure.code, failure.message) == ("CAMPAIGN_NOT_WRITABLE", "program 1107 takes no members: it is archived")


def test_lists_take_leads_by_event_and_scans() -> None:
    rows = (ListRow("5"), ListRow("6", "Expo", 2), ListRow("7", "Summit"))
    mapping = compile_mapping(MappingSpec((), lists=rows), NAMES, Remote(lists={"5": "All", "6": "Often", "7": "S"}))
    found = mapping.apply(lead(events={"Expo": 2}))
    assert isinstance(found, Write)
    assert [(place.kind, place.target) for place in found.memberships] == [("list", "5"), ("list", "6")]
    missing = compile_mapping(MappingSpec((), lists=rows), NAMES, Remote(lists={"5": "All"}))
    assert refused(missing.apply(lead())).code == "CAMPAIGN_NOT_WRITABLE"


@pytest.mark.parametrize(
    ("kind", "given", "written"),
    [("percent", "30%", 30), ("percent", "30", 30), ("currency", "$9.50", 9.5), ("currency", "EUR 12", 12.0),
     ("currency", "12 €", 12.0), ("currency", "-3", -3.0)],
)  # fmt: skip
def test_signs_of_currency_and_per_cent_are_left_out(kind: str, given: str, written: float) -> None:
    assert CASTS[kind](given) == written


@pytest.mark.parametrize(("kind", "given"), [("currency", "1,200"), ("percent", "12.5%"), ("currency", "USD"),
                                             ("percent", "%")])  # fmt: skip
def test_what_could_mean_two_things_is_refused(kind: str, given: str) -> None:
    with pytest.raises(ValueError, match="number"):
        CASTS[kind](given)


@pytest.mark.parametrize(
    ("sent", "held", "same"),
    [("a", "a", True), ("a ", "a", True), ("a", "b", False), (None, "", True), (None, False, True), (None, "x", False),
     (True, "true", True), (False, "0", False), (12, "12.0", True), ("12", 12, True), (0, None, False),
     ("2026-11-10T09:00:00.250+02:00", "2026-11-10T07:00:00Z", True),
     ("2026-11-10T09:00:00Z", "2026-11-10T09:00:01Z", False), ("", None, True)],
)  # fmt: skip
def test_a_stored_value_is_known_again_in_the_vendors_form(sent: Any, held: Any, same: bool) -> None:
    assert stored_as(sent, held) is same


@pytest.mark.parametrize(
    ("target", "given_", "good"),
    [("text", "Hot", True), ("text", "hot", False), ("int", "7", True), ("int", "8", False), ("short", "Warm", True)],
)
def test_the_spec_may_say_what_a_field_takes(target: str, given_: str, good: bool) -> None:
    row = FieldRow(target, "lead.x", options=("Hot", "Warm", "7"))
    found = compiled(row).apply(lead(x=given_))
    assert isinstance(found, Write) is good
    if isinstance(found, Failure):
        assert (found.code, found.field) == ("DATA_VALUE_VALIDATION", target) and "options" in found.message
