"""Runs made of records, for measures whose numbers can be computed by hand.

The chain: customer → gateway → processor-a, or processor-b when failed over → issuer. Seconds
count from the run's epoch; the load starts at 0 unless told otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.analysis.analyse import Analysis, analyse
from harness.analysis.measured import Stopped
from harness.analysis.store import RunStore
from harness.model.chain import Chain
from harness.model.experiment import Experiment
from harness.payments.journal import (
    Decision,
    DecisionKind,
    FaultSwitch,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
    Record,
)
from harness.payments.outcome import HopResult, Outcome

CHAIN = Chain.model_validate(
    {
        "chain": "shop",
        "entry": "gateway",
        "links": {
            "gateway": {
                "role": "gateway",
                "calls": {
                    "authorise": {
                        "to": "processor-a", "timeout": "1s", "fallback": [{"to": "processor-b"}]
                    }
                },
            },
            "processor-a": {
                "role": "processor", "calls": {"authorise": {"to": "issuer", "timeout": "1s"}}
            },
            "processor-b": {
                "role": "processor", "calls": {"authorise": {"to": "issuer", "timeout": "1s"}}
            },
            "issuer": {"role": "issuer"},
        },
    }
)  # fmt: skip


def ns(at_s: float) -> int:
    return round(at_s * 1e9)


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

    def pay(
        self, at_s: float, end: str = "approved", *, took_ms: float = 100, amount: int = 1_000,
        route: int | None = 0, decision: str = "failover", late_ms: float = 0,
    ) -> str:  # fmt: skip
        """One payment. `end`: approved, declined, technical or unknown. `route` that served it."""
        self.payments += 1
        name = f"p{self.payments:05d}"
        outcome = Outcome.DECLINED if end == "technical" else Outcome(end)
        result = {"technical": "technical", "unknown": "timeout"}.get(end, end)
        start, done = ns(at_s), ns(at_s + took_ms / 1000)
        is_bad = end in ("technical", "unknown")
        self.records.append(
            PaymentRecord(
                name, start, start + ns(late_ms / 1000), done, outcome, is_bad,
                {"approved": "00", "declined": "51", "technical": "91"}.get(end, ""), end, amount,
                "EUR", "visa", "424242…4242", "shop", "", None, at_s < self.warm_up_s,
            )
        )  # fmt: skip
        self.hop(name, "customer", "pay", "gateway", start, done, result, span=f"{name}c")
        if route == 1 and decision == "failover":
            self.hop(name, "gateway", "authorise", "processor-a", start, start + 1, "refused",
                     parent=f"{name}c")  # fmt: skip
            self.decide(name, "failover", at_s, "processor-b")
        if route is not None:
            callee = "processor-b" if route else "processor-a"
            self.hop(name, "gateway", "authorise", callee, start + 2, done, result, route=route,
                     parent=f"{name}c", span=f"{name}g{route}")  # fmt: skip
            self.hop(name, callee, "authorise", "issuer", start + 3, done, result,
                     parent=f"{name}g{route}")  # fmt: skip
            if end == "approved":
                for link in ("gateway", callee, "issuer"):
                    self.records.append(
                        Movement(link, name, 1, MovementKind.AUTHORISED, amount, "EUR",
                                 f"{name}-{route}", done, "issuer")
                    )  # fmt: skip
        return name

    def hop(
        self, payment: str, caller: str, operation: str, callee: str, start: int, end: int,
        result: str, *, parent: str = "", span: str = "", route: int = 0, attempt: int = 1,
    ) -> None:  # fmt: skip
        self.records.append(
            HopRecord(
                payment, attempt, span or f"s{len(self.records)}", parent, caller, operation,
                callee, route, 1, start, end, HopResult(result), "",
            )
        )  # fmt: skip

    def decide(
        self, payment: str, kind: str, at_s: float, target: str = "", operation: str = "authorise"
    ) -> None:
        self.records.append(
            Decision("gateway", DecisionKind(kind), ns(at_s), payment, 1, operation, target, "")
        )

    def fault(self, name: str, on_s: float, off_s: float | None) -> None:
        """A fault that really held from `on_s`; `off_s` None: it could not be healed."""
        self.faults.append((name, on_s, off_s))
        for action, at_s in (("applied", on_s), ("healed", off_s)):
            error = "" if at_s is not None else "no answer"
            at_ns = ns(at_s if at_s is not None else self.ends_s)
            self.records.append(
                FaultSwitch(name, action, at_ns, at_ns, "hop", ["gateway -> processor-a"], error)
            )

    def experiment(self, **tolerances: Any) -> Experiment:
        first_s = min((on for _, on, _ in self.faults), default=0.0)
        return Experiment.model_validate(
            {
                "experiment": "recorded",
                "load": {"arrivals": "10/s", "before": "1s", "after": "1s"},
                "faults": [
                    {"id": name, "at": f"{on - first_s:g}s", "target": {"link": "processor-a"},
                     "for": f"{(off if off is not None else on + 1) - on:g}s", "down": {}}
                    for name, on, off in self.faults
                ],
                "tolerances": tolerances,
            }
        )  # fmt: skip

    def store(self, folder: Path | None = None) -> RunStore:
        """run.db in a folder, or in memory."""
        store = RunStore.create(folder / "run.db" if folder is not None else Path(":memory:"))
        store.set_meta("timeline", {
            "load_start_s": 0.0, "before_start_s": self.warm_up_s,
            "faults_start_s": min((on for _, on, _ in self.faults), default=self.ends_s),
            "load_end_s": self.ends_s,
        })  # fmt: skip
        if self.is_drained:
            store.set_meta("drained_s", self.ends_s)
        store.set_meta("planned", self.payments if self.planned is None else self.planned)
        store.ingest(self.records)
        return store

    def analysed(
        self, *problems: str, stopped: Stopped | None = None, **tolerances: Any
    ) -> Analysis:
        experiment = self.experiment(**tolerances)
        store = self.store()
        store.set_meta("stopped", msgspec.to_builtins(stopped))
        return analyse(store, CHAIN, experiment, problems=problems)
