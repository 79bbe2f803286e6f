"""Messages by email: to a real mail server on loopback, with and without encryption, and what it may refuse."""

from __future__ import annotations

import email
import email.message
import email.policy
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from engine import specs
from engine.errors import RetryLater
from engine.notify import mail
from engine.notify.message import Message
from engine.run import Run
from engine.state import Store
from tests.certificates import Authority
from tests.unit_helpers import Shelf, shelf_plugins, write_csv, write_spec

AT = 1_778_500_000.0
MESSAGE = Message("expo: 2 leads failed", "- 2 × UNKNOWN: Größe.\n" + "fix " * 400, {"at": AT}, "expo.ops.2")
Start = Callable[..., "Mailbox"]


class Mailbox:
    """A mail server that keeps what it is given, but for recipients whose address begins with `nobody`."""

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []
        self.recipients: list[str] = []
        self.port = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(parsed, email.message.EmailMessage)
        self.mails.append(parsed)
        self.recipients += envelope.rcpt_tos
        return "250 OK"


class OnAFreePort(Controller):
    """The library's server, which would call itself at port 0 to see whether it is there."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a mail server on a free port of loopback."""
    with ExitStack() as stack:

        def started(**settings: Any) -> Mailbox:
            box = Mailbox()
            controller = OnAFreePort(box, hostname="127.0.0.1", port=0, **settings)
            controller.start()
            stack.callback(controller.stop)
            box.port = controller.port
            return box

        yield started


def config(box: Mailbox, **changes: Any) -> Mapping[str, Any]:
    given = {"to": ["ops@example.com", "Lead Desk <desk@example.com>"], "from": "Lead Engine <leads@example.com>",
             "host": "127.0.0.1", "port": box.port, "security": "none"}  # fmt: skip
    return given | changes


def signed_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"leads", b"hushhush-pass")
    return AuthResult(success=right, handled=False)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this machine trusts."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file()))
    return made


def test_a_run_tells_by_email(start: Start, tmp_path: Path) -> None:
    Shelf.shelves.clear()
    box = start()
    rule = {"name": "desk", "send": "weekly", "email": config(box)}
    path = write_spec(tmp_path, notify=[rule], required=["last_name"])
    write_csv(tmp_path / "leads.csv", [("Ada", "Quill", "Fernhill", "refused@f.example")])
    with Store(tmp_path / "state.db") as store:
        summary = Run(specs.load(path), store, shelf_plugins(), now=lambda: AT).go()
    assert not any(note.startswith("notify") for note in summary.notes)
    (mail_,) = box.mails
    assert box.recipients == ["ops@example.com", "desk@example.com"]
    assert (mail_["subject"], mail_["from"]) == ("expo: 1 lead failed", "Lead Engine <leads@example.com>")
    assert mail_["to"] == "ops@example.com, Lead Desk <desk@example.com>"
    assert mail_["date"] == "Mon, 11 May 2026 11:46:40 +0000"
    assert mail_["auto-submitted"] == "auto-generated", "no holiday notice comes back"
    text = mail_.get_content()
    assert "- 1 × UNKNOWN: The vendor answered" in text and "refused@" not in text


def test_long_lines_and_any_letters_arrive_as_they_are_and_the_same_message_has_one_id(start: Start) -> None:
    box = start()
    assert mail.send(MESSAGE, config(box)) == []
    mail.send(MESSAGE, config(box))
    first, second = box.mails
    assert first.get_content().splitlines() == MESSAGE.text.splitlines()
    assert first["message-id"] == second["message-id"] and first["message-id"].endswith("@example.com>")


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_the_connection_is_encrypted_and_the_password_goes_through_it_alone(
    start: Start, authority: Authority, security: str
) -> None:
    context = authority.certified("127.0.0.1")
    if security == "starttls":
        box = start(tls_context=context, require_starttls=True, authenticator=signed_in, auth_required=True)
    else:
        box = start(ssl_context=context, auth_require_tls=False, authenticator=signed_in)
    given = config(box, security=security, username="leads", password="hushhush-pass")
    assert mail.send(MESSAGE, given) == []
    assert len(box.mails) == 1
    with pytest.raises(RetryLater, match="535") as caught:
        mail.send(MESSAGE, {**given, "password": "hushhush-wrong"})
    assert "hushhush" not in str(caught.value)


def test_a_server_that_cannot_prove_its_name_gets_nothing(start: Start, tmp_path: Path, authority: Authority) -> None:
    box = start(tls_context=authority.certified("mail.example.com"), require_starttls=True)
    with pytest.raises(RetryLater, match="certificate verify failed"):
        mail.send(MESSAGE, config(box, security="starttls", username="leads", password="hushhush-pass"))
    plain = start()
    with pytest.raises(RetryLater, match="STARTTLS"):
        mail.send(MESSAGE, config(plain, security="starttls"))
    assert box.mails == plain.mails == []


def test_who_is_refused_is_told_and_the_others_have_their_mail(start: Start) -> None:
    box = start()
    assert mail.send(MESSAGE, config(box, to=["nobody@example.com", "ops@example.com"])) == ["nobody@example.com"]
    assert box.recipients == ["ops@example.com"]
    with pytest.raises(RetryLater, match="every recipient was refused"):
        mail.send(MESSAGE, config(box, to=["nobody@example.com"]))


def test_a_server_that_is_not_there_is_told_with_its_address(start: Start) -> None:
    with pytest.raises(RetryLater, match=r"127\.0\.0\.1:9 did not take it"):
        mail.send(MESSAGE, config(start(), port=9))
    with pytest.raises(RetryLater, match="did not take it"):
        mail.send(MESSAGE, config(start(), host="a..b"))


def test_a_subject_cannot_smuggle_in_headers(start: Start) -> None:
    box = start()
    mail.send(Message("expo\r\nBcc: all@example.com", "text", {"at": AT}, "k"), config(box))
    (sent,) = box.mails
    assert (sent["subject"], sent["bcc"]) == ("expo Bcc: all@example.com", None)
