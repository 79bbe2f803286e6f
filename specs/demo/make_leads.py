"""Writes scanner-export.csv: 500 rows as a show's badge scanner writes them. Every person and company is invented.

    python specs/demo/make_leads.py

The export has what real ones have: names in two encodings, people scanned twice, missing and mistyped addresses,
free-mail addresses, answers nobody planned for, rows with too few values, and two events.
"""

from __future__ import annotations

import csv
import io
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


if __name__ == "__main__":
    chance = random.Random(20261110)
    (Path(__file__).parent / "scanner-export.csv").write_bytes(encoded(rows(chance), chance))
