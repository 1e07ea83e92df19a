"""What schemes count, in virtual time: look-ups that run out, trace numbers that start again."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.files import available
from tests.support.virtual_runs import broken, run_virtually

CHAINS = available("chain")
LOCKOUT = """\
experiment: mine
tolerances: {recovery: "<= 3s"}
load: {arrivals: 10/s, warm_up: 0s, before: 1s, after: 12s}
faults: [{id: slow, at: 0s, for: 4s, target: {link: directory}, slow_answer: {delay: 2s}}]
"""
WRAPPED = """\
experiment: mine
tolerances: {}
load: {arrivals: 10/s, warm_up: 0s, before: 1s, after: 2s}
faults: [{id: lost, at: 0s, for: 1s, target: {link: switch}, lost_answer: {share: 30%}}]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chain", "recovers"), [("pix-lookups", True), ("pix-lookups-retried", False)]
)
def test_tries_of_look_ups_lock_payments_out(tmp_path: Path, chain: str, *, recovers: bool) -> None:
    text = CHAINS[chain].read_text().replace("bucket: 200", "bucket: 100")
    result = run_virtually(tmp_path, text, LOCKOUT)
    (recovery,) = result.tolerances
    assert recovery.passed is recovers
    assert not broken(result)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chain", "rules"),
    [
        ("card-trace-numbers", set()),
        ("card-trace-wraps", {"no_approval_without_money", "amounts_equal", "completed"}),
    ],
)
def test_a_payment_with_the_number_of_another_is_approved_without_money(
    tmp_path: Path, chain: str, rules: set[str]
) -> None:
    text = CHAINS[chain].read_text().replace("digits: 2", "digits: 1")
    result = run_virtually(tmp_path, text, WRAPPED)
    assert result.money.undecided == 0
    assert set(broken(result)) == rules
