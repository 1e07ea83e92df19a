"""A user's wallet with web3.py in a run: a node's errors for money that is on its way."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.chains import as_yaml, experiment
from tests.support.cli import paychain
from tests.support.paths import ROOT
from tests.support.runs import broken_rules, declare, result_of

pytestmark = [
    pytest.mark.slow,
    # Its import alone takes a second, and every worker collects this file.
    pytest.mark.skipif(find_spec("web3") is None, reason="the extra clients is not installed"),
]

AFTER_WORK = (
    "{id: errors, at: 0s, for: 3s, target: {call: wallet.transfer}, "
    "http_error: {status: 503, after_work: true, share: 60%}}"
)


def payouts(**env: str) -> str:
    onward = {"to": "base", "timeout": "300ms"}
    return as_yaml(
        {
            "chain": "payouts",
            "currency": "ETH",
            "deadline": "10s",
            "entry": "payouts",
            "links": {
                "payouts": {
                    "role": "exchange",
                    "funding": 100000,
                    "calls": {
                        "transfer": {
                            "to": "wallet",
                            "timeout": "4s",
                            "on_unknown": "query",
                            "query": {"attempts": 3, "pause": "300ms", "timeout": "3s"},
                        }
                    },
                },
                "wallet": {
                    "role": "wallet",
                    "dialect": "paychain",
                    "service": {
                        "command": [sys.executable, str(ROOT / "tests/support/rpc_wallet.py")],
                        "env": {"NODE": "{url:node-a}", "PORT": "{port}", **env},
                        "ready": {"http": "/health", "within": "60s"},
                    },
                    "calls": {"transfer": {"to": "node-a"}, "read": {"to": "node-a"}},
                },
                "node-a": {
                    "role": "node",
                    "dialect": "json-rpc",
                    "calls": {"transfer": onward, "read": onward},
                },
                "base": {"role": "ledger", "blocks": {"every": "100ms"}, "final": {"after": 4}},
            },
        }
    )


@pytest.mark.parametrize(
    ("env", "broken"),
    [
        pytest.param({}, set(), id="sound", marks=pytest.mark.thorough),
        pytest.param({"NAIVE": "1"}, {"sent_once"}, id="naive"),
    ],
)
def test_who_signs_again_after_an_error_pays_twice(
    env: dict[str, str], broken: set[str], tmp_path: Path
) -> None:
    calm = experiment(AFTER_WORK, arrivals="4/s", before="1s", after="4s")
    declare(tmp_path, payouts=payouts(**env), errors=calm)
    done = paychain(tmp_path, "run", "payouts.yaml", "errors.yaml", "--out", "runs")
    assert done.exit_code in (0, 1), done.stdout + done.stderr
    assert broken_rules(result_of(tmp_path)) == broken
