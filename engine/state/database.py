"""Open the state file, keep its one connection, and run transactions on it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sqlite_utils import Database as SqliteUtils

from engine.errors import EnvironmentFault
from engine.migrations import APPLICATION_ID, migrations

#: Seconds between two tries to become the only run on a state.
_TURN = 0.2


class Database:
    """One SQLite file and one connection, shared by threads behind a lock. Raises EnvironmentFault on opening.

    The file is 0600 in a folder of 0700. A file that is not ours, damaged, or written by a newer engine is refused and
    left as it is. WAL with synchronous=FULL: what is committed survives a power cut.
    """

    def __init__(self, path: Path | str, *, check: bool = True) -> None:
        self.path = Path(path)
        self.lock = threading.RLock()
        self._lock_file: int | None = None
        self._committer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._commit: Future[Any] | None = None
        self._failed: BaseException | None = None
        try:
            _prepare(self.path)
            self.connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30)
        except (OSError, sqlite3.Error) as error:
            raise EnvironmentFault(
                f"cannot open the state: {error}",
                where=str(self.path),
                fix="Name a file in a folder that can be written, with --state.",
            ) from error
        try:
            with _alone(self.path):
                self._set_up(check)
        except (sqlite3.OperationalError, OSError) as error:
            self.connection.close()
            raise EnvironmentFault(
                f"the state cannot be used: {error}",
                where=str(self.path),
                fix="See whether another run is at work on it, and that file and folder can be written.",
            ) from error
        except sqlite3.DatabaseError as error:
            self.connection.close()
            raise EnvironmentFault(
                f"the state is no usable SQLite database: {error}",
                where=str(self.path),
                fix="Restore it from a backup, or name another file with --state; it is left untouched.",
            ) from error
        except EnvironmentFault:
            self.connection.close()
            raise

    def _set_up(self, check: bool) -> None:
        run = self.connection.execute
        (mark,) = run("PRAGMA application_id").fetchone()
        (tables,) = run("SELECT count(*) FROM sqlite_master").fetchone()
        if mark != APPLICATION_ID and tables:
            raise EnvironmentFault("the file is a database of something else", where=str(self.path))
        for pragma in (
            "page_size = 8192",  # measured: a tenth faster than 4096 on the whole pipeline
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = OFF",  # every reference is written in the transaction of what it refers to
            "cache_size = -32000",
            "wal_autocheckpoint = 8000",  # pages; one that changes at every stage is copied back once, not five times
            "temp_store = FILE",
            "busy_timeout = 30000",
        ):
            run(f"PRAGMA {pragma}")
        if check and tables:
            (verdict,) = run("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise EnvironmentFault(f"the state is damaged: {verdict}", where=str(self.path))
        if not tables:
            run(f"PRAGMA application_id = {APPLICATION_ID}")
        self.tables = SqliteUtils(self.connection)
        strange = {migration.name for migration in migrations.applied(self.tables)} - _known_names()
        if strange:
            raise EnvironmentFault(
                f"the state was written by a newer engine ({', '.join(sorted(strange))})",
                where=str(self.path),
                fix="Install the engine that wrote it.",
            )
        if migrations.pending(self.tables):
            migrations.apply(self.tables)

    def close(self) -> None:
        with self.lock:
            self._committer.shutdown()
            self.connection.close()
            self.release()

    def release(self) -> None:
        """Let other runs work on this state again."""
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def hold(self, wait: float = 0.0, sleep: Callable[[float], None] = time.sleep) -> None:
        """Become the only run on this state, until closing or the end of the process; `wait` that many seconds for it.

        Raises EnvironmentFault.
        """
        path = self.path.with_name(self.path.name + ".lock")
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if wait > 0:
                    sleep(min(wait, _TURN))
                    wait -= _TURN
                    continue
                os.close(handle)
                raise EnvironmentFault(
                    "another run is at work on this state",
                    where=str(self.path),
                    fix="Wait for it to end (`engine run --wait SECONDS` does), or use another --state file.",
                ) from error
            self._lock_file = handle
            return

    @contextmanager
    def transaction(self, *, wait: bool = True) -> Iterator[sqlite3.Connection]:
        """One atomic change; everything in it becomes durable together or not at all.

        Without `wait` the commit goes on in the background, for changes that nothing outside depends on yet: whatever
        comes next on this database waits for it, and raises what it raised.
        """
        with self.lock:
            self._await_commit()
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                yield self.connection
                if wait:
                    self.connection.execute("COMMIT")
                else:
                    self._commit = self._committer.submit(self.connection.execute, "COMMIT")
            except BaseException as error:
                self._roll_back(error)
                raise

    def _roll_back(self, error: BaseException) -> None:
        """Undo what was begun. Raises EnvironmentFault where the machine is the reason (a full disk, a lock)."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            raise EnvironmentFault(
                f"the state cannot be written: {error}",
                where=str(self.path),
                fix="Make room on the disk, or free the file, then run the same command again"
                " (with standard input from its start).",
            ) from error

    def _await_commit(self) -> None:
        """Wait for a commit in the background. One that failed fails everything that follows: its change is gone."""
        commit, self._commit = self._commit, None
        if commit is not None:
            try:
                commit.result()
            except BaseException as error:
                self._failed = error
        if self._failed is not None:
            self._roll_back(self._failed)
            raise self._failed

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.lock:
            self._await_commit()
            try:
                return self.connection.execute(sql, parameters).fetchall()
            except sqlite3.OperationalError as error:
                self._roll_back(error)
                raise

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        found = self.rows(sql, parameters)
        return found[0] if found else None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Set a state up while no other process does: two that make the same tables would refuse each other."""
    handle = os.open(path.with_name(path.name + ".opening"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _known_names() -> frozenset[str]:
    fresh = SqliteUtils(memory=True)
    return frozenset(migration.name for migration in migrations.pending(fresh))


def _prepare(path: Path) -> None:
    path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)  # another process may be making it too
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def key_hash(key: str) -> int:
    """64 bits that stand for a lead's key in an index. Whoever looks up by it compares the key itself as well."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


def marks(count: int) -> str:
    """`count` parameter marks for an IN list."""
    return ",".join("?" * count)
