"""What a run would buy at most: an upper bound whatever the providers answer, without a call and without a write."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import hookimpl, specs
from engine.adapters import Enricher
from engine.asking import Ask, EnrichAnswer, Finding, Price
from engine.estimate import Estimate, Row, estimate
from engine.plugins import Plugins
from engine.run import Run
from engine.state import Store
from tests.unit_helpers import shelf_plugins, write_csv, write_spec

Answers = Callable[[str, str, Sequence[str]], EnrichAnswer]


def _nothing(name: str, key: str, wanted: Sequence[str]) -> EnrichAnswer:
    raise AssertionError(f"{name} was called")


class Market(Enricher):
    """A provider that its settings describe; what it answers is decided by the test."""

    online = True
    summary = "for tests"
    config_schema: ClassVar[Mapping[str, Any]] = {"type": "object"}
    secrets: ClassVar[tuple[str, ...]] = ("key",)
    answers: ClassVar[Answers] = staticmethod(_nothing)
    calls: ClassVar[list[str]] = []

    @property
    def price(self) -> Price | None:
        return Price(self.config["price"]) if "price" in self.config else None

    def ask(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> Ask | None:
        for inputs in self.config.get("inputs", [["last_name"]]):
            values = [lead.get(name) for name in inputs]
            if all(values):
                named = sorted(wanted) if self.config.get("by_wanted") else []
                key = orjson.dumps([self.name, inputs, values, named]).decode()
                fields = frozenset(wanted if named else self.provides)
                return Ask(key, fields, most=self.config.get("most", 1.0))
        return None

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        ask = self.ask(lead, wanted)
        assert ask is not None
        self.calls.append(self.name)
        found = type(self).answers(self.name, ask.key, wanted if self.config.get("by_wanted") else self.provides)
        return replace(found, cost=min(found.cost, ask.most))


def _market(name: str, *provides: str) -> type[Enricher]:
    return type(name.title(), (Market,), {"name": name, "provides": provides})


class Derive(Enricher):
    """Takes the domain from the address: offline."""

    name = "derive"
    summary = "for tests"
    provides = ("company_domain",)

    def enrich(self, lead: Mapping[str, Any], wanted: Sequence[str]) -> EnrichAnswer:
        domain = str(lead.get("email") or "").partition("@")[2]
        return EnrichAnswer("hit", {"company_domain": Finding(domain)}) if domain else EnrichAnswer("miss")


FINDERS = [
    _market("one", "email", "job_title", "linkedin_url"),
    _market("two", "email", "mobile_phone", "company_domain"),
    _market("three", "industry", "company_domain"),
    _market("judge", "email_status"),
]


class MarketPlugin:
    @hookimpl
    def register_enrichers(self) -> list[type[Enricher]]:
        return [*FINDERS, Derive]


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return shelf_plugins(market=MarketPlugin())


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    """Nobody answers unless a test says so."""
    Market.answers = staticmethod(_nothing)
    Market.calls.clear()
    yield
    Market.answers = staticmethod(_nothing)


PEOPLE = [("Ada", "Quill", "Fernhill", ""), ("Bo", "Reed", "Fernhill", ""), ("Cy", "Stone", "Gantry", "cy@g.example")]


def made(folder: Path, enrichment: Any, people: Sequence[Sequence[str]] = PEOPLE) -> specs.Integration:
    write_csv(folder / "leads.csv", people)
    return specs.load(write_spec(folder, enrichment=enrichment, required=["last_name"]))


def run(spec: specs.Integration, state: Path, plugins: Plugins) -> list[Mapping[str, Any]]:
    with Store(state) as store:
        return list(Run(spec, store, plugins).go().paid)


def rows(found: Estimate) -> dict[str, Row]:
    return {row.step: row for row in found.steps}


def miss(name: str, key: str, wanted: Sequence[str]) -> EnrichAnswer:
    return EnrichAnswer("miss", cost=1.0)


# What is counted ----------------------------------------------------------------------------------------------------


def test_every_step_is_counted_at_its_price_and_nothing_is_called_or_written(tmp_path: Path, plugins: Plugins) -> None:
    spec = made(tmp_path, [{"use": "one", "want": ["email", "job_title"], "config": {"price": 0.1, "most": 2}},
                           {"use": "two", "want": ["email"], "config": {}}])  # fmt: skip
    state = tmp_path / "state" / "state.db"
    found = estimate(spec, plugins, state)
    assert (found.rows_read, found.leads, found.calls, found.further) == (3, 3, 5, 0)
    one, two = rows(found)["one"], rows(found)["two"]
    assert (one.leads, one.calls, one.credits, one.amount, one.currency) == (3, 3, 6.0, 0.6, "USD")
    assert (two.calls, two.credits, two.amount) == (2, 2.0, None), "who has an address needs none"
    assert found.money == {"USD": 0.6}
    assert [note for note in found.notes if "two" in note and "price" in note]
    assert not state.exists() and Market.calls == []
    assert found.as_json()["schema_version"] == 1


def test_a_question_that_leads_share_is_bought_once(tmp_path: Path, plugins: Plugins) -> None:
    spec = made(tmp_path, [{"use": "three", "config": {"inputs": [["company"]]}}])
    found = estimate(spec, plugins, tmp_path / "state.db")
    assert (rows(found)["three"].leads, found.calls, found.further) == (3, 2, 0)
    assert [note for note in found.notes if note.startswith("1 more questions")]
    Market.answers = staticmethod(miss)
    assert run(spec, tmp_path / "state.db", plugins)[0]["calls"] == 2


def test_what_was_bought_before_is_free_and_what_it_gave_is_used(tmp_path: Path, plugins: Plugins) -> None:
    spec = made(tmp_path, [{"use": "one"}, {"use": "two", "want": ["email"]}])
    state = tmp_path / "state.db"
    Market.answers = staticmethod(lambda name, key, wanted: EnrichAnswer(
        "hit", {"email": Finding("new@x.example")} if "Ada" in key or "Quill" in key else {}, 1.0))  # fmt: skip
    with Store(state) as store:
        Run(spec, store, plugins).go()
        with store.database.transaction() as db:
            db.execute("UPDATE leads SET status = 'captured'")
    Market.answers = staticmethod(_nothing)
    before = state.read_bytes()
    found = estimate(spec, plugins, state)
    assert (found.calls, found.further) == (0, 0)
    assert rows(found)["one"].known == 3 and found.rows_read == 3
    assert state.read_bytes() == before


def test_what_could_be_asked_with_what_may_be_found_is_counted_apart(tmp_path: Path, plugins: Plugins) -> None:
    spec = made(tmp_path, {
        "steps": [{"use": "two", "want": ["mobile_phone"], "config": {"inputs": [["linkedin_url"]]}}, {"use": "one"}],
        "fields": {"email": {"verify": [{"use": "judge", "config": {"inputs": [["email"]]}}]}},
    })  # fmt: skip
    found = estimate(spec, plugins, tmp_path / "state.db")
    two, judge = rows(found)["two"], rows(found)["judge"]
    assert (two.calls, two.further, two.if_found) == (0, 3, ("linkedin_url",))
    assert (judge.calls, judge.further, judge.if_found) == (0, 2, ("email",))


def test_budgets_keep_it_lower_and_it_says_so(tmp_path: Path, plugins: Plugins) -> None:
    spec = made(tmp_path, {"steps": [{"use": "one", "budget": {"calls": 2}, "config": {"price": 1.0}},
                                     {"use": "three", "config": {"price": 1.0}}],
                           "budget": {"calls": 4, "cost": 3}})  # fmt: skip
    found = estimate(spec, plugins, tmp_path / "state.db")
    assert (rows(found)["one"].calls, rows(found)["one"].amount) == (2, 2.0)
    assert "2 calls" in rows(found)["one"].capped
    assert (found.calls, found.money) == (4, {"USD": 3.0})


def test_a_secret_that_is_not_set_yet_does_not_matter(tmp_path: Path, plugins: Plugins) -> None:
    spec = made(tmp_path, [{"use": "one", "config": {"key": {"env": "NOT_SET_ANYWHERE"}}}])
    assert estimate(spec, plugins, tmp_path / "state.db").calls == 3


def test_what_is_to_be_expected_is_told_from_the_ledgers_own_figures(tmp_path: Path, plugins: Plugins) -> None:
    people = [(f"P{n}", f"Name{n}", "Fernhill", "") for n in range(40)]
    spec = made(tmp_path, [{"use": "one", "want": ["email"], "config": {"price": 0.5}}, {"use": "two",
                           "want": ["email"]}], people)  # fmt: skip
    state = tmp_path / "state.db"

    def half(name: str, key: str, wanted: Sequence[str]) -> EnrichAnswer:
        known = name == "one" and int("".join(filter(str.isdigit, key))) % 2
        return EnrichAnswer("hit", {"email": Finding(f"{key}@x.example")}, 1.0) if known else EnrichAnswer("miss")

    Market.answers = staticmethod(half)
    run(spec, state, plugins)
    write_csv(tmp_path / "more.csv", [(f"Q{n}", f"More{n}", "Gantry", "") for n in range(10)])
    found = rows(estimate(spec, plugins, state, str(tmp_path / "more.csv")))
    assert (found["one"].calls, found["one"].expected_calls, found["one"].expected_amount) == (10, 10.0, 2.5)
    assert (found["two"].calls, found["two"].expected_calls) == (10, 5.0)


# The bound ----------------------------------------------------------------------------------------------------------

_FIELDS = ("first_name", "last_name", "company", "email", "company_domain", "linkedin_url")
_PERSON = st.tuples(st.sampled_from(["Ada", "Bo"]), st.sampled_from(["Quill", "Reed", "Stone"]),
                    st.sampled_from(["Fernhill", "Gantry", ""]), st.sampled_from(["", "", "a@f.example"]))  # fmt: skip
_INPUTS = st.lists(st.lists(st.sampled_from(_FIELDS), min_size=1, max_size=2, unique=True), min_size=1, max_size=2)
_CONFIG = st.fixed_dictionaries(
    {"inputs": _INPUTS, "by_wanted": st.booleans(), "most": st.sampled_from([1, 2.5]), "price": st.just(0.07)}
)
_WHEN = st.sampled_from(["", "", "lead.email is blank", "lead.company_domain is not blank"])


@st.composite
def waterfalls(draw: st.DrawFn) -> dict[str, Any]:
    uses = draw(st.lists(st.sampled_from(["one", "two", "three", "derive"]), min_size=1, max_size=5))
    steps: list[dict[str, Any]] = []
    for number, use in enumerate(uses):
        step: dict[str, Any] = {"use": use, "label": f"s{number}"}
        if use != "derive":
            step["config"] = draw(_CONFIG)
            if budget := draw(st.sampled_from([{}, {}, {"calls": 2}, {"cost": 0.3}])):
                step["budget"] = budget
        if when := draw(_WHEN):
            step["when"] = when
        steps.append(step)
    able = [f"s{number}" for number, use in enumerate(uses) if use in ("one", "two")]
    policy: dict[str, Any] = {"choose": draw(st.sampled_from(["first", "best"]))}
    if draw(st.booleans()):
        policy["verify"] = [{"use": "judge", "config": {"inputs": [["email"]], "price": 0.01}}]
    if able and draw(st.booleans()):
        policy["order"] = draw(st.permutations(able))
    return {"steps": steps, "fields": {"email": policy}}


def _random_answers(seed: int) -> Answers:
    def answer(name: str, key: str, wanted: Sequence[str]) -> EnrichAnswer:
        chance = random.Random(f"{seed}{name}{key}")  # noqa: S311 - made to repeat, not to be secret
        outcome = chance.choice(["hit", "hit", "miss", "rejected", "suppressed" if chance.random() < 0.1 else "hit"])
        found = {
            field: Finding(_value(field, chance), chance.choice([0.5, 1.0]), chance.choice(["", "valid", "invalid"]))
            for field in wanted
            if chance.random() < 0.6
        }
        return EnrichAnswer(outcome, found if outcome == "hit" else {}, chance.choice([0.0, 1.0, 2.5]))

    return answer


def _value(field: str, chance: random.Random) -> str:
    if field == "email":
        return f"{chance.choice('xyz')}@{chance.choice(['f', 'g'])}.example"
    if field == "email_status":
        return chance.choice(["valid", "invalid", "risky", "unknown"])
    return f"{field}-{chance.randrange(3)}"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=st.lists(_PERSON, min_size=1, max_size=8), waterfall=waterfalls(), seed=st.integers(0, 10**6))
def test_a_run_never_buys_more_than_was_planned(
    tmp_path_factory: pytest.TempPathFactory,
    plugins: Plugins,
    people: list[tuple[str, ...]],
    waterfall: dict[str, Any],
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("bound")
    state = folder / "state.db"
    spec = made(folder, waterfall, people)
    Market.answers = staticmethod(_random_answers(seed))
    for part in range(2):
        if part:  # more people, whom part of what was bought is about
            write_csv(folder / "leads.csv", [*people, ("Cy", "Quill", "Fernhill", ""), ("Di", "Reed", "Gantry", "")])
        planned = estimate(spec, plugins, state)
        paid = run(spec, state, plugins)
        for each in paid:
            mine = [row for row in planned.steps if row.provider == each["provider"]]
            assert each["calls"] <= sum(row.calls + row.further for row in mine)
            assert each["amount"] <= sum((row.amount or 0) + (row.further_amount or 0) for row in mine) + 1e-6
        assert sum(each["calls"] for each in paid) <= planned.calls + planned.further
        assert sum(each["amount"] for each in paid) <= planned.money.get("USD", 0.0) + 1e-6


def test_a_lead_that_a_condition_breaks_on_does_not_stop_the_plan(tmp_path: Path, plugins: Plugins) -> None:
    people = [("Ada", "12", "Fernhill", ""), ("Bo", "Reed", "Fernhill", "")]
    spec = made(tmp_path, {"steps": [{"use": "one"}], "when": "lead.last_name | int > 5"}, people)
    assert estimate(spec, plugins, tmp_path / "state.db").calls == 1
