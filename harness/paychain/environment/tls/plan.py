"""What the process of the TLS near ends needs to know, and what it reports once it listens."""

from __future__ import annotations

from pathlib import Path

import msgspec

from paychain.processes.children import python_module

COMMAND = tuple(python_module("paychain.environment.tls"))  # its argument is a plan's file


class NearEnd(msgspec.Struct, frozen=True, kw_only=True):
    """One near end: TLS in front of the plain near end of a hop. `upstream`: host:port."""

    name: str
    upstream: str


class NearEndsPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`proxies`: by service, for which plain near end each host name stands at its proxy."""

    near_ends: tuple[NearEnd, ...]
    proxies: dict[str, dict[str, NearEnd]]
    folder: str  # where the authority's certificate goes
    ready: str  # file that gets NearEndsReady
    refused: str  # file of the connections that could not be secured


class NearEndsReady(msgspec.Struct, frozen=True, kw_only=True):
    """Where the near ends listen. `variables`: what makes a service trust them.

    `proxies`: by service, the variables that lead it through its forward proxy.
    """

    ports: dict[str, int]
    variables: dict[str, str]
    proxies: dict[str, dict[str, str]]


def read_plan(path: Path) -> NearEndsPlan:
    """Raises msgspec.DecodeError when the file is not a plan."""
    return msgspec.json.decode(path.read_bytes(), type=NearEndsPlan)
