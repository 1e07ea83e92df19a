"""Results for the tests of the report: small, and all of it invented."""

from __future__ import annotations

import msgspec

from paychain.analysis.measures.measures import (
    Break,
    FallbackMeasure,
    FaultRun,
    HopMeasure,
    MoneyFinding,
    MoneyMeasure,
    MoneyRule,
    Phase,
    Recovery,
    Second,
    ToleranceResult,
    Verdict,
)
from paychain.analysis.measures.own_services import ObservedCall
from paychain.report.result import (
    CallEdge,
    ChainFacts,
    DeclaredFallback,
    EngineFacts,
    ExperimentFacts,
    LinkNode,
    LoadFacts,
    Result,
)


def phase(name: str, start_s: float, end_s: float, success: float | None) -> Phase:
    return Phase(
        name=name,
        kind=name,
        start_s=start_s,
        end_s=end_s,
        offered=400,
        technical_success=success,
        approval_rate=0.97,
        approved=380,
        declined=12,
        technical=5,
        unknown=3,
        amount_offered=2_000_000,
        amount_at_risk=40_000,
        p50_ms=101.0,
        p95_ms=202.0,
        p99_ms=303.0,
        max_ms=404.0,
    )


FAILED = ToleranceResult(
    id="technical_success.during",
    measure="technical_success",
    phase="during",
    required=">= 95%",
    observed=0.713,
    observed_text="71.3 %",
    margin_text="23.7 points short",
    passed=False,
    place="chaos/mine.yaml:7:41",
)
HELD = ToleranceResult(
    id="recovery.all",
    measure="recovery",
    phase="all",
    required="<= 10s",
    observed=2.0,
    observed_text="2.0 s",
    margin_text="8.00 s to spare",
    passed=True,
    place="chaos/mine.yaml:8:3",
)
UNJUDGED = ToleranceResult(
    id="latency_p99.after",
    measure="latency_p99",
    phase="after",
    required="<= 1s",
    observed=None,
    observed_text="too few payments",
    margin_text="",
    passed=None,
    place="chaos/mine.yaml:9:3",
)
DOUBLE = MoneyRule(
    rule="no_double_charge",
    title="No double charge",
    findings=2,
    amount=3000,
    payments=[
        MoneyFinding(
            "p0000007",
            1000,
            "20.00 EUR held for an order of 10.00 EUR",
            ["p0000007-1 at issuer", "p0000007-1.1 at issuer"],
        ),
        MoneyFinding("p0000009", 2000, "40.00 EUR held for an order of 20.00 EUR", []),
    ],
)
KEPT = MoneyRule(
    rule="books_agree", title="Books of all links agree", findings=0, amount=0, payments=[]
)
OWN_CALL = ObservedCall(
    service="shop",
    link="stripe",
    seen_by="engine and link",
    requests=300,
    payments=130,
    authorisations=165,
    attributed={"reference": 167, "key": 5},
    unattributed=1,
    unattributed_authorisations=1,
    examples=["POST /v1/payment_intents at 4.3 s"],
    unanswered=35,
    refused=2,
    unreadable=1,
    unreadable_as="TLS",
    per_payment=2.31,
    most_per_payment=4,
    keyed=150,
    money_requests=300,
    repeats_same_key=37,
    repeats_new_key=0,
    repeats_without_key=1,
    connections=60,
)


