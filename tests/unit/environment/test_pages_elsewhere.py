"""Providers' pages for customers on other machines."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.environment.near_ends import NearEnds
from paychain.environment.own.pages import pages_of
from tests.support.chains import checked
from tests.support.vendor_links import chain_of


class Made:
    """Proxies as an engine would make them, on ports that count up."""

    def __init__(self) -> None:
        self.upstreams: dict[str, str] = {}

    def create(self, name: str, upstream: str, host: str, *_: Any, **__: Any) -> str:
        self.upstreams[name] = upstream
        return f"{host}:{9000 + len(self.upstreams)}"


class OnlyFreePorts:
    def fixed_port(self, _hop: object) -> int:
        return 0


def pages_at(entry_host: str) -> tuple[Made, dict[str, str]]:
    """The proxies, and where the pages are that a provider's address names."""
    chain, made = checked(chain_of("stripe")), Made()
    links = {"shop": ("127.0.0.1", 1), "psp": ("127.0.0.1", 2), "issuer": ("127.0.0.1", 3)}
    near_ends = NearEnds(
        chain=chain,
        proxies=made,  # type: ignore[arg-type]  # only `create` is called
        remotes={},
        own=OnlyFreePorts(),  # type: ignore[arg-type]  # only `fixed_port` is called
        entry_host=entry_host,
        first_port=0,
        id_prefix="p",
    )
    hops, reached = near_ends.open(links)
    return made, pages_of(chain, hops, reached)


def test_customers_of_another_machine_reach_the_pages_where_they_reach_the_shop() -> None:
    made, pages = pages_at("192.0.2.2")
    ((name, upstream),) = [each for each in made.upstreams.items() if ".pages." in each[0]]
    assert (name, upstream) == ("customer.pages.psp", "127.0.0.1:2")
    (at,) = set(pages.values())
    assert at.startswith("192.0.2.2:")
    assert any(named.startswith("127.0.0.1:") for named in pages)  # as the provider calls itself


@pytest.mark.parametrize("entry_host", ["127.0.0.1", "localhost"])
def test_customers_here_go_to_the_provider_itself(entry_host: str) -> None:
    made, pages = pages_at(entry_host)
    assert not any(".pages." in name for name in made.upstreams)
    assert set(pages.values()) == {"127.0.0.1:2"}
