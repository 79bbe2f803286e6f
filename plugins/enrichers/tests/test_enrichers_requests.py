"""Requests to declared providers: what becomes of templates, and that no value of a lead changes where a call goes."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from engine_enrichers.declared.provider import Auth, Request
from engine_enrichers.declared.requests import add_auth, build
from engine_enrichers.declared.templates import fill, fill_path
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(min_size=1, max_size=40).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))


def test_a_template_keeps_types_and_leaves_out_what_is_empty() -> None:
    template = {
        "a": "{n}", "b": "x-{n}", "c": "{none}", "d": [{"e": "{none}"}], "f": "{n} {none}", "g": 0, "h": "{flag}",
        "i": [], "j": {}, "k": ["{n}", "{none}"],
    }  # fmt: skip
    filled = {"a": 7, "b": "x-7", "g": 0, "h": False, "i": [], "j": {}, "k": [7]}
    assert fill(template, {"n": 7, "flag": False}) == filled


@pytest.mark.parametrize(
    ("wanted", "sent"), [(["phone"], {"reveal": ["emails", "phones"]}), ([], {"reveal": ["emails"]})]
)
def test_what_costs_is_asked_for_only_where_it_is_wanted(wanted: list[str], sent: Any) -> None:
    template = {"reveal": ["emails", {"$if_wanted": ["mobile_phone", "phone"], "$then": "phones"}]}
    assert fill(template, {}, wanted) == sent


def test_everything_goes_where_the_file_says() -> None:
    request = Request(
        "POST", "/v1/{slug}/find", {"deep": "{deep}", "none": "{x}"}, {"X-Region": "{region}"}, json=[{"n": "{n}"}]
    )
    call = build(request, {"slug": "a/b c", "deep": True, "region": "eu", "n": 1})
    assert call is not None
    assert (call.path, call.params, call.headers) == ("/v1/a%2Fb%20c/find", {"deep": "true"}, {"X-Region": "eu"})
    assert call.json == [{"n": 1}]


@pytest.mark.parametrize("value", ["", ".", "..", None])
def test_a_path_without_a_usable_value_makes_no_call(value: Any) -> None:
    assert build(Request("GET", "/v1/{slug}"), {"slug": value}) is None


@pytest.mark.parametrize(
    ("auth", "headers", "params"),
    [
        (Auth({"Authorization": "Bearer {api_key}"}, {}, None, None), {"Authorization": "Bearer k-1"}, {}),
        (Auth({}, {"apiId": "{api_key}"}, None, None), {}, {"apiId": "k-1"}),
        (Auth({}, {}, ("{api_key}", ""), None), {"Authorization": "Basic ay0xOg=="}, {}),
        (Auth({"A": "{api_key}", "B": "{secret}"}, {}, None, None), {"A": "k-1", "B": "s-1"}, {}),
    ],
)
def test_credentials_travel_as_the_file_says(auth: Auth, headers: dict[str, str], params: dict[str, str]) -> None:
    call = build(Request("GET", "/x"), {})
    assert call is not None
    signed = add_auth(call, auth, {"api_key": "k-1", "secret": "s-1"})
    assert (signed.headers, signed.params) == (headers, params)


@given(TEXTS)
def test_a_value_stays_one_part_of_the_path(value: str) -> None:
    path = fill_path("/v1/{a}/find", {"a": value})
    if path:
        head, middle, tail = path.rsplit("/", 2)
        assert (head, tail) == ("/v1", "find")
        assert unquote(middle) == value
        assert not set(middle) & set("/?#\\\r\n :@")
        assert middle not in (".", "..")


@given(st.dictionaries(st.sampled_from(["a", "b", "region"]), TEXTS))
def test_no_value_of_a_lead_reaches_a_header_the_host_or_another_value(values: dict[str, str]) -> None:
    request = Request("POST", "/find", {"a": "{a}"}, {"X-Version": "7"}, json={"b": ["{b}", "{a}-{b}"]})
    call = build(request, values)
    assert call is not None
    assert (call.path, call.headers) == ("/find", {"X-Version": "7"})
    assert call.params == ({"a": values["a"]} if "a" in values else {})
    if {"a", "b"} <= values.keys():
        assert call.json == {"b": [values["b"], f"{values['a']}-{values['b']}"]}
