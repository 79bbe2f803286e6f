"""Bulk import with a plugin that breaks, or a vendor that does not answer: no lead is lost, and none is stuck."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import RetryLater, VendorUnavailable
from engine.records import Outcome
from tests.bulk_bench import BulkBench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[BulkBench]:
    with BulkBench(tmp_path) as made:
        yield made


def emails(count: int) -> list[str]:
    return [f"p{number}@g.example" for number in range(count)]


def test_one_that_cannot_cut_files(bench: BulkBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.vendor.bulk, "fits", lambda deliveries, places: 1 / 0)
    bench.open(forced=True)
    bench.matched(emails(3))
    bench.finish()
    assert bench.statuses == {"cleared": 3}
    assert "ZeroDivisionError" in bench.circumstances.notes[0]


def test_one_that_breaks_while_it_hands_over(bench: BulkBench) -> None:
    bench.vendor.bulk.answers = [ZeroDivisionError()]
    bench.open(forced=True)
    bench.matched(emails(3))
    bench.step()
    assert bench.statuses == {"unknown": 3}, "the file may have got there"
    bench.finish()
    assert bench.statuses == {"cleared": 3}
    assert bench.vendor.bulk.files == {}


def test_one_that_cannot_tell_how_far_an_import_is(bench: BulkBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.open(forced=True)
    bench.matched(emails(3))
    bench.step()
    bench.vendor.bulk.end("t1")
    monkeypatch.setattr(bench.vendor.bulk, "state", lambda ticket: 1 / 0)
    bench.finish()
    assert bench.statuses == {"cleared": 3}
    assert [name for name, _ in bench.vendor.calls] == ["look_up"]


def test_one_that_tells_too_little_of_the_rows(bench: BulkBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.vendor.bulk, "collect", lambda ticket, deliveries: [Outcome("updated")])
    bench.open(forced=True)
    bench.matched(emails(3))
    bench.finish()
    assert bench.statuses == {"cleared": 3}
    assert [name for name, _ in bench.vendor.calls] == ["look_up"]


def test_an_import_that_cannot_be_asked_after_ends_the_run_and_goes_on(
    bench: BulkBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(ticket: str) -> str:
        raise RetryLater("try again", after=5.0)

    bench.open(forced=True)
    bench.matched(emails(3))
    bench.step()
    with monkeypatch.context() as patch:
        patch.setattr(bench.vendor.bulk, "state", unavailable)
        with pytest.raises(VendorUnavailable, match="t1"):
            bench.finish()
    assert bench.statuses == {"importing": 3}
    bench.open()
    bench.finish()
    assert bench.statuses == {"cleared": 3}
