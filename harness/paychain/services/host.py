"""The links of a chain that live in one process and one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from paychain.model.chain import Chain
from paychain.model.roles import ROLES
from paychain.payments.attribution import Expected
from paychain.payments.journal import Journal
from paychain.processes.loopback import LOOPBACK
from paychain.services.attribution import Attribution
from paychain.services.context import WALL_EPOCH_NS, Context
from paychain.services.in_link_faults import InLinkFaults
from paychain.services.pending_work import PendingWork
from paychain.services.scripts import PaymentScripts
from paychain.services.service import MockLink
from paychain.wire.ports import Port

POLL_S = 0.02  # between two looks at what is pending, at first
POLL_SHARE = 0.01  # of the time that was waited: hours of virtual time take few looks


def _mark(chain: Chain, link: str) -> str:
    """The link's mark in references that it derives from others: its name.

    It distinguishes them from those that another link on the path derives from the same reference.
    The gateway makes the first reference and needs no mark.
    """
    return "" if ROLES[chain.links[link].role].party == "merchant" else f"{link}."


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
        id_prefix: str = "p",
        wall_epoch_ns: int = WALL_EPOCH_NS,
    ) -> None:
        """`life`: which of the processes of these links it is, from 1: a crash ends one.

        `id_prefix`: what the run's payment ids begin with. `wall_epoch_ns`: when it began.
        """
        self.faults = InLinkFaults(seed)
        self.scripts = PaymentScripts(seed, id_prefix, chain.currency)
        attribution = self._attribution = Attribution(id_prefix)
        order = {name: number for number, name in enumerate(chain.links, start=1)}
        self.services = [
            MockLink(
                chain,
                name,
                Context(
                    link=name,
                    seed=seed,
                    now_ns=now_ns,
                    journal=journal,
                    span_prefix=f"{order[name]:04x}{life - 1:04x}",
                    mark=_mark(chain, name),
                    wall_epoch_ns=wall_epoch_ns,
                ),
                self.faults,
                attribution,
                self.scripts,
            )
            for name in links
        ]

    def hits(self) -> dict[str, int]:
        """How many requests each in-link fault and each step of a script acted on."""
        return {**self.faults.hits, **self.scripts.hits}

    def expect(self, payments: Iterable[Expected]) -> None:
        """Know payments that the load will make, in their order."""
        self._attribution.expect(payments)

    async def start(
        self, held: Mapping[str, Port] = MappingProxyType({}), address: str = LOOPBACK
    ) -> dict[str, int]:
        """Listen on the ports that are held for links, else on free ones; each link's port."""
        return {
            service.name: await service.start(address, held=held.get(service.name))
            for service in self.services
        }

    def connect(self, addresses: Mapping[str, tuple[str, int]]) -> None:
        """Give every hop that leaves these links its address.

        Raises KeyError when one is missing.
        """
        for service in self.services:
            service.connect(addresses.__getitem__)

    @property
    def pending(self) -> list[PendingWork]:
        """Each request and reversal that is not final yet."""
        return [work for service in self.services for work in service.pending]

    @property
    def _is_pending(self) -> bool:
        return any(service.pending for service in self.services)

    def refund(self, payment: str) -> None:
        """The merchants refund a payment manually."""
        for service in self.services:
            service.refund(payment)

    def sizes(self) -> dict[str, int]:
        """How many objects these links hold now, by kind, to show that nothing grows endlessly."""
        keys, entries = zip(*(service.kept for service in self.services), strict=True)
        tasks = len(asyncio.all_tasks())
        return {
            "pending": len(self.pending),
            "tasks": tasks,
            "keys": sum(keys),
            "entries": sum(entries),
        }

    async def drain(self, within_s: float) -> list[PendingWork]:
        """Wait until nothing is pending; returns what still is after `within_s`."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        # There are many sources of what is pending, and none says when it is done.
        while self._is_pending and (waited_s := loop.time() - since) < within_s:
            pause_s = max(POLL_S, POLL_SHARE * waited_s)
            await asyncio.sleep(min(pause_s, within_s - waited_s))
        return self.pending

    async def stop(self) -> None:
        """Stop every link."""
        for service in self.services:
            await service.stop()
