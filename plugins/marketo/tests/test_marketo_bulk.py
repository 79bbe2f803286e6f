"""Imports of files into the sandbox over HTTP.

Sources: experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/bulk-import/bulk-lead-import,
…/rest/bulk-import/bulk-program-member-import
"""

from __future__ import annotations

import pytest
from engine_marketo.errors import Refused

from engine.errors import CredentialsError, NoAnswer, RetryLater
from engine.records import Decision, Delivery, Membership

UPLOAD = "POST /bulk/v1/leads.json"
STATUS = "GET /bulk/v1/leads/batch/1.json"
FAILURES = "GET /bulk/v1/leads/batch/1/failures.json"
WARNINGS = "GET /bulk/v1/leads/batch/1/warnings.json"
MEMBERS_STATUS = "GET /bulk/v1/program/members/import/1/status.json"
MEMBERS_FAILURES = "GET /bulk/v1/program/members/import/1/failures.json"
MEMBERS_WARNINGS = "GET /bulk/v1/program/members/import/1/warnings.json"
ADA, BOB, CY = "ada@example.com", "bob@example.com", "cy@example.com"


@pytest.fixture
def bulk(connect):
    return connect().bulk


@pytest.fixture
def run(bulk, sandbox):
    """Import deliveries as one file and return what became of them, when the sandbox has worked on it."""

    def to_the_end(deliveries, places=()):
        assert bulk.fits(deliveries, places) == len(deliveries)
        ticket = bulk.submit_members(deliveries, places) if places else bulk.submit(deliveries)
        sandbox.advance(60)
        return bulk.collect(ticket, deliveries)

    return to_the_end


def leads(sandbox):
    return {lead["email"]: lead for lead in sandbox.state()["leads"]}


def members(sandbox):
    return {(row["leadId"], row["programId"]): row for row in sandbox.state()["members"]}


def answered(sandbox, match, body, status=200):
    """Answer the next such request with `body`, which is sent as JSON unless it is text."""
    sandbox.add_fault(match=f"^{match.replace('.', '[.]')}$", status=status, body=body)


def status_row(**told):
    return {"success": True, "requestId": "1#1", "result": [{"batchId": 1, "status": "Complete", **told}]}


def test_leads_are_created_and_updated_by_a_file(bulk, sandbox, by_email):
    sandbox.seed = {"leads": [{"email": BOB, "firstName": "Bob", "title": "CEO"}], "import_seconds": 5}
    sandbox.reset()
    deliveries = [
        by_email(ADA, firstName="Ada, née L", company='=Lovelace "&" Co', eventScore=12, consentGiven=True),
        by_email(BOB, firstName="Zoë", company="Ünïted", eventScore=-1, consentGiven=False),
    ]
    assert all(bulk.takes(delivery) for delivery in deliveries)
    ticket = bulk.submit(deliveries)
    assert (ticket, bulk.state(ticket)) == ("leads:1", "running")
    sandbox.advance(6)
    assert bulk.state(ticket) == "done"
    outcomes = bulk.collect(ticket, deliveries)
    assert [(outcome.status, outcome.remote_id, outcome.notices) for outcome in outcomes] == [("updated", None, ())] * 2
    ada, bob = leads(sandbox)[ADA], leads(sandbox)[BOB]
    assert (ada["firstName"], ada["company"]) == ("Ada, née L", '=Lovelace "&" Co')
    assert (ada["eventScore"], ada["consentGiven"]) == (12, True)
    assert (bob["firstName"], bob["title"], bob["eventScore"], bob["consentGiven"]) == ("Zoë", "CEO", -1, False)


def test_a_lead_without_a_value_keeps_the_one_that_marketo_has(bulk, sandbox, by_email, run):
    sandbox.seed = {"leads": [{"email": BOB, "title": "CEO"}], "switches": {"import_empty": "clear"}}
    sandbox.reset()
    deliveries = [by_email(ADA, firstName="Ada", title="CTO"), by_email(BOB, firstName="Bob")]
    assert bulk.fits(deliveries) == 1
    run(deliveries[:1])
    run(deliveries[1:])
    assert leads(sandbox)[BOB]["title"] == "CEO"


