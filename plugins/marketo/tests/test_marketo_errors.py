"""The table of Marketo's codes, and what follows from it for a call and for a record."""

from __future__ import annotations

import pytest
from engine_marketo.codes import CODES
from engine_marketo.errors import (
    Reason,
    Refused,
    Site,
    call_error,
    classify,
    endpoint_of,
    failure,
    named_field,
    outcome,
    reasons,
)
from engine_marketo.vendor import MarketoVendor

from engine.codes import CODES as FAILURES
from engine.errors import (
    EnvironmentFault,
    NoAnswer,
    NotTaken,
    PermissionDenied,
    RetryLater,
    SpecError,
    VendorUnavailable,
)

#: What Adobe lists: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/error-codes
LISTED = """
413 414 502 600 601 602 603 604 605 606 607 608 609 610 611 612 613 614 615 616 701 702 703 704 709 710 711 712 713
714 718 719 1001 1002 1003 1004 1005 1006 1007 1008 1009 1010 1011 1012 1013 1014 1015 1016 1017 1018 1019 1020 1021
1022 1025 1026 1027 1028 1029 1035 1036 1037 1042 1048 1049 1076 1077 1078 1079 1080
"""


def test_every_code_that_adobe_lists_is_shown_with_its_meaning():
    assert MarketoVendor.codes == CODES
    assert {code.code for code in CODES} >= set(LISTED.split())
    assert all(code.meaning and code.failure in {"", *FAILURES} for code in CODES)
    assert all(code.after for code in CODES if code.recovery == "wait")


@pytest.mark.parametrize("code", CODES, ids=lambda code: f"{code.code}-{code.endpoint}-{code.recovery}")
def test_every_row_of_the_table_can_be_met(code):
    """A row that stands behind a more general one would never count."""
    levels = ["record", "call"] if code.level == "both" else [code.level]
    endpoints = [code.endpoint] if code.endpoint else ["leads", "members", "lists", "import", "assets", ""]
    texts = [
        "", "Invalid value for field 'a' and value 'b'", "Too many results match the filter", "Leads not specified",
        "id is not allowed with createOnly", "Invalid fields [a, b]", "Membership not found", "Export daily quota",
    ]  # fmt: skip
    met = [classify(Reason(code.code, text), at, level) for text in texts for at in endpoints for level in levels]
    assert any(found is code for found in met)


@pytest.mark.parametrize(
    ("message", "code", "divisible"),
    [
        ("Invalid value for field 'score' and value 'high'", "DATA_VALUE_VALIDATION", True),
        ("invalid value for field 'id' and value 'to be created'", "DATA_VALUE_VALIDATION", True),
        ("Lead id may not be used with createOnly", "MISSING_REMOTE_FIELD", True),
        ("Leads not specified", "PLUGIN_ERROR", False),
        ("Too many results match the filter", "AMBIGUOUS_MATCH", True),
        ("Invalid fields [nope, never]", "MISSING_REMOTE_FIELD", True),
        ("something that nobody has met yet", "DATA_VALUE_VALIDATION", True),
    ],
)
def test_code_1003_is_told_apart_by_its_message(message, code, divisible):
    refused = call_error(Reason("1003", message), Site("/rest/v1/leads.json", writes=True, window=20))
    assert isinstance(refused, Refused)
    assert refused.divisible is divisible
    assert classify(refused.reason, refused.endpoint, "call").failure == code


@pytest.mark.parametrize(
    ("code", "endpoint", "status", "failed"),
    [
        ("1037", "members", "satisfied", None),
        ("1037", "lists", "failed", "UNKNOWN"),
        ("1015", "lists", "satisfied", None),
        ("1013", "members", "failed", "CAMPAIGN_NOT_WRITABLE"),
        ("1013", "lists", "failed", "CAMPAIGN_NOT_WRITABLE"),
        ("1013", "leads", "failed", "UNKNOWN"),
        ("1004", "leads", "failed", "REMOTE_RECORD_GONE"),
        ("1025", "members", "failed", "INVALID_CAMPAIGN_STATUS"),
        ("1006", "member data", "failed", "MISSING_REMOTE_FIELD"),
        ("1001", "leads", "failed", "DATA_VALUE_VALIDATION"),
        ("1001", "lists", "failed", "PLUGIN_ERROR"),
        ("1008", "leads", "failed", "CONNECTION_PERMISSION"),
        ("603", "leads", "failed", "CONNECTION_PERMISSION"),
        ("1014", "leads", "later", None),
        ("601", "leads", "later", None),
        ("611", "leads", "unknown", None),
        ("9999", "leads", "failed", "UNKNOWN"),
        ("", "leads", "failed", "UNKNOWN"),
    ],
)
def test_a_code_of_a_record_means_what_it_means_at_its_endpoint(code, endpoint, status, failed):
    became = outcome(Reason(code, "as Marketo says"), endpoint, 20, row={"status": "skipped"})
    assert became.status == status
    assert (became.failure.code if became.failure else None) == failed
    assert became.answer == {"status": "skipped"}


