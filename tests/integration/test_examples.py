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

NEEDS = {"shop-python": None, "shop-node": "npm", "gateway-go": "go"}
SECOND = {"shop-python": "adyen", "shop-node": "backup", "gateway-go": "backup"}


def run(example: str, kind: str, experiment: str, folder: Path) -> dict[str, Any]:
    needed = NEEDS[example]
    if needed is not None:
        tool(needed, f"examples/{example}")
    copy = folder / example
    shutil.copytree(ROOT / "examples" / example, copy)
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
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("example", NEEDS)
def test_the_naive_one_charges_twice_and_each_finding_names_both_references(
    example: str, tmp_path: Path
) -> None:
    result = run(example, "naive", "answers-lost", tmp_path)
    assert result["verdict"] == "fail"
    assert broken_rules(result) == {"no_double_charge"}
    assert not result["breaks"]  # the second provider served them all
    (rule,) = (each for each in result["money"]["rules"] if each["rule"] == "no_double_charge")
    assert 40 <= rule["findings"] <= 62  # 12/s for 5 s, some of them declined
    first, second = rule["payments"][0]["references"][:2]
    assert "(stripe: pi_" in first + second
    assert f"({SECOND[example]}: " in first + second


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("example", NEEDS)
def test_the_sound_one_passes(example: str, tmp_path: Path) -> None:
    result = run(example, "sound", "errors-after-work", tmp_path)
    assert result["verdict"] == "pass", result["reasons"]
    assert broken_rules(result) == set()
