"""Handing a file over when Pardot refuses, does not answer, or never gets to it.

Source: developer.salesforce.com/docs/marketing/pardot/guide/import-v5
"""

from __future__ import annotations

import pytest
from engine_pardot.vendor import PardotVendor

from engine.adapters import Context
from engine.errors import CredentialsError, NoAnswer, NotTaken, RetryLater, SpecError, VendorUnavailable
from engine.records import Decision, Delivery

CREATE, BATCH, START = "^POST /api/v5/imports$", "^POST /api/v5/imports/[0-9]+/batches$", "^PATCH /api/v5/imports/"
STATUS = "^GET /api/v5/imports/[0-9]+$"
DELIVERIES = [Delivery(1, Decision("email", "ada@example.com"), {"jobTitle": "CTO"})]


@pytest.fixture
def bulk(vendor):
    return vendor.bulk


def emails(sandbox):
    return [prospect["email"] for prospect in sandbox.state()["prospects"]]


def state_after(sandbox, bulk, ticket, seconds=3600):
    bulk.state(ticket)  # the first question starts it
    sandbox.advance(seconds)
    return bulk.state(ticket)


def statuses(bulk, ticket):
    return [outcome.status for outcome in bulk.collect(ticket, DELIVERIES)]


@pytest.mark.parametrize("call", [CREATE, BATCH])
@pytest.mark.parametrize("drop", ["before", "after"])
def test_an_import_that_was_never_started_has_no_effect_and_is_made_again(sandbox, bulk, call, drop):
    sandbox.add_fault(match=call, drop=drop)
    with pytest.raises(RetryLater) as caught:
        bulk.submit(DELIVERIES)
    assert not isinstance(caught.value, NoAnswer) and caught.value.after >= 60
    sandbox.advance(3600)
    assert emails(sandbox) == []
    assert state_after(sandbox, bulk, bulk.submit(DELIVERIES)) == "done"
    assert emails(sandbox) == ["ada@example.com"]


@pytest.mark.parametrize("drop", ["before", "after"])
def test_an_import_whose_start_was_not_answered_is_followed_and_started_if_it_was_not(sandbox, bulk, drop):
    sandbox.add_fault(match=START, drop=drop)
    ticket = bulk.submit(DELIVERIES)
    assert bulk.state(ticket) in {"queued", "running"}
    assert state_after(sandbox, bulk, ticket) == "done"
    assert statuses(bulk, ticket) == ["updated"]
    assert emails(sandbox) == ["ada@example.com"]


def test_an_import_that_cannot_be_started_for_long_goes_the_ordinary_way(sandbox, vendor):
    clock = [1_800_000_000.0]
    patient = PardotVendor(vendor.config, Context(now=lambda: clock[0]))
    bulk = patient.bulk
    sandbox.add_fault(match=START, times=-1, drop="before")
    ticket = bulk.submit(DELIVERIES)
    assert bulk.state(ticket) == "queued"
    clock[0] += bulk.settle_after + 1
    assert (bulk.state(ticket), statuses(bulk, ticket), emails(sandbox)) == ("failed", ["later"], [])
    patient.close()


def test_an_import_that_expired_before_it_was_started_goes_the_ordinary_way(sandbox, bulk):
    sandbox.add_fault(match=START, times=-1, drop="before")
    ticket = bulk.submit(DELIVERIES)
    assert state_after(sandbox, bulk, ticket, 25 * 3600) == "failed"
    assert statuses(bulk, ticket) == ["later"]


@pytest.mark.parametrize("call", [CREATE, BATCH, START])
@pytest.mark.parametrize("code", ["130", "155", "160", "163", "166", "197", "228", "4711"])
def test_a_file_that_pardot_refuses_goes_the_ordinary_way(sandbox, bulk, call, code):
    sandbox.add_fault(match=call, status=400, body={"code": int(code), "message": "Refused"})
    ticket = bulk.submit(DELIVERIES)
    assert (bulk.state(ticket), statuses(bulk, ticket)) == ("failed", ["later"])
    sandbox.advance(3600)
    assert emails(sandbox) == []


@pytest.mark.parametrize("handling", ["response", "failed"])
def test_a_column_that_is_no_field_leaves_the_file_to_the_ordinary_way(sandbox, bulk, handling):
    sandbox.switches["import_bad_header"] = handling
    ticket = bulk.submit([Delivery(1, Decision("email", "ada@example.com"), {"noSuchField": "x"})])
    assert state_after(sandbox, bulk, ticket) == "failed"
    assert statuses(bulk, ticket) == ["later"]


