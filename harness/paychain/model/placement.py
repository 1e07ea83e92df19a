"""Which machine runs which links, when a chain is spread over several."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from paychain.declaration.problem import Problem, unknown
from paychain.declaration.quantity import Span
from paychain.declaration.schema import Declared
from paychain.declaration.text import KeyPath
from paychain.model.reach import is_allowed

DEFAULT_PORT = 7480  # where links on another machine wait for a run; not registered at IANA
AWAITED_S = 20.0  # a machine may be started a moment after the run
# Labels of DNS (RFC 1123). The last one has a letter: everything else was meant as an address.
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*(?=[a-z0-9-]*[a-z])"
    r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
)


def _address(value: Any) -> str:
    text = str(value)
    if _HOST_NAME.fullmatch(text):
        return text
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        raise ValueError(
            f"'{value}' is not an IPv4 address or a host name; write one such as 10.0.0.5"
        ) from None


def is_name(address: str) -> bool:
    """Whether an address of a machine is a host name, which has to be looked up first."""
    return _HOST_NAME.fullmatch(address) is not None


class Placed(Declared):
    """A machine that runs some of the links, with `paychain up CHAIN --only NAME`.

    All other links and the load run where `paychain run` does. So do the proxies, unless
    `engine: true`: then a fault engine on the machine holds those of the hops into its links.
    """

    address: Annotated[
        str,
        BeforeValidator(_address),
        PlainSerializer(str),
        WithJsonSchema({"type": "string", "examples": ["10.0.0.5", "m1.internal"]}),
    ]
    port: Annotated[int, Field(ge=1, le=65_535)] = DEFAULT_PORT
    links: Annotated[list[str], Field(min_length=1)]
    engine: bool = False
    within: Span = AWAITED_S


def check_placed(
    hosts: Mapping[str, Placed], isolated: Mapping[str, bool], allow: list[Any]
) -> Iterator[Problem]:
    """Mistakes in where links are placed. `isolated`: every link, and whether it is isolated.

    Addresses must be allowed and differ, links must exist and be in one place.
    """
    host_of: dict[str, str] = {}
    host_at: dict[tuple[str, int], str] = {}
    for name, host in hosts.items():
        at: KeyPath = ("hosts", name)
        # What a name stands for is looked up, and checked, when a run begins.
        if not is_name(host.address) and not is_allowed(host.address, allow):
            what = f"{host.address} is outside loopback and not allowed"
            yield Problem((*at, "address"), what, f"add allow: [{host.address}] to the chain")
        other = host_at.setdefault((host.address, host.port), name)
        if other != name:
            what = f"{host.address}:{host.port} is already used by {other}"
            yield Problem((*at, "address"), what, "choose another port or address")
        for number, link in enumerate(host.links):
            place: KeyPath = (*at, "links", number)
            if link not in isolated:
                yield unknown(place, "link", link, isolated)
            elif link in host_of:
                yield Problem(
                    place, f"link '{link}' is already placed on {host_of[link]}", "remove it"
                )
            elif isolated[link]:
                what = (
                    f"link '{link}' is isolated: the run has to start and kill its process itself"
                )
                yield Problem(place, what, "do not place it, or remove isolate:")
            host_of.setdefault(link, name)
