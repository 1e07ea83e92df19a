"""Every rule about own services finds the bug of a real shop, and only the payments it affects."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from paychain.advice.code import IN_CODE
from tests.support.chains import as_yaml, experiment
from tests.support.cli import paychain
from tests.support.planted_shop import BUGS, bug_of
from tests.support.runs import declare, result_of
from tests.support.shared_runs import made_once

pytestmark = pytest.mark.slow
SHOP = Path(__file__).parents[1] / "support" / "planted_shop.py"
PAID = {"where": {"state": "paid"}}
CHAIN = {
    "chain": "planted-shop",
    "entry": "shop",
    "deadline": "4s",
    "settles_within": "20s",
    "links": {
        "shop": {
            "role": "gateway",
            "service": {
                "command": [sys.executable, str(SHOP)],
                "env": {"PSP": "{url:psp}", "PSP_SECRET": "{secret:psp}"},
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
                "approved": {
                    "status": "200",
                    **PAID,
                    "amount": {"field": "charged", "unit": "minor"},
                },
                "declined": {"status": "402"},
                "pending": {
                    "where": {"state": ["pending", "new"]},
                    "then": {"get": "/orders/{payment}", "every": "200ms"},
                },
            },
            "books": {
                "get": "/orders/{payment}",
                "paid": PAID,
                "amount": {"field": "charged", "unit": "minor"},
            },
            "receives": {"path": "/webhooks/{link}"},
            "calls": {"authorise": {"to": "psp"}},
        },
        "psp": {
            "role": "processor",
            "dialect": "stripe",
            "webhooks": {
                "to": "shop",
                "bad_signatures": "50%",
                "backoff": "100ms",
                "max_backoff": "200ms",
                "give_up_after": "4s",
            },
            "calls": {"authorise": {"to": "issuer", "timeout": "2s"}},
        },
        "issuer": {"role": "issuer"},
    },
}
# What else a bug breaks: the customer knows of no payment whose webhook was lost.
ALSO = {
    "no_order_lost_with_its_webhook": {"no_orphaned_authorisation"},
    "no_charge_after_a_decline": {"no_orphaned_authorisation"},
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    def run(folder: Path) -> None:
        calm = experiment(arrivals="14/s", before="4s", after="4s")
        declare(folder, shop=as_yaml(CHAIN), calm=calm)
        done = paychain(folder, "run", "shop.yaml", "calm.yaml", "--out", "runs", "--quiet")
        assert done.exit_code in (1, 3), done.stderr

    return result_of(made_once(tmp_path_factory, "planted-shop", run))


@pytest.mark.parametrize("rule", [bug for bug in BUGS if bug])
def test_each_bug_is_found_by_its_rule(result: Mapping[str, Any], rule: str) -> None:
    found = {each["rule"]: each for each in result["money"]["rules"]}[rule]
    # Of the 14 payments with the bug: only half of the webhooks are forged.
    assert found["findings"] >= 2
    assert {bug_of(finding["payment"]) for finding in found["payments"]} == {rule}


@pytest.mark.parametrize("rule", [bug for bug in BUGS if bug])
def test_each_bug_has_a_remedy_in_the_code_of_the_service(
    result: Mapping[str, Any], rule: str
) -> None:
    """The payments without a bug show that a service which does that breaks no rule."""
    found = {each["rule"]: each for each in result["money"]["rules"]}[rule]
    remedies = {each["action"]: each for each in found["remedies"]}
    # Where no key is the cause; a claim has a key, and changes with the code.
    in_code = remedies.get("code") or remedies["set"]
    assert in_code["at"].partition(".")[0] == "shop"
    if in_code["action"] == "code":
        assert (in_code["key"], in_code["value"]) == ("links.shop.service", IN_CODE[rule])
    else:
        assert ".claims." in in_code["key"]


def test_no_rule_finds_the_payments_of_another_bug(result: Mapping[str, Any]) -> None:
    for rule in result["money"]["rules"]:
        for finding in rule["payments"]:
            bug = bug_of(finding["payment"])
            assert rule["rule"] in {bug, *ALSO.get(bug, set())}, finding


def test_every_request_is_attributed(result: Mapping[str, Any]) -> None:
    (call,) = result["own_services"]["calls"]
    assert call["unattributed"] == 0
