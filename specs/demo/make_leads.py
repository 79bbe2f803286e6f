"""Writes scanner-export.csv: 500 rows as a show's badge scanner writes them. Every person and company is invented.

    python specs/demo/make_leads.py

Beside it, it writes what the demo's sandboxes hold at the start: people whom the vendors know already (two of them
under one address), and people whom the paid providers know, each provider its own share of them.

The export has what real ones have: names in two encodings, people scanned twice, missing and mistyped addresses,
free-mail addresses, answers nobody planned for, rows with too few values, and two events.
"""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path

FIRST = (
    "Ada Björn Chiara Dmitri Elif Farah Grace Håkon Inés Jonas Keiko Liam Maja Nadia Oskar Priya Quentin Rosa "
    "Søren Tomás Ulla Víctor Wanda Xenia Yusuf Zoë"
).split()
LAST = (
    "Almqvist Brøndum Carrington Dubois Eriksen Fontaine García Hollis Ibarra Jääskeläinen Kowalska Lindqvist "
    "Müller Nakagawa O'Leary Petrov Quist Rossi Strand Tveit Underhill Vasquez Whitlock Yamada Zieliński"
).split()
COMPANIES = ("Aurora Pumps", "Bluefin Logistics", "Cobalt Robotics", "Delta Orchards", "Elmwood Textiles",
             "Fjord Analytics", "Granite Software", "Harbor Optics", "Ironbark Foods", "Juniper Freight",
             "Kestrel Aerospace", "Lumen Ceramics", "Meridian Health", "Northgate Steel",
             "Osprey Mobility")  # fmt: skip
TITLES = ("Head of Marketing", "CTO", "buyer", "Plant Manager", "VP SALES", "Procurement Lead", "Engineer", "")
COUNTRIES = ("USA", "Norway", "Germany", "UK", "Deutschland", "US", "Sweden", "Japan", "")
INDUSTRIES = ("Machinery", "Logistics", "Software", "Food Production", "Medical Devices", "Mining")
#: Which share of the visitors each paid provider knows.
KNOWS = {"hunter_email_finder": 0.5, "people_data_labs": 0.6, "prospeo_person": 0.6, "wiza_person": 0.7}
FREE_MAIL = ("gmail.com", "outlook.com", "gmx.de")
HEADER = ["Badge #", "First Name", "Last Name", "Company", "Title", "E-mail", "Phone", "Country", "Show", "Scan Time",
          "Lead Type", "Follow up?", "Interests", "Notes", "Booth"]  # fmt: skip


def people(chance: random.Random) -> list[dict[str, str]]:
    """430 people, each with a badge."""
    made = []
    for number in range(430):
        first, last, company = chance.choice(FIRST), chance.choice(LAST), chance.choice(COMPANIES)
        domain = company.split()[0].lower() + ".example"
        plain = f"{first}.{last}{number}".encode("ascii", "ignore").decode().lower().replace("'", "")
        email = f"{plain}@{domain}"
        kind = chance.random()
        if kind < 0.10:
            email = f"{plain}@{chance.choice(FREE_MAIL)}"
        elif kind < 0.16:
            email = ""
        elif kind < 0.20:
            email = chance.choice([email.replace("@", " at "), email.replace("@", ""), f"{plain}@{domain},", "n/a"])
        elif kind < 0.30:
            email = f"  {email.upper()} "
        if chance.random() < 0.15:
            first, last = first.upper(), last.upper()
        made.append({
            "Badge #": f"{20_000 + number * 7}", "First Name": first, "Last Name": last, "Company": company,
            "Title": chance.choice(TITLES), "E-mail": email,
            "Phone": chance.choice([f"(415) 555-0{chance.randint(100, 199)}", f"+47 22 {chance.randint(10, 99)} 12 34",
                                    "030 901820", "", "ask"]),
            "Country": chance.choice(COUNTRIES), "Show": "Summit 2026" if chance.random() < 0.3 else "Expo 2026",
            "Lead Type": chance.choice(["Hot", "Warm", "Warm", "Cold", ""]),
            "Follow up?": chance.choice(["Yes", "No", "", ""]),
            "Interests": chance.choice(["Pumps", "Pumps; Valves", "Valves;Service", "Service", ""]),
            "Notes": chance.choice(["", "", "wants a demo", 'said "call me in May",\nthen left', "met at booth 12"]),
            "Booth": chance.choice(["12", "12b"]),
        })  # fmt: skip
    return made


