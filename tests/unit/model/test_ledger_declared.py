"""What a chain with a ledger may declare, and the mistakes that are named with their place."""

from __future__ import annotations

import pytest

from paychain.declaration.text import parse
from paychain.faults.fault import Fault
from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.fault_checks import check_fault
from paychain.model.ledger_checks import block_interval_s
from paychain.payments.rails import AT_ONCE, Finality

PAYOUTS = """\
chain: payouts
currency: USDC
entry: payouts
links:
  payouts:
    role: exchange
    funding: 5000.000001
    calls: {transfer: {to: wallet, on_unknown: query}}
  wallet: {role: wallet, calls: {transfer: {to: node, on_unknown: resend}, read: {to: node}}}
  node: {role: node, calls: {transfer: {to: base}, read: {to: base}}}
  base: {role: ledger, blocks: {every: 2s}, final: {after: 4}}
"""


def problems(old: str, new: str) -> list[str]:
    assert PAYOUTS.count(old) == 1
    chain = Chain.model_validate(parse(PAYOUTS.replace(old, new)).value)
    return [f"{'.'.join(map(str, each.path))}: {each.what}" for each in check_chain(chain)]


def payouts(old: str = "", new: str = "") -> Chain:
    chain = Chain.model_validate(parse(PAYOUTS.replace(old, new)).value)
    assert check_chain(chain) == []
    return chain


def test_a_chain_with_a_ledger_knows_its_network_and_its_blocks() -> None:
    chain = payouts()
    assert chain.network == "base"
    assert block_interval_s(chain) == 2.0
    assert chain.links["base"].final.finality == Finality(after_blocks=4)
    names = {hop.name for hop in chain.hops()}
    assert {"payouts.transfer.wallet", "payouts.query.wallet", "wallet.read.node"} <= names
    assert "wallet.query.node" not in names  # it sends the same bytes again


@pytest.mark.parametrize(
    ("written", "finality"),
    [
        ("final: at_once", AT_ONCE),
        ("final: {until: 60s}", Finality(until_s=60.0)),
        ("pool: 10", AT_ONCE),
    ],
)
def test_finality_is_written_as_a_word_blocks_or_a_time(written: str, finality: Finality) -> None:
    assert payouts("final: {after: 4}", written).links["base"].final.finality == finality


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("currency: USDC", "currency: EUR", "currency: EUR does not move on a ledger"),
        (", blocks: {every: 2s}", "", "links.base: the role ledger needs 'blocks'"),
        ("    funding: 5000.000001\n", "", "links.payouts: the role exchange needs 'funding'"),
        (
            "5000.000001",
            "5000.0000001",
            "links.payouts.funding.amount: '5000.0000001' has more digits than USDC has",
        ),
        (
            "on_unknown: resend",
            "on_unknown: reverse",
            "links.wallet.calls.transfer.on_unknown: a transfer cannot be reversed",
        ),
        (
            "role: wallet,",
            "role: wallet, funding: 5,",
            "links.wallet.funding: the role wallet has no 'funding'",
        ),
        (", read: {to: node}", "", "links.wallet: the role wallet needs a call 'read'"),
        (
            "read: {to: node}",
            "read: {to: payouts}",
            "links.wallet.calls.read.to: the role exchange has nothing to read",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(old: str, new: str, found: str) -> None:
    assert found in problems(old, new)


def test_an_asset_of_a_ledger_needs_one() -> None:
    text = "chain: shop\ncurrency: ETH\nentry: fraud\nlinks: {fraud: {role: fraud}}\n"
    (problem,) = check_chain(Chain.model_validate(parse(text).value))
    assert problem.what == "ETH moves on a ledger, and the chain has none"


def test_there_is_one_ledger() -> None:
    second = "  base: {role: ledger, blocks: {every: 2s}}\n  other: {role: ledger"
    found = problems("  base: {role: ledger", second.replace("}}", "}}", 1))
    assert "links.other: there is one ledger already: base" in found


@pytest.mark.parametrize(
    ("kind", "link", "what"),
    [
        ("halt: {}", "base", None),
        ("halt: {}", "node", "node is no ledger"),
        ("reorg: {depth: 3}", "base", None),
        ("reorg: {depth: 3}", "wallet", "wallet is no ledger"),
    ],
)
def test_only_a_ledger_halts_and_reorganises(kind: str, link: str, what: str | None) -> None:
    text = f"id: f\nat: 0s\nfor: 1s\ntarget: {{link: {link}}}\n{kind}\n"
    fault = Fault.model_validate(parse(text).value)
    found = [problem.what for problem in check_fault(fault, payouts(), ())]
    assert found == ([] if what is None else [what])
