"""Reads the word lists in `data/`: lines of "kind: name, name", or of names parted by spaces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources


def lines(file: str) -> Iterator[str]:
    """The lines of a data file, without comments and empty ones."""
    text = resources.files(__package__).joinpath("data", file).read_text("utf-8")
    return (line for line in text.splitlines() if line and not line.startswith("#"))


def entries(file: str) -> Iterator[tuple[str, list[str]]]:
    """Each line "head: name, name" as its head and names."""
    for line in lines(file):
        head, _, rest = line.partition(":")
        yield head.strip(), [name.strip() for name in rest.split(",")]


def listed(file: str, kind: str) -> frozenset[str]:
    """The words of one kind, from lines "kind: word word"."""
    return _words(file).get(kind, frozenset())


@lru_cache(maxsize=16)
def _words(file: str) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for line in lines(file):
        kind, _, rest = line.partition(":")
        found[kind] |= set(rest.split())
    return {kind: frozenset(words) for kind, words in found.items()}
