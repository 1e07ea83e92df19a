"""Where async libraries reach past the loop, and what they find there in virtual time.

anyio ── `to_thread`: Starlette and FastAPI call `def` endpoints and dependencies by it ──> the loop
httpcore ── asks the system whether an idle connection was closed ──> the simulated network
uvloop ── is another loop, which reads the machine's clock ──> refused
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from paychain.simulation.fake_socket import FakeSocket

Refuse = Callable[[str, str], BaseException | None]  # what was used, and what to do instead
_UVLOOP = ("install", "run", "new_event_loop", "EventLoopPolicy")
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
        for name in _UVLOOP:
            self._replace("uvloop", "", name, self._refusing(f"uvloop.{name}"))

    def _refusing(self, what: str) -> Callable[..., Any]:
        def refused(*_: Any, **__: Any) -> Any:
            raise self._refuse(what, "the loop is that of virtual time") or RuntimeError(what)

        return refused

    def _replace(self, module: str, owner: str, name: str, instead: Any) -> None:
        place: Any = sys.modules.get(module)
        if place is not None and owner:
            place = getattr(place, owner, None)
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
    return work(*args)


def _is_readable(socket: FakeSocket | None) -> bool:
    """As httpcore's own: a connection that has something to read while idle was closed."""
    return socket is None or socket.is_readable()
