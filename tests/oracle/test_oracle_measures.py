"""Every measure of a run is what a slow and obvious second implementation gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle.measured import measured_differences, run_measured, run_pair
from tests.support.tiers import only


@pytest.mark.slow
@pytest.mark.parametrize("number", only({1}, [1, *range(4, 25)]))
def test_the_measures_of_a_generated_run_are_those_counted_by_hand(
    number: int, tmp_path: Path
) -> None:
    assert measured_differences(*run_measured(number, tmp_path)) == []


# What no generated chain has: ledgers and who reads them, banks, third parties.
PAIRS = [
    ("sepa-instant", "confirmed-after-ten-seconds"),
    ("exchange-deposit", "deep-reorg"),
    ("card-gift-card", "issuer-away"),
    ("card-stand-in", "issuer-away"),
    ("stablecoin-payout", "base-2025-08-05"),
    ("crypto-onramp", "base-2025-08-05"),
    ("checkout-page", "cloudflare-2025-11-18"),
    ("checkout-page-vault-open", "basis-theory-2025-11-18"),
    ("card-overload", "overload"),
    ("card-lifecycle", "captures-lost"),
    ("card-routing", "processor-down"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("chain", "experiment"), only({PAIRS[0], PAIRS[1]}, PAIRS))
def test_the_measures_of_a_shipped_pair_are_those_counted_by_hand(
    chain: str, experiment: str, tmp_path: Path
) -> None:
    assert measured_differences(*run_pair(chain, experiment, tmp_path)) == []


def test_no_payment_of_the_warm_up_is_in_a_measure(tmp_path: Path) -> None:
    assert measured_differences(*run_measured(0, tmp_path, warm_up="1s")) == []
