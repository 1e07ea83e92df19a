"""The values a run is measured and judged by: the parts of result.json.

Shares are of one, times are milliseconds (`_ms`) or seconds since the run's epoch (`_s`), amounts
are minor units. None means: not measurable (too few payments, or it never happened), never zero.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

FEW_PAYMENTS = 20  # a window with fewer is shown as too small to say (design §5)


class Verdict(StrEnum):
    """Never a score."""

    PASS = "pass"  # noqa: S105  (a verdict, not a password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Phase(msgspec.Struct, frozen=True):
    """One phase of a run with its measures.

    `kind`: warm_up, before, fault, during, recovery, after or all.
    """

    name: str
    kind: str
    start_s: float
    end_s: float
    offered: int
    technical_success: float | None
    approval_rate: float | None
    approved: int
    declined: int  # business
    technical: int  # technically declined
    unknown: int
    amount_offered: int
    amount_at_risk: int  # of technically failed payments
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class FaultRun(msgspec.Struct, frozen=True):
    """One declared fault: when it was planned, when it really took effect, what it hit."""

    id: str
    kind: str
    target: str
    place: str
    text: str  # the fault in words: "http_error 500, 80 % of requests"
    planned_s: float
    planned_heal_s: float
    applied_s: float | None
    healed_s: float | None
    switches: int
    hits: int | None  # connections or requests it acted on; None when the engine cannot say
    hits_unit: str  # "connections", "requests" or ""
    errors: list[str]


class ToleranceResult(msgspec.Struct, frozen=True):
    """One judged limit."""

    id: str  # stable: "technical_success.during"
    measure: str
    phase: str
    required: str  # as declared: ">= 95%"
    observed: float | None
    observed_text: str  # "71.3 %", "never", "too few payments"
    margin_text: str  # "23.7 points short", "2.1 s to spare"
    passed: bool | None  # None: could not be judged
    place: str = ""  # file:line:column of the limit, when known


class Break(msgspec.Struct, frozen=True):
    """Payments that broke at one hop in one way, in one phase."""

    caller: str
    operation: str
    callee: str
    failure: str  # HopResult
    code: str
    phase: str
    faults: list[str]  # faults active when they broke
    payments: int
    amount: int
    examples: list[str]  # payment ids


class HopMeasure(msgspec.Struct, frozen=True):
    """Traffic and failures of one hop over the whole run, warm-up excluded."""

    caller: str
    operation: str
    callee: str
    route: int
    executions: int
    payments: int
    failed: int  # executions that did not work
    broke: int  # payments whose break point this hop is
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    amplification: float | None  # executions / payments


class FallbackMeasure(msgspec.Struct, frozen=True):
    """How one fallback of one call performed."""

    call: str  # gateway.authorise
    kind: str  # failover, skip, exempt, decline, retry
    to: str  # failover target, "" otherwise
    activations: int
    succeeded: int
    success: float | None
    amount_saved: int
    amount_lost: int
    added_p50_ms: float | None  # against the baseline of phase before
    added_p95_ms: float | None
    detection_s: float | None  # fault's effective start to the first payment served by it
    failover_s: float | None  # until success is back at the tolerance while the fault holds
    failback_s: float | None  # heal until 90 % go over the primary again, 5 s in a row
    first_use_s: float | None  # since the run's epoch


class Recovery(msgspec.Struct, frozen=True):
    """Back to normal after the last heal."""

    healed_s: float | None
    recovery_s: float | None  # heal until success >= baseline - 1 point for 10 s in a row
    drain_s: float | None  # end of load until the last payment was final
    reversals_sent: int
    reversals_acknowledged: int
    reversals_abandoned: int


class MoneyFinding(msgspec.Struct, frozen=True):
    """One payment that broke a money rule."""

    payment: str
    amount: int  # amount wrong, minor units
    text: str
    references: list[str]  # every authorisation involved, with its link


class MoneyRule(msgspec.Struct, frozen=True):
    """One money rule, and the payments that broke it."""

    rule: str  # "no_double_charge"
    title: str
    findings: int
    amount: int
    payments: list[MoneyFinding]  # at most the first 100


class Money(msgspec.Struct, frozen=True):
    """Money rules and the books' totals per link."""

    rules: list[MoneyRule]
    books: dict[str, dict[str, int]]  # link -> movement kind -> total minor units
    wrong: int  # amount held or taken that no rule allows


class Second(msgspec.Struct, frozen=True, array_like=True):
    """One second of the time line (by intended start; fallbacks by their own time)."""

    at_s: int
    offered: int
    succeeded: int
    approved: int
    declined: int
    broke: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    fallbacks: dict[str, int]  # "gateway.authorise failover processor-b" -> activations
