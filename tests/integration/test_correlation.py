"""Each way of attributing a request, alone, on a real service: all of them, and none wrongly."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from paychain.services.attribution import reference_of
from tests.support.chains import as_yaml, experiment
from tests.support.cli import paychain
from tests.support.runs import declare, result_of, run_in
from tests.support.tiers import only

pytestmark = pytest.mark.slow
SHOP = Path(__file__).parents[1] / "support" / "anonymous_shop.py"
# Payments of each run; PAYCHAIN_TEST_SECONDS makes it longer.
SECONDS = int(os.environ.get("PAYCHAIN_TEST_SECONDS", "4"))
WAYS = {"trace": "trace", "reference": "reference", "key": "key", "amount": "card and amount"}


def chain(shows: str) -> str:
    paid = {"where": {"state": "paid"}}
    return as_yaml(
        {
            "chain": "anonymous",
            "entry": "shop",
            "links": {
                "shop": {
                    "role": "gateway",
                    "service": {
                        "command": [sys.executable, str(SHOP)],
                        "env": {"PSP": "{url:psp}", "SHOP_SHOWS": shows},
                        "ready": {"http": "/health", "within": "20s"},
                    },
                    "pays": {
                        "request": {
                            "path": "/orders",
                            "json": {
                                "order": "{payment}",
                                "amount": "{amount_minor}",
                                "card": "{card.token}",
                            },
                        },
                        "approved": {"status": "200", **paid},
                        "declined": {"status": "402"},
                    },
                    "calls": {"authorise": {"to": "psp"}},
                },
                "psp": {
                    "role": "processor",
                    "dialect": "stripe",
                    "calls": {"authorise": {"to": "issuer", "timeout": "5s"}},
                },
                "issuer": {"role": "issuer"},
            },
        }
    )


@pytest.mark.parametrize("shows", only({"amount"}, [*WAYS, "object"]))
def test_each_way_alone_attributes_every_request_and_none_wrongly(
    tmp_path: Path, shows: str
) -> None:
    calm = experiment(arrivals="25/s", before=f"{SECONDS}s", after="1s")
    declare(tmp_path, shop=chain(shows), calm=calm)
    done = paychain(
        tmp_path, "run", "shop.yaml", "calm.yaml", "--out", "runs", "--quiet", timeout_s=600
    )
    assert done.exit_code in (0, 1, 3), done.stderr
    (call,) = result_of(tmp_path)["own_services"]["calls"]
    assert call["unattributed"] == 0
    payments = call["payments"]
    if shows == "object":
        assert call["attributed"] == {"reference": payments, "object": payments}
    else:
        assert call["attributed"] == {WAYS[shows]: call["requests"]}
    # An intent's id was made of the payment that its request was attributed to.
    log = run_in(tmp_path) / "spool" / "logs" / "shop.log"
    lines = [line.split() for line in log.read_text().splitlines() if " pi_" in line]
    assert len(lines) == payments >= 25 * SECONDS
    wrong = [line for line in lines if reference_of(line[1]).rpartition("-")[0] != line[0]]
    assert wrong == []
