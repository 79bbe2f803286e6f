"""Which record a lead is written to: by id, by email or by a field; what is read before, and what people are told."""

from __future__ import annotations

from typing import Any

import pytest

SYNC = r"POST /rest/v1/leads\.json$"
SEARCH = r"(GET|POST) /rest/v1/leads\.json$"
BY_ID = [{"by": "lead_id", "value": "lead.remote_id"}, {"by": "email", "value": "lead.email"}]


def _notes(summary: Any) -> str:
    return "\n".join(summary.notes)


def _searches(bench: Any) -> list[dict[str, Any]]:
    calls = bench.marketo().calls(SEARCH)
    return [call for call in calls if call["request"].startswith("GET") or call["query"].get("_method") == "GET"]


def _story(bench: Any, key: str) -> dict[str, Any]:
    return bench.cli("reconcile", "show", key, "--json").json["leads"][0]


def test_a_known_id_is_searched_and_updated_without_touching_the_address(bench: Any, person: Any) -> None:
    bench.marketo(leads=[{"id": 41, "email": "old@kestrel.example", "firstName": "Old"}])
    bench.leads([person(1, **{"Remote ID": "41", "Email": "new@kestrel.example"}), person(2)])
    summary = bench.run(bench.spec(matching=BY_ID, source={"columns": {"Remote ID": "remote_id"}}))
    assert (summary.totals["cleared"], summary.written["updated"], summary.written["created"]) == (2, 1, 1)
    people = bench.people()
    assert people["old@kestrel.example"]["firstName"] == "Ada1"
    assert set(people) == {"old@kestrel.example", "ada2@kestrel.example"}
    assert "MATCH_CONFLICT" not in _notes(summary)


def test_a_rule_may_let_a_write_by_id_change_the_address(bench: Any, person: Any) -> None:
    bench.marketo(leads=[{"id": 41, "email": "old@kestrel.example"}])
    bench.leads([person(1, **{"Remote ID": "41", "Email": "new@kestrel.example"})])
    rules = [{**BY_ID[0], "update_email": True}, BY_ID[1]]
    bench.run(bench.spec(matching=rules, source={"columns": {"Remote ID": "remote_id"}}))
    assert set(bench.people()) == {"new@kestrel.example"}


def test_an_id_and_an_address_of_two_people_follow_the_id_and_say_so(bench: Any, person: Any) -> None:
    bench.marketo(leads=[{"id": 41, "email": "one@kestrel.example"}, {"id": 42, "email": "two@kestrel.example"}])
    bench.leads([person(1, **{"Remote ID": "41", "Email": "two@kestrel.example"})])
    summary = bench.run(bench.spec(matching=BY_ID, source={"columns": {"Remote ID": "remote_id"}}))
    people = bench.people()
    assert (people["one@kestrel.example"].get("firstName"), people["two@kestrel.example"].get("firstName")) == (
        "Ada1", None,
    )  # fmt: skip
    assert "MATCH_CONFLICT, 1 lead" in _notes(summary)
    (notice,) = _story(bench, "1")["notices"]
    assert notice["code"] == "MATCH_CONFLICT"
    assert "41 (one@kestrel.example)" in notice["message"] and "42" in notice["message"]


def test_an_id_that_is_gone_is_forgotten_and_the_address_tried_once(bench: Any, person: Any) -> None:
    box = bench.marketo()
    bench.leads([person(1)])
    bench.run(bench.spec())
    (gone,) = bench.people().values()
    with box.lock:
        box.world.delete(gone["id"])
    bench.leads([person(1, Job_Title="Buyer")])
    summary = bench.run()
    (created,) = bench.people().values()
    assert (created["id"] != gone["id"], created["title"], summary.exit_code) == (True, "Buyer", 0)
    assert "RECORD_ID_GONE" in _notes(summary)
    assert bench.sql("SELECT remote_id FROM remote_ids") == [(str(created["id"]),)]


def test_an_id_that_is_gone_fails_the_lead_where_nothing_else_is_known_of_it(bench: Any, person: Any) -> None:
    bench.leads([person(1, **{"Remote ID": "77", "Email": ""}), person(2)])
    bench.run(bench.spec(matching=BY_ID, source={"columns": {"Remote ID": "remote_id"}},
                         fields={"firstName": "lead.first_name"}))  # fmt: skip
    assert list(bench.failures().values()) == ["REMOTE_RECORD_GONE"]
    assert set(bench.people()) == {"ada2@kestrel.example"}


