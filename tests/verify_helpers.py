"""Leads delivered to a vendor's sandbox, somebody else at work there, and a verification by the bench's clock."""

from __future__ import annotations

from typing import Any

import httpx

from engine import check, specs
from engine.connection import opened
from engine.verify import Report, Verification, Wanted

PROGRAMS = [{"program_id": 1107, "status": "Registered"}]
LISTS = {"marketo": 1001, "pardot": 233_086}
#: After it, a write has settled, and a further change counts as one of somebody else.
LATER = 600.0
TITLE = {"marketo": "title", "pardot": "jobTitle"}


class Elsewhere:
    """Somebody else at work in the vendor, by its API."""

    def __init__(self, vendor: str, box: Any) -> None:
        self.vendor = vendor
        self.box = box
        self.headers: dict[str, str] = {}
        asked = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
        if vendor == "marketo":
            answer = self._request("GET", "/identity/oauth/token", params=asked)
        else:
            answer = self._request("POST", "/services/oauth2/token", data=asked)
            self.headers["Pardot-Business-Unit-Id"] = "0Uv000000000001CAA"
        self.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, self.box.url + path, headers=self.headers, trust_env=False, **options)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._request(method, path, **({} if body is None else {"json": body}))
        found = answer.json() if answer.content else {}
        assert answer.status_code < 300 and found.get("success", True), found
        return found

    def change(self, id: int, **values: Any) -> None:
        if self.vendor == "marketo":
            record = {"id": id, **values}
            self.call("POST", "/rest/v1/leads.json", {"action": "updateOnly", "lookupField": "id", "input": [record]})
        else:
            self.call("PATCH", f"/api/v5/objects/prospects/{id}?fields=id", values)

    def delete(self, id: int) -> None:
        if self.vendor == "marketo":
            self.call("POST", "/rest/v1/leads/delete.json", {"input": [{"id": id}]})
        else:
            self.call("DELETE", f"/api/v5/objects/prospects/{id}")

    def unlist(self, id: int) -> None:
        if self.vendor == "marketo":
            self.call("DELETE", f"/rest/v1/lists/{LISTS['marketo']}/leads.json?id={id}")
        else:
            found = next(row["id"] for row in self.box.state()["memberships"] if row["prospectId"] == id)
            self.call("DELETE", f"/api/v5/objects/list-memberships/{found}")

    def leave_program(self, id: int) -> None:
        self.call("POST", "/rest/v1/programs/1107/members/delete.json", {"input": [{"leadId": id}]})

    def join_program(self, id: int, status: str) -> None:
        body = {"statusName": status, "input": [{"leadId": id}]}
        self.call("POST", "/rest/v1/programs/1107/members/status.json", body)


def verify(bench: Any, name: str = "expo", *, fail: bool = False, **wanted: Any) -> Report:
    """What `engine verify` does, by the bench's clock."""
    spec, clock = specs.load(bench.folder / f"{name}.yaml"), bench.clock
    names = check.names_of(spec, bench.plugins)
    with opened(spec, bench.plugins, bench.state, now=clock.now, sleep=clock.advance) as connection:
        assert connection.store is not None
        made = Verification(connection, connection.store, spec, by="ada")
        return made.go(Wanted(**wanted, names=names), fail=fail)


def codes(report: Report) -> dict[str, int]:
    return {"held": report.held, **report.codes}


def deliver(bench: Any, person: Any, vendor: str = "marketo", count: int = 4, **changes: Any) -> Elsewhere:
    """Deliver some leads, each with a place in a list and, where there are any, in a program."""
    box = getattr(bench, vendor)()
    bench.leads([person(number, **{"Job Title": "Head Buyer", "City": "Oslo"}) for number in range(count)])
    mapping: dict[str, Any] = {"lists": [{"list_id": LISTS[vendor]}]}
    if vendor == "marketo":
        mapping["programs"] = PROGRAMS
    bulk = changes.pop("bulk", False)
    spec = bench.spec(vendor, mapping=mapping, **changes)
    assert bench.run(spec, bulk=bulk).totals["cleared"] == count
    bench.clock.advance(LATER)
    return Elsewhere(vendor, box)


def id_of(bench: Any, vendor: str, number: int) -> int:
    return int(bench.people(vendor)[f"ada{number}@kestrel.example"]["id"])


def calls_that_write(box: Any) -> list[str]:
    """All calls but those that read or sign in."""
    made = [call["request"] for call in box.calls() if call["query"].get("_method") != "GET"]
    return [request for request in made if not request.startswith("GET ") and "/oauth" not in request]
