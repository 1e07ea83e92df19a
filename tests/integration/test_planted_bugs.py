"""Every money rule catches a bug planted in running mocks, and nothing but its own payments."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from paychain.analysis.money.orders import Orders
from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import reconcile, stand_in_order
from paychain.environment.simulated_run import simulate_run
from paychain.explore.checks import SimulatedRecords
from paychain.model.loading import load_chain, load_experiment
from paychain.payments.journal import MovementKind, PaymentRecord
from paychain.payments.rules import RULES
from paychain.runs.chains import chain_of
from paychain.runs.run import run
from paychain.runs.spec import RunSpec
from tests.support.paths import SUPPORT
from tests.support.planted_services import (
    BUGS,
    VARIANTS,
    bug_of,
    no_card_number_in_a_file,
    no_phantom_movement,
    planted,
    retry_limits_kept,
)
from tests.support.real_runs import run_for_real
from tests.support.runs import declare

# No timeout is as short as a busy machine may be slow: the planted bugs are all that is wrong.
CHAIN = """\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    captures: {after: 200ms, of: 90%}
    refunds: {share: 100%, after: 200ms, of: 50%}
    calls:
      authenticate: {to: acs, timeout: 5s, fallback: [{skip: {up_to: 5.00}}]}
      authorise: {to: processor, timeout: 9s, on_unknown: reverse}
  acs: {role: authentication}
  processor:
    role: processor
    calls: {authorise: {to: scheme, timeout: 8s, fallback: [{stand_in: {up_to: 9999.00}}]}}
  scheme:
    role: scheme
    calls: {authorise: {to: issuer, timeout: 7s, fallback: [{stand_in: {up_to: 5.00}}]}}
  issuer: {role: issuer}
"""
EXPERIMENT = """\
experiment: calm
tolerances: {}
load:
  arrivals: 30/s
  warm_up: 200ms
  before: 7s
  after: 200ms
  amounts: {median: 40, least: 10, most: 900}
"""


def spec(folder: Path, *services: str, lasts: str = "7s") -> RunSpec:
    folder.mkdir(exist_ok=True)
    declare(folder, shop=CHAIN, calm=EXPERIMENT.replace("7s", lasts))
    loaded = load_chain(str(folder / "shop.yaml"))
    wanted = load_experiment(str(folder / "calm.yaml"), loaded.model)
    honest = RunSpec(chain=loaded, experiment=wanted, out=folder / "runs")
    if not services:
        return honest
    return replace(honest, services=services)


# What is about own services is planted in one: tests/integration/test_planted_shop.py.
ALWAYS = [name for name, rule in RULES.items() if not rule.needs]


@pytest.mark.thorough  # for real what the next one shows in virtual time
def test_every_rule_finds_its_planted_bug_and_only_the_payments_it_affected(tmp_path: Path) -> None:
    services = (sys.executable, str(SUPPORT / "planted_services.py"))
    result = run_for_real(tmp_path, lambda folder: spec(folder, *services, lasts="14s")).result
    found = {rule.rule: rule for rule in result.money.rules}
    assert set(found) == {bug.__name__ for bug in BUGS} == {*ALWAYS, "no_card_number_in_a_file"}
    for name, rule in found.items():
        assert rule.findings > 0, f"{name} found nothing"
        bugs = {bug_of(each.payment) for each in rule.payments if each.payment}
        assert bugs <= {name}, f"{name} found the payments of {bugs}"
    # 30/s for 14.2 s after the warm-up, and 23 bugs: some 18 payments each; only visa and
    # mastercard limit stolen cards, and every test card is as frequent as the next
    sizes = {name: rule.findings for name, rule in found.items()}
    del sizes["retry_limits_kept"], sizes["no_card_number_in_a_file"]
    assert min(sizes.values()) >= 10
    assert result.verdict == "fail", result.reasons


def test_each_bug_is_found_by_its_rule_in_exactly_the_payments_it_affected(tmp_path: Path) -> None:
    bugs = {bug: bug.__name__ for bug in BUGS if bug is not no_card_number_in_a_file} | VARIANTS
    planned = spec(tmp_path)
    chain = planned.chain.model
    with planted(list(bugs)):
        played = SimulatedRecords(simulate_run(chain, planned.experiment.model, 1).records)
    parties, orders = Parties.of(chain), Orders({})
    stand_ins = stand_in_order(
        played.movements(MovementKind.STOOD_IN), played.rows(PaymentRecord), parties
    )
    found: dict[str, set[str]] = {name: set() for name in ALWAYS}
    for story in played.stories():
        for judged, broken in orders.judge(reconcile(story, parties, stand_ins)):
            for name in broken:
                found[name].add(judged.payment)
    affected: dict[str, set[str]] = {name: set() for name in ALWAYS}
    for payment in played.rows(PaymentRecord):
        bug = list(bugs)[int(payment.payment[1:]) % len(bugs)]
        # Only Visa forbids to present a stolen card once more.
        if bug is retry_limits_kept and payment.scheme != "visa":
            continue
        name = f"q{payment.payment[1:]}" if bug is no_phantom_movement else payment.payment
        affected[bugs[bug]].add(name)
    assert all(affected.values())
    assert found == affected


def test_the_same_chain_without_a_bug_breaks_no_rule(tmp_path: Path) -> None:
    planned = replace(spec(tmp_path), virtual=True)
    result = run(planned, chain_of(planned)).result
    assert {rule.rule: rule.findings for rule in result.money.rules if rule.findings} == {}
    captured = result.money.books["issuer"]["captured"]
    # half of every capture is refunded, half a cent up
    refunded = result.money.books["issuer"]["refunded"]
    assert captured > 0
    assert 0 <= 2 * refunded - captured <= result.load.recorded
