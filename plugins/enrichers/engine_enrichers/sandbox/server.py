"""One local stand-in for every provider that a file declares: it answers from the recordings, for invented people.

A provider NAME is served below `/NAME`, its tokens are issued at `/NAME/_token` and at the path that its file has for
them. SANDBOX.md lists the seed's keys, the switches and the faults. Beside the base's control API there is
`GET /_sandbox/bill`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import orjson

from engine.testing.server import CONTROL, Fault, Request, Response, Sandbox
from engine_enrichers.declared.files import installed_files
from engine_enrichers.sandbox import faults as sandbox_faults
from engine_enrichers.sandbox.answers import Answer, Answers, rendered
from engine_enrichers.sandbox.bill import Bill, Windows
from engine_enrichers.sandbox.files import (
    TOKEN_PATH,
    Call,
    Stub,
    environment_of,
    issues_tokens,
    persona_of,
    recording_of,
    stub_of,
)
from engine_enrichers.sandbox.jobs import Job, Jobs, post
from engine_enrichers.sandbox.people import PEOPLE, Directory, companies_of
from engine_enrichers.sandbox.templates import fill

API_KEY = "sandbox-key"
#: Outcomes of a search that was made.
_RESULTS = ("hit", "miss", "rejected")


class ProviderSandbox(Sandbox):
    """Behaves as the providers of `files` are recorded to; without them, as those that are installed."""

    name = "providers"
    people = "people"
    default_switches: ClassVar[Mapping[str, Any]] = {
        "pending_polls": 1,
        "pending_seconds": 0.0,
        "again_polls": 0,
        "callbacks": True,
        "callback_seconds": 0.05,
        "limits": False,
        "token_seconds": 3600.0,
    }
    seed_keys = ("people", "companies", "knows", "credits", "suppressed", "random", "switches", "faults")

    def __init__(
        self,
        *,
        port: int = 0,
        seed: Mapping[str, Any] | None = None,
        journal: bool = True,
        files: Iterable[Path] | None = None,
    ) -> None:
        super().__init__(port=port, seed=seed, journal=journal)
        self.files = {path.stem: path for path in (served() if files is None else files)}
        self._dripping = threading.local()

    def load(self, seed: Mapping[str, Any]) -> None:
        """Start from a seed. Raises ValueError for one that is malformed."""
        try:
            people = seed["people"] if "people" in seed else [*map(persona_of, self.files.values()), *PEOPLE]
            named = [record for record in people if record.get("last_name") or record.get("full_name") or
                     record.get("email")]  # fmt: skip
            companies = [*seed.get("companies", ()), *companies_of(people)]
            self.answers = Answers(
                Directory(named),
                Directory(companies, companies=True),
                seed.get("knows", {}),
                seed.get("suppressed", ()),
            )
            self._credits = {name: float(credits) for name, credits in seed.get("credits", {}).items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"the seed is malformed: {error}") from error
        self._bill = Bill()
        self._windows = Windows()
        self._jobs = Jobs()
        self._tokens: dict[str, float] = {}

    def start(self) -> Sandbox:
        super().start()
        if self._server is not None:
            self._server.RequestHandlerClass = sandbox_faults.dripping(
                self._server.RequestHandlerClass,  # type: ignore[arg-type]
                self._dripping,
            )
        return self

    # Looking inside ---------------------------------------------------------------------------------------------

    def state(self) -> Mapping[str, Any]:
        return {
            "providers": sorted(self.files),
            "people": self.answers.people.records,
            "companies": self.answers.companies.records,
            "searches": len(self._jobs),
        }

    def statistics(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.bill()["providers"]
        return found

    def bill(self) -> dict[str, Any]:
        """What each provider would charge; see `Bill.as_json`."""
        with self.lock:
            return self._bill.as_json()

    def environment(self) -> dict[str, str]:
        made: dict[str, str] = {}
        for path in self.files.values():
            made |= environment_of(path, self.url)
        if "people_data_labs" in self.files:
            made |= {"PDL_BASE_URL": f"{self.url}/people_data_labs", "PDL_API_KEY": API_KEY}
        return made

    def respond(self, request: Request) -> Response | None:
        if request.path == f"{CONTROL}bill" and request.method == "GET":
            return Response(200, self.bill())
        return super().respond(request)

    # Answering --------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        stub, path = self._stub(request)
        if stub is None:
            stub = next((stub_of(file) for file in self.files.values() if issues_tokens(file, request.path)), None)
            path = TOKEN_PATH
        if stub is None:
            return Response(404, {"error": "no provider of this sandbox has this path"})
        if path == TOKEN_PATH and "oauth" in stub.data["auth"]:
            return self._token(stub, request)
        call, served = stub.understand(request, path)
        if not served:
            return Response(404, {"error": f"{stub.name} has no such path"})
        with self.lock:
            self._count(stub, call)
            if not stub.admits(request, self._tokens, self.now()):
                return self._case(stub, "auth", call)
            if self.switches["limits"]:
                admitted, left, seconds = self._windows.admit(stub.account, stub.data["limits"], self.now())
                if not admitted:
                    return sandbox_faults.with_limits(stub, self._case(stub, "throttled", call), 0, seconds, self.now())
                return sandbox_faults.with_limits(stub, self._do(stub, call, request), left, seconds, self.now())
            return self._do(stub, call, request)

    def fault_response(self, request: Request, fault: Fault) -> Response:
        """`error` names a case of the provider's recording, or how an answer is spoilt: html, huge or drip."""
        if fault.error in sandbox_faults.SPOILT:
            whole = self.handle(request)
            self._dripping.seconds = sandbox_faults.DRIP_SECONDS if fault.error == "drip" else 0.0
            return sandbox_faults.spoilt(whole, fault.error)
        stub, path = self._stub(request)
        if stub is None or fault.error not in stub.cases:
            return self.error_response(fault.error)
        call, _ = stub.understand(request, path)
        with self.lock:
            self._count(stub, call)
            ticket = str(call.read.values.get("ticket", "")) if call else ""
            answer = self.answers.case(stub, fault.error, call, self._jobs.about(stub.name, ticket))
            if answer.outcome == "throttled":
                return sandbox_faults.with_limits(stub, self._charged(stub, answer), 0, 1.0, self.now())
            # What a search found is told when it is asked for; what goes wrong, at once.
            searching = call is not None and call.route.kind == "main" and stub.waits and not stub.waits.get("again")
            if call is not None and searching and answer.outcome in _RESULTS and answer.status < 400:
                return self._submitted(stub, call, answer)
            # A search was charged when it was made.
            return rendered(stub, answer, ticket) if ticket else self._charged(stub, answer)

    def all_but_one(self, request: Request, fault: Fault) -> Response:
        """Do a batch but for one record, which gets the record of that name in the recording's batch part."""
        stub, path = self._stub(request)
        call = stub.understand(request, path)[0] if stub else None
        if stub is None or call is None or call.route.kind != "batch" or fault.record_error not in stub.batch:
            return self.error_response(fault.record_error)
        records = call.read.values["records"]
        holding = (index for index, each in enumerate(records) if fault.contains.encode() in orjson.dumps(each))
        index = fault.record if fault.record is not None else next(holding, 0)
        with self.lock:
            self._count(stub, call)
            return self._batch(stub, call, {index: fault.record_error})

    def _stub(self, request: Request) -> tuple[Stub | None, str]:
        name, _, rest = request.path.removeprefix("/").partition("/")
        return (stub_of(self.files[name]) if name in self.files else None), f"/{rest}"

    def _count(self, stub: Stub, call: Call | None) -> None:
        poll = call is not None and call.route.kind in ("poll", "account")
        self._bill.call(stub.name, stub.data["cost"].get("price"), poll=poll)

    def _do(self, stub: Stub, call: Call | None, request: Request) -> Response:
        if call is None or not call.complete:
            return self._case(stub, "bad_request", call)
        if call.route.kind == "account":
            return self._balance(stub, call)
        if call.route.kind == "poll":
            return self._poll(stub, str(call.read.values["ticket"]))
        if self._left(stub) <= 0:
            return self._case(stub, "quota", call)
        if call.route.kind == "batch":
            return self._batch(stub, call)
        if stub.waits.get("again"):
            return self._again(stub, call, request)
        answer = self.answers.to(stub, call)
        if call.route.kind == "before" or not stub.waits:
            return self._charged(stub, answer)
        return self._submitted(stub, call, answer)

    def _case(self, stub: Stub, name: str, call: Call | None) -> Response:
        return self._charged(stub, self.answers.case(stub, name, call))

    def _charged(self, stub: Stub, answer: Answer, ticket: str = "") -> Response:
        self._bill.answer(stub.name, answer.case, answer.outcome, answer.about, answer.credits)
        return rendered(stub, answer, ticket)

    def _batch(self, stub: Stub, call: Call, refused: Mapping[int, str] | None = None) -> Response:
        """Answer record by record. Where credits end half-way, the rest is refused where that is recorded, else all."""
        named = dict(refused or {})
        left = self._left(stub)
        answers = []
        for index, record in enumerate(call.read.values["records"]):
            answer = self.answers.to_record(stub, call, record, named.get(index, ""))
            if answer.credits > left and "quota" not in stub.batch:
                return self._case(stub, "quota", call)
            if answer.credits > left or left <= 0:
                answer = self.answers.to_record(stub, call, record, "quota")
            left -= answer.credits
            answers.append(answer)
        for answer in answers:
            self._bill.answer(stub.name, answer.case, answer.outcome, answer.about, answer.credits)
        told = [answer for answer in answers if answer.body is not None or "id" not in stub.data["batch"]]
        if not stub.waits:
            return self.answers.envelope(stub, told)
        ticket = self._jobs.ticket()
        return self._wait(stub, call, ticket, self.answers.envelope(stub, told, ticket))

    def _left(self, stub: Stub) -> float:
        """The credits that are left; without end where the seed has none."""
        return self._credits.get(stub.name, float("inf")) - self._bill.spent(stub.name)

    # Answers that take a while ----------------------------------------------------------------------------------

    def _submitted(self, stub: Stub, call: Call, answer: Answer) -> Response:
        """Take a search on; what is refused by its status is refused at once, and nothing is said of it twice."""
        if answer.case in ("submitted", "pending") or (answer.status >= 400 and answer.outcome not in _RESULTS):
            return self._charged(stub, answer)
        ticket = self._jobs.ticket()
        return self._wait(stub, call, ticket, self._charged(stub, answer, ticket), answer.values)

    def _wait(
        self, stub: Stub, call: Call, ticket: str, final: Response, about: Mapping[str, Any] | None = None
    ) -> Response:
        ready_at = self.now() + float(self.switches["pending_seconds"])
        polls = int(self.switches["pending_polls"]) if "pending" in stub.cases else 0
        self._jobs.add(stub.name, ticket, Job(final, polls, ready_at, about or {}))
        url = call.read.values.get("callback_url")
        if url and self.switches["callbacks"] and str(url).startswith(("http://127.0.0.1", "https://")):
            callback = stub.waits["callback"]
            body = self.answers.callback(stub, final, ticket)
            seconds = float(self.switches["callback_seconds"])
            post(str(url), body, callback.get("signature"), stub.credentials, seconds)
        return rendered(stub, self.answers.case(stub, "submitted", call), ticket)

    def _again(self, stub: Stub, call: Call, request: Request) -> Response:
        """The same request is its own ticket."""
        ticket = f"{request.method} {request.path}?{request.query_string} {request.body.hex()}"
        if not self._jobs.knows(stub.name, ticket):
            answer = self.answers.to(stub, call)
            ready_at = self.now() + float(self.switches["pending_seconds"])
            polls = int(self.switches["again_polls"]) if "pending" in stub.cases and answer.outcome in _RESULTS else 0
            self._jobs.add(stub.name, ticket, Job(self._charged(stub, answer), polls, ready_at, answer.values))
        return self._poll(stub, ticket)

    def _poll(self, stub: Stub, ticket: str) -> Response:
        if not self._jobs.knows(stub.name, ticket):
            if "unknown_ticket" in stub.cases:
                return rendered(stub, self.answers.case(stub, "unknown_ticket", None), ticket)
            return Response(404, {"error": "no search has this id"})
        found = self._jobs.poll(stub.name, ticket, self.now())
        return found or rendered(stub, self.answers.case(stub, "pending", None), ticket)

    # Accounts ---------------------------------------------------------------------------------------------------

    def _token(self, stub: Stub, request: Request) -> Response:
        if not stub.admits_client(request):
            return Response(401, {"error": "invalid_client", "error_description": "the client is not known"})
        seconds = float(self.switches["token_seconds"])
        with self.lock:
            token = f"sandbox-token-{len(self._tokens) + 1}"
            self._tokens[token] = self.now() + seconds
        return Response(200, {"access_token": token, "token_type": "Bearer", "expires_in": int(seconds)})

    def _balance(self, stub: Stub, call: Call) -> Response:
        left = max(0.0, self._credits.get(stub.name, 1000.0) - self._bill.spent(stub.name))
        if "account" in stub.cases:
            reply = stub.cases["account"]["reply"]
            return Response(reply["status"], fill(reply.get("body"), {"balance": left}), reply.get("headers", {}))
        return Response(200, self.answers.balance(stub, left))


def served() -> list[Path]:
    """The provider files that are installed and have a recording."""
    return [found.path for found in installed_files() if recording_of(found.path).exists()]


#: The sandbox by the name of each enricher that it stands in for; `http` runs any file.
SANDBOXES: Mapping[str, type[ProviderSandbox]] = dict.fromkeys(
    ("http", *(path.stem for path in served())), ProviderSandbox
)
