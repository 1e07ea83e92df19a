"""What the policy layer costs a call that succeeds, over the bare send of a no-op channel."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from paychain.model.policy import Call
from paychain.payments.cards import TEST_CARDS
from paychain.payments.codes import APPROVED
from paychain.payments.journal import Record
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.channel import Channel
from paychain.services.context import Context
from paychain.services.policies.policy import PolicyCall
from paychain.services.policies.reversal import Reversals
from paychain.services.state.background import Background

ROUNDS, CALLS, MAX_US = 40, 5_000, 3.0
APPROVES = Reply(HopResult.APPROVED, APPROVED, Answer(Outcome.APPROVED, APPROVED))
DECLARED: dict[str, dict[str, Any]] = {
    "timeout only": {"to": "b"},
    "retry, breaker, reversal, failover (as shipped)": {
        "to": "b",
        "timeout": "2500ms",
        "on_unknown": "reverse",
        "fallback": [{"to": "c"}],
        "retry": {"attempts": 2, "on": ["refused", "reset"]},
        "breaker": {"failure_rate": "50%", "window": "10s"},
    },
    "the same with budget, bulkhead, slow calls and deadline": {
        "to": "b",
        "timeout": "2500ms",
        "on_unknown": "reverse",
        "fallback": [{"to": "c"}],
        "retry": {"attempts": 2, "budget": {"share": "10%"}},
        "breaker": {"failure_rate": "50%", "window": "10s", "slow_after": "1s"},
        "bulkhead": {"size": 100, "queue": 10, "per": "scheme"},
        "propagate_deadline": True,
    },
}
REQUEST = PaymentRequest("p1", 1_000, "EUR", TEST_CARDS[0], "m1", reference="p1-1", key="p1-1")


class NoOp(Channel):
    """A channel and a journal that do nothing."""

    def __init__(self) -> None:
        pass  # it has no hop

    async def send(
        self,
        request: PaymentRequest,
        parent: str,
        *,
        timeout_s: float,
        connect_timeout_s: float | None = None,
        route: int = 0,
        try_number: int = 1,
        propagate_deadline: bool = False,
    ) -> Reply:
        return APPROVES

    def append(self, record: Record) -> None:
        pass


async def us_per_call(call: Callable[[], Awaitable[Any]]) -> float:
    begun = time.thread_time()  # of this thread alone: a neighbour's load is not our cost
    for _ in range(CALLS):
        await call()
    return (time.thread_time() - begun) / CALLS * 1e6


def policy_call(declared: dict[str, Any], channel: NoOp) -> PolicyCall:
    context = Context(
        link="a", seed=1, now_ns=time.monotonic_ns, journal=channel, span_prefix="00010000"
    )
    background = Background()
    model = Call.model_validate(declared)
    channels: dict[tuple[str, str], Channel] = {
        ("authorise", target): channel for target in model.targets
    }
    return PolicyCall(
        context,
        "authorise",
        model,
        currency="EUR",
        channels=channels,
        reversals=Reversals(context, background),
        background=background,
    )


async def measure() -> dict[str, tuple[float, float]]:
    """Median and least cost in µs of each declaration, in alternating rounds."""
    channel = NoOp()
    calls = {name: policy_call(declared, channel) for name, declared in DECLARED.items()}
    costs: dict[str, list[float]] = {name: [] for name in DECLARED}
    for _ in range(ROUNDS):
        bare = await us_per_call(lambda: channel.send(REQUEST, "", timeout_s=2.5))
        for name, call in calls.items():
            with_policy = await us_per_call(partial(call.execute, REQUEST, ""))
            costs[name].append(with_policy - bare)
    return {name: (statistics.median(some), min(some)) for name, some in costs.items()}


def main() -> None:
    print(f"per successful call, over the bare send of a no-op channel (at most {MAX_US:g} µs):")
    for name, (median, least) in asyncio.run(measure()).items():
        print(f"  {median:.2f} µs (least {least:.2f}): {name}")
