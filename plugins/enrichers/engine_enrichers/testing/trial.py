"""One provider file on trial: its enricher, leads made of its persona, and a sandbox that keeps what it was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.adapters import Context
from engine.asking import EnrichAnswer, Inquiry
from engine.errors import CredentialsError, EngineError, RetryLater, VendorUnavailable
from engine.testing.server import CONTROL, Request, Response
from engine_enrichers.declared.enricher import DeclaredProvider
from engine_enrichers.declared.provider import Provider
from engine_enrichers.declared.provider_files import load_provider
from engine_enrichers.sandbox import ProviderSandbox
from engine_enrichers.sandbox.files import TOKEN_PATH, stub_of
from engine_enrichers.sandbox.people import complete

#: What an input is made of, where it is no lead field itself.
_DERIVED = {"linkedin_slug": "linkedin_url", "email_sha256": "email", "email_md5": "email", "email_domain": "email"}
#: Lead fields that an input can be made of beside itself.
_SOURCES = {
    "full_name": ("first_name", "last_name"),
    "company_domain": ("website", "email"),
    **{name: (field,) for name, field in _DERIVED.items()},
}
_NAMES = ("first_name", "last_name", "full_name")
_FIRST = ("Ottilie", "Fergus", "Mirela", "Tadeo", "Solveig")
_LAST = ("Brackenridge", "Quillmore", "Vasterling", "Ormandy", "Teasdale")
_PLACES = ("Corkmere", "Ashlode", "Pinnacle Reach", "Driftgate", "Umberlow")
Ended = EnrichAnswer | EngineError


class TrialSandbox(ProviderSandbox):
    """Keeps the requests as they came, with their headers; tokens are not among them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.requests: list[Request] = []

    def respond(self, request: Request) -> Response | None:
        if not request.path.startswith(CONTROL) and not request.path.endswith(TOKEN_PATH):
            self.requests.append(request)
        return super().respond(request)


@lru_cache(maxsize=512)
def load(file: Path) -> Provider:
    """The file as its loader reads it, once."""
    return load_provider(file)


