"""The table of Pardot's codes: complete, and with one answer for every fault in every form."""

from __future__ import annotations

import pytest
from engine_pardot.codes import CODES, MEMBERSHIPS, UPSERT
from engine_pardot.errors import Fault, call_error, classify, endpoint_of, failure, read_error, read_fault
from engine_pardot.vendor import PardotVendor

from engine.codes import CODES as FAILURES
from engine.errors import EngineError, NoAnswer, NotTaken, RetryLater
from engine.http import Reply

PUBLISHED = (
    *range(1, 24), *range(29, 40), 44, 45, 46, 47, *range(49, 64), 66, 67, 70, 71, 72, 76, 77, *range(79, 82),
    *range(83, 87), *range(88, 93), 94, *range(96, 99), 101, 103, 107, 108, 109, 110, 115, 116, *range(118, 123),
    125, 126, 128, 129, 130, 131, 132, 137, 138, 139, *range(150, 167), *range(180, 185), 192, 193, *range(197, 200),
    *range(201, 212), 214, 216, 219, 224, *range(226, 229), 233, 234, 236, 242, 245,
)  # fmt: skip
#: Numbers inside those ranges that the published list leaves out or gives no use for here.
UNUSED = {17, 18, 51, 82}


def test_every_published_code_has_a_row_and_a_failure_that_exists() -> None:
    known = {code.code for code in CODES}
    assert {str(number) for number in PUBLISHED if number not in UNUSED} <= known
    assert {code.failure for code in CODES if code.failure} <= set(FAILURES)
    assert PardotVendor.codes is CODES
    for code in CODES:
        assert code.meaning.endswith(".")
        assert (code.after is not None) == (code.recovery == "wait")
        assert bool(code.failure) or code.recovery in {"done", "stop"}


@pytest.mark.parametrize("code", [code for code in CODES if not code.endpoint], ids=lambda code: code.code)
def test_every_code_of_a_reading_is_an_error_that_says_how_it_is_recovered_from(code) -> None:
    error = read_error(Fault(400, code.code, "text"), "prospects")
    assert isinstance(error, EngineError)
    assert isinstance(error, RetryLater) == (code.recovery in {"wait", "look_up"})
    assert not isinstance(error, NoAnswer)


def test_the_number_decides_before_the_status_and_the_status_where_there_is_none() -> None:
    assert classify(Fault(500, "4", ""), "").failure == "DATA_VALUE_VALIDATION"
    assert classify(Fault(404, "109", ""), "").failure == "REMOTE_RECORD_GONE"
    assert isinstance(call_error(Fault(503, "", ""), "prospects", writes=True), NoAnswer)
    assert isinstance(call_error(Fault(599, "300", ""), "prospects", writes=True), NoAnswer)
    assert isinstance(call_error(Fault(429, "", ""), "prospects", writes=True), NotTaken)
    assert call_error(Fault(403, "300", ""), "prospects", writes=True) is None


@pytest.mark.parametrize("fault", [Fault(400, "219", ""), Fault(404, "", "", "201"), Fault(404, "109", "", "201")])
def test_a_recycled_record_is_told_by_code_or_by_warning(fault: Fault) -> None:
    assert fault.recycled and fault.gone


def test_an_unknown_code_is_kept_with_its_text_and_endpoint() -> None:
    found = failure(Fault(400, "777", "Something new"), "prospects/10")
    assert (found.code, found.vendor_code, found.endpoint) == ("UNKNOWN", "777", "prospects/{id}")
    assert "Something new" in found.message


def test_codes_that_differ_by_endpoint() -> None:
    assert classify(Fault(400, "9", ""), UPSERT).recovery == "wait"
    assert classify(Fault(400, "9", ""), "prospects").recovery == "fix"
    assert classify(Fault(400, "192", ""), MEMBERSHIPS).failure == "CAMPAIGN_NOT_WRITABLE"
    assert endpoint_of("prospects/do/upsertLatestByEmail") == UPSERT
    assert endpoint_of("/api/v5/imports/871/batches") == "imports"
    assert endpoint_of("prospects/10") == "prospects"


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"code": 4, "message": "Invalid"}', "4", "Invalid"),
        (b'{"@attributes": {"stat": "fail", "version": 1, "err_code": 4}, "err": "Invalid"}', "4", "Invalid"),
        (b'<rsp stat="fail" version="1.0"><err code="184">A &amp; B</err></rsp>', "184", "A & B"),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_a_fault_is_read_in_every_form_whatever_the_status(body: bytes, code: str, message: str, status: int) -> None:
    found = read_fault(Reply(status, {"pardot-warning": "201;Record In Recycle Bin"}, body))
    assert found == Fault(status, code, message, "201")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"id": 10, "code": "A"}', b'<rsp stat="ok"></rsp>'])
def test_a_good_answer_is_no_fault(body: bytes) -> None:
    assert read_fault(Reply(200, {}, body)) is None
