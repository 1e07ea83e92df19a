"""An oracle's prices: within their share, multiplied by faults, and as they were afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paychain.faults.kinds.price_jump import PriceJump
from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import Record
from paychain.payments.money import PRICE_UNIT
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.message import PaymentRequest
from paychain.services.context import Context
from paychain.services.role_building import build_role
from paychain.services.roles.oracle import Oracle
from paychain.services.scripts import PaymentScripts
from paychain.services.state.background import Background
from tests.support.chains import checked

CHAIN = """\
chain: onramp
currency: EUR
entry: onramp
links:
  onramp:
    role: gateway
    captures: {on: delivery}
    price: {max_age: 5s}
    calls: {quote: {to: feed}, authorise: {to: issuer}, transfer: {to: wallet, on_unknown: query}}
  feed: {role: oracle, prices: {of: 200, moves: 1%}}
  issuer: {role: issuer}
  wallet: {role: wallet, calls: {transfer: {to: node, on_unknown: resend}, read: {to: node}}}
  node: {role: node, calls: {transfer: {to: net}, read: {to: net}}}
  net: {role: ledger, asset: BTC, blocks: {every: 2s}}
"""
REQUEST = PaymentRequest("p1", 700, "EUR", TEST_CARDS[0], reference="p1-1", key="p1-1")


def oracle() -> Oracle:
    journal: list[Record] = []
    context = Context(
        link="feed", seed=1, now_ns=lambda: 0, journal=journal, span_prefix="00000001"
    )
    signing = DIALECTS["paychain"], lambda *_: ()
    scripts = PaymentScripts(1, "p", "EUR")
    role = build_role(checked(CHAIN), context, {}, Background(), signing, scripts)
    assert isinstance(role, Oracle)
    return role


def jump(to: str) -> PriceJump:
    return PriceJump.model_validate({"to": to})


def price(role: Oracle) -> float:
    async def ask() -> Any:
        return await role.operations()["quote"](REQUEST, "")

    answer = asyncio.run(ask())
    return float(answer.quote.price) / PRICE_UNIT


def test_a_price_jump_multiplies_each_price_while_it_is_on() -> None:
    role = oracle()
    usual = price(role)
    assert 198 <= usual <= 202
    tenth, threefold = jump("10%"), jump("300%")
    role.apply(tenth, "f.1")
    assert price(role) == pytest.approx(usual / 10)
    role.apply(threefold, "f.1")
    assert price(role) == pytest.approx(usual * 3 / 10)
    role.heal(tenth, "f.1")
    assert price(role) == pytest.approx(usual * 3)
    role.heal(threefold, "f.1")
    assert price(role) == usual
    # A crash in which it forgot everything came in between.
    role.heal(threefold, "f.1")
    assert price(role) == usual


def test_a_price_that_stays_as_it_is_and_another_role_are_mistakes() -> None:
    (problem,) = jump("100%").problems(("faults", 0, "price_jump"))
    assert str(problem.what) == "every price stays as it is"
    chain = checked(CHAIN)
    limitation = jump("200%").limitation("issuer", chain.links["issuer"])
    assert limitation == ("issuer is not an oracle", "name a link with the role oracle")
    assert jump("200%").limitation("feed", chain.links["feed"]) is None
