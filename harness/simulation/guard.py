"""While a simulation runs, its thread may not read the real clock nor draw unseeded chance."""

from __future__ import annotations

import datetime
import os
import random
import secrets
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.simulation.forbidden import forbidden

_CLOCK = "use the loop's time, or the context's now_ns"
_SLEEP = "use asyncio.sleep"
_CHANCE = "use the context's draw, or a seeded random.Random"
_THREADS = "a thread runs in real time; use tasks"
_SOCKETS = "use the loop's create_server and create_connection"
# What measures or names things for itself and changes nothing in the simulation.
_MAY_ASK = ("asyncio.", "logging", "hypothesis.", "threading", "tempfile", "_pytest.", "pluggy.")

_GUARDED: list[tuple[Any, str, tuple[str, ...], str]] = [
    (
        time, "time",
        ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"), _CLOCK,
    ),
    (time, "time", ("sleep",), _SLEEP),
    (
        random, "random",
        ("random", "uniform", "randint", "randrange", "choice", "choices", "shuffle", "sample",
         "gauss", "normalvariate", "lognormvariate", "expovariate", "betavariate", "triangular",
         "getrandbits", "randbytes", "seed"),
        _CHANCE,
    ),
    (
        secrets, "secrets",
        ("token_bytes", "token_hex", "token_urlsafe", "randbelow", "choice", "randbits"), _CHANCE,
    ),
    (os, "os", ("urandom",), _CHANCE),
    (uuid, "uuid", ("uuid1", "uuid4"), _CHANCE),
    (threading.Thread, "threading.Thread", ("start",), _THREADS),
    (socket.socket, "socket.socket", ("__init__",), _SOCKETS),
]  # fmt: skip

_lock = threading.Lock()
_simulating: dict[int, int] = {}  # thread -> how many simulations it is in
_before: list[tuple[Any, str, Any]] = []


_users = 0  # who needs the guards in their places


@contextmanager
def guards_kept() -> Iterator[None]:
    """Keep the guards in their places over many simulations: putting them on takes milliseconds.

    They let everybody pass who is in no simulation.
    """
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _put_on()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _take_off()


@contextmanager
def guarded() -> Iterator[None]:
    """Guard this thread; others go on as before."""
    thread = threading.get_ident()
    with guards_kept():
        _simulating[thread] = _simulating.get(thread, 0) + 1
        try:
            yield
        finally:
            _simulating[thread] -= 1
            if not _simulating[thread]:
                del _simulating[thread]


def _put_on() -> None:
    for owner, module, names, instead in _GUARDED:
        for name in names:
            what = module if name == "__init__" else f"{module}.{name}"
            _replace(owner, name, _guard(getattr(owner, name), what, instead))
    real = datetime.datetime
    guard = _guarded_datetime(real)
    # `from datetime import datetime` is how it is imported almost everywhere.
    for loaded in list(sys.modules.values()):
        if getattr(loaded, "__dict__", {}).get("datetime") is real:
            _replace(loaded, "datetime", guard)


def _take_off() -> None:
    while _before:
        owner, name, real = _before.pop()
        setattr(owner, name, real)


def _replace(owner: Any, name: str, guard: Any) -> None:
    _before.append((owner, name, owner.__dict__[name]))
    setattr(owner, name, guard)


def _guard(real: Any, what: str, instead: str) -> Any:
    def guard(*args: Any, **keywords: Any) -> Any:
        if threading.get_ident() in _simulating:
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if instead in (_THREADS, _SOCKETS) or not caller.startswith(_MAY_ASK):
                raise forbidden(what, instead)
        return real(*args, **keywords)

    guard.__name__ = getattr(real, "__name__", what)
    return guard


def _guarded_datetime(real: Any) -> Any:
    class Kind(type(real)):  # type: ignore[misc]
        """Makes every datetime an instance of the guarded class."""

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real)

        def __subclasscheck__(cls, kind: type) -> bool:
            return issubclass(kind, real)

    names = ("now", "utcnow", "today")
    return Kind(
        "datetime", (real,),
        {
            name: staticmethod(_guard(getattr(real, name), f"datetime.datetime.{name}", _CLOCK))
            for name in names
        },
    )  # fmt: skip
