"""What the tests of init and convert share: an export with unknown columns, and proposals without the command line."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.authoring.content import content
from engine.authoring.export import country_test, read_export
from engine.authoring.guesses import Guess, guess_columns
from engine.authoring.proposal import Proposal, rows_for, settled, steps_for, with_derived
from engine.plugins import Plugins
from engine.saved_catalog import SavedCatalog

#: 25 columns that no spec has named before, most of them in German or French.
COLUMNS = (
    "Vorname", "Nachname", "Firma", "Geschäftliche E-Mail-Adresse", "Handynr.", "Telefon (Zentrale)", "Straße", "PLZ",
    "Ort", "Land", "Anrede", "Fonction", "Secteur d'activité", "Date de scan", "Scanné par", "N° de badge",
    "Follow up", "Lead-Type", "Einwilligung?", "Budget bis", "Anzahl Mitarbeiter", "Commentaire", "Email sent", "Stand",
    "Interessen",
)  # fmt: skip


def foreign_rows(count: int = 40) -> list[tuple[str, ...]]:
    """Invented rows for COLUMNS, the same at every call."""
    chance = random.Random(7)  # noqa: S311
    return [
        (
            chance.choice(("Jürgen", "Zoë", "Ann", "Émile")), chance.choice(("Müller", "O'Brien", "Dubois", "Quill")),
            chance.choice(("Fernhill Werke", "Gantry SA", "Osprey GmbH")), f"person{number}@fernhill.example",
            f"+49 151 5550{number:03}", f"+49 30 5550{number:03}", f"Hauptstr. {number + 1}", f"{10000 + number * 7}",
            chance.choice(("Berlin", "Lyon", "Oslo")), chance.choice(("Deutschland", "France", "Norway")),
            chance.choice(("Herr", "Frau")), f"Ingénieur {number}", chance.choice(("Énergie", "Eau")),
            f"{number % 27 + 1:02}.05.2026 {number % 9 + 9:02}:30", chance.choice(("Mika", "Noor")),
            f"B{4000 + number}",
            chance.choice(("Yes", "No")), chance.choice(("Hot", "Warm", "Cold", "")), chance.choice(("Ja", "Nein")),
            f"{number % 27 + 1:02}.12.2026", str(chance.choice((12, 300, 5000))),
            chance.choice(("wants a demo", "call me", "", 'said "hi", left')), chance.choice(("yes", "no")),
            chance.choice(("12", "12b")), chance.choice(("Pumpen;Ventile", "Ventile", "")),
        )
        for number in range(count)
    ]  # fmt: skip


def foreign_export(path: Path) -> Path:
    """COLUMNS and their rows as a spreadsheet program of that country writes them."""
    with path.open("w", encoding="cp1252", newline="") as handle:
        csv.writer(handle, delimiter=";").writerows([COLUMNS, *foreign_rows()])
    return path


def guessed(plugins: Plugins, columns: Mapping[str, Sequence[str]]) -> dict[str, Guess]:
    """The guesses for columns with these cells, by column."""
    is_country = country_test(plugins)
    return {guess.column: guess for guess in
            guess_columns({name: content(cells, is_country) for name, cells in columns.items()})}  # fmt: skip


def proposal(
    plugins: Plugins, source: Path, folder: Path, vendor: str = "marketo", catalog: SavedCatalog | None = None
) -> Proposal:
    """What `engine init --yes` makes of an export."""
    export = read_export(source, plugins)
    guesses = guess_columns(export.columns)
    steps = steps_for(guesses, plugins)
    adapter = plugins.vendor(vendor)
    rows = rows_for(with_derived(guesses, steps, ""), adapter, catalog)
    guesses, rows = settled(guesses, rows)
    return Proposal("tried", folder, adapter, export, guesses, rows, steps, catalog=catalog)
