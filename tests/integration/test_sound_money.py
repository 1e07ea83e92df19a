"""Sound payments over ledgers and between banks break no rule; bench/sound_money.py runs more."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.sound_money import run_sound, sound_chains
from paychain.model.loading import load_chain
from tests.support.laws import IS_THOROUGH
from tests.support.tiers import only

# By name, as every worker collects this file: it takes seconds to load all chains.
SOUND = (
    "crypto-onramp",
    "crypto-onramp-quotes",
    "depin-many",
    "depin-one",
    "depin-two",
    "depin-two-apart",
    "exchange-deposit",
    "exchange-pauses",
    "sepa-instant",
    "sepa-instant-recalls",
    "stablecoin-payout",
    "stablecoin-payout-replaced",
    "toncoin-payment",
    "toncoin-payout",
    "upi-payment",
)
# test_node_runs.py breaks no rule with chains of nodes. One fault at a time meets the on-ramp and
# the payout in test_deposits.py and test_payouts.py.
KEPT = {"exchange-deposit", "sepa-instant-recalls", "toncoin-payment"}

RATE = 40 if IS_THOROUGH else 5  # payments a second, for 40 s

pytestmark = [pytest.mark.slow, pytest.mark.law]


def test_no_sound_chain_is_left_out() -> None:
    assert tuple(chain.model.chain for chain in sound_chains()) == SOUND


@pytest.mark.parametrize("name", only(KEPT, SOUND))
def test_sound_payments_break_no_rule(tmp_path: Path, name: str) -> None:
    result = run_sound(load_chain(name), 40 * RATE, 1, tmp_path, rate=RATE)
    assert result.verdict != "inconclusive", result.reasons
    assert {rule.rule: rule.findings for rule in result.money.rules if rule.findings} == {}
    assert all(rule.is_judged for rule in result.money.rules)
    assert all(fault.hits for fault in result.faults), [fault.id for fault in result.faults]