def test_hits_and_misses_travel_in_calls_of_their_own(bench: Any, person: Any) -> None:
    bench.marketo(leads=[{"id": 100 + n, "email": f"ada{n}@kestrel.example"} for n in range(5)])
    rows = [person(n, **{"Remote ID": str(100 + n)}) for n in range(10)]
    bench.leads(rows)
    bench.run(bench.spec(matching=BY_ID, source={"columns": {"Remote ID": "remote_id"}}))
    assert len(_searches(bench)) == 1
    assert len(bench.person_writes()) == 2
    assert len(bench.people()) == 10


# Duplicates -----------------------------------------------------------------------------------------------------


def _twins(bench: Any) -> None:
    bench.marketo(leads=[{"id": 7, "email": "ada1@kestrel.example"}, {"id": 8, "email": "ada1@kestrel.example"}])
    with bench.marketo().lock:
        bench.marketo().world.leads[7]["updatedAt"] = "2026-11-02T00:00:00Z"
        bench.marketo().world.leads[8]["updatedAt"] = "2026-11-01T00:00:00Z"


def test_an_address_of_several_people_fails_with_the_candidates(bench: Any, person: Any) -> None:
    _twins(bench)
    bench.leads([person(1), person(2)])
    bench.run(bench.spec())
    assert bench.failures() == {"ada1@kestrel.example": "AMBIGUOUS_MATCH"}
    (failure,) = _story(bench, "ada1@kestrel.example")["failures"]
    assert "7" in failure["message"] and "8" in failure["message"] and "2026-11-02" in failure["message"]


def test_a_rule_may_choose_the_one_that_was_changed_last(bench: Any, person: Any) -> None:
    _twins(bench)
    bench.leads([person(1)])
    rule = {"by": "email", "value": "lead.email", "duplicates": "most_recent"}
    summary = bench.run(bench.spec(matching=[rule]))
    assert summary.exit_code == 0 and "DUPLICATES_RESOLVED" in _notes(summary)
    leads = bench.marketo().state()["leads"]
    assert {lead["id"]: lead.get("firstName") for lead in leads} == {7: "Ada1", 8: None}


def test_what_is_blank_is_judged_by_the_one_that_is_written(bench: Any, person: Any) -> None:
    """Of two that were changed at once, that is the one with the higher id."""
    email = "ada1@kestrel.example"
    bench.marketo(leads=[{"id": 9, "email": email}, {"id": 10, "email": email, "company": "Her own"}])
    for lead in bench.marketo().world.leads.values():
        lead["updatedAt"] = "2026-11-01T00:00:00Z"
    bench.leads([person(1)])
    fields = {
        "email": "lead.email",
        "firstName": "lead.first_name",
        "company": {"value": "'Kestrel'", "write": "if_blank"},
    }
    rule = {"by": "email", "value": "lead.email", "duplicates": "most_recent"}
    assert bench.run(bench.spec(matching=[rule], fields=fields)).exit_code == 0
    leads = {lead["id"]: lead for lead in bench.marketo().state()["leads"]}
    assert (leads[10]["firstName"], leads[10]["company"]) == ("Ada1", "Her own")
    assert leads[9].get("firstName") is None


# Actions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "left", "code"),
    [("create_only", {"ada1@kestrel.example": None, "ada2@kestrel.example": "Ada2"}, "ALREADY_EXISTS"),
     ("update_only", {"ada1@kestrel.example": "Ada1"}, "REMOTE_RECORD_GONE")],
)  # fmt: skip
def test_a_rule_says_what_may_become_of_a_person(
    bench: Any, person: Any, action: str, left: dict[str, Any], code: str
) -> None:
    bench.marketo(leads=[{"email": "ada1@kestrel.example"}])
    bench.leads([person(1), person(2)])
    bench.run(bench.spec(matching=[{"by": "email", "value": "lead.email", "action": action}]))
    assert {email: lead.get("firstName") for email, lead in bench.people().items()} == left
    assert list(bench.failures().values()) == [code]


def test_people_are_found_by_a_field_of_ones_own(bench: Any, person: Any) -> None:
    bench.marketo(leads=[{"id": 9, "email": "first@kestrel.example", "badgeId": "B-1"}])
    bench.leads([person(1, Badge="B-1"), person(2, Badge="B-2")])
    fields = {"email": "lead.email", "badgeId": "lead.badge_id", "firstName": "lead.first_name"}
    rules = [{"by": "badgeId", "value": "lead.badge_id"}]
    summary = bench.run(bench.spec(matching=rules, fields=fields, source={"columns": {"Badge": "badge_id"}}))
    assert summary.exit_code == 0
    assert {lead["badgeId"]: lead["id"] for lead in bench.people().values() if lead.get("firstName")}["B-1"] == 9
    assert len(bench.marketo().state()["leads"]) == 2


