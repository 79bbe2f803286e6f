"""The base of every vendor sandbox: a real HTTP server on loopback with faults on demand and a look inside.

A vendor's sandbox subclasses `Sandbox` and answers requests in `handle`. Beside the vendor's own paths every sandbox
has a control API, for people with curl and for tests in another process:

    GET  /_sandbox/state      what is stored, as JSON          GET  /_sandbox/journal   every vendor request so far
    POST /_sandbox/faults     {"match": …, …} adds a fault      POST /_sandbox/switches  {"name": value}
    POST /_sandbox/clock      {"advance": seconds}              POST /_sandbox/reset     back to the seed
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import orjson

CONTROL = "/_sandbox/"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` without query; `query` and `form` keep the last value of a repeated name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

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
    Then one of: status/body (answer that instead), error (a vendor code, answered as that vendor does),
    drop ("before" or "after" the request is executed: the connection closes without an answer),
    empty or truncate (execute, then answer nothing or half). `delay` waits that many seconds first.
    """

    match: str = ".*"
    skip: int = 0
    times: int = 1
    contains: str = ""
    delay: float = 0.0
    status: int = 0
    body: Any = None
    error: str = ""
    drop: str = ""
    empty: bool = False
    truncate: bool = False

    def takes(self, request: Request) -> bool:
        if self.times == 0 or not re.search(self.match, f"{request.method} {request.path}"):
            return False
        if self.contains and self.contains.encode() not in request.body:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class Sandbox:
    """A vendor's stand-in. Use as a context manager, or `start()` and `stop()`."""

    name: ClassVar[str] = "sandbox"
    #: Behaviours that the vendor's documentation leaves open, with their defaults.
    default_switches: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *, port: int = 0, seed: Mapping[str, Any] | None = None, journal: bool = True) -> None:
        self.seed = dict(seed or {})
        self.lock = threading.RLock()
        self.switches: dict[str, Any] = {}
        self.faults: list[Fault] = []
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

    def environment(self) -> dict[str, str]:
        """The environment variables with which the worked specs reach this sandbox."""
        return {}

    # The server -------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """The sandbox's own time; the control API can move it forward."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        self._offset += seconds

    def add_fault(self, **settings: Any) -> Fault:
        fault = Fault(**settings)
        with self.lock:
            self.faults.append(fault)
        return fault

    def reset(self) -> None:
        with self.lock:
            self.switches = {**self.default_switches, **self.seed.get("switches", {})}
            self.faults = [Fault(**fault) for fault in self.seed.get("faults", [])]
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
            fault = next((candidate for candidate in self.faults if candidate.takes(request)), None)
        if fault is None:
            return self._executed(request)
        if fault.delay:
            time.sleep(fault.delay)
        if fault.drop == "before":
            self._note(request, None, faulty=True)
            return None
        if fault.status or fault.body is not None:
            return self._noted(request, Response(fault.status or 200, fault.body), faulty=True)
        if fault.error:
            return self._noted(request, self.error_response(fault.error), faulty=True)
        response = self._executed(request)
        if fault.drop == "after":
            return None
        if fault.empty:
            return Response(response.status, b"", response.headers)
        if fault.truncate:
            whole = response.encoded()
            return Response(response.status, whole[: len(whole) // 2], response.headers)
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
        answers: dict[str, Callable[[], Any]] = {"state": self.state, "journal": lambda: self.journal}
        if request.method == "GET" and what in answers:
            with self.lock:
                return Response(200, orjson.dumps(answers[what](), option=orjson.OPT_NON_STR_KEYS))
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
            response = sandbox.respond(Request(self.command, parts.path, query, headers, body))
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