def rows(chance: random.Random) -> list[dict[str, str]]:
    """500 rows: everybody once, some twice, and a few that cannot be used as they are."""
    crowd = people(chance)
    found = [dict(person) for person in crowd]
    found += [dict(chance.choice(crowd)) for _ in range(70)]
    chance.shuffle(found)
    for number, row in enumerate(found):
        row["Scan Time"] = f"2026-11-{10 + number // 250:02d}T{9 + number // 60 % 8:02d}:{number % 60:02d}:00Z"
    for row in chance.sample(found, 5):
        row["Lead Type"] = "Lukewarm"
    for row in chance.sample(found, 4):
        row["Company"] = ""
    for row in chance.sample(found, 2):
        row["Last Name"] = ""
    return found


def encoded(found: list[dict[str, str]], chance: random.Random) -> bytes:
    """The file's bytes: UTF-8 with a mark in front, and some rows from a handheld that writes cp1252."""
    parts = [b"\xef\xbb\xbf"]
    for number, row in enumerate([dict(zip(HEADER, HEADER, strict=True)), *found]):
        text = io.StringIO()
        csv.DictWriter(text, HEADER, lineterminator="\r\n").writerow(row)
        old = number and chance.random() < 0.1
        parts.append(text.getvalue().encode("cp1252" if old else "utf-8", "replace"))
    return b"".join(parts)


def seeds(found: list[dict[str, str]], chance: random.Random) -> dict[str, dict[str, object]]:
    """What each sandbox holds at the start."""
    known = [row for row in found if "@" in row["E-mail"] and row["E-mail"].strip().islower()][:40]
    marketo = [{"email": row["E-mail"], "firstName": row["First Name"], "leadSource": "Website"} for row in known]
    marketo.append({**marketo[0], "firstName": "Twin"})
    pardot = [{"email": row["E-mail"], "firstName": row["First Name"], "source": "Website"} for row in known]
    badges = {row["Badge #"]: row for row in found if row["Company"] and row["Last Name"]}
    providers = {
        "knows": KNOWS,
        # A real search takes minutes; here the first question for its result finds it.
        "switches": {"pending_polls": 0},
        "people": [profile(row, chance) for _, row in sorted(badges.items())],
        "companies": [company(name, chance) for name in COMPANIES],
    }
    return {"marketo": {"leads": marketo}, "pardot": {"prospects": pardot}, "providers": providers}


def profile(row: dict[str, str], chance: random.Random) -> dict[str, object]:
    """A visitor as the providers have them, in lead fields."""
    first, last, email = row["First Name"].title(), row["Last Name"].title(), row["E-mail"].strip().lower()
    domain = row["Company"].split()[0].lower() + ".example"
    if not email.endswith(f"@{domain}"):
        email = f"found.{row['Badge #']}@{domain}"
    made: dict[str, object] = {
        "first_name": first, "last_name": last, "company": row["Company"], "company_domain": domain, "email": email,
        "email_status": chance.choice(["valid"] * 7 + ["catch_all", "unknown", "invalid"]),
        "job_title": row["Title"] or chance.choice([title for title in TITLES if title]),
        "linkedin_url": f"https://www.linkedin.com/in/demo-visitor-{row['Badge #']}",
    }  # fmt: skip
    if chance.random() < 0.6:
        made["mobile_phone"] = f"+1415555{chance.randint(100, 199):04d}"
    if chance.random() < 0.1:
        made["confidence"] = 0.4
    return made


def company(name: str, chance: random.Random) -> dict[str, object]:
    """A company as the providers have it, in lead fields."""
    return {
        "company": name,
        "company_domain": name.split(maxsplit=1)[0].lower() + ".example",
        "industry": chance.choice(INDUSTRIES),
        "company_size": chance.choice(("11-50", "51-200", "201-500", "1001-5000")),
    }


if __name__ == "__main__":
    folder = Path(__file__).parent
    chance = random.Random(20261110)
    export = rows(chance)
    (folder / "scanner-export.csv").write_bytes(encoded(export, chance))
    for name, seed in seeds(export, random.Random(20261111)).items():
        (folder / f"{name}.seed.json").write_text(json.dumps(seed, indent=1, ensure_ascii=False) + "\n", "utf-8")
