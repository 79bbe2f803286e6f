"""The keeper of access tokens: one fetch for all threads, renewed in time, and credentials that are not asked twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.errors import CredentialsError, EngineError, NotTaken, RetryLater
from engine.tokens import Token, Tokens


class Service:
    """Issues tokens t1, t2 and so on, each with this `lifetime`, or raises what is in `errors` first."""

    def __init__(self, lifetime: float | None = None) -> None:
        self.lifetime = lifetime
        self.errors: list[EngineError] = []
        self.asked = 0
        self.time = 1_000.0
        self.before: Callable[[], object] = lambda: None
        self.tokens = Tokens(self.fetch, lambda: self.time, vendor="Acme", fix="Look at the app.")

    def fetch(self) -> Token:
        self.asked += 1
        self.before()
        if self.errors:
            raise self.errors.pop(0)
        return Token(f"t{self.asked}", self.lifetime)


def together(service: Service, threads: int, work: Callable[[], str]) -> list[object]:
    """Do `work` in threads at once: the first fetch ends only when all others wait for it."""
    started = threading.Semaphore(0)
    tokens = service.tokens

    def one(_: int) -> object:
        started.release()
        try:
            return work()
        except EngineError as error:
            return error

    service.before = lambda: [started.acquire() for _ in range(threads)] if service.asked == 1 else None
    assert tokens is service.tokens
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(threads)))


def test_a_token_without_a_lifetime_is_kept_until_it_is_refused() -> None:
    service = Service()
    assert service.tokens.current() == "t1"
    service.time += 10 * 86_400
    assert service.tokens.current() == "t1"
    assert service.tokens.after("t1") == "t2"
    assert service.tokens.current() == "t2"


@pytest.mark.parametrize(("lifetime", "kept"), [(3600.0, 3539.0), (100.0, 49.0)])
def test_a_token_is_renewed_a_minute_before_its_end_or_at_half_its_life(lifetime: float, kept: float) -> None:
    service = Service(lifetime)
    service.tokens.current()
    service.time += kept
    assert service.tokens.current() == "t1"
    service.time += 2
    assert service.tokens.current() == "t2"


def test_threads_share_one_fetch() -> None:
    service = Service()
    assert together(service, 6, service.tokens.current) == ["t1"] * 6
    assert service.asked == 1


def test_threads_that_met_the_same_dead_token_share_its_successor() -> None:
    service = Service()
    dead = service.tokens.current()
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: service.tokens.after(dead), range(6)))
    assert (found, service.asked) == (["t2"] * 6, 2)


def test_a_service_that_is_down_is_asked_again_later() -> None:
    service = Service()
    service.errors = [RetryLater("down")]
    with pytest.raises(RetryLater, match="down"):
        service.tokens.current()
    assert service.tokens.current() == "t2"


def test_refused_credentials_are_not_tried_again_until_somebody_signs_in() -> None:
    service = Service()
    service.errors = [CredentialsError("wrong secret")]
    answers = [*together(service, 4, service.tokens.current)]
    assert {str(each) for each in answers} == {"wrong secret"}
    with pytest.raises(CredentialsError, match="wrong secret"):
        service.tokens.after("t0")
    assert service.asked == 1
    assert service.tokens.sign_in() == "t2"
    assert service.tokens.current() == "t2"


def test_signing_in_fetches_even_where_there_is_a_token() -> None:
    service = Service()
    assert (service.tokens.sign_in(), service.tokens.sign_in()) == ("t1", "t2")


def test_only_refusals_that_go_on_are_a_matter_of_credentials() -> None:
    service, error = Service(), NotTaken("not let in", where="/leads")
    for _ in range(4):
        assert service.tokens.refused(error) is error
        service.time += 1
    last = service.tokens.refused(error)
    assert isinstance(last, CredentialsError)
    assert (last.where, last.fix) == ("/leads", "Look at the app.")
    assert "Acme does not accept the tokens" in last.what
    service.tokens.accepted()
    assert service.tokens.refused(error) is error


def test_refusals_of_calls_that_were_under_way_together_count_once() -> None:
    service, error = Service(), NotTaken("not let in")
    assert all(service.tokens.refused(error) is error for _ in range(20))