def test_an_import_that_is_not_named_goes_the_ordinary_way(sandbox, bulk):
    sandbox.add_fault(match=CREATE, status=204, body="")
    assert bulk.state(bulk.submit(DELIVERIES)) == "failed"


def test_the_day_s_batches_being_spent_ends_the_run(sandbox, bulk):
    sandbox.add_fault(match=BATCH, status=400, body={"code": 164, "message": "Daily limit"})
    with pytest.raises(VendorUnavailable) as caught:
        bulk.submit(DELIVERIES)
    assert "1,000 batches a day" in caught.value.why and "--bulk" in caught.value.fix


def test_a_file_that_is_too_large_nevertheless_ends_the_run(sandbox, bulk):
    sandbox.add_fault(match=BATCH, status=400, body={"code": 204, "message": "Too large"})
    with pytest.raises(SpecError):
        bulk.submit(DELIVERIES)


@pytest.mark.parametrize(("code", "kind"), [(66, NotTaken), (202, NotTaken), (183, RetryLater)])
def test_a_limit_or_a_fault_that_passes_is_waited_for(sandbox, bulk, code, kind):
    sandbox.add_fault(match=CREATE, status=400, body={"code": code, "message": "Not now"})
    with pytest.raises(kind) as caught:
        bulk.submit(DELIVERIES)
    assert not isinstance(caught.value, NoAnswer)
    assert bulk.submit(DELIVERIES).startswith("import:")


@pytest.mark.parametrize("code", [66, 183])
def test_what_passes_at_the_start_of_an_import_uploads_nothing_twice(sandbox, bulk, code):
    sandbox.add_fault(match=START, status=400, body={"code": code, "message": "Not now"})
    ticket = bulk.submit(DELIVERIES)
    assert bulk.state(ticket) == "queued"
    assert state_after(sandbox, bulk, ticket) == "done"
    assert len(sandbox.calls(BATCH)) == 1


def test_a_missing_permission_ends_the_run(sandbox, bulk):
    sandbox.add_fault(match=CREATE, status=405, body={"code": 46, "message": "No ability"})
    with pytest.raises(CredentialsError):
        bulk.submit(DELIVERIES)


def test_a_token_that_dies_on_the_way_is_renewed(sandbox, bulk):
    sandbox.add_fault(match=BATCH, error="184")
    assert state_after(sandbox, bulk, bulk.submit(DELIVERIES)) == "done"


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"status": "Ready"}, "queued"),
        ({"status": "WAITING"}, "queued"),
        ({"status": "processing"}, "running"),
        ({"status": "Merging"}, "running"),
        ({"status": None}, "running"),
        ({"status": "complete"}, "done"),
        ({"status": "Complete", "isExpired": True}, "done"),
        ({"status": "Open", "isExpired": True}, "failed"),
        ({"status": "failed"}, "failed"),
        ({"status": "Cancelled"}, "failed"),
    ],
)
def test_the_state_of_an_import_is_read_whatever_its_letter_case(sandbox, bulk, told, state):
    sandbox.add_fault(match=STATUS, status=200, body={"id": 871, "isExpired": False, **told})
    assert bulk.state("import:871") == state


@pytest.mark.parametrize("body", [{"code": 109, "message": "Not found"}, {"code": 227, "message": "Import expired"}])
def test_an_import_that_pardot_does_not_know_goes_the_ordinary_way(sandbox, bulk, body):
    sandbox.add_fault(match=STATUS, times=2, status=404, body=body)
    assert (bulk.state("import:871"), statuses(bulk, "import:871")) == ("failed", ["later"])


def test_an_import_is_not_read_before_its_end(bulk):
    with pytest.raises(RetryLater):
        bulk.collect(bulk.submit(DELIVERIES), DELIVERIES)


def test_the_settings_say_how_many_imports_and_how_often_they_are_asked_after(sandbox, vendors):
    bulk = vendors(sandbox, bulk={"imports": 2, "poll_after": 15, "settle_after": 600}).bulk
    assert (bulk.places, bulk.poll_after, bulk.settle_after) == (2, 15.0, 600.0)
