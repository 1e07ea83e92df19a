"""Every measure a second time: slow, obvious, and by the words of docs/measures.md.

`measured` takes a run's records as lists and gives plain dicts that look like the parts of
result.json. Nothing of `paychain.analysis` is used; a number that a report rounds is exact here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from paychain.payments.journal import (
    Decision,
    DecisionKind,
    FaultSwitch,
    HopRecord,
    Movement,
    PaymentRecord,
)
from paychain.payments.outcome import HopResult, Outcome

ENOUGH = 20  # payments; fewer are too few
POINT = 0.01
ASIDE = ("void", "query", "capture", "refund", "advise", "notify", "dispute")
WORKED = (HopResult.APPROVED, HopResult.DECLINED)
TAKES_ITS_PLACE = ("failover", "skip", "exempt", "stand_in", "queue", "decline")
FALLBACKS = ("retry", "hedge", *TAKES_ITS_PLACE)
GOES_ON = ("skip", "exempt", "stand_in", "queue")
Number = float | None
Of = TypeVar("Of", HopRecord, Decision)


@dataclass(kw_only=True)
class Recorded:
    """What a run recorded, and its plan in seconds since the epoch."""

    payments: list[PaymentRecord]
    hops: list[HopRecord]
    movements: list[Movement]
    decisions: list[Decision]
    switches: list[FaultSwitch]
    faults: list[str]  # ids, in declared order
    load_start_s: float
    load_end_s: float
    warm_up_s: float
    goal: Number  # technical success that is tolerated during the faults; None: none declared
    # What calls to third parties give, by `link.operation`, where the operation does not say it.
    gives: dict[str, str]


@dataclass(kw_only=True)
class Fault:
    """When a fault was on, in seconds; no end: it was not healed."""

    id: str
    on_s: float
    off_s: Number

    def met(self, payment: PaymentRecord) -> bool:
        """Whether a payment was in flight while it was on."""
        if payment.ended_ns / 1e9 <= self.on_s:
            return False
        return self.off_s is None or payment.intended_ns / 1e9 < self.off_s


def faults_of(run: Recorded) -> list[Fault]:
    """The faults that took effect."""
    found = []
    for name in run.faults:
        mine = [each for each in run.switches if each.fault == name and not each.error]
        on = [each.effective_ns / 1e9 for each in mine if each.action == "applied"]
        if on:
            is_off = mine[-1].action == "healed"
            off = mine[-1].effective_ns / 1e9 if is_off else None
            found.append(Fault(id=name, on_s=on[0], off_s=off))
    return found


def quantile(values: Iterable[float], share: float) -> Number:
    """Nearest rank, exact; None when there are too few."""
    ordered = sorted(values)
    if len(ordered) < ENOUGH:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _rate(part: float, whole: float, enough: int) -> Number:
    return part / whole if enough >= ENOUGH and whole else None


def latency_ms(payment: PaymentRecord) -> float:
    """From the intended start to the customer's answer."""
    return (payment.ended_ns - payment.intended_ns) / 1e6


def by_payment(records: Iterable[Of]) -> defaultdict[str, list[Of]]:
    """Records by the payment that they are about."""
    found: defaultdict[str, list[Of]] = defaultdict(list)
    for record in records:
        found[record.payment].append(record)
    return found


# -- phases ---------------------------------------------------------------------------------------
def phases(run: Recorded, back_s: Number) -> dict[str, dict[str, Any]]:
    """The measures of every phase by name. `back_s`: when the chain was back to normal."""
    on = faults_of(run)
    counted = [payment for payment in run.payments if not payment.warm_up]
    first_s = min([fault.on_s for fault in on], default=run.load_end_s)
    last_s = max(
        [fault.off_s if fault.off_s is not None else run.load_end_s for fault in on],
        default=run.load_end_s,
    )
    found: dict[str, list[PaymentRecord]] = {
        "all": counted,
        "warm-up": [payment for payment in run.payments if payment.warm_up],
        "during": [],
        "before": [],
        "between": [],
        "recovery": [],
        "after": [],
    }
    for payment in counted:
        at_s = payment.intended_ns / 1e9
        if any(fault.met(payment) for fault in on):
            found["during"].append(payment)
        elif at_s < first_s:
            found["before"].append(payment)
        elif at_s < last_s:
            found["between"].append(payment)
        else:
            found["recovery"].append(payment)
            if back_s is not None and at_s >= back_s:
                found["after"].append(payment)
    for fault in on:
        found[fault.id] = [payment for payment in counted if fault.met(payment)]
    return {name: phase(payments) for name, payments in found.items()}


