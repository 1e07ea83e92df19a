"""Connections whose time limit is for looking up the name as well.

Nothing bounds a look-up: where no name server answers, the system's own limits add up to half a
minute for a name, and to more with several servers and search domains.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import wait
from functools import partial
from ipaddress import ip_address

from paychain.processes.background import in_background

# What `getaddrinfo` is typed to return; the bytes are of a Python without IPv6.
Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
Entry = tuple[int, int, int, str, Address]
Found = Sequence[Entry]
Options = tuple[tuple[int, int, int | bytes], ...]

LOOKUP_S = 5.0  # for a name that is looked up on its own, before anything else is done
# A request in two pieces would wait for its acknowledgement otherwise, for 40 ms.
AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)


def looked_up(host: str, port: int | None, within_s: float, family: int = 0) -> Found:
    """What `getaddrinfo` finds for TCP. Raises OSError: TimeoutError when the time is over."""
    if _is_number(host):  # answered at once, and connections to loopback are many
        return _found(host, port, family)
    # Nothing can end a look-up from outside: one that hangs ends with this process.
    coming = in_background(partial(_found, host, port, family), "look-up")
    if not wait([coming], max(within_s, 0.0)).done:
        raise TimeoutError(f"no name server has found {host} within {within_s:g} s")
    return coming.result()


def ipv4_of(name: str) -> str:
    """The IPv4 address of a host, looked up before anything else is done. Raises OSError."""
    return str(looked_up(name, None, LOOKUP_S, socket.AF_INET)[0][4][0])


def connect(
    host: str,
    port: int,
    within_s: float,
    *,
    source: tuple[str, int] | None = None,
    options: Options = AT_ONCE,
) -> socket.socket:
    """A connection to the first address of a host that accepts one, within a time for all of them.

    One that does not answer leaves the others their share of the time. `source`, `options`: what
    the socket is bound to, and what is set on it. Its own timeout is then `within_s`. Raises
    OSError.
    """
    until_s = time.monotonic() + within_s
    refused: OSError = TimeoutError("timed out")
    found = looked_up(host, port, within_s)
    for place, entry in enumerate(found):
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            break
        try:
            made = _connected(entry, left_s / (len(found) - place), source, options)
        except OSError as error:
            refused = error
        else:
            made.settimeout(within_s)
            return made
    raise refused


def _connected(
    entry: Entry, within_s: float, source: tuple[str, int] | None, options: Options
) -> socket.socket:
    family, kind, protocol, _, address = entry
    # It fails for a family that this machine does not have: `localhost` may be ::1 first.
    made = socket.socket(family, kind, protocol)
    try:
        for option in options:
            made.setsockopt(*option)
        if source is not None:
            made.bind(source)
        made.settimeout(within_s)
        made.connect(address)
    except BaseException:
        made.close()
        raise
    return made


def _found(host: str, port: int | None, family: int) -> Found:
    try:
        return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "no host can have this name") from error


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
