"""What is wrong with the notification rules of an integration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.addresses import is_loopback
from engine.expressions import suggestion
from engine.filters.base import ArgumentError
from engine.filters.dates import zone_of
from engine.finder import Finder
from engine.notify_rules import SECRETS, NotifyRule, is_secret_header
from engine.settings import is_reference, secret_advice

#: An address alone, or behind a name in angle brackets; nothing that a header could not hold.
_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+|[^@<>,;\r\n\"]*<[^@\s<>,;]+@[^@\s<>,;]+>")


def check(finder: Finder) -> None:
    """Add what is wrong with the rules to the finder's problems."""
    names: set[str] = set()
    for index, rule in enumerate(finder.integration.notify):
        at = f"notify.{index}"
        if rule.name in names:
            finder.problem("stands-twice", f"two notification rules are called {rule.name!r}", f"{at}.name",
                           "Give each a name of its own.")  # fmt: skip
        names.add(rule.name)
        for number, code in enumerate(rule.codes):
            if code not in finder.plugins.codes:
                finder.problem("unknown-code", f"there is no failure code {code!r}", f"{at}.codes.{number}",
                               suggestion(code, finder.plugins.codes))  # fmt: skip
        try:
            zone_of(rule.time_zone)
        except ArgumentError as error:
            finder.problem("wrong-value", str(error), f"{at}.time_zone")
        _check_secrets(finder, rule.config, SECRETS[rule.channel], f"{at}.{rule.channel}")
        _check_secrets(finder, rule.headers, [name for name in rule.headers if is_secret_header(name)],
                       f"{at}.{rule.channel}.headers")  # fmt: skip
        if rule.channel == "email":
            _check_email(finder, rule, f"{at}.email")


def _check_secrets(finder: Finder, config: Mapping[str, Any], secrets: Sequence[str], at: str) -> None:
    for name in secrets:
        if name in config and not is_reference(config[name]):
            what = f"{at}.{name} is a secret written into the spec"
            finder.problem("secret-in-spec", what, f"{at}.{name}", secret_advice(name))


def _check_email(finder: Finder, rule: NotifyRule, at: str) -> None:
    config = rule.config
    addresses = {f"{at}.from": config["from"], **{f"{at}.to.{number}": to for number, to in enumerate(config["to"])}}
    for place, address in addresses.items():
        if not (_ADDRESS.fullmatch(address) and address.rpartition("<")[2].isascii()):
            finder.problem("wrong-value", f"{address!r} is no email address", place, "Write it as in ops@example.com.")
    if config.get("security") == "none" and "username" in config and not is_loopback(config["host"]):
        what = "the password would travel in the clear"
        finder.problem("unsafe-address", what, f"{at}.security", "Use starttls or tls.")
    if ("username" in config) != ("password" in config):
        missing = "password" if "username" in config else "username"
        finder.problem("missing-key", f"{missing!r} is missing", at, f"Add `{missing}:`; nobody signs in without both.")
