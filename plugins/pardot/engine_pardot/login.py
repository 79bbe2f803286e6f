"""`engine pardot login`: authorise the connected app once in a browser, and keep the refresh token.

The web-server flow with PKCE: the browser is sent to Salesforce and comes back to this machine with a code, which is
exchanged for the refresh token.
Source: developer.salesforce.com/docs/marketing/pardot/guide/authentication
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

import click

from engine.errors import CredentialsError, EnvironmentFault, RetryLater, SpecError, VendorUnavailable
from engine.http import Http
from engine.redaction import redact, remember_secret
from engine.settings import ReferredSecrets, state_folder
from engine_pardot.oauth import AUTHORIZE_PATH, SCOPE, SECRET_VARIABLE, address_of, ask

#: The callback address of a connected app is compared letter by letter, so the port is the same every time.
DEFAULT_PORT = 8765
#: Seconds to wait for the browser to come back.
PATIENCE = 300.0
_SETTING = "refresh_token"


@click.group()
def pardot() -> None:
    """Commands for the vendor Pardot."""


@pardot.command()
@click.option("--client-id", required=True, help="The consumer key of the connected app.")
@click.option("--token-url", required=True, help="The Salesforce org's address, as in the spec.")
@click.option("--store", help="Where the refresh token goes: keyring:SERVICE/NAME or file:PATH.")
@click.option("--no-browser", is_flag=True, help="Only print the address to open.")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True,
              help="The port of this machine that the browser comes back to.")  # fmt: skip
def login(client_id: str, token_url: str, store: str | None, no_browser: bool, port: int) -> None:
    """Authorise the connected app in a browser and keep its refresh token.

    The app needs the callback address http://localhost:PORT/callback and the scopes pardot_api and refresh_token. Its
    consumer secret is read from PARDOT_CLIENT_SECRET, or asked for. Salesforce is asked for a user who may open the
    Pardot business unit; leads are then written as that user.
    """
    address = address_of(token_url, "--token-url")
    reference = reference_of(store or f"file:{state_folder() / 'pardot-refresh-token'}")
    secret = os.environ.get(SECRET_VARIABLE, "") or click.prompt(
        "Consumer secret (empty if the app asks for none)", default="", show_default=False, hide_input=True, err=True
    )
    remember_secret(secret)
    _make_folder(reference)
    refresh_token = authorize(address, client_id, secret, port=port, open_browser=not no_browser)
    keep(reference, refresh_token)
    click.echo("The connected app is authorised. Write into the destination of the spec:\n", err=True)
    click.echo(advice(address, client_id, secret, reference), nl=False)


def reference_of(store: str) -> Mapping[str, str]:
    """The reference, as a spec has it, that `store` (keyring:SERVICE/NAME or file:PATH) means. Raises SpecError."""
    kind, _, entry = store.partition(":")
    if kind == "keyring" and all(entry.rpartition("/")):
        return {"keyring": entry}
    if kind == "file" and entry:
        return {"file": str(Path(entry).expanduser().absolute())}
    raise SpecError(
        f"{redact(store)!r} names no place for the refresh token",
        where="--store",
        fix="Write it as keyring:SERVICE/NAME or file:PATH.",
    )


def _make_folder(reference: Mapping[str, str]) -> None:
    """Make the folder of a file with mode 0700, before anybody is sent to the browser in vain."""
    if "file" not in reference:
        return
    folder = Path(reference["file"]).parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFault(
            f"the folder {str(folder)!r} cannot be made: {error.strerror}",
            where="--store",
            fix="Choose another place with --store.",
        ) from error


def keep(reference: Mapping[str, str], refresh_token: str) -> None:
    """Write the token where `reference` says, a file with mode 0600. Raises EnvironmentFault where that cannot be."""
    place = ReferredSecrets({_SETTING: reference}, Path(), where="--store")
    try:
        with place.lock(_SETTING):
            kept = place.write(_SETTING, refresh_token)
    except RetryLater:  # a run that hangs has it
        kept = False
    if not kept:
        raise EnvironmentFault(
            "the refresh token cannot be kept, and is lost",
            where="--store",
            fix="Choose another place with --store, and run the same command again.",
        )


def advice(token_url: str, client_id: str, secret: str, reference: Mapping[str, str]) -> str:
    """What a spec says to sign in with the token, in YAML."""
    [(kind, entry)] = reference.items()
    quoted = "'" + entry.replace("'", "''") + "'"
    return (
        "destination:\n"
        "  use: pardot\n"
        "  config:\n"
        f"    token_url: {token_url}\n"
        "    business_unit_id: 0Uv…  # from Business Unit Setup in Salesforce\n"
        f"    client_id: {client_id}\n"
        + (f"    client_secret: {{env: {SECRET_VARIABLE}}}\n" if secret else "")
        + f"    {_SETTING}: {{{kind}: {quoted}}}\n"
    )


def authorize(
    token_url: str, client_id: str, secret: str, *, port: int, open_browser: bool, patience: float = PATIENCE
) -> str:
    """Have a person authorise the app, and return the refresh token; `patience` in seconds for the person.

    Raises CredentialsError where the person or Salesforce refuses, EnvironmentFault where the port is taken or nobody
    comes back, VendorUnavailable.
    """
    from engine_pardot.callback import CALLBACK, listening

    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with listening(port, state) as server:
        redirect_uri = f"http://localhost:{server.server_port}{CALLBACK}"
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": f"{SCOPE} refresh_token",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        _send_to(f"{token_url}{AUTHORIZE_PATH}?{urlencode(query)}", open_browser=open_browser)
        code = server.wait(patience)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": client_id,
        "client_secret": secret,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    return _exchanged(token_url, {key: value for key, value in form.items() if value})


def _send_to(address: str, *, open_browser: bool) -> None:
    click.echo(f"Open this address in a browser on this machine, and sign in:\n\n  {address}\n", err=True)
    if open_browser:
        import webbrowser

        # Beside this thread: some browsers are waited for until they are closed, and this one has to listen.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _exchanged(token_url: str, form: Mapping[str, str]) -> str:
    http = Http(token_url)
    try:
        answer = ask(http, token_url, form, flow="code")
    except RetryLater as error:
        raise VendorUnavailable(error.what, where="--token-url", fix="Run the same command again later.") from error
    finally:
        http.close()
    granted = str(answer.get("scope") or SCOPE).split()
    refresh_token = str(answer.get("refresh_token") or "")
    if SCOPE not in granted or not refresh_token:
        raise CredentialsError(
            f"the connected app did not get the scope {'refresh_token' if SCOPE in granted else SCOPE}",
            where="--client-id",
            why=f"it got {', '.join(granted)}",
            fix=f"Add the scopes `{SCOPE}` and `refresh_token` (offline access) to the app, and run the same command "
            "again in some minutes.",
        )
    remember_secret(refresh_token)
    return refresh_token
