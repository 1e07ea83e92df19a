"""What a chain with a ledger may declare, and the mistakes that are named with their place."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from paychain.declaration.yaml_text import parse
from paychain.faults.fault import Fault
from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.crypto import confirmations
from paychain.model.fault_checks import check_fault
from paychain.model.ledger_checks import block_interval_s
from paychain.payments.money import PRICE_UNIT, coins_for, worth_of
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


DEPOSITS = PAYOUTS.replace("entry: payouts", "entry: [customers, payouts]").replace(
    "    calls: {transfer: {to: wallet, on_unknown: query}}",
    "    credits: {after: 4}\n"
    "    calls: {transfer: {to: wallet, on_unknown: query}, read: {to: node}, scan: {to: node}}",
).replace("read: {to: base}}", "read: {to: base}, scan: {to: base}}") + (
    "  customers: {role: depositor, calls: {transfer: {to: node}, read: {to: node}, "
    "forward: {to: payouts}}}\n"
)
SALES = """\
chain: sales
currency: EUR
entry: edge
links:
  edge: {role: edge, calls: {forward: {to: onramp}}}
  onramp:
    role: gateway
    captures: {on: delivery}
    calls: {authorise: {to: issuer, on_unknown: reverse}, transfer: {to: wallet}}
  issuer: {role: issuer}
  wallet: {role: wallet, calls: {transfer: {to: node}, read: {to: node}}}
  node: {role: node, calls: {transfer: {to: base}, read: {to: base}}}
  base: {role: ledger, asset: EURC, blocks: {every: 2s}}
"""

BITCOIN = """\
chain: shop
currency: EUR
entry: [onramp, desk]
links:
  onramp:
    role: gateway
    price: {max_age: 1s}
    calls: {quote: {to: feed}, authorise: {to: bank}, transfer: {to: wallet, on_unknown: query}}
  desk: {role: exchange, funding: 5000, calls: {transfer: {to: wallet, on_unknown: query}}}
  feed: {role: oracle, prices: {of: 60000}}
  bank: {role: issuer}
  wallet: {role: wallet, calls: {transfer: {to: node, on_unknown: resend}, read: {to: node}}}
  node: {role: node, calls: {transfer: {to: net}, read: {to: net}}}
  net: {role: ledger, asset: BTC, blocks: {every: 2s}, final: {after: 2}}