def test_a_rate_limit_of_a_record_lasts_as_long_as_the_configured_window():
    assert outcome(Reason("606", ""), "leads", 33, row={}).after == 33
    assert outcome(Reason("713", ""), "leads", 33, row={}).after == 5


@pytest.mark.parametrize(
    ("code", "path", "error"),
    [
        ("601", "leads.json", NotTaken),
        ("603", "leads.json", PermissionDenied),
        ("616", "leads.json", PermissionDenied),
        ("607", "leads.json", VendorUnavailable),
        ("1020", "leads.json", VendorUnavailable),
        ("610", "leads.json", SpecError),
        ("612", "leads.json", EnvironmentFault),
        ("1016", "leads.json", NotTaken),
        ("1019", "leads.json", NotTaken),
        ("1029", "leads.json", NotTaken),
        ("604", "leads.json", NoAnswer),
        ("1025", "programs/1107/members/status.json", Refused),
        ("31337", "leads.json", Refused),
    ],
)
def test_a_refused_write_says_what_recovers_from_it(code, path, error):
    raised = call_error(Reason(code, "told"), Site(f"/rest/v1/{path}", writes=True, window=20, request_id="1a#2b"))
    assert type(raised) is error
    assert f"told (code {code})" in str(raised)
    assert raised.why


def test_nothing_that_a_read_met_is_unclear():
    assert type(call_error(Reason("611", ""), Site("/rest/v1/leads.json", writes=False, window=20))) is RetryLater


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/rest/v1/leads.json", "leads"),
        ("/rest/v1/lead/12.json", "leads"),
        ("/rest/v1/programs/1107/members/status.json", "members"),
        ("/rest/v1/programs/1107/members.json", "member data"),
        ("/rest/v1/lists/1001/leads.json", "lists"),
        ("/rest/asset/v1/program/1107.json", "assets"),
        ("/bulk/v1/leads.json", "import"),
        ("/bulk/v1/program/1107/members/import.json", "import"),
        ("/rest/v1/stats/usage.json", ""),
    ],
)
def test_the_path_tells_the_endpoint(path, endpoint):
    assert endpoint_of(path) == endpoint


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([{"code": "1003", "message": "m"}], [("1003", "m")]),
        ([{"code": 1003, "message": "m"}], [("1003", "m")]),
        ({"code": " 611 ", "message": "m"}, [("611", "m")]),
        ([{"code": "", "message": None}], [("", "")]),
        ([{"code": None}], [("", "")]),
        ([{}], [("", "")]),
        (["something went wrong"], [("", "something went wrong")]),
        ([None, 7], []),
        (None, []),
        ("No assets found", [("", "No assets found")]),
    ],
)
def test_reasons_are_read_in_any_shape_that_has_been_met(given, found):
    assert [(reason.code, reason.message) for reason in reasons(given)] == found


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Invalid value for field 'score' and value 'high'", "score"),
        ("Invalid value for field 'score'", "score"),
        ('Invalid value for field "score" and value "5"', "score"),
        ("Field 'xyz' not found", "xyz"),
        ("Field xyz not found", "xyz"),
        ("Invalid fields [custom_1, b]", "custom_1"),
        ("Invalid fields: ['a', 'b']", "a"),
        ("Field: 'some.name' is odd", "some.name"),
        ("Lead not found", ""),
        ("Invalid data", ""),
        ("", ""),
    ],
)
def test_the_field_is_read_out_of_texts_that_drift(message, field):
    assert named_field(message) == field


def test_a_failure_keeps_the_vendors_code_and_text_and_shows_no_secret():
    (reason,) = reasons([{"code": 4711, "message": "Field 'f' is odd, client_secret=abcdef"}])
    why = failure(reason, "leads")
    assert (why.code, why.vendor_code, why.endpoint, why.field) == ("UNKNOWN", "4711", "leads.json", "f")
    assert why.message == "Marketo: Field 'f' is odd, client_secret=*** (code 4711)"
    assert failure(Reason("", ""), "lists").message == "Marketo: no reason given (code missing)"
