"""The settings of a Pardot destination: one JSON Schema of them all, and what they say about signing in.

The way to sign in follows from what is given: a private key, a refresh token, or the client secret alone. Salesforce's
username-password flow is not offered: it hands a person's password to a program, bypasses multi-factor authentication,
and new orgs block it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from engine.errors import SpecError
from engine_pardot.oauth import MY_DOMAIN, SHARED_HOSTS, Flow, address_of
from engine_pardot.schema import PROPERTIES

_AT = "destination.config"
_MEANS = ("client_secret", "refresh_token", "private_key", "username")

CONFIG_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "title": "Pardot",
    "description": "Where the Pardot business unit is and how to sign in to it: with a private key, with a refresh "
    "token, or else with the client secret alone. Signing in by username and password is not offered: it hands a "
    "person's password to a program, bypasses multi-factor authentication, and new orgs block it.",
    "examples": [
        {
            "token_url": "https://example.my.salesforce.com",
            "business_unit_id": "0Uv000000000001CAA",
            "client_id": "3MVG9example",
            "client_secret": {"env": "PARDOT_CLIENT_SECRET"},
        }
    ],
    "additionalProperties": False,
    "required": ["token_url", "business_unit_id", "client_id"],
    "properties": {
        "token_url": {
            "type": "string",
            "title": "Salesforce address",
            "description": "The Salesforce org that issues the tokens: its own My Domain address; or "
            "https://login.salesforce.com, for a sandbox https://test.salesforce.com, which issue none for client "
            "credentials.",
            "examples": ["https://example.my.salesforce.com", "https://login.salesforce.com"],
        },
        "business_unit_id": {
            "type": "string",
            "title": "Business unit",
            "description": "The 18 characters under Business Unit Setup in Salesforce; they begin with 0Uv.",
            "examples": ["0Uv000000000001CAA"],
        },
        "client_id": {
            "type": "string",
            "minLength": 1,
            "title": "Consumer key",
            "description": "The consumer key of the connected app; the app needs the scope pardot_api.",
            "examples": ["3MVG9example"],
        },
        "client_secret": {
            "type": "string",
            "minLength": 1,
            "title": "Consumer secret",
            "description": "The consumer secret of the connected app. Alone it signs in as the app's run-as user "
            "(client credentials).",
            "examples": [{"env": "PARDOT_CLIENT_SECRET"}],
        },
        "refresh_token": {
            "type": "string",
            "minLength": 1,
            "title": "Refresh token",
            "description": "Signs in as the user who authorised the app; `engine pardot login` gets one. Where "
            "Salesforce replaces it at each use, keep it in a file or the keyring: the new one is written back there.",
            "examples": [{"file": "pardot-refresh-token"}, {"keyring": "lead-engine/pardot"}],
        },
        "private_key": {
            "type": "string",
            "minLength": 1,
            "title": "Private key",
            "description": "An RSA key in PEM form, without a passphrase, whose certificate the connected app has: "
            "signs in as `username`, without a client secret (JWT bearer).",
            "examples": [{"file": "pardot.key"}],
        },
        "username": {
            "type": "string",
            "minLength": 1,
            "title": "Username",
            "description": "The Salesforce username that the private key signs in as.",
            "examples": ["integration@example.com"],
        },
        **PROPERTIES,
    },
}


@dataclass(frozen=True, slots=True)
class SignIn:
    """How to sign in, and with what; what the `flow` does not need is ''. token_url: without a path."""

    flow: Flow
    token_url: str
    client_id: str
    client_secret: str = ""
    refresh_token: str = ""
    private_key: str = ""
    username: str = ""

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> SignIn:
        """Raises SpecError naming the setting that is missing, contradicts another or cannot be right."""
        check_business_unit(config["business_unit_id"])
        given = {key: str(config.get(key) or "") for key in _MEANS}
        flow = _flow(given)
        token_url = address_of(config["token_url"], f"{_AT}.token_url")
        if flow == "client" and urlsplit(token_url).hostname in SHARED_HOSTS:
            raise SpecError(
                f"{token_url} issues no tokens for client credentials",
                where=f"{_AT}.token_url",
                fix=f"Use the org's own address, {MY_DOMAIN}.",
            )
        # A key that comes out of an environment variable often has its line ends written as \\n.
        given["private_key"] = given["private_key"].replace("\\n", "\n")
        return cls(flow, token_url, config["client_id"], **given)


def check_business_unit(unit: str) -> None:
    """Raises SpecError where `unit` cannot be the id of a business unit, which has 18 characters from 0Uv on.

    Source: developer.salesforce.com/docs/marketing/pardot/guide/authentication
    """
    if unit.startswith("0Uv") and len(unit) == 18 and unit.isascii() and unit.isalnum():
        return
    length = "this is the short form of an id, of 15" if len(unit) == 15 else f"this has {len(unit)}"
    raise SpecError(
        f"{unit!r} is not the id of a business unit",
        where=f"{_AT}.business_unit_id",
        why=f"it begins with 0Uv and has 18 letters and digits; {length}",
        fix="Copy it from Salesforce: Setup, Business Unit Setup.",
    )


def _flow(given: Mapping[str, str]) -> Flow:
    if given["private_key"]:
        for other in ("refresh_token", "client_secret"):
            if given[other]:
                raise SpecError(
                    f"private_key and {other} are two ways to sign in",
                    where=f"{_AT}.{other}",
                    fix=f"Remove {other} to sign in with the private key, or private_key and username.",
                )
        if not given["username"]:
            raise SpecError(
                "the private key signs in as a user, and no username is given",
                where=f"{_AT}.username",
                fix="Add the Salesforce username that the connected app is approved for.",
            )
        return "jwt"
    if given["username"]:
        raise SpecError(
            "a username signs in with a private key only",
            where=f"{_AT}.username",
            why="signing in by password is not offered: it bypasses multi-factor authentication, and new orgs block it",
            fix="Add private_key, or remove username.",
        )
    if given["refresh_token"]:
        return "refresh"
    if given["client_secret"]:
        return "client"
    raise SpecError(
        "there is nothing to sign in with",
        where=f"{_AT}.client_secret",
        fix="Give client_secret, or refresh_token (see `engine pardot login`), or private_key and username.",
    )
