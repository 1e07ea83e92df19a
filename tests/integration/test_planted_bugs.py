"""Every money rule catches a bug planted in running mocks, and nothing but its own payments."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from harness.conductor import run
from harness.model.loading import load_chain, load_experiment
from harness.order import Order
from harness.payments.rules import RULES
from harness.progress import Silent
from tests.integration.planted import BUGS, bug_of

CHAIN = """\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    captures: {after: 200ms}
    refunds: {share: 100%, after: 200ms, of: 50%}
    calls:
      authenticate: {to: acs, timeout: 1s}
      authorise: {to: processor, timeout: 3s, on_unknown: reverse}
  acs: {role: authentication}
  processor:
    role: processor
    calls: {authorise: {to: scheme, timeout: 2s, fallback: [{stand_in: {up_to: 9999.00}}]}}
  scheme:
    role: scheme
    calls: {authorise: {to: issuer, timeout: 1s, fallback: [{stand_in: {up_to: 5.00}}]}}
  issuer: {role: issuer}
"""
EXPERIMENT = """\
experiment: calm
load:
  arrivals: 60/s
  warm_up: 200ms
  before: 5s
  after: 200ms
  amounts: {median: 40, least: 10, most: 900}
"""


def order(folder: Path, *services: str) -> Order:
    chain, experiment = folder / "shop.yaml", folder / "calm.yaml"
    chain.write_text(CHAIN)
    experiment.write_text(EXPERIMENT)
    loaded = load_chain(str(chain))
    wanted = load_experiment(str(experiment), loaded.model)
    honest = Order(loaded, wanted, folder / "runs", 1, None, "")
    if not services:
        return honest
    return replace(honest, services=services)


def test_every_rule_finds_its_planted_bug_and_only_the_payments_it_struck(tmp_path: Path) -> None:
    planted = Path(__file__).with_name("planted.py")
    result = run(order(tmp_path, sys.executable, str(planted)), Silent()).result
    found = {one.rule: one for one in result.money.rules}
    assert set(found) == {bug.__name__ for bug in BUGS} == {*RULES, "no_card_number_in_a_file"}
    for name, rule in found.items():
        assert rule.findings > 0, f"{name} found nothing"
        struck = {bug_of(one.payment) for one in rule.payments if one.payment}
        assert struck <= {name}, f"{name} found the payments of {struck}"
    # 60/s for 5.2 s after the warm-up, and 17 bugs: some 18 payments each; only visa and
    # mastercard limit stolen cards, and every test card is as frequent as the next
    sizes = {name: one.findings for name, one in found.items()}
    del sizes["retry_limits_kept"], sizes["no_card_number_in_a_file"]
    assert min(sizes.values()) >= 10
    assert result.verdict == "fail"


def test_the_same_chain_without_a_bug_breaks_no_rule(tmp_path: Path) -> None:
    result = run(order(tmp_path), Silent()).result
    assert {one.rule: one.findings for one in result.money.rules if one.findings} == {}
    captured = result.money.books["issuer"]["captured"]
    # half of every capture is refunded, in whole cents
    refunded = result.money.books["issuer"]["refunded"]
    assert captured > 0
    assert 0 <= captured - 2 * refunded <= result.load.recorded
