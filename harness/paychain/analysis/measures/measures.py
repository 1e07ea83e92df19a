"""The values a run is measured and judged by: the parts of result.json.

Shares are fractions of 1, times are milliseconds (`_ms`) or seconds since the run's epoch (`_s`),
amounts are minor units. None means: not measurable (too few payments, or it never happened), never
zero; `absent` then says why, by the name of the field: "never", "not used", "too few payments", …
What each measure means is written at its field, and in docs/measures.md.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from paychain.analysis.measures.histogram import Histogram
from paychain.model.review.remedy import Remedy
from paychain.model.tolerance import MIN_PAYMENTS as MIN_PAYMENTS


def millis(latencies_ns: Histogram, *shares: float) -> list[float | None]:
    """Quantiles in milliseconds at ascending shares; None each when there are too few payments."""
    found = latencies_ns.quantiles(*shares, fewest=MIN_PAYMENTS)
    return [value_ns / 1e6 if value_ns is not None else None for value_ns in found]


class Verdict(StrEnum):
    """What a run shows of its chain; never a score."""

    PASS = "pass"  # noqa: S105  (a verdict, not a password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Phase(msgspec.Struct, kw_only=True, frozen=True):
    """One phase of a run with its measures.

    `kind`: all, warm_up, before, during, between, recovery, after or fault. Every payment after
    warm-up is in `all` and in exactly one of before, during, between and recovery; `after` is the
    part of recovery from which the chain was back to normal; a fault's own phase has the payments
    that were in flight while it held, so the phases of overlapping faults share payments.
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
    amount_approved: int = 0
    amount_declined: int = 0  # for business reasons
    approval_rate_amount: float | None = None  # the approval rate in amount instead of in count


class FaultRun(msgspec.Struct, kw_only=True, frozen=True):
    """One declared fault: when it was planned, when it really took effect, what it hit."""

    id: str
    kind: str
    target: str
    place: str
    text: str  # the fault in words: "http_error 500, 80 % of requests"
    planned_s: float
    planned_heal_s: float
    applied_s: float | None  # None: it never took effect
    healed_s: float | None  # None: it was never healed
    switches: int
    hits: int | None  # connections or requests it acted on; None when the engine cannot say
    hits_unit: str  # "connections", "requests" or ""
    errors: list[str]
    spans: list[tuple[float, float | None]] = []  # when it was on: several for a flapping fault
    recovery_s: float | None = None  # as in Recovery, from this fault's own heal
    absent: dict[str, str] = {}
    links: list[str] = []  # that it acted in, or that hops it acted on lead to
    may_miss: bool = False  # declared: the run can pass even if it affects no traffic

    def is_ahead(self, now_s: float) -> bool:
        """It was not on yet, and was to come later: the load ended early."""
        return self.applied_s is None and self.planned_s >= now_s

    @property
    def was_missed(self) -> bool:
        """Whether it was active and affected no traffic: it says nothing about the chain."""
        return self.applied_s is not None and self.hits == 0


class StallFacts(msgspec.Struct, frozen=True):
    """A process of the run that stalled: it did not get the processor, or one task held it."""

    process: str
    times: int  # of 50 ms or more
    total_ms: float
    longest_ms: float
    longest_at_s: float
    affected: int  # failed calls that the stalls may explain


class ToleranceResult(msgspec.Struct, kw_only=True, frozen=True):
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
    remedies: list[Remedy] = []  # what to change when it failed, the likeliest first


class Break(msgspec.Struct, kw_only=True, frozen=True):
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
    earlier: dict[str, int] = {}  # "gateway.authorise processor-a timeout" -> earlier attempts


class HopMeasure(msgspec.Struct, kw_only=True, frozen=True):
    """Traffic and failures of one hop over the whole run, warm-up excluded."""

    caller: str
    operation: str
    callee: str
    route: int
    executions: int  # also those that a policy did not send
    payments: int
    failed: int  # executions that did not work
    broke: int  # payments whose break point this hop is
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    # of its call: executions sent, over all targets and tries / payments that needed the call
    amplification: float | None
    short_circuited: int = 0  # executions that a policy did not send

    @property
    def sent(self) -> int:
        """Executions that were sent."""
        return self.executions - self.short_circuited

    @property
    def failed_sent(self) -> int:
        """How many of the sent ones did not work."""
        return self.failed - self.short_circuited


class FaultResponse(msgspec.Struct, kw_only=True, frozen=True):
    """How one fallback answered one fault: uses by payments in flight while the fault held."""

    fault: str
    activations: int
    payments: int
    succeeded: int
    detection_s: float | None = None  # fault's effective start to the first payment it served
    failover_s: float | None = None  # … until success is at the goal, 5 s in a row
    failback_s: float | None = None  # heal until 90 % go over the primary again, 5 s in a row
    absent: dict[str, str] = {}
    at_least: dict[str, float] = {}  # of what was too short to tell: it took no less


