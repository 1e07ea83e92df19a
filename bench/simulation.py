"""Payments/s through a chain of five links in virtual time, a fault engine on every hop: a whole
virtual run with its records, and the bare chain on our loop and on async-solipsism, in alternating
rounds. Rates are per second of processor time, so that a busy machine says less about them; how
many functions a payment calls is the same on every machine."""

from __future__ import annotations

import asyncio
import cProfile
import statistics
import time
from collections.abc import Callable
from typing import Any

import yaml

from paychain.environment.simulated_run import simulate_run
from paychain.load.traffic.customer import http_of
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import Record
from paychain.protocol.message import PaymentRequest
from paychain.services.host import Host
from paychain.simulation.simulate import simulate
from paychain.toxics.proxy import Proxy
from paychain.wire.client import HttpPool

ROUNDS, PAYMENTS, RATE = 5, 2_000, 200
CHAIN = """
chain: five
entry: edge
links:
  edge: {role: edge, forwards_to: gateway}
  gateway:
    role: gateway
    calls:
      authorise:
        to: processor
        timeout: 3s
        retry: {attempts: 2, on: [refused, reset]}
        breaker: {failure_rate: 50%, window: 10s, minimum_calls: 20, open_for: 3s, probes: 3}
        on_unknown: reverse
  processor: {role: processor, calls: {authorise: {to: scheme, timeout: 2s, on_unknown: reverse}}}
  scheme: {role: scheme, calls: {authorise: {to: issuer, timeout: 1s, on_unknown: reverse}}}
  issuer: {role: issuer}
"""
EXPERIMENT = f"""
experiment: steady
load: {{arrivals: {RATE}/s, warm_up: 1s, before: {PAYMENTS // RATE - 2}s, after: 1s}}
"""


def declared(kind: type[Any], text: str) -> Any:
    return kind.model_validate(yaml.load(text, Loader=yaml.BaseLoader))


async def carry(chain: Chain) -> float:
    """Payments through the chain on whatever loop runs; returns the loop's own seconds."""
    loop = asyncio.get_running_loop()
    records: list[Record] = []
    host = Host(
        chain, list(chain.links), seed=1, journal=records, now_ns=lambda: int(loop.time() * 1e9)
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
    pool = HttpPool(*addresses[chain.hops()[0].name])

    async def pay(number: int) -> None:
        payment = f"p{number}"
        request = PaymentRequest(payment, 1_000, "EUR", TEST_CARDS[0], key=payment)
        http = http_of("paychain", request, f"c{number:015x}")
        answer = await pool.request(
            http.method, http.target, http.body, headers=http.headers, timeout_s=10
        )
        assert b'"approved"' in answer.body

    begun = loop.time()
    tasks = []
    for number in range(PAYMENTS):
        await asyncio.sleep(begun + number / RATE - loop.time())
        tasks.append(loop.create_task(pay(number)))
    await asyncio.gather(*tasks)
    took = loop.time() - begun
    await pool.close()
    for proxy in proxies:
        proxy.stop()
    await host.stop()
    return took


def rate_of(work: Callable[[], float]) -> tuple[float, float]:
    """Payments per second, and virtual seconds in one second."""
    begun = time.process_time()
    virtual_s = work()
    took = time.process_time() - begun
    return PAYMENTS / took, virtual_s / took


def calls_of(work: Callable[[], float]) -> float:
    """Calls of functions for each payment."""
    profile = cProfile.Profile()
    profile.runcall(work)
    return sum(entry.callcount for entry in profile.getstats()) / PAYMENTS


def on_solipsism(chain: Chain) -> float:
    import async_solipsism

    loop = async_solipsism.EventLoop()
    try:
        took_s: float = loop.run_until_complete(carry(chain))
        return took_s
    finally:
        loop.close()


def main() -> None:
    """Print the rates and their ratio."""
    chain, experiment = declared(Chain, CHAIN), declared(Experiment, EXPERIMENT)
    try:
        import async_solipsism  # noqa: F401  (is it there?)
    except ImportError:
        other = None
        print("async-solipsism is not installed: no comparison")
    else:
        other = on_solipsism
    runs, ours, theirs = [], [], []
    simulate_run(chain, experiment, 1)  # imports, and the schedule of arrivals
    for _ in range(ROUNDS):
        runs.append(rate_of(lambda: simulate_run(chain, experiment, 1).ended_s))
        ours.append(rate_of(lambda: simulate(lambda _: carry(chain))))
        if other is not None:
            theirs.append(rate_of(lambda: other(chain)))
    for name, rates in (
        ("a whole virtual run", runs),
        ("the chain, our loop", ours),
        ("the chain, async-solipsism", theirs),
    ):
        if rates:
            payments, compression = (
                statistics.median(column) for column in zip(*rates, strict=True)
            )
            best = max(rate for rate, _ in rates)
            print(f"  {name}: {payments:,.0f} payments/s (best {best:,.0f}), x {compression:.0f}")
    calls = calls_of(lambda: simulate(lambda _: carry(chain)))
    print(f"  the chain, our loop: {calls:,.0f} calls for each payment")
    if theirs:
        ratios = [each[0] / two[0] for each, two in zip(ours, theirs, strict=True)]
        print(f"  ours to async-solipsism, median of the pairs: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
