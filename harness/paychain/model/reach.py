"""Which addresses outside loopback a chain may use: none, unless it allows them."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_network
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema


def network(value: Any) -> IPv4Network:
    """`10.0.0.5` or `10.0.0.0/24`. Raises ValueError with a message `what; hint`."""
    try:
        found = ip_network(str(value))
    except ValueError:
        found = None
    if not isinstance(found, IPv4Network):
        raise ValueError(
            f"'{value}' is neither an address nor a network; write 10.0.0.5 or 10.0.0.0/24"
        ) from None
    return found


def is_allowed(host: str, allow: list[IPv4Network]) -> bool:
    """Whether an address may be used: loopback always, any other when the list has it."""
    address = ip_address(host)
    return address.is_loopback or any(address in allowed for allowed in allow)


Network = Annotated[
    IPv4Network,
    BeforeValidator(network),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.5", "10.0.0.0/24"]}),
]
