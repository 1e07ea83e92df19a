"""What a chain may declare of a node that speaks JSON-RPC."""

from __future__ import annotations

import pytest

from paychain.declaration.yaml_text import parse
from paychain.faults.fault import Fault
from paychain.model import dialects
from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.fault_checks import check_fault
from tests.support.rpc_links import CHAIN


def problems(dialect: str = "json-rpc", *, currency: str = "ETH", of: str = "") -> list[str]:
    """Each problem with its hint. `of`: a text of the chain with what takes its place."""
    text = CHAIN.format(dialect=dialect, currency=currency, every="1s")
    before, _, after = of.partition(" > ")
    chain = Chain.model_validate(parse(text.replace(before, after) if of else text).value)
    return [f"{problem.what}; {problem.hint}" for problem in check_chain(chain)]


@pytest.mark.parametrize(
    "dialect",
    ["json-rpc", "{json-rpc: {client: parity, provider: infura, chain_id: 8453}}"],
)
def test_a_node_may_speak_it(dialect: str) -> None:
    assert problems(dialect) == []


@pytest.mark.parametrize(
    ("dialect", "said"),
    [
        ("{json-rpc: {client: gethh}}", "geth"),
        ("{json-rpc: {provider: infuro}}", "infura"),
        ("{json-rpc: {chain: 1}}", "chain_id"),
        ("{json-rpc: {chain_id: -1}}", "whole number above 0"),
        ("{json-rpc: {chain_id: base}}", "whole number above 0"),
        ("json-rcp", "json-rpc"),
    ],
)
def test_mistakes_in_it_are_explained(dialect: str, said: str) -> None:
    found = problems(dialect)
    assert found
    assert said in found[0]


def test_other_roles_do_not_speak_it() -> None:
    found = problems(of="role: ledger > role: ledger\n    dialect: json-rpc")
    assert "the role ledger does not speak json-rpc; it is for: node" in found


def test_other_assets_are_not_sent_by_it() -> None:
    assert any("BTC is not sent by json-rpc; it is for: ETH" in p for p in problems(currency="BTC"))


def test_mocks_do_not_speak_it() -> None:
    found = problems(of="    service: {command: payouts}\n > ")
    assert any("payouts is a mock, and mocks do not speak json-rpc" in each for each in found)


def test_a_node_that_speaks_it_cannot_lie() -> None:
    problem, *_ = problems(of="role: node > role: node\n    lies: true")
    what = "node-a answers from its copy of the ledger, which says nothing untrue"
    assert problem == f"{what}; remove it, or the dialect"
    text = CHAIN.format(dialect="json-rpc", currency="ETH", every="1s")
    chain = Chain.model_validate(parse(text).value)
    fault = Fault.model_validate(parse("{at: 0s, for: 1s, target: {link: node-a}, lies: {}}").value)
    assert [each.what for each in check_fault(fault, chain, ())] == [what]


def test_its_packages_have_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialects, "find_spec", lambda name: None)
    assert any("pip install 'paychain[rpc]'" in each for each in problems())
