"""A plugin that breaks stops no other plugin and no other lead; no secret is ever shown or stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from engine import hookspecs
from engine import plugins as plugin_loader
from engine.adapters import Enricher, Vendor
from engine.asking import EnrichAnswer
from engine.limits import Limits
from engine.records import Delivery, Field, Found, Outcome


class BrittleVendor(Vendor):
    """Keeps what it is sent in memory, and raises for whomever it does not like."""

    name = "brittle"
    summary = "Breaks on one record."
    keys: ClassVar[tuple[str, ...]] = ("email",)
    settle_after = 0.0
    stored: ClassVar[dict[str, Mapping[str, Any]]] = {}

    @property
    def account(self) -> str:
        return "brittle:test"

    @property
    def limits(self) -> Limits:
        return Limits(batch_size=8, concurrency=2)

    def connect(self) -> None:
        self.stored.clear()

    def fields(self) -> Sequence[Field]:
        return [Field("email"), Field("name")]

    def look_up(self, deliveries: Sequence[Delivery], fields: Sequence[str]) -> Sequence[Sequence[Found]]:
        return [() for _ in deliveries]

    def sync(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        if any("ada5@" in delivery.decision.value for delivery in deliveries):
            raise ZeroDivisionError("no such thing as ada5")
        self.stored.update({delivery.decision.value: delivery.fields for delivery in deliveries})
        return [Outcome("created", remote_id=delivery.decision.value) for delivery in deliveries]


class BrittleEnricher(Enricher):
    """Raises for whomever it does not like."""

    name = "brittle_enricher"
    summary = "Breaks on one lead."
    provides = ("industry",)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        raise LookupError(f"no industry for {lead['last_name']}")


def _picky(value: Any) -> str:
    if value == "Lindqvist5":
        raise OSError("this name breaks the filter")
    return str(value).upper()


class Brittle:
    """A third party's plugin in which everything breaks at some point."""

    @hookspecs.hookimpl
    def register_vendors(self) -> list[type[Vendor]]:
        return [BrittleVendor]

    @hookspecs.hookimpl
    def register_enrichers(self) -> list[type[Enricher]]:
        return [BrittleEnricher]

    @hookspecs.hookimpl
    def register_filters(self) -> dict[str, Any]:
        return {"picky": _picky}

    @hookspecs.hookimpl
    def lead_failed(self, lead: Any, failure: Any) -> None:
        raise RuntimeError("the observer broke")

    @hookspecs.hookimpl
    def run_finished(self, summary: Any) -> None:
        raise RuntimeError("the observer broke at the end")


@pytest.fixture
def brittle() -> plugin_loader.Plugins:
    return plugin_loader.load({"brittle": Brittle()})


def test_a_record_on_which_the_vendor_plugin_breaks_fails_alone(bench: Any, person: Any, brittle: Any) -> None:
    bench.leads([person(number) for number in range(20)])
    spec = bench.spec(fields={"email": "lead.email", "name": "lead.last_name"})
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "destination": {"use": "brittle"}}))
    summary = bench.run(spec, plugins=brittle)
    assert (summary.exit_code, summary.totals["cleared"], len(BrittleVendor.stored)) == (1, 19, 19)
    assert bench.failures() == {"ada5@kestrel.example": "PLUGIN_ERROR"}
    ((message,),) = bench.sql("SELECT message FROM failures")
    assert "no such thing as ada5" in message
    assert any("observer broke" in note for note in summary.notes)


def test_a_filter_that_raises_for_one_lead_stops_no_other(bench: Any, person: Any, brittle: Any) -> None:
    bench.leads([person(number) for number in range(20)])
    fields = {"email": "lead.email", "lastName": "lead.last_name | picky"}
    summary = bench.run(bench.spec(fields=fields), plugins=brittle)
    assert (summary.exit_code, summary.totals["cleared"]) == (1, 19)
    assert set(bench.failures()) == {"ada5@kestrel.example"}
    assert bench.people()["ada4@kestrel.example"]["lastName"] == "LINDQVIST4"