def test_a_failed_row_fails_its_own_lead_and_names_the_field(sandbox, by_email, run):
    outcomes = run(
        [by_email(ADA, eventScore=1), by_email("Bob@Example.com", eventScore="high"), by_email(CY, eventScore=3)]
    )
    assert [outcome.status for outcome in outcomes] == ["updated", "failed", "updated"]
    failure = outcomes[1].failure
    assert (failure.code, failure.field, failure.endpoint) == ("DATA_VALUE_VALIDATION", "eventScore", "bulk/v1")
    assert failure.message.startswith("Marketo: Invalid data type in field ")
    assert sorted(leads(sandbox)) == [ADA, CY]


def test_a_failure_that_names_no_field_is_left_to_the_ordinary_way(sandbox, by_email, run):
    sandbox.seed = {"leads": [{"email": ADA}, {"email": ADA.upper()}]}
    sandbox.reset()
    outcomes = run([by_email(ADA, title="CTO"), by_email(BOB, title="CEO")])
    assert [outcome.status for outcome in outcomes] == ["later", "updated"]
    assert "ultiple lead" in outcomes[0].answer


def test_a_warning_is_kept_as_a_notice_of_a_lead_that_was_imported(sandbox, by_email, run):
    good, odd = run([by_email(ADA, title="CTO"), by_email("bob at example", title="CEO")])
    (notice,) = odd.notices
    assert (good.status, good.notices, odd.status) == ("updated", (), "updated")
    assert (notice.code, notice.message) == ("IMPORT_WARNING", "Marketo: Invalid email address")
    assert leads(sandbox)["bob at example"]["title"] == "CEO"


def test_updates_by_id_keep_the_id_and_never_create(sandbox, by_id, run):
    sandbox.seed = {"leads": [{"id": 17, "email": ADA}]}
    sandbox.reset()
    known, gone = run([by_id("017", title="CTO", email="new@example.com"), by_id(4711, title="CEO")])
    assert (known.status, known.remote_id, gone.status) == ("updated", "17", "later")
    assert [(lead["email"], lead["title"]) for lead in leads(sandbox).values()] == [(ADA, "CTO")]


def test_an_address_changes_by_id_where_the_rule_lets_it(sandbox, run):
    sandbox.seed = {"leads": [{"id": 17, "email": ADA}]}
    sandbox.reset()
    (outcome,) = run([Delivery(1, Decision("lead_id", "17", update_email=True), {"email": "new@example.com"})])
    assert outcome.status == "updated" and list(leads(sandbox)) == ["new@example.com"]


def test_persons_are_created_in_the_partition_that_is_set(connect, sandbox, by_email, by_id):
    sandbox.seed = {"partitions": [{"id": 2, "name": "Europe"}]}
    sandbox.reset()
    bulk = connect(partition="Europe").bulk
    bulk.submit([by_email(ADA, title="CTO")])
    bulk.submit([by_id(17, title="CTO")])
    sandbox.advance(60)
    sent = [call["query"] for call in sandbox.journal if call["request"].startswith("POST /bulk/")]
    assert [query.get("partitionName") for query in sent] == ["Europe", None]
    assert leads(sandbox)[ADA]["leadPartitionId"] == 2


def test_members_get_the_status_and_their_own_fields(bulk, sandbox, by_email, run):
    place = Membership("1107", "Registered", {"registrationCode": "A-17", "boothVisit": "=1"})
    other = Membership("1107", "Attended", {"registrationCode": "B-18", "boothVisit": "2"})
    deliveries = [by_email(ADA), by_email(BOB), by_email(CY)]
    assert bulk.fits(deliveries, [place, place, other]) == 2
    assert bulk.fits(deliveries, [place, Membership("1107", "Registered"), place]) == 1
    outcomes = run(deliveries[:2], [place, place])
    assert [(outcome.status, outcome.remote_id) for outcome in outcomes] == [("updated", None)] * 2
    ada = leads(sandbox)[ADA]["id"]
    member = members(sandbox)[ada, 1107]
    assert (member["statusName"], member["registrationCode"], member["boothVisit"]) == ("Registered", "A-17", "=1")
    assert sorted(leads(sandbox)) == [ADA, BOB]


