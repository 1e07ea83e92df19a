"""The address that only this machine can reach, and ports on it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

from paychain.payments.errors import UserError

LOOPBACK = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Whether a host is an address or a name that no other machine can reach."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def free_port(host: str = LOOPBACK, port: int = 0) -> int:
    """`port` when it is free on `host`, or any free port when it is 0.

    Another process may take it before it is used, unless it is `kept` until then. Raises UserError
    when it cannot be had.
    """
    family = _family(host)
    try:
        with socket.socket(family) as probe:
            # Connections of a server that has just ended do not make its port a taken one.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise UserError(
            f"cannot listen on {host}, port {port} ({error})", hint="give another --port"
        ) from error


@contextmanager
def kept(host: str, port: int) -> Iterator[None]:
    """Let nobody who asks for any free port have this one, while a child begins to listen on it.

    The child asks for this very port with SO_REUSEADDR, as servers do, and gets it.
    """
    with socket.socket(_family(host)) as holder:
        with suppress(OSError):  # it is taken: who is to listen there will say so
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((host, port))
        yield


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
