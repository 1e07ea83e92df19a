"""How the fallbacks performed: used, useful, how late, at what cost, and at what risk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.analysis.course import NEVER, Course, Moment, longest, parted
from harness.analysis.fallback_kinds import FALLBACKS, STANDBYS
from harness.analysis.histogram import Histogram
from harness.analysis.measured import (
    FEW_PAYMENTS,
    FallbackMeasure,
    FaultResponse,
    FaultRun,
    Phase,
    Risk,
    millis,
)
from harness.analysis.phases import touched
from harness.analysis.questions import FallbackUse, approved_by, fallback_uses, primary_cells
from harness.analysis.store import RunStore
from harness.payments.journal import DecisionKind

STEADY_S = 5  # seconds in a row that count as failed over or back
BACK_SHARE = 0.9
NO_FAULT = "no fault was on"
IN_USE = "in use already"


@dataclass
class _Answer:
    """What one fallback did about one fault."""

    activations: int = 0
    payments: int = 0
    succeeded: int = 0
    first_served_s: float | None = None
    used_just_before: bool = False


@dataclass
class _Used:
    """One fallback of one call, added up."""

    answers: list[_Answer]
    activations: int = 0
    payments: int = 0
    succeeded: int = 0
    amount_saved: int = 0
    amount_lost: int = 0
    first_use_s: float = float("inf")
    latencies_ns: Histogram = field(default_factory=Histogram)

    def add(self, use: FallbackUse, faults: Sequence[FaultRun]) -> None:
        """Count one payment that used it."""
        used_s = use.first_ns / 1e9
        self.activations += use.activations
        self.payments += 1
        self.first_use_s = min(self.first_use_s, used_s)
        self.latencies_ns.add(use.ended_ns - use.intended_ns)
        self.succeeded += use.is_served
        if use.is_technical:
            self.amount_lost += use.amount_minor
        elif use.is_served:
            self.amount_saved += use.amount_minor
        for fault, answer in zip(faults, self.answers, strict=True):
            if fault.applied_s is None:
                continue
            if fault.applied_s - STEADY_S <= used_s < fault.applied_s:
                answer.used_just_before = True
            if used_s >= fault.applied_s and touched(fault, use.intended_ns, use.ended_ns):
                answer.activations += use.activations
                answer.payments += 1
                answer.succeeded += use.is_served
                ended_s = use.ended_ns / 1e9
                if use.is_served and ended_s < (answer.first_served_s or float("inf")):
                    answer.first_served_s = ended_s


def fallbacks(
    store: RunStore, faults: Sequence[FaultRun], before: Phase, success: Course, goal: Moment,
    end_s: float,
) -> list[FallbackMeasure]:  # fmt: skip
    """Every fallback that was used. `goal`: success that counts as failed over."""
    used: dict[tuple[str, str, str, str], _Used] = {}
    for use in fallback_uses(store, FALLBACKS):
        key = (use.link, use.operation, use.kind, use.target)
        if key not in used:
            used[key] = _Used([_Answer() for _ in faults])
        used[key].add(use, faults)
    standbys = {key[:2] for key in used if key[2] in STANDBYS}
    ways_back = {call: Course(primary_cells(store, *call, STANDBYS), end_s) for call in standbys}
    return [
        _measure(key, one, faults, before, success, goal, ways_back.get(key[:2]), end_s)
        for key, one in sorted(used.items())
    ]


def _measure(
    key: tuple[str, str, str, str], used: _Used, faults: Sequence[FaultRun], before: Phase,
    success: Course, goal: Moment, way_back: Course | None, end_s: float,
) -> FallbackMeasure:  # fmt: skip
    link, operation, kind, target = key
    facts = FALLBACKS[DecisionKind(kind)]
    way_back = way_back if facts.stands_in else None
    responses, moments = [], []
    for fault, answer in zip(faults, used.answers, strict=True):
        if not answer.payments:
            continue
        three = _moments(fault, answer, faults, success, goal, way_back, end_s)
        moments.append(three)
        numbers, absent = parted(**three)
        responses.append(
            FaultResponse(
                fault.id, answer.activations, answer.payments, answer.succeeded, **numbers,
                absent=absent,
            )
        )  # fmt: skip
    names = ("detection_s", "failover_s", "failback_s")
    worst = {
        name: longest(one[name] for one in moments if name in one) if moments else NO_FAULT
        for name in names
        if facts.stands_in or name == "detection_s"
    }
    numbers, absent = parted(**worst)
    p50, p95 = millis(used.latencies_ns, 0.5, 0.95)
    return FallbackMeasure(
        f"{link}.{operation}", kind, target, used.activations, used.succeeded,
        used.succeeded / used.payments if used.payments >= FEW_PAYMENTS else None,
        used.amount_saved, used.amount_lost, _added(p50, before.p50_ms), _added(p95, before.p95_ms),
        numbers["detection_s"], numbers.get("failover_s"), numbers.get("failback_s"),
        used.first_use_s, used.payments,
        facts.risk_of(operation), responses, absent,
    )  # fmt: skip


def _moments(
    fault: FaultRun, answer: _Answer, faults: Sequence[FaultRun], success: Course, goal: Moment,
    way_back: Course | None, end_s: float,
) -> dict[str, Moment]:  # fmt: skip
    """Detection, failover and fail-back of one fault; the last two for what stands in only."""
    on_s = fault.applied_s
    assert on_s is not None  # a fault that never took effect is answered by nobody
    detection: Moment = NEVER
    if answer.used_just_before:
        detection = IN_USE
    elif answer.first_served_s is not None:
        detection = answer.first_served_s - on_s
    if way_back is None:
        return {"detection_s": detection}
    off_s = fault.healed_s if fault.healed_s is not None else end_s
    failover = goal
    if not isinstance(goal, str):
        failover = success.steady_after(on_s, off_s, goal, STEADY_S)
    failback: Moment = quiet_until(fault, faults, end_s)
    if not isinstance(failback, str):
        failback = way_back.steady_after(off_s, failback, BACK_SHARE, STEADY_S)
    return {"detection_s": detection, "failover_s": failover, "failback_s": failback}


def quiet_until(fault: FaultRun, faults: Sequence[FaultRun], end_s: float) -> Moment:
    """Until when no fault was on after this one's heal, or why there was no such time."""
    if fault.healed_s is None:
        return "not healed"
    others = [one for one in faults if one.applied_s is not None and one.id != fault.id]
    healed_s = fault.healed_s
    for one in others:
        if (one.applied_s or 0.0) <= healed_s and (one.healed_s is None or one.healed_s > healed_s):
            return "another fault was still on"
    return min([end_s, *(s for one in others if (s := one.applied_s or 0.0) > healed_s)])


def _added(observed_ms: float | None, baseline_ms: float | None) -> float | None:
    return (
        observed_ms - baseline_ms if observed_ms is not None and baseline_ms is not None else None
    )


def risks(store: RunStore, approved: int) -> list[Risk]:
    """Payments approved with something missing. One that lacks two things is in both."""
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    risky = [kind for kind, facts in FALLBACKS.items() if facts.risk]
    for link, operation, kind, payments, amount in approved_by(store, risky):
        cell = found[f"{link}.{operation}", FALLBACKS[DecisionKind(kind)].risk_of(operation)]
        cell[0] += payments
        cell[1] += amount
    return [
        Risk(text, call, payments, amount, payments / approved if approved else None)
        for (call, text), (payments, amount) in sorted(found.items())
    ]
