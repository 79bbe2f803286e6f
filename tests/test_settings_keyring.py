"""Settings that are kept in the keyring: read by service and name, never shown, and missed with advice."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked

from engine import check, plugins, specs
from engine.errors import Place, SpecError
from engine.redaction import redact
from engine.settings import resolve
from tests.unit_helpers import write_spec


class Memory(KeyringBackend):
    """A keyring in memory, by the library's own interface."""

    priority: ClassVar[float] = 1

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("the keyring is locked")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


@pytest.fixture
def backend() -> Iterator[Memory]:
    before, memory = keyring.get_keyring(), Memory()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


def read(reference: Any, folder: Path = Path()) -> dict[str, Any]:
    return resolve(
        {"token": reference}, ("token",), folder, where="destination.config", place=lambda at: Place("expo.yaml", 7, 3)
    )


@pytest.mark.parametrize(
    ("entry", "service", "name"),
    [
        ("lead-engine/token", "lead-engine", "token"),
        ("https://acme.example/v1/me", "https://acme.example/v1", "me"),
    ],
)
def test_a_setting_is_read_from_the_keyring(backend: Memory, entry: str, service: str, name: str) -> None:
    keyring.set_password(service, name, "s3cret from the keyring")
    assert read({"keyring": entry}) == {"token": "s3cret from the keyring"}


def test_what_came_from_a_keyring_is_never_shown_whatever_the_setting(backend: Memory) -> None:
    keyring.set_password("lead-engine", "tenant", "tenant-4711-x")
    found = resolve({"tenant": {"keyring": "lead-engine/tenant"}}, (), Path(), where="source.config")
    assert found == {"tenant": "tenant-4711-x"}
    assert redact("no access to tenant-4711-x here") == "no access to *** here"


@pytest.mark.parametrize(
    ("entry", "said", "fix"),
    [
        ("lead-engine/nobody", "no entry 'nobody' of the service 'lead-engine'", "keyring set lead-engine nobody"),
        ("lead-engine/empty", "no entry 'empty'", "keyring set lead-engine empty"),
        ("token", "'token' names no keyring entry", "{keyring: SERVICE/NAME}"),
        ("/token", "names no keyring entry", "{keyring: SERVICE/NAME}"),
        ("lead-engine/", "names no keyring entry", "{keyring: SERVICE/NAME}"),
    ],
)
def test_an_entry_that_is_not_there_names_the_setting(backend: Memory, entry: str, said: str, fix: str) -> None:
    keyring.set_password("lead-engine", "empty", "")
    with pytest.raises(SpecError, match=said) as caught:
        read({"keyring": entry})
    assert caught.value.what.startswith("destination.config.token: ")
    assert (caught.value.where, fix in caught.value.fix) == (Place("expo.yaml", 7, 3), True)


def test_a_locked_keyring_says_so(backend: Memory) -> None:
    backend.locked = True
    with pytest.raises(SpecError, match=r"destination\.config\.token: the keyring cannot be read: .*locked") as caught:
        read({"keyring": "lead-engine/token"})
    assert "Unlock it" in caught.value.fix


def test_a_machine_without_a_keyring_says_what_to_do(backend: Memory) -> None:
    keyring.set_keyring(NoKeyring())
    with pytest.raises(SpecError, match=r"destination\.config\.token: this machine has no keyring") as caught:
        read({"keyring": "lead-engine/token"})
    assert "in the environment" in caught.value.fix


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SpecError, match=r"destination\.config\.token: .* is not installed") as caught:
        read({"keyring": "lead-engine/token"})
    assert "lead-engine[keyring]" in caught.value.fix


def test_check_takes_it_as_a_reference_and_a_secret_in_the_clear_is_told_of_it(tmp_path: Path) -> None:
    given = {"base_url": "https://pi.example.com", "token_url": "https://login.example.com",
             "business_unit_id": "0Uv000000000001", "client_id": "client"}  # fmt: skip
    loaded = plugins.load()

    def problems(secret: Any) -> list[SpecError]:
        changed = write_spec(tmp_path, destination={"use": "pardot", "config": {**given, "client_secret": secret}})
        return [found for found in check.check(specs.load(changed), loaded) if "client_secret" in str(found)]

    assert problems({"keyring": "lead-engine/pardot"}) == []
    [found] = problems("in the clear")
    assert "{keyring: lead-engine/client_secret}" in found.fix
