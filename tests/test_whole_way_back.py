"""A thousand leads, six things wrong at once: each group is cleared by its documented fix, typed, and all ends well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COUNT = 1_000
SPEC = """\
version: 1
name: expo   # of this year
source:
  use: csv
  path: leads.csv
  columns: {{Interest: interest}}
  qualifiers: {{Heat: Heat}}
required: [last_name]
destination:
  use: marketo
  config: {{base_url: "{url}", client_id: sandbox, client_secret: {{file: secret}}, settle_after: 0.3, read_lag: 0,
           limits: {{batch_size: 50}}}}
matching:
  - by: email
    value: lead.email
{duplicates}mapping:
  fields:
    email: lead.email          # the key
    firstName: lead.first_name
    lastName: lead.last_name
    title: {title}
    {interest}: lead.interest   # what they asked about
  qualifiers:
    Heat: {{field: leadRating, options: {{Hot: A, Warm: B{heat}}}}}   # by the booth's own scale
  programs:
    - {{event: Expo 2026, program_id: 1107, status: Registered}}
    - {{event: Summit 2026, program_id: 1107, status: {status}}}   # the second day
"""
RIGHT = {
    "title": "{value: lead.job_title, too_long: truncate}", "interest": "productInterest",
    "heat": ", Bolling: A, Icy: C", "status": "Attended", "duplicates": "    duplicates: most_recent\n",
}  # fmt: skip
WRONG = {"title": "lead.job_title", "interest": "productIntrest", "heat": "", "status": "Atended", "duplicates": ""}
FIELDS = [{"name": "title", "length": 30}, {"name": "productInterest", "label": "Product Interest", "type": "string"},
          {"name": "leadRating", "type": "string"}]  # fmt: skip


def _leads(person: Any) -> list[dict[str, str]]:
    def one(number: int) -> dict[str, str]:
        row = person(number, Event="Expo 2026", Interest="", Heat="Hot")
        row["Job Title"] = "Buyer"
        if number % 20 == 0:
            row["Interest"] = "Pumps"
        elif number % 20 == 1:
            row["Job Title"] = "Head of Pumps, Valves and everything else that drips"
        elif number % 20 == 2:
            row["Heat"] = "Bolling" if number % 40 == 2 else "Icy"
        elif number % 20 == 3:
            row["Event"] = "Summit 2026"
        return row

    return [one(number) for number in range(1, COUNT + 1)]


def _twins(number: int) -> list[dict[str, Any]]:
    return [{"id": 100 + each, "email": f"ada{number}@kestrel.example", "firstName": "Ada", "lastName": f"Twin{each}"}
            for each in range(2)]  # fmt: skip


def _write(bench: Any, **words: str) -> Path:
    path: Path = bench.folder / "expo.yaml"
    path.write_text(SPEC.format(url=bench.marketo().url, **words), "utf-8")
    return path


def _end(bench: Any) -> tuple[dict[str, Any], dict[str, str]]:
    state = bench.marketo().state()
    names = {lead["id"]: f"{lead['email']} {lead['lastName']}" for lead in state["leads"]}
    varying = {"id", "createdAt", "updatedAt"}
    people = {names[lead["id"]]: {k: v for k, v in lead.items() if k not in varying} for lead in state["leads"]}
    return people, {names[row["leadId"]]: row["statusName"] for row in state["members"]}


def _groups(bench: Any) -> dict[str, int]:
    found = bench.cli("reconcile", "list", "--json").json["groups"]
    return {f"{each['code']} {each['field'] or ''}".strip(): each["leads"] for each in found}


def _right_from_the_start(bench: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """What a run without anything wrong leaves at the vendor."""
    bench.fresh("marketo")
    bench.marketo(fields=FIELDS, leads=_twins(7))
    bench.state = bench.state.with_name("right.db")
    assert bench.cli("run", _write(bench, **RIGHT)).code == 0
    return _end(bench)


def test_each_group_is_cleared_by_what_it_says_and_all_ends_as_if_nothing_had_been_wrong(
    bench: Any, person: Any
) -> None:
    bench.secret("secret", "sandbox-secret")
    box = bench.marketo(fields=FIELDS, leads=_twins(7))
    bench.leads(_leads(person))
    spec = _write(bench, **WRONG)
    # The vendor has lost a field, and so nothing is sent. While that is put right, the credentials are revoked.
    assert bench.cli("run", spec).code == 1
    assert _groups(bench) == {"MISSING_REMOTE_FIELD productIntrest": COUNT}
    revoked = [
        box.add_fault(match="POST /rest/v1/leads", error="601", skip=5, times=-1),
        box.add_fault(match="/identity/", status=401, body={"error": "invalid_client"}, skip=1, times=-1),
    ]
    assert bench.cli("reconcile", "fix", "--group", "MISSING_REMOTE_FIELD", "--yes").code == 4
    paused = bench.cli("reconcile", "list", "--json").json["paused"]
    assert paused["code"] == "AUTHENTICATION" and 0 < paused["leads"] < COUNT
    for fault in revoked:
        box.faults.remove(fault)
    assert bench.cli("reconcile", "retry", "--group", "AUTHENTICATION").code == 1
    assert _groups(bench) == {
        "DATA_VALUE_VALIDATION title": 50, "NO_TAG_MAPPING leadRating": 50,
        "INVALID_CAMPAIGN_STATUS program 1107": 50, "AMBIGUOUS_MATCH": 1,
    }  # fmt: skip
    for code, words in {
        "DATA_VALUE_VALIDATION": (),
        "NO_TAG_MAPPING": ("--map", "Bolling=A", "--map", "Icy=C"),
        "INVALID_CAMPAIGN_STATUS": (),
        "AMBIGUOUS_MATCH": (),
    }.items():
        before = spec.read_text("utf-8").splitlines()
        ended = bench.cli("reconcile", "fix", "--group", code, *words, "--yes")
        assert code not in str(_groups(bench)), ended
        after = spec.read_text("utf-8").splitlines()
        assert len([line for line in after if line not in before]) == 1
    totals = bench.cli("status", "--json").json["totals"]
    assert (totals["cleared"], totals["failed"]) == (COUNT, 0)
    # One place of the spec a group, and every comment is where it was.
    assert spec.read_text("utf-8") == SPEC.format(url=box.url, **RIGHT)
    assert bench.sql("SELECT count(*) FROM actions WHERE what = 'edit'") == [(0,)]
    ended = _end(bench)
    assert len(ended[0]) == COUNT + 1
    assert ended == _right_from_the_start(bench)
