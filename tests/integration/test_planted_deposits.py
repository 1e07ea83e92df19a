"""The rule about deposits finds a bug planted in a running exchange, and no other rule does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from paychain.model.loading import load_chain, load_experiment
from paychain.runs.spec import RunSpec
from tests.support.paths import SUPPORT
from tests.support.planted_deposits import is_affected
from tests.support.real_runs import run_for_real
from tests.support.runs import declare
from tests.support.virtual_runs import selected

CALM = """\
experiment: calm
tolerances: {}
load: {arrivals: 8/s, warm_up: 0s, before: 6s, after: 1s}
"""


@pytest.mark.thorough  # test_twins.py shows in virtual time what an exchange loses in a crash
@pytest.mark.long(120)
def test_a_deposit_whose_credit_is_in_no_book_is_found_in_a_real_run(tmp_path: Path) -> None:
    services = (sys.executable, str(SUPPORT / "planted_deposits.py"))
    chain = load_chain("exchange-deposit")

    def spec_in(folder: Path) -> RunSpec:
        declare(folder, calm=CALM)
        experiment = load_experiment(str(folder / "calm.yaml"), chain.model)
        return RunSpec(chain=chain, experiment=experiment, out=folder / "runs", services=services)

    finished = run_for_real(tmp_path, spec_in)
    result = finished.result
    assert result.verdict == "fail", result.reasons
    assert result.money.undecided == 0
    (found,) = [rule for rule in result.money.rules if rule.findings]
    assert found.rule == "deposits_credited"
    signed = "SELECT DISTINCT payment FROM decision WHERE kind = 'signed' AND operation = 'pay'"
    deposits = selected(finished.folder, signed)
    affected = {payment for (payment,) in deposits if is_affected(payment)}
    assert found.findings == len(affected) > 3
    assert {each.payment for each in found.payments} <= affected
