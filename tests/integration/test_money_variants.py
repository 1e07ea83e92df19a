"""Variants of the public cases, played in virtual time: the right payments, and no other rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from paychain.analysis.money.parties import Parties
from paychain.environment.simulated_run import simulate_run
from paychain.explore.checks import broken
from paychain.payments.journal import PaymentRecord
from paychain.payments.outcome import Outcome
from tests.oracle.pairs import Pair, loaded_chain, loaded_experiment, run_pair

FILE = yaml.load(
    Path(__file__).with_name("money_variants.yaml").read_text("utf-8"), Loader=yaml.BaseLoader
)
LOAD = {
    "arrivals": {"steps": [{"at": "0s", "rate": "20/s"}, {"at": "500ms", "rate": "0/s"}]},
    "warm_up": "0s",
    "before": "0s",
    "after": "600ms",
    "merchants": {"a shop": "100%"},
    "amounts": {"median": "10.01", "least": "10.01", "most": "10.01"},
}
FAULT = {"at": "0s", "for": "600ms"}


def changed(declared: Any, change: Any) -> Any:
    """A declaration with the keys of a change, at every depth."""
    if not isinstance(declared, dict) or not isinstance(change, dict):
        return change
    merged = {key: changed(declared.get(key), value) for key, value in change.items()}
    return {**declared, **merged}


def pair_of(variant: dict[str, Any]) -> Pair:
    chain = changed(FILE["chains"][variant["from"]], variant.get("chain", {}))
    chain["links"] = dict(chain["links"])
    for path in variant.get("without", []):
        link, _, key = path.partition(".")
        declared = chain["links"].pop(link)
        if key:
            chain["links"][link] = {k: v for k, v in declared.items() if k != key}
    faults = [
        {"id": f"f{number}", **FAULT, **fault}
        for number, fault in enumerate(variant.get("faults", []))
    ]
    load = changed(LOAD, variant.get("load", {}))
    return Pair(
        chain=chain, experiment={"experiment": "variant", "load": load, "faults": faults}, seed=1
    )


@pytest.mark.parametrize("name", FILE["variants"])
def test_the_right_rules_name_the_right_number_of_payments(name: str) -> None:
    variant = FILE["variants"][name]
    pair = pair_of(variant)
    chain = loaded_chain(pair.chain)
    # What the world's side watches is cards.
    if chain.network:
        simulated = simulate_run(chain, loaded_experiment(pair.experiment, chain), pair.seed)
    else:
        simulated = run_pair(pair, chain).played
    records = simulated.records
    assert simulated.problems == []
    found = broken(records, Parties.of(chain), None)
    expected = {rule: int(payments) for rule, payments in variant["broken"].items()}
    assert {each.rule: each.payments for each in found} == expected, found
    amounts = {rule: int(minor) for rule, minor in variant.get("amounts", {}).items()}
    assert {each.rule: each.amount_minor for each in found if each.rule in amounts} == amounts
    if "approved" in variant:
        seen = [each.outcome for each in records if isinstance(each, PaymentRecord)]
        assert seen.count(Outcome.APPROVED) == int(variant["approved"])
