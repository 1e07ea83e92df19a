"""Which machine runs which links, when a chain is spread over several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from harness.model.problem import Problem, unknown
from harness.model.reach import is_allowed
from harness.model.schema import Declared
from harness.model.text import KeyPath

DEFAULT_PORT = 7480  # where links that are placed elsewhere wait for a run; registered for nobody


def _address(value: Any) -> str:
    try:
        return str(IPv4Address(str(value)))
    except AddressValueError:
        raise ValueError(f"'{value}' is no IPv4 address; write one such as 10.0.0.5") from None


class Placed(Declared):
    """A machine that runs some of the links: `paychain up CHAIN --only NAME` there.

    The links it does not name and the load are where `paychain run` is. So are the proxies, unless
    `engine: true`: then those of the hops into its links are on a fault engine of its own.
    """

    address: Annotated[
        str,
        BeforeValidator(_address),
        PlainSerializer(str),
        WithJsonSchema({"type": "string", "format": "ipv4", "examples": ["10.0.0.5"]}),
    ]
    port: Annotated[int, Field(ge=1, le=65_535)] = DEFAULT_PORT
    links: Annotated[list[str], Field(min_length=1)]
    engine: bool = False


def check_placed(
    hosts: Mapping[str, Placed], isolated: Mapping[str, bool], allow: list[Any]
) -> Iterator[Problem]:
    """Addresses that are allowed, links that exist and are in one place. `isolated`: by link."""
    placed: dict[str, str] = {}
    doors: dict[tuple[str, int], str] = {}
    for name, one in hosts.items():
        at: KeyPath = ("hosts", name)
        if not is_allowed(one.address, allow):
            what = f"{one.address} is outside loopback and not allowed"
            yield Problem((*at, "address"), what, f"add it to the chain: allow: [{one.address}]")
        other = doors.setdefault((one.address, one.port), name)
        if other != name:
            what = f"{other} waits at {one.address}:{one.port} already"
            yield Problem((*at, "address"), what, "give another port: or address:")
        for number, link in enumerate(one.links):
            place: KeyPath = (*at, "links", number)
            if link not in isolated:
                yield unknown(place, "link", link, isolated)
            elif link in placed:
                yield Problem(
                    place, f"link '{link}' is placed on {placed[link]} already", "remove it"
                )
            elif isolated[link]:
                what = f"link '{link}' is isolated: the conductor kills and starts its process"
                yield Problem(place, what, "leave it here, or remove isolate:")
            placed.setdefault(link, name)