def test_a_field_that_nobody_can_be_found_by_ends_the_run_before_anything_is_sent(bench: Any, person: Any) -> None:
    bench.leads([person(1)])
    ended = bench.cli("run", bench.spec(matching=[{"by": "boothNote", "value": "lead.notes"}]))
    assert ended.code == 2
    assert "cannot find leads by 'boothNote'" in ended.err and "expo.yaml:" in ended.err
    assert bench.writes() == [] and set(bench.statuses().values()) <= {"captured", "enriched"}


def test_the_check_refuses_actions_that_make_no_sense(bench: Any, person: Any) -> None:
    bench.leads([person(1)])
    spec = bench.spec(matching=[{"by": "lead_id", "value": "lead.remote_id", "action": "create_only"}])
    assert "nothing can be created by it" in bench.cli("check", spec).err
    bench.pardot()
    spec = bench.spec("pardot", matching=[{"by": "email", "value": "lead.email", "action": "update_only"}])
    assert "pardot cannot update_only" in bench.cli("check", spec).err


# What is written ------------------------------------------------------------------------------------------------


def test_a_text_that_is_too_long_fails_or_is_cut_as_the_row_says(bench: Any, person: Any) -> None:
    bench.leads([person(1, Title="x" * 300), person(2, Title="short")])
    fields = {"email": "lead.email", "title": "lead.job_title"}
    source = {"columns": {"Title": "job_title"}}
    bench.run(bench.spec(fields=fields, source=source))
    assert bench.failures() == {"ada1@kestrel.example": "DATA_VALUE_VALIDATION"}
    fields["title"] = {"value": "lead.job_title", "too_long": "truncate"}
    summary = bench.retry(bench.spec(fields=fields, source=source))
    assert bench.people()["ada1@kestrel.example"]["title"] == "x" * 255
    assert "VALUE_TRUNCATED, 1 lead" in _notes(summary)


def test_a_field_is_cleared_only_where_the_row_says_so(bench: Any, person: Any) -> None:
    held = {"title": "CTO", "city": "Oslo", "unsubscribed": True}
    bench.marketo(leads=[{"email": "ada1@kestrel.example", **held}])
    bench.leads([person(1)])
    fields = {
        "email": "lead.email",
        "title": "lead.job_title",
        "city": {"value": "lead.city", "empty": "clear"},
        "unsubscribed": {"value": "lead.notes", "empty": "clear"},
    }
    bench.run(bench.spec(fields=fields))
    found = bench.people()["ada1@kestrel.example"]
    assert (found["title"], found.get("city"), found["unsubscribed"]) == ("CTO", None, False)


def test_values_for_blank_fields_meet_a_known_id_in_one_reading(bench: Any, person: Any) -> None:
    bench.marketo(leads=[{"id": 41, "email": "old@kestrel.example", "company": "Held"}])
    bench.leads([person(1, **{"Remote ID": "41", "Email": "old@kestrel.example"}), person(2)])
    fields = {"email": "lead.email", "company": {"value": "lead.company", "write": "if_blank"}}
    bench.run(bench.spec(matching=BY_ID, fields=fields, source={"columns": {"Remote ID": "remote_id"}}))
    assert {lead["company"] for lead in bench.people().values()} == {"Held", "Kestrel 2"}


# Programs and lists ---------------------------------------------------------------------------------------------


def test_member_fields_follow_the_status(bench: Any, person: Any) -> None:
    bench.leads([person(1, Badge="B-1"), person(2, Badge="")])
    row = {"program_id": 1107, "status": "Registered", "fields": {"registrationCode": "lead.badge_id"}}
    source = {"columns": {"Badge": "badge_id"}}
    assert bench.run(bench.spec(mapping={"programs": [row]}, source=source)).exit_code == 0
    codes = {member["leadId"]: member.get("registrationCode") for member in bench.marketo().state()["members"]}
    assert sorted(codes.values(), key=str) == ["B-1", None]
    bench.leads([person(2, Badge="B-9")])
    changed = bench.run()
    assert (changed.this_run["sent"], changed.this_run["members"]) == (0, 1)
    codes = {member["leadId"]: member.get("registrationCode") for member in bench.marketo().state()["members"]}
    assert "B-9" in codes.values()


