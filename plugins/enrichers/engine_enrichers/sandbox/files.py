"""Provider files as a sandbox reads them: which requests they make, and what the recording answers.

They are read anew here and not by the loader of the enrichers, so that a sandbox judges independently of what it tests.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from ruamel.yaml import YAML

from engine.testing.server import Request
from engine_enrichers.sandbox.templates import ABSENT, Read, names_in, pattern, read

#: Below a provider's own address: where tokens are issued to those that sign in by OAuth.
TOKEN_PATH = "/_token"  # noqa: S105 - a path
_TOP_LEVEL = re.compile(r"^\S.*?:", re.MULTILINE)
_CREDENTIALS = re.compile(r"^credentials:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Route:
    """One request that a provider file makes. kind: main, before, batch, poll or account; `inputs` must be complete."""

    kind: str
    request: Mapping[str, Any]
    inputs: tuple[tuple[str, ...], ...] = ()
    index: int = 0

    @property
    def template(self) -> dict[str, Any]:
        """What of it can differ from call to call, without the path."""
        return {part: self.request.get(part, {}) for part in ("query", "form", "json") if self.request.get(part)}


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was understood: its route, what it says, and all of it for looking up who is meant."""

    route: Route
    read: Read
    said: Any

    @property
    def complete(self) -> bool:
        """Whether it says all that one of the sets of inputs needs."""
        values = self.read.values
        return not self.route.inputs or any(all(values.get(name) for name in names) for names in self.route.inputs)


class Stub:
    """A provider file with its recording."""

    def __init__(self, path: Path) -> None:
        self.data: Mapping[str, Any] = _yaml(path)
        self.recording: Mapping[str, Any] = _yaml(recording_of(path))
        self.name: str = self.data["name"]
        self.entity: str = self.data.get("entity", "person")
        self.cases: Mapping[str, Any] = self.recording["cases"]
        self.batch: Mapping[str, Any] = self.recording.get("batch", {})

    @property
    def credentials(self) -> dict[str, str]:
        return {name: secret_of(name) for name in self.data.get("credentials", ("api_key",))}

    @property
    def account(self) -> str:
        """What its limits belong to."""
        return str(self.data["limits"].get("shared", self.name))

    @property
    def waits(self) -> Mapping[str, Any]:
        """The file's `async` part, empty where it answers at once."""
        return self.data.get("async") or {}

    @property
    def result(self) -> str:
        """The path of the result in an answer that is not a batch's."""
        return str(self.waits.get("result") or self.data.get("result") or "@")

    @cached_property
    def routes(self) -> list[Route]:
        common = self.data["request"]
        made = []
        sets = [_set_of(given) for given in self.data["inputs"]["any_of"]]
        for inputs, own in sets:
            request = {**common, **own}
            made.append(Route("main", request, (_within(inputs, request),)))
        for index, step in enumerate(self.data.get("before", ())):
            request = step["request"]
            made.append(Route("before", request, tuple(_within(inputs, request) for inputs, _ in sets), index))
        if batch := self.data.get("batch"):
            made.insert(0, Route("batch", batch["request"]))
        if poll := self.waits.get("poll"):
            made.append(Route("poll", poll))
        if account := self.data.get("account"):
            made.append(Route("account", account["request"]))
        return made

    def understand(self, request: Request, path: str) -> tuple[Call | None, bool]:
        """What the request asks, best understood; and whether there is anything at its path."""
        served, found = False, None
        body = _body(request)
        for route in self.routes:
            there = pattern(route.request["path"], "[^/]+").fullmatch(path)
            served = served or there is not None
            if there is None or route.request["method"] != request.method:
                continue
            values = {name: unquote(value) for name, value in there.groupdict().items()}
            said = {"path": [unquote(part) for part in path.split("/")], "query": _pairs(request.query_string), **body}
            found_here = Read(values)
            if not read(route.template, said, found_here) or not self._has_headers(route, request):
                continue
            call = Call(route, found_here, said)
            if route.kind == "batch" and not self._is_batch(found_here):
                continue
            if call.complete:
                return call, True
            found = found or call
        return found, served

    def _has_headers(self, route: Route, request: Request) -> bool:
        """Whether it has the fixed headers of the file; options stand for anything."""
        wanted: Mapping[str, str] = route.request.get("headers", {})
        return all(pattern(text).fullmatch(request.headers.get(name.lower(), "")) for name, text in wanted.items())

    def _is_batch(self, found: Read) -> bool:
        """Whether the records are records: one question may look like a batch of one."""
        records = found.values.get("records")
        named = "{record_id}" in str(self.data["batch"]["record"])
        template = self.data["batch"]["record"]
        return isinstance(records, list) and all(
            read(template, each, one := Read()) and (not named or one.values.get("record_id")) for each in records
        )

    def admits(self, request: Request, tokens: Mapping[str, float], now: float) -> bool:
        """Whether the request has the credentials that the file says it has to have."""
        auth = self.data["auth"]
        wanted = [(text, request.headers.get(name.lower(), "")) for name, text in auth.get("headers", {}).items()]
        wanted += [(text, request.query.get(name, "")) for name, text in auth.get("query", {}).items()]
        if not all(self._secret(text).fullmatch(given) for text, given in wanted):
            return False
        authorization = request.headers.get("authorization", "")
        if basic := auth.get("basic"):
            kind, _, encoded = authorization.partition(" ")
            expected = self._secret(f"{basic['user']}:{basic['password']}")
            if kind.lower() != "basic" or not expected.fullmatch(_decoded(encoded)):
                return False
        return "oauth" not in auth or tokens.get(authorization.removeprefix("Bearer "), 0) > now

    def admits_client(self, request: Request) -> bool:
        """Whether a request for a token comes from the client that the file knows."""
        form = request.form
        client, secret = form.get("client_id"), form.get("client_secret")
        if self.data["auth"]["oauth"].get("client") == "basic":
            encoded = request.headers.get("authorization", "").partition(" ")[2]
            client, _, secret = unquote(_decoded(encoded)).partition(":")
        right = self.credentials
        expected = (right["client_id"], right["client_secret"], "client_credentials")
        return (client, secret, form.get("grant_type")) == expected

    def _secret(self, text: str) -> re.Pattern[str]:
        for name, secret in self.credentials.items():
            text = text.replace(f"{{{name}}}", secret)
        return pattern(text)

    def environment(self, url: str) -> dict[str, str]:
        """The variables by which a spec reaches this provider's sandbox."""
        upper = self.name.upper()
        made = {f"{upper}_BASE_URL": f"{url}/{self.name}"}
        made |= {f"{upper}_{name.upper()}": secret for name, secret in self.credentials.items()}
        if "oauth" in self.data["auth"]:
            made[f"{upper}_TOKEN_URL"] = f"{url}/{self.name}{TOKEN_PATH}"
        return made


