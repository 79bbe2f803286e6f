"""The generated parts of the page on expressions: the lead of its examples, and the table of the filters."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from generate_tables import table

from engine import filters, plugins, records
from engine.expressions import Names, function, parse

#: The lead that the examples of expressions are worked out for.
LEAD: Mapping[str, Any] = {
    "first_name": "ADA",
    "last_name": "lovelace",
    "email": "ada@example.com",
    "company": "Analytical Engines",
    "job_title": "  Chief of Engines ",
    "phone": "+44 20 7946 0000",
    "country": "Norway",
    "notes": "Wants a demo; call in May",
    "badge_id": "1e5",
    "event": "Expo 2026",
    "website": "https://www.engines.example/about",
    "postal_code": "2134",
    "captured_at": "2026-05-12T14:30:00Z",
    "scans": 2,
}
ANSWERS: Mapping[str, Any] = {"Lead Type": "Hot", "Interests": ["Pumps", "Valves"]}

#: The lookup table of the examples.
TABLES: Mapping[str, Mapping[str, str]] = {"regions": {"Norway": "EMEA", "Japan": "APAC"}}

#: One worked example for each filter, or several.
FILTER_EXAMPLES: Mapping[str, Sequence[str]] = {
    "add_days": ["lead.captured_at | date | add_days(30)"],
    "after": ["lead.email | after('@')"],
    "before": ["lead.notes | before(';')"],
    "boolean": ["'Yes' | boolean"],
    "capitalize": ["lead.last_name | capitalize"],
    "coalesce": ["lead.mobile_phone | coalesce(lead.company_phone, lead.phone)"],
    "contains": ["lead.job_title | contains('engine')", "qualifiers['Interests'] | contains('valves')"],
    "country_alpha3": ["lead.country | country_alpha3"],
    "country_code": ["lead.country | country_code", "'Atlantis' | country_code"],
    "country_name": ["'NOR' | country_name"],
    "date": ["'12.05.2026' | date('%d.%m.%Y')", "lead.captured_at | date"],
    "datetime": ["'05/12/2026 2:30 PM' | datetime('%m/%d/%Y %I:%M %p', 'America/New_York')"],
    "default": ["lead.city | default('unknown')", "lead.scans | default(9)"],
    "digits": ["lead.phone | digits"],
    "domain": ["lead.website | domain", "lead.email | domain"],
    "ends_with": ["lead.email | ends_with('@EXAMPLE.COM')"],
    "first": ["qualifiers['Interests'] | first"],
    "first_name": ["'Lovelace, Dr. Ada' | first_name"],
    "float": ["'12.50' | float"],
    "format_date": ["lead.captured_at | format_date('%d %B %Y')"],
    "format_number": ["'1234.5' | format_number(2)", "1234.5 | format_number(2, ',', '.')"],
    "in_zone": ["lead.captured_at | in_zone('Europe/Oslo')"],
    "initials": ["lead.company | initials"],
    "int": ["'007' | int"],
    "join": ["qualifiers['Interests'] | join(', ')"],
    "last": ["qualifiers['Interests'] | last"],
    "last_name": ["'Lovelace, Dr. Ada' | last_name"],
    "length": ["lead.badge_id | length", "qualifiers['Interests'] | length"],
    "lookup": ["lead.country | lookup('regions')", "'Chile' | lookup('regions', 'Other')"],
    "lower": ["lead.first_name | lower"],
    "md5": ["lead.email | trim | lower | md5"],
    "number": ["'1.234,50' | number(',', '.')", "'1,200' | number(thousands=',')"],
    "pad": ["lead.postal_code | pad(5)"],
    "phone": ["'020 7946 0000' | phone('GB')", "'22 12 34 56' | phone(lead.country)"],
    "phone_format": ["'+442079460000' | phone_format('national')", "'+442079460000' | phone_format('international')"],
    "replace": ["lead.event | replace('Expo', 'Exhibition')"],
    "round": ["2.675 | round(2)", "'2.5' | round"],
    "sha1": ["lead.email | trim | lower | sha1"],
    "sha256": ["lead.email | trim | lower | sha256"],
    "split": ["lead.notes | split(';')"],
    "squeeze": ["lead.job_title | squeeze"],
    "starts_with": ["lead.phone | starts_with('+44')"],
    "string": ["qualifiers['Interests'] | string"],
    "title": ["lead.first_name | title"],
    "trim": ["lead.job_title | trim"],
    "truncate": ["lead.company | truncate(10)", "lead.notes | truncate(12, '…')"],
    "truncate_bytes": ["'Ærø' | truncate_bytes(4)"],
    "unique": ["['Pumps', 'Valves', 'Pumps'] | unique"],
    "upper": ["lead.last_name | upper"],
    "without_accents": ["'Åse Müller' | without_accents"],
}


@cache
def shipped_filters() -> Mapping[str, Callable[..., Any]]:
    """The filters of the engine and the first-party plugins."""
    return plugins.load().filters


def evaluate(expression: str) -> Any:
    """The value of an expression for the lead of the examples."""
    tables = {name: {filters.fold(key): value for key, value in rows.items()} for name, rows in TABLES.items()}
    names = Names((*records.LEAD_FIELDS, *records.DERIVED_FIELDS), ANSWERS, shipped_filters(), tables)
    return function(parse(expression, names), names)(LEAD, ANSWERS)


def shown(value: Any) -> str:
    """A value as the pages show it: text in quotes, everything else as JSON."""
    return json.dumps(value, ensure_ascii=False)


def filter_table() -> Iterator[str]:
    found = []
    for name, call in sorted(shipped_filters().items()):
        arguments = list(inspect.signature(call).parameters.values())[1:]
        given = ", ".join(_argument(item) for item in arguments)
        label = f"`{name}({given})`" if given else f"`{name}`"
        for number, example in enumerate(FILTER_EXAMPLES[name]):
            meaning = " ".join(inspect.cleandoc(call.__doc__ or "").split()) if not number else ""
            found.append((label if not number else "", meaning, f"`{example}`", f"`{shown(evaluate(example))}`"))
    yield from table(("filter", "gives", "example", "result"), found)


def _argument(item: inspect.Parameter) -> str:
    if item.kind is item.VAR_POSITIONAL:
        return f"{item.name}…"
    return item.name if item.default is item.empty else f"{item.name}={item.default!r}"


def lead_block() -> Iterator[str]:
    yield from ("```yaml", "lead:")
    yield from (f"  {name}: {shown(value)}" for name, value in LEAD.items())
    yield "qualifiers:"
    yield from (f"  {name}: {shown(value)}" for name, value in ANSWERS.items())
    yield from ("```", "", "The lookup table `regions` of the examples:", "", "```csv", "Country,Region")
    yield from (f"{key},{value}" for key, value in TABLES["regions"].items())
    yield "```"


PARTS: Mapping[str, Callable[[], Iterator[str]]] = {"example-lead": lead_block, "filters": filter_table}
