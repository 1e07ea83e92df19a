"""The address that only this machine can reach, and ports on it."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address

from paychain.payments.errors import UserError, sentence_of

LOOPBACK = "127.0.0.1"
PORTS = 65_536

# Ports below those that systems assign on their own: to clients, and to servers with port
# 0 (Linux from 32768, /proc/sys/net/ipv4/ip_local_port_range; others from 49152, RFC 6335). One of
# these stays free until a child listens on it, and between its crash and its restart.
_CHOSEN_PORTS = range(20_000, 32_768)
_TRIES = 100
_TAKEN = (errno.EADDRINUSE, errno.EACCES)  # EACCES: kept back by the system
_CHANCE = random.SystemRandom()  # runs that begin at the same time must not choose alike


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
    try:
        if not port:
            with held_port(host) as held:
                return int(held.getsockname()[1])
        with socket.socket(_family(host)) as probe:
            # Connections of a server that has just ended do not make its port a taken one.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return port
    except (OSError, OverflowError) as error:
        # A name that stands for no address, or an address of another machine: no port helps.
        is_host = isinstance(error, socket.gaierror) or (
            isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL
        )
        hint = "give an address of this machine" if is_host else "give another --port"
        what = f"cannot listen on {host}, port {port} ({why_not_bound(error)})"
        raise UserError(what, hint=hint) from error


def why_not_bound(error: OSError | OverflowError) -> str:
    """Why a socket could not be bound, for people: Python itself refuses what is no port."""
    if isinstance(error, OverflowError):
        return f"ports go from 0 to {PORTS - 1}"
    return sentence_of(error)


def held_port(host: str = LOOPBACK) -> socket.socket:
    """A socket bound to a port that the system assigns to no other process, for a later server.

    Raises OSError.
    """
    chosen = [_CHANCE.choice(_CHOSEN_PORTS) for _ in range(_TRIES)]
    for port in (*chosen, 0):
        held = socket.socket(_family(host))
        try:
            held.bind((host, port))
        except OSError as error:
            held.close()
            if not port or error.errno not in _TAKEN:
                raise
        else:
            return held
    raise AssertionError("the last try returns or raises")


@contextmanager
def kept(host: str, port: int) -> Iterator[None]:
    """Keep this port from being assigned as a free port while a child starts to listen on it.

    The child asks for this very port with SO_REUSEADDR, as servers do, and gets it.
    """
    with socket.socket(_family(host)) as holder:
        with suppress(OSError):  # it is taken: who is to listen there will say so
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((host, port))
        yield


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
