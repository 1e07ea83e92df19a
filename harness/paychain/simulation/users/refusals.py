"""What a user's code may not do in virtual time, named by the module and the line that did it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from paychain.payments.errors import UserError
from paychain.simulation.forbidden import ForbiddenInSimulation, forbidden

_INSTALLED = ("site-packages", "dist-packages")
_LOOPS = "_run_once"  # asyncio's name of what runs everything: nothing of the user's is outside it
_IMPORTING = "importlib._bootstrap"  # the frozen module whose frames stand between two imports

_CLIENTS = ("urllib", "http", "smtplib", "imaplib", "poplib", "ftplib", "xmlrpc")  # of Python's own
# Words of what was used, in the order in which they are looked for.
_WHAT = {
    "event loop": "runs an event loop of its own, which reads the machine's clock",
    "from_thread": "waits on a thread for the loop ({what})",
    "sleep": "waits with time.sleep, which stops the whole loop",
    "Condition": "waits for another thread",
    "executor": "uses a pool of processes or threads",
    "Thread": "starts a thread, which runs in real time",
    "thread": "starts a thread, which runs in real time",
    "subprocess": "starts another process, which runs in real time",
    "Process": "starts another process, which runs in real time",
    "os.": "starts another process, which runs in real time",
    "connect_": "opens a pipe to another process",
    "uvloop": "uses uvloop, which reads the machine's clock",
    "TLS": "opens a TLS connection, and the network of virtual time is plain",
    "host ": "connects to the {what}, and virtual time has the links of the chain alone",
    "connection to": "opens a {what}, where no link of the chain listens",
    "signal.": "asks for a signal of the operating system ({what})",
    "": "opens a socket of the operating system ({what})",
}
_ASYNC_CLIENT = "use an async client over asyncio, such as httpx.AsyncClient"
_STORE = "keep what it stores in memory or in SQLite (sqlite3) for virtual time"
_AWAIT = "await it, as async endpoints can"
_OF_LINKS = "use the http:// addresses of links, such as {url:LINK} under env:"
_INSTEAD = {
    "event loop": _AWAIT,
    "from_thread": _AWAIT,
    "sleep": "use asyncio.sleep",
    "Condition": "use asyncio's own Event, Condition and Queue",
    "Thread": "use asyncio's tasks",
    "thread": "use asyncio's tasks",
    "signal.": "use asyncio.timeout, or the loop's call_later",
    "uvloop": "call it only where the program is started, as under if __name__ == '__main__'",
    "TLS": _OF_LINKS,
    "host ": _OF_LINKS,
    "connection to": f"name it as a link of the chain, or {_STORE}",
    "": f"use asyncio's streams, or an async client over them; {_OF_LINKS}",
}
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
            "MySQLdb",
            "pymssql",
            "pyodbc",
        ),
        _STORE,
    ),
    "grpc": "gRPC opens its sockets in compiled code: only a real run has them",
}
_IN_REAL_TIME = "or run it in real time"


class NotInVirtualTime(UserError):
    """A user's code did what virtual time has no room for."""


class Refusals:
    """What was refused to the code of one service. `is_users`: whether a file is the user's.

    `on_first` is called at the first: whatever the code makes of the error, the run is over.
    `begun_at`: the user's line that began the task that runs, `shop/app.py:41`; "" for none.
    """

    def __init__(
        self,
        service: str,
        is_users: Callable[[str], bool],
        on_first: Callable[[], None],
        begun_at: Callable[[], str] = lambda: "",
    ) -> None:
        self.first: NotInVirtualTime | None = None
        self._service, self._is_users, self._on_first = service, is_users, on_first
        self._begun_at = begun_at

    def refuse(self, what: str, instead: str) -> ForbiddenInSimulation | None:
        """The error for what was used; None while a package looks around as it is imported."""
        place, package, is_imported = self._who(sys._getframe(2))
        if is_imported:
            return None
        if self.first is None:
            word = next(word for word in _WHAT if word in what)
            package = package or next(filter(_PACKAGES.__contains__, [_top(what)]), "")
            who = package or self._service
            hint = _PACKAGES.get(package) or _INSTEAD.get(word, "")
            hint = f"{hint}, {_IN_REAL_TIME}" if hint else _IN_REAL_TIME.removeprefix("or ")
            self.first = NotInVirtualTime(
                f"{who} {_WHAT[word].format(what=what)}; virtual time cannot run that",
                where=place or self._begun_at() or self._service,
                hint=hint,
            )
            self._on_first()
        return forbidden(what, instead)

    def place_here(self) -> str:
        """The user's line that is running, the nearest one; "" when there is none."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_name != _LOOPS:
            file = frame.f_code.co_filename
            if self._is_users(file):
                return f"{short(file)}:{frame.f_lineno}"
            frame = frame.f_back
        return ""

    def _who(self, frame: FrameType | None) -> tuple[str, str, bool]:
        """The user's line, the outermost package that it went through, and whether that is only
        being imported: packages try sockets then, to see what the machine can do.
        """
        package, standard = "", ""
        while frame is not None and frame.f_code.co_name != _LOOPS:
            file = frame.f_code.co_filename
            name = str(frame.f_globals.get("__name__", ""))
            if self._is_users(file):
                return f"{short(file)}:{frame.f_lineno}", package or standard, False
            if _IMPORTING in file:
                if package:
                    return "", package, True
            elif any(part in file for part in _INSTALLED):
                package = _top(name) if not _is_server(name) else package
            elif _top(name) in _CLIENTS:
                standard = _top(name)
            frame = frame.f_back
        return "", package or standard, False


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_server(name: str) -> bool:
    """Whether a module is what calls the application, and not a choice of its code."""
    return _top(name) in ("uvicorn", "starlette", "fastapi", "anyio", "sniffio")


def short(file: str) -> str:
    """A file as the user would name it: relative to where the command was started."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
