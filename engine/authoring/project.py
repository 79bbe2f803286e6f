"""The files of a first integration: what each holds, which are in the way, and writing them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine import saved_catalog
from engine.authoring.invented import sample_rows, samples_text
from engine.authoring.proposal import Proposal
from engine.authoring.settings import destination_settings, env_lines
from engine.authoring.words import plain
from engine.authoring.writing import integration_text
from engine.errors import SpecError
from engine.files import replace_text

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_IGNORED = (".env", ".engine/")


def name_of(text: str) -> str:
    """The name of an integration: as it is given, or without `.yaml`. Raises SpecError where it cannot be one."""
    name = text.removesuffix(".yaml").removesuffix(".yml")
    if not _NAME.fullmatch(name) or name.endswith(".samples"):
        raise SpecError(
            f"{text!r} is no name for an integration",
            why="it has small letters, digits, _ . and -, 64 at most, and does not end in .samples",
            fix=f"For example: {slug(text)}.",
        )
    return name


def slug(text: str) -> str:
    """A name for an integration that resembles a text."""
    return plain(text).encode("ascii", "ignore").decode().strip().replace(" ", "-")[:48].strip("-") or "leads"


def refuse_overwriting(folder: Path, name: str) -> None:
    """Raise SpecError where files of an integration of this name are in the folder already, naming them."""
    there = [path for path in _own(folder, name) if path.exists()]
    if there:
        raise SpecError(
            f"{', '.join(map(str, there))}: {'this is' if len(there) == 1 else 'these are'} here already",
            why="nothing is overwritten without being asked to, and nothing was written",
            fix="Give another NAME, or --force to overwrite.",
        )


def write_project(proposal: Proposal) -> list[Path]:
    """Write all files of a proposal, over those that are there, and return them. Raises OSError.

    `.env.example` and `.gitignore`, which others may share, are only added to.
    """
    proposal.folder.mkdir(parents=True, exist_ok=True)
    made = texts(proposal)
    added = {path: text for path, text in _added(proposal).items() if text != _text(path)}
    for path, text in {**made, **added}.items():
        replace_text(path, text)
    *_, catalog = _own(proposal.folder, proposal.name)
    if proposal.catalog is not None:
        saved_catalog.save(catalog, proposal.catalog)
    return [*made, *([catalog] if proposal.catalog is not None else []), *added]


def _own(folder: Path, name: str) -> Sequence[Path]:
    """The integration, its samples and its saved catalog."""
    return [folder / f"{name}{ending}" for ending in (".yaml", ".samples.yaml", ".catalog.json")]


def texts(proposal: Proposal) -> dict[Path, str]:
    """The files that are a proposal's own, with what they hold."""
    spec, samples, _ = _own(proposal.folder, proposal.name)
    made = {spec: integration_text(proposal)}
    if sample_rows(proposal):
        made[samples] = samples_text(proposal)
    return made


def _added(proposal: Proposal) -> Mapping[Path, str]:
    """The files that several integrations share, with what is added to what they hold."""
    environment, ignored = proposal.folder / ".env.example", proposal.folder / ".gitignore"
    known, rules = _text(environment), _text(ignored)
    lines = [*env_lines(destination_settings(proposal.vendor), known)]
    missing = [rule for rule in _IGNORED if rule not in rules.splitlines()]
    return {environment: _joined(known, lines), ignored: _joined(rules, missing)}


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


def _joined(text: str, lines: Sequence[str]) -> str:
    before = text if not text or text.endswith("\n") else f"{text}\n"
    return before + "".join(f"{line}\n" for line in lines)
