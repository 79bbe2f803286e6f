"""(e) The waterfall's own time: leads of shared companies through a paid provider, against the bare calls.

    python bench/enrichment.py [LEADS] [COMPANIES]

Both the provider's sandbox and Marketo's run in processes of their own; nothing is sent to the latter. First the calls
that are needed are made bare, one for each company, by as many threads as the step has places; then a run captures
the leads, enriches them and maps them. Printed: the run's time for enriching as a ratio of the bare calls' time, what
was bought, and the same for a provider that takes a hundred leads a call.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from engine import plugins, specs
from engine.run import Run
from engine.state import Store

PLACES = 8


def sandbox(name: str, seed: Path | None = None) -> subprocess.Popen[str]:
    """Start a sandbox, and set the environment for it."""
    words = [sys.executable, "-u", "-m", "engine", "sandbox", name, *(["--seed", str(seed)] if seed else [])]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    while line := process.stdout.readline().strip():
        variable, _, value = line.removeprefix("export ").partition("=")
        os.environ[variable] = value
        if variable in {"MARKETO_CLIENT_SECRET", "PDL_API_KEY"}:  # the last that each prints
            return process
    raise RuntimeError(f"the sandbox of {name} did not start")


def bare(url: str, domains: list[str]) -> float:
    """Seconds for one call a company, by PLACES threads, without the engine."""
    with httpx.Client(base_url=url, headers={"X-API-KEY": "sandbox-key"}) as client:
        started = time.perf_counter()
        with ThreadPoolExecutor(PLACES) as pool:
            list(pool.map(lambda domain: client.get("/companies/find", params={"domain": domain}).read(), domains))
        return time.perf_counter() - started


def run(folder: Path, name: str, step: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Seconds of a run and what it paid."""
    spec = {
        "version": 1, "name": name, "source": {"use": "csv", "path": "leads.csv"}, "required": ["last_name"],
        "enrichment": [step] if step else [],
        "destination": {"use": "marketo", "sync_mode": "disabled", "config": {
            "base_url": os.environ["MARKETO_BASE_URL"], "client_id": {"env": "MARKETO_CLIENT_ID"},
            "client_secret": {"env": "MARKETO_CLIENT_SECRET"}}},
        "mapping": {"fields": {"email": "lead.email", "lastName": "lead.last_name"}},
    }  # fmt: skip
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(spec), "utf-8")
    with Store(folder / f"{name}.db") as store:
        started = time.perf_counter()
        summary = Run(specs.load(path), store, plugins.load()).go()
        seconds = time.perf_counter() - started
    assert summary.totals["failed"] == 0, summary.message
    return seconds, dict(summary.paid[0]) if summary.paid else {}


def main(leads: int, companies: int) -> None:
    domains = [f"firm{number}.example" for number in range(companies)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        people = [
            {"first_name": "Ada", "last_name": f"Quill{number}", "company_domain": domains[number % companies],
             "email": f"ada.{number}@{domains[number % companies]}", "job_title": "Buyer", "industry": "Pumps"}
            for number in range(leads)
        ]  # fmt: skip
        seed = folder / "seed.json"
        seed.write_text(json.dumps({"people": people}), "utf-8")
        with (folder / "leads.csv").open("w", encoding="utf-8") as stream:
            stream.write("Last Name,Email,Company Domain\n")
            stream.writelines(f"{each['last_name']},{each['email']},{each['company_domain']}\n" for each in people)
        processes = [sandbox("providers", seed), sandbox("marketo")]
        try:
            url = os.environ["HUNTER_COMPANY_BASE_URL"]
            alone = bare(url, domains)
            nothing, _ = run(folder, "nothing", {})
            limits = {"concurrency": PLACES}
            config = {"base_url": url, "api_key": _key(folder), "limits": limits}
            step = {"use": "hunter_company", "want": ["industry"], "config": config}
            seconds, paid = run(folder, "companies", step)
            own = seconds - nothing
            print(
                f"{leads} leads of {companies} companies: {companies} bare calls {alone:.1f} s, enriched in {own:.1f} s"
            )
            print(
                f"  ratio {own / alone:.2f}, {leads / own:.0f} leads/s; {paid['calls']} calls, {paid['reused']} reused"
            )
            config = {"base_url": os.environ["PEOPLE_DATA_LABS_BASE_URL"], "api_key": _key(folder), "limits": limits}
            step = {"use": "people_data_labs", "want": ["job_title"], "config": config}
            seconds, paid = run(folder, "people", step)
            own = seconds - nothing
            print(f"{leads} leads in batches of 100: enriched in {own:.1f} s, {leads / own:.0f} leads/s")
        finally:
            for process in processes:
                process.terminate()


def _key(folder: Path) -> dict[str, str]:
    (folder / "key").write_text("sandbox-key", "utf-8")
    return {"file": "key"}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, int(sys.argv[2]) if len(sys.argv) > 2 else 3_000)