class Trial:
    """A file with its persona on a sandbox; every answer is returned, and so is an error of the contract."""

    def __init__(self, file: Path, box: TrialSandbox) -> None:
        self.file = file
        self.box = box
        self.stub = stub_of(file)
        self.persona = complete(self.stub.recording.get("persona") or {})
        self.now = 1_800_000_000.0
        self._opened: list[DeclaredProvider] = []
        self._seed: dict[str, Any] = {"people": [self.stub.recording.get("persona") or {}]}
        self.reset()

    def close(self) -> None:
        for each in self._opened:
            each.close()

    # The sandbox ------------------------------------------------------------------------------------------------

    def reset(self, **seed: Any) -> None:
        self.box.seed = {**self._seed, **seed}
        self.box.reset()
        self.box.requests.clear()

    def know(self, people: Sequence[Mapping[str, Any]]) -> None:
        """From now on these people are known, and these companies."""
        self._seed = {"people": list(people)}
        self.reset()

    def reset_faults(self, faults: Sequence[Mapping[str, Any]]) -> None:
        self.reset(faults=list(faults))

    @property
    def charged(self) -> float:
        """What the sandbox has charged since the last reset, in credits."""
        accounts = self.box.bill()["providers"]
        return float(accounts[self.stub.name]["credits"]) if self.stub.name in accounts else 0.0

    # The file ---------------------------------------------------------------------------------------------------

    @property
    def sets(self) -> list[list[str]]:
        return [given["with"] if isinstance(given, Mapping) else given for given in self.stub.data["inputs"]["any_of"]]

    @property
    def given(self) -> list[str]:
        return list(self.stub.data["extract"])

    wanted = given

    @property
    def conditional(self) -> list[set[str]]:
        """The fields of each value that is asked for only where one of them is wanted."""
        found: list[set[str]] = []
        for route in self.stub.routes:
            _conditions(route.template, found)
        return found

    @property
    def used_fields(self) -> set[str]:
        """The lead fields that any input is made of."""
        inputs = {name for names in self.sets for name in names} | set(self.stub.data["inputs"].get("also", ()))
        return {field for name in inputs for field in (_DERIVED.get(name, name), *_SOURCES.get(name, ()))}

    @property
    def shapes(self) -> set[tuple[str, int]]:
        """Method and depth of path of every request that the file can make."""
        depth = len(f"/{self.stub.name}".split("/")) - 1
        made = {(route.request["method"], route.request["path"].count("/") + depth) for route in self.stub.routes}
        return made | {("POST", path.count("/")) for path in self._token_paths()}

    def _token_paths(self) -> list[str]:
        oauth = self.stub.data["auth"].get("oauth")
        return [re.sub(r"^https://[^/]+", "", oauth["token_url"])] if oauth else []

    @property
    def match(self) -> str:
        """The first request for an answer, as faults match it."""
        kind = "before" if self.stub.data.get("before") else "main"
        return self._matching(kind)

    @property
    def batch_match(self) -> str:
        """The request for several."""
        return self._matching("batch")

    @property
    def last_match(self) -> str:
        """The request whose answer has the values, as faults match it."""
        return self._matching("poll") if self.stub.waits.get("poll") else self._matching("main")

    def _matching(self, kind: str) -> str:
        made = [
            f"{route.request['method']} /{self.stub.name}"
            + re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route.request["path"]))
            for route in self.stub.routes
            if route.kind == kind
        ]
        return f"^({'|'.join(dict.fromkeys(made))})$"

    # Leads ------------------------------------------------------------------------------------------------------

    def lead_of(self, inputs: Sequence[str]) -> dict[str, Any]:
        """The persona with as little as makes these inputs."""
        fields = [_DERIVED.get(name, name) for name in inputs]
        missing = [name for name in fields if name not in self.persona]
        assert not missing, f"the persona of {self.file.stem} lacks {', '.join(missing)}"  # noqa: S101 - a test's
        return {name: self.persona[name] for name in fields}

    @property
    def stranger(self) -> dict[str, Any]:
        """Somebody whom the sandbox does not know, with all that is asked for."""
        return {name: value for name, value in self.crowd(1)[0].items() if name in self.used_fields}

    def crowd(self, number: int) -> list[dict[str, Any]]:
        """People like the persona who share nothing with it or each other."""
        return [self._twin(index) for index in range(number)]

    def _twin(self, index: int) -> dict[str, Any]:
        first, last, place = _FIRST[index], _LAST[index], _PLACES[index]
        domain = f"{place.split()[0].lower()}.example"
        changed = {
            "first_name": first, "last_name": last, "full_name": f"{first} {last}", "company": place,
            "email": f"{first}.{last}@{domain}".lower(), "company_domain": domain, "website": f"https://{domain}",
            "linkedin_url": f"https://www.linkedin.com/in/{first}-{last}-example".lower(),
            "company_linkedin_url": f"https://www.linkedin.com/company/{place.split()[0].lower()}-example",
            "mobile_phone": f"+120255501{index + 60}", "phone": f"+120255501{index + 70}",
            "company_phone": f"+120255501{index + 80}", "address": f"{index + 7} Sample Street",
            "postal_code": f"9021{index}", "city": f"{place} City", "state": f"{place} Shire",
        }  # fmt: skip
        base = self.stub.recording.get("persona") or {}
        kept = {name: changed.get(name, value) for name, value in base.items() if name != "middle_name"}
        if self.stub.entity == "company":
            return kept
        return {**kept, **{name: changed[name] for name in ("first_name", "last_name", "full_name", "email")}}

    # Asking -----------------------------------------------------------------------------------------------------

    def enricher(self, config: Mapping[str, Any] | None = None) -> DeclaredProvider:
        """The enricher of the file, at the sandbox, with its right credentials unless others are given."""
        provider = load(self.file)
        options = {
            name: schema.get("default", next(iter(schema.get("examples", ())), _SAMPLES[schema["type"]]))
            for name, schema in self.stub.data.get("options", {}).items()
        }
        base_url = f"{self.box.url}/{self.stub.name}"
        settings = {**options, **self.stub.credentials, "base_url": base_url, **(config or {})}
        context = Context(now=lambda: self.now, sleep=self._sleep)
        kind: type[DeclaredProvider] = type("OnTrial", (DeclaredProvider,), _attributes(provider))
        made = kind(settings, context)
        self._opened.append(made)
        return made

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.box.advance(seconds)

    def inquiry(self, lead: Mapping[str, Any], ticket: str = "", age: float = 0.0) -> Inquiry:
        return Inquiry(lead, tuple(self.wanted), ticket, age)

    def run(
        self,
        lead: Mapping[str, Any],
        *,
        wanted: Sequence[str] = (),
        enricher: DeclaredProvider | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Ended:
        """Ask, and collect until there is an answer; the error where there is none."""
        asking = enricher or self.enricher(config)
        fields = tuple(wanted or self.wanted)
        try:
            answer = asking.enrich(lead, fields)
            age = 0.0
            while answer.outcome == "pending" and age < asking.waits_for:
                age += max(answer.after, 1.0)
                (answer,) = asking.collect([Inquiry(lead, fields, answer.ticket, age)])
        except EngineError as error:
            return error
        return answer

    def run_batch(self, leads: Sequence[Mapping[str, Any]]) -> list[Ended]:
        """Ask about several in one go, and collect those that are pending."""
        asking = self.enricher()
        try:
            answers = list(asking.enrich_batch([self.inquiry(lead) for lead in leads]))
            for _ in range(10):
                waiting = [index for index, answer in enumerate(answers) if answer.outcome == "pending"]
                if not waiting:
                    break
                inquiries = [self.inquiry(leads[index], answers[index].ticket, 60.0) for index in waiting]
                for index, answer in zip(waiting, asking.collect(inquiries), strict=True):
                    answers[index] = answer
        except EngineError as error:
            return [error] * len(leads)
        return list(answers)

    def collected(self, ticket: str) -> Ended:
        try:
            return self.enricher().collect([self.inquiry(self.lead_of(self.sets[0]), ticket, 5.0)])[0]
        except EngineError as error:
            return error

    def contradiction(self, lead: Mapping[str, Any], answer: Ended) -> str:
        return self.enricher().contradiction(lead, answer) if isinstance(answer, EnrichAnswer) else ""

    def attempts(self, case: str) -> Iterator[tuple[Ended, float]]:
        """The answers where a case happens to the first, the main and the last call of a question; and the charges.

        An answer that the enricher itself finds to be about somebody else is `rejected`, as the engine has it.
        """
        for kind in ("main", "before", "poll"):
            if kind != "main" and not any(route.kind == kind for route in self.stub.routes):
                continue
            for inputs in self.sets:
                self.reset(faults=[{"match": self._matching(kind), "error": case, "times": -1}])
                lead = self.lead_of(inputs)
                answer = self.run(lead)
                charged = self._figure(case) if kind == "poll" else self.charged
                known = {name: self.persona[name] for name in _NAMES if name in self.persona}
                if isinstance(answer, EnrichAnswer) and self.contradiction({**known, **lead}, answer):
                    answer = EnrichAnswer("rejected", cost=answer.cost)
                yield answer, charged

    def _figure(self, case: str) -> float:
        """What the recording charges for a case about the persona."""
        found = self.stub.cases[case]
        extra = sum(credits for name, credits in found.get("charged_fields", {}).items() if self.persona.get(name))
        return float(found.get("charged", 0) + extra)


_SAMPLES: Mapping[str, Any] = {"string": "sample", "integer": 1, "number": 1, "boolean": False}


def _attributes(provider: Provider) -> dict[str, Any]:
    return {
        "name": provider.name,
        "summary": provider.summary,
        "provides": provider.fields,
        "provider": provider,
    }


def _conditions(node: Any, found: list[set[str]]) -> None:
    if isinstance(node, Mapping):
        if "$if_wanted" in node:
            fields = set(node["$if_wanted"])
            if fields not in found:
                found.append(fields)
        for child in node.values():
            _conditions(child, found)
    elif isinstance(node, list):
        for child in node:
            _conditions(child, found)


def outcome_of(answer: Ended) -> str:
    """The outcome that an answer or an error stands for, as recordings call it."""
    if isinstance(answer, EnrichAnswer):
        return answer.outcome
    if isinstance(answer, CredentialsError):
        return "auth"
    if isinstance(answer, VendorUnavailable):
        return "quota"
    if isinstance(answer, RetryLater):
        return "throttled" if "slow down" in answer.what else "error"
    return type(answer).__name__


def same_value(field: str, found: Any, recorded: Any) -> bool:
    """Whether a value is the recorded one, in whatever normal form."""
    texts = [" ".join(str(value).split()).casefold() for value in (found, recorded)]
    if field.endswith("phone"):
        texts = [re.sub(r"\D", "", text) for text in texts]
    if field.endswith("url") or field in ("website", "company_domain"):
        texts = [re.sub(r"^(https?://)?(www\.)?", "", text).rstrip("/") for text in texts]
    return texts[0] == texts[1]


def damaged(body: Any) -> Iterator[tuple[str, Any]]:
    """The body with one value of it after the other replaced by one of another kind."""
    kinds: tuple[Any, ...] = (None, 7, "", [], {}, True, [{}], {"x": 1})
    for number, where in enumerate(_places(body)):
        for kind in (kinds[number % len(kinds)], kinds[(number * 3 + 1) % len(kinds)]):
            yield f"{'.'.join(map(str, where))} = {kind!r}", _replaced(body, where, kind)


def _places(node: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield where
    if isinstance(node, Mapping):
        for name, child in node.items():
            yield from _places(child, (*where, name))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _places(child, (*where, index))


def _replaced(node: Any, where: Sequence[Any], value: Any) -> Any:
    if not where:
        return value
    copy: Any = dict(node) if isinstance(node, Mapping) else list(node)
    with suppress(LookupError):
        copy[where[0]] = _replaced(copy[where[0]], where[1:], value)
    return copy
