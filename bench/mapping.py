"""(a) Mapping 25 fields: the compiled mapping beside a hand-written Python function that does the same work.

    python bench/mapping.py [LEADS]

Both are timed in turn, several times over, in one run; the medians are compared.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import leads as invented

from engine import check, plugins, specs
from engine.casts import EMAIL
from engine.mapping import Remote, compile_mapping
from engine.records import Field, Lead, Write
from engine.stages.rows import column_plan

ROUNDS = 9


def by_hand(fields: dict[str, Any], lengths: dict[str, int]) -> dict[str, Any]:
    """What an engineer would write for this one mapping: the same fields, casts, lengths and blanks."""
    from datetime import datetime

    get = fields.get
    found: dict[str, Any] = {
        "email": get("email", ""),
        "firstName": get("first_name", "").title(),
        "lastName": get("last_name", "").title(),
        "company": get("company", ""),
        "title": get("job_title", "")[:255],
        "phone": get("phone", ""),
        "mobilePhone": get("mobile_phone", ""),
        "address": get("address", ""),
        "city": get("city", ""),
        "state": get("state", ""),
        "postalCode": get("postal_code", ""),
        "country": get("country", ""),
        "website": get("website", "").lower(),
        "industry": get("industry", ""),
        "department": get("department", ""),
        "linkedInUrl": get("linkedin_url", ""),
        "boothNotes": get("notes", ""),
        "badgeId": get("badge_id", ""),
        "lastEvent": get("event", ""),
        "capturedBy": get("captured_by", ""),
        "leadSource": "Event: " + get("event", ""),
        "rating": "A" if get("lead_type", "") == "Hot" else "B",
        "companySize": get("headcount", ""),
    }
    out = {}
    for name, value in found.items():
        if value:
            if len(value) > lengths[name]:
                raise ValueError(f"{name} is too long")
            out[name] = value
    if "email" in out and EMAIL.fullmatch(out["email"]) is None:
        raise ValueError("email")
    if get("captured_at"):
        moment = datetime.fromisoformat(fields["captured_at"])
        out["capturedAt"] = moment.isoformat() if moment.tzinfo else f"{moment.isoformat()}Z"
    if get("budget"):
        out["eventScore"] = int(fields["budget"])
    return out


def rate(work: Callable[[], None], count: int) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "bench.yaml"
        path.write_text(invented.SPEC.replace("ENRICHMENT", "[]"))
        integration = specs.load(path)
    names = check.names_of(integration, plugins.load())
    kinds = {"email": "email", "eventScore": "integer", "capturedAt": "datetime"}
    lengths = {row.target: 255 for row in integration.mapping.fields}
    fields = [Field(target, kinds.get(target, "string"), length=size) for target, size in lengths.items()]
    mapping = compile_mapping(integration.mapping, names, Remote(fields))
    plan = column_plan(integration, invented.COLUMNS)
    people = []
    for number in range(count):
        row = dict(zip(invented.COLUMNS, invented.row(number), strict=True))
        captured = {field: row[column] for column, field in plan if row[column]}
        people.append(Lead(number, "", captured, events={"Expo 2026": 1}))
    first = mapping.apply(people[0])
    assert isinstance(first, Write)
    assert first.fields == by_hand(people[0].fields, lengths), "both must do the same work"

    def compiled() -> None:
        for person in people:
            mapping.apply(person)

    def written() -> None:
        for person in people:
            by_hand(person.fields, lengths)

    pairs = [(rate(written, count), rate(compiled, count)) for _ in range(ROUNDS)]
    hand, ours = statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)
    ratio = statistics.median(pair[1] / pair[0] for pair in pairs)
    print(f"\n(a) mapping {len(lengths)} fields, {count:,} leads, median of {ROUNDS} rounds")
    print(f"    hand-written function {hand:12,.0f} leads/s   {1e6 / hand:6.1f} µs per lead")
    print(f"    compiled mapping      {ours:12,.0f} leads/s   {1e6 / ours:6.1f} µs per lead")
    print(f"    ratio                 {ratio:12.2f}")


if __name__ == "__main__":
    main()
