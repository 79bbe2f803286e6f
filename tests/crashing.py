"""The engine's command line with a crash armed: the process is killed at one call of one method.

    python crashing.py MODULE:CLASS.METHOD NTH before|after -- ENGINE ARGUMENTS

`Database.transaction` is killed before or after its commit; any other method before or after the whole call.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def armed(original: Callable[..., Any], nth: int, when: str) -> Callable[..., Any]:
    """The method, killing the process at its nth call."""
    calls = itertools.count(1)

    @functools.wraps(original)
    def wrapper(*args: Any, **settings: Any) -> Any:
        hit = next(calls) == nth
        if hit and when == "before":
            die()
        result = original(*args, **settings)
        if hit:
            die()
        return result

    return wrapper


def armed_context(original: Callable[..., Any], nth: int, when: str) -> Callable[..., Any]:
    """The same for a context manager: before or after what its end does."""
    calls = itertools.count(1)

    @contextmanager
    def wrapper(*args: Any, **settings: Any) -> Iterator[Any]:
        hit = next(calls) == nth
        with original(*args, **settings) as value:
            yield value
            if hit and when == "before":
                die()
        if hit:
            die()

    return wrapper


def arm(target: str, nth: int, when: str) -> None:
    module, _, path = target.partition(":")
    owner, _, method = path.rpartition(".")
    cls = functools.reduce(getattr, owner.split("."), importlib.import_module(module))
    original = getattr(cls, method)
    wrap = armed_context if method == "transaction" else armed
    setattr(cls, method, wrap(original, nth, when))


if __name__ == "__main__":
    target, nth, when, _, *words = sys.argv[1:]
    arm(target, int(nth), when)
    from engine.cli import main

    sys.argv = ["engine", *words]
    main()
