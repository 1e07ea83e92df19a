"""What a simulation's thread may not do: read the real clock, draw unseeded chance, start threads
or other processes, open sockets, ask for signals.

Guards replace the functions that would do it. They raise ForbiddenInSimulation in a thread that
simulates and pass every other call on. While a thread runs somebody else's code (`standing_in`),
clocks and chance are answered by a stand-in instead, and what it has no answer for is refused.
"""

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, Protocol

from paychain.simulation.forbidden import ForbiddenInSimulation, forbidden

_CLOCK = "use the loop's time, or the context's now_ns"
_SLEEP = "use asyncio.sleep"
_CHANCE = "use the context's draw, or a seeded random.Random"
_THREADS = "a thread runs in real time; use tasks"
_SOCKETS = "use the loop's create_server and create_connection"
_PROCESSES = "another process runs in real time"
_SIGNALS = "signals come at no virtual time"
_WAITS = "it waits in real time and blocks the loop; use asyncio's own"
_ALWAYS = (_THREADS, _SOCKETS, _PROCESSES, _SIGNALS, _WAITS)
# Callers that measure or name things for themselves and change nothing in the simulation.
_EXEMPT_CALLERS = (
    "asyncio.",
    "logging",
    "hypothesis.",
    "threading",
    "tempfile",
    "_pytest.",
    "pluggy.",
)

# Owner, its name in messages, its functions, what to do instead. A function that this Python or
# this system does not have is skipped.
_GUARDED: list[tuple[Any, str, tuple[str, ...], str]] = [
    (
        time,
        "time",
        (
            "time",
            "time_ns",
            "monotonic",
            "monotonic_ns",
            "perf_counter",
            "perf_counter_ns",
            "process_time",
            "process_time_ns",
            "thread_time",
            "thread_time_ns",
            "clock_gettime",
            "clock_gettime_ns",
        ),
        _CLOCK,
    ),
    (os, "os", ("times",), _CLOCK),
    (time, "time", ("sleep",), _SLEEP),
    (
        random,
        "random",
        tuple(name for name in random.__all__ if hasattr(getattr(random, name), "__self__")),
        _CHANCE,
    ),
    (random.SystemRandom, "random.SystemRandom", ("random", "getrandbits", "randbytes"), _CHANCE),
    (
        secrets,
        "secrets",
        ("token_bytes", "token_hex", "token_urlsafe", "randbelow", "choice", "randbits"),
        _CHANCE,
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
        socket,
        "socket",
        ("getaddrinfo", "getnameinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"),
        _SOCKETS,
    ),
    (subprocess.Popen, "subprocess.Popen", ("__init__",), _PROCESSES),
    (multiprocessing.process.BaseProcess, "multiprocessing.Process", ("start",), _PROCESSES),
    (os, "os", ("system", "fork", "forkpty", "posix_spawn", "posix_spawnp"), _PROCESSES),
    (signal, "signal", ("signal", "alarm", "setitimer"), _SIGNALS),
]
OnlyIf = Callable[..., bool]  # of a call's arguments


class Substitute(Protocol):
    """What answers in place of clocks and chance while somebody else's code runs."""

    functions: Mapping[str, Callable[..., Any]]  # by the name that messages have

    def refusal(self, what: str, instead: str) -> ForbiddenInSimulation | None:
        """The error for what has no answer here; None where it may be used all the same."""


# These read the clock when they are given no time: with that many arguments or fewer.
_MAX_ARGS_WITHOUT_TIME = {"localtime": 0, "gmtime": 0, "ctime": 0, "asctime": 0, "strftime": 1}

_lock = threading.Lock()
_simulating: dict[int, int] = {}  # thread -> how many simulations it is in
_stand_ins: dict[int, Substitute] = {}  # by thread, where one answers
_replaced: list[tuple[Any, str, Any]] = []  # owner, name, the real function
_users = 0  # how many need the guards installed
_looked_through: tuple[int, ...] = ()  # ids of the modules that were there at the last look
_with_dates: list[tuple[Any, str]] = []  # those of them that have a date class, under this name


@contextmanager
def guards_installed() -> Iterator[None]:
    """Keep the guards installed over many simulations: installing them takes milliseconds.

    Threads that do not simulate are not affected.
    """
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _install()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _uninstall()


@contextmanager
def guarded() -> Iterator[None]:
    """Guard this thread; others are not affected."""
    thread = threading.get_ident()
    with guards_installed():
        _simulating[thread] = _simulating.get(thread, 0) + 1
        try:
            yield
        finally:
            _simulating[thread] -= 1
            if not _simulating[thread]:
                del _simulating[thread]


@contextmanager
def standing_in(stand_in: Substitute) -> Iterator[None]:
    """Let a stand-in answer what this thread, which is guarded, asks of clocks and chance."""
    thread = threading.get_ident()
    before = _stand_ins.get(thread)
    _stand_ins[thread] = stand_in
    try:
        yield
    finally:
        if before is None:
            del _stand_ins[thread]
        else:
            _stand_ins[thread] = before


def stand_in_here() -> Substitute | None:
    """What answers this thread, if anything does."""
    return _stand_ins.get(threading.get_ident())


