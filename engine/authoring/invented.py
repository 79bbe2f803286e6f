"""Invented people in the shape of an export's columns, as samples for `engine test`. Nothing in them is of the export,
but for the answers to questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.authoring.guesses import Guess
from engine.authoring.proposal import Proposal
from engine.authoring.writing import schema_line
from engine.authoring.yaml_text import comment, line, scalar

_MOMENT = datetime(2026, 5, 12, 9, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Person:
    first: str
    last: str
    mailbox: str
    company: str = "Fernhill Works"
    city: str = "Oslo"


_ADA = _Person("Ada", "Quill", "ada.quill")
_BO = _Person("Bo", "Reed", "bo.reed", "Gantry")
_ZOE = _Person("Zoë", "Łuczak 東", "zoe.luczak", "Blåfjell & Søn", "Málaga")


def samples_text(proposal: Proposal) -> str:
    """The samples file of a proposal as YAML."""
    return "\n".join([
        *schema_line(proposal, "samples"),
        comment(0, f"Invented leads for {proposal.path.name}: `engine test` shows what would be sent of each."),
        "version: 1",
        "samples:",
        *(text for name, row in sample_rows(proposal).items() for text in _sample(name, row)),
    ]) + "\n"  # fmt: skip


def sample_rows(proposal: Proposal) -> dict[str, dict[str, str]]:
    """Cells by column, by the name of the sample: a whole lead, a sparse one, one not in ASCII, and each answer."""
    columns = proposal.fields
    sparse = {"email", *proposal.required}
    answers = {row.guess.column: row.guess.content for row in proposal.qualifiers}
    rows = {
        "complete": {guess.column: _cell(guess, _ADA, proposal) for guess in columns},
        "sparse": {guess.column: _cell(guess, _BO, proposal) for guess in columns if guess.field in sparse},
        "not-ascii": {guess.column: _cell(guess, _ZOE, proposal) for guess in columns},
    }
    for column, content in answers.items():
        between = f"{content.separator} " if content.separator else ""
        rows["complete"][column] = between.join(content.answers[: 2 if between else 1])
    for number in range(max((len(content.answers) for content in answers.values()), default=0)):
        given = {
            column: content.answers[number] for column, content in answers.items() if number < len(content.answers)
        }
        rows[f"answer {number + 1}"] = {**rows["sparse"], **given}
    return {name: given for name, row in rows.items() if (given := {key: cell for key, cell in row.items() if cell})}


def _sample(name: str, row: Mapping[str, str]) -> Iterator[str]:
    yield line(2, name, "").rstrip()
    yield "    row:"
    for column, cell in row.items():
        yield line(6, column, scalar(cell))


def _cell(guess: Guess, person: _Person, proposal: Proposal) -> str:
    content = guess.content
    if content.kind in ("date", "datetime"):
        return _MOMENT.strftime(content.forms[0] if content.forms else _iso(content.kind == "datetime"))
    whole = f"{person.first} {person.last}"
    address = f"{person.mailbox}@fernhill.example"
    by_field = {
        "first_name": person.first, "last_name": person.last, "full_name": whole, "email": address,
        "phone": "+44 20 7946 0000", "mobile_phone": "+44 7700 900123", "company_phone": "+44 20 7946 0001",
        "job_title": "Head of Pumps", "company": person.company, "company_domain": "fernhill.example",
        "company_size": "250", "company_revenue": "1000000", "company_founded": "1998", "website":
        "https://www.fernhill.example", "linkedin_url": f"https://profiles.example/in/{person.mailbox}",
        "address": "1 Mill Road", "city": person.city, "postal_code": "12345", "country": "Norway",
        "country_code": "NO", "industry": "Water", "notes": "wants a demo", "badge_id": "1001", "salutation": "Dr",
        "event": proposal.event or "Expo 2026", "captured_at": _MOMENT.isoformat(), "remote_id": "77",
        "captured_by": "mika@ourteam.example",
    }  # fmt: skip
    by_kind = {
        "integer": "7", "decimal": "7.5", "phone": "+44 20 7946 0002", "email": address, "code": "A1001",
        "url": "https://www.fernhill.example", "linkedin": "https://profiles.example/in/somebody", "yes_no":
        next(iter(content.answers), "yes"), "country": "Norway", "postal": "12345", "person": whole, "salutation": "Dr",
        "long": "A longer text, as somebody wrote it down at the booth.",
    }  # fmt: skip
    return by_field.get(guess.field) or by_kind.get(content.kind, "sample")


def _iso(timed: bool) -> str:
    return "%Y-%m-%dT%H:%M:%SZ" if timed else "%Y-%m-%d"
