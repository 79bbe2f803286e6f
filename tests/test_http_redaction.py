"""No secret survives redaction, wherever in a text it stands."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.http import Reply
from engine.redaction import redact

KEYS = st.sampled_from(
    [
        "access_token",
        "refresh_token",
        "client_secret",
        "api_key",
        "apikey",
        "apiKey",
        "accessToken",
        "password",
        "secret",
        "token",
        "assertion",
        "Client_Secret",
        "X-Api-Key",
        "api-key",
    ]
)
PLAIN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~:/+", min_size=6, max_size=40)
ODD = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=6, max_size=40)


def shows(shown: str, secret: str) -> bool:
    """Whether a text gives away the secret, or a good part of it."""
    return any(secret[start : start + 6] in shown for start in range(len(secret) - 5))


@settings(max_examples=200)
@given(key=KEYS, secret=ODD)
def test_in_a_query_or_a_form(key: str, secret: str) -> None:
    encoded = urlencode({key: secret})
    shown = redact(f"GET https://vendor.example/x?page=7&{encoded}&email=ada%40f.example")
    assert not shows(shown.replace("page=7", "").replace("email=ada%40f.example", ""), encoded.partition("=")[2])
    assert "page=7" in shown and "email=ada%40f.example" in shown


@settings(max_examples=200)
@given(key=KEYS, secret=ODD, spaces=st.booleans(), ascii_=st.booleans())
def test_in_json(key: str, secret: str, spaces: bool, ascii_: bool) -> None:
    separators = (", ", ": ") if spaces else (",", ":")
    body = json.dumps({"id": 17, key: secret, "name": "Ada"}, separators=separators, ensure_ascii=ascii_)
    shown = redact(body)
    assert not shows(shown.replace('"name"', "").replace(key, ""), json.dumps(secret, ensure_ascii=ascii_)[1:-1])
    assert '"id"' in shown and '"Ada"' in shown
    assert not shows(Reply(400, {}, body.encode()).excerpt().replace('"name"', "").replace(key, ""), secret)


@settings(max_examples=100)
@given(scheme=st.sampled_from(["Bearer", "bearer", "Basic", "BEARER"]), secret=PLAIN)
def test_in_an_authorization_header(scheme: str, secret: str) -> None:
    shown = redact(f"Authorization: {scheme} {secret}\r\nAccept: text/html")
    assert not shows(shown.replace("Accept: text/html", "").replace("Authorization: ", ""), secret)
    assert "Accept: text/html" in shown


@settings(max_examples=100)
@given(key=KEYS, secret=PLAIN)
def test_in_a_header_of_its_own(key: str, secret: str) -> None:
    shown = redact(f"{key}: {secret}\r\nAccept: text/html")
    assert not shows(shown.replace(key, "").replace("Accept: text/html", ""), secret)


@pytest.mark.parametrize("text", ["", "no secret here", "GET https://vendor.example/people?page=2", '{"email": "a@b"}'])
def test_what_holds_no_secret_is_left_as_it_is(text: str) -> None:
    assert redact(text) == text
