"""Sound payments over ledgers in trouble break no rule; bench/sound_money.py runs far more."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.sound_money import run_sound, sound_chains
from paychain.model.chain import Chain
from paychain.model.loading import Loaded


@pytest.mark.slow
@pytest.mark.parametrize("chain", list(sound_chains()), ids=lambda chain: chain.model.chain)
def test_sound_payments_break_no_rule(tmp_path: Path, chain: Loaded[Chain]) -> None:
    result = run_sound(chain, 1_600, 1, tmp_path)
    assert result.verdict != "inconclusive", result.reasons
    assert {rule.rule: rule.findings for rule in result.money.rules if rule.findings} == {}
    assert all(rule.is_judged for rule in result.money.rules)
    assert all(fault.hits for fault in result.faults), [fault.id for fault in result.faults]
