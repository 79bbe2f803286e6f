"""All that a first integration is made of: what the columns are, and where each goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.adapters import Vendor
from engine.authoring.content import Content
from engine.authoring.export import Export
from engine.authoring.guesses import Guess, with_own_names
from engine.authoring.rows import Row, propose
from engine.columns import recognise
from engine.plugins import Plugins
from engine.saved_catalog import SavedCatalog

_NAME = ("first_name", "last_name")
#: Lead fields without which a capture waits to be completed, as far as an export has them.
_REQUIRED = ("first_name", "last_name", "company")


@dataclass(frozen=True)
class Proposal:
    """A first integration. folder: where its files go. region: of phone numbers without a prefix, may be empty."""

    name: str
    folder: Path
    vendor: type[Vendor]
    export: Export
    guesses: Sequence[Guess]
    rows: Sequence[Row]
    steps: Sequence[str]
    event: str = ""
    region: str = ""
    catalog: SavedCatalog | None = None

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.yaml"

    @property
    def fields(self) -> list[Guess]:
        """The columns that fill a field of the lead, sure enough."""
        return [guess for guess in self.guesses if guess.use in ("field", "own") and guess.taken]

    @property
    def qualifiers(self) -> list[Row]:
        """The questions whose answers are written somewhere."""
        return [row for row in self.rows if row.guess.use == "qualifier" and row.target]

    @property
    def required(self) -> list[str]:
        known = {guess.field for guess in self.fields}
        return [name for name in _REQUIRED if name in known]

    def has(self, field: str) -> bool:
        return any(guess.field == field for guess in self.fields)


def steps_for(guesses: Iterable[Guess], plugins: Plugins) -> list[str]:
    """The enrichers that cost nothing and help with these columns, in their order."""
    known = {guess.field for guess in guesses if guess.taken}
    wanted = ["normalize"]
    if "full_name" in known and not {*_NAME} <= known:
        wanted.append("names")
    if "email" in known or "website" in known:
        wanted.append("email_domain")
    return [name for name in wanted if name in plugins.enrichers]


def with_derived(guesses: Sequence[Guess], steps: Sequence[str], event: str) -> list[Guess]:
    """The guesses, and fields that the lead has from elsewhere: the event that is named, enrichment, the scans."""
    known = {guess.field for guess in guesses if guess.taken}
    text = Content("text", 1.0, 1)
    extra = [("email", "enrichment has to find it", Content())]
    if event:
        extra.append(("event", "the event of the source", text))
    if "names" in steps:
        extra += [(name, "of the whole name", text) for name in _NAME]
    if "email_domain" in steps:
        extra.append(("company_domain", "of the address", Content("url", 1.0, 1)))
    extra.append(("scans", "how often the badge was scanned", Content("integer", 1.0, 1)))
    derived = [Guess("", "field", content, field, 1.0, reason, derived=True) for field, reason, content in extra
               if field not in known]  # fmt: skip
    return [*guesses, *derived]


def rows_for(guesses: Sequence[Guess], vendor: type[Vendor], catalog: SavedCatalog | None) -> list[Row]:
    """The rows of the mapping; what the lead has from elsewhere is left out where the vendor has no field for it."""
    rows = propose(guesses, vendor, catalog.fields if catalog else None)
    if "email" in vendor.keys and all(row.target != "email" for row in rows):
        rows = [replace(row, target="email", confidence=1.0) if row.guess.field == "email" else row for row in rows]
    return [row for row in rows if row.target or not row.guess.derived]


def settled(guesses: Sequence[Guess], rows: Sequence[Row]) -> tuple[list[Guess], list[Row]]:
    """Guesses and rows that a run reads as they are meant.

    A column that is not listed is recognised by its name when leads are captured; where that is not meant, the column
    becomes an own field, which goes nowhere.
    """
    unused = {row.guess.column for row in rows if row.guess.use == "qualifier" and not row.target}
    made: list[Guess] = []
    for guess in guesses:
        listed = guess.use != "out" and guess.taken and not (guess.use == "qualifier" and guess.column in unused)
        if listed or recognise(guess.column) is None:
            made.append(guess)
        else:
            made.append(replace(guess, use="own", field="", confidence=1.0, reason="not what its name says"))
    named = with_own_names(made)
    now = {guess.column: guess for guess in named if not guess.derived}
    kept = []
    for row in rows:
        guess = row.guess if row.guess.derived else now[row.guess.column]
        changed = guess.use != row.guess.use
        kept.append(Row(guess, value=f"lead.{guess.field}", candidates=row.candidates) if changed else row)
    return named, kept
