"""`engine pardot login`: a browser goes to Salesforce and comes back, and the refresh token is kept for the spec."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import stat
import subprocess
import sys
import threading
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar
from urllib.error import HTTPError
from urllib.parse import urlencode

import keyring
import pytest
from click.testing import CliRunner, Result
from engine_pardot.callback import listening
from engine_pardot.login import advice, authorize
from engine_pardot.tokens import Tokens
from keyring.backend import KeyringBackend
from ruamel.yaml import YAML

from engine.adapters import Context
from engine.cli import build_cli
from engine.errors import CredentialsError, EnvironmentFault, SpecError, VendorUnavailable
from engine.http import Http
from engine.redaction import redact
from engine.testing.server import Request, Response, Sandbox

SECRET = "the-consumer-secret"


class Org(Sandbox):
    """Plays the page on which a person allows the access, and the token endpoint behind it."""

    def load(self, seed: Mapping[str, Any]) -> None:
        self.asked: dict[str, str] = {}
        self.answer: dict[str, str] = {}
        self.scope = "refresh_token pardot_api"
        self.refuse = ""

    def handle(self, request: Request) -> Response:
        return self.page(request) if request.path.endswith("/authorize") else self.exchanged(request.form)

    def page(self, request: Request) -> Response:
        self.asked = dict(request.query)
        given = {"error": self.refuse, "error_description": "end-user denied authorization"} if self.refuse else {}
        back = {"code": "aPrx-code", "state": self.asked["state"], **given, **self.answer}
        return Response(302, headers={"Location": f"{self.asked['redirect_uri']}?{urlencode(back)}"})

    def exchanged(self, form: Mapping[str, str]) -> Response:
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proven = base64.urlsafe_b64encode(digest).decode().rstrip("=") == self.asked["code_challenge"]
        if form["grant_type"] == "refresh_token":
            return Response(200, {"access_token": f"access of {form['refresh_token']}"})
        if form.get("client_secret", "") not in {SECRET, ""}:
            return Response(400, {"error": "invalid_client", "error_description": "invalid client credentials"})
        if not proven or form["code"] != "aPrx-code" or form["redirect_uri"] != self.asked["redirect_uri"]:
            return Response(400, {"error": "invalid_grant", "error_description": "invalid authorization code"})
        answer = {"access_token": "00Daccess!token", "scope": self.scope, "token_type": "Bearer"}
        if "refresh_token" in self.scope:
            answer["refresh_token"] = "5Aep861-refresh"
        return Response(200, answer)


class Chest(KeyringBackend):
    """A keyring in memory, by the library's own interface."""

    priority: ClassVar[float] = 1
    entries: ClassVar[dict[tuple[str, str], str]] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


@pytest.fixture
def org() -> Iterator[Org]:
    with Org() as org:
        yield org


class Robot:
    """Opens addresses as a browser does, and remembers what it was shown."""

    def __init__(self) -> None:
        self.first: list[str] = []
        self.status, self.shown = 0, ""
        self.done = threading.Event()

    def __call__(self, address: str) -> bool:
        for each in (*self.first, address):
            try:
                with urllib.request.urlopen(each, timeout=10) as page:  # noqa: S310 - an address of this test
                    self.status, self.shown = page.status, page.read().decode()
            except HTTPError as error:
                with error:
                    self.status, self.shown = error.code, error.read().decode()
        self.done.set()
        return True


@pytest.fixture
def robot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Robot:
    """Takes the place of the person's browser; the state folder is the test's own."""
    made = Robot()
    monkeypatch.setattr(webbrowser, "open", made)
    monkeypatch.setenv("PARDOT_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return made


Login = Callable[..., Result]


@pytest.fixture
def login(org: Org, robot: Robot) -> Login:
    """Run the command; a later option replaces an earlier one."""

    def run(*words: str, typed: str | None = None) -> Result:
        given = ["pardot", "login", "--client-id", "3MVG9example", "--token-url", org.url, "--port", "0", *words]
        return CliRunner().invoke(build_cli(), given, input=typed)

    return run


def spec(result: Result) -> dict[str, Any]:
    """What the command printed for the spec."""
    assert result.exception is None, result.exception
    return dict(YAML(typ="safe").load(result.stdout)["destination"]["config"])


def test_the_token_is_kept_in_a_file_of_ones_own_and_the_spec_is_told(
    org: Org, login: Login, robot: Robot, tmp_path: Path
) -> None:
    place = tmp_path / "kept here" / "token"
    config = spec(login("--store", f"file:{place}"))
    assert config == {
        "token_url": org.url,
        "business_unit_id": "0Uv…",
        "client_id": "3MVG9example",
        "client_secret": {"env": "PARDOT_CLIENT_SECRET"},
        "refresh_token": {"file": str(place)},
    }
    assert place.read_text() == "5Aep861-refresh\n"
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (place, place.parent)]
    assert modes == [0o600, 0o700]
    assert robot.done.wait(10)
    assert robot.status == 200
    assert "Go back to the terminal" in robot.shown


