"""paychain explore --live and learn on real services, and searches that somebody ends."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from itertools import product
from pathlib import Path

import pytest

from paychain.model.loading import load_chain, load_experiment
from tests.support.async_shop import STRIPE, shop_in
from tests.support.chains import shop
from tests.support.cli import PAYCHAIN, paychain
from tests.support.paths import ROOT
from tests.support.processes import alive, children_of, needs_proc
from tests.support.runs import broken_rules, declare
from tests.support.screen import Screen
from tests.support.tiers import only
from tests.support.waiting import wait_until


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


@pytest.mark.slow
@pytest.mark.long(60)
def test_the_twin_of_a_service_that_retries_and_fails_over_only_without_an_answer(
    tmp_path: Path,
) -> None:
    retries = ", http_client=http, max_network_retries=1\n    ).v1"
    code = STRIPE.replace(", http_client=http\n    ).v1", retries)
    assert retries in code
    shop_in(tmp_path, code)
    done = paychain(tmp_path, "learn", "chain.yaml", "--out", "twin.yaml", variables=variables())
    assert done.exit_code == 0, done.stdout + done.stderr
    twin = load_chain(str(tmp_path / "twin.yaml")).model
    call = twin.calls_of("shop")["authorise"]
    # As the code has it: two tries of 2 s, then the other processor, and nothing is cleared up.
    assert call.timeout == pytest.approx(2.0, abs=0.1)
    assert (call.routes, call.on_unknown) == (["first", "second"], "give_up")
    assert call.retry is not None
    assert call.retry.attempts == 2
    words = ["--rule", "no_double_charge", "--budget", "20s", "--jobs", "1"]
    words += ["--confirm", "--on", "chain.yaml", "--out", "found"]
    found = paychain(tmp_path, "explore", "twin.yaml", *words, variables=variables())
    assert found.exit_code == 1, found.stdout + found.stderr
    assert "twin.yaml and chain.yaml agree in 1 finding" in found.stdout


SEARCH = ["explore", "shop.yaml", "--live", "--batch", "8", "--rule", "no_double_charge"]
LOST = "the first authorise at processor-a: works, its answer is lost"
# What a terminal shows of each stage.
STAGES = {
    "searching": r"[1-9]\d* scripts?, .* 0 found",
    "minimising": "1 found; minimising ",
    "reproducing": "1 found; reproducing ",
}


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize(
    ("stage", "how"),
    only(
        {("searching", "ctrl-c"), ("minimising", "SIGTERM"), ("reproducing", "ctrl-c")},
        product(STAGES, ("ctrl-c", "SIGTERM", "SIGHUP")),
    ),
)
def test_a_search_that_is_ended_in_any_stage_keeps_what_it_found(
    stage: str, how: str, tmp_path: Path
) -> None:
    is_sound = stage == "searching"
    behind = {"on_unknown": "reverse"}
    on_unknown = "reverse" if is_sound else "give_up"
    declare(tmp_path, shop=shop(on_unknown=on_unknown, processor_authorise=behind))
    screen = Screen([*PAYCHAIN, *SEARCH, "--out", "found"], tmp_path)
    screen.wait_for(STAGES[stage])
    processes = list(children_of(screen.pid).values())
    assert processes
    if how == "ctrl-c":
        screen.press("\x03")
    else:
        os.kill(screen.pid, signal.Signals[how])
    assert screen.exit_code() == 130, screen.text
    wait_until(lambda: not alive(processes), "nothing is left", 5)
    assert len(list((tmp_path / "found").glob("*.yaml"))) == (not is_sound)
    if is_sound:
        assert "nothing found in " in screen.text
        return
    assert f"smallest script: {LOST}" in screen.text
    is_reproduced = "not reproduced: the search ended first" not in screen.text
    assert is_reproduced <= (stage == "reproducing")
    # The next search begins with it.
    again = paychain(tmp_path, *SEARCH, "--scripts", "1", "--out", "found")
    assert again.exit_code == 1, again.stdout + again.stderr
    assert again.stdout.startswith(f"trying 1 script of earlier searches first: {LOST}\n")
    assert f"smallest script: {LOST}" in again.stdout
    assert "reproduced by 3 of 3" in again.stdout
