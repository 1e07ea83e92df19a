"""Measures against numbers computed by hand."""

from __future__ import annotations

import pytest

from harness.analysis.breaks import break_point
from harness.analysis.timeline import phase, quantile, recovered_after
from harness.payments.journal import HopRecord, PaymentRecord
from harness.payments.outcome import HopResult, Outcome


def payment(at_s: float, *, ok: bool = True, took_ms: float = 100) -> PaymentRecord:
    start = int(at_s * 1e9)
    outcome = Outcome.APPROVED if ok else Outcome.UNKNOWN
    return PaymentRecord(
        f"p{at_s}", start, start, start + int(took_ms * 1e6), outcome, not ok, "00" if ok else "",
        "approved" if ok else "error", 1_000, "EUR", "visa", "424242…4242", "shop", "issuer",
        None, False,
    )  # fmt: skip


def hop(span: str, parent: str, result: str, *, attempt: int = 1, ended: int = 1) -> HopRecord:
    return HopRecord(
        "p1", attempt, span, parent, f"caller-{span}", "authorise", f"callee-{span}", 0, 1, 0,
        ended, HopResult(result), "",
    )  # fmt: skip


def test_success_is_answered_of_offered_and_amount_at_risk_is_the_rest() -> None:
    # 25 payments, 5 of them unanswered: 20 / 25 = 80 %, and 5 × 10.00 at risk.
    some = [payment(i * 0.1, ok=i % 5 != 0) for i in range(25)]
    measured = phase("all", "all", 0, 10, some)
    assert (measured.offered, measured.technical_success) == (25, 0.8)
    assert measured.amount_at_risk == 5_000
    assert measured.approval_rate == 1.0  # unknown is neither approved nor declined


def test_fewer_than_twenty_payments_say_nothing() -> None:
    measured = phase("all", "all", 0, 10, [payment(i * 0.1) for i in range(19)])
    assert measured.technical_success is None
    assert measured.p50_ms is None


def test_quantiles_are_nearest_ranks() -> None:
    values = [float(number) for number in range(1, 101)]  # rank of p95 in 100 values: the 95th
    assert quantile(values, 0.5) == 50
    assert quantile(values, 0.95) == 95
    assert quantile(values, 0.99) == 99


def test_latency_counts_from_the_intended_start() -> None:
    measured = phase("all", "all", 0, 10, [payment(i * 0.1, took_ms=250) for i in range(20)])
    assert measured.p50_ms == pytest.approx(250)


def test_recovery_is_the_start_of_ten_good_seconds_in_a_row() -> None:
    # Healed at 10 s; seconds 10 to 12 fail, 13 to 29 succeed: recovered after 3 s.
    some = [payment(10 + i, ok=i >= 3) for i in range(20)]
    assert recovered_after(some, 10, 1.0, 30) == 3


def test_nine_good_seconds_are_no_recovery() -> None:
    some = [payment(10 + i, ok=i >= 3) for i in range(12)]
    assert recovered_after(some, 10, 1.0, 22) is None


def test_the_break_point_is_the_deepest_failure_of_the_last_attempt() -> None:
    hops = [
        hop("1", "", "technical", ended=9),
        hop("2", "1", "timeout", ended=3),
        hop("3", "2", "refused", ended=2),
        hop("4", "1", "technical", attempt=2, ended=8),
        hop("5", "4", "reset", attempt=2, ended=7),
    ]
    found = break_point(hops)
    assert found is not None
    assert found.span == "5"


def test_a_payment_without_a_failed_hop_has_no_break_point() -> None:
    assert break_point([hop("1", "", "approved")]) is None
