"""Settings that change during a run: read again, written back to where the spec keeps them, held by one at a time."""

from __future__ import annotations

import logging
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import PasswordSetError

from engine.errors import RetryLater, SpecError
from engine.redaction import redact
from engine.settings import NoSecrets, ReferredSecrets, state_folder

#: Adds one to the number in a file, thirty times, reading and writing under the lock.
COUNT = """
import sys, time
from pathlib import Path
from engine.settings import ReferredSecrets

pause = lambda seconds: time.sleep(0.001)
secrets = ReferredSecrets({"token": {"file": sys.argv[1]}}, Path(), where="config", sleep=pause)
for _ in range(30):
    with secrets.lock("token"):
        assert secrets.write("token", str(int(secrets.read("token")) + 1))
"""


class Chest(KeyringBackend):
    """A keyring in memory, by the library's own interface, that can be read-only."""

    priority: ClassVar[float] = 1

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.read_only = False

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.read_only:
            raise PasswordSetError("the keyring is read-only")
        self.entries[service, username] = password


@pytest.fixture
def chest() -> Iterator[Chest]:
    before, made = keyring.get_keyring(), Chest()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home state"))


def secrets(reference: Any, folder: Path = Path(), **settings: Any) -> ReferredSecrets:
    return ReferredSecrets({"token": reference, "name": "plain"}, folder, where="destination.config", **settings)


def test_a_file_is_read_again_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first-value\n")
    path.chmod(0o644)
    kept = secrets({"file": "token"}, tmp_path)
    assert kept.read("token") == "first-value"
    path.write_text("of-another-process\n")
    assert kept.read("token") == "of-another-process"
    assert kept.write("token", "written-back")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("written-back\n", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["token"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("first-value")
    (tmp_path / "token").symlink_to("real")
    assert secrets({"file": "token"}, tmp_path).write("token", "second-value")
    assert (tmp_path / "token").is_symlink()
    assert (tmp_path / "real").read_text() == "second-value\n"


def test_a_keyring_entry_is_read_again_and_set(chest: Chest) -> None:
    keyring.set_password("lead-engine", "token", "first-value")
    kept = secrets({"keyring": "lead-engine/token"})
    assert kept.read("token") == "first-value"
    assert kept.write("token", "written-back")
    assert keyring.get_password("lead-engine", "token") == kept.read("token") == "written-back"


def test_an_environment_variable_is_read_and_cannot_be_written() -> None:
    kept = secrets({"env": "TOKEN"}, environ={"TOKEN": "from-the-environment"})
    assert kept.read("token") == "from-the-environment"
    assert not kept.write("token", "written-back")


@pytest.mark.parametrize("setting", ["name", "nothing"])
def test_what_is_no_reference_is_left_alone(setting: str) -> None:
    kept = secrets({"env": "TOKEN"})
    assert kept.read(setting) is None
    assert not kept.write(setting, "a value")
    with kept.lock(setting):
        assert not state_folder().exists()


def test_a_file_that_is_gone_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"destination\.config\.token: cannot read"):
        secrets({"file": "token"}, tmp_path).read("token")


def test_what_cannot_be_written_says_why_and_shows_no_value(
    tmp_path: Path, chest: Chest, caplog: pytest.LogCaptureFixture
) -> None:
    chest.read_only = True
    with caplog.at_level(logging.WARNING):
        assert not secrets({"keyring": "lead-engine/token"}).write("token", "written-back")
        assert not secrets({"file": "nowhere/token"}, tmp_path).write("token", "written-back")
    assert "the keyring is read-only" in caplog.text
    assert "No such file" in caplog.text
    assert "written-back" not in caplog.text


def test_values_are_known_to_be_secret_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("read-by-the-test")
    kept = secrets({"file": "token"}, tmp_path)
    kept.read("token")
    kept.write("token", "written-by-the-test")
    assert redact("read-by-the-test, written-by-the-test") == "***, ***"


def test_two_processes_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "number"
    path.write_text("0")
    running = [subprocess.Popen([sys.executable, "-c", COUNT, str(path)]) for _ in range(2)]
    assert [each.wait(60) for each in running] == [0, 0]
    assert path.read_text() == "60\n"


@pytest.mark.parametrize("reference", [{"env": "TOKEN"}, {"keyring": "lead-engine/token"}, {"file": "token"}], ids=str)
def test_a_lock_is_waited_for_and_then_given_up(tmp_path: Path, reference: dict[str, str]) -> None:
    waits: list[float] = []
    first, second = secrets(reference, tmp_path), secrets(reference, tmp_path, sleep=waits.append)
    with (
        first.lock("token"),
        pytest.raises(RetryLater, match=r"destination\.config\.token is held"),
        second.lock("token"),
    ):
        pass
    assert sum(waits) == pytest.approx(300)
    with second.lock("token"):
        assert sum(waits) == pytest.approx(300)
    assert all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in tmp_path.rglob("*.lock"))


def test_threads_take_turns_too(tmp_path: Path) -> None:
    waiting, held = threading.Event(), secrets({"env": "TOKEN"})
    done: list[str] = []

    def other() -> None:
        with secrets({"env": "TOKEN"}, sleep=lambda seconds: waiting.set()).lock("token"):
            done.append("second")

    with held.lock("token"):
        thread = threading.Thread(target=other)
        thread.start()
        assert waiting.wait(10)
        done.append("first")
    thread.join(10)
    assert done == ["first", "second"]


def test_where_no_lock_can_be_beside_the_file_it_is_in_the_state_folder(tmp_path: Path) -> None:
    with secrets({"file": "nowhere/token"}, tmp_path).lock("token"):
        assert len(list((state_folder() / "locks").iterdir())) == 1


def test_without_any_place_for_a_lock_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "a file"))
    with caplog.at_level(logging.WARNING), secrets({"file": "nowhere/token"}, tmp_path).lock("token"):
        assert "cannot be locked against other processes" in caplog.text


def test_an_adapter_outside_of_a_spec_can_keep_nothing() -> None:
    none = NoSecrets()
    assert (none.read("token"), none.write("token", "value")) == (None, False)
    with none.lock("token"), none.lock("token"):
        pass


def test_a_run_and_a_doctor_write_a_replaced_refresh_token_back_for_the_next(bench: Any, person: Any) -> None:
    place = bench.folder / "refresh"
    place.write_text("sandbox-refresh")
    box = bench.pardot()
    box.switches["rotate_refresh_token"] = True
    bench.leads([person()])
    spec = bench.spec("pardot", config={"refresh_token": {"file": "refresh"}})
    seen = {"sandbox-refresh"}
    for use in (lambda: bench.run(spec).exit_code, lambda: bench.cli("doctor", spec).code) * 2:
        assert use() == 0
        assert place.read_text() not in seen
        seen.add(place.read_text())


def test_a_doctor_by_the_environment_keeps_on_with_a_token_that_cannot_be_written(
    bench: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    box = bench.pardot()
    box.switches["rotate_refresh_token"] = True
    given = {"base_url": box.url, "token_url": box.url, "business_unit_id": "0Uv000000000001CAA",
             "client_id": "sandbox", "client_secret": "sandbox-secret", "refresh_token": "sandbox-refresh"}  # fmt: skip
    for key, value in given.items():
        monkeypatch.setenv(f"PARDOT_{key}".upper(), value)
    assert bench.cli("doctor", "pardot").code == 0
    assert "cannot be written back" in caplog.text
