"""A run waits for a vendor that takes no call, though not for ever."""

from __future__ import annotations

from engine.errors import NoAnswer, NotTaken, RetryLater, VendorUnavailable
from engine.patience import Patience


def test_a_run_ends_when_no_call_is_taken_for_ten_minutes() -> None:
    clock = [0.0]
    patience = Patience(lambda: clock[0], fix="See its status.")
    busy = NotTaken("the vendor is busy", where="vendor", why="606")
    assert patience.judge(busy) is busy
    clock[0] = 599.0
    assert patience.judge(busy) is busy
    clock[0] = 600.0
    ended = patience.judge(busy)
    assert isinstance(ended, VendorUnavailable)
    assert (ended.why, ended.fix) == ("no call has been taken for 600 seconds; 606", "See its status.")


def test_a_call_that_was_taken_starts_the_wait_anew() -> None:
    clock = [0.0]
    patience = Patience(lambda: clock[0], fix="")
    busy = NotTaken("the vendor is busy", where="vendor")
    patience.judge(busy)
    clock[0] = 599.0
    patience.taken()
    clock[0] = 700.0
    assert patience.judge(busy) is busy


def test_a_call_with_an_unknown_effect_is_no_reason_to_end() -> None:
    clock = [0.0]
    patience = Patience(lambda: clock[0], fix="")
    lost = NoAnswer("no answer", where="vendor")
    patience.judge(lost)
    clock[0] = 5000.0
    assert patience.judge(lost) is lost


def test_a_call_that_was_taken_but_must_be_repeated_later_is_no_reason_to_end() -> None:
    clock = [0.0]
    patience = Patience(lambda: clock[0], fix="")
    later = RetryLater("the vendor asks to wait", where="vendor")
    patience.judge(later)
    clock[0] = 5000.0
    assert patience.judge(later) is later
