"""Reading leads back by id, address and fields."""

from __future__ import annotations

import pytest

from engine.errors import RetryLater, SpecError
from engine.records import Decision, Delivery

SYNC = "POST /rest/v1/leads.json"
READ = "GET /rest/v1/leads.json"


def test_leads_are_found_by_address_and_by_id(vendor, by_email, by_id):
    ada, bob = vendor.sync([by_email("ada@example.com", firstName="Ada"), by_email("bob@example.com")])
    looked_up = [by_email("nobody@example.com"), by_email("Ada@Example.com"), by_id(bob.remote_id), by_id("x1")]
    nobody, by_address, by_number, odd = vendor.look_up(looked_up, ["firstName", "unsubscribed"])
    assert (list(nobody), list(odd)) == ([], [])
    assert (by_address[0].remote_id, by_address[0].values) == (
        ada.remote_id,
        {"firstName": "Ada", "unsubscribed": False},
    )
    assert by_number[0].remote_id == bob.remote_id and by_number[0].values["firstName"] is None


def test_all_leads_with_an_address_are_found(vendor, sandbox, by_email):
    sandbox.seed = {"leads": [{"email": "ada@example.com"}, {"email": "Ada@example.com"}]}
    sandbox.reset()
    sandbox.switches["null_projection"] = "omit"
    (found,) = vendor.look_up([by_email("ada@example.com")], ["title"])
    assert [match.values for match in found] == [{"title": None}] * 2


def test_many_long_addresses_are_asked_for_in_a_form(vendor, sandbox, by_email):
    batch = [by_email(f"someone.with.a.long.name.{number}@department.example.com") for number in range(450)]
    vendor.sync(batch[:300])
    found = vendor.look_up(batch, ["email"])
    assert [len(matches) for matches in found] == [1] * 300 + [0] * 150
    reads = sandbox.calls("leads.json")[1:]
    assert [(call["request"], call["query"]) for call in reads] == [(SYNC, {"_method": "GET"})] * 2


def test_every_page_is_read(vendor, sandbox, by_email):
    batch = [by_email(f"p{number}@example.com") for number in range(150)]
    sandbox.seed = {"leads": [{"email": f"p{number % 150}@example.com"} for number in range(450)]}
    sandbox.reset()
    assert {len(matches) for matches in vendor.look_up(batch, [])} == {3}


def test_too_many_matches_are_asked_for_in_smaller_groups(vendor, sandbox, by_email):
    many = [{"email": "twin@example.com"}] * 1001
    sandbox.seed = {"leads": [*many, {"email": "ada@example.com"}, {"email": "bob@example.com"}]}
    sandbox.reset()
    batch = [by_email("ada@example.com"), by_email("twin@example.com"), by_email("bob@example.com")]
    assert [len(matches) for matches in vendor.look_up(batch, [])] == [1, 0, 1]


def test_a_field_that_cannot_be_read_is_a_mistake_of_the_spec(vendor, by_email):
    with pytest.raises(SpecError, match="noSuchField"):
        vendor.look_up([by_email("ada@example.com")], ["noSuchField"])


def test_an_address_with_a_comma_is_not_asked_for(vendor, sandbox):
    delivery = Delivery(1, Decision("email", '"a,b"@example.com'), {})
    assert [list(matches) for matches in vendor.look_up([delivery], [])] == [[]]
    assert sandbox.calls("leads.json") == []


def seed(sandbox, *leads, **more):
    sandbox.seed = {"leads": list(leads), **more}
    sandbox.reset()


def by(field, value, **options):
    return Delivery(1, Decision(field, value, **options), {})


def test_what_is_found_tells_its_keys_and_when_it_was_changed(vendor, sandbox):
    seed(sandbox, {"id": 12, "email": "ada@example.com", "badgeId": "B-7"}, {"id": 13, "badgeId": "B-8"})
    (ada,), (nameless,) = vendor.look_up([by("lead_id", "0012"), by("badgeId", "b-8 ")], [])
    assert ada.keys == {"lead_id": "12", "email": "ada@example.com", "badgeId": "B-7"}
    assert nameless.keys == {"lead_id": "13", "badgeId": "B-8"}
    assert ada.changed_at == sandbox.state()["leads"][0]["updatedAt"]


def test_leads_are_found_by_a_field_of_the_instance(vendor, sandbox):
    seed(sandbox, {"badgeId": "007"}, {"badgeId": "7"}, {"badgeId": "7"}, {"scanCount": 7})
    asked = [by("badgeId", "007"), by("badgeId", "7"), by("scanCount", "7"), by("badgeId", "8")]
    found = vendor.look_up(asked, [])
    assert [[lead.remote_id for lead in leads] for leads in found] == [["1"], ["2", "3"], ["4"], []]


def test_a_field_that_leads_are_not_searched_by_is_a_mistake_of_the_spec(vendor):
    with pytest.raises(SpecError, match="1011"):
        vendor.look_up([by("firstName", "Ada")], [])


def test_fewer_values_are_asked_for_where_so_many_are_too_many(vendor, sandbox, by_email):
    sandbox.switches["filter_values"] = 100
    seed(sandbox, *({"email": f"p{number}@example.com"} for number in range(300)))
    found = vendor.look_up([by_email(f"p{number}@example.com") for number in range(300)], [])
    assert [len(leads) for leads in found] == [1] * 300


def test_answers_are_told_apart_by_their_values_in_whatever_order(vendor, sandbox, by_email):
    rows = [
        {"id": 3, "email": "C@example.com"},
        {"id": 1, "email": "a@example.com"},
        {"id": 3, "email": "c@example.com"},
    ]
    sandbox.add_fault(match=READ, status=200, body={"requestId": "1#1", "success": True, "result": rows})
    found = vendor.look_up([by_email(f"{name}@example.com") for name in "abc"], [])
    assert [[lead.remote_id for lead in leads] for leads in found] == [["1"], [], ["3"]]


@pytest.mark.parametrize("result", [None, {}, {"id": 1}, "none"], ids=str)
def test_an_answer_without_a_list_does_not_mean_that_nobody_is_there(vendor, sandbox, by_id, result):
    sandbox.add_fault(match=READ, status=200, body={"requestId": "1#1", "success": True, "result": result})
    with pytest.raises(RetryLater):
        vendor.look_up([by_id(1)], [])


# Partitions ---------------------------------------------------------------------------------------------------------

TWINS = ({"id": 1, "email": "ada@example.com"}, {"id": 2, "email": "ada@example.com", "partition": "EMEA"})
PARTITIONS = [{"id": 4, "name": "EMEA"}]


def test_leads_of_other_partitions_are_left_out(connect, sandbox, by_email):
    seed(sandbox, *TWINS, partitions=PARTITIONS)
    vendor = connect(partition="EMEA")
    for _ in range(2):
        ((ada,),) = vendor.look_up([by_email("ada@example.com")], [])
        assert ada.remote_id == "2"
    assert len(sandbox.calls("partitions")) == 1


def test_without_a_partition_all_are_found(vendor, sandbox, by_email):
    seed(sandbox, *TWINS, partitions=PARTITIONS)
    (found,) = vendor.look_up([by_email("ada@example.com")], [])
    assert [lead.remote_id for lead in found] == ["1", "2"]


def test_partitions_that_may_not_be_read_leave_nobody_out(connect, sandbox, by_email):
    seed(sandbox, *TWINS, partitions=PARTITIONS)
    sandbox.add_fault(match="partitions", error="603")
    (found,) = connect(partition="EMEA").look_up([by_email("ada@example.com")], [])
    assert len(found) == 2
