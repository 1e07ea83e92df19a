"""A real run with an own service that sends traces: what nobody else could see is in the result."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from paychain.analysis.store.store import RunStore
from paychain.payments.journal import HopRecord
from tests.support.chains import experiment
from tests.support.cli import paychain
from tests.support.own_chains import PAYS, PROVIDERS, own_shop
from tests.support.runs import declare, result_of
from tests.support.shared_runs import made_once

pytestmark = pytest.mark.slow  # real runs of some ten seconds
SHOP = Path(__file__).parents[1] / "support" / "traced_shop.py"
FAULTS = (
    "{id: gone, at: 0s, for: 1500ms, target: {hop: 'shop -> processor-a'}, down: {}}",
    "{id: late, at: 2s, for: 1500ms, target: {hop: 'shop -> processor-a'}, latency: {delay: 1s}}",
)


@pytest.fixture(
    scope="module",
    params=[
        "embedded",
        pytest.param("toxiproxy", marks=[pytest.mark.real_toxiproxy, pytest.mark.thorough]),
    ],
)
def result(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Any]:
    service = {
        "command": [sys.executable, str(SHOP)],
        "env": {**PROVIDERS, "SHOP_TIMEOUT_S": "0.5"},
        "ready": {"http": "/health", "within": "15s"},
        "telemetry": True,
    }
    words = ["run", "shop.yaml", "quick.yaml", "--out", "runs", "--quiet"]
    if request.param == "toxiproxy":
        words += ["--toxiproxy", request.getfixturevalue("toxiproxy_server")]

    def run(folder: Path) -> None:
        declare(
            folder,
            shop=own_shop(service=service, shop={"pays": PAYS}),
            quick=experiment(*FAULTS, arrivals="20/s", before="1s", after="1s"),
        )
        done = paychain(folder, *words)
        assert done.exit_code in (0, 1, 3), done.stderr

    folder = made_once(tmp_path_factory, f"traced-{request.param}", run)
    with closing(RunStore.open(next(folder.glob("runs/*/run.db")))) as store:
        ends = Counter(
            hop.result.value
            for hop in store.rows(HopRecord)
            if (hop.caller, hop.callee) == ("shop", "processor-a")
        )
    return {**result_of(folder), "engine_is": request.param, "ends": ends}


def test_refused_calls_and_timeouts_are_seen(result: Mapping[str, Any]) -> None:
    # Of 30 payments in 1.5 s a busy machine moves many out of the fault, and some into it.
    assert 10 <= result["ends"]["refused"] <= 40
    assert 10 <= result["ends"]["timeout"] <= 45


def test_the_report_says_who_has_seen_them(result: Mapping[str, Any]) -> None:
    (at_a,) = [call for call in result["own_services"]["calls"] if call["link"] == "processor-a"]
    views = "engine and link and trace" if result["engine_is"] == "embedded" else "link and trace"
    assert at_a["seen_by"] == views
    assert at_a["unattributed"] == 0