def test_a_members_import_is_asked_after_where_such_imports_are(bulk, sandbox, by_email):
    ticket = bulk.submit_members([by_email(ADA)], [Membership("1107", "Registered")])
    assert (ticket, bulk.state(ticket)) == ("members:1", "running")
    assert bulk.state("leads:1") == "failed"


def test_a_member_field_that_fails_leaves_its_lead_to_the_ordinary_way(sandbox, by_email, run):
    sandbox.seed = {"member_fields": [{"name": "points", "dataType": "integer"}]}
    sandbox.reset()
    places = [Membership("1107", "Registered", {"points": points}) for points in (4, "many")]
    outcomes = run([by_email(ADA), by_email(BOB)], places)
    assert [outcome.status for outcome in outcomes] == ["updated", "later"]
    assert outcomes[1].answer.startswith("Invalid data type in field")


def test_a_member_field_that_leads_have_too_is_left_to_the_ordinary_way(bulk, sandbox, by_email):
    sandbox.seed = {"member_fields": [{"name": "title"}]}
    sandbox.reset()
    ticket = bulk.submit_members([by_email(ADA)], [Membership("1107", "Registered", {"title": "VIP"})])
    sandbox.advance(60)
    assert [outcome.status for outcome in bulk.collect(ticket, [by_email(ADA)])] == ["later"]
    assert sandbox.state()["leads"] == []


PAST = "Lead skipped because it is already in or past this status"


@pytest.mark.parametrize(
    ("failures", "status"),
    [
        (f"email,Import Failure Reason\n{ADA},{PAST}\n", "satisfied"),
        (f"email,Import Failure Reason\n{ADA},1037: skipped\n", "satisfied"),
        (f"email,Import Failure Reason\n{ADA},Something else\n", "later"),
        # Whether a row that failed wrote the member's own fields is not known.
        (f"email,rating,Import Failure Reason\n{ADA},4,{PAST}\n", "later"),
    ],
)
def test_a_member_who_is_further_already_is_satisfied(bulk, sandbox, by_email, failures, status):
    deliveries = [by_email(ADA)]
    ticket = bulk.submit_members(deliveries, [Membership("1107", "Registered")])
    answered(sandbox, MEMBERS_STATUS, status_row(numOfLeadsProcessed=0, numOfRowsFailed=1, numOfRowsWithWarning=0))
    answered(sandbox, MEMBERS_FAILURES, failures)
    assert [outcome.status for outcome in bulk.collect(ticket, deliveries)] == [status]


def test_a_member_who_is_further_already_is_satisfied_by_a_warning_too(bulk, sandbox, by_email):
    deliveries = [by_email(ADA), by_email(BOB)]
    ticket = bulk.submit_members(deliveries, [Membership("1107", "Registered")] * 2)
    answered(sandbox, MEMBERS_STATUS, status_row(numOfLeadsProcessed=2, numOfRowsFailed=0, numOfRowsWithWarning=1))
    answered(sandbox, MEMBERS_WARNINGS, f"email,Import Warning Reason\n{BOB},{PAST}\n")
    assert [outcome.status for outcome in bulk.collect(ticket, deliveries)] == ["updated", "satisfied"]


@pytest.mark.parametrize(
    ("decision", "place"),
    [
        (Decision("lead_id", "17"), Membership("1107", "Registered")),
        (Decision("email", ADA), Membership("1107", "Registered", {"boothVisit": None})),
        (Decision("email", ADA), Membership("1001", kind="list")),
    ],
)
def test_members_that_no_file_can_carry_go_the_ordinary_way_without_a_file(bulk, sandbox, decision, place):
    deliveries = [Delivery(1, decision, {"email": ADA})] * 2
    assert bulk.fits(deliveries, [place, place]) == 2
    ticket = bulk.submit_members(deliveries, [place, place])
    assert bulk.state(ticket) == "failed"
    assert [outcome.status for outcome in bulk.collect(ticket, deliveries)] == ["later", "later"]
    assert not [call for call in sandbox.journal if call["request"].startswith("POST /bulk/")]


