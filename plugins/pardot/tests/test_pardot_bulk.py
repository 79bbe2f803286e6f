"""Imports of files into the sandbox over HTTP.

Source: developer.salesforce.com/docs/marketing/pardot/guide/import-v5
"""

from __future__ import annotations

import pytest

from engine.errors import RetryLater
from engine.records import Decision, Delivery, Membership

ADA, BOB, CY = "ada@example.com", "bob@example.com", "cy@example.com"
WEBSITE, EXPO = 668, 1107
VISITORS, DYNAMIC = "233086", "233090"
LIST = Membership(VISITORS, kind="list")


def by_email(address, on_create=None, /, **fields):
    return Delivery(1, Decision("email", address), fields, on_create or {})


def by_id(prospect_id, *, update_email=False, **fields):
    return Delivery(1, Decision("prospect_id", str(prospect_id), update_email=update_email), fields)


@pytest.fixture
def bulk(vendor):
    return vendor.bulk


@pytest.fixture
def run(sandbox, bulk):
    """Import deliveries as one file and return what became of them, when the sandbox has worked on it."""

    def to_the_end(deliveries, places=(), using=None):
        importer = using or bulk
        assert importer.fits(deliveries, places) == len(deliveries)
        ticket = importer.submit_members(deliveries, places) if places else importer.submit(deliveries)
        importer.state(ticket)  # the first question starts it
        sandbox.advance(3600)
        assert importer.state(ticket) in {"done", "failed"}
        return importer.collect(ticket, deliveries)

    return to_the_end


@pytest.fixture
def seeded(sandbox):
    """Start the sandbox anew with a seed, for one test."""
    before = sandbox.seed

    def start(**seed):
        sandbox.seed = seed
        sandbox.reset()

    yield start
    sandbox.seed = before


def prospects(sandbox):
    return {prospect["email"]: prospect for prospect in sandbox.state()["prospects"]}


def members(sandbox):
    return {(row["listId"], row["prospectId"]) for row in sandbox.state()["memberships"]}


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def imports(sandbox):
    return sandbox.calls("^(POST|PATCH) /api/v5/imports")


def test_prospects_are_created_and_updated_by_a_file(sandbox, seeded, bulk):
    seeded(prospects=[{"email": BOB, "firstName": "Bob", "jobTitle": "CEO"}])
    deliveries = [
        by_email(" Ada@Example.com", firstName="Ada, née L", company='=Lovelace "&" Co', score=12, isDoNotCall=True),
        by_email(BOB, firstName="Zoë", company="Ünïted", score=3, isDoNotCall=False),
    ]
    assert all(bulk.takes(delivery) for delivery in deliveries)
    ticket = bulk.submit(deliveries)
    assert ticket.startswith("import:") and bulk.state(ticket) in {"queued", "running"}
    sandbox.advance(3600)
    assert bulk.state(ticket) == "done"
    outcomes = bulk.collect(ticket, deliveries)
    assert [(outcome.status, outcome.remote_id, outcome.notices) for outcome in outcomes] == [("updated", None, ())] * 2
    ada, bob = prospects(sandbox)[ADA], prospects(sandbox)[BOB]
    assert (ada["firstName"], ada["company"]) == ("Ada, née L", '=Lovelace "&" Co')
    assert (ada["score"], ada["isDoNotCall"]) == (12, True)
    assert (bob["firstName"], bob["jobTitle"], bob["score"], bob["isDoNotCall"]) == ("Zoë", "CEO", 3, False)


def test_what_is_for_new_prospects_only_is_kept_by_known_ones(sandbox, seeded, run):
    seeded(prospects=[{"email": BOB, "campaignId": WEBSITE, "source": "Web"}])
    first_touch = {"campaignId": EXPO, "source": "Expo"}
    outcomes = run([by_email(ADA, first_touch, jobTitle="CTO"), by_email(BOB, first_touch, jobTitle="CEO")])
    assert statuses(outcomes) == ["updated", "updated"]
    ada, bob = prospects(sandbox)[ADA], prospects(sandbox)[BOB]
    assert (ada["campaignId"], ada["source"], ada["jobTitle"]) == (EXPO, "Expo", "CTO")
    assert (bob["campaignId"], bob["source"], bob["jobTitle"]) == (WEBSITE, "Web", "CEO")


def test_prospects_who_get_other_fields_on_creation_are_in_another_file(bulk):
    deliveries = [
        by_email(ADA, {"campaignId": EXPO}, source="Expo"),
        by_email(BOB, {"source": "Expo"}, campaignId=EXPO),
    ]
    assert bulk.fits(deliveries) == 1


def test_a_prospect_without_a_value_keeps_the_one_that_pardot_has(sandbox, seeded, bulk, run):
    seeded(prospects=[{"email": BOB, "jobTitle": "CEO"}])
    deliveries = [by_email(ADA, firstName="Ada", jobTitle="CTO"), by_email(BOB, firstName="Bob")]
    assert bulk.fits(deliveries) == 1
    run(deliveries[:1])
    run(deliveries[1:])
    assert prospects(sandbox)[BOB]["jobTitle"] == "CEO"