def result(**changes: object) -> Result:
    """A run that failed one tolerance and one money rule; `changes` are fields of it."""
    whole = Result(
        run_id="run-1",
        verdict=Verdict.FAIL,
        reasons=["no double charge: broken"],
        chain=ChainFacts(
            name="shop",
            title="A shop",
            file="shop.yaml",
            sha256="a" * 64,
            currency="EUR",
            entries=["gateway"],
            deadline_ms=10_000.0,
            links=[
                LinkNode("gateway", "gateway", "cloud", ""),
                LinkNode("processor-a", "processor", "", ""),
                LinkNode("processor-b", "processor", "", ""),
                LinkNode("issuer", "issuer", "", ""),
            ],
            edges=[
                CallEdge("gateway", "authorise", "processor-a", 0),
                CallEdge("gateway", "authorise", "processor-b", 1),
                CallEdge("processor-a", "authorise", "issuer", 0),
                CallEdge("processor-b", "authorise", "issuer", 0),
            ],
            providers={"cloud": "cloud"},
            fallbacks=[DeclaredFallback("gateway.authorise", "failover", "processor-b")],
        ),
        experiment=ExperimentFacts(
            name="mine",
            title="Mine",
            file="mine.yaml",
            sha256="b" * 64,
            based_on="",
            time_scale="1",
        ),
        seed=7,
        virtual=False,
        started_at="2026-11-24T06:00:00+00:00",
        ended_at="2026-11-24T06:00:30+00:00",
        engine=EngineFacts("embedded", "2.12.0"),
        load=LoadFacts(
            rate=40.0,
            planned=1200,
            offered=1200,
            recorded=1200,
            lag_p99_ms=3.0,
            lag_max_ms=9.0,
        ),
        phases=[
            phase("all", 1.0, 31.0, 0.9),
            phase("before", 1.0, 11.0, 1.0),
            phase("during", 11.0, 21.0, 0.713),
            phase("recovery", 21.0, 31.0, 1.0),
        ],
        faults=[
            FaultRun(
                id="a-down",
                kind="down",
                target="link processor-a",
                place="hop",
                text="down on link processor-a",
                planned_s=11.0,
                planned_heal_s=21.0,
                applied_s=11.002,
                healed_s=21.0,
                switches=2,
                hits=123,
                hits_unit="connections",
                errors=[],
            )
        ],
        tolerances=[HELD, FAILED, UNJUDGED],
        breaks=[
            Break(
                caller="gateway",
                operation="authorise",
                callee="processor-a",
                failure="refused",
                code="",
                phase="during",
                faults=["a-down"],
                payments=115,
                amount=345_678,
                examples=["p0000401"],
            )
        ],
        hops=[
            HopMeasure(
                caller="customer",
                operation="pay",
                callee="gateway",
                route=0,
                executions=1200,
                payments=1200,
                failed=0,
                broke=0,
                p50_ms=100.0,
                p95_ms=200.0,
                p99_ms=300.0,
                amplification=1.0,
            ),
            HopMeasure(
                caller="gateway",
                operation="authorise",
                callee="processor-a",
                route=0,
                executions=1300,
                payments=1200,
                failed=215,
                broke=115,
                p50_ms=50.0,
                p95_ms=60.0,
                p99_ms=None,
                amplification=1.08,
            ),
        ],
        fallbacks=[
            FallbackMeasure(
                call="gateway.authorise",
                kind="failover",
                to="processor-b",
                activations=85,
                succeeded=85,
                success=1.0,
                amount_saved=99_000,
                amount_lost=0,
                added_p50_ms=5.0,
                added_p95_ms=9.0,
                detection_s=6.2,
                failover_s=7.0,
                failback_s=1.0,
                first_use_s=12.0,
            )
        ],
        recovery=Recovery(
            healed_s=21.0,
            recovery_s=2.0,
            drain_s=0.1,
            reversals_sent=3,
            reversals_acknowledged=3,
            reversals_abandoned=0,
        ),
        money=MoneyMeasure(
            [DOUBLE, KEPT], {"issuer": {"authorised": 900_000, "voided": 1000}}, 3000
        ),
        seconds=[
            Second(
                at_s=at,
                offered=40,
                succeeded=40 if at < 10 or at >= 20 else 28,
                approved=30,
                declined=1,
                broke=0,
                p50_ms=100.0,
                p95_ms=200.0,
                p99_ms=300.0,
                fallbacks={"gateway.authorise failover processor-b": 8} if 10 <= at < 20 else {},
            )
            for at in range(30)
        ],
        environment={"paychain": "0.1.0"},
        command="paychain run shop mine --seed 7",
    )
    return msgspec.structs.replace(whole, **changes)
