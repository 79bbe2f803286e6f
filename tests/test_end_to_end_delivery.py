"""From a source to the vendors' sandboxes over HTTP: who is written, by which key, and what is never sent again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[1] / "specs" / "demo"


@pytest.mark.parametrize("vendor", ["marketo", "pardot"])
def test_the_demo_export_arrives_and_a_second_run_writes_nothing(
    vendor: str, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = getattr(bench, vendor)()
    for name, value in {**box.environment(), **bench.provider().environment()}.items():
        monkeypatch.setenv(name, value)
    first = bench.run(DEMO / f"{vendor}.yaml")
    assert first.exit_code == 1
    assert (first.totals["captured"], first.totals["duplicate"], first.totals["presync"]) == (500, 70, 0)
    assert first.totals["cleared"] == first.written["created"] == len(bench.people(vendor)) == 393
    assert box.state()["duplicates"] == []
    assert first.written["memberships"] == len(box.state().get("members", ()))
    sent, asked = len(bench.writes(vendor)), len(bench.provider().calls())
    second = bench.run(DEMO / f"{vendor}.yaml")
    assert (second.totals, second.this_run["known_rows"], second.this_run["sent"]) == (first.totals, 500, 0)
    assert len(bench.writes(vendor)) == sent
    assert len(bench.provider().calls()) == asked


@pytest.mark.parametrize("vendor", ["marketo", "pardot"])
def test_a_broken_credential_costs_one_call_and_loses_nothing(vendor: str, bench: Any, person: Any) -> None:
    bench.leads([person(number) for number in range(30)])
    spec = bench.spec(vendor)
    bench.secret("secret", "mistyped")
    refused = bench.cli("run", spec)
    assert refused.code == 4
    assert "client_secret" in refused.err and "fix:" in refused.err
    assert len(getattr(bench, vendor)().calls()) == 1
    assert set(bench.statuses().values()) <= {"captured", "enriched"}
    bench.secret("secret", "sandbox-secret")
    assert bench.cli("run", spec).code == 0
    assert set(bench.statuses().values()) == {"cleared"}
    assert len(bench.people(vendor)) == 30


def test_an_unknown_field_is_one_group_without_a_call_and_is_retried_with_the_corrected_spec(
    bench: Any, person: Any
) -> None:
    bench.leads([person(number) for number in range(5)])
    spec = bench.spec(fields={"email": "lead.email", "frstName": "lead.first_name"})
    assert bench.cli("run", spec).code == 1
    listed = bench.cli("reconcile", "list", "--json").json
    assert [(group["code"], group["field"], group["leads"]) for group in listed["groups"]] == [
        ("MISSING_REMOTE_FIELD", "frstName", 5)
    ]
    assert "firstName" in listed["groups"][0]["example"]
    assert bench.writes() == []
    bench.spec(fields={"email": "lead.email", "firstName": "lead.first_name"})
    retried = bench.cli("reconcile", "retry", "--group", "MISSING_REMOTE_FIELD", "--json")
    assert (retried.code, retried.json["totals"]["cleared"]) == (0, 5)
    assert {found["firstName"] for found in bench.people().values()} == {f"Ada{number}" for number in range(5)}


def test_standard_input_is_a_source_and_is_kept_even_when_nothing_can_be_sent(bench: Any, person: Any) -> None:
    text = bench.leads([person(1), person(2)], "piped.csv").read_bytes()
    spec = bench.spec()
    command = [sys.executable, "-m", "engine", "run", str(spec), "-", "--state", str(bench.state), "--json"]
    bench.secret("secret", "mistyped")
    refused = subprocess.run(command, input=text, capture_output=True, check=False)
    assert (refused.returncode, bench.conserved()["presync"]) == (4, 2)
    bench.secret("secret", "sandbox-secret")
    delivered = subprocess.run(command, input=b"", capture_output=True, check=False)
    assert delivered.returncode == 0, delivered.stderr
    assert json.loads(delivered.stdout)["totals"]["cleared"] == len(bench.people()) == 2


def test_a_changed_answer_is_written_again_and_an_unchanged_one_is_not(bench: Any, person: Any) -> None:
    bench.leads([person(1, Type="Hot", Scan="09:00"), person(2, Type="Warm", Scan="09:01")])
    spec = bench.spec(source={"qualifiers": {"Type": "Type"}}, mapping={"qualifiers": {"Type": {"field": "leadType"}}})
    bench.run(spec)
    first = len(bench.writes())
    bench.leads([person(1, Type="Cold", Scan="15:00"), person(2, Type="Warm", Scan="15:01")], "later.csv")
    summary = bench.run(spec, path=str(bench.folder / "later.csv"))
    assert (summary.totals["captured"], summary.totals["duplicate"], summary.totals["cleared"]) == (4, 2, 2)
    (again,) = bench.writes()[first:]
    sent = [(record["id"], record["leadType"]) for record in json.loads(again["body"])["input"]]
    assert sent == [(bench.people()["ada1@kestrel.example"]["id"], "Cold")]
    assert bench.people()["ada1@kestrel.example"]["leadType"] == "Cold"


def test_a_captured_lead_id_updates_by_id_and_leaves_the_address_alone(bench: Any, person: Any) -> None:
    box = bench.marketo(leads=[{"id": 77, "email": "known@kestrel.example", "company": "Kestrel"}])
    bench.leads([person(1, **{"Lead ID": "77", "Email": "other@kestrel.example"})])
    bench.run(bench.spec())
    assert bench.people()["known@kestrel.example"]["firstName"] == "Ada1"
    assert box.state()["counts"]["leads"] == 1
    (call,) = bench.writes()
    assert "@" not in call["body"] and json.loads(call["body"])["lookupField"] == "id"


def test_an_id_that_is_gone_falls_back_to_the_address_once_and_the_new_one_is_remembered(
    bench: Any, person: Any
) -> None:
    box = bench.marketo()
    bench.leads([person(1)])
    spec = bench.spec()
    bench.run(spec)
    (old,) = [found["id"] for found in bench.people().values()]
    box.world.delete(old)
    box.world.insert({"email": "filler@kestrel.example"})
    first = len(bench.writes())
    bench.leads([person(1, Title="Buyer")])
    summary = bench.run(spec)
    assert summary.exit_code == 0
    assert [json.loads(call["body"])["lookupField"] for call in bench.writes()[first:]] == ["email"]
    new = bench.people()["ada1@kestrel.example"]["id"]
    assert new != old
    other = bench.spec(name="summit")
    bench.run(other)
    last = json.loads(bench.writes()[-1]["body"])
    assert (last["lookupField"], last["input"][0]["id"]) == ("id", new)
    assert len(bench.writes()) == first + 2


@pytest.mark.parametrize("vendor", ["marketo", "pardot"])
def test_leads_that_share_an_address_never_overlap(vendor: str, bench: Any, person: Any) -> None:
    box = getattr(bench, vendor)(latency=0.02)
    rows = [person(number % 8, Badge=str(number), Company=f"Kestrel {number}") for number in range(32)]
    bench.leads(rows)
    limits = {"concurrency": 4} | ({"batch_size": 3} if vendor == "marketo" else {})
    spec = bench.spec(vendor, source={"columns": {"Badge": "badge_id"}}, identity=["badge"], config={"limits": limits})
    summary = bench.run(spec)
    assert summary.totals["cleared"] == 32
    assert box.state()["duplicates"] == []
    assert len(bench.people(vendor)) == 8


def test_a_lead_waits_for_the_lost_answer_of_another_with_its_address(bench: Any, person: Any) -> None:
    """The first call is still at work at the vendor when its answer is given up."""
    box = bench.marketo(latency={"write": 0.4})
    bench.leads([person(1, Badge="1"), person(1, Badge="2")])
    config = {"timeout": 0.1, "settle_after": 0.6, "limits": {"calls": None}}
    spec = bench.spec(source={"columns": {"Badge": "badge_id"}}, identity=["badge"], config=config)
    summary = bench.run(spec, real_time=True)
    assert box.state()["duplicates"] == []
    assert summary.totals["cleared"] == 2


def test_if_blank_keeps_what_the_vendor_holds(bench: Any, person: Any) -> None:
    bench.marketo(leads=[{"email": "ada1@kestrel.example", "leadSource": "web"}])
    bench.leads([person(1, Event="Expo"), person(2, Event="Expo")])
    fields = {"email": "lead.email", "leadSource": {"value": "lead.event", "write": "if_blank"}}
    assert bench.run(bench.spec(fields=fields)).exit_code == 0
    sources = {email: found["leadSource"] for email, found in bench.people().items()}
    assert sources == {"ada1@kestrel.example": "web", "ada2@kestrel.example": "Expo"}


def test_if_blank_keeps_what_the_vendor_holds_under_the_next_matching_rule(bench: Any, person: Any) -> None:
    """The captured id is gone; the record that has the address decides what is blank."""
    bench.marketo(leads=[{"email": "ada1@kestrel.example", "leadSource": "web"}])
    bench.leads([person(1, **{"Lead ID": "4711", "Event": "Expo"})])
    fields = {"email": "lead.email", "company": "lead.company",
              "leadSource": {"value": "lead.event", "write": "if_blank"}}  # fmt: skip
    assert bench.run(bench.spec(fields=fields)).exit_code == 0
    (found,) = bench.people().values()
    assert (found["leadSource"], found["company"]) == ("web", "Kestrel 1")


def test_a_record_that_the_vendor_refuses_stops_no_other(bench: Any, person: Any) -> None:
    bench.marketo(leads=[{"email": "ada3@kestrel.example"}, {"email": "ada3@kestrel.example"}])
    bench.leads([person(number) for number in range(6)])
    summary = bench.run(bench.spec())
    assert (summary.exit_code, summary.totals["cleared"]) == (1, 5)
    assert bench.failures() == {"ada3@kestrel.example": "AMBIGUOUS_MATCH"}


def test_a_prospect_that_pardot_refuses_stops_no_other(bench: Any, person: Any) -> None:
    bench.pardot(faults=[{"match": "upsert", "contains": "ada3@", "error": "38", "times": -1}])
    bench.leads([person(number) for number in range(6)])
    summary = bench.run(bench.spec("pardot"))
    assert (summary.exit_code, summary.totals["cleared"]) == (1, 5)
    assert bench.failures() == {"ada3@kestrel.example": "CAMPAIGN_NOT_WRITABLE"}