def test_an_enricher_that_breaks_stops_neither_the_lead_nor_the_next_step(
    bench: Any, person: Any, brittle: Any
) -> None:
    bench.leads([person(number) for number in range(5)])
    steps = [{"use": "brittle_enricher"}, {"use": "email_domain"}]
    fields = {"email": "lead.email", "companyDomain": "lead.company_domain"}
    summary = bench.run(bench.spec(enrichment=steps, fields=fields), plugins=brittle)
    assert (summary.exit_code, summary.totals["cleared"]) == (0, 5)
    assert {found["companyDomain"] for found in bench.people().values()} == {"kestrel.example"}
    assert bench.sql("SELECT DISTINCT provider, outcome FROM enrichment_steps") == [("brittle_enricher", "error")]


def test_a_plugin_that_cannot_be_loaded_stops_only_the_run_that_names_it(bench: Any, person: Any) -> None:
    class Broken:
        @hookspecs.hookimpl
        def register_vendors(self) -> list[type[Vendor]]:
            raise ImportError("a library is missing")

    loaded = plugin_loader.load({"broken": Broken()})
    assert [broken.plugin for broken in loaded.broken] == ["broken"]
    bench.leads([person(0)])
    assert bench.run(bench.spec(), plugins=loaded).exit_code == 0


# Secrets ------------------------------------------------------------------------------------------------------------

SECRET, KEY = "S3cret-of-the-service", "K3y-of-the-provider"


def _repeats_the_secret(where: str) -> dict[str, Any]:
    """A fault whose answer repeats what the request said, as careless servers do."""
    page = f"<html>client_secret={SECRET}&x=1 token=T0ken Authorization: Bearer T0ken api_key={KEY}</html>"
    return {"match": where, "status": 502, "body": page}


@pytest.mark.parametrize("broken", ["sign-in", "refusal", "writes", "provider", "nothing"])
def test_no_secret_in_the_state_the_output_or_the_logs(broken: str, bench: Any, person: Any, logged: Any) -> None:
    client = {"client_id": "sandbox", "client_secret": SECRET, "user": "sandbox@example.com"}
    faults: dict[str, list[dict[str, Any]]] = {
        "sign-in": [{**_repeats_the_secret("oauth/token"), "times": 1}],
        "refusal": [{"match": "oauth/token", "status": 401, "times": -1,
                     "body": {"error": "invalid_client", "error_description": f"client_secret={SECRET} is wrong"}}],
        "writes": [_repeats_the_secret("POST /rest/v1/leads.json"),
                   {"match": "POST /rest/v1/leads.json", "skip": 1, "body": f"token={SECRET}"}],
    }  # fmt: skip
    box = bench.marketo(clients=[client], faults=faults.get(broken, []))
    bench.provider(faults=[{**_repeats_the_secret("enrich"), "times": 3}] if broken == "provider" else [])
    bench.secret("secret", SECRET)
    bench.secret("key", KEY)
    bench.leads([person(number, Title="") for number in range(6)])
    spec = bench.spec(enrichment=[bench.provider_step(want=["job_title"])], config={"limits": {"batch_size": 4}})
    summary = bench.run(spec)
    assert summary.exit_code == (4 if broken == "refusal" else 0)
    texts = [repr(summary.as_json()), logged.text]
    for words in (["run", spec], ["run", spec, "--json"], ["status"], ["status", "--json"],
                  ["reconcile", "list", "--json"], ["reconcile", "show", "1"]):  # fmt: skip
        shown = bench.cli(*words)
        texts += [shown.out, shown.err]
    texts += [path.read_bytes().decode("latin-1") for path in bench.state.parent.iterdir()]
    tokens = list(box.identity._tokens)
    assert tokens or broken == "refusal"
    for secret in (SECRET, KEY, "T0ken", *tokens):
        assert not [text for text in texts if secret in text], secret
