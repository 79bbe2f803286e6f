"""A connection to a vendor outside of a run: opened for a spec, or by the vendor's name."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from engine import specs
from engine.adapters import Context, Vendor
from engine.errors import NotTaken, RetryLater, SpecError, VendorUnavailable
from engine.limits import Gate, LimitedGate, OpenGate
from engine.plugins import Plugins, build
from engine.prepare import BUSY
from engine.records import Field
from engine.redaction import remember_secret
from engine.saved_catalog import SavedCatalog
from engine.settings import ReferredSecrets, resolve
from engine.specs import Integration, MappingSpec
from engine.state import Store
from engine.state.catalog import FieldKind

#: Seconds for which a field list is good where no spec says so.
KEEP = 86_400.0
#: What to do where a vendor does not answer and says no better.
REACH = "See that the settings name the right host, then run the same command again."
#: What a connection is opened for: a spec, or a vendor whose settings come from the environment.
Target = Integration | type[Vendor]


@dataclass(frozen=True)
class Connection:
    """An open vendor. `store` is the state, where there is one; `keep` the seconds for which a field list is good."""

    vendor: Vendor
    store: Store | None
    keep: float
    now: Callable[[], float]
    sleep: Callable[[float], None] = time.sleep
    folder: Path = field(default_factory=Path)

    def context(self, config: Mapping[str, Any], where: str, **gate_settings: Any) -> tuple[Context, Gate]:
        """What a further adapter is handed, whose `config` stands at `where` in the spec."""
        gate: Gate = OpenGate()
        if self.store:
            gate = LimitedGate(self.store.quotas, now=self.now, sleep=self.sleep, **gate_settings)
        secrets = ReferredSecrets(config, self.folder, where=where, sleep=self.sleep)
        return Context(self.now, self.sleep, self.folder, gate, secrets=secrets), gate

    def fields(self, kind: FieldKind = "fields", *, refresh: bool = False) -> tuple[Sequence[Field], float]:
        """The vendor's field list and its age in seconds, from the state while it is good; `refresh` reads it anew.

        Raises what the vendor raises, and SpecError for member fields of a vendor without programs.
        """
        account = self.vendor.catalog
        if kind == "member_fields" and not self.vendor.has_programs:
            raise SpecError(f"{self.vendor.name} has no programs, and so no member fields")
        known = self.store.catalog.fields(account, kind) if self.store and not refresh else None
        if known and 0 <= self.now() - known[1] < self.keep:
            return known[0], self.now() - known[1]
        self.vendor.connect()
        found = self.vendor.fields() if kind == "fields" else self.vendor.member_fields()
        if self.store:
            self.store.catalog.save_fields(account, kind, found, self.now())
        return found, 0.0

    def catalog(self, spec: MappingSpec | None = None) -> SavedCatalog:
        """Ask the vendor for its fields and for the programs and lists that `spec` names. Raises what it raises."""
        vendor = self.vendor
        fields, _ = self.fields(refresh=True)
        member_fields = self.fields("member_fields", refresh=True)[0] if vendor.has_programs else None
        programs = list(dict.fromkeys(row.program_id for row in spec.programs)) if spec else []
        lists = list(dict.fromkeys(row.list_id for row in spec.lists)) if spec else []
        found, named = vendor.programs(programs) if programs else {}, vendor.lists(lists) if lists else {}
        return SavedCatalog(
            vendor.name,
            vendor.account,
            datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="seconds"),
            fields,
            member_fields,
            {id: found.get(id) for id in programs},
            {id: named.get(id) for id in lists},
        )


def target(text: str, plugins: Plugins) -> Target:
    """What a SPEC_OR_VENDOR means: an installed vendor of that name, else the integration at that path.

    Raises SpecError, EnvironmentFault.
    """
    path = Path(text)
    if text in plugins.vendors or not (path.suffix or path.exists() or os.sep in text):
        return plugins.vendor(text)
    return specs.load(path)


@contextmanager
def opened(
    meant: Target,
    plugins: Plugins,
    state: Path,
    *,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Connection]:
    """Open a vendor for a while. Where the state exists, calls keep to the limits that runs on it keep to.

    Raises SpecError, EnvironmentFault; a RetryLater in the block becomes VendorUnavailable.
    """
    if isinstance(meant, Integration):
        spec, folder = meant.destination, meant.folder
        adapter, keep = plugins.vendor(spec.use), spec.refresh_after
        given = spec.config
        config = resolve(given, adapter.secrets, folder, where="destination.config", place=meant.place)
    else:
        adapter, folder, keep = meant, Path.cwd(), KEEP
        config = settings_of(meant, os.environ)
        given = {key: {"env": variable(meant.name, key)} for key in config}
    secrets = ReferredSecrets(given, folder, where="destination.config", sleep=sleep)
    with ExitStack() as stack:
        store = stack.enter_context(Store(state, check=False)) if state.exists() else None
        gate = LimitedGate(store.quotas, now=now, sleep=sleep) if store else OpenGate()
        vendor = build(adapter, config, Context(now, sleep, folder, gate, secrets=secrets))
        stack.callback(vendor.close)
        if isinstance(gate, LimitedGate):
            gate.declare(vendor.account, vendor.limits)
        try:
            yield Connection(vendor, store, keep, now, sleep, folder)
        except RetryLater as error:
            raise VendorUnavailable(
                f"{vendor.name} cannot be reached: {error.what}",
                where=error.where,
                why=error.why,
                fix=BUSY if isinstance(error, NotTaken) else error.fix or REACH,
            ) from error


def variable(vendor: str, setting: str) -> str:
    """The environment variable of a vendor's setting: marketo and base_url make MARKETO_BASE_URL."""
    return re.sub(r"\W", "_", f"{vendor}_{setting}").upper()


def settings_of(vendor: type[Vendor], environ: Mapping[str, str]) -> dict[str, Any]:
    """A vendor's settings from variables named VENDOR_SETTING, cast by its config_schema; groups are written as JSON.

    Raises SpecError with everything that is missing or cannot be cast.
    """
    settings: dict[str, Any] = {}
    wrong: list[str] = []
    for key, schema in vendor.config_schema.get("properties", {}).items():
        name = variable(vendor.name, key)
        if text := environ.get(name):
            if key in vendor.secrets:
                remember_secret(text)
            try:
                settings[key] = _cast(text, schema)
            except ValueError:
                wrong.append(f"{name}: {_kinds(schema)} is wanted")
    missing = [
        variable(vendor.name, key)
        for key in vendor.config_schema.get("required", ())
        if not environ.get(variable(vendor.name, key))
    ]
    if missing:
        wrong.append(f"not set: {', '.join(missing)}")
    if wrong:
        raise SpecError(
            f"{vendor.name} has not all of its settings in the environment",
            why="; ".join(wrong),
            fix=" ".join(["export", *(f"{name}=…" for name in missing)]) if missing else "Correct the variables.",
        )
    return settings


def _types(schema: Mapping[str, Any]) -> Sequence[str]:
    given = schema.get("type", "string")
    return [given] if isinstance(given, str) else given


def _kinds(schema: Mapping[str, Any]) -> str:
    plain = {"boolean": "true or false", "integer": "a whole number", "number": "a number"}
    return " or ".join(plain.get(kind, f"JSON ({kind})") for kind in _types(schema))


def _cast(text: str, schema: Mapping[str, Any]) -> Any:
    """Text stays text; numbers, true/false and groups are read as JSON. Raises ValueError."""
    if "string" in _types(schema):
        return text
    return orjson.loads(text.lower() if text.lower() in {"true", "false", "null"} else text)
