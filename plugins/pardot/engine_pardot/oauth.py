"""Salesforce's OAuth endpoints: their address, a call to the token endpoint, and what its refusals mean.

Source: developer.salesforce.com/docs/marketing/pardot/guide/authentication
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.addresses import plain_address
from engine.errors import CredentialsError, EngineError, NoAnswer, RetryLater, SpecError
from engine.http import Http, Reply
from engine.redaction import redact, remember_secret

#: Where `engine pardot login` finds the consumer secret, which is no option: others can see a command's options.
SECRET_VARIABLE = "PARDOT_CLIENT_SECRET"  # noqa: S105 - a variable's name
TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
AUTHORIZE_PATH = "/services/oauth2/authorize"
#: The form of an org's own address.
MY_DOMAIN = "https://<my-domain>.my.salesforce.com"
#: A signed assertion, a refresh token, client credentials, or the exchange of an authorization code.
Flow = Literal["jwt", "refresh", "client", "code"]
#: Without it Pardot accepts no token of the app.
SCOPE = "pardot_api"
#: Hosts that all orgs share; client credentials are not issued there.
SHARED_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})

#: Salesforce's words for one refresh token being used twice at the same moment, the newer text first.
_BUSY = ("already being processed", "expired authorization code")


class Busy(RetryLater):
    """The refresh token is in use elsewhere at this moment; the same request can succeed in a few seconds."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What a refusal means. `words`: any of them stands in it, in lower case; '' and () fit everything."""

    error: str
    words: tuple[str, ...]
    flow: Flow | Literal[""]
    setting: str
    fix: str


#: The first row that fits tells.
#: Source: help.salesforce.com, article remoteaccess_oauth_flow_errors
_REFUSALS = (
    _Refusal("", ("not supported on this domain",), "", "token_url",
             f"Use the org's own address, {MY_DOMAIN}; login.salesforce.com and test.salesforce.com refuse client "
             "credentials."),
    _Refusal("invalid_client_id", (), "", "client_id",
             "Copy the consumer key of the connected app, and see that token_url is the host of its org; a new app "
             "needs some minutes to be known."),
    _Refusal("invalid_client", (), "", "client_secret", "Copy the consumer secret of the connected app."),
    _Refusal("unsupported_grant_type", (), "", "client_id", "Allow this way of signing in in the connected app."),
    _Refusal("", ("inactive_user", "inactive user"), "jwt", "username",
             "Activate the user in Salesforce, or sign in as another."),
    _Refusal("", ("inactive_user", "inactive user"), "", "client_id",
             "Activate the user in Salesforce whom the connected app signs in as, or choose another."),
    _Refusal("", ("client credentials user", "approved"), "client", "client_id",
             "In the connected app enable the Client Credentials Flow, and choose its run-as user."),
    _Refusal("", ("audience",), "jwt", "token_url",
             "Use the address that the key's org signs in at: https://login.salesforce.com, "
             f"https://test.salesforce.com for a sandbox, or {MY_DOMAIN}."),
    _Refusal("", ("approved", "inactive_org"), "jwt", "username",
             "Pre-authorise the user: in the connected app permit admin-approved users, and add the user's profile "
             "or a permission set."),
    _Refusal("", ("assertion", "signature"), "jwt", "private_key",
             "Upload the certificate of this key to the connected app, under Use digital signatures; see also that "
             "the clock of this machine is right."),
    _Refusal("", (), "jwt", "username",
             "Compare the username, with its suffix in a sandbox, and see that the user may use the connected app."),
    _Refusal("invalid_grant", (), "refresh", "refresh_token",
             "Authorise the connected app again with `engine pardot login`, which stores a new refresh token."),
    _Refusal("invalid_grant", (), "code", "client_id",
             "Run the same command again: a code serves once, and not for long."),
    _Refusal("redirect_uri_mismatch", (), "code", "port",
             "Add the callback address that was printed to the connected app, letter by letter."),
    _Refusal("", (), "", "client_id",
             "Check the connected app: its user must be active, approved and allowed to use it."),
)  # fmt: skip


def address_of(url: str, where: str) -> str:
    """The address of a Salesforce org without a trailing slash or the path of an endpoint.

    Raises SpecError with `where` if it is no https address; http is for a sandbox on this machine.
    """
    try:
        return plain_address(url, (TOKEN_PATH, AUTHORIZE_PATH))
    except ValueError as error:
        raise _no_address(url, where, str(error)) from error


def ask(http: Http, token_url: str, form: Mapping[str, str], *, flow: Flow) -> Mapping[str, Any]:
    """Ask the token endpoint, and return an answer that holds an access token.

    Raises CredentialsError naming the setting to correct; Busy and RetryLater where the same request can succeed later.
    """
    try:
        reply = http.send("POST", token_url + TOKEN_PATH, form=form, counted=False)
    except NoAnswer as error:
        raise RetryLater(f"Salesforce issues no token: {error.what}", where=error.where, after=error.after) from error
    answer = reply.json()
    if isinstance(answer, Mapping) and 200 <= reply.status < 300 and answer.get("access_token"):
        remember_secret(str(answer["access_token"]))
        return answer
    raise _refused(reply, answer if isinstance(answer, Mapping) else {}, flow)


def _refused(reply: Reply, answer: Mapping[str, Any], flow: Flow) -> EngineError:
    answered = 200 <= reply.status < 300
    if answered or reply.status >= 500 or reply.status in {408, 429}:
        shown = "the answer holds none" if answered else f"HTTP {reply.status} {reply.excerpt(100)}".rstrip()
        return RetryLater(
            f"Salesforce issues no token: {shown}",
            where=_place("token_url", flow),
            after=5.0,
            fix="See whether Salesforce reports an outage, then run the same command again.",
        )
    error, description = str(answer.get("error") or ""), str(answer.get("error_description") or "")
    if not error:
        return CredentialsError(
            f"there is no Salesforce sign-in at this address (HTTP {reply.status})",
            where=_place("token_url", flow),
            fix=f"Use the org's own address, {MY_DOMAIN}.",
        )
    if error == "invalid_grant" and flow == "refresh" and any(words in description for words in _BUSY):
        return Busy("the refresh token is being used elsewhere at this moment", where=TOKEN_PATH, after=2.0)
    row = next(each for each in _REFUSALS if _fits(each, error, description, flow))
    return CredentialsError(
        f"Salesforce refuses to sign in: {redact(description or error)}",
        where=_place(row.setting, flow),
        why=redact(error),
        fix=row.fix,
    )


def _fits(row: _Refusal, error: str, description: str, flow: Flow) -> bool:
    text = f"{error} {description}".lower()
    named = not row.words or any(words in text for words in row.words)
    return named and row.error in {"", error} and row.flow in {"", flow}


def _place(setting: str, flow: Flow) -> str:
    """Where people give the setting: in a spec, or, while they authorise, to the command."""
    if flow == "code":
        return SECRET_VARIABLE if setting == "client_secret" else f"--{setting.replace('_', '-')}"
    return f"destination.config.{setting}"


def _no_address(url: str, where: str, why: str) -> SpecError:
    return SpecError(
        f"{redact(url.rsplit('@', maxsplit=1)[-1])!r} is not the address of a Salesforce org",
        where=where,
        why=why,
        fix=f"Use {MY_DOMAIN}, https://login.salesforce.com, or https://test.salesforce.com for a sandbox.",
    )