def test_a_member_field_that_there_is_not_is_one_group(bench: Any, person: Any) -> None:
    bench.leads([person(1), person(2)])
    row = {"program_id": 1107, "status": "Registered", "fields": {"registrationCde": "lead.badge_id"}}
    bench.run(bench.spec(mapping={"programs": [row]}))
    assert set(bench.failures().values()) == {"MISSING_REMOTE_FIELD"}
    assert bench.writes() == []


def test_leads_are_put_in_lists_by_event_and_scans(bench: Any, person: Any) -> None:
    bench.leads([person(1, Event="Expo"), person(1, Event="Expo", Note="again"), person(2, Event="Summit")])
    lists = [{"list_id": 1001, "event": "Expo", "min_scans": 2}]
    summary = bench.run(bench.spec(mapping={"lists": lists}))
    expo = bench.people()["ada1@kestrel.example"]["id"]
    assert (bench.marketo().state()["lists"]["1001"], summary.written["memberships"]) == ([expo], 1)
    calls = len(bench.marketo().calls("lists"))
    bench.run()
    assert len(bench.marketo().calls("lists")) == calls


def test_a_list_that_there_is_not_fails_before_any_write_and_a_retry_does_the_rest(bench: Any, person: Any) -> None:
    bench.leads([person(1)])
    bench.run(bench.spec(mapping={"lists": [{"list_id": 5}]}))
    assert set(bench.failures().values()) == {"CAMPAIGN_NOT_WRITABLE"} and bench.writes() == []
    assert bench.retry(bench.spec(mapping={"lists": [{"list_id": 1001}]})).exit_code == 0
    assert len(bench.marketo().state()["lists"]["1001"]) == 1


def test_an_archived_program_takes_no_members_unless_it_is_allowed(bench: Any, person: Any) -> None:
    bench.marketo(programs=[{"id": 1107, "name": "Expo 2025", "channel": "Tradeshow", "archived": True}])
    bench.leads([person(1)])
    programs = {"programs": [{"program_id": 1107, "status": "Registered"}]}
    bench.run(bench.spec(mapping=programs))
    assert set(bench.failures().values()) == {"CAMPAIGN_NOT_WRITABLE"}
    assert bench.retry(bench.spec(mapping=programs, config={"archived_programs": "allow"})).exit_code == 0
    assert len(bench.marketo().state()["members"]) == 1


# What the vendor has --------------------------------------------------------------------------------------------


def _reads(bench: Any) -> int:
    return len(bench.marketo().calls("describe|asset"))


def test_fields_and_programs_are_read_once_until_they_are_old(bench: Any, person: Any) -> None:
    bench.leads([person(1)])
    programs = {"programs": [{"program_id": 1107, "status": "Registered"}]}
    bench.run(bench.spec(mapping=programs))
    first = _reads(bench)
    bench.run()
    assert first > 0 and _reads(bench) == first
    bench.clock.advance(90_000)
    bench.run()
    assert _reads(bench) == 2 * first


def test_what_the_mapping_misses_is_looked_for_anew(bench: Any, person: Any) -> None:
    box = bench.marketo()
    bench.leads([person(1)])
    fields = {"email": "lead.email", "shoeSize": "lead.notes"}
    bench.run(bench.spec(fields=fields))
    assert set(bench.failures().values()) == {"MISSING_REMOTE_FIELD"}
    box.seed = {**box.seed, "fields": [{"name": "shoeSize"}]}
    with box.lock:
        box.load(box.seed)
    assert bench.retry().exit_code == 0


def test_a_field_that_went_missing_is_one_group_and_the_list_is_read_anew(bench: Any, person: Any) -> None:
    box = bench.marketo(fields=[{"name": "shoeSize"}])
    bench.leads([person(1, Size="44")])
    spec = bench.spec(fields={"email": "lead.email", "shoeSize": "lead.size"}, source={"columns": {"Size": "size"}})
    bench.run(spec)
    box.seed = {**box.seed, "fields": []}
    with box.lock:
        box.load(box.seed)
    bench.leads([person(2, Size="45")])
    bench.run()
    assert bench.failures() == {"ada2@kestrel.example": "MISSING_REMOTE_FIELD"}
    before = _reads(bench)
    bench.leads([person(3, Size="46")])
    bench.run()
    assert _reads(bench) > before and bench.failures()["ada3@kestrel.example"] == "MISSING_REMOTE_FIELD"


# One record, one key, one setting that is not as the others ------------------------------------------------------


