"""How punctually the load was offered: late payments are not the load that was declared."""

from __future__ import annotations

from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.measures.phases import Paid
from paychain.analysis.store.aggregates import PaymentTotal
from paychain.model.experiment import Times

LAG_LIMIT_MS = 250.0  # with later arrivals (p99) the load is not the declared one


class Punctuality:
    """How far payments started behind their schedule, warm-up included."""

    def __init__(self, times: Times) -> None:
        self._times = times
        self._lags_ns = Histogram()
        self._load_end_s = times.load_end_s
        self._longest_ns = 0
        self._started = 0
        self.recorded = 0

    def add(self, payment: Paid) -> None:
        """Count one payment."""
        lag_ns = payment.started_ns - payment.intended_ns
        self._lags_ns.add(lag_ns)
        self.recorded += 1
        if lag_ns > self._longest_ns:
            self._longest_ns = lag_ns
        if payment.started_ns / 1e9 < self._load_end_s:
            self._started += 1

    def add_alike(self, payments: PaymentTotal) -> None:
        """Count some payments at once; `started` counts those that started in time."""
        self._lags_ns.merge(payments.lags_ns)
        self.recorded += payments.total.n
        self._longest_ns = max(self._longest_ns, payments.longest_lag_ns)

    def started(self, n: int) -> None:
        """Count payments that really started before the load ended."""
        self._started += n

    @property
    def longest_ms(self) -> float | None:
        """The longest lag in milliseconds; None without payments."""
        return self._longest_ns / 1e6 if self.recorded else None

    @property
    def p99_ms(self) -> float | None:
        """The lag in milliseconds that one payment in a hundred exceeded; None without payments."""
        (p99,) = self._lags_ns.quantiles(0.99)
        return p99 / 1e6 if p99 is not None else None

    @property
    def is_late(self) -> bool:
        """Whether the load was not offered when it was declared."""
        return self.p99_ms is not None and self.p99_ms > LAG_LIMIT_MS

    @property
    def rate_reached(self) -> float:
        """Payments per second that really started within the planned length of the load."""
        lasts_s = self._times.load_end_s - self._times.load_start_s
        return self._started / lasts_s if lasts_s > 0 else 0.0