def issues_tokens(path: Path, token_path: str) -> bool:
    """Whether the provider of a file issues its tokens at this path."""
    written = re.search(r"token_url: *[\"']?https://[^/\s]+(/[^\"'\s,}]*)", path.read_text("utf-8"))
    return written is not None and written[1] == token_path


def secret_of(credential: str) -> str:
    """What a credential has to be here."""
    return "sandbox-key" if credential == "api_key" else f"sandbox-{credential.replace('_', '-')}"


def environment_of(path: Path, url: str) -> dict[str, str]:
    """A file's `Stub.environment`, without reading more of the file than that takes."""
    if _CREDENTIALS.search(path.read_text("utf-8")):
        return stub_of(path).environment(url)
    upper = path.stem.upper()
    return {f"{upper}_BASE_URL": f"{url}/{path.stem}", f"{upper}_API_KEY": secret_of("api_key")}


def recording_of(path: Path) -> Path:
    """Where the recording of a provider file is: in the folder `recordings` beside the file's, or beside the file."""
    beside = path.parent.parent / "recordings" / path.name
    return beside if beside.exists() else path.parent / "recordings" / path.name


def stub_of(path: Path) -> Stub:
    """The stub of a provider file, read once."""
    return _stub(path, path.stat().st_mtime_ns, recording_of(path).stat().st_mtime_ns)


@lru_cache(maxsize=512)
def _stub(path: Path, *changed: int) -> Stub:
    return Stub(path)


def persona_of(path: Path) -> Mapping[str, Any]:
    """The persona of a file's recording, without reading the rest. Raises ValueError where there is no recording."""
    recorded = recording_of(path)
    if not recorded.exists():
        raise ValueError(f"{path.name} has no recording: {recorded} is not there")
    text = recorded.read_text("utf-8")
    start = re.search(r"^persona:", text, re.MULTILINE)
    if start is None:
        return {}
    end = _TOP_LEVEL.search(text, start.end())
    found: Mapping[str, Any] = YAML(typ="safe", pure=True).load(text[start.start() : end.start() if end else None])
    return found["persona"] or {}


def _yaml(path: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    return found


def _set_of(given: Any) -> tuple[list[str], Mapping[str, Any]]:
    if isinstance(given, Mapping):
        return given["with"], given.get("request", {})
    return given, {}


def _within(inputs: list[str], request: Mapping[str, Any]) -> tuple[str, ...]:
    """The inputs that this request sends; what an earlier call gave counts as well."""
    sent = set(names_in({part: request.get(part, {}) for part in ("path", "query", "form", "json")}))
    return tuple(name for name in inputs if name in sent)


def _body(request: Request) -> dict[str, Any]:
    kind = request.headers.get("content-type", "")
    if not request.body:
        return {}
    if "x-www-form-urlencoded" in kind:
        return {"form": _pairs(request.body.decode("utf-8", "replace"))}
    try:
        return {"json": request.json()}
    except ValueError:
        return {"json": ABSENT}


def _pairs(text: str) -> dict[str, Any]:
    """Query or form fields; one that is repeated is a list."""
    made: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        made[name] = (
            value if name not in made else [*(made[name] if isinstance(made[name], list) else [made[name]]), value]
        )
    return made


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return ""


def set_path(body: Any, path: str, value: Any) -> bool:
    """Put a value where a plain path (`a.b[0].c`) leads in the body; False where it leads nowhere."""
    steps = [int(step) if step.isdigit() else step for step in re.findall(r"[A-Za-z_][\w-]*|\d+", path)]
    if not steps or not re.fullmatch(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*|\[\d+\])*", path):
        return False
    for step in steps[:-1]:
        try:
            body = body[step]
        except (LookupError, TypeError):
            return False
    try:
        body[steps[-1]] = value
    except (LookupError, TypeError):
        return False
    return True
