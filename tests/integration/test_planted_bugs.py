"""Accounting bugs planted in running mocks: each gives exactly its own finding."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.conductor import run
from harness.model.loading import load_chain, load_experiment
from harness.order import Order
from harness.progress import Silent

CHAIN = """\
chain: shop
entry: gateway
links:
  gateway: {role: gateway, calls: {authorise: {to: processor, timeout: 3s}}}
  processor: {role: processor, calls: {authorise: {to: scheme, timeout: 2s}}}
  scheme: {role: scheme, calls: {authorise: {to: issuer, timeout: 1s}}}
  issuer: {role: issuer}
"""
EXPERIMENT = "experiment: calm\nload: {arrivals: 40/s, warm_up: 200ms, before: 1s, after: 200ms}\n"


@pytest.mark.parametrize(
    ("bug", "rule"),
    [
        ("drop_entry", "books_agree"),
        ("charge_twice", "no_double_charge"),
        ("change_amount", "amounts_equal"),
        ("approve_alone", "no_approval_without_money"),
    ],
)
def test_a_planted_bug_gives_exactly_its_finding(tmp_path: Path, bug: str, rule: str) -> None:
    chain, experiment = tmp_path / "shop.yaml", tmp_path / "calm.yaml"
    chain.write_text(CHAIN)
    experiment.write_text(EXPERIMENT)
    planted = Path(__file__).with_name("planted.py")
    loaded = load_chain(str(chain))
    order = Order(
        loaded, load_experiment(str(experiment), loaded.model), tmp_path / "runs", 1, None, "",
        (sys.executable, str(planted), bug),
    )  # fmt: skip
    result = run(order, Silent()).result
    broken = {one.rule: one.findings for one in result.money.rules if one.findings}
    approved = next(one.approved for one in result.phases if one.name == "all")
    assert approved > 30
    assert set(broken) == {rule}
    assert broken[rule] >= approved
    assert result.verdict == "fail"
