"""Payments/s of the card chain through the engine on every hop, without and with recording,
in alternating rounds of one run."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from paychain.model.loading import load_chain
from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import Journal, Record
from paychain.processes.spool import SpoolJournal
from paychain.protocol.dialects.native import encode
from paychain.protocol.message import PaymentRequest
from paychain.services.host import Host
from paychain.toxics.proxy import Proxy
from paychain.wire.client import HttpPool

ROUNDS, PAYMENTS, CLIENTS = 5, 1_500, 32


class Nothing:
    """Records nothing."""

    def append(self, record: Record) -> None:
        """Drop it."""


async def payments_per_second(journal: Journal) -> float:
    chain = load_chain("card-ecommerce").model
    quick = {
        name: link.model_copy(
            update={"answers_in": link.answers_in.model_copy(update={"median": 0.0, "p99": 0.0})}
        )
        for name, link in chain.links.items()
    }
    chain = chain.model_copy(update={"links": quick})
    started = time.monotonic_ns()
    host = Host(
        chain,
        list(chain.links),
        seed=1,
        journal=journal,
        now_ns=lambda: time.monotonic_ns() - started,
    )
    ports = await host.start()
    proxies, addresses = [], {}
    for hop in chain.hops():
        proxy = Proxy(hop.name, "127.0.0.1:0", f"127.0.0.1:{ports[hop.callee]}", 1)
        await proxy.start()
        proxies.append(proxy)
        name, _, port = proxy.listen.rpartition(":")
        addresses[hop.name] = (name, int(port))
    host.connect(addresses)
    pool = HttpPool(*addresses["customer.pay.edge"])
    numbers = iter(range(PAYMENTS))

    async def client() -> None:
        for number in numbers:
            payment = f"p{number}"
            request = PaymentRequest(payment, 1_000, "EUR", TEST_CARDS[0], key=payment)
            await pool.request("POST", "/pay", encode(request), timeout_s=10)

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    rate = PAYMENTS / (time.perf_counter() - begun)
    await pool.close()
    for proxy in proxies:
        proxy.stop()
    await host.stop()
    return rate


async def recorded(folder: Path, number: int) -> float:
    journal = SpoolJournal(folder / f"{number}.spool")
    journal.start()
    rate = await payments_per_second(journal)
    journal.close()
    return rate


def main() -> None:
    """Print both rates and what recording costs."""
    without, with_it = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            without.append(uvloop.run(payments_per_second(Nothing())))
            with_it.append(uvloop.run(recorded(Path(folder), number)))
    bare, full = statistics.median(without), statistics.median(with_it)
    ratios = [b / a for a, b in zip(without, with_it, strict=True)]
    print(
        f"without recording {bare:,.0f} payments/s, with {full:,.0f}, "
        f"median of the pairs' ratios {statistics.median(ratios):.3f}"
    )
