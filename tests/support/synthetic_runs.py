"""Runs drawn from known distributions: what is equal, and what is worse, is known exactly."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt
from random import Random

from paychain.analysis.series import SecondCounts, SecondSeries


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How runs are drawn.

    `correlation` and the swings: an AR(1) process with one step per second. `latency_swing` is its
    standard deviation in log latency, `failure_swing` in log failure rate. `apart`: standard
    deviation of whole runs in log latency. Declines are 10 % of what is answered.
    """

    seconds: int = 60
    rate: int = 40  # payments per second
    correlation: float = 0.0
    latency_swing: float = 0.0
    failure_swing: float = 0.0
    apart: float = 0.0
    success: float = 0.99


IN_TAIL = 6.0  # times as long as the others' is the latency of the payments in the tail


def draw(
    conditions: Conditions,
    chance: Random,
    *,
    lost: float = 0.0,
    slower: float = 1.0,
    tail: float = 0.0,
) -> dict[str, SecondSeries]:
    """One run with a single phase and a single hop, log-normal latencies with a median of 100 ms.

    `lost`: points of success (of 1) less than the conditions say; `slower`: all latencies times;
    `tail`: this share of the payments takes IN_TAIL times as long; 1.5 % of them double p99 and
    leave p50 where it was.
    """
    level = log(0.1 * slower) + chance.gauss(0, conditions.apart)
    swings = _swings(conditions, conditions.latency_swing, chance)
    failures = _swings(conditions, conditions.failure_swing, chance)
    payments, calls = [], []
    for swing, failure in zip(swings, failures, strict=True):
        fails = min(1.0, (1 - conditions.success + lost) * exp(failure))
        payment, call = SecondCounts(stratum=1), SecondCounts(stratum=1)
        for _ in range(conditions.rate):
            payment.total += 1
            call.total += 1
            if chance.random() < fails:
                continue
            latency_ns = int(1e9 * exp(chance.gauss(level + swing, 0.4)))
            if tail and chance.random() < tail:
                latency_ns = int(latency_ns * IN_TAIL)
            payment.succeeded += 1
            payment.approved += chance.random() < 0.9
            payment.latencies.add(latency_ns)
            call.succeeded += 1
            call.latencies.add(latency_ns * 7 // 10)
        payments.append(payment)
        calls.append(call)
    return {
        "phase all": SecondSeries(payments),
        "hop customer → gateway (pay)": SecondSeries(calls),
    }


def _swings(conditions: Conditions, deviation: float, chance: Random) -> list[float]:
    found = [chance.gauss(0, deviation)]
    step = deviation * sqrt(1 - conditions.correlation**2)
    while len(found) < conditions.seconds:
        found.append(conditions.correlation * found[-1] + chance.gauss(0, step))
    return found
