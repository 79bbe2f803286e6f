"""What a record that was read back says of a lead, whatever the values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.records import Decision, Found, Membership, Standing
from engine.state.verifications import Delivered
from engine.verdicts import Expected, judged


def lead(places: tuple[Membership, ...] = ()) -> Delivered:
    payload: Mapping[str, Any] = {"keys": [["email", "ada@kestrel.example"]], "fields": {}}
    return Delivered(1, "email:ada@kestrel.example", 1, "7", payload, "email", created=True, at=0.0, places=places)


@given(st.dictionaries(st.sampled_from("abcd"), st.text(max_size=5) | st.integers(-9, 9) | st.booleans(), max_size=4))
def test_a_record_holds_what_it_was_given_in_whatever_form(values: dict[str, Any]) -> None:
    what = Expected(lead(), Decision("lead_id", "7"), values)
    assert judged(what, Found("7", values), {}).failure is None
    assert judged(what, Found("7", {name: str(value) for name, value in values.items()}), {}).failure is None


@given(st.lists(st.sampled_from(["Hot", "Warm", "Cold"]), unique=True), st.randoms(use_true_random=False))
def test_several_values_are_held_in_any_order(values: list[str], chance: Any) -> None:
    held = values.copy()
    chance.shuffle(held)
    what = Expected(lead(), Decision("lead_id", "7"), {"kinds": "; ".join(values)})
    assert judged(what, Found("7", {"kinds": held}), {}).failure is None


def test_a_vendor_that_shows_the_winner_of_a_merge_is_believed() -> None:
    read = judged(Expected(lead(), Decision("lead_id", "7"), {}, by_id=True), Found("9", {}), {})
    assert read.failure is not None and read.failure.code == "REMOTE_RECORD_MERGED" and read.forget


def test_a_place_that_cannot_be_asked_for_is_not_judged() -> None:
    place = Membership("5", kind="list")
    what = Expected(lead((place,)), Decision("lead_id", "7"), {})
    assert judged(what, Found("7", {}), {}).failure is None
    assert judged(what, Found("7", {}), {("list", "5", ""): Standing()}).failure is None
    assert judged(what, Found("7", {}), {("list", "5", ""): None}).missing == [place]
