"""What became of the payments of each phase, and how punctually they were offered."""

from __future__ import annotations

from collections.abc import Sequence

from harness.analysis.histogram import Histogram
from harness.analysis.measured import FEW_PAYMENTS, FaultRun, Phase, millis
from harness.analysis.timeline import Times
from harness.payments.journal import PaymentRecord
from harness.payments.outcome import Outcome


def touched(fault: FaultRun, intended_ns: int, ended_ns: int) -> bool:
    """Whether a payment was in flight while the fault held: one offered just before it counts."""
    if fault.applied_s is None or ended_ns / 1e9 <= fault.applied_s:
        return False
    return fault.healed_s is None or intended_ns / 1e9 < fault.healed_s


class Tally:
    """Payments of one phase, added up."""

    def __init__(self) -> None:
        self.offered = self._succeeded = self._approved = self._declined = self._unknown = 0
        self._amount = self._at_risk = self._amount_approved = self._amount_declined = 0
        self._latencies_ns = Histogram()
        self._longest_ns = 0

    def add(self, payment: PaymentRecord) -> None:
        """Count one payment; its latency counts from the intended start."""
        amount = payment.amount_minor
        self.offered += 1
        self._amount += amount
        if payment.technical:
            self._at_risk += amount
            self._unknown += payment.outcome is Outcome.UNKNOWN
        else:
            self._succeeded += 1
            if payment.outcome is Outcome.APPROVED:
                self._approved += 1
                self._amount_approved += amount
            else:
                self._declined += 1
                self._amount_declined += amount
        latency_ns = payment.ended_ns - payment.intended_ns
        self._latencies_ns.add(latency_ns)
        self._longest_ns = max(self._longest_ns, latency_ns)

    def merge(self, other: Tally) -> None:
        """Add what another one counted."""
        self.offered += other.offered
        self._succeeded += other._succeeded
        self._approved += other._approved
        self._declined += other._declined
        self._unknown += other._unknown
        self._amount += other._amount
        self._at_risk += other._at_risk
        self._amount_approved += other._amount_approved
        self._amount_declined += other._amount_declined
        self._latencies_ns.merge(other._latencies_ns)
        self._longest_ns = max(self._longest_ns, other._longest_ns)

    def phase(self, name: str, kind: str, start_s: float, end_s: float) -> Phase:
        """The measures of what was counted."""
        p50, p95, p99 = millis(self._latencies_ns, 0.5, 0.95, 0.99)
        answered = self._approved + self._declined
        amount_answered = self._amount_approved + self._amount_declined
        enough = answered >= FEW_PAYMENTS
        return Phase(
            name, kind, start_s, end_s, self.offered,
            self._succeeded / self.offered if self.offered >= FEW_PAYMENTS else None,
            self._approved / answered if enough else None,
            self._approved, self._declined, self.offered - answered - self._unknown,
            self._unknown, self._amount, self._at_risk, p50, p95, p99,
            self._longest_ns / 1e6 if self.offered else None,
            self._amount_approved, self._amount_declined,
            self._amount_approved / amount_answered if enough and amount_answered else None,
        )  # fmt: skip


class Phases:
    """Sorts payments into the phases of a run.

    Every payment after warm-up is in `all` and in one of before, during, between and recovery.
    """

    def __init__(self, faults: Sequence[FaultRun], times: Times, back_s: float | None) -> None:
        """`back_s`: when the chain was back to normal after the last heal, if it ever was."""
        self._faults = [one for one in faults if one.applied_s is not None]
        self._times = times
        self._back_s = back_s
        on = [(one.applied_s or 0.0, _until(one, times)) for one in self._faults]
        self._first_s = min((start for start, _ in on), default=times.load_end_s)
        self._last_s = max((end for _, end in on), default=times.load_end_s)
        names = ("all", "warm-up", "before", "during", "between", "recovery", "after")
        self._tallies = {name: Tally() for name in names}
        self._by_fault = [Tally() for _ in self._faults]

    def add(self, payment: PaymentRecord) -> None:
        """Count one payment in its phases."""
        tallies = self._tallies
        if payment.warm_up:
            tallies["warm-up"].add(payment)
            return
        is_under = False
        for fault, tally in zip(self._faults, self._by_fault, strict=True):
            if touched(fault, payment.intended_ns, payment.ended_ns):
                tally.add(payment)
                is_under = True
        at_s = payment.intended_ns / 1e9
        if is_under:
            tallies["during"].add(payment)
        elif at_s < self._first_s:
            tallies["before"].add(payment)
        elif at_s < self._last_s:
            tallies["between"].add(payment)
        else:
            tallies["recovery"].add(payment)
            if self._back_s is not None and at_s >= self._back_s:
                tallies["after"].add(payment)

    def measured(self) -> list[Phase]:
        """Every phase there was; those of the faults by their ids."""
        before_s, end_s = self._times.before_start_s, self._times.load_end_s
        self._tallies["all"] = Tally()
        for name in ("before", "during", "between", "recovery"):
            self._tallies["all"].merge(self._tallies[name])
        spans = {
            "all": (before_s, end_s),
            "warm-up": (self._times.load_start_s, before_s),
            "before": (before_s, self._first_s),
        }
        if self._faults:
            spans["during"] = (self._first_s, self._last_s)
            if self._tallies["between"].offered:
                spans["between"] = (self._first_s, self._last_s)
            spans["recovery"] = (self._last_s, end_s)
        found = [
            self._tallies[name].phase(name, name.replace("-", "_"), *span)
            for name, span in spans.items()
        ]
        for fault, tally in zip(self._faults, self._by_fault, strict=True):
            found.append(
                tally.phase(fault.id, "fault", fault.applied_s or 0.0, _until(fault, self._times))
            )
        if self._back_s is not None:
            found.append(self._tallies["after"].phase("after", "after", self._back_s, end_s))
        return found


class Punctuality:
    """How far payments started behind their schedule, warm-up included."""

    def __init__(self, times: Times) -> None:
        self._times = times
        self._lags_ns = Histogram()
        self._started = 0
        self.recorded = 0
        self.longest_ms: float | None = None

    def add(self, payment: PaymentRecord) -> None:
        """Count one payment."""
        lag_ns = payment.started_ns - payment.intended_ns
        self._lags_ns.add(lag_ns)
        self.recorded += 1
        self.longest_ms = max(self.longest_ms or 0.0, lag_ns / 1e6)
        self._started += payment.started_ns / 1e9 < self._times.load_end_s

    @property
    def p99_ms(self) -> float | None:
        """The lag that one payment in a hundred exceeded."""
        (p99,) = self._lags_ns.quantiles(0.99)
        return p99 / 1e6 if p99 is not None else None

    @property
    def rate_reached(self) -> float:
        """Payments a second that were really started while the load was to last."""
        lasts_s = self._times.load_end_s - self._times.load_start_s
        return self._started / lasts_s if lasts_s > 0 else 0.0


def _until(fault: FaultRun, times: Times) -> float:
    return fault.healed_s if fault.healed_s is not None else times.load_end_s
