"""Limits of latencies on a chain whose payments wait until a transfer is final."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.model.ledger_checks import finality_s
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.errors import UserError

EXPERIMENT = """\
experiment: mine
load: {arrivals: 10/s, before: 5s, after: 11s}
faults: [{id: f, at: 0s, for: 9s, target: {link: edge}, down: {}}]
tolerances:
  recovery: "<= 5s"
  latency_p50: "<= 400ms"
  latency_p99: LIMIT
"""


@pytest.mark.parametrize(
    ("chain", "waits_s"),
    [("card-sound", 0.0), ("stablecoin-payout", 0.5), ("exchange-deposit", 1.3)],
)
def test_a_ledger_takes_blocks_until_a_transfer_is_final_or_credited(
    chain: str, waits_s: float
) -> None:
    assert finality_s(load_chain(chain).model) == pytest.approx(waits_s)


@pytest.mark.parametrize(
    ("limit", "chain", "bound"),
    [
        ('"<= 1s + finality"', "card-sound", 1.0),
        ('"<= 1s + finality"', "exchange-deposit", 2.3),
        ('"<= 1s"', "exchange-deposit", 1.0),
        ('{before: "<= 1s", during: "<= 2s + finality"}', "exchange-deposit", 3.3),
    ],
)
def test_only_a_limit_that_says_so_is_longer(
    tmp_path: Path, limit: str, chain: str, bound: float
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(EXPERIMENT.replace("LIMIT", limit))
    tolerances = load_experiment(str(path), load_chain(chain).model).model.tolerances
    found = tolerances.latency_p99
    assert found is not None
    (longest,) = [found] if not hasattr(found, "during") else [found.during]
    assert longest is not None
    assert longest.bound == pytest.approx(bound)
    assert longest.text == (f"<= {bound:g}s")
    assert tolerances.latency_p50 is not None
    assert tolerances.latency_p50.bound == 0.4  # type: ignore[union-attr]  # it is declared


def test_no_other_time_waits_for_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(EXPERIMENT.replace("LIMIT", '"<= 1s"').replace("<= 5s", "<= 5s + finality"))
    with pytest.raises(UserError, match="finality"):
        load_experiment(str(path))
