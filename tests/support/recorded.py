"""Runs made of records, for measures whose numbers can be computed by hand.

The chain: customer → gateway → processor-a, or processor-b when failed over → issuer. Seconds
count from the run's epoch; the load starts at 0 by default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from paychain.analysis.analyse import Analysis, analyse
from paychain.analysis.measures.measures import (
    Break,
    FallbackMeasure,
    FaultRun,
    HopMeasure,
    LatencyBin,
    MoneyMeasure,
    Phase,
    Recovery,
    Risk,
    Second,
    StallFacts,
    Stopped,
    ToleranceResult,
    Verdict,
)
from paychain.analysis.measures.own_services import OwnServiceMeasures
from paychain.analysis.measures.scripts import ScriptRun
from paychain.analysis.store.facts import RunFacts
from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment, Times
from paychain.payments.journal import (
    Decision,
    DecisionKind,
    FaultSwitch,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
)
from paychain.payments.outcome import HopResult, Outcome
from tests.support.chains import checked, shop

CHAIN = checked(shop(deadline="10s", timeout="1s", processor_timeout="1s", on_unknown="give_up"))


def ns(at_s: float) -> int:
    return round(at_s * 1e9)


@dataclass(frozen=True, kw_only=True)
class Analysed:
    """An analysis as tests look at it: each measure by its name."""

    verdict: Verdict
    reasons: list[str]
    tolerances: list[ToleranceResult]
    phases: list[Phase]
    faults: list[FaultRun]
    breaks: list[Break]
    hops: list[HopMeasure]
    fallbacks: list[FallbackMeasure]
    risks: list[Risk]
    recovery: Recovery
    money: MoneyMeasure
    seconds: list[Second]
    latencies: list[LatencyBin]
    stalls: list[StallFacts]
    own_services: OwnServiceMeasures
    scripts: list[ScriptRun]
    lag_p99_ms: float | None
    lag_max_ms: float | None

    @classmethod
    def of(cls, analysis: Analysis) -> Self:
        return cls(
            verdict=analysis.verdict,
            reasons=analysis.reasons,
            tolerances=analysis.tolerances,
            lag_p99_ms=analysis.punctuality.p99_ms,
            lag_max_ms=analysis.punctuality.longest_ms,
            **analysis.measured,
        )


@dataclass
class Recorded:
    """Records of a run that lasts `ends_s`, after `warm_up_s` of warm-up."""

    ends_s: float = 60.0
    warm_up_s: float = 0.0
    planned: int | None = None
    records: list[Record] = field(default_factory=list)
    faults: list[tuple[str, float, float | None]] = field(default_factory=list)
    payments: int = 0
    is_drained: bool = True
    pending: list[str] = field(default_factory=list)  # payments that were not final by then
    collecting: list[str] = field(default_factory=list)  # those of which only captures were not
    misfit: str = ""  # why nothing that customers were answered is understood
    waits_s: float = 0.0  # from the end of the load to the end of the drain
    may_miss: bool = False  # declared of every fault
    chain: Chain = field(default_factory=lambda: CHAIN)

    def pay(
        self,
        at_s: float,
        end: str = "approved",
        *,
        took_ms: float = 100,
        amount: int = 1_000,
        route: int | None = 0,
        decision: str = "failover",
        late_ms: float = 0,
    ) -> str:
        """One payment. `end`: approved, declined, technical or unknown. `route` that served it."""
        self.payments += 1
        name = f"p{self.payments:05d}"
        outcome = Outcome.DECLINED if end == "technical" else Outcome(end)
        result = {"technical": "technical", "unknown": "timeout"}.get(end, end)
        start, done = ns(at_s), ns(at_s + took_ms / 1000)
        is_bad = end in ("technical", "unknown")
        self.records.append(
            PaymentRecord(
                payment=name,
                intended_ns=start,
                started_ns=start + ns(late_ms / 1000),
                ended_ns=done,
                outcome=outcome,
                technical=is_bad,
                code={"approved": "00", "declined": "51", "technical": "91"}.get(end, ""),
                shown=end,
                amount_minor=amount,
                currency="EUR",
                scheme="visa",
                instrument="424242…4242",
                merchant="shop",
                decided_by="",
                error=None,
                warm_up=at_s < self.warm_up_s,
            )
        )
        self.hop(name, "customer", "pay", "gateway", start, done, result, span=f"{name}c")
        if route == 1 and decision == "failover":
            self.hop(
                name,
                "gateway",
                "authorise",
                "processor-a",
                start,
                start + 1,
                "refused",
                parent=f"{name}c",
            )
            self.decide(name, "failover", at_s, "processor-b")
        if route is not None:
            callee = "processor-b" if route else "processor-a"
            self.hop(
                name,
                "gateway",
                "authorise",
                callee,
                start + 2,
                done,
                result,
                route=route,
                parent=f"{name}c",
                span=f"{name}g{route}",
            )
            self.hop(
                name,
                callee,
                "authorise",
                "issuer",
                start + 3,
                done,
                result,
                parent=f"{name}g{route}",
            )
            if end == "approved":
                for link in ("gateway", callee, "issuer"):
                    self.records.append(
                        Movement(
                            link=link,
                            payment=name,
                            attempt=1,
                            kind=MovementKind.AUTHORISED,
                            amount_minor=amount,
                            currency="EUR",
                            reference=f"{name}-{route}",
                            at_ns=done,
                            decided_by="issuer",
                        )
                    )
        return name

    def hop(
        self,
        payment: str,
        caller: str,
        operation: str,
        callee: str,
        start: int,
        end: int,
        result: str,
        *,
        parent: str = "",
        span: str = "",
        route: int = 0,
        attempt: int = 1,
    ) -> None:
        self.records.append(
            HopRecord(
                payment=payment,
                attempt=attempt,
                span=span or f"s{len(self.records)}",
                parent=parent,
                caller=caller,
                operation=operation,
                callee=callee,
                route=route,
                try_number=1,
                started_ns=start,
                ended_ns=end,
                result=HopResult(result),
                code="",
            )
        )

    def decide(
        self,
        payment: str,
        kind: str,
        at_s: float,
        target: str = "",
        operation: str = "authorise",
        *,
        link: str = "gateway",
        detail: str = "",
    ) -> None:
        self.records.append(
            Decision(
                link=link,
                kind=DecisionKind(kind),
                at_ns=ns(at_s),
                payment=payment,
                attempt=1,
                operation=operation,
                target=target,
                detail=detail,
            )
        )

    def fault(self, name: str, on_s: float, off_s: float | None) -> None:
        """A fault that really held from `on_s`; `off_s` None: it could not be healed."""
        self.faults.append((name, on_s, off_s))
        for action, at_s in (("applied", on_s), ("healed", off_s)):
            error = "" if at_s is not None else "no answer"
            at_ns = ns(at_s if at_s is not None else self.ends_s)
            self.records.append(
                FaultSwitch(
                    fault=name,
                    action=action,
                    planned_ns=at_ns,
                    effective_ns=at_ns,
                    place="hop",
                    targets=["gateway.authorise.processor-a"],
                    error=error,
                )
            )

    def experiment(self, **tolerances: Any) -> Experiment:
        first_s = min((on for _, on, _ in self.faults), default=0.0)
        return Experiment.model_validate(
            {
                "experiment": "recorded",
                "load": {"arrivals": "10/s", "before": "1s", "after": "1s"},
                "faults": [
                    {
                        "id": name,
                        "at": f"{on - first_s:g}s",
                        "target": {"link": "processor-a"},
                        "for": f"{(off if off is not None else on + 1) - on:g}s",
                        "down": {},
                        "may_miss": str(self.may_miss).lower(),
                    }
                    for name, on, off in self.faults
                ],
                "tolerances": tolerances,
            }
        )

    def store(self, folder: Path | None = None) -> RunStore:
        """run.db in a folder, or in memory."""
        store = RunStore.create(folder / "run.db" if folder is not None else Path(":memory:"))
        store.begin(self.facts().times)
        store.ingest(self.records)
        return store

    def analysed(
        self, *problems: str, stopped: Stopped | None = None, **tolerances: Any
    ) -> Analysed:
        experiment = self.experiment(**tolerances)
        store = self.store()
        facts = self.facts(*problems, stopped=stopped)
        return Analysed.of(analyse(store, self.chain, experiment, facts))

    def facts(self, *problems: str, stopped: Stopped | None = None) -> RunFacts:
        return RunFacts(
            times=Times(
                load_start_s=0.0,
                before_start_s=self.warm_up_s,
                faults_start_s=min((on for _, on, _ in self.faults), default=self.ends_s),
                load_end_s=self.ends_s,
            ),
            seed=1,
            planned=self.payments if self.planned is None else self.planned,
            drained_s=self.ends_s + self.waits_s if self.is_drained else None,
            pending=self.pending,
            collecting=self.collecting,
            stopped=stopped,
            problems=list(problems),
            misfit=self.misfit,
        )
