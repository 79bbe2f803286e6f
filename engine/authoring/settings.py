"""The settings of a vendor that a first spec names, each by an environment variable, with an explanation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.adapters import Vendor
from engine.authoring.yaml_text import one_line
from engine.connection import variable


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. default: what counts where the variable is not set, empty for none. about: for people."""

    key: str
    variable: str
    default: str = ""
    about: str = ""
    secret: bool = False


def destination_settings(vendor: type[Vendor]) -> list[Setting]:
    """The settings that are needed, those of the vendor's example, addresses, and texts that the environment has.

    Of several secrets, those that the environment has; without any there, those of the example.
    """
    schema = vendor.config_schema
    properties: Mapping[str, Any] = schema.get("properties", {})
    example: Mapping[str, Any] = next(iter(schema.get("examples", ())), {})
    there = {key for key in properties if os.environ.get(variable(vendor.name, key))}
    secrets = [key for key in vendor.secrets if key in there] or [key for key in vendor.secrets if key in example]
    found = []
    for key, about in properties.items():
        usual = key in example or str(about.get("default", "")).startswith("https://")
        wanted = key in schema.get("required", ()) or (about.get("type") == "string" and (usual or key in there))
        if key in secrets or (wanted and key not in vendor.secrets):
            default = about.get("default", "")
            told = ": ".join(part for part in (about.get("title", key), about.get("description", "")) if part)
            default = default if isinstance(default, str) else ""
            found.append(Setting(key, variable(vendor.name, key), default, told, key in vendor.secrets))
    return found


def env_lines(settings: Sequence[Setting], known: str) -> Iterator[str]:
    """Lines of `.env.example` for the settings whose variables are not in its text yet; never a value."""
    missing = [each for each in settings if f"{each.variable}=" not in known]
    if missing and not known:
        yield "# The variables that the specs here read. Copy this file to .env and fill that in; never commit .env."
        yield "# Load it before a command:  set -a; . ./.env; set +a"
    for each in missing:
        yield ""
        yield f"# {one_line(each.about, 300)}" + (" A secret." if each.secret else "")
        yield f"# {each.variable}={each.default}" if each.default else f"{each.variable}="
