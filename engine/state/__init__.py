"""The state: one SQLite file that is the queue, the history and the ledger. No SQL stands outside this package.

A `Store` is a set of desks over one database; each desk answers the questions of one part of the engine.
"""

from __future__ import annotations

from pathlib import Path

from engine.state.actions import Actions
from engine.state.callbacks import Callbacks
from engine.state.captures import Captures
from engine.state.catalog import Catalog
from engine.state.causes import Causes
from engine.state.connections import Connections
from engine.state.database import Database
from engine.state.edits import Edits
from engine.state.erasure import Erasure
from engine.state.imports import Imports
from engine.state.ledger import Ledger
from engine.state.notified import Notified
from engine.state.plans import Plans
from engine.state.provider_stats import ProviderStats
from engine.state.queue import Queue
from engine.state.quotas import Quotas
from engine.state.refusals import Refusals
from engine.state.reports import Reports
from engine.state.runs import Runs
from engine.state.selections import Selections
from engine.state.verifications import Verifications
from engine.state.views import Views

__all__ = ["Store"]


class Store:
    """Opens the state at `path`. `check` runs SQLite's quick check first. Raises EnvironmentFault."""

    def __init__(self, path: Path | str, *, check: bool = True) -> None:
        self.database = Database(path, check=check)
        self.runs = Runs(self.database)
        self.captures = Captures(self.database)
        self.queue = Queue(self.database)
        self.ledger = Ledger(self.database)
        self.quotas = Quotas(self.database)
        self.provider_stats = ProviderStats(self.database)
        self.callbacks = Callbacks(self.database)
        self.edits = Edits(self.database)
        self.refusals = Refusals(self.database)
        self.reports = Reports(self.database)
        self.catalog = Catalog(self.database)
        self.causes = Causes(self.database)
        self.imports = Imports(self.database)
        self.plans = Plans(self.database)
        self.actions = Actions(self.database)
        self.erasure = Erasure(self.database)
        self.connections = Connections(self.database)
        self.notified = Notified(self.database)
        self.views = Views(self.database)
        self.selections = Selections(self.database)
        self.verifications = Verifications(self.database)

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
