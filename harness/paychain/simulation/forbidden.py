"""What a simulation may not use, and the error that names what to use instead."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

Loop = TypeVar("Loop", bound=type[asyncio.AbstractEventLoop])


class ForbiddenInSimulation(RuntimeError):
    """Something was used that would leave virtual time or repeat differently."""


def forbidden(what: str, instead: str) -> ForbiddenInSimulation:
    """The error for a forbidden thing, with what to do instead."""
    return ForbiddenInSimulation(f"{what} is forbidden in a simulation: {instead}")


_NO_THREADS = "a thread runs in real time; do the work in the loop"
_NO_SOCKETS = "there are no sockets; use create_server, create_connection or streams"
FORBIDDEN = {
    "run_in_executor": _NO_THREADS,
    "set_default_executor": _NO_THREADS,
    "call_soon_threadsafe": "there is one thread; use call_soon",
    "getaddrinfo": "there is no name service; use 127.0.0.1",
    "getnameinfo": "there is no name service; use 127.0.0.1",
    **dict.fromkeys(
        (
            "add_reader",
            "remove_reader",
            "add_writer",
            "remove_writer",
            "sock_recv",
            "sock_recv_into",
            "sock_recvfrom",
            "sock_recvfrom_into",
            "sock_sendall",
            "sock_sendto",
            "sock_connect",
            "sock_accept",
            "sock_sendfile",
            "sendfile",
            "start_tls",
            "create_datagram_endpoint",
            "create_unix_connection",
            "create_unix_server",
            "connect_accepted_socket",
        ),
        _NO_SOCKETS,
    ),
    **dict.fromkeys(
        ("subprocess_exec", "subprocess_shell", "connect_read_pipe", "connect_write_pipe"),
        "there are no other processes",
    ),
    **dict.fromkeys(
        ("add_signal_handler", "remove_signal_handler"), "signals come at no virtual time"
    ),
}


def only_virtual(loop: Loop) -> Loop:
    """Class decorator: every method of a loop that would leave virtual time raises."""
    for name, instead in FORBIDDEN.items():
        setattr(loop, name, _raising(f"loop.{name}", instead))
    return loop


def _raising(what: str, instead: str) -> Any:
    def method(*_: Any, **__: Any) -> Any:
        raise forbidden(what, instead)

    return method
