"""Hard cases of Pardot: addresses that are shared, campaigns of the first touch, imports, and reads that lag."""

from __future__ import annotations

from typing import Any

UPSERT = "upsertLatestByEmail"
BY_ID = r"PATCH /api/v5/objects/prospects/\d+"
FIELDS = {
    "email": "lead.email",
    "firstName": "lead.first_name",
    "campaignId": {"value": "'1107'", "write": "on_create"},
}


def _campaigns(bench: Any) -> set[int]:
    return {each["campaignId"] for each in bench.people("pardot").values()}


def test_new_people_get_the_campaign_and_known_ones_keep_theirs(bench: Any, person: Any) -> None:
    bench.pardot(prospects=[{"email": "ada1@kestrel.example", "campaignId": 668, "createdAt": "2024-01-01T00:00:00Z"}])
    bench.leads([person(1), person(2)])
    assert bench.run(bench.spec("pardot", fields=FIELDS)).exit_code == 0
    people = bench.people("pardot")
    assert people["ada1@kestrel.example"]["campaignId"] == 668
    assert people["ada2@kestrel.example"]["campaignId"] == 1107


def test_a_campaign_whose_writing_failed_is_written_by_the_retry(bench: Any, person: Any) -> None:
    bench.pardot().add_fault(match=BY_ID, error="38")
    bench.leads([person(1)])
    spec = bench.spec("pardot", fields=FIELDS)
    bench.run(spec)
    assert list(bench.failures().values()) == ["CAMPAIGN_NOT_WRITABLE"]
    assert bench.retry(spec).exit_code == 0
    assert _campaigns(bench) == {1107}


def test_a_campaign_is_written_after_an_answer_that_was_lost(bench: Any, person: Any) -> None:
    bench.pardot().add_fault(match=UPSERT, drop="after", times=3)
    bench.leads([person(number) for number in range(6)])
    assert bench.run(bench.spec("pardot", fields=FIELDS)).exit_code == 0
    assert _campaigns(bench) == {1107} and len(bench.people("pardot")) == 6


def test_a_campaign_that_does_not_exist_fails_before_anybody_is_written(bench: Any, person: Any) -> None:
    bench.pardot()
    bench.leads([person(1), person(2)])
    fields = {**FIELDS, "campaignId": {"value": "'4711'", "write": "on_create"}}
    bench.run(bench.spec("pardot", fields=fields))
    assert set(bench.failures().values()) == {"DATA_VALUE_VALIDATION"}
    assert bench.people("pardot") == {}


def test_an_address_that_comes_to_stand_for_another_prospect_is_told(bench: Any, person: Any) -> None:
    box = bench.pardot()
    bench.leads([person(1)])
    bench.run(bench.spec("pardot"))
    (old,) = [each["id"] for each in bench.people("pardot").values()]
    box.store.records[old]["isDeleted"] = True
    bench.leads([person(1, Job_Title="Buyer")])
    summary = bench.run(bench.spec("pardot", config={"deleted": "create"}))
    assert summary.exit_code == 0
    assert any(note.startswith("RECORD_ID_CHANGED, 1 lead:") for note in summary.notes)


def test_files_give_lists_and_campaigns_too(bench: Any, person: Any) -> None:
    box = bench.pardot(import_seconds=2)
    bench.leads([person(number) for number in range(12)])
    spec = bench.spec("pardot", fields=FIELDS, mapping={"lists": [{"list_id": 233086}]},
                      config={"bulk": {"poll_after": 1}})  # fmt: skip
    summary = bench.run(spec, bulk=True)
    assert (summary.exit_code, summary.written["memberships"], _campaigns(bench)) == (0, 12, {1107})
    assert len(box.calls(UPSERT)) == 0
    assert len(box.calls("POST .*list-memberships")) == 0


def test_an_import_that_says_it_did_nothing_clears_nobody(bench: Any, person: Any) -> None:
    box = bench.pardot()
    body = {"id": 871, "status": "Complete", "createdCount": 0, "updatedCount": 0, "errorCount": 0}
    box.add_fault(match=r"GET /api/v5/imports/\d+$", status=200, body=body, times=-1)
    bench.leads([person(number) for number in range(3)])
    assert bench.run(bench.spec("pardot", config={"bulk": {"poll_after": 1}}), bulk=True).exit_code == 0
    assert len(bench.people("pardot")) == 3


def test_what_was_decided_by_one_of_several_people_is_written_to_that_one(bench: Any, person: Any) -> None:
    held = [{"id": 1, "email": "ada1@kestrel.example", "company": None, "lastActivityAt": "2026-11-02T00:00:00Z"},
            {"id": 2, "email": "ada1@kestrel.example", "company": "Precious", "lastActivityAt": None,
             "updatedAt": "2026-11-20T00:00:00Z"}]  # fmt: skip
    bench.pardot(prospects=held, switches={"upsert_order": "updated"})
    bench.leads([person(1)])
    fields = {"email": "lead.email", "company": {"value": "lead.company", "write": "if_blank"}}
    assert bench.run(bench.spec("pardot", fields=fields)).exit_code == 0
    records = {each["id"]: each["company"] for each in bench.pardot().state()["prospects"]}
    assert records == {1: "Kestrel 1", 2: "Precious"}


def test_whoever_was_just_created_is_not_created_again_by_the_next_run(bench: Any, person: Any) -> None:
    """Whether the search of an upsert lags like reads is not known; where it does, memory must outlive the process."""
    box = bench.pardot(switches={"upsert_reads": "lagged", "read_lag": 60.0})
    bench.leads([person(1)])
    bench.run(bench.spec("pardot", name="one", config={"settle_after": 65}))
    bench.leads([person(1, Job_Title="Buyer")])
    bench.run(bench.spec("pardot", name="two", config={"settle_after": 65}))
    assert box.statistics()["duplicates"] == [] and len(box.state()["prospects"]) == 1
