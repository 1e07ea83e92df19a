"""Addresses as host:port, with the texts that Go's net package gives for wrong ones."""

from __future__ import annotations

import asyncio
import socket
from functools import lru_cache

from paychain.processes.loopback import LOOPBACK

LOOKUP_S = 2.0  # seconds; a name that takes longer to look up counts as not found
PORTS = 65_536


class BadAddress(ValueError):
    """A text that is not host:port, or a host that has no address; in Go's words."""


@lru_cache(maxsize=1_024)  # an upstream is split for each connection
def split(address: str) -> tuple[str, int]:
    """Host and port of an address; either may be missing: "" and 0. Raises BadAddress."""
    if not address:
        return "", 0
    host, port = _partition(address)
    if not port:
        return host, 0
    digits = port[1:] if port[0] in "+-" else port
    if not (digits.isascii() and digits.isdigit()):
        raise BadAddress(f"lookup tcp/{port}: unknown port")
    if port[0] == "-" or len(digits) > 10 or int(digits) >= PORTS:
        raise BadAddress(f"address {port}: invalid port")
    return host, int(digits)


def _partition(address: str) -> tuple[str, str]:
    def wrong(what: str) -> BadAddress:
        return BadAddress(f"address {address}: {what}")

    host, colon, port = address.rpartition(":")
    if not colon:
        raise wrong("missing port in address")
    outside = address  # where no bracket may be
    if address[0] == "[":
        host, bracket, rest = address[1:].partition("]")
        if not bracket:
            raise wrong("missing ']' in address")
        if not rest.startswith(":"):
            raise wrong("missing port in address")
        if rest.count(":") > 1:
            raise wrong("too many colons in address")
        outside = host.replace("]", "") + rest
    elif ":" in host:
        raise wrong("too many colons in address")
    for bracket in "[]":
        if bracket in outside:
            raise wrong(f"unexpected '{bracket}' in address")
    return host, port


def joined(host: str, port: int) -> str:
    """host:port, with brackets around an IPv6 host."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def resolved(address: str, loop: asyncio.AbstractEventLoop) -> tuple[str, int]:
    """Numeric host (IPv4 first, empty stays empty) and port. Raises BadAddress."""
    host, port = split(address)
    if host == "localhost":
        return LOOPBACK, port
    if not host or _is_numeric(host):
        return host, port
    try:
        entries = await asyncio.wait_for(
            loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), LOOKUP_S
        )
    except (OSError, TimeoutError, ValueError) as error:
        raise BadAddress(f"lookup {host}: no such host") from error
    best = min(entries, key=lambda entry: entry[0] != socket.AF_INET)
    return str(best[4][0]), port


def _is_numeric(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except (OSError, ValueError):
            continue
        return True
    return False
