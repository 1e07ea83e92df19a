"""The world's own questions, put to accounts that are written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.model.chain import Chain
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer
from tests.oracle.chains import Declared
from tests.oracle.pairs import loaded_chain
from tests.oracle.verdict import wrongs
from tests.oracle.world import HOLD, TAKE, Customer, Entry, World

PAYMENT, CARD, SHOP = "p0000000", "4000056655665556", "a shop"


def test_each_of_several_means_is_captured_beyond_its_own_hold() -> None:
    tenders = [{"to": "gift-cards", "of": "20%"}]
    world = _world(_chain({"to": "processor", "tenders": tenders}))
    for link, name, held, taken in (
        ("gift-cards", "1/1", 200, 240),
        ("gateway", "1/1", 200, 240),
        # Its bank refuses what the processor has taken.
        ("issuer", "1/2", 800, 0),
        ("processor", "1/2", 800, 960),
        ("gateway", "1/2", 800, 960),
    ):
        _book(world, link, f"{PAYMENT}-{name}", held, taken)
    assert wrongs(world)["captured beyond the hold"] == {PAYMENT: 40 + 160}


@pytest.mark.parametrize("bank", ["1", "1~issuer.2", "1+scheme"])
def test_one_capture_in_two_books_is_beyond_the_hold_once(bank: str) -> None:
    world = _world(_chain({"to": "processor"}))
    _book(world, "issuer", f"{PAYMENT}-{bank}", 1000, 1100)
    _book(world, "processor", f"{PAYMENT}-1", 1000, 1200)
    assert wrongs(world)["captured beyond the hold"] == {PAYMENT: 100}


@pytest.mark.parametrize(("refused_at", "orphaned"), [("processor", {}), ("", {PAYMENT: 1000})])
def test_a_wrong_decline_is_no_refusal_of_a_repeat(
    refused_at: str, orphaned: dict[str, int]
) -> None:
    world = _world(_chain({"to": "processor"}, duplicates={"within": "10s", "code": "05"}))
    for link in ("issuer", "processor", "gateway"):
        _book(world, link, f"{PAYMENT}-1", 1000)
    if refused_at:
        world.refused(refused_at, PAYMENT)
    world.answered(PAYMENT, Answer(Outcome.DECLINED, "05", "processor", f"{PAYMENT}-1", 1000))
    assert wrongs(world)["orphaned"] == orphaned


def _chain(authorise: Declared, **processor: Any) -> Chain:
    declared: Declared = {
        "chain": "by-hand",
        "entry": "gateway",
        "links": {
            "gateway": {"role": "gateway", "calls": {"authorise": authorise}},
            "processor": {
                "role": "processor",
                "calls": {"authorise": {"to": "issuer"}},
                **processor,
            },
            "issuer": {"role": "issuer"},
        },
    }
    if "tenders" in authorise:
        declared["links"]["gift-cards"] = {"role": "issuer"}
    return loaded_chain(declared)


def _world(chain: Chain) -> World:
    world = World(chain=chain)
    customer = Customer(amount_minor=1000, currency="EUR", merchant=SHOP, card=CARD)
    world.deal(PAYMENT).customer = customer
    return world


def _book(world: World, link: str, name: str, held: int, taken: int = 0) -> None:
    for does, why, amount in ((HOLD, "authorised", held), (TAKE, "captured", taken)):
        if amount:
            line = Entry(
                at_ns=0,
                link=link,
                does=does,
                why=why,
                amount_minor=amount,
                currency="EUR",
                reference=name,
                merchant=SHOP,
                card=CARD,
                item="c1" if does == TAKE else "",
            )
            world.deal(PAYMENT).lines.append(line)