def test_salesforce_is_asked_with_a_proof_a_state_and_the_scopes(org: Org, login: Login) -> None:
    assert login().exception is None
    assert re.fullmatch(r"http://localhost:\d+/callback", org.asked["redirect_uri"])
    assert (org.asked["response_type"], org.asked["code_challenge_method"]) == ("code", "S256")
    assert org.asked["scope"].split() == ["pardot_api", "refresh_token"]
    assert min(len(org.asked["state"]), len(org.asked["code_challenge"])) >= 43
    first = org.asked
    login()
    assert org.asked["state"] != first["state"]
    assert org.asked["code_challenge"] != first["code_challenge"]


def test_without_a_place_the_state_folder_of_the_user_is_taken(login: Login, tmp_path: Path) -> None:
    place = tmp_path / "state" / "lead-engine" / "pardot-refresh-token"
    assert spec(login())["refresh_token"] == {"file": str(place)}
    assert place.read_text() == "5Aep861-refresh\n"


def test_the_token_can_be_kept_in_the_keyring(login: Login) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(Chest())
    try:
        config = spec(login("--store", "keyring:lead-engine/pardot"))
        assert keyring.get_password("lead-engine", "pardot") == "5Aep861-refresh"
    finally:
        keyring.set_keyring(before)
    assert config["refresh_token"] == {"keyring": "lead-engine/pardot"}


def test_what_is_printed_signs_in(org: Org, login: Login) -> None:
    config = spec(login())
    read = Path(config["refresh_token"]["file"]).read_text().strip()
    http = Http(org.url)
    with closing(http):
        given = {**config, "client_secret": SECRET, "refresh_token": read, "business_unit_id": "0Uv000000000001CAA"}
        assert Tokens(given, Context(), http).current() == "access of 5Aep861-refresh"


