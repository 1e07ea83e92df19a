"""Services that insist on https or on their provider's own host name stand in a chain, too."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.chains import as_yaml, experiment
from tests.support.cli import invoked, paychain
from tests.support.runs import declare
from tests.support.tiers import thorough

SHOP = Path(__file__).parents[1] / "support" / "https_shop.py"
PAYS = {
    "request": {
        "method": "POST",
        "path": "/orders",
        "json": {"order": "{order}", "amount": "{amount_minor}", "card": "{card.token}"},
    },
    "approved": {"status": 200, "where": {"state": "paid"}},
    "declined": {"status": 402},
}


def chain(service: dict[str, Any], **of_psp: Any) -> str:
    """A shop, a provider and an issuer. `service` and `of_psp` add to their links."""
    started = {"command": [sys.executable, str(SHOP)], "ready": {"port": True}, **service}
    return as_yaml(
        {
            "chain": "https",
            "entry": "shop",
            "deadline": "20s",
            "links": {
                "shop": {
                    "role": "gateway",
                    "service": started,
                    "pays": PAYS,
                    "calls": {"authorise": {"to": "psp"}},
                },
                "psp": {
                    "role": "processor",
                    "dialect": "stripe",
                    "calls": {"authorise": {"to": "issuer", "timeout": "8s"}},
                    **of_psp,
                },
                "issuer": {"role": "issuer"},
            },
        }
    )


@pytest.mark.slow
@pytest.mark.long(20)
@pytest.mark.parametrize(
    ("service", "of_psp"),
    [
        ({"env": {"STRIPE": "{url:psp}"}}, {"tls": True}),
        thorough(({"proxy": True}, {})),  # test_tls.py has the forward proxy
    ],
    ids=["tls", "proxy"],
)
def test_a_service_that_speaks_https_pays_and_faults_act_behind_it(
    service: dict[str, Any], of_psp: dict[str, Any], tmp_path: Path
) -> None:
    fault = "{id: down, at: 4s, for: 3s, target: {hop: 'shop -> psp'}, down: {}}"
    # A TLS connection for each payment takes a busy machine long: nobody pays for some seconds, so
    # that the fault meets no payment that began before it.
    steps = "{at: 0s, rate: 10/s}, {at: 3s, rate: 0/s}, {at: 7200ms, rate: 10/s}"
    quick = experiment(fault, arrivals=f"{{steps: [{steps}]}}", before="2500ms", after="1s")
    declare(tmp_path, https=chain(service, **of_psp), quick=quick)
    done = paychain(tmp_path, "run", "https.yaml", "quick.yaml", "--out", "runs", "--json")
    assert done.exit_code in (0, 1), done.stderr
    phases = {phase["name"]: phase["technical_success"] for phase in done.json["phases"]}
    assert phases["before"] == 1.0, done.stdout
    assert phases["during"] < 0.2
    (call,) = done.json["own_services"]["calls"]
    # A request that the fault cut in its middle names nobody.
    assert set(call["attributed"]) == {"reference"}
    assert call["attributed"]["reference"] >= call["requests"] - 2
    ca = next((tmp_path / "runs").rglob("paychain-ca.pem"))
    assert "PRIVATE KEY" not in ca.read_text("ascii")


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            chain({"proxy": True}, dialect="paychain"),
            "shop calls no link that speaks a payment provider's dialect",
        ),
        (chain({}).replace("role: issuer", "role: issuer, tls: true"), "no own service calls"),
    ],
)
def test_tls_that_serves_nobody_is_a_mistake(text: str, mistake: str, tmp_path: Path) -> None:
    declare(tmp_path, https=text)
    done = invoked(tmp_path, "check", "https.yaml")
    assert done.exit_code == 2
    assert mistake in done.stdout + done.stderr
