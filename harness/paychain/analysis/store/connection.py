"""The SQLite connection of run.db: somebody else may read or lock the file meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from paychain.payments.errors import UserError

PAGE_BYTES = 16_384  # fewer, longer reads: judging a million payments takes 8 % less time
CACHE_KB = 100_000  # of pages; indexes are sorted in as much
SORTERS = 2  # threads beside ours that sort an index: a third less time for ours
LOCKED_WITHIN_MS = 60_000  # a lock of somebody else is waited for, where nothing is urgent
URGENT_MS = 20  # while faults are to be switched in time
READ_WITHIN_MS = 2_000  # for readers to end, before the file is copied instead
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_BESIDE = ("-wal", "-shm", "-journal")  # what SQLite keeps of a database that is in use
# A view in place of a table may have no end, and a trigger does something of its own.
_FOREIGN = "SELECT type FROM sqlite_master WHERE type NOT IN ('table', 'index')"


class Database(sqlite3.Connection):
    """A connection to a file that this process also reads as it is.

    When a process closes a file, it loses all its locks on it (POSIX), and SQLite's are such locks.
    Others would then take themselves for the last users of the database, and remove its log.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._left_open: list[BinaryIO] = []

    def read_file(self, path: Path) -> BinaryIO:
        """Open a file of the database, such as its log. It is closed after the connection."""
        file = path.open("rb")
        self._left_open.append(file)
        return file

    def close(self) -> None:
        """Close the connection, then the files."""
        super().close()
        while self._left_open:
            self._left_open.pop().close()


def create(path: Path, version: int) -> sqlite3.Connection:
    """A new, empty database whose format has this version. Raises sqlite3.Error."""
    connection = sqlite3.connect(path, timeout=LOCKED_WITHIN_MS / 1e3, factory=Database)
    connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode=WAL")
    _prepare(connection)
    connection.execute(f"PRAGMA user_version={version}")
    return connection


def open_(path: Path, version: int, *, is_read_only: bool) -> sqlite3.Connection:
    """A database that exists, whatever is in its name.

    Raises UserError when it is none, or of another version.
    """
    if not path.exists():
        raise UserError(f"no {path.name} in {path.parent}", hint="name a run directory")
    # SQLite opens them all, and waits at a pipe for as long as nobody writes to it.
    for file in (path, *(path.with_name(path.name + end) for end in _BESIDE)):
        if file.exists() and not file.is_file():
            raise UserError(f"{file} is no file: a device, a pipe or a folder")
    # In a URI, `?`, `#` and `%` of a name would mean something else.
    uri = f"{path.absolute().as_uri()}?mode={'ro' if is_read_only else 'rw'}"
    try:
        connection = sqlite3.connect(
            uri, uri=True, timeout=LOCKED_WITHIN_MS / 1e3, factory=Database
        )
        ((found,),) = connection.execute("PRAGMA user_version")
        foreign = connection.execute(_FOREIGN).fetchone()
    except sqlite3.Error as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not found:  # the process of the run ended before it had written any
        connection.close()
        raise UserError(f"{path} holds no run: it did not begin", hint="run it again")
    if found != version:
        connection.close()
        what = f"{path} has format {found}, this paychain reads format {version}"
        raise UserError(what, hint="open it with the version that ran it, or run it again")
    if foreign is not None:
        connection.close()
        raise UserError(f"{path} was changed: it has a {foreign[0]}, which no run has")
    if not is_read_only:
        _prepare(connection)
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    # A process that dies loses nothing by this; only a power cut could, and spools are at hand.
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KB}")


@contextmanager
def sorting(connection: sqlite3.Connection) -> Iterator[None]:
    """Sort on several processors, in as much memory as one would take."""
    connection.execute(f"PRAGMA threads={SORTERS}")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KB // (1 + SORTERS)}")
    try:
        yield
    finally:
        connection.execute("PRAGMA threads=0")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KB}")


def begin_at_once(connection: sqlite3.Connection) -> bool:
    """Begin to write unless somebody else has the file locked; whether that worked.

    Raises sqlite3.Error for everything else.
    """
    if connection.in_transaction:
        return True
    connection.execute(f"PRAGMA busy_timeout={URGENT_MS}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in _BUSY:
            raise
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout={LOCKED_WITHIN_MS}")
    return True


def empty_log(connection: sqlite3.Connection) -> None:
    """Write everything to the one file; as much of it as readers of the file permit."""
    connection.commit()
    connection.execute(f"PRAGMA busy_timeout={READ_WITHIN_MS}")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.execute(f"PRAGMA busy_timeout={LOCKED_WITHIN_MS}")


def close_in_one_file(connection: sqlite3.Connection, path: Path | None) -> None:
    """Close, and leave one file without a log beside it. `path` None: it is in memory.

    Somebody who still reads the file keeps the old one; a copy takes its place. Raises
    sqlite3.Error or OSError.
    """
    connection.execute(f"PRAGMA busy_timeout={READ_WITHIN_MS}")
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        if path is None or error.sqlite_errorcode not in _BUSY:
            raise
        copy = path.with_suffix(".copy")
        with closing(sqlite3.connect(copy)) as other:
            connection.backup(other)
            other.execute("PRAGMA journal_mode=DELETE")
        connection.close()
        copy.replace(path)
        for log in ("wal", "shm"):
            path.with_name(f"{path.name}-{log}").unlink(missing_ok=True)
    else:
        connection.close()
