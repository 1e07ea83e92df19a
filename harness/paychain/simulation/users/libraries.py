"""Where async libraries reach past the loop, and what they find there in virtual time.

anyio ── `to_thread`: Starlette and FastAPI call `def` endpoints and dependencies by it ──> the loop
httpcore ── asks the system whether an idle connection was closed ──> the simulated network
ssl ── encrypts in memory what a library then sends as plain bytes ──> refused
uvloop, asyncio.run on a thread ── are other loops, which read the machine's clock ──> refused
psycopg2, grpc and the like ── open sockets in compiled code, where no guard sees them ──> refused
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from paychain.simulation.fake_socket import FakeSocket
from paychain.simulation.guard import stand_in_here
from paychain.simulation.users.apart import apart

Refuse = Callable[[str, str], BaseException | None]  # what was used, and what to do instead
# Module, class ("" for none), name, and what it is called in a refusal where that is another.
_REFUSED = (
    *(("uvloop", "", name, "") for name in ("install", "run", "new_event_loop", "EventLoopPolicy")),
    ("ssl", "SSLContext", "wrap_bio", "TLS"),
    *(("anyio.from_thread", "", name, "") for name in ("run", "run_sync")),
    *((name, "", "connect", "") for name in ("psycopg2", "psycopg", "pymssql", "pyodbc")),
    *(("MySQLdb", "", name, "") for name in ("connect", "Connect")),
    *(
        (module, "", name, "")
        for module in ("grpc", "grpc.aio")
        for name in ("insecure_channel", "secure_channel")
    ),
)
_LOOPS = ("asyncio", "asyncio.events")  # both have it by name
_ANYIO, _HTTPCORE = "anyio._backends._asyncio", "httpcore._backends.anyio"
# What packages import only when they are first used; in this order.
_LATER = {
    "stripe": (
        "httpx",
        "stripe._stripe_client",
        "stripe._v1_services",
        "stripe._v2_services",
        "stripe._object_classes",
        "stripe._payment_intent_service",
        "stripe._payment_intent",
        "stripe._telemetry_id",
        "stripe._webhook",
    ),
    "httpx": ("httpcore", "anyio"),
    "httpcore": (_HTTPCORE,),
    "anyio": (_ANYIO,),
}


def import_later_ones() -> None:
    """Import what these libraries would import when they are first used."""
    for name, later in _LATER.items():
        for module in later if name in sys.modules else ():
            with suppress(ImportError):  # not installed, or another version
                importlib.import_module(module)


class Libraries:
    """What is replaced in these libraries. `refuse` gives the error for what cannot be used."""

    def __init__(self, refuse: Refuse) -> None:
        self._refuse = refuse
        self._replaced: list[tuple[Any, str, Any]] = []

    @contextmanager
    def on_the_loop(self) -> Iterator[None]:
        """Let what is imported of them use the simulation inside."""
        self.replace()
        try:
            yield
        finally:
            for place, name, real in reversed(self._replaced):
                setattr(place, name, real)
            self._replaced.clear()

    def replace(self) -> None:
        """Replace what was imported since the last time, too."""
        instead: Any = classmethod(_on_the_loop)
        self._replace(_ANYIO, "AsyncIOBackend", "run_sync_in_worker_thread", instead)
        self._replace(_HTTPCORE, "", "is_socket_readable", _is_readable)
        for module in _LOOPS:
            self._refuse_users(module, "", "new_event_loop", "an event loop")
        for module, owner, name, what in _REFUSED:
            self._refuse_users(module, owner, name, what or f"{module}.{name}")

    def _refuse_users(self, module: str, owner: str, name: str, what: str) -> None:
        """Refuse it to the user's code. What others do on their threads is none of its business."""
        place = self._place(module, owner)
        real: Any = getattr(place, name, None)

        def refused(*args: Any, **keywords: Any) -> Any:
            error = None
            if stand_in_here() is not None:
                error = self._refuse(what, "it leaves virtual time")
            if error is not None:
                raise error
            return real(*args, **keywords)  # also for a package that is being imported

        self._replace(module, owner, name, refused)

    @staticmethod
    def _place(module: str, owner: str) -> Any:
        place: Any = sys.modules.get(module)
        return getattr(place, owner, None) if place is not None and owner else place

    def _replace(self, module: str, owner: str, name: str, instead: Any) -> None:
        place = self._place(module, owner)
        # Of another version, it may not be there: then it does what it does. uvloop makes some of
        # its names when they are first asked for.
        if place is None or getattr(place, name, None) is None or name not in vars(place):
            return
        if any(known is place and named == name for known, named, _ in self._replaced):
            return
        self._replaced.append((place, name, vars(place)[name]))
        setattr(place, name, instead)


async def _on_the_loop(
    _: type, work: Callable[..., Any], args: tuple[Any, ...], *__: Any, **___: Any
) -> Any:
    await asyncio.sleep(0)
    return apart(work, *args)


def _is_readable(socket: FakeSocket | None) -> bool:
    """As httpcore's own: a connection that has something to read while idle was closed."""
    return socket is None or socket.is_readable()
