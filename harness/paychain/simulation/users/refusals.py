"""What a user's code may not do in virtual time, told by the module and the line that did it."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from types import FrameType

from paychain.payments.errors import UserError
from paychain.simulation.forbidden import ForbiddenInSimulation, forbidden

# The user's line that began the task that runs, `shop/app.py:41`; "" when nobody knows.
BEGUN_AT: ContextVar[str] = ContextVar("begun_at", default="")

_STANDARD = sysconfig.get_path("stdlib")
_INSTALLED = ("site-packages", "dist-packages")
_IMPORTING = "importlib._bootstrap"  # the frozen module whose frames stand between two imports

# Standard modules through which everything goes: that they were used says nothing.
_PLUMBING = ("asyncio", "threading", "contextlib", "functools", "socket", "selectors")

# Words of what was used, in the order in which they are looked for.
_WHAT = {
    "sleep": "waits with time.sleep, which stops the whole loop",
    "executor": "uses a pool of processes or threads",
    "Thread": "starts a thread, which runs in real time",
    "thread": "starts a thread, which runs in real time",
    "Condition": "waits for another thread",
    "subprocess": "starts another process, which runs in real time",
    "Process": "starts another process, which runs in real time",
    "os.": "starts another process, which runs in real time",
    "connect_": "opens a pipe to another process",
    "uvloop": "uses uvloop, which reads the machine's clock",
    "TLS": "opens a TLS connection, and the network of virtual time is plain",
    "connection to": "opens a {what}, where no link of the chain listens",
    "": "opens a socket of the operating system ({what})",
}
_INSTEAD = {
    "sleep": "use asyncio.sleep",
    "Thread": "use asyncio's tasks",
    "thread": "use asyncio's tasks",
    "Condition": "use asyncio's own Event, Condition and Queue",
    "uvloop": "call it only where the program is started, as under if __name__ == '__main__'",
    "TLS": "use the http:// address that the variables give",
}
_ASYNC_CLIENT = "use an async client over asyncio, such as httpx.AsyncClient"
_STORE = "keep what it stores in memory or in SQLite (sqlite3) for virtual time"
# What to use in place of a package that cannot run here.
_PACKAGES = {
    "requests": _ASYNC_CLIENT,
    "urllib3": _ASYNC_CLIENT,
    "urllib": _ASYNC_CLIENT,
    "http": _ASYNC_CLIENT,
    "stripe": "use stripe.HTTPXClient() and the *_async methods",
    "Adyen": "Adyen's Python SDK is synchronous: call its API with httpx.AsyncClient",
    "aiohttp": "httpx.AsyncClient runs there, aiohttp makes its own sockets",
    "aiohappyeyeballs": "httpx.AsyncClient runs there, aiohttp makes its own sockets",
    "aiosqlite": "it is a thread around sqlite3: use sqlite3 itself",
    **dict.fromkeys(
        (
            "asyncpg",
            "psycopg",
            "psycopg2",
            "psycopg_pool",
            "pymysql",
            "aiomysql",
            "asyncmy",
            "redis",
            "pymongo",
            "motor",
        ),
        _STORE,
    ),
}
_IN_REAL_TIME = "or run it in real time, without --virtual"


class NotInVirtualTime(UserError):
    """A user's code did what virtual time has no room for."""


class Refusals:
    """What was refused to the code of one service. `is_users`: whether a file is the user's.

    `on_first` is called with the first: whatever the code makes of the error, the run is over.
    """

    def __init__(
        self, service: str, is_users: Callable[[str], bool], on_first: Callable[[], None]
    ) -> None:
        self.first: NotInVirtualTime | None = None
        self._service, self._is_users, self._on_first = service, is_users, on_first

    def refuse(self, what: str, instead: str) -> ForbiddenInSimulation | None:
        """The error for what was used; None while a package looks around as it is imported."""
        place, package, is_imported = self._who(sys._getframe(2))
        if is_imported:
            return None
        if self.first is None:
            word = next(word for word in _WHAT if word in what)
            who = package or self._service
            hint = _PACKAGES.get(package) or _INSTEAD.get(word) or _STORE_OR_LINK.get(word, "")
            hint = f"{hint}, {_IN_REAL_TIME}" if hint else _IN_REAL_TIME.removeprefix("or ")
            self.first = NotInVirtualTime(
                f"{who} {_WHAT[word].format(what=what)}; virtual time cannot run that",
                where=place or BEGUN_AT.get() or self._service,
                hint=hint,
            )
            self._on_first()
        return forbidden(what, instead)

    def place_here(self) -> str:
        """The user's line that is running, the nearest one; "" when there is none."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            file = frame.f_code.co_filename
            if self._is_users(file):
                return f"{_short(file)}:{frame.f_lineno}"
            frame = frame.f_back
        return ""

    def _who(self, frame: FrameType | None) -> tuple[str, str, bool]:
        """The user's line, the outermost package that it went through, and whether that is only
        being imported: packages try sockets then, to see what the machine can do.
        """
        package, standard = "", ""
        while frame is not None:
            file = frame.f_code.co_filename
            name = str(frame.f_globals.get("__name__", ""))
            if self._is_users(file):
                return f"{_short(file)}:{frame.f_lineno}", package or standard, False
            if _IMPORTING in file:
                if package:
                    return "", package, True
            elif any(part in file for part in _INSTALLED):
                package = _top(name) if not _is_server(name) else package
            elif file.startswith(_STANDARD) and not name.startswith(_PLUMBING):
                standard = _top(name)
            frame = frame.f_back
        return "", package or standard, False


_STORE_OR_LINK = {"connection to": f"name it as a link of the chain, {_STORE}"}


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_server(name: str) -> bool:
    """Whether a module is what calls the application, and is no choice of its code."""
    return _top(name) in ("uvicorn", "starlette", "fastapi", "anyio", "sniffio")


def _short(file: str) -> str:
    """A file as the user would name it: relative to where the command was started."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