def phase(payments: Sequence[PaymentRecord]) -> dict[str, Any]:
    """The measures of some payments."""
    good = [payment for payment in payments if not payment.technical]
    approved = [payment for payment in good if payment.outcome is Outcome.APPROVED]
    declined = [payment for payment in good if payment.outcome is not Outcome.APPROVED]
    bad = [payment for payment in payments if payment.technical]
    unknown = [payment for payment in bad if payment.outcome is Outcome.UNKNOWN]

    def amount(some: Sequence[PaymentRecord]) -> int:
        return sum(payment.amount_minor for payment in some)

    latencies = [latency_ms(payment) for payment in payments]
    return {
        "offered": len(payments),
        "technical_success": _rate(len(good), len(payments), len(payments)),
        "approval_rate": _rate(len(approved), len(good), len(good)),
        "approval_rate_amount": _rate(amount(approved), amount(good), len(good)),
        "approved": len(approved),
        "declined": len(declined),
        "technical": len(bad) - len(unknown),
        "unknown": len(unknown),
        "amount_offered": amount(payments),
        "amount_at_risk": amount(bad),
        "amount_approved": amount(approved),
        "amount_declined": amount(declined),
        "p50_ms": quantile(latencies, 0.5),
        "p95_ms": quantile(latencies, 0.95),
        "p99_ms": quantile(latencies, 0.99),
        "max_ms": max(latencies, default=None),
    }


# -- where payments break -------------------------------------------------------------------------
def broke_at(hops: Sequence[HopRecord], decisions: Sequence[Decision]) -> HopRecord | None:
    """The failed hop with no failed hop below it, on the last attempt.

    From the customer downwards: below a failed hop, each call of its callee that no retry, target
    or fallback made good is looked into.
    """
    went_on = {
        (decision.link, decision.operation) for decision in decisions if decision.kind in GOES_ON
    }
    known = {hop.span for hop in hops}

    def failures(parent: str | None) -> list[HopRecord]:
        below = [
            hop
            for hop in hops
            if hop.operation not in ASIDE
            and (hop.parent == parent if parent is not None else hop.parent not in known)
        ]
        left = []
        for hop in below:
            tries = [
                other
                for other in below
                if (other.parent, other.caller, other.operation)
                == (hop.parent, hop.caller, hop.operation)
            ]
            made_good = any(
                other.result in WORKED and other.started_ns >= hop.started_ns for other in tries
            )
            if made_good or (hop.caller, hop.operation) in went_on or hop.result in WORKED:
                continue
            left.append(hop)
        return left

    def ends(hop: HopRecord) -> list[HopRecord]:
        deeper = [end for below in failures(hop.span) for end in ends(below)]
        return deeper or [hop]

    found = [end for top in failures(None) for end in ends(top)]
    return max(found, key=lambda hop: (hop.attempt, hop.ended_ns), default=None)


def breaks(run: Recorded) -> dict[str, tuple[int, int]]:
    """Payments and their amount by where, how, and under which faults they broke."""
    found: dict[str, tuple[int, int]] = {}
    on = faults_of(run)
    hops_of, decisions_of = by_payment(run.hops), by_payment(run.decisions)
    for payment in run.payments:
        if not payment.technical or payment.warm_up:
            continue
        hop = broke_at(hops_of[payment.payment], decisions_of[payment.payment])
        under = ",".join(fault.id for fault in on if fault.met(payment))
        where = "customer.pay. unexplained"
        if hop is not None:
            where = f"{hop.caller}.{hop.operation}.{hop.callee} {hop.result.value}"
        payments, amount = found.get(f"{where} [{under}]", (0, 0))
        found[f"{where} [{under}]"] = (payments + 1, amount + payment.amount_minor)
    return found


# -- hops -----------------------------------------------------------------------------------------
def hops(run: Recorded) -> dict[str, dict[str, Any]]:
    """The measures of every hop, by caller, operation, callee and route.

    No payment of the warm-up counts, nor what belongs to no payment and was done in it: looking for
    deposits, say.
    """
    warm_up = {payment.payment for payment in run.payments if payment.warm_up}
    begun_s = run.load_start_s + run.warm_up_s
    counted = [
        hop
        for hop in run.hops
        if hop.payment not in warm_up and (hop.payment or hop.started_ns / 1e9 >= begun_s)
    ]
    found = {}
    for name in {(hop.caller, hop.operation, hop.callee, hop.route) for hop in counted}:
        caller, operation, _, _ = name
        mine = [
            hop for hop in counted if (hop.caller, hop.operation, hop.callee, hop.route) == name
        ]
        sent = [hop for hop in mine if hop.result is not HopResult.NOT_TRIED]
        call = [hop for hop in counted if (hop.caller, hop.operation) == (caller, operation)]
        call_sent = [hop for hop in call if hop.result is not HopResult.NOT_TRIED]
        needed = {hop.payment for hop in call if hop.payment}
        took_ms = [(hop.ended_ns - hop.started_ns) / 1e6 for hop in sent]
        found[".".join(map(str, name))] = {
            "executions": len(mine),
            "payments": len({hop.payment for hop in mine if hop.payment}),
            "failed": len([hop for hop in mine if hop.result not in WORKED]),
            "short_circuited": len(mine) - len(sent),
            "amplification": _rate(len(call_sent), len(needed), len(needed)),
            "p50_ms": quantile(took_ms, 0.5),
            "p95_ms": quantile(took_ms, 0.95),
            "p99_ms": quantile(took_ms, 0.99),
        }
    return found


