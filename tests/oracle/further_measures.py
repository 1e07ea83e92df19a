"""The measures that `measures.py` leaves out, a second time: risks, reversals, times, seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from paychain.payments.journal import Decision, DecisionKind, PaymentRecord
from paychain.payments.outcome import HopResult, Outcome
from tests.oracle.measures import (
    ENOUGH,
    FALLBACKS,
    Recorded,
    breaks,
    latency_ms,
    quantile,
)

# How an approval that went on without a call is called; what the call would have given stands in
# the place of `{}`.
RISKS = {
    DecisionKind.SKIP: "approved without {}",
    DecisionKind.EXEMPT: "approved without {}",
    DecisionKind.LAST_KNOWN: "approved on the last known answer of {}",
    DecisionKind.DEFAULT: "approved on the default of {}",
    DecisionKind.QUEUE: "approved before any authorisation",
    DecisionKind.STAND_IN: "approved by stand-in",
    DecisionKind.AUTHENTICATION_LOST: "approved without authentication",
    DecisionKind.REPEATED_WITHOUT_KEY: "approved after a repeat without an idempotency key",
}
GIVES = {"authenticate": "authentication", "screen": "fraud screening", "tokenise": "tokenisation"}
REVERSALS = (
    DecisionKind.REVERSAL_ACKNOWLEDGED,
    DecisionKind.REVERSAL_SENT,
    DecisionKind.REVERSAL_ABANDONED,
)
STRENGTH_S = 0.1  # a fault that is off for less only changed its strength


def measured_payments(run: Recorded) -> dict[str, PaymentRecord]:
    """Every payment after the warm-up, by its id."""
    return {payment.payment: payment for payment in run.payments if not payment.warm_up}


def risks(run: Recorded) -> dict[str, tuple[int, int, float | None]]:
    """Payments, amount and share of the approved ones, by `call: what is missing`."""
    approved = {
        name: payment
        for name, payment in measured_payments(run).items()
        if payment.outcome is Outcome.APPROVED
    }
    lacking: dict[str, set[str]] = defaultdict(set)
    for decision in run.decisions:
        if decision.kind in RISKS and decision.payment in approved:
            call = f"{decision.link}.{decision.operation}"
            operation = decision.operation.partition(" ")[0]
            gives = run.gives.get(call, GIVES.get(operation, operation))
            lacking[f"{call}: {RISKS[decision.kind].format(gives)}"].add(decision.payment)
    return {
        risk: (
            len(payments),
            sum(approved[payment].amount_minor for payment in payments),
            len(payments) / len(approved) if approved else None,
        )
        for risk, payments in lacking.items()
    }


def reversals(run: Recorded) -> dict[str, int]:
    """How many reversals were sent, acknowledged by all their links, and given up by one."""
    warm_up = {payment.payment for payment in run.payments if payment.warm_up}
    last: dict[tuple[str, str], dict[tuple[str, str], DecisionKind]] = defaultdict(dict)
    for decision in sorted(run.decisions, key=lambda each: each.at_ns):
        if decision.kind in REVERSALS and decision.payment not in warm_up:
            authorisation = decision.detail.split(" after ")[0]
            way = (decision.link, decision.target)
            last[decision.payment, authorisation][way] = decision.kind
    found = {"reversals_sent": 0, "reversals_acknowledged": 0, "reversals_abandoned": 0}
    for ends in last.values():
        found["reversals_sent"] += 1
        is_abandoned = DecisionKind.REVERSAL_ABANDONED in ends.values()
        is_done = set(ends.values()) == {DecisionKind.REVERSAL_ACKNOWLEDGED}
        found["reversals_abandoned"] += is_abandoned
        found["reversals_acknowledged"] += is_done
    return found


def times_of_faults(run: Recorded) -> dict[str, dict[str, Any]]:
    """When each fault was on, by its id: first and last moment, and every stretch."""
    found: dict[str, dict[str, Any]] = {}
    for name in run.faults:
        mine = [each for each in run.switches if each.fault == name]
        stretches: list[list[float | None]] = []
        for switch in mine:
            at_s = switch.effective_ns / 1e9
            if switch.error:
                continue
            if switch.action == "healed":
                if stretches and stretches[-1][1] is None:
                    stretches[-1][1] = at_s
            elif not stretches or stretches[-1][1] is not None:
                off_s = stretches[-1][1] if stretches else None
                if off_s is not None and at_s - off_s < STRENGTH_S:
                    stretches[-1][1] = None
                else:
                    stretches.append([at_s, None])
        found[name] = {
            "applied_s": stretches[0][0] if stretches else None,
            "healed_s": stretches[-1][1] if stretches else None,
            "spans": stretches,
            "switches": len(mine),
            "errors": [each.error for each in mine if each.error],
        }
    return found


def hop_breaks(run: Recorded) -> dict[str, int]:
    """Payments that broke at each hop, by `caller.operation.callee`."""
    found: dict[str, int] = defaultdict(int)
    for where, (payments, _) in breaks(run).items():
        found[where.partition(" ")[0]] += payments
    return dict(found)


def whole_seconds(run: Recorded) -> dict[int, dict[str, Any]]:
    """Every second of the load with what its payments and its fallbacks did."""
    found: dict[int, dict[str, Any]] = {}
    paid: dict[int, list[PaymentRecord]] = defaultdict(list)
    used: dict[int, list[Decision]] = defaultdict(list)
    for payment in run.payments:
        paid[_second(run, payment.intended_ns)].append(payment)
    for decision in run.decisions:
        if decision.kind in (*FALLBACKS, DecisionKind.RE_PICKED):
            used[_second(run, decision.at_ns)].append(decision)
    # A customer who orders again may do so after the load.
    lasts_s = max([int(run.load_end_s - run.load_start_s), *paid])
    for at_s in range(lasts_s + 1):
        mine = paid[at_s]
        good = [each for each in mine if not each.technical]
        approved = [each for each in mine if each.outcome is Outcome.APPROVED]
        took_ms = [latency_ms(payment) for payment in mine]
        fallbacks: dict[str, int] = defaultdict(int)
        for each in used[at_s]:
            fallbacks[f"{each.link}.{each.operation} {each.kind} {each.target}".strip()] += 1
        found[at_s] = {
            "offered": len(mine),
            "succeeded": len(good),
            "approved": len(approved),
            "declined": len(good) - len(approved),
            "broke": len(mine) - len(good),
            "p50_ms": quantile(took_ms, 0.5),
            "p95_ms": quantile(took_ms, 0.95),
            "p99_ms": quantile(took_ms, 0.99),
            "fallbacks": dict(fallbacks),
        }
    return found


def latencies(run: Recorded) -> list[dict[str, Any]]:
    """Bins of whole seconds, each as short as possible with enough payments; the rest in the last.

    Warm-up included: it is the course of the run.
    """
    paid: dict[int, list[float]] = defaultdict(list)
    for payment in run.payments:
        paid[_second(run, payment.intended_ns)].append(latency_ms(payment))
    bins: list[tuple[int, int, list[float]]] = []
    waiting: list[int] = []
    for second in sorted(paid):
        waiting.append(second)
        if _count(paid, waiting) >= ENOUGH:
            bins.append((waiting[0], second + 1, _all(paid, waiting)))
            waiting = []
    if waiting and bins:
        from_s, _, before = bins.pop()
        bins.append((from_s, waiting[-1] + 1, before + _all(paid, waiting)))
    return [
        {
            "from_s": from_s,
            "to_s": to_s,
            "p50_ms": quantile(took_ms, 0.5),
            "p95_ms": quantile(took_ms, 0.95),
            "p99_ms": quantile(took_ms, 0.99),
        }
        for from_s, to_s, took_ms in bins
    ]


def after_the_load(run: Recorded) -> dict[str, float]:
    """Until which whole second after the load each link still did something, by its operation."""
    found: dict[str, float] = {}
    for decision in run.decisions:
        at_s = run.load_start_s + _second(run, decision.at_ns)
        if decision.operation and at_s >= run.load_end_s - 0.0005:
            name = f"{decision.link} {decision.operation}"
            found[name] = max(found.get(name, 0.0), at_s - run.load_end_s)
    return found


def calls_to(run: Recorded, links: Iterable[str], spans: list[Any]) -> int:
    """Calls to some links that were in flight while a fault was on."""
    known = set(links)
    return sum(
        hop.callee in known
        and hop.result is not HopResult.NOT_TRIED
        and hop.ended_ns / 1e9 >= on_s
        and (off_s is None or hop.started_ns / 1e9 <= off_s)
        for hop in run.hops
        for on_s, off_s in spans
    )


def _second(run: Recorded, at_ns: int) -> int:
    return int((at_ns - round(run.load_start_s * 1e9)) // 1_000_000_000)


def _count(paid: dict[int, list[float]], seconds: list[int]) -> int:
    return sum(len(paid[second]) for second in seconds)


def _all(paid: dict[int, list[float]], seconds: list[int]) -> list[float]:
    return [took_ms for second in seconds for took_ms in paid[second]]
