"""The base of every vendor sandbox: a real HTTP server on loopback with faults on demand and a look inside.

A vendor's sandbox subclasses `Sandbox` and answers requests in `handle`. Beside the vendor's own paths every sandbox
has a control API, for people with curl and for tests in another process:

    GET  /_sandbox/state      what is stored, as JSON          GET  /_sandbox/journal   every vendor request so far
    POST /_sandbox/faults     {"match": …, …} adds a fault      POST /_sandbox/switches  {"name": value}
    POST /_sandbox/clock      {"advance": seconds}              POST /_sandbox/reset     back to the seed
    GET  /_sandbox/statistics what clients have done, as the vendor could tell it
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import orjson

from engine.testing.seeds import known

CONTROL = "/_sandbox/"
#: The body of a fault that has none, as JSON null is one.
_NO_BODY: Any = object()


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` without query; `query` and `form` keep the last value of a repeated name.

    `query_string` is the query as it was sent, without the question mark.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    query_string: str = ""

    def query_list(self, name: str) -> list[str]:
        """Every value of a query parameter, in the order in which they were sent."""
        return [value for key, value in parse_qsl(self.query_string, keep_blank_values=True) if key == name]

    def json(self) -> Any:
        """The body as JSON; raises ValueError where it is none."""
        return orjson.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; `body` is sent as JSON unless it is bytes or text."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else orjson.dumps(self.body)


@dataclass(slots=True)
class Fault:
    """Goes wrong on purpose: the requests whose "METHOD path" matches `match` (a regular expression).

    skip: let that many through first. times: how often it happens (-1: always). contains: only bodies with this text.
    share: of the requests that are left, this share (0 to 1) by chance; the seed key `random` repeats a run's chances.
    Then one of: status/body (answer that instead; a body of null is JSON null),
    error (a vendor code, answered as that vendor does; `message` replaces its text),
    record_error (a vendor code for one record of the request while the others are done: the one at index `record`, or
    the first with the text `contains`),
    drop ("before" or "after" the request is executed: the connection closes without an answer),
    empty or truncate (execute, then answer nothing or half), extra (keys to add to every object of the answer).
    `delay` waits that many seconds first; `advance` moves the sandbox's clock by that many.
    """

    match: str = ".*"
    skip: int = 0
    times: int = 1
    contains: str = ""
    share: float = 1.0
    delay: float = 0.0
    advance: float = 0.0
    status: int = 0
    body: Any = _NO_BODY
    error: str = ""
    message: str = ""
    record_error: str = ""
    record: int | None = None
    drop: str = ""
    empty: bool = False
    truncate: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def takes(self, request: Request, chance: Callable[[], float] = lambda: 0.0) -> bool:
        """Whether it happens to this request, which then counts; `chance` draws a number from 0 to below 1."""
        if self.times == 0 or not re.search(self.match, f"{request.method} {request.path}"):
            return False
        if self.contains and self.contains.encode() not in request.body:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.share < 1 and chance() >= self.share:
            return False
        self.times -= 1
        return True


class Sandbox:
    """A vendor's stand-in. Use as a context manager, or `start()` and `stop()`."""

    name: ClassVar[str] = "sandbox"
    #: The seed key that the rows of a CSV seed go to; "" where the sandbox takes none.
    people: ClassVar[str] = ""
    #: Behaviours that the vendor's documentation leaves open, with their defaults.
    default_switches: ClassVar[Mapping[str, Any]] = {}
    #: What a seed may hold; empty where that is not checked.
    seed_keys: ClassVar[Collection[str]] = ()

    def __init__(self, *, port: int = 0, seed: Mapping[str, Any] | None = None, journal: bool = True) -> None:
        self.seed = dict(seed or {})
        self.lock = threading.RLock()
        self.switches: dict[str, Any] = {}
        self.faults: list[Fault] = []
        self.random = random.Random(self.seed.get("random", 0))  # noqa: S311 - made to repeat, not to be secret
        self.journal: list[dict[str, Any]] = []
        self._keep_journal = journal
        self._offset = 0.0
        self._port = port
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    # What a vendor's sandbox provides ---------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """Answer a vendor request. Called in many threads at once; take `self.lock` around shared state."""
        raise NotImplementedError

    def load(self, seed: Mapping[str, Any]) -> None:
        """Forget everything and start from `seed`."""
        raise NotImplementedError

    def state(self) -> Mapping[str, Any]:
        """What is stored, as JSON values."""
        raise NotImplementedError

    def error_response(self, code: str) -> Response:
        """How this vendor reports `code` for a whole request."""
        return Response(500, {"error": code})

    def fault_response(self, request: Request, fault: Fault) -> Response:
        """How `fault.error` is answered; override where that depends on the request, or changes what is stored."""
        return self.error_response(fault.error)

    def all_but_one(self, request: Request, fault: Fault) -> Response:
        """Do a request but for one record, which gets `fault.record_error`.

        Override it for a vendor whose requests have several records; of one record, it is the whole request.
        """
        return self.error_response(fault.record_error)

    def statistics(self) -> Mapping[str, Any]:
        """What clients have done to the vendor, as JSON values: duplicates made, limits used, and the like."""
        return {}

    def environment(self) -> dict[str, str]:
        """The environment variables with which the worked specs reach this sandbox."""
        return {}

    # The server -------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """The sandbox's own time; the control API can move it forward."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        with self.lock:
            self._offset += seconds

    def add_fault(self, **settings: Any) -> Fault:
        fault = Fault(**settings)
        with self.lock:
            self.faults.append(fault)
        return fault

    def reset(self) -> None:
        """Back to the seed. Raises ValueError where it names what the sandbox does not know."""
        known("a seed", self.seed, self.seed_keys)
        known("the switches", self.seed.get("switches", {}), self.default_switches)
        with self.lock:
            self.switches = {**self.default_switches, **self.seed.get("switches", {})}
            self.faults = [Fault(**fault) for fault in self.seed.get("faults", [])]
            self.random.seed(self.seed.get("random", 0))
            self.journal = []
            self._offset = 0.0
            self.load(self.seed)

    @property
    def port(self) -> int:
        if self._server is None:
            return self._port
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Sandbox:
        """Listen on loopback; port 0 takes a free one. Raises OSError where the port is taken."""
        self.reset()
        self._server = _Server(("127.0.0.1", self._port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None

    def __enter__(self) -> Any:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def calls(self, pattern: str = ".*") -> list[dict[str, Any]]:
        """The journal entries whose "METHOD path" matches `pattern`."""
        with self.lock:
            return [entry for entry in self.journal if re.search(pattern, entry["request"])]

    # One request ------------------------------------------------------------------------------------------------

    def respond(self, request: Request) -> Response | None:
        """Answer any request; None closes the connection without an answer."""
        if request.path.startswith(CONTROL):
            return self._control(request)
        with self.lock:
            fault = next((each for each in self.faults if each.takes(request, self.random.random)), None)
        if fault is None:
            return self._executed(request)
        if fault.delay:
            time.sleep(fault.delay)
        self.advance(fault.advance)
        if fault.drop == "before":
            self._note(request, None, faulty=True)
            return None
        if fault.status or fault.body is not _NO_BODY:
            body = None if fault.body is _NO_BODY else orjson.dumps(None) if fault.body is None else fault.body
            return self._noted(request, Response(fault.status or 200, body), faulty=True)
        if fault.error:
            return self._noted(request, self.fault_response(request, fault), faulty=True)
        if fault.record_error:
            return self._noted(request, self.all_but_one(request, fault), faulty=True)
        response = self._executed(request)
        if fault.drop == "after":
            return None
        if fault.empty:
            return Response(response.status, b"", response.headers)
        if fault.truncate:
            whole = response.encoded()
            return Response(response.status, whole[: len(whole) // 2], response.headers)
        if fault.extra:
            return Response(response.status, _with_keys(response.body, fault.extra), response.headers)
        return response

    def _executed(self, request: Request) -> Response:
        return self._noted(request, self.handle(request))

    def _noted(self, request: Request, response: Response, *, faulty: bool = False) -> Response:
        self._note(request, response.status, faulty=faulty)
        return response

    def _note(self, request: Request, status: int | None, *, faulty: bool = False) -> None:
        if not self._keep_journal:
            return
        entry = {
            "request": f"{request.method} {request.path}",
            "query": dict(request.query) if "token" not in request.path else {},
            "bytes": len(request.body),
            "status": status,
            "fault": faulty,
            "body": request.body[:4096].decode("utf-8", "replace") if "token" not in request.path else "***",
        }
        with self.lock:
            self.journal.append(entry)

    def _control(self, request: Request) -> Response:
        what = request.path[len(CONTROL) :]
        looks: dict[str, Callable[[], Any]] = {"state": self.state, "statistics": self.statistics}
        looks["journal"] = lambda: self.journal
        if request.method == "GET" and what in looks:
            with self.lock:
                return Response(200, orjson.dumps(looks[what](), option=orjson.OPT_NON_STR_KEYS))
        try:
            given = request.json() if request.body else {}
            if what == "faults":
                self.add_fault(**given)
            elif what == "switches":
                self.switches.update(given)
            elif what == "clock":
                self.advance(float(given["advance"]))
            elif what == "reset":
                self.reset()
            else:
                return Response(404, {"error": f"no such control: {what}"})
        except (ValueError, TypeError, KeyError) as error:
            return Response(400, {"error": str(error)})
        return Response(200, {"ok": True})


def _with_keys(body: Any, extra: Mapping[str, Any]) -> Any:
    """A JSON value whose objects all have the keys of `extra` too."""
    if isinstance(body, Mapping):
        return {**{name: _with_keys(value, extra) for name, value in body.items()}, **extra}
    return [_with_keys(item, extra) for item in body] if isinstance(body, (list, tuple)) else body


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in mid-answer is part of what a sandbox is for; it is not worth a traceback."""


def _handler(sandbox: Sandbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 64 * 1024

        def answer(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length") or 0))
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            response = sandbox.respond(Request(self.command, parts.path, query, headers, body, parts.query))
            if response is None:
                self.close_connection = True
                return
            payload = response.encoded()
            self.send_response(response.status)
            for name, value in {"Content-Type": "application/json;charset=UTF-8", **response.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            if response.status != 204:
                self.wfile.write(payload)
            self.wfile.flush()

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """The journal records requests; the terminal stays free."""

    return Handler
