"""The links of a chain that live in one process and one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from harness.model.chain import Chain
from harness.payments.journal import Journal
from harness.services.context import Context
from harness.services.fault import InLinkFaults
from harness.services.service import Service

DRAIN_S = 15.0  # for reversals and answers still on their way when the load has ended
_POLL_S = 0.02


def _mark(chain: Chain, link: str) -> str:
    """What tells a link's new attempts and repeats from those that another one on the path makes
    of the same reference: its name. The gateway's need none, it makes the first reference."""
    return "" if chain.links[link].role == "gateway" else f"{link}."


class Host:
    """Starts, connects, drains and stops a set of links."""

    def __init__(
        self,
        chain: Chain,
        links: Sequence[str],
        *,
        seed: int,
        now_ns: Callable[[], int],
        journal: Journal,
        life: int = 1,
    ) -> None:
        self.faults = InLinkFaults(seed)
        order = {name: number for number, name in enumerate(chain.links, start=1)}
        self.services = [
            Service(
                chain, name,
                Context(name, seed, now_ns, journal, f"{order[name]:04x}{life - 1:04x}",
                        mark=_mark(chain, name)),
                self.faults,
            )
            for name in links
        ]  # fmt: skip

    async def start(
        self, ports: Mapping[str, int] = MappingProxyType({}), address: str = "127.0.0.1"
    ) -> dict[str, int]:
        """Listen on these ports, and on free ones where none is given; returns each link's port."""
        return {
            service.name: await service.start(address, ports.get(service.name, 0))
            for service in self.services
        }

    def connect(self, addresses: Mapping[str, tuple[str, int]]) -> None:
        """Give every hop that leaves these links its address.

        Raises KeyError when one is missing.
        """
        for service in self.services:
            service.connect(addresses.__getitem__)

    @property
    def pending(self) -> int:
        """Requests and reversals that are not final yet."""
        return sum(service.pending for service in self.services)

    def give_back(self, payment: str) -> None:
        """The merchants refund a payment by hand."""
        for service in self.services:
            service.give_back(payment)

    def sizes(self) -> dict[str, int]:
        """What these links hold now: for whoever watches that nothing grows without end."""
        keys, entries = zip(*(service.kept for service in self.services), strict=True)
        tasks = len(asyncio.all_tasks())
        return {"pending": self.pending, "tasks": tasks, "keys": sum(keys), "entries": sum(entries)}

    async def drain(self, within_s: float) -> int:
        """Wait until nothing is pending; returns what still is after `within_s`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while self.pending and loop.time() < until:  # noqa: ASYNC110  (many sources, one wait)
            await asyncio.sleep(_POLL_S)
        return self.pending

    async def stop(self) -> None:
        """Stop every link."""
        for service in self.services:
            await service.stop()