"""


def problems(old: str, new: str, *, of: str = PAYOUTS) -> list[str]:
    assert of.count(old) == 1
    chain = Chain.model_validate(parse(of.replace(old, new)).value)
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
        (
            "    funding: 5000.000001\n",
            "    funding: 5000\n    pauses: {head_older_than: 2s}\n",
            "links.payouts.pauses: pausing payouts needs a call 'scan'",
        ),
        (
            "    funding: 5000.000001\n",
            "    funding: 5000\n    pauses: {head_older_than: 2s}\n",
            "links.payouts.pauses.head_older_than: "
            "base makes a block every 2 s, and payouts pauses after 2 s",
        ),
        (", blocks: {every: 2s}", "", "links.base: the role ledger needs 'blocks'"),
        (
            "    funding: 5000.000001\n",
            "",
            "links.payouts: the role exchange needs 'funding', or 'credits'",
        ),
        (
            "5000.000001",
            "5000.0000001",
            "links.payouts.funding.amount: '5000.0000001' has more decimal places than USDC allows",
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
        (
            "role: exchange\n",
            "role: exchange\n    replaces: {after: 1s}\n",
            "links.payouts.replaces: the role exchange has no 'replaces'",
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


def mistakes(text: str) -> str:
    return "\n".join(map(str, check_chain(Chain.model_validate(parse(text).value))))


def test_an_exchange_asks_no_price() -> None:
    found = "desk asks no price, and one BTC is not worth one EUR"
    assert found in mistakes(BITCOIN)
    assert "asks no price" not in mistakes(BITCOIN.replace("asset: BTC", "asset: EURC"))


def test_a_price_has_six_digits_whatever_its_currency() -> None:
    for price, is_found in (("0.073125", False), ("0.0731251", True)):
        text = BITCOIN.replace("EUR", "JPY").replace("60000", price)
        assert ("has more digits than a price has" in mistakes(text)) == is_found


def test_an_asset_of_a_ledger_needs_one() -> None:
    text = "chain: shop\ncurrency: ETH\nentry: fraud\nlinks: {fraud: {role: fraud}}\n"
    (problem,) = check_chain(Chain.model_validate(parse(text).value))
    assert problem.what == "ETH moves on a ledger, but the chain has none"


def test_there_is_one_ledger() -> None:
    second = "  base: {role: ledger, blocks: {every: 2s}}\n  other: {role: ledger"
    found = problems("  base: {role: ledger", second.replace("}}", "}}", 1))
    assert "links.other: the chain already has a ledger: base" in found


@pytest.mark.parametrize(
    ("kind", "link", "what"),
    [
        ("halt: {}", "base", None),
        ("halt: {}", "node", "node is not a ledger"),
        ("reorg: {depth: 3}", "base", None),
        ("reorg: {depth: 3}", "wallet", "wallet is not a ledger"),
        ("lies: {}", "node", None),
        ("lies: {}", "base", "base is not a node"),
        ("drops: {}", "base", "base is not a node"),
        ("wrong_network: {}", "base", "base is not a node"),
        ("no_finality: {}", "node", "node is not a ledger"),
    ],
)
def test_only_a_ledger_halts_and_reorganises_and_only_a_node_lies(
    kind: str, link: str, what: str | None
) -> None:
    text = f"id: f\nat: 0s\nfor: 1s\ntarget: {{link: {link}}}\n{kind}\n"
    fault = Fault.model_validate(parse(text).value)
    found = [problem.what for problem in check_fault(fault, payouts(), ())]
    assert found == ([] if what is None else [what])


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("no_finality: {}", "it makes none without it"),
        ("reorg: {depth: 1}", "none of them is ever replaced"),
    ],
)
@pytest.mark.parametrize(
    ("final", "is_open"),
    [
        ("at_once", False),
        ("{after: 1}", False),  # as on TON
        ("{after: 2}", True),
        ("{until: 500ms}", True),
    ],
)
def test_a_ledger_whose_finality_comes_with_the_block_has_no_open_blocks(
    final: str, is_open: bool, kind: str, what: str
) -> None:
    chain = payouts("final: {after: 4}", f"final: {final}")
    fault = Fault.model_validate(
        parse(f"id: f\nat: 0s\nfor: 1s\ntarget: {{role: ledger}}\n{kind}\n").value
    )
    problems = check_fault(fault, chain, ("faults", 0))
    at = ("faults", 0, kind.partition(":")[0])
    expected = [] if is_open else [(at, f"finality comes with each block of base: {what}")]
    assert [(problem.path, problem.what) for problem in problems] == expected


@pytest.mark.parametrize(
    ("final", "is_open"), [("at_once", False), ("{after: 1}", False), ("{after: 2}", True)]
)
def test_messages_are_on_their_way_only_where_no_block_is_replaced(
    final: str, is_open: bool
) -> None:
    delay = "{delay: {median: 1s, p99: 2s}}"
    found = problems("final: {after: 4}", f"final: {final}, messages: {delay}")
    what = "a message that is on its way in base would be undone with the block that it left"
    assert found == ([f"links.base.messages: {what}"] if is_open else [])


def test_transfers_that_expire_are_valid_for_more_than_a_block() -> None:
    found = problems("role: wallet", "role: wallet, valid_until: 2s")
    what = "base makes a block every 2 s, and transfers expire after 2 s"
    assert found == [f"links.wallet.valid_until: {what}"]
    assert problems("role: wallet", "role: wallet, valid_until: 2001ms") == []


def test_ethereums_transactions_never_expire() -> None:
    text = PAYOUTS.replace("role: wallet", "role: wallet, valid_until: 1m").replace(
        "{role: node,", "{role: node, dialect: json-rpc,"
    )
    found = check_chain(Chain.model_validate(parse(text).value))
    assert "node shows transactions that never expire" in [each.what for each in found]


def test_an_exchange_may_credit_deposits_by_their_amounts() -> None:
    graded = DEPOSITS.replace("credits: {after: 4}", "credits: [{up_to: 10, after: 4}, {after: 9}]")
    for text in (DEPOSITS, graded):
        chain = Chain.model_validate(parse(text).value)
        assert check_chain(chain) == []
    needed = [(10_000_000, 4), (None, 9)]
    assert [confirmations(needed, minor) for minor in (1, 10_000_000, 10_000_001)] == [4, 4, 9]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (
            ", scan: {to: node}}",
            "}",
            "links.payouts.credits: deposits need a call 'scan'",
        ),
        (
            "read: {to: base}, scan: {to: base}}",
            "read: {to: base}}",
            "links.payouts.calls.scan.to: node cannot scan: it has no such call",
        ),
        ("    credits: {after: 4}\n", "", "links.customers: no exchange credits deposits"),
        (
            "credits: {after: 4}",
            "credits: {up_to: 5, after: 4}",
            "links.payouts.credits: no item covers amounts above 5",
        ),
        (
            "credits: {after: 4}",
            "credits: [{up_to: 5, after: 4}, {up_to: 5, after: 6}, {after: 9}]",
            "links.payouts.credits.1: an earlier item covers these amounts, too",
        ),
        (
            "credits: {after: 4}",
            "credits: [{after: 4}, {after: 9}]",
            "links.payouts.credits.1: an earlier item covers these amounts, too",
        ),
        (
            "{role: wallet,",
            "{role: wallet, credits: {after: 4},",
            "links.wallet.credits: the role wallet has no 'credits'",
        ),
        ("scan: {to: node}}", "scan: {to: wallet}}", "the role wallet has nothing to scan"),
    ],
)
def test_mistakes_in_deposits_are_named(old: str, new: str, found: str) -> None:
    assert any(found in each for each in problems(old, new, of=DEPOSITS))


QUORUM = (
    DEPOSITS.replace(
        "read: {to: node}, scan", "read: {to: node, quorum: {with: [other], agree: 2}}, scan"
    )
    + "  other: {role: node, calls: {transfer: {to: base}, read: {to: base}}}\n"
)


def test_a_quorum_asks_all_of_its_links() -> None:
    chain = Chain.model_validate(parse(QUORUM).value)
    assert check_chain(chain) == []
    call = chain.links["payouts"].calls["read"]
    assert call.targets == ["node", "other"]
    assert call.pick is not None
    assert (call.pick.of, call.pick.ask, call.pick.agree) == (("node", "other"), 2, 2)


def test_a_fallback_to_what_a_quorum_asks_anyway_is_no_mistake() -> None:
    text = QUORUM.replace("agree: 2}", "agree: 2}, fallback: [{to: other}]")
    chain = Chain.model_validate(parse(text).value)
    assert check_chain(chain) == []
    assert chain.links["payouts"].calls["read"].steps == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("agree: 2", "agree: 3", "read.quorum.agree: 3 links must agree, but 2 are asked"),
        ("with: [other]", "with: [nobody]", "read.quorum.with.0: unknown link 'nobody'"),
        ("with: [other]", "with: [node]", "quorum.with.0: 'node' is named twice in one call"),
        (
            "agree: 2}",
            "agree: 2}, fallback: [{to: base}]",
            "read.fallback: a quorum calls all of its links at once",
        ),
        (
            "transfer: {to: wallet, ",
            "transfer: {to: wallet, quorum: {with: [other], agree: 1}, ",
            "transfer.quorum: a quorum is for reads of a ledger, not for transfer",
        ),
    ],
)
def test_mistakes_in_a_quorum_are_named(old: str, new: str, found: str) -> None:
    assert any(found in each for each in problems(old, new, of=QUORUM))


def test_what_is_sold_for_cards_moves_on_the_ledger_at_par() -> None:
    chain = Chain.model_validate(parse(SALES).value)
    assert check_chain(chain) == []
    # Cards pay, and 1 EUR of 2 digits is 1 EURC of 6.
    assert (chain.addressed, chain.asset, chain.scale) == ("", "EURC", 10_000)
    assert (payouts().addressed, payouts().asset, payouts().scale) == ("base", "USDC", 1)


PRICED = SALES.replace("EURC", "BTC").replace(
    "captures: {on: delivery}", "captures: {on: delivery}\n    price: {max_age: 5s}"
).replace("transfer: {to: wallet}}", "transfer: {to: wallet}, quote: {to: oracle}}") + (
    "  oracle: {role: oracle, prices: {of: 60000, moves: 5%}}\n"
)


def test_bounds_of_prices_have_an_order_and_the_digits_of_prices() -> None:
    bounds = "max_age: 5s, bounds: {lowest: 50000.0000001, highest: 70000}"
    (found,) = problems("max_age: 5s", bounds, of=PRICED)
    assert found.startswith("links.onramp.price.bounds.lowest: '50000.0000001' has more digits")
    with pytest.raises(ValidationError, match="no price is within these bounds"):
        problems("max_age: 5s", "max_age: 5s, bounds: {lowest: 2, highest: 2}", of=PRICED)


def test_what_has_a_price_need_not_be_at_par() -> None:
    chain = Chain.model_validate(parse(PRICED).value)
    assert check_chain(chain) == []
    price = 60_000 * PRICE_UNIT
    coins = coins_for(100_00, chain.scale, price)
    assert coins == 166_666  # satoshi for 100 EUR
    assert worth_of(coins, chain.scale, price) == 100_00


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("\n    price: {max_age: 5s}", "", "links.onramp.calls.quote: onramp accepts any price"),
        (", quote: {to: oracle}", "", "links.onramp: onramp has a price but calls no oracle"),
        ("quote: {to: oracle}", "quote: {to: node}", "the role node quotes no prices"),
        ("moves: 5%}", "every: 7s}", "oracle has a new price every 7 s, and older ones than"),
        (", prices: {of: 60000, moves: 5%}", "", "links.oracle: the role oracle needs 'prices'"),
        (
            "max_age: 5s",
            "max_age: 5s, bounds: {lowest: 57001, highest: 70000}",
            "oracle reports prices from 57000.00 to 63000.00, and some of them are refused",
        ),
        (
            "max_age: 5s",
            "max_age: 5s, bounds: {lowest: 50000, highest: 62999}",
            "links.onramp.price.bounds: oracle reports prices from",
        ),
    ],
)
def test_mistakes_in_prices_are_named(old: str, new: str, found: str) -> None:
    assert any(found in each for each in problems(old, new, of=PRICED))


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (", asset: EURC", "", "currency: EUR does not move on a ledger"),
        ("EURC", "USDC", "links.base.asset: one USDC is not meant to be worth one EUR"),
        ("EURC", "ABC", "links.base.asset: unknown asset 'ABC'"),
        ("currency: EUR", "currency: SEK", "one EURC is not meant to be worth one SEK"),
        (
            "captures: {on: delivery}",
            "captures: {on: [delivery, answer]}",
            "links.onramp.captures.on: capture on delivery allows no other trigger",
        ),
        (
            ", transfer: {to: wallet}}",
            "}",
            "links.onramp.captures.on: onramp makes no transfers, so nothing is ever captured",
        ),
        (
            "captures: {on: delivery}",
            "captures: {on: delivery}\n    refunds: {share: 5%}",
            "links.onramp.refunds: onramp sends over a ledger, which cannot be undone",
        ),
        (
            "captures: {on: delivery}",
            "cancels: {share: 5%}",
            "links.onramp.cancels: onramp sends over a ledger, which cannot be undone",
        ),
        (
            "forward: {to: onramp}",
            "forward: {to: onramp, on_unknown: reverse}",
            "a link in front of onramp reverses payments",
        ),
    ],
)
def test_mistakes_in_sales_are_named(old: str, new: str, found: str) -> None:
    assert any(found in each for each in problems(old, new, of=SALES))