def test_a_full_queue_is_waited_for(bulk, sandbox, by_email):
    for number in range(10):
        bulk.submit([by_email(f"p{number}@example.com", title="CTO")])
    with pytest.raises(RetryLater) as caught:
        bulk.submit([by_email(ADA, title="CTO")])
    assert not isinstance(caught.value, NoAnswer) and caught.value.after == 60
    assert bulk.state("leads:3") == "queued"
    sandbox.advance(30)
    assert bulk.submit([by_email(ADA, title="CTO")]) == "leads:11"


@pytest.mark.parametrize("code", ["1016", "1019"])
def test_an_import_that_others_hinder_is_waited_for(bulk, sandbox, by_email, code):
    sandbox.add_fault(match=UPLOAD, error=code)
    with pytest.raises(RetryLater) as caught:
        bulk.submit([by_email(ADA, title="CTO")])
    assert not isinstance(caught.value, NoAnswer) and caught.value.after == 60


@pytest.mark.parametrize(("drop", "there"), [("after", [ADA]), ("before", [])])
def test_an_upload_without_an_answer_is_unclear(bulk, sandbox, by_email, drop, there):
    sandbox.add_fault(match=UPLOAD, drop=drop)
    with pytest.raises(NoAnswer):
        bulk.submit([by_email(ADA, title="CTO")])
    sandbox.advance(60)
    assert list(leads(sandbox)) == there


@pytest.mark.parametrize("body", [{"success": True, "requestId": "1#1"}, {"success": True, "result": [{}]}, "<html>"])
def test_an_upload_whose_batch_is_not_named_is_unclear(bulk, sandbox, by_email, body):
    answered(sandbox, UPLOAD, body)
    with pytest.raises(NoAnswer):
        bulk.submit([by_email(ADA, title="CTO")])


def test_an_upload_with_a_dead_token_is_repeated_with_a_new_one(bulk, sandbox, by_email):
    bulk.submit([by_email(ADA, title="CTO")])
    sandbox.revoke_tokens()
    assert bulk.submit([by_email(BOB, title="CTO")]) == "leads:2"
    sandbox.advance(60)
    assert sorted(leads(sandbox)) == [ADA, BOB]


def test_a_full_file_is_not_too_large(bulk, by_email):
    deliveries = [by_email(f"p{number}@example.com", boothNotes="ü" * 14_999) for number in range(400)]
    count = bulk.fits(deliveries)
    assert 300 < count < 400
    assert bulk.submit(deliveries[:count]) == "leads:1"


def test_a_file_that_is_too_large_nevertheless_ends_the_run(bulk, sandbox, by_email):
    answered(sandbox, UPLOAD, "<html>", status=413)
    with pytest.raises(Refused):
        bulk.submit([by_email(ADA, title="CTO")])


def test_a_missing_permission_ends_the_run(bulk, sandbox, by_email):
    sandbox.add_fault(match=UPLOAD, error="603")
    with pytest.raises(CredentialsError):
        bulk.submit([by_email(ADA, title="CTO")])


def test_a_file_that_marketo_refuses_goes_the_ordinary_way(bulk, sandbox, by_email):
    deliveries = [by_email(ADA, noSuchField="x")]
    ticket = bulk.submit(deliveries)
    assert bulk.state(ticket) == "failed"
    assert [outcome.status for outcome in bulk.collect(ticket, deliveries)] == ["later"]


def test_a_status_that_the_program_does_not_have_is_left_to_the_ordinary_way(bulk, by_email):
    deliveries = [by_email(ADA)]
    ticket = bulk.submit_members(deliveries, [Membership("1107", "No such status")])
    assert [outcome.status for outcome in bulk.collect(ticket, deliveries)] == ["later"]


def test_an_import_that_failed_as_a_whole_goes_the_ordinary_way(bulk, sandbox, by_email):
    sandbox.switches["import_unknown_column"] = "failed"
    deliveries = [by_email(ADA, noSuchField="x"), by_email(BOB, noSuchField="y")]
    ticket = bulk.submit(deliveries)
    sandbox.advance(60)
    assert bulk.state(ticket) == "failed"
    outcomes = bulk.collect(ticket, deliveries)
    assert [(outcome.status, outcome.answer) for outcome in outcomes] == [("later", "Import failed")] * 2