def test_it_works_with_the_sandbox(login: Login, sandbox: Any, vendors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARDOT_CLIENT_SECRET", "sandbox-secret")
    given = ["--client-id", "sandbox", "--token-url", sandbox.url]
    refresh_token = Path(spec(login(*given))["refresh_token"]["file"]).read_text().strip()
    vendors(sandbox, refresh_token=refresh_token).connect()
    assert [call["status"] for call in sandbox.calls("oauth2/token")] == [200, 200]


def test_no_secret_is_printed(login: Login) -> None:
    said = login()
    assert not re.search(f"{SECRET}|5Aep861|aPrx|00Daccess", said.output)
    assert redact("5Aep861-refresh aPrx-code 00Daccess!token") == "*** *** ***"


@pytest.mark.parametrize(("typed", "sent"), [(f"{SECRET}\n", True), ("\n", False)])
def test_the_secret_is_asked_for_where_the_environment_has_none(
    login: Login, monkeypatch: pytest.MonkeyPatch, typed: str, sent: bool
) -> None:
    monkeypatch.delenv("PARDOT_CLIENT_SECRET")
    said = login(typed=typed)
    assert ("client_secret" in spec(said)) is sent
    assert SECRET not in said.output


def test_the_secret_is_no_option(login: Login) -> None:
    assert login("--client-secret", SECRET).exit_code == 2


def test_the_address_is_printed_for_a_browser_that_people_open(org: Org, robot: Robot, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "engine", "pardot", "login", "--client-id", "3MVG9example", "--no-browser",
               "--token-url", org.url, "--port", "0", "--store", f"file:{tmp_path / 'token'}"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        address = next(line.strip() for line in running.stderr if "/services/oauth2/authorize?" in line)
        robot(address)
        out, _ = running.communicate(timeout=30)
    assert running.returncode == 0
    assert out.startswith("destination:\n")
    assert (tmp_path / "token").read_text() == "5Aep861-refresh\n"


def test_another_state_is_refused_and_nothing_is_exchanged(
    org: Org, login: Login, robot: Robot, tmp_path: Path
) -> None:
    org.answer = {"state": "of-somebody-else"}
    refused = login("--store", f"file:{tmp_path / 'token'}")
    assert isinstance(refused.exception, CredentialsError)
    assert "another state" in str(refused.exception)
    assert robot.done.wait(10)
    assert (robot.status, "Not authorised" in robot.shown) == (400, True)
    assert org.calls("token") == []
    assert not (tmp_path / "token").exists()


def test_a_person_who_refuses_is_told_so(org: Org, login: Login, robot: Robot) -> None:
    org.refuse = "access_denied"
    refused = login()
    assert isinstance(refused.exception, CredentialsError)
    assert "end-user denied authorization" in str(refused.exception)
    assert org.calls("token") == []


def test_a_browser_that_brings_no_code_is_told_of(org: Org, login: Login) -> None:
    org.answer = {"code": ""}
    assert "without a code" in str(login().exception)


def test_what_else_a_browser_asks_for_is_not_taken_for_the_answer(org: Org, login: Login, robot: Robot) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    robot.first = [f"http://127.0.0.1:{port}/favicon.ico"]
    assert login("--port", str(port)).exception is None


@pytest.mark.parametrize("scope", ["pardot_api", "refresh_token", "api"])
def test_an_app_without_the_scopes_is_told_of(org: Org, login: Login, scope: str) -> None:
    org.scope = scope
    refused = login().exception
    assert isinstance(refused, CredentialsError)
    assert refused.where == "--client-id"
    assert "refresh_token" in refused.what if scope == "pardot_api" else "pardot_api" in refused.what


def test_a_wrong_secret_is_named(login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARDOT_CLIENT_SECRET", "another-secret")
    refused = login().exception
    assert isinstance(refused, CredentialsError)
    assert refused.where == "PARDOT_CLIENT_SECRET"
    assert "another-secret" not in str(refused)


def test_a_token_host_that_is_down_can_be_asked_later(org: Org, login: Login) -> None:
    org.add_fault(match="token", status=503)
    assert isinstance(login().exception, VendorUnavailable)


@pytest.mark.parametrize("store", ["token", "file:", "keyring:token", "keyring:/token", "vault:a/b"])
def test_a_place_that_is_none_is_refused_before_anybody_is_sent_away(org: Org, login: Login, store: str) -> None:
    refused = login("--store", store).exception
    assert isinstance(refused, SpecError)
    assert refused.where == "--store"
    assert org.journal == []


def test_a_folder_that_cannot_be_made_is_told_before_anybody_is_sent_away(
    org: Org, login: Login, tmp_path: Path
) -> None:
    (tmp_path / "a file").write_text("")
    refused = login("--store", f"file:{tmp_path / 'a file' / 'token'}").exception
    assert isinstance(refused, EnvironmentFault)
    assert org.journal == []


def test_an_address_that_is_none_is_refused(login: Login) -> None:
    refused = login("--token-url", "http://example.my.salesforce.com").exception
    assert isinstance(refused, SpecError)
    assert refused.where == "--token-url"


def test_a_port_in_use_is_told_of(login: Login) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        refused = login("--port", str(taken.getsockname()[1])).exception
    assert isinstance(refused, EnvironmentFault)
    assert refused.where == "--port"


def test_a_browser_that_does_not_come_back_is_not_waited_for_for_ever(org: Org, capsys: Any) -> None:
    with pytest.raises(EnvironmentFault, match="did not come back"):
        authorize(org.url, "3MVG9example", SECRET, port=0, open_browser=False, patience=0.05)


def test_a_connection_that_says_nothing_does_not_end_the_wait() -> None:
    with listening(0, "the-state") as server:
        silent = socket.create_connection(("127.0.0.1", server.server_port))
        silent.close()
        address = f"http://127.0.0.1:{server.server_port}/callback?code=aPrx&state=the-state"
        thread = threading.Thread(target=Robot(), args=(address,))
        thread.start()
        assert server.wait(10) == "aPrx"
        thread.join(10)


def test_a_path_with_a_quote_is_written_as_yaml() -> None:
    text = advice("https://example.my.salesforce.com", "3MVG9example", "", {"file": "/home/o'neill/token: #1"})
    assert YAML(typ="safe").load(text)["destination"]["config"]["refresh_token"] == {"file": "/home/o'neill/token: #1"}