@pytest.mark.parametrize("place", ["after", "before", "numbered"])
def test_a_failed_row_is_sent_again_the_ordinary_way(sandbox, run, place):
    sandbox.switches["import_errors"] = place
    outcomes = run([by_email(ADA, score=1), by_email(BOB, score="high"), by_email(CY, score=3)])
    assert statuses(outcomes) == ["updated", "later", "updated"]
    assert outcomes[1].answer
    assert sorted(prospects(sandbox)) == [ADA, CY]


def test_updates_by_id_keep_the_id_and_never_create(sandbox, seeded, run):
    seeded(prospects=[{"id": 17, "email": ADA}])
    known, gone = run([by_id("017", jobTitle="CTO", email=BOB), by_id(4711, jobTitle="CEO", email=CY)])
    assert (known.status, known.remote_id, gone.status) == ("updated", "17", "later")
    assert [(each["email"], each["jobTitle"]) for each in prospects(sandbox).values()] == [(ADA, "CTO")]


def test_an_address_changes_by_id_where_the_rule_lets_it(sandbox, seeded, run):
    seeded(prospects=[{"id": 17, "email": ADA}])
    assert statuses(run([by_id(17, update_email=True, email=BOB)])) == ["updated"]
    assert list(prospects(sandbox)) == [BOB]


def test_recycled_prospects_are_restored_where_the_settings_say_so(sandbox, seeded, run):
    seeded(prospects=[{"id": 17, "email": ADA, "isDeleted": True}])
    assert statuses(run([by_email(ADA, jobTitle="CTO")])) == ["updated"]
    (ada,) = sandbox.state()["prospects"]
    assert (ada["id"], ada["isDeleted"], ada["jobTitle"]) == (17, False, "CTO")


def test_recycled_prospects_are_left_to_the_ordinary_way_where_new_ones_are_to_be_made(sandbox, seeded, vendors, run):
    seeded(prospects=[{"id": 17, "email": ADA, "isDeleted": True}])
    vendor = vendors(sandbox, deleted="create")
    outcomes = run([by_email(ADA, jobTitle="CTO"), by_email(BOB, jobTitle="CEO")], using=vendor.bulk)
    assert statuses(outcomes) == ["later", "updated"]
    assert next((each["id"], each["isDeleted"]) for each in sandbox.state()["prospects"]) == (17, True)


@pytest.mark.parametrize(
    "delivery",
    [
        by_email(ADA, jobTitle=None),
        by_email(ADA, comments="two\nlines"),
        by_email(ADA, Topics__c=["a", "b"]),
        by_email(ADA, {"campaignId": None}),
        by_email(ADA, {"salesforceOwnerId": "005000000000001AAA"}, userId=1),
        by_email("nobody"),
        by_email("ada@"),
        by_email(ADA, email=None),
        # Written by one address and then known by another: the places that follow would not find the prospect.
        by_email(ADA, email=BOB),
        by_id("00Q-12", jobTitle="CTO"),
        by_id(17),
        by_id(17, email=ADA),
        Delivery(1, Decision("email", ADA, "create_only"), {}),
        Delivery(1, Decision("Badge__c", "B-1"), {"jobTitle": "CTO"}),
    ],
)
def test_what_an_import_would_not_write_as_it_is_meant_goes_the_ordinary_way(bulk, delivery):
    assert not bulk.takes(delivery)


@pytest.mark.parametrize("delivery", [by_email(ADA), by_email(ADA, email=" Ada@example.com"), by_id(17, jobTitle="x")])
def test_what_an_import_writes_as_it_is_meant_is_taken(bulk, delivery):
    assert bulk.takes(delivery)


def test_no_import_is_used_where_stored_values_are_to_be_verified(sandbox, vendors):
    assert not vendors(sandbox, verify=True).bulk.takes(by_email(ADA, jobTitle="CTO"))


@pytest.mark.parametrize(
    "field", [{"name": "Topics", "type": "Multi-Select"}, {"name": "Topics", "isRecordMultipleResponses": True}]
)
def test_fields_that_hold_several_values_go_the_ordinary_way_without_a_file(sandbox, seeded, bulk, field):
    seeded(custom_fields=[{"type": "Text", **field}, {"name": "Hall", "type": "Text"}])
    deliveries = [by_email(ADA, Topics__c="AI")]
    ticket = bulk.submit(deliveries)
    assert (bulk.state(ticket), statuses(bulk.collect(ticket, deliveries))) == ("failed", ["later"])
    assert not imports(sandbox)
    assert bulk.submit([by_email(ADA, Hall__c="7")]) != ticket


def test_a_full_file_is_not_too_large(bulk):
    deliveries = [by_email(f"p{number}@example.com", comments="ü" * 14_999) for number in range(400)]
    count = bulk.fits(deliveries)
    assert 300 < count < 400
    assert bulk.state(bulk.submit(deliveries[:count])) != "failed"


# Lists --------------------------------------------------------------------------------------------------------------


