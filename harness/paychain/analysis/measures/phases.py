"""What became of the payments of each phase of a run.

warm-up | before |    during   | between |  during  | recovery ········ after
                 ├─ fault a ─┤           ├ fault b ┤           └ back to normal
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.measures.measures import (
    MIN_PAYMENTS,
    FaultRun,
    Phase,
    ToleranceResult,
    millis,
)
from paychain.analysis.measures.touched import touched
from paychain.analysis.store.aggregates import PaymentTotal
from paychain.model.experiment import Times
from paychain.payments.outcome import Outcome


class Paid(Protocol):
    """What measures of payments ask of each: a `PaymentRecord`, or the columns of one."""

    @property
    def intended_ns(self) -> int:
        """When it was to start."""

    @property
    def started_ns(self) -> int:
        """When it really started."""

    @property
    def ended_ns(self) -> int:
        """When the customer was answered, or gave up."""

    @property
    def outcome(self) -> str:
        """An `Outcome`."""

    @property
    def technical(self) -> bool:
        """Whether it was declined for a technical reason, or is unknown."""

    @property
    def amount_minor(self) -> int:
        """What was asked for."""

    @property
    def warm_up(self) -> bool:
        """Whether it was offered during warm-up."""


# The phases that limits are set for, in the words of a sentence: `technical success …`.
PHASE_PHRASES = {
    "before": "before the faults",
    "during": "during the faults",
    "recovery": "during recovery",
    "after": "after the faults",
}
# The phases as a label: on a time axis, or on the line that shows where a run is.
PHASE_LABELS = {
    "warm_up": "warm-up",
    "before": "before",
    "during": "faults",
    "between": "between",
    "recovery": "recovery",
    "after": "after",
}
_Places = tuple[tuple[str, ...], tuple[int, ...]]  # phases, and faults by their place
# Every payment after warm-up is in one of these; `after` is the part of the recovery that was good.
_PARTS = tuple(kind for kind in PHASE_LABELS if kind not in ("warm_up", "after"))


def tolerance_name(result: ToleranceResult) -> str:
    """The measure and its phase in words: `technical success during the faults`."""
    return f"{result.measure.replace('_', ' ')} {PHASE_PHRASES.get(result.phase, '')}".rstrip()


def phase_at(now_s: float, times: Times, faults_last_s: float) -> str:
    """The phase that a run is in, by its plan: for somebody who watches."""
    if now_s < times.before_start_s:
        return PHASE_LABELS["warm_up"]
    if now_s < times.faults_start_s:
        return PHASE_LABELS["before"]
    is_under = now_s < times.faults_start_s + faults_last_s
    return PHASE_LABELS["during" if is_under else "recovery"]


class Tally:
    """Payments of one phase, added up."""

    def __init__(self) -> None:
        self.offered = self._succeeded = self._approved = self._declined = self._unknown = 0
        self._amount = self._at_risk = self._amount_approved = self._amount_declined = 0
        self.latencies_ns = Histogram()
        self._longest_ns = 0

    def add(self, payment: Paid) -> None:
        """Count one payment; its latency counts from the intended start."""
        self._count(payment.outcome, 1, payment.amount_minor, is_technical=payment.technical)
        latency_ns = payment.ended_ns - payment.intended_ns
        self.latencies_ns.add(latency_ns)
        self._longest_ns = max(self._longest_ns, latency_ns)

    def add_alike(self, payments: PaymentTotal) -> None:
        """Count payments that ended alike, all at once."""
        total = payments.total
        _, outcome, technical = total.alike
        self._count(outcome, total.n, total.amount_minor, is_technical=technical)
        self.latencies_ns.merge(total.latencies_ns)
        self._longest_ns = max(self._longest_ns, payments.longest_ns)

    def _count(self, outcome: str, n: int, amount_minor: int, *, is_technical: bool) -> None:
        self.offered += n
        self._amount += amount_minor
        if is_technical:
            self._at_risk += amount_minor
            self._unknown += n if outcome == Outcome.UNKNOWN else 0
            return
        self._succeeded += n
        if outcome == Outcome.APPROVED:
            self._approved += n
            self._amount_approved += amount_minor
        else:
            self._declined += n
            self._amount_declined += amount_minor

    def merge(self, other: Tally) -> None:
        """Add the counts of another tally."""
        self.offered += other.offered
        self._succeeded += other._succeeded
        self._approved += other._approved
        self._declined += other._declined
        self._unknown += other._unknown
        self._amount += other._amount
        self._at_risk += other._at_risk
        self._amount_approved += other._amount_approved
        self._amount_declined += other._amount_declined
        self.latencies_ns.merge(other.latencies_ns)
        self._longest_ns = max(self._longest_ns, other._longest_ns)

    def phase(self, name: str, kind: str, start_s: float, end_s: float) -> Phase:
        """The measures of the payments counted, as a phase between two moments of the run."""
        p50, p95, p99 = millis(self.latencies_ns, 0.5, 0.95, 0.99)
        answered = self._approved + self._declined
        amount_answered = self._amount_approved + self._amount_declined
        enough = answered >= MIN_PAYMENTS
        technical = self.offered - answered - self._unknown
        # Every payment has exactly one of the four ends, and a technical one is at risk.
        assert technical >= 0
        assert self._succeeded == answered
        assert self.latencies_ns.total == self.offered
        return Phase(
            name=name,
            kind=kind,
            start_s=start_s,
            end_s=end_s,
            offered=self.offered,
            technical_success=self._succeeded / self.offered
            if self.offered >= MIN_PAYMENTS
            else None,
            approval_rate=self._approved / answered if enough else None,
            approved=self._approved,
            declined=self._declined,
            technical=technical,
            unknown=self._unknown,
            amount_offered=self._amount,
            amount_at_risk=self._at_risk,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            max_ms=self._longest_ns / 1e6 if self.offered else None,
            amount_approved=self._amount_approved,
            amount_declined=self._amount_declined,
            approval_rate_amount=self._amount_approved / amount_answered
            if enough and amount_answered
            else None,
        )


class Phases:
    """Sorts payments into the phases of a run.

    Every payment after warm-up is in `all` and in one of before, during, between and recovery.
    """

    def __init__(self, faults: Sequence[FaultRun], times: Times, back_s: float | None) -> None:
        """`back_s`: when the chain was back to normal after the last heal, if it ever was."""
        self._faults = [fault for fault in faults if fault.applied_s is not None]
        self._times = times
        self._back_s = back_s
        on = [(fault.applied_s or 0.0, _until(fault, times)) for fault in self._faults]
        self._first_s = min((start for start, _ in on), default=times.load_end_s)
        self._last_s = max((end for _, end in on), default=times.load_end_s)
        # With a fault still to come, what followed the last heal was no recovery yet.
        if any(fault.is_ahead(times.load_end_s) for fault in faults):
            self._last_s = times.load_end_s
        # A payment is counted once, with those that are in the same phases and under the same
        # faults: every phase adds up the tallies of its payments.
        self._tallies: dict[_Places, Tally] = {}

    def add(self, payment: Paid) -> None:
        """Count one payment in its phases."""
        places = self._places(payment.intended_ns, payment.ended_ns, is_warm_up=payment.warm_up)
        self._tally_at(places).add(payment)

    def add_second(self, payments: Sequence[PaymentTotal], from_ns: int, to_ns: int) -> bool:
        """Count all payments of one second, which were to start between two moments, if possible.

        False, and nothing is counted: they are not all in the same phases, or cannot be told to be.
        """
        found = []
        for alike in payments:
            is_warm_up = alike.total.alike[0]
            # A payment is in a phase by when it was to start and when it ended, and every boundary
            # has one side: where the earliest start with the last end and the latest start with
            # the first end come to the same, everything between them does.
            earliest = self._places(from_ns, alike.last_end_ns, is_warm_up=is_warm_up)
            latest = self._places(to_ns, alike.first_end_ns, is_warm_up=is_warm_up)
            if earliest != latest:
                return False
            found.append((earliest, alike))
        for places, alike in found:
            self._tally_at(places).add_alike(alike)
        return True

    def kinds_of(self, payment: Paid) -> tuple[str, ...]:
        """The phases that a payment is in, without `all` and those of single faults."""
        kinds, _ = self._places(payment.intended_ns, payment.ended_ns, is_warm_up=payment.warm_up)
        return kinds

    def _tally_at(self, places: _Places) -> Tally:
        tally = self._tallies.get(places)
        if tally is None:
            tally = self._tallies[places] = Tally()
        return tally

    def _places(self, intended_ns: int, ended_ns: int, *, is_warm_up: bool) -> _Places:
        """The phases that a payment is in, and the faults that touched it by their place."""
        if is_warm_up:
            return ("warm_up",), ()
        # Faults that overlap share payments, so a payment may be in several phases of faults and
        # is in `during` once.
        under = tuple(
            [
                place
                for place, fault in enumerate(self._faults)
                if touched(fault, intended_ns, ended_ns)
            ]
        )
        if under:
            return ("during",), under
        at_s = intended_ns / 1e9
        if at_s < self._first_s:
            return ("before",), ()
        if at_s < self._last_s:
            return ("between",), ()
        if self._back_s is not None and at_s >= self._back_s:
            return ("recovery", "after"), ()
        return ("recovery",), ()

    def latencies_ns(self, kind: str) -> Histogram:
        """The latencies of the payments of a phase, as counted so far."""
        return self._tally(kind).latencies_ns

    def _tally(self, kind: str) -> Tally:
        """All payments of a phase."""
        parts = _PARTS if kind == "all" else (kind,)
        whole = Tally()
        for (its_kinds, _), tally in self._tallies.items():
            if any(its_kind in parts for its_kind in its_kinds):
                whole.merge(tally)
        return whole

    def _tally_under(self, place: int) -> Tally:
        """All payments that a fault touched."""
        whole = Tally()
        for (_, under), tally in self._tallies.items():
            if place in under:
                whole.merge(tally)
        return whole

    def phases(self) -> list[Phase]:
        """Every phase of the run; those of the faults are named by their ids."""
        end_s = self._times.load_end_s
        before_s = min(self._times.before_start_s, end_s)  # a load may end during its warm-up
        spans = {
            "all": (before_s, end_s),
            "warm_up": (self._times.load_start_s, before_s),
            "before": (before_s, self._first_s),
        }
        if self._faults:
            spans["during"] = (self._first_s, self._last_s)
            # Faults without a gap leave nothing between them: then there is no such phase.
            if self._tally("between").offered:
                spans["between"] = (self._first_s, self._last_s)
            spans["recovery"] = (self._last_s, end_s)
        phases = [
            self._tally(kind).phase(kind.replace("_", "-"), kind, *span)
            for kind, span in spans.items()
        ]
        for place, fault in enumerate(self._faults):
            span = (fault.applied_s or 0.0, _until(fault, self._times))
            phases.append(self._tally_under(place).phase(fault.id, "fault", *span))
        if self._back_s is not None:
            phases.append(self._tally("after").phase("after", "after", self._back_s, end_s))
        return phases


def _until(fault: FaultRun, times: Times) -> float:
    return fault.healed_s if fault.healed_s is not None else times.load_end_s