@pytest.mark.parametrize("code", ["1003", "1013"])
def test_an_import_that_marketo_has_forgotten_goes_the_ordinary_way(bulk, sandbox, by_email, code):
    sandbox.switches["unknown_batch"] = code
    deliveries = [by_email(ADA, title="CTO")]
    ticket = bulk.submit(deliveries)
    sandbox.advance(8 * 86_400)
    assert bulk.state(ticket) == "failed"
    assert [outcome.status for outcome in bulk.collect(ticket, deliveries)] == ["later"]


@pytest.mark.parametrize(
    ("told", "state"),
    [({"status": "Complete"}, "done"), ({"status": "Cancelling"}, "running"), ({"status": None}, "running")],
)
def test_an_import_in_an_unknown_state_is_under_way(bulk, sandbox, told, state):
    answered(sandbox, STATUS, status_row(**told))
    assert bulk.state("leads:1") == state


def test_an_import_is_not_read_before_its_end(bulk, by_email):
    deliveries = [by_email(ADA, title="CTO")]
    ticket = bulk.submit(deliveries)
    with pytest.raises(RetryLater):
        bulk.collect(ticket, deliveries)


HEAD = "email,title,Import Failure Reason\n"
WRONG = f"{HEAD}{ADA},CTO,Invalid data in field Job Title\n"


@pytest.mark.parametrize(
    ("told", "failures", "statuses"),
    [
        # One row counted and one reported: what is not reported was imported.
        ({"numOfLeadsProcessed": 1, "numOfRowsFailed": 1}, WRONG, ["failed", "updated"]),
        ({"numOfRowsFailed": 1}, WRONG, ["failed", "updated"]),
        ({}, WRONG, ["failed", "updated"]),
        ({"numOfLeadsProcessed": 2, "numOfRowsFailed": 1}, WRONG, ["failed", "updated"]),
        # Another number than was reported, or other rows: what is not reported cannot be told.
        ({"numOfRowsFailed": 2}, WRONG, ["failed", "later"]),
        ({"numOfRowsFailed": 2}, f"{WRONG}other@example.com,CTO,Invalid\n", ["failed", "later"]),
        ({"numOfRowsFailed": 1}, "", ["later", "later"]),
        ({"numOfRowsFailed": 1}, "E-Mail,Reason\nada@example.com,Invalid\n", ["later", "later"]),
        ({"numOfRowsFailed": 1}, {"success": False, "errors": [{"code": "1003"}]}, ["later", "later"]),
        # A row that was neither imported nor reported.
        ({"numOfLeadsProcessed": 1, "numOfRowsFailed": 0}, "", ["later", "later"]),
    ],
)
def test_only_what_an_import_tells_is_believed(bulk, sandbox, by_email, told, failures, statuses):
    deliveries = [by_email(ADA, title="CTO"), by_email(BOB, title="CEO")]
    answered(sandbox, STATUS, status_row(numOfRowsWithWarning=0, **told))
    answered(sandbox, FAILURES, failures)
    assert [outcome.status for outcome in bulk.collect("leads:1", deliveries)] == statuses


def test_a_report_that_cannot_be_read_now_is_read_later(bulk, sandbox, by_email):
    deliveries = [by_email(ADA, eventScore="high")]
    ticket = bulk.submit(deliveries)
    sandbox.advance(60)
    sandbox.add_fault(match=FAILURES, status=502, body="<html>")
    with pytest.raises(RetryLater):
        bulk.collect(ticket, deliveries)
    assert [outcome.status for outcome in bulk.collect(ticket, deliveries)] == ["failed"]


def test_warnings_that_are_gone_do_not_undo_the_import(bulk, sandbox, by_email):
    deliveries = [by_email("ada at example", title="CTO")]
    ticket = bulk.submit(deliveries)
    sandbox.advance(60)
    sandbox.add_fault(match=WARNINGS, error="1003")
    (outcome,) = bulk.collect(ticket, deliveries)
    assert (outcome.status, outcome.notices) == ("updated", ())


def test_the_settings_say_how_many_imports_and_how_often_they_are_asked_after(connect):
    bulk = connect(bulk={"imports": 2, "poll_after": 15, "settle_after": 600}).bulk
    assert (bulk.places, bulk.poll_after, bulk.settle_after) == (2, 15.0, 600.0)
