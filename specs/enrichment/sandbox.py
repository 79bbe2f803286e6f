"""Stands in for Acme Leads on port 8800 until Ctrl-C: it answers from the recording, for the person in it."""

import threading
from pathlib import Path

import click
from engine_enrichers.sandbox import ProviderSandbox

FILE = Path(__file__).parent / "providers/acme_leads.yaml"

if __name__ == "__main__":
    with ProviderSandbox(port=8800, files=[FILE]) as box:
        for name, value in box.environment().items():
            click.echo(f"export {name}={value}")
        threading.Event().wait()