def test_prospects_are_put_in_a_list_by_a_file(sandbox, seeded, bulk, run):
    seeded(prospects=[{"id": 17, "email": ADA, "firstName": "Ada"}, {"id": 19, "email": BOB}])
    deliveries = [by_email(ADA, firstName="x"), by_email(BOB)]
    assert bulk.fits(deliveries, [LIST, LIST]) == 2
    assert bulk.fits(deliveries, [LIST, Membership("233088", kind="list")]) == 1
    outcomes = run(deliveries, [LIST, LIST])
    assert [(outcome.status, outcome.remote_id) for outcome in outcomes] == [("updated", None)] * 2
    assert members(sandbox) == {(int(VISITORS), 17), (int(VISITORS), 19)}
    assert prospects(sandbox)[ADA]["firstName"] == "Ada"


def test_giving_a_place_in_a_list_again_does_no_harm(sandbox, seeded, run):
    seeded(prospects=[{"id": 17, "email": ADA}])
    assert [statuses(run([by_email(ADA)], [LIST])) for _ in range(2)] == [["updated"]] * 2
    assert members(sandbox) == {(int(VISITORS), 17)}


def test_a_place_in_a_list_makes_nobody(sandbox, seeded, run):
    seeded(prospects=[{"id": 17, "email": ADA, "isDeleted": True}])
    outcomes = run([by_email(ADA), by_email(BOB)], [LIST, LIST])
    assert set(statuses(outcomes)) == {"later"}
    assert [(each["id"], each["isDeleted"]) for each in sandbox.state()["prospects"]] == [(17, True)]


@pytest.mark.parametrize("target", [DYNAMIC, "4711"])
def test_a_list_that_takes_nobody_is_left_to_the_ordinary_way(sandbox, seeded, run, target):
    seeded(prospects=[{"id": 17, "email": ADA}])
    assert statuses(run([by_email(ADA)], [Membership(target, kind="list")])) == ["later"]
    assert members(sandbox) == set()


@pytest.mark.parametrize("place", [Membership("1107", "Registered"), Membership("Visitors", kind="list")])
def test_places_that_no_file_can_give_go_the_ordinary_way_without_a_file(sandbox, bulk, place):
    deliveries = [by_email(ADA)] * 2
    assert bulk.fits(deliveries, [place, place]) == 2
    ticket = bulk.submit_members(deliveries, [place, place])
    assert (bulk.state(ticket), statuses(bulk.collect(ticket, deliveries))) == ("failed", ["later", "later"])
    assert not imports(sandbox)


# The report ---------------------------------------------------------------------------------------------------------

STATUS, ERRORS = "GET /api/v5/imports/871", "GET /api/v5/imports/871/errors"
WRONG = f"matchEmail,email,error\n{ADA},{ADA},Invalid value\n"


def answered(sandbox, match, body, status=200):
    """Answer the next such request with `body`, which is sent as JSON unless it is text."""
    sandbox.add_fault(match=f"^{match}$", status=status, body=body)


@pytest.mark.parametrize(
    ("told", "errors", "expected"),
    [
        # One row counted and one reported: what is not reported was imported.
        ({"createdCount": 1, "errorCount": 1}, WRONG, ["later", "updated"]),
        ({"errorCount": 1}, WRONG, ["later", "updated"]),
        ({}, WRONG, ["later", "updated"]),
        ({"errorCount": 0}, "", ["updated", "updated"]),
        # Another number than was reported, or other rows: what is not reported cannot be told.
        ({"errorCount": 2}, WRONG, ["later", "later"]),
        ({"errorCount": 2}, f"{WRONG}eve@example.com,eve@example.com,Invalid\n", ["later", "later"]),
        ({"errorCount": 1}, "", ["later", "later"]),
        ({"errorCount": 1}, "E-Mail,Error\nada@example.com,Invalid\n", ["later", "later"]),
        ({"errorCount": 1}, {"code": 109, "message": "Record not found"}, ["later", "later"]),
    ],
)
def test_only_what_an_import_tells_is_believed(sandbox, bulk, told, errors, expected):
    answered(sandbox, STATUS, {"id": 871, "status": "Complete", "isExpired": False, **told})
    answered(sandbox, ERRORS, errors)
    assert statuses(bulk.collect("import:871", [by_email(ADA), by_email(BOB)])) == expected


def test_an_id_that_was_passed_over_in_silence_is_left_to_the_ordinary_way(sandbox, bulk):
    answered(sandbox, STATUS, {"id": 871, "status": "Complete", "createdCount": 0, "updatedCount": 1, "errorCount": 0})
    assert statuses(bulk.collect("import:871", [by_id(17, score=1), by_id(19, score=2)])) == ["later", "later"]


def test_a_report_that_cannot_be_read_now_is_read_later(sandbox, bulk):
    deliveries = [by_email(ADA, score="high"), by_email(BOB, score=1)]
    ticket = bulk.submit(deliveries)
    bulk.state(ticket)
    sandbox.advance(3600)
    sandbox.add_fault(match="/errors$", status=502, body="<html>")
    with pytest.raises(RetryLater):
        bulk.collect(ticket, deliveries)
    assert statuses(bulk.collect(ticket, deliveries)) == ["later", "updated"]
