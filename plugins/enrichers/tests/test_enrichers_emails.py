"""What `emails` says of an address, and of a domain's mail servers by a name server on this machine."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from engine_enrichers.offline.emails import Emails

from engine.adapters import Context
from engine.errors import SpecError

#: What the name server knows: domain → kind of record → data.
ZONE: dict[str, dict[str, list[str]]] = {
    "brightloom.example": {"MX": ["10 mail.brightloom.example.", "20 backup.brightloom.example."]},
    "nomail.example": {"MX": ["0 ."]},
    "hostonly.example": {"A": ["192.0.2.7"]},
    "sixonly.example": {"AAAA": ["2001:db8::7"]},
    "empty.example": {"TXT": ['"nothing here"']},
    "xn--mller-kva.example": {"MX": ["10 mail.brightloom.example."]},
}


class NameServer:
    """Answers over UDP on the loopback; a domain that begins with `silent` is never answered, `broken` refused."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            if answer := self._answer(query):
                self._socket.sendto(answer.to_wire(), sender)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        domain = question.name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked[domain, kind] += 1
        if domain.startswith("silent"):
            return None
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if domain.startswith("broken"):
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif domain not in ZONE:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif records := ZONE[domain].get(kind):
            answer.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, *records))
        return answer


@pytest.fixture
def server() -> Iterator[NameServer]:
    running = NameServer()
    yield running
    running.close()


def read(email: Any, **config: Any) -> dict[str, Any]:
    answer = Emails(config, Context()).enrich({"email": email}, Emails.provides)
    return {field: finding.value for field, finding in answer.findings.items()}


def checking(server: NameServer, **config: Any) -> Emails:
    return Emails({"check_mx": True, "nameserver": server.address, **config}, Context())


def status(emails: Emails, email: str) -> str | None:
    found = emails.enrich({"email": email}, ["email_status"]).findings
    return found["email_status"].value if found else None


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("jane@brightloom.example", {"email_type": "business"}),
        (" <Jane@Brightloom.Example>, ", {"email_type": "business"}),
        ("jane@müller.example", {"email_type": "business"}),
        ("用户@例子.中国", {"email_type": "business"}),
        ("δοκιμή@παράδειγμα.ελ", {"email_type": "business"}),
        ("Info@brightloom.example", {"email_type": "role"}),
        ("jane@GMAIL.com", {"email_type": "free"}),
        ("jane@mailinator.com", {"email_type": "disposable", "email_status": "wrong_kind"}),
        ("jane", {"email_status": "invalid"}),
        ("jane@", {"email_status": "invalid"}),
        ("jane@brightloom", {"email_status": "invalid"}),
        ("jane..doe@brightloom.example", {"email_status": "invalid"}),
        ("a@b@brightloom.example", {"email_status": "invalid"}),
        ("jane@brightloom.example, joe@brightloom.example", {"email_status": "invalid"}),
        ("n/a", {"email_status": "invalid"}),
    ],
)
def test_kind_and_status(email: str, expected: dict[str, str]) -> None:
    assert read(email) == expected


def test_a_project_says_which_kinds_are_wrong_and_which_domains_are_free() -> None:
    assert read("jane@gmail.com", wrong_kinds=["free"])["email_status"] == "wrong_kind"
    assert read("jane@mailinator.com", wrong_kinds=[]) == {"email_type": "disposable"}
    assert read("jane@campus.example", extra_free_domains=["Campus.example"]) == {"email_type": "free"}


@pytest.mark.parametrize("email", [None, "", " ", 7])
def test_without_an_address_the_step_is_skipped(email: Any) -> None:
    assert Emails({}, Context()).enrich({"email": email}, Emails.provides).outcome == "skipped"


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("brightloom.example", None),
        ("müller.example", None),
        ("hostonly.example", None),
        ("sixonly.example", None),
        ("nomail.example", "invalid"),  # a null MX
        ("empty.example", "invalid"),
        ("unknown.example", "invalid"),
        ("broken.example", None),
        ("silent.example", None),
    ],
)
def test_mail_servers(server: NameServer, domain: str, expected: str | None) -> None:
    assert status(checking(server, mx_timeout=0.2), f"jane@{domain}") == expected


def test_no_name_server_is_asked_unless_that_is_wanted(server: NameServer) -> None:
    assert status(Emails({"nameserver": server.address}, Context()), "jane@unknown.example") is None
    assert Emails.enrich(checking(server), {"email": "jane@unknown.example"}, ["email_type"]).outcome == "hit"
    assert status(checking(server), "not an address") == "invalid"
    assert status(checking(server), "jane@mailinator.com") == "wrong_kind"
    assert not server.asked


def test_a_domain_is_asked_about_once_also_by_several_threads(server: NameServer) -> None:
    emails = checking(server)
    addresses = [f"person{number}@unknown.example" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda address: status(emails, address), addresses)) == {"invalid"}
    assert server.asked == {("unknown.example", "MX"): 1}


def test_a_name_server_that_stays_silent_is_given_up(server: NameServer, caplog: pytest.LogCaptureFixture) -> None:
    emails = checking(server, mx_timeout=0.02)
    with caplog.at_level(logging.WARNING, "engine"):
        assert {status(emails, f"jane@silent{number}.example") for number in range(8)} == {None}
    asked = {domain for domain, _ in server.asked}
    assert len(asked) == 5
    assert status(emails, "jane@unknown.example") is None
    assert [record.getMessage() for record in caplog.records] == [
        "the name server gave no answer 5 times in a row and is asked no more"
    ]


def test_one_silent_domain_after_another_that_is_answered_does_not_count(server: NameServer) -> None:
    emails = checking(server, mx_timeout=0.02)
    for number in range(4):
        status(emails, f"jane@silent{number}.example")
    assert status(emails, "jane@unknown.example") == "invalid"
    for number in range(4, 8):
        status(emails, f"jane@silent{number}.example")
    assert status(emails, "jane@gone.example") == "invalid"


def test_a_name_server_without_an_ip_address_is_a_spec_error() -> None:
    with pytest.raises(SpecError, match="mail servers cannot be looked up"):
        Emails({"check_mx": True, "nameserver": "999.1.1.1:53"}, Context())