# -- how long until ... ---------------------------------------------------------------------------
def steady(
    events: Sequence[tuple[float, bool]], from_s: float, until_s: float, goal: float, lasts: int
) -> Number:
    """Seconds until the share of good events is at the goal for so many seconds in a row.

    In steps of a tenth of a second, on cells of a hundredth as the records are counted.
    """
    first, last = math.ceil(from_s * 100), int(until_s * 100)
    cells: dict[int, list[bool]] = defaultdict(list)
    for at_s, good in events:
        cells[int(at_s * 100)].append(good)
    for start in range(first, last - lasts * 100 + 1, 10):
        seconds = []
        for second in range(lasts):
            begin = start + 100 * second
            seconds.append(
                [good for cell in range(begin, begin + 100) for good in cells.get(cell, ())]
            )
        if sum(map(len, seconds)) < ENOUGH:
            continue
        if all(sum(good) >= goal * len(good) - 1e-9 for good in seconds):
            return (start - first) / 100
    return None


def successes(run: Recorded) -> list[tuple[float, bool]]:
    """Every payment after warm-up: when it was intended, and whether it succeeded."""
    return [
        (payment.intended_ns / 1e9, not payment.technical)
        for payment in run.payments
        if not payment.warm_up
    ]


def quiet_until(run: Recorded, fault: Fault) -> Number:
    """Until when no other fault was on after this one's heal; None when there was no such time."""
    if fault.off_s is None:
        return None
    until = run.load_end_s
    for other in faults_of(run):
        if other.id == fault.id:
            continue
        if other.on_s > fault.off_s:
            until = min(until, other.on_s)
        elif other.off_s is None or other.off_s > fault.off_s:
            return None
    return until


def recovery(run: Recorded) -> dict[str, Number]:
    """Recovery of the whole run (by "") and of each fault."""
    on = faults_of(run)
    found: dict[str, Number] = {"": None, **{fault.id: None for fault in on}}
    first_s = min([fault.on_s for fault in on], default=run.load_end_s)
    before = [
        not payment.technical
        for payment in run.payments
        if not payment.warm_up and payment.ended_ns / 1e9 <= first_s
    ]
    if len(before) < ENOUGH:
        return found
    goal = sum(before) / len(before) - POINT
    for fault in on:
        until = quiet_until(run, fault)
        if until is not None and fault.off_s is not None:
            found[fault.id] = steady(successes(run), fault.off_s, until, goal, 10)
    if on and all(fault.off_s is not None for fault in on):
        healed_s = max(fault.off_s or 0.0 for fault in on)
        found[""] = steady(successes(run), healed_s, run.load_end_s, goal, 10)
    return found


def drain_s(run: Recorded) -> Number:
    """From the end of the load until the last answer, booking or decision of a payment."""
    ends = [payment.ended_ns for payment in run.payments]
    ends += [movement.at_ns for movement in run.movements]
    ends += [decision.at_ns for decision in run.decisions if decision.payment]
    return max(0.0, max(ends) / 1e9 - run.load_end_s) if ends else None


# -- fallbacks ------------------------------------------------------------------------------------
def fallbacks(run: Recorded) -> dict[str, dict[str, Any]]:
    """Every fallback that was used, by call, kind and target."""
    uses: dict[tuple[str, str, str, str], dict[str, list[Decision]]] = defaultdict(dict)
    customers = {payment.payment: payment for payment in run.payments if not payment.warm_up}
    for decision in run.decisions:
        if decision.kind in FALLBACKS and decision.payment in customers:
            name = (decision.link, decision.operation, decision.kind.value, decision.target)
            uses[name].setdefault(decision.payment, []).append(decision)
    before = phases(run, None)["before"]
    hops_of = by_payment(run.hops)
    found = {}
    for name, made_for in uses.items():
        link, operation, kind, target = name
        paid = [customers[payment] for payment in made_for]
        served = [
            payment
            for payment in paid
            if is_served(
                hops_of[payment.payment],
                payment,
                name,
                min(each.at_ns for each in made_for[payment.payment]),
            )
        ]
        latencies = [latency_ms(payment) for payment in paid]
        firsts = {
            payment: min(each.at_ns for each in made) / 1e9 for payment, made in made_for.items()
        }
        names = {payment.payment for payment in served}
        found[f"{link}.{operation} {kind} {target}".strip()] = {
            "activations": sum(map(len, made_for.values())),
            "payments": len(paid),
            "succeeded": len(served),
            "success": _rate(len(served), len(paid), len(paid)),
            "amount_saved": sum(each.amount_minor for each in served if not each.technical),
            "amount_lost": sum(each.amount_minor for each in paid if each.technical),
            "added_p50_ms": _less(quantile(latencies, 0.5), before["p50_ms"]),
            "added_p95_ms": _less(quantile(latencies, 0.95), before["p95_ms"]),
            "first_use_s": min(firsts.values()),
            **_answered(run, name, paid, names, firsts),
        }
    return found


