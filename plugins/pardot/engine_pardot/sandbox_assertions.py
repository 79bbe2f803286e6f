"""JWT bearer: reads the assertion with which an app signs in for a user, and checks its signature and claims.

Source: help.salesforce.com, OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt.types import Options

from engine_pardot.sandbox_errors import TokenRefusal
from engine_pardot.sandbox_seed import Client, User

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: Seconds by which the clocks of two machines may differ.
_LEEWAY = 5.0


def user_of(
    assertion: str,
    clients: Mapping[str, Client],
    users: Mapping[int, User],
    audiences: frozenset[str],
    now: float,
    lifetime: float,
) -> tuple[Client, int]:
    """The app and the user that an assertion names.

    `now` is in Unix seconds; an assertion is good for at most `lifetime` seconds. Raises TokenRefusal where the
    signature, the audience, the time, the app or the user is not right.
    """
    client = clients.get(str(_unverified(assertion).get("iss")))
    if client is None:
        raise TokenRefusal("invalid_client_id", "client identifier invalid")
    claims = _verified(assertion, client)
    if str(claims.get("aud")).rstrip("/") not in audiences:
        raise TokenRefusal("invalid_grant", "audience is invalid")
    ends = claims.get("exp")
    if not isinstance(ends, int | float) or not now - _LEEWAY < ends <= now + lifetime + _LEEWAY:
        raise TokenRefusal("invalid_grant", "invalid assertion")
    subject = claims.get("sub")
    user = next((each for each in users.values() if each.username == subject), None)
    if user is None or (client.approved is not None and subject not in client.approved):
        raise TokenRefusal("invalid_grant", "user hasn't approved this consumer")
    return client, user.id


def _unverified(assertion: str) -> dict[str, Any]:
    try:
        return jwt.decode(assertion, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise TokenRefusal("invalid_grant", "invalid assertion") from None


def _verified(assertion: str, client: Client) -> dict[str, Any]:
    """The claims once the signature is checked; their times are compared with the sandbox's clock, not here."""
    unchecked: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    try:
        return jwt.decode(assertion, _key(client), algorithms=["RS256"], options=unchecked)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise TokenRefusal("invalid_grant", "invalid assertion") from None


def _key(client: Client) -> Any:
    """The public key of an app, from its certificate or as it is. Raises ValueError where it has none."""
    pem = client.public_key.encode()
    key: PublicKeyTypes | CertificatePublicKeyTypes
    key = load_pem_x509_certificate(pem).public_key() if b"CERTIFICATE" in pem else load_pem_public_key(pem)
    return key
