"""No secret survives redaction, wherever in a text it stands."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.http import Reply
from engine.redaction import redact, remember_secret

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


@settings(max_examples=200)
@given(key=KEYS, secret=ODD)
def test_in_a_query_or_a_form(key: str, secret: str) -> None:
    query = f"GET https://vendor.example/x?page=7&{urlencode({key: secret})}&email=ada%40f.example"
    assert redact(query) == f"GET https://vendor.example/x?page=7&{key}=***&email=ada%40f.example"


@settings(max_examples=200)
@given(key=KEYS, secret=ODD, spaces=st.booleans(), ascii_=st.booleans())
def test_in_json(key: str, secret: str, spaces: bool, ascii_: bool) -> None:
    separators = (", ", ": ") if spaces else (",", ":")
    body = json.dumps({"id": 17, key: secret, "name": "Ada"}, separators=separators, ensure_ascii=ascii_)
    concealed = json.dumps({"id": 17, key: "***", "name": "Ada"}, separators=separators)
    assert redact(body) == concealed
    assert Reply(400, {}, body.encode()).excerpt() == concealed


@settings(max_examples=100)
@given(scheme=st.sampled_from(["Bearer", "bearer", "Basic", "BEARER"]), secret=PLAIN)
def test_in_an_authorization_header(scheme: str, secret: str) -> None:
    shown = redact(f"Authorization: {scheme} {secret}\r\nAccept: text/html")
    assert shown == f"Authorization: {scheme} ***\r\nAccept: text/html"


@settings(max_examples=100)
@given(key=KEYS, secret=PLAIN)
def test_in_a_header_of_its_own(key: str, secret: str) -> None:
    assert redact(f"{key}: {secret}\r\nAccept: text/html") == f"{key}: ***\r\nAccept: text/html"


def test_a_known_secret_is_concealed_wherever_it_stands() -> None:
    remember_secret("correct-horse-battery")
    assert redact("Bad secret correct-horse-battery, said the vendor") == "Bad secret ***, said the vendor"


@pytest.mark.parametrize("text", ["", "no secret here", "GET https://vendor.example/people?page=2", '{"email": "a@b"}'])
def test_what_holds_no_secret_is_left_as_it_is(text: str) -> None:
    assert redact(text) == text
