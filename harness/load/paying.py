"""A customer as a task: the same in virtual time and on real sockets."""

from __future__ import annotations

from collections.abc import Callable

from harness.load.arrivals import Arrival
from harness.load.customer import (
    TARGET,
    customer_span,
    headers_of,
    patience_s,
    records_of,
    request_of,
)
from harness.load.plan import LoadPlan
from harness.payments.journal import HopRecord, PaymentRecord
from harness.services.channel import Reply, classify, failure_of
from harness.services.message import encode
from harness.wire.client import HttpPool
from harness.wire.http import WireError


async def pay_once(
    plan: LoadPlan, arrival: Arrival, intended_ns: int, pool: HttpPool, now_ns: Callable[[], int]
) -> tuple[HopRecord, PaymentRecord]:
    """Pay, and wait as long as the customer's patience lasts."""
    request = request_of(plan, arrival)
    started_ns = now_ns()
    try:
        response = await pool.request(
            "POST", TARGET, encode(request),
            headers=headers_of(request, customer_span(arrival)),
            timeout_s=patience_s(plan, intended_ns, started_ns),
        )  # fmt: skip
        reply = classify(response)
    except WireError as error:
        reply = Reply(failure_of(error))
    return records_of(plan, arrival, intended_ns, started_ns, now_ns(), reply)
