"""Every command line of the documentation is typed, block by block, in a folder that has what it names."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from engine.cli import main
from tests.docs_workspace import Workspace
from tests.test_docs import _BLOCK, PAGES, blocks, named

#: Words of the pages that stand for something, and what they stand for here.
STANDS_FOR = {
    "LEAD": "ada@example.com", "CODE": "NO_TAG_MAPPING", "SPEC": "expo.yaml", "FILE": "expo.yaml", "KIND": "mapping",
    "NAME": "hunter_email_finder", "FOLDER": "schemas", "SECONDS": "1", "INTEGRATION": "expo.yaml",
    "email=ADDRESS": "email=ada@example.com", "field=value": "company=Brightloom", "PATH": "expo.yaml",
    "YOUR-SPEC.yaml": "expo.yaml", "VENDOR": "marketo", "COMMAND": "status", "[SOURCE]": "leads.csv",
}  # fmt: skip
SOURCE = " expo.yaml leads.csv"
#: Commands that other tests type: they need a plugin that a page makes, a browser, or the files of a worked example.
ELSEWHERE = re.compile(
    r"acme|pardot login|engine provider (try|check)|--spec FILE|--save FILE|--plan FILE|--lead |^engine demo"
)
#: Pages that are read, and typed, from their beginning to their end.
ONE_SESSION = ("tutorial.md",)
#: What is said to a command that leaves out what it needs.
SPOKEN_OF = re.compile(r"Missing argument|Error: name |there is no terminal")
#: Commands that go on until somebody ends them.
STAYS = re.compile(r"engine (sandbox|serve) ")


def _sessions() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The shell blocks and the whole commands in the text of each page, as far as they have a line that is new."""
    seen: set[str] = set()
    for page in PAGES:
        told = [
            tuple(_clean(line) for line in block.splitlines() if re.match(r"\s*(\$ )?engine [a-z-]", line))
            for block in blocks(page, "sh", "bash", "console")
        ]
        if page.name in ONE_SESSION:
            told = [tuple(line for lines in told for line in lines)]
        told += [(_clean(span),) for span in re.findall(r"`(engine [^`]+)`", _BLOCK.sub("", page.read_text("utf-8")))]
        for number, lines in enumerate(told):
            kept = tuple(line for line in lines if not ELSEWHERE.search(line))
            if not seen.issuperset(kept):
                seen.update(kept)
                yield f"{named(page)}:{number}", kept


def _clean(line: str) -> str:
    return " ".join(re.sub(r"\s#.*$", "", line.strip().removeprefix("$ ")).split())


SESSIONS = list(_sessions())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        found = Workspace(tmp_path_factory.mktemp("docs"), stack)
        found.run(found.environment, patch)
        yield found


def typed(line: str) -> tuple[int, str]:
    """The exit code of a command, and all that it prints."""
    said, code, before = io.StringIO(), 0, sys.argv
    sys.argv = ["engine", *(STANDS_FOR.get(word, word) for word in shlex.split(line.replace(" SPEC FILE", SOURCE))[1:])]
    try:
        with redirect_stdout(said), redirect_stderr(said):
            main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.argv = before
    return code, said.getvalue()


@pytest.mark.parametrize(("where", "lines"), SESSIONS, ids=[where for where, _ in SESSIONS])
def test_the_commands_of_a_block_do_what_is_said(
    where: str, lines: tuple[str, ...], workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed one after the other; where the lines of a block are alternatives, each in a folder of its own."""
    monkeypatch.delenv("ENGINE_STATE", raising=False)
    for name, value in workspace.environment.items():
        monkeypatch.setenv(name, value)
    held = any("engine release" in line for line in lines)
    for number, line in enumerate(lines):
        if STAYS.match(line):
            continue
        said = ""
        for folder in dict.fromkeys([tmp_path / "all", tmp_path / str(number)]):
            monkeypatch.chdir(folder if folder.exists() else workspace.copy(folder, held=held))
            code, said = typed(line)
            if code in (0, 1):
                break
        else:
            # A command in the text may leave out what it needs: then it is only spoken of.
            assert len(lines) == 1 and SPOKEN_OF.search(said), f"{where}: {line}\n{said}"
        assert "Traceback" not in said


SANDBOXES = sorted({line for _, lines in SESSIONS for line in lines if STAYS.match(line)})


@pytest.mark.parametrize("line", SANDBOXES)
def test_a_server_of_the_pages_starts_and_ends(line: str, workspace: Workspace, tmp_path: Path) -> None:
    words = [STANDS_FOR.get(word, word) for word in shlex.split(line)[1:]]
    environment = {**os.environ, **workspace.environment}
    with subprocess.Popen([sys.executable, "-m", "engine", *words], cwd=workspace.copy(tmp_path / "w", held=False),
                          env=environment, stdout=subprocess.PIPE, text=True) as process:  # fmt: skip
        assert process.stdout is not None
        assert " at http" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def test_there_are_many_and_none_is_lost() -> None:
    assert len({line for _, lines in SESSIONS for line in lines}) > 150
