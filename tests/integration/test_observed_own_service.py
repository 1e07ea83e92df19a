"""A real run with an own service: its hops, refused calls and timeouts are in the result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.chains import experiment
from tests.support.cli import paychain
from tests.support.own_chains import PAYS, own_shop
from tests.support.runs import declare, result_of
from tests.support.shared_runs import made_once

pytestmark = pytest.mark.slow  # a real run of some ten seconds
FAULTS = (
    "{id: gone, at: 0s, for: 1500ms, target: {hop: 'shop -> processor-a'}, down: {}}",
    "{id: silent, at: 2s, for: 1500ms, target: {hop: 'shop -> processor-a'}, blackhole: {}}",
)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """A shop that fails over after a refusal or 500 ms, and does nothing about what it left."""
    claims = {"timeout": "500ms", "on_unknown": "reverse"}
    call = {"to": "processor-a", "fallback": [{"to": "processor-b"}], "claims": claims}

    def run(folder: Path) -> None:
        declare(
            folder,
            shop=own_shop(shop={"pays": PAYS}, call=call, env={"SHOP_TIMEOUT_S": "0.5"}),
            quick=experiment(*FAULTS, arrivals="20/s", before="1s", after="1s"),
        )
        done = paychain(folder, "run", "shop.yaml", "quick.yaml", "--out", "runs", "--quiet")
        assert done.exit_code in (0, 1, 3), done.stderr

    return result_of(made_once(tmp_path_factory, "observed", run))


def lines(result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {line["what"]: line for line in result["own_services"]["policies"]}


def test_every_request_is_attributed_and_seen_from_both_sides(result: Mapping[str, Any]) -> None:
    for call in result["own_services"]["calls"]:
        assert call["unattributed"] == 0
        assert call["seen_by"] == "engine and link"
        assert call["unreadable"] == 0


def test_a_fault_that_refuses_is_exercised_although_nobody_sees_it(
    result: Mapping[str, Any],
) -> None:
    (at_a,) = [call for call in result["own_services"]["calls"] if call["link"] == "processor-a"]
    # Of 30 payments in 1.5 s a busy machine moves many out of the fault.
    assert at_a["refused"] >= 10
    hits = {fault["id"]: fault["hits"] for fault in result["faults"]}
    assert hits["gone"] >= 10
    assert hits["silent"] >= 10


def test_failovers_are_measured_as_those_of_a_mock_are(result: Mapping[str, Any]) -> None:
    (fallback,) = [each for each in result["fallbacks"] if each["activations"]]
    assert (fallback["call"], fallback["to"]) == ("shop.authorise", "processor-b")
    assert fallback["success"] == 1.0
    assert fallback["activations"] >= 20


def test_the_observed_policy_stands_beside_the_claimed_one(result: Mapping[str, Any]) -> None:
    waited = lines(result)["timeout"]
    assert (waited["claimed"], waited["holds"]) == ("500 ms", True)
    unknown = lines(result)["unknown outcome"]
    assert (unknown["claimed"], unknown["holds"]) == ("reverse", False)
    assert unknown["observed"].startswith("nothing (")


def test_what_the_shop_left_unknown_is_a_finding(result: Mapping[str, Any]) -> None:
    findings = {rule["rule"]: rule["findings"] for rule in result["money"]["rules"]}
    assert findings["unknowns_resolved"] >= 10
    assert findings["books_agree"] == 0  # the shop keeps no book of ours