def test_one_record_that_the_vendor_breaks_on_fails_alone_in_every_kind_of_call(bench: Any, person: Any) -> None:
    bench.marketo()
    bench.leads([person(number) for number in range(40)])
    mapping = {"programs": [{"program_id": 1107, "status": "Registered"}], "lists": [{"list_id": 1001}]}
    bench.marketo().add_fault(match=SYNC, contains="ada7@", error="611", times=-1)
    bench.run(bench.spec(mapping=mapping))
    assert list(bench.failures()) == ["ada7@kestrel.example"]
    ids = {lead["email"]: lead["id"] for lead in bench.people().values()}
    assert len(ids) == 39


@pytest.mark.parametrize("call", ["members/status", "lists/1001"])
def test_one_member_that_the_vendor_breaks_on_fails_alone(call: str, bench: Any, person: Any) -> None:
    bench.marketo(leads=[{"id": 5000 + n, "email": f"ada{n}@kestrel.example"} for n in range(40)])
    bench.marketo().add_fault(match=call, contains=":5007", error="611", times=-1)
    bench.leads([person(number) for number in range(40)])
    mapping = {"programs": [{"program_id": 1107, "status": "Registered"}]}
    bench.run(bench.spec(mapping=mapping if "members" in call else {"lists": [{"list_id": 1001}]}))
    assert list(bench.failures()) == ["ada7@kestrel.example"]


def test_a_lead_that_is_too_new_to_be_found_gets_its_membership_later(bench: Any, person: Any) -> None:
    bench.marketo(switches={"read_after_write": 4})
    bench.leads([person(number) for number in range(5)])
    mapping = {"programs": [{"program_id": 1107, "status": "Registered"}], "lists": [{"list_id": 1001}]}
    summary = bench.run(bench.spec(mapping=mapping))
    assert (summary.exit_code, summary.written["memberships"]) == (0, 10)


def test_an_unanswered_creation_is_known_as_ones_own(bench: Any, person: Any) -> None:
    bench.marketo(switches={"field_blocked_sources": ["title"]})
    bench.marketo().add_fault(match=SYNC, drop="after")
    bench.leads([person(1, Job_Title="Buyer")])
    rule = {"by": "email", "value": "lead.email", "action": "create_only"}
    summary = bench.run(bench.spec(matching=[rule]))
    assert (summary.exit_code, len(bench.person_writes())) == (0, 1)


def test_settings_that_change_what_is_read_are_not_answered_from_what_was_read_before(bench: Any, person: Any) -> None:
    bench.leads([person(1)])
    bench.run(bench.spec())
    bench.leads([person(2)])
    bench.run(bench.spec(config={"company_fields": "refuse"}))
    assert bench.failures() == {"ada2@kestrel.example": "MISSING_REMOTE_FIELD"}


def test_an_id_names_its_lead_whatever_partition_it_is_in(bench: Any, person: Any) -> None:
    partitions = [{"name": "EMEA", "id": 2}]
    bench.marketo(partitions=partitions, leads=[{"id": 41, "email": "old@kestrel.example", "partition": "Default"}])
    bench.leads([person(1, **{"Remote ID": "41"})])
    spec = bench.spec(matching=BY_ID, source={"columns": {"Remote ID": "remote_id"}}, config={"partition": "EMEA"})
    assert bench.run(spec).exit_code == 0
    assert [lead["id"] for lead in bench.marketo().state()["leads"]] == [41]


def test_people_with_one_address_are_told_apart_by_the_second_field_of_the_rule(bench: Any, person: Any) -> None:
    held = [{"id": 1, "email": "ada1@kestrel.example", "company": "Kestrel 1", "title": "CTO"},
            {"id": 2, "email": "ada1@kestrel.example", "company": "Other"}]  # fmt: skip
    bench.marketo(leads=held, switches={"custom_dedupe": "email+company"})
    bench.leads([person(1, Job_Title="Buyer")])
    fields = {"email": "lead.email", "company": "lead.company",
              "title": {"value": "lead.job_title", "write": "if_blank"}}  # fmt: skip
    spec = bench.spec(fields=fields, config={"dedupe_field": "company"})
    assert bench.run(spec).exit_code == 0
    assert {lead["id"]: lead.get("title") for lead in bench.marketo().state()["leads"]} == {1: "CTO", 2: None}


def test_yesterdays_calls_do_not_count_today(bench: Any, person: Any) -> None:
    row = {"date": "2001-09-17", "total": 50_000, "users": []}
    bench.marketo().add_fault(match="usage", body={"requestId": "1#1", "success": True, "result": [row]}, times=-1)
    bench.leads([person(1)])
    assert bench.run(bench.spec()).exit_code == 0
