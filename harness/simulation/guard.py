"""While a simulation runs, its thread may not read the real clock nor draw unseeded chance, nor
start threads, open sockets, start other processes or ask for signals."""

from __future__ import annotations

import _socket
import _thread
import datetime
import multiprocessing.process
import os
import random
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harness.simulation.forbidden import forbidden

_CLOCK = "use the loop's time, or the context's now_ns"
_SLEEP = "use asyncio.sleep"
_CHANCE = "use the context's draw, or a seeded random.Random"
_THREADS = "a thread runs in real time; use tasks"
_SOCKETS = "use the loop's create_server and create_connection"
_PROCESSES = "another process runs in real time"
_SIGNALS = "signals come at no virtual time"
_WAITS = "it waits in real time, and nobody else runs; use asyncio's own"
_ALWAYS = (_THREADS, _SOCKETS, _PROCESSES, _SIGNALS, _WAITS)
# What measures or names things for itself and changes nothing in the simulation.
_MAY_ASK = ("asyncio.", "logging", "hypothesis.", "threading", "tempfile", "_pytest.", "pluggy.")

# A name that this Python or this system does not have is passed over.
_GUARDED: list[tuple[Any, str, tuple[str, ...], str]] = [
    (
        time, "time",
        ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns",
         "process_time", "process_time_ns", "thread_time", "thread_time_ns", "clock_gettime",
         "clock_gettime_ns"),
        _CLOCK,
    ),
    (os, "os", ("times",), _CLOCK),
    (time, "time", ("sleep",), _SLEEP),
    (
        random, "random",
        tuple(one for one in random.__all__ if hasattr(getattr(random, one), "__self__")), _CHANCE,
    ),
    (random.SystemRandom, "random.SystemRandom", ("random", "getrandbits", "randbytes"), _CHANCE),
    (
        secrets, "secrets",
        ("token_bytes", "token_hex", "token_urlsafe", "randbelow", "choice", "randbits"), _CHANCE,
    ),
    (os, "os", ("urandom", "getrandom"), _CHANCE),
    (uuid, "uuid", ("uuid1", "uuid4", "uuid6", "uuid7", "uuid8"), _CHANCE),
    (threading.Thread, "threading.Thread", ("start",), _THREADS),
    (_thread, "_thread", ("start_new_thread",), _THREADS),
    # Under an Event, a queue and a pool's results, where they would have to wait.
    (threading.Condition, "threading.Condition", ("wait",), _WAITS),
    (socket.socket, "socket.socket", ("__init__",), _SOCKETS),
    (_socket, "_socket", ("socket",), _SOCKETS),
    (select, "select", ("select", "poll", "epoll", "kqueue"), _SOCKETS),
    (
        socket, "socket",
        ("getaddrinfo", "getnameinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"),
        _SOCKETS,
    ),
    (subprocess.Popen, "subprocess.Popen", ("__init__",), _PROCESSES),
    (multiprocessing.process.BaseProcess, "multiprocessing.Process", ("start",), _PROCESSES),
    (os, "os", ("system", "fork", "forkpty", "posix_spawn", "posix_spawnp"), _PROCESSES),
    (signal, "signal", ("signal", "alarm", "setitimer"), _SIGNALS),
]  # fmt: skip
OnlyIf = Callable[..., bool]  # of a call's arguments
# These read the clock when they are given no time: how many arguments are too few.
_GIVEN_A_TIME = {"localtime": 0, "gmtime": 0, "ctime": 0, "asctime": 0, "strftime": 1}

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
            if hasattr(owner, name):
                what = module if name == "__init__" else f"{module}.{name}"
                _replace(owner, name, _guard(getattr(owner, name), what, instead))
    for name, few in _GIVEN_A_TIME.items():
        _replace(time, name, _guard(getattr(time, name), f"time.{name}", _CLOCK, _at_most(few)))
    seed = _guard(random.Random.seed, "random.Random() without a seed", _CHANCE, _is_unseeded)
    _replace(random.Random, "seed", seed)
    _put_on_dates()


def _put_on_dates() -> None:
    kinds = [
        ("date", _guarded_date(datetime.date, ("today",))),
        ("datetime", _guarded_date(datetime.datetime, ("now", "utcnow", "today"))),
    ]
    reals = {name: getattr(datetime, name) for name, _ in kinds}
    # `from datetime import datetime` is how it is imported almost everywhere.
    for loaded in list(sys.modules.values()):
        names = getattr(loaded, "__dict__", {})
        for name, guard in kinds:
            if names.get(name) is reals[name]:
                _replace(loaded, name, guard)


def _take_off() -> None:
    while _before:
        owner, name, real = _before.pop()
        setattr(owner, name, real)


def _replace(owner: Any, name: str, guard: Any) -> None:
    _before.append((owner, name, owner.__dict__[name]))
    setattr(owner, name, guard)


def _guard(real: Any, what: str, instead: str, only: OnlyIf | None = None) -> Any:
    """`only`: of the arguments, where it is some calls that are forbidden and not all."""

    def guard(*args: Any, **keywords: Any) -> Any:
        if (
            threading.get_ident() in _simulating
            and (only is None or only(*args, **keywords))
            and (instead in _ALWAYS or not _caller().startswith(_MAY_ASK))
        ):
            raise forbidden(what, instead)
        return real(*args, **keywords)

    guard.__name__ = getattr(real, "__name__", what)
    return guard


def _caller() -> str:
    """The module that asks a guard; `random` itself asks for whoever uses it."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") == "random":
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


def _is_unseeded(_: random.Random, a: object = None, version: int = 2) -> bool:  # noqa: ARG001
    return a is None


def _at_most(few: int) -> OnlyIf:
    return lambda *given: len(given) <= few


def _guarded_date(real: Any, names: tuple[str, ...]) -> Any:
    class Kind(type(real)):  # type: ignore[misc]
        """Makes every date an instance of the guarded class."""

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real)

        def __subclasscheck__(cls, kind: type) -> bool:
            return issubclass(kind, real)

    kind = real.__name__
    return Kind(
        kind, (real,),
        {
            name: staticmethod(_guard(getattr(real, name), f"datetime.{kind}.{name}", _CLOCK))
            for name in names
        },
    )  # fmt: skip
