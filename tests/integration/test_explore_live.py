"""paychain explore --live on a real own service: the shop that charges twice."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from paychain.model.loading import load_chain, load_experiment
from tests.support.cli import paychain
from tests.support.paths import ROOT
from tests.support.runs import broken_rules


def variables() -> dict[str, str]:
    return {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


@pytest.mark.slow
@pytest.mark.long(150)
@pytest.mark.timeout(900)
def test_the_double_charge_of_the_naive_shop_is_found_and_can_be_replayed(tmp_path: Path) -> None:
    shop = tmp_path / "shop-python"
    shutil.copytree(ROOT / "examples" / "shop-python", shop)
    done = paychain(
        shop,
        "explore",
        "chain-naive.yaml",
        "--live",
        "--scripts",
        "32",  # failures of requests and webhooks: what customers do comes later
        "--for",
        "300s",
        "--rule",
        "no_double_charge",
        "--out",
        "found",
        variables=variables(),
        timeout_s=400.0,
    )
    assert done.exit_code == 1, done.stdout + done.stderr
    # The simplest of all steps is enough, and nothing simpler is.
    assert (
        "smallest script: the first authorise at stripe: works, its answer is lost" in done.stdout
    )
    assert "minimal: no simpler script broke the rule" in done.stdout
    assert "failed over to adyen" in done.stdout
    (found,) = (shop / "found").glob("*.yaml")
    chain = load_chain(str(shop / "chain-naive.yaml")).model
    (script,) = load_experiment(str(found), chain, needs_tolerances=True).model.scripts
    assert [step.kind for step in script.steps] == ["lost_answer"]
    assert (shop / "found" / ".scripts" / "shop-python-naive.json").is_file()
    replayed = paychain(
        shop,
        "run",
        "chain-naive.yaml",
        f"found/{found.name}",
        "--json",
        variables=variables(),
        timeout_s=280.0,
    )
    assert "no_double_charge" in broken_rules(replayed.json)
    (reported,) = replayed.json["scripts"]
    assert reported["steps"][0]["hits"] >= 5  # 20 payments, every second follows it
