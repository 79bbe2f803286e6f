"""Invented leads by the hundred thousand, for measuring."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

COLUMNS = ["First Name", "Last Name", "Email", "Company", "Job Title", "Phone", "Mobile", "Address", "City", "State",
           "Zip", "Country", "Website", "Industry", "Department", "LinkedIn", "Notes", "Badge #", "Event", "Scan Time",
           "Scanned by", "Lead Type", "Booth", "Budget", "Headcount"]  # fmt: skip
_TITLES = ("Head of Marketing", "CTO", "Buyer", "Plant Manager", "Engineer")
_CITIES = (("Portland", "OR", "97201"), ("Bergen", "", "5003"), ("Leipzig", "", "04109"), ("Osaka", "", "530-0001"))


def row(number: int) -> list[str]:
    """One row; every number is another person."""
    first, last = f"Ada{number % 997}", f"Lindqvist{number % 4999}"
    city, state, zip_code = _CITIES[number % 4]
    return [
        first, last, f"{first}.{last}.{number}@company{number % 20_000}.example".lower(),
        f"Company {number % 20_000}", _TITLES[number % 5], f"+1415555{number % 10_000:04d}",
        f"+4790{number % 1_000_000:06d}", f"{number} Harbour Road", city, state, zip_code, "Norway",
        f"https://company{number % 20_000}.example", "Manufacturing", "Operations",
        f"https://www.linkedin.com/in/ada-{number}", "wants a demo and a call in May", f"{number:08d}", "Expo 2026",
        "2026-11-10T09:00:00Z", "booth-team", ("Hot", "Warm", "Cold")[number % 3], f"{number % 40}",
        f"{number % 90_000}", f"{number % 5_000}",
    ]  # fmt: skip


#: The columns of a usual scanner export, as in specs/demo.
USUAL = ("Badge #", "First Name", "Last Name", "Company", "Job Title", "Email", "Phone", "Country", "Event",
         "Scan Time", "Lead Type", "Notes", "Booth")  # fmt: skip


def write(path: Path, count: int, columns: Sequence[str] = COLUMNS) -> Path:
    """Write a CSV of `count` leads with these columns."""
    places = [COLUMNS.index(column) for column in columns]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for number in range(count):
            cells = row(number)
            writer.writerow([cells[place] for place in places])
    return path


FIELDS = """
    email: lead.email
    firstName: lead.first_name | title
    lastName: lead.last_name | title
    company: lead.company
    title: lead.job_title | truncate(255)
    phone: lead.phone
    mobilePhone: lead.mobile_phone
    address: lead.address
    city: lead.city
    state: lead.state
    postalCode: lead.postal_code
    country: lead.country
    website: lead.website | lower
    industry: lead.industry
    department: lead.department
    linkedInUrl: lead.linkedin_url
    boothNotes: lead.notes
    badgeId: lead.badge_id
    lastEvent: lead.event
    capturedAt: {value: lead.captured_at, type: datetime}
    capturedBy: lead.captured_by
    leadSource: "'Event: ' ~ lead.event"
    rating: "'A' if lead.lead_type == 'Hot' else 'B'"
    companySize: lead.headcount
    eventScore: {value: lead.budget, type: integer}
"""

USUAL_SPEC = """
version: 1
name: bench
source:
  use: csv
  columns: {"Badge #": badge_id, Booth: booth}
  qualifiers: {Lead Type: Lead Type}
enrichment: ENRICHMENT
destination:
  use: marketo
  config:
    base_url: {env: MARKETO_BASE_URL}
    client_id: {env: MARKETO_CLIENT_ID}
    client_secret: {env: MARKETO_CLIENT_SECRET}
    limits: {calls: null, daily: null}
mapping:
  fields:
    email: lead.email
    firstName: lead.first_name | title
    lastName: lead.last_name | title
    company: lead.company
    title: lead.job_title | truncate(255)
    phone: lead.phone
    country: lead.country
    leadSource: "'Event: ' ~ lead.event"
    lastEvent: lead.event
    boothNotes: lead.notes
    badgeId: lead.badge_id
    eventScore: {value: lead.scans, type: integer}
  qualifiers:
    Lead Type: {field: leadType, options: {Hot: A, Warm: B, Cold: C}}
"""

SPEC = f"""
version: 1
name: bench
source:
  use: csv
  columns: {{Headcount: headcount, Lead Type: lead_type, Budget: budget, Booth: booth, "Badge #": badge_id,
            Scanned by: captured_by, LinkedIn: linkedin_url}}
enrichment: ENRICHMENT
destination:
  use: marketo
  config:
    base_url: {{env: MARKETO_BASE_URL}}
    client_id: {{env: MARKETO_CLIENT_ID}}
    client_secret: {{env: MARKETO_CLIENT_SECRET}}
    limits: {{calls: null, daily: null}}
mapping:
  fields:{FIELDS}
"""