def is_served(
    hops: Sequence[HopRecord],
    payment: PaymentRecord,
    name: tuple[str, str, str, str],
    first_ns: int,
) -> bool:
    """A call to the target that began after the decision worked; or the customer was answered.

    What was accepted before it was delivered must not be declined then.
    """
    link, operation, kind, target = name
    if not target:
        return not payment.technical
    good = (HopResult.APPROVED,) if kind == DecisionKind.QUEUE else WORKED
    return any(
        (hop.caller, hop.operation, hop.callee) == (link, operation, target)
        and hop.started_ns >= first_ns
        and hop.result in good
        for hop in hops
    )


def _less(observed: Number, baseline: Number) -> Number:
    return None if observed is None or baseline is None else observed - baseline


def _answered(
    run: Recorded,
    name: tuple[str, str, str, str],
    paid: Sequence[PaymentRecord],
    served: set[str],
    firsts: dict[str, float],
) -> dict[str, Number]:
    """The longest detection, failover and fail-back over the faults that the fallback answered."""
    link, operation, kind, _ = name
    times: dict[str, list[Number | str]] = {"detection_s": [], "failover_s": [], "failback_s": []}
    goal = run.goal
    if goal is None:
        before = phases(run, None)["before"]["technical_success"]
        goal = before - POINT if before is not None else None
    for fault in faults_of(run):
        mine = [
            payment
            for payment in paid
            if fault.met(payment) and firsts[payment.payment] >= fault.on_s
        ]
        if not mine:
            continue
        in_use = any(fault.on_s - 5 <= at_s < fault.on_s for at_s in firsts.values())
        answered = [each.ended_ns / 1e9 for each in mine if each.payment in served]
        detection: Number | str = min(answered) - fault.on_s if answered else "never"
        times["detection_s"].append(None if in_use else detection)
        off_s = fault.off_s if fault.off_s is not None else run.load_end_s
        if goal is not None:
            times["failover_s"].append(steady(successes(run), fault.on_s, off_s, goal, 5))
        until = quiet_until(run, fault)
        if until is not None:
            times["failback_s"].append(steady(_primary(run, link, operation), off_s, until, 0.9, 5))
    if kind not in TAKES_ITS_PLACE:
        del times["failover_s"], times["failback_s"]
    return {name: _longest(values) for name, values in times.items()}


def _longest(values: Sequence[Number | str]) -> Number:
    """*Never* of one fault is never of the run: no number."""
    if "never" in values:
        return None
    return max((value for value in values if isinstance(value, float)), default=None)


def _primary(run: Recorded, link: str, operation: str) -> list[tuple[float, bool]]:
    """What the call served: over the primary route, or by a fallback that takes its place."""
    direct = [
        (hop.ended_ns / 1e9, True)
        for hop in run.hops
        if (hop.caller, hop.operation, hop.route) == (link, operation, 0) and hop.result in WORKED
    ]
    return direct + [
        (decision.at_ns / 1e9, False)
        for decision in run.decisions
        if (decision.link, decision.operation) == (link, operation)
        and decision.payment
        and decision.kind in TAKES_ITS_PLACE
    ]


# -- the rest -------------------------------------------------------------------------------------
def books(run: Recorded) -> dict[str, dict[str, int]]:
    """What each link's book adds up to, by kind of movement."""
    found: dict[str, dict[str, int]] = {}
    for movement in run.movements:
        mine = found.setdefault(movement.link, {})
        mine[movement.kind.value] = mine.get(movement.kind.value, 0) + movement.amount_minor
    return found


def hits_in_links(run: Recorded) -> dict[str, int]:
    """Requests that each in-link fault acted on."""
    found: dict[str, int] = defaultdict(int)
    for decision in run.decisions:
        if decision.kind is DecisionKind.FAULT_HIT:
            found[decision.detail] += 1
    return dict(found)
