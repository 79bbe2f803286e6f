"""engine verify: which leads it reads, within which limits, how it goes on, and what the command says."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from engine.errors import VendorUnavailable
from engine.records import Decision, Found
from engine.selection import Selection
from engine.state import Store
from engine.verdicts import Expected, judged
from tests.verify_helpers import Elsewhere, deliver, id_of, verify


@pytest.fixture
def delivered(bench: Any, person: Any) -> Callable[..., Elsewhere]:
    """Deliver some leads to a vendor."""
    return partial(deliver, bench, person)


def test_what_was_sent_a_moment_ago_is_left_for_later(bench: Any, person: Any) -> None:
    bench.marketo()
    bench.leads([person()])
    bench.run(bench.spec(config={"settle_after": 90}))
    report = verify(bench)
    assert (report.recent, report.verified, report.all_held) == (1, 0, True)


def test_samples_go_round_and_are_the_same_each_time_for_one_state(bench: Any, delivered: Any) -> None:
    delivered(count=7)
    seen: list[set[int]] = []
    for _ in range(4):
        before = dict(bench.sql("SELECT lead_id, at FROM verifications"))
        assert verify(bench, sample=3).held == 3
        after = dict(bench.sql("SELECT lead_id, at FROM verifications"))
        seen.append({lead for lead, at in after.items() if before.get(lead) != at})
        bench.clock.advance(60)
    assert set().union(*seen[:3]) == set(range(1, 8)) and not seen[0] & seen[1]
    with Store(bench.state) as store, store.database.transaction() as db:
        db.execute("DELETE FROM verifications")
    verify(bench, sample=3)
    assert {lead for (lead,) in bench.sql("SELECT lead_id FROM verifications")} == seen[0]


def test_only_the_leads_that_are_meant_are_read(bench: Any, delivered: Any) -> None:
    delivered()
    assert verify(bench, meant=Selection(leads=("ada1@kestrel.example", "3"))).verified == 2
    assert verify(bench, meant=Selection(where="lead.first_name == 'Ada2'")).verified == 1


def test_batches_and_the_rate_are_those_of_the_vendor(bench: Any, delivered: Any) -> None:
    box = bench.marketo(rate={"calls": 4, "window": 20})
    delivered(count=7, config={"limits": {"calls": 4, "batch_size": 3, "concurrency": 1}})
    waited = bench.clock.waited
    assert verify(bench).held == 7
    asked = [call["query"]["filterValues"].split(",") for call in box.calls(r"GET /rest/v1/leads\.json")]
    assert sorted(map(len, asked)) == [1, 3, 3]
    assert "606" not in box.statistics()["errors"]
    assert bench.clock.waited - waited >= 40, "more than twice as many calls as a window takes"


def test_a_vendor_that_is_busy_for_a_while_is_asked_again(bench: Any, delivered: Any) -> None:
    elsewhere = delivered()
    elsewhere.box.add_fault(match=r"GET /rest/v1/leads\.json", error="604", times=2)
    assert verify(bench).held == 4


def test_an_interrupted_verification_goes_on_where_it_was(bench: Any, delivered: Any) -> None:
    elsewhere = delivered(count=6, config={"limits": {"batch_size": 2, "concurrency": 1}})
    elsewhere.change(id_of(bench, "marketo", 0), title="Buyer")
    elsewhere.box.add_fault(match=r"GET /rest/v1/leads\.json", skip=1, error="604", times=50)
    with pytest.raises(VendorUnavailable):
        verify(bench, sample=5)
    ((done,),) = bench.sql("SELECT count(*) FROM verifications")
    assert done == 2
    elsewhere.box.faults.clear()
    bench.clock.advance(60)
    asked = len(elsewhere.box.calls(r"GET /rest/v1/leads\.json"))
    report = verify(bench, sample=5)
    assert (report.verified, len(report.before)) == (3, 2)
    assert len(elsewhere.box.calls(r"GET /rest/v1/leads\.json")) - asked == 2
    assert verify(bench, sample=5).before == {}, "one that ended is not gone on with"


def test_a_lead_that_moved_on_while_it_was_read_is_left_alone(bench: Any, delivered: Any, person: Any) -> None:
    elsewhere = delivered(count=1)
    elsewhere.change(id_of(bench, "marketo", 0), title="Buyer")
    with Store(bench.state) as store:
        (lead,) = store.verifications.delivered(bench.sql("SELECT account FROM runs")[0][0], [1])
        read = judged(Expected(lead, Decision("lead_id", lead.remote_id), {"title": "Head Buyer"}),
                      Found(lead.remote_id, {"title": "Buyer"}), {})  # fmt: skip
        store.queue.delay([1], "captured", 0.0)
        assert store.verifications.save([read], "account", 1.0, fail_in="run") == []
    assert bench.statuses() == {"ada0@kestrel.example": "captured"}


def test_the_command_sums_up_and_says_what_to_type_next(bench: Any, delivered: Any) -> None:
    elsewhere = delivered(config={"settle_after": 0})
    with Store(bench.state) as store, store.database.transaction() as db:
        db.execute("UPDATE outcomes SET at = at - 10000")  # the command goes by the machine's clock
    elsewhere.change(id_of(bench, "marketo", 1), title="Buyer")
    shown = bench.cli("verify")
    assert shown.code == 1
    assert "verified 4 of 4 cleared leads: 3 held, 1 changed" in shown.out
    assert "REMOTE_VALUE_CHANGED  (title)" in shown.out and "sent 'Head Buyer', held 'Buyer'" in shown.out
    assert re.search(r"engine verify .*--differing --fail", shown.out)
    one = bench.cli("verify", "ada1@kestrel.example")
    assert "email:ada1@kestrel.example" in one.out and "sent 'Head Buyer'  held 'Buyer'" in one.out
    found = bench.cli("verify", "--differing", "--fail", "--json")
    assert (found.code, found.json["codes"], len(found.json["failed"])) == (1, {"REMOTE_VALUE_CHANGED": 1}, 1)
    assert found.json["leads"][0]["differences"] == [{"field": "title", "sent": "Head Buyer", "held": "Buyer"}]
    listed = bench.cli("reconcile", "list", "--json").json
    assert [(group["code"], group["leads"]) for group in listed["groups"]] == [("REMOTE_VALUE_CHANGED", 1)]
    assert bench.cli("verify", "--all").code == 0
    assert bench.cli("verify", "--all", "--sample", "3").code == 2
    acts = bench.sql("SELECT what, detail FROM actions WHERE lead_id IS NOT NULL")
    assert acts == [("verify", "found not to be held, and failed")]