class FallbackMeasure(msgspec.Struct, kw_only=True, frozen=True):
    """How one fallback of one call performed; warm-up excluded.

    A payment that used two fallbacks counts in both: amounts of several fallbacks do not add up.
    """

    call: str  # gateway.authorise
    kind: str  # a DecisionKind of the table in fallback_kinds.py: failover, skip, retry, …
    to: str  # failover target, "" otherwise
    activations: int
    succeeded: int  # payments that it served: its own call was finally answered
    success: float | None  # succeeded / payments
    amount_saved: int  # of payments it served that the customer saw finally answered
    amount_lost: int  # of payments that used it but failed technically
    added_p50_ms: float | None  # against the baseline of phase before
    added_p95_ms: float | None
    detection_s: float | None  # the longest over all faults it answered, like the next two
    failover_s: float | None
    failback_s: float | None
    first_use_s: float | None  # since the run's epoch
    payments: int = 0  # that used it at least once
    risk: str = ""  # what an approval by it lacks: "approved without authentication"
    responses: list[FaultResponse] = []
    absent: dict[str, str] = {}


class Risk(msgspec.Struct, frozen=True):
    """Payments that were approved without something they should have had; not a success."""

    text: str  # "approved without authentication"
    call: str
    payments: int
    amount: int
    share: float | None  # of all approved payments


class Recovery(msgspec.Struct, kw_only=True, frozen=True):
    """Back to normal after the last heal."""

    healed_s: float | None
    recovery_s: float | None  # heal until success >= baseline - 1 point for 10 s in a row
    drain_s: float | None  # end of load until the last payment was final
    reversals_sent: int  # each once, over however many links it went
    reversals_acknowledged: int  # by all of these links
    reversals_abandoned: int  # by one of them
    absent: dict[str, str] = {}
    at_least: dict[str, float] = {}  # of what was too short to tell: it took no less
    # What links still did after the load, and until how long after it (to the second, rounded
    # down): `gateway capture`.
    last_s: dict[str, float] = {}


class MoneyFinding(msgspec.Struct, frozen=True):
    """One payment that broke a money rule."""

    payment: str
    amount: int  # amount wrong, minor units
    text: str
    references: list[str]  # every authorisation involved, with its link


class UnknownCall(msgspec.Struct, kw_only=True, frozen=True):
    """Calls of payments that broke a money rule whose outcome their caller did not learn."""

    caller: str
    operation: str
    callee: str
    result: str  # a HopResult: timeout, http_error, …
    code: str
    payments: int

    @property
    def call(self) -> str:
        """`shop.authorise`."""
        return f"{self.caller}.{self.operation}"


class MoneyRule(msgspec.Struct, frozen=True):
    """One money rule, and the payments that broke it."""

    rule: str  # "no_double_charge"
    title: str
    findings: int
    amount: int
    payments: list[MoneyFinding]  # at most the first 100
    is_judged: bool = True  # False: the run was cut short, and later movements could still undo it
    undecided: int = 0  # payments that were still in progress, and for which it is not broken yet
    remedies: list[Remedy] = []  # what to change when it is broken, the likeliest first
    unknown: list[UnknownCall] = []  # in these payments, the most frequent first

    @property
    def passed(self) -> bool | None:
        """None: could not be judged, or not for every payment."""
        if self.findings:
            return False
        return True if self.is_judged and not self.undecided else None


class Stopped(msgspec.Struct, kw_only=True, frozen=True):
    """Why a run was stopped early: a `stop_when` condition of its experiment was met."""

    at_s: float  # since the start of the load; every fault was healed then, and the load ended
    condition: str  # as declared: "technical_success < 20% for 10s"
    measure: str
    lasted_s: float  # the window over which it was measured
    observed: float
    observed_text: str  # "4.0 %"
    place: str = ""  # file:line:column of the condition, when known

    @property
    def sentence(self) -> str:
        """`stopped at 12.0 s: technical success 4.0 % for 10 s (stop_when …)`."""
        return (
            f"stopped at {self.at_s:.1f} s: {self.measure.replace('_', ' ')} {self.observed_text} "
            f"for {self.lasted_s:g} s (stop_when {self.condition})"
        )


class MoneyMeasure(msgspec.Struct, frozen=True):
    """Money rules and the books' totals per link."""

    rules: list[MoneyRule]
    books: dict[str, dict[str, int]]  # link -> movement kind -> total minor units
    wrong: int  # minor units that no rule allows; of each payment the largest of its findings
    # Approved payments, without warm-up, for which what was due is not all done; None: not judged.
    uncompleted: int | None = None
    completed: float | None = None  # share of approved payments; None: not judged, or too few
    # payments that were in progress when the drain ended: only what cannot be undone is judged
    undecided: int = 0
    undecided_payments: list[str] = []  # at most the first 100
    # `completed` if none of those is completed; None: as there
    completed_at_least: float | None = None
    unjudged: str = ""  # why no rule was judged by what is in the books; "" when they were


class LatencyBin(msgspec.Struct, kw_only=True, frozen=True, array_like=True):
    """Latencies of as many seconds as it takes to have enough payments to judge; one if it can."""

    from_s: int
    to_s: int  # exclusive
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Second(msgspec.Struct, kw_only=True, frozen=True, array_like=True):
    """One second of the timeline (by intended start; fallbacks by their own time)."""

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
