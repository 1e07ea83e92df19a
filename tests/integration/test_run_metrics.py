"""`paychain run --metrics` serves what a real run has seen so far, until the run is over."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
import requests

from tests.support.chains import corner_shop, experiment
from tests.support.cli import running
from tests.support.runs import declare, run_in
from tests.support.waiting import wait_until

PAID = re.compile(
    r'^paychain_live_payments_total\{[^}]*run="([^"]+)"[^}]*\} ([1-9]\d*)$', re.MULTILINE
)


@pytest.mark.slow
def test_a_run_serves_its_metrics_while_it_goes_on_and_no_longer(tmp_path: Path) -> None:
    declare(tmp_path, shop=corner_shop(), long=experiment(after="60s"))
    words = ("run", "shop.yaml", "long.yaml", "--metrics", "0", "--out", "runs")
    with running(tmp_path, *words) as run:
        run.wait_for("/metrics\n")
        found = re.search(r"metrics at (http://\S+)", run.output)
        assert found is not None
        texts: list[str] = []

        def is_paid() -> bool:
            texts.append(requests.get(found[1], timeout=20).text)
            return PAID.search(texts[-1]) is not None

        wait_until(is_paid)
        run.send(signal.SIGINT)
        assert run.exit_code() == 130
    paid = PAID.search(texts[-1])
    assert paid is not None
    assert paid[1] == run_in(tmp_path).name
    with pytest.raises(requests.ConnectionError):
        requests.get(found[1], timeout=20)
