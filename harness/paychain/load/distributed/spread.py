"""How many workers share the payments, and where they find their master."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from paychain.model.placement import is_name
from paychain.payments.errors import UserError
from paychain.payments.whole_number import whole_number
from paychain.processes.connecting import ipv4_of
from paychain.processes.loopback import LOOPBACK, is_loopback
from paychain.processes.tokens import MIN_TOKEN_CHARACTERS, TOKEN_VARIABLE, new_token

DEFAULT_PORT = 5557  # Locust's own
PORTS = 65_536
MAX_WORKERS = 64


@dataclass(frozen=True)
class Spread:
    """A master that listens at an address. `is_awaited`: its workers are started elsewhere."""

    workers: int
    host: str = LOOPBACK
    port: int = 0  # 0 picks a free port
    token: str = ""
    is_awaited: bool = False

    @property
    def entry_host(self) -> str:
        """The address that customers pay at: one that every worker can reach."""
        return LOOPBACK if is_loopback(self.host) else self.host


def spread_over(workers: int, master: str | None, token: str) -> Spread | None:
    """The spread that the options of a run ask for; None for one process. Raises UserError."""
    if not 1 <= workers <= MAX_WORKERS:
        raise UserError(
            f"cannot split the load over {workers} workers", hint=f"use 1 to {MAX_WORKERS}"
        )
    if master is None:
        return Spread(workers, token=token or new_token()) if workers > 1 else None
    host, port = address_of(master)
    host = _looked_up(host)
    if not _is_ipv4(host) or ip_address(host).is_unspecified:
        raise UserError(
            f"a master cannot listen at '{host}'",
            hint="name this machine, or its IPv4 address, as its workers reach it",
        )
    check_token(host, token)
    return Spread(workers, host, port, token, is_awaited=True)


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `HOST[:PORT]`. Raises UserError."""
    host, colon, port = text.partition(":")
    number = whole_number(port) if colon else DEFAULT_PORT
    if not host or number is None or number >= PORTS:
        raise UserError(
            f"'{text}' is not an address of a master",
            hint=f"give a host, with or without a port: 10.0.0.5 or 10.0.0.5:{DEFAULT_PORT}",
        )
    return LOOPBACK if host == "localhost" else host, number


def check_token(host: str, token: str) -> None:
    """Raises UserError when a token is too short, or missing where other machines can connect."""
    if not is_loopback(host) and not token:
        raise UserError(
            f"{host} is not on loopback: anybody who can reach it could send payments and records",
            hint=f"give both sides the same {TOKEN_VARIABLE}, such as: openssl rand -hex 32",
        )
    if token and len(token) < MIN_TOKEN_CHARACTERS:
        raise UserError(
            "a token this short can be guessed",
            hint=f"{MIN_TOKEN_CHARACTERS} characters or more, such as: openssl rand -hex 32",
        )


def _looked_up(host: str) -> str:
    """The IPv4 address that a name stands for; what has none is returned as it is."""
    if not is_name(host):
        return host
    with suppress(OSError):
        return ipv4_of(host)
    return host


def _is_ipv4(host: str) -> bool:
    try:
        return ip_address(host).version == 4
    except ValueError:
        return False
