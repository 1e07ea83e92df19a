"""Over how many workers the payments are spread, and where those find their master."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from ipaddress import ip_address

from harness.payments.errors import UserError

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 5557  # Locust's own
PORTS = 65_536
MOST_WORKERS = 64
LEAST_TOKEN_LETTERS = 16


@dataclass(frozen=True)
class Spread:
    """A master that listens at an address. `is_awaited`: its workers are started elsewhere."""

    workers: int
    host: str = LOOPBACK
    port: int = 0  # a free one
    token: str = ""
    is_awaited: bool = False

    @property
    def entry_host(self) -> str:
        """Where customers pay, so that every worker gets there."""
        return LOOPBACK if is_loopback(self.host) else self.host


def spread_over(workers: int, master: str | None, token: str) -> Spread | None:
    """What the options of a run ask for; None: one process as ever. Raises UserError."""
    if not 1 <= workers <= MOST_WORKERS:
        raise UserError(f"{workers} workers", mend=f"from 1 to {MOST_WORKERS} can share a load")
    if master is None:
        return Spread(workers, token=token or secrets.token_hex(16)) if workers > 1 else None
    host, port = address_of(master)
    if not _is_ipv4(host) or ip_address(host).is_unspecified:
        raise UserError(
            f"a master cannot listen at '{host}'",
            mend="name the IPv4 address of this machine that its workers reach",
        )
    check_token(host, token)
    return Spread(workers, host, port, token, is_awaited=True)


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `HOST[:PORT]`. Raises UserError."""
    host, colon, port = text.partition(":")
    if not host or (colon and not (port.isascii() and port.isdigit() and int(port) < PORTS)):
        raise UserError(
            f"'{text}' is not an address of a master",
            mend=f"a host with its port or without: 10.0.0.5 or 10.0.0.5:{DEFAULT_PORT}",
        )
    return LOOPBACK if host == "localhost" else host, int(port) if colon else DEFAULT_PORT


def check_token(host: str, token: str) -> None:
    """Outside loopback, strangers could join: raises UserError without a token."""
    if not is_loopback(host) and not token:
        raise UserError(
            f"{host} is not on loopback: who can reach it could send payments and records",
            mend="give both sides the same PAYCHAIN_TOKEN, such as: openssl rand -hex 32",
        )
    if token and len(token) < LEAST_TOKEN_LETTERS:
        raise UserError(
            "a token this short can be guessed",
            mend=f"{LEAST_TOKEN_LETTERS} characters or more, such as: openssl rand -hex 32",
        )


def is_loopback(host: str) -> bool:
    """Whether it is an address that nobody outside this machine can reach."""
    return _is_ipv4(host) and ip_address(host).is_loopback


def _is_ipv4(host: str) -> bool:
    try:
        return ip_address(host).version == 4
    except ValueError:
        return False
