"""The examples: paychain finds what is wrong with the naive ones, and passes the sound ones."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import paychain
from tests.support.fetched import CACHE, tool
from tests.support.paths import ROOT
from tests.support.runs import broken_rules
from tests.support.tiers import only

NEEDS = {"shop-python": None, "shop-node": "npm", "gateway-go": "go"}
EXAMPLES = tuple(NEEDS)
# What each experiment finds of the naive ones. Who waits for a webhook alone shows it to nobody.
FAULTS = {
    "paid-twice": {"no_double_charge"},
    "webhooks-lost": {"no_order_lost_with_its_webhook", "no_orphaned_authorisation"},
    "capture-late": {"repeats_without_effect"},
}
HAS_NO_RETURN_PAGE = {("gateway-go", "capture-late")}
CASES = [
    (example, experiment)
    for example in EXAMPLES
    for experiment in FAULTS
    if (example, experiment) not in HAS_NO_RETURN_PAGE
]
# Of these test_planted_shop.py shows what a lost webhook does, and the fast set what repeats do.
KEPT: set[tuple[str, str]] = set()
AFTER_WORK = [(example, "errors-after-work") for example in EXAMPLES]
CHARGED_TWICE = {"shop-node", "gateway-go"}  # the other one is in test_explore_live.py
# The sound ones make the same calls in three languages: naive ones are run in the two others.
SOUND_KEPT = {("shop-python", "errors-after-work")}
# Of the experiments that have 12/s: fewer payments show the same. 25 of them meet the fault.
FEWER = "5/s"
SECOND = {"shop-python": "adyen", "shop-node": "backup", "gateway-go": "backup"}


def run(example: str, kind: str, experiment: str, folder: Path) -> dict[str, Any]:
    needed = NEEDS[example]
    if needed is not None:
        tool(needed, f"examples/{example}")
    copy = folder / example
    shutil.copytree(ROOT / "examples" / example, copy)
    declared = copy / "chaos" / f"{experiment}.yaml"
    text = declared.read_text("utf-8").replace("arrivals: 12/s", f"arrivals: {FEWER}")
    assert f"arrivals: {FEWER}" in text
    declared.write_text(text, "utf-8")
    found = [str(Path(sys.executable).parent), os.environ["PATH"]]
    done = paychain(
        copy,
        "run",
        f"chain-{kind}.yaml",
        f"chaos/{experiment}.yaml",
        "--json",
        variables={"PATH": os.pathsep.join(found), "npm_config_cache": str(CACHE / "npm")},
        timeout_s=280.0,
    )
    assert done.exit_code in (0, 1), done.stderr + done.stdout
    return dict(done.json)


@pytest.mark.slow
@pytest.mark.long(45)
@pytest.mark.timeout(900)
@pytest.mark.parametrize("example", only(CHARGED_TWICE, EXAMPLES))
def test_the_naive_one_charges_twice_and_each_finding_names_both_references(
    example: str, tmp_path: Path
) -> None:
    result = run(example, "naive", "answers-lost", tmp_path)
    assert result["verdict"] == "fail"
    assert broken_rules(result) - {"repeats_without_effect"} == {"no_double_charge"}
    (rule,) = (each for each in result["money"]["rules"] if each["rule"] == "no_double_charge")
    assert 16 <= rule["findings"] <= 26  # 5/s for 5 s, some of them declined
    first, second = rule["payments"][0]["references"][:2]
    assert "(stripe: pi_" in first + second
    assert f"({SECOND[example]}: " in first + second


@pytest.mark.slow
@pytest.mark.long(45)
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("example", "experiment"), only(KEPT, CASES))
def test_the_naive_one_has_the_fault_that_the_experiment_is_about(
    example: str, experiment: str, tmp_path: Path
) -> None:
    result = run(example, "naive", experiment, tmp_path)
    assert result["verdict"] == "fail", result["reasons"]
    # On a slow machine a webhook may overtake the return page without any fault, too.
    assert FAULTS[experiment] <= broken_rules(result)
    assert broken_rules(result) <= FAULTS[experiment] | {"repeats_without_effect"}
    found = {each["rule"]: each["findings"] for each in result["money"]["rules"]}
    assert all(found[rule] >= 15 for rule in FAULTS[experiment])


@pytest.mark.slow
@pytest.mark.long(45)
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("example", "experiment"), only(SOUND_KEPT, [*AFTER_WORK, *CASES]))
def test_the_sound_one_passes(example: str, experiment: str, tmp_path: Path) -> None:
    result = run(example, "sound", experiment, tmp_path)
    assert result["verdict"] == "pass", result["reasons"]
    assert broken_rules(result) == set()


def test_an_experiment_that_examples_share_is_the_same_in_all_of_them() -> None:
    for experiment in (*FAULTS, "answers-lost", "errors-after-work", "stripe-down"):
        files = [
            ROOT / "examples" / example / "chaos" / f"{experiment}.yaml"
            for example in EXAMPLES
            if (example, experiment) not in HAS_NO_RETURN_PAGE
        ]
        assert len({path.read_text().replace("gateway", "shop") for path in files}) == 1
