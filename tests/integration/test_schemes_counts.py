"""What schemes count, in virtual time: lookups that run out, trace numbers that start again."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.files import available
from tests.support.virtual_runs import broken, phase, run_virtually

CHAINS = available("chain")
LOCKOUT = """\
experiment: mine
tolerances: {}
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
    ("chain", "is_locked_out"), [("pix-lookups", False), ("pix-lookups-retried", True)]
)
def test_tries_of_look_ups_lock_payments_out(
    tmp_path: Path, chain: str, *, is_locked_out: bool
) -> None:
    text = CHAINS[chain].read_text().replace("bucket: 200", "bucket: 100")
    result = run_virtually(tmp_path, text, LOCKOUT)
    assert not broken(result)
    # Of 17 s the directory is slow for four, and away for good where it is locked.
    everything = phase(result, "all")
    assert (everything.approved < everything.offered / 2) is is_locked_out


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
    found = set(broken(result))
    assert rules <= found
    assert rules or not found