@contextmanager
def dates_left_alone() -> Iterator[None]:
    """Let every module have the real date classes meanwhile. Guards stay installed inside."""
    dates = [(owner, name, real) for owner, name, real in _replaced if isinstance(real, type)]
    guards = [getattr(owner, name) for owner, name, _ in dates]
    for owner, name, real in dates:
        setattr(owner, name, real)
    try:
        yield
    finally:
        for (owner, name, _), guard in zip(dates, guards, strict=True):
            setattr(owner, name, guard)


def functions_replaced() -> list[tuple[Any, Any]]:
    """Of each function of a module that is replaced now, the real one and its guard."""
    return [
        (real, getattr(owner, name))
        for owner, name, real in _replaced
        if isinstance(owner, ModuleType) and not isinstance(real, type)
    ]


def _install() -> None:
    for owner, module, names, instead in _GUARDED:
        for name in names:
            if hasattr(owner, name):
                what = module if name == "__init__" else f"{module}.{name}"
                _replace(owner, name, _guard(getattr(owner, name), what, instead))
    for name, max_args in _MAX_ARGS_WITHOUT_TIME.items():
        guard = _guard(getattr(time, name), f"time.{name}", _CLOCK, _has_at_most(max_args))
        _replace(time, name, guard)
    seed = _guard(random.Random.seed, "random.Random() without a seed", _CHANCE, _is_unseeded)
    _replace(random.Random, "seed", seed)
    _install_for_dates()


def _install_for_dates() -> None:
    guards = _guarded_dates()
    reals = {name: getattr(datetime, name) for name in guards}
    for loaded, name in _places_of_dates(reals):
        if loaded.__dict__.get(name) is reals[name]:
            _replace(loaded, name, guards[name])


@cache  # modules that were imported meanwhile keep them
def _guarded_dates() -> dict[str, Any]:
    return {
        "date": _guarded_date(datetime.date, ("today",)),
        "datetime": _guarded_date(datetime.datetime, ("now", "utcnow", "today")),
    }


def _places_of_dates(reals: Mapping[str, Any]) -> list[tuple[Any, str]]:
    """Where the date classes are: `from datetime import datetime` is how almost all import them.

    Modules are looked through again only when there are others than before: there are thousands,
    and a simulation may be as short as one payment.
    """
    global _looked_through
    modules = list(sys.modules.values())
    ids = tuple(map(id, modules))
    if ids != _looked_through:
        _with_dates[:] = [
            (loaded, name)
            for loaded in modules
            for name, real in reals.items()
            if getattr(loaded, "__dict__", {}).get(name) is real
        ]
        _looked_through = ids
    return _with_dates


def _uninstall() -> None:
    while _replaced:
        owner, name, real = _replaced.pop()
        setattr(owner, name, real)


def _replace(owner: Any, name: str, guard: Any) -> None:
    _replaced.append((owner, name, owner.__dict__[name]))
    setattr(owner, name, guard)


def _guard(real: Any, what: str, instead: str, only: OnlyIf | None = None) -> Any:
    """A function that raises in a simulation and calls `real` elsewhere.

    `only` says of a call's arguments whether it is forbidden; all calls are without it.
    """

    def guard(*args: Any, **keywords: Any) -> Any:
        thread = threading.get_ident()
        if thread not in _simulating or not (only is None or only(*args, **keywords)):
            return real(*args, **keywords)
        stand_in = _stand_ins.get(thread)
        if stand_in is None:
            if instead in _ALWAYS or not _caller().startswith(_EXEMPT_CALLERS):
                raise forbidden(what, instead)
        elif what in stand_in.functions:
            return stand_in.functions[what](*args, **keywords)
        elif refusal := stand_in.refusal(what, instead):
            raise refusal
        return real(*args, **keywords)

    guard.__name__ = getattr(real, "__name__", what)
    return guard


def _caller() -> str:
    """The module that called a guard; for calls from within `random`, the one that called it."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") == "random":
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


def _is_unseeded(_: random.Random, a: object = None, version: int = 2) -> bool:  # noqa: ARG001  (the parameters of Random.seed)
    return a is None


def _has_at_most(max_args: int) -> OnlyIf:
    return lambda *given: len(given) <= max_args


def _guarded_date(real: Any, names: tuple[str, ...]) -> Any:
    class Kind(type(real)):  # type: ignore[misc]  # the base is a value
        """Makes every real date an instance of the guarded class, too, and makes real dates."""

        def __call__(cls, *args: Any, **keywords: Any) -> Any:
            return (
                real(*args, **keywords) if cls is guarded else super().__call__(*args, **keywords)
            )

        def __instancecheck__(cls, instance: object) -> bool:
            return (
                isinstance(instance, real)
                if cls is guarded
                else super().__instancecheck__(instance)
            )

        def __subclasscheck__(cls, kind: type) -> bool:
            return issubclass(kind, real) if cls is guarded else super().__subclasscheck__(kind)

    kind = real.__name__
    guarded = Kind(
        kind,
        (real,),
        {
            name: staticmethod(_guard(getattr(real, name), f"datetime.{kind}.{name}", _CLOCK))
            for name in names
        },
    )
    return guarded
