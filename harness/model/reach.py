"""Where a chain may be reached from outside this machine's loopback: nowhere, unless it says so."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_network
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema


def network(value: Any) -> IPv4Network:
    """`10.0.0.5` or `10.0.0.0/24`. Raises ValueError with how to write it."""
    try:
        found = ip_network(str(value))
    except ValueError:
        found = None
    if not isinstance(found, IPv4Network):
        raise ValueError(
            f"'{value}' is no address and no network; write 10.0.0.5 or 10.0.0.0/24"
        ) from None
    return found


def is_allowed(host: str, allow: list[IPv4Network]) -> bool:
    """Loopback always is; anything else has to be in the list."""
    address = ip_address(host)
    return address.is_loopback or any(address in one for one in allow)


Network = Annotated[
    IPv4Network,
    BeforeValidator(network),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.5", "10.0.0.0/24"]}),
]
