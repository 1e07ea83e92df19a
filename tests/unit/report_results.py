"""Results for the tests of the report: small, and all of it invented."""

from __future__ import annotations

import msgspec

from harness.analysis.measured import (
    Break,
    FallbackMeasure,
    FaultRun,
    HopMeasure,
    Money,
    MoneyFinding,
    MoneyRule,
    Phase,
    Recovery,
    Second,
    ToleranceResult,
    Verdict,
)
from harness.report.result import (
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
    return Phase(name, name, start_s, end_s, 400, success, 0.97, 380, 12, 5, 3, 2_000_000, 40_000,
                 101.0, 202.0, 303.0, 404.0)  # fmt: skip


FAILED = ToleranceResult(
    "technical_success.during", "technical_success", "during", ">= 95%", 0.713, "71.3 %",
    "23.7 points short", False, "chaos/mine.yaml:7:41",
)  # fmt: skip
HELD = ToleranceResult(
    "recovery.all", "recovery", "all", "<= 10s", 2.0, "2.0 s", "8.00 s to spare", True,
    "chaos/mine.yaml:8:3",
)  # fmt: skip
UNJUDGED = ToleranceResult(
    "latency_p99.after", "latency_p99", "after", "<= 1s", None, "too few payments", "", None,
    "chaos/mine.yaml:9:3",
)  # fmt: skip
DOUBLE = MoneyRule(
    "no_double_charge", "No double charge", 2, 3000,
    [MoneyFinding("p0000007", 1000, "20.00 EUR held for an order of 10.00 EUR",
                  ["p0000007-1 at issuer", "p0000007-1.1 at issuer"]),
     MoneyFinding("p0000009", 2000, "40.00 EUR held for an order of 20.00 EUR", [])],
)  # fmt: skip
KEPT = MoneyRule("books_agree", "Books of all links agree", 0, 0, [])


def result(**changes: object) -> Result:
    """A run that failed one tolerance and one money rule; `changes` are fields of it."""
    whole = Result(
        run_id="run-1", verdict=Verdict.FAIL, reasons=["no double charge: broken"],
        chain=ChainFacts(
            "shop", "A shop", "shop.yaml", "a" * 64, "EUR", "gateway", 10_000.0,
            [LinkNode("gateway", "gateway", "cloud", ""),
             LinkNode("processor-a", "processor", "", ""),
             LinkNode("processor-b", "processor", "", ""), LinkNode("issuer", "issuer", "", "")],
            [CallEdge("gateway", "authorise", "processor-a", 0),
             CallEdge("gateway", "authorise", "processor-b", 1),
             CallEdge("processor-a", "authorise", "issuer", 0),
             CallEdge("processor-b", "authorise", "issuer", 0)],
            {"cloud": "cloud"}, [DeclaredFallback("gateway.authorise", "failover", "processor-b")],
        ),
        experiment=ExperimentFacts("mine", "Mine", "mine.yaml", "b" * 64, "", "1"),
        seed=7, virtual=False,
        started_at="2026-11-24T06:00:00+00:00", ended_at="2026-11-24T06:00:30+00:00",
        engine=EngineFacts("embedded", "2.12.0"),
        load=LoadFacts(40.0, 1200, 1200, 1200, 3.0, 9.0),
        phases=[phase("all", 1.0, 31.0, 0.9), phase("before", 1.0, 11.0, 1.0),
                phase("during", 11.0, 21.0, 0.713), phase("recovery", 21.0, 31.0, 1.0)],
        faults=[FaultRun("a-down", "down", "link processor-a", "hop", "down on link processor-a",
                         11.0, 21.0, 11.002, 21.0, 2, 123, "connections", [])],
        tolerances=[HELD, FAILED, UNJUDGED],
        breaks=[Break("gateway", "authorise", "processor-a", "refused", "", "during", ["a-down"],
                      115, 345_678, ["p0000401"])],
        hops=[HopMeasure("customer", "pay", "gateway", 0, 1200, 1200, 0, 0, 100.0, 200.0, 300.0,
                         1.0),
              HopMeasure("gateway", "authorise", "processor-a", 0, 1300, 1200, 215, 115, 50.0, 60.0,
                         None, 1.08)],
        fallbacks=[FallbackMeasure("gateway.authorise", "failover", "processor-b", 85, 85, 1.0,
                                   99_000, 0, 5.0, 9.0, 6.2, 7.0, 1.0, 12.0)],
        recovery=Recovery(21.0, 2.0, 0.1, 3, 3, 0),
        money=Money([DOUBLE, KEPT], {"issuer": {"authorised": 900_000, "voided": 1000}}, 3000),
        seconds=[Second(at, 40, 40 if at < 10 or at >= 20 else 28, 30, 1, 0, 100.0, 200.0, 300.0,
                        {"gateway.authorise failover processor-b": 8} if 10 <= at < 20 else {})
                 for at in range(30)],
        environment={"paychain": "0.1.0"},
        command="paychain run shop mine --seed 7",
    )  # fmt: skip
    return msgspec.structs.replace(whole, **changes)
