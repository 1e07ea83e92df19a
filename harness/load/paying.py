"""A customer as a task: the same in virtual time and on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from harness.load.arrivals import Arrival
from harness.load.customer import (
    TARGET,
    asks_again_ns,
    customer_span,
    headers_of,
    hop_of,
    payment_of,
    request_of,
    try_s,
)
from harness.load.plan import LoadPlan
from harness.payments.journal import HopRecord, PaymentRecord
from harness.services.channel import Reply, classify, failure_of
from harness.services.message import encode
from harness.wire.client import HttpPool
from harness.wire.http import WireError


async def pay_once(
    plan: LoadPlan, arrival: Arrival, intended_ns: int, pool: HttpPool, now_ns: Callable[[], int]
) -> tuple[list[HopRecord], PaymentRecord]:
    """Pay, and wait or ask again as long as the customer's patience lasts."""
    request = request_of(plan, arrival)
    began_ns = now_ns()
    hops = []
    for number in count(1):
        asked_ns = now_ns()
        try:
            response = await pool.request(
                "POST", TARGET, encode(request),
                headers=headers_of(request, customer_span(arrival, number)),
                timeout_s=try_s(plan, intended_ns, asked_ns),
            )  # fmt: skip
            reply = classify(response)
        except WireError as error:
            reply = Reply(failure_of(error))
        hops.append(hop_of(plan, arrival, number, asked_ns, now_ns(), reply))
        again_ns = asks_again_ns(plan, intended_ns, asked_ns, reply)
        if again_ns is None:
            break
        await asyncio.sleep((again_ns - now_ns()) / 1e9)
    return hops, payment_of(plan, arrival, intended_ns, began_ns, now_ns(), reply)
