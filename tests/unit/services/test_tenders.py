"""A payment by several means: one is taken, the other one fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.declaration.yaml_text import parse
from paychain.faults.kinds.lost_answer import LostAnswer
from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.places import InLinkPlace
from paychain.payments.money import parts_of
from paychain.payments.outcome import HopResult
from paychain.services.in_link_faults import ActiveFault
from tests.support.virtual_links import VirtualLinks, on_links, paid

GIFT_AND_CARD = "tenders: [{to: gift, of: 20%}, {to: processor}]"
DECLINED = ", declines: {share: 100%}"


def chain(
    *,
    tenders: str = GIFT_AND_CARD,
    compensates: str = "",
    on_unknown: str = "reverse",
    issuer: str = "",
    gift: str = "",
    gateway: str = "",
    more: str = "",
) -> str:
    quick = "answers_in: {median: 0s, p99: 0s}"
    return f"""\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    {quick}
    {gateway}
    calls:
      authorise:
        {{to: processor, timeout: 500ms, on_unknown: {on_unknown}, {tenders}{compensates}{more}}}
  gift: {{role: issuer, {quick}{gift}}}
  processor: {{role: processor, {quick}, calls: {{authorise: {{to: issuer, timeout: 400ms}}}}}}
  issuer: {{role: issuer, {quick}{issuer}}}
"""


def with_lost_answers(text: str, link: str, operation: str, *, for_s: float) -> VirtualLinks:
    async def work(links: VirtualLinks) -> None:
        lost = ActiveFault(
            id="f", parameters=LostAnswer(), spots=(InLinkPlace(link, operation=operation),)
        )
        links.host.faults.apply(lost)
        asyncio.get_running_loop().call_later(for_s, links.host.faults.heal, "f")
        await links.pay()
        await links.drain()

    return on_links(text, work)[0]


def test_a_tip_on_every_tender_is_no_second_charge() -> None:
    tips = ", overcapture: 10%"
    gateway = "captures: {after: 10ms, of: 110%}"
    text = chain(gateway=gateway, gift=tips, issuer=tips).replace(
        "processor: {role: processor", f"processor: {{role: processor{tips}"
    )
    links, reply = paid(text, amount=1_000)
    assert reply.result is HopResult.APPROVED
    assert links.book("gift") == ["authorised 200", "captured 220 c1"]
    assert links.book("issuer") == ["authorised 800", "captured 880 c1"]
    assert links.broken() == {}


def test_a_payment_is_approved_when_all_of_its_tenders_are() -> None:
    gateway = "captures: {after: 10ms}\n    refunds: {share: 100%, after: 10ms, of: 50%}"
    links, reply = paid(chain(gateway=gateway), amount=999)
    assert reply.result is HopResult.APPROVED
    assert reply.answer is not None
    assert reply.answer.amount_minor == 999
    # 199.8 is 200, half up, and the rest is 799; half of it is 399.5, half up
    assert links.book("gift") == ["authorised 200", "captured 200 c1", "refunded 100 r1"]
    assert links.book("issuer") == ["authorised 799", "captured 799 c1", "refunded 400 r1"]
    assert links.broken() == {}


def test_a_gift_card_is_an_orphan_when_the_card_is_declined() -> None:
    links, reply = paid(chain(issuer=DECLINED))
    assert reply.result is HopResult.DECLINED
    assert links.book("gift") == ["authorised 200"]
    assert links.broken() == {
        "no_orphaned_authorisation": "2.00 EUR held, but never confirmed to the customer"
    }


def test_a_gift_card_is_given_back_when_the_card_is_declined() -> None:
    links, reply = paid(chain(issuer=DECLINED, compensates=", compensates: true"))
    assert reply.result is HopResult.DECLINED
    assert links.book("gift") == ["authorised 200", "voided 200"]
    assert links.broken() == {}


def test_a_gift_card_is_given_back_although_the_answer_to_that_is_lost() -> None:
    text = chain(issuer=DECLINED, compensates=", compensates: true")
    links = with_lost_answers(text, "gift", "void", for_s=1)
    assert links.book("gift") == ["authorised 200", "voided 200"]
    assert links.decisions("gateway").count("reversal_acknowledged") == 1
    assert links.broken() == {}


@pytest.mark.parametrize("link", ["gift", "processor"])
def test_nothing_is_held_when_the_answer_of_a_tender_is_lost(link: str) -> None:
    text = chain(compensates=", compensates: true")
    links = with_lost_answers(text, link, "authorise", for_s=1)
    for holder in ("gift", "processor", "issuer"):
        assert links.book(holder)[1:] == [
            line.replace("authorised", "voided") for line in links.book(holder)[:1]
        ]
    assert links.broken() == {}


def test_a_tender_that_only_the_issuer_booked_has_its_amount() -> None:
    text = chain(compensates=", compensates: true").replace(
        "{to: issuer, timeout: 400ms}", "{to: issuer, timeout: 200ms, on_unknown: reverse}"
    )
    links = with_lost_answers(text, "issuer", "authorise", for_s=1)
    assert links.book("processor") == []
    assert links.book("issuer") == ["authorised 800", "voided 800"]
    assert links.book("gift") == ["authorised 200", "voided 200"]
    assert links.broken() == {}


def test_the_card_is_not_asked_when_the_gift_card_is_declined() -> None:
    links, reply = paid(chain(gift=DECLINED))
    assert reply.result is HopResult.DECLINED
    assert links.book("issuer") == []
    assert links.broken() == {}


def test_a_manual_refund_gives_every_tender_back() -> None:
    gateway = "captures: {after: 10ms}\n    refunds: {share: 0%}"

    async def work(links: VirtualLinks) -> None:
        await links.pay()
        await links.drain()
        for service in links.host.services:
            service.refund("p1")
        await links.drain()

    links, _ = on_links(chain(gateway=gateway), work)
    assert links.book("gift")[-1] == "refunded 200 r2"
    assert links.book("issuer")[-1] == "refunded 800 r2"
    assert links.broken() == {}


def test_a_tender_that_is_booked_with_another_amount_is_found() -> None:
    links, _ = paid(chain(tenders="tenders: [{to: gift, of: 20%}]"))
    # The rest goes to the call's own target, named or not.
    assert links.book("issuer") == ["authorised 800"]
    wrong = [move for move in links.journal if getattr(move, "link", "") == "gift"]
    assert wrong
    links.chain = links.chain.model_copy(deep=True)
    call = links.chain.links["gateway"].calls["authorise"]
    other = call.model_copy(update={"tenders": [call.tenders[0].model_copy(update={"of": 0.3})]})
    links.chain.links["gateway"].calls["authorise"] = other
    assert "amounts_equal" in links.broken()


@given(
    st.integers(0, 10_000_000),
    st.lists(st.integers(1, 999), max_size=5).filter(lambda shares: sum(shares) < 1000),
)
def test_parts_always_add_up_to_the_whole(amount_minor: int, per_mille: list[int]) -> None:
    *parts, rest = parts_of(amount_minor, [share / 1000 for share in per_mille])
    assert sum(parts) + rest == amount_minor
    assert min([*parts, rest]) >= 0
    # Each is its share, half up, as long as something is left for the call's own target.
    half_up = [(2 * amount_minor * share + 1000) // 2000 for share in per_mille]
    assert parts == half_up or rest == 0


def test_a_share_does_not_depend_on_those_before_it() -> None:
    assert parts_of(1_001, [0.2, 0.3]) == [200, 300, 501]
    assert parts_of(1, [0.5, 0.5]) == [1, 0, 0]


@pytest.mark.parametrize(
    ("tenders", "more", "key", "what"),
    [
        ("tenders: [{to: nobody, of: 20%}]", "", ("tenders", 0, "to"), "unknown link"),
        ("tenders: [{to: gift, of: 20%}, {to: gift, of: 5%}]", "", ("tenders", 1, "to"), "twice"),
        ("tenders: [{to: gift}]", "", ("tenders", 0, "to"), "the rest goes to 'processor'"),
        ("tenders: [{to: processor}, {to: gift, of: 1%}]", "", ("tenders", 0), "not the last one"),
        (
            "tenders: [{to: gift, of: 60%}, {to: issuer, of: 40%}]",
            "",
            ("tenders",),
            "leave nothing",
        ),
        ("compensates: true", "", ("compensates",), "no tenders"),
        (
            GIFT_AND_CARD,
            ", fallback: [{stand_in: {up_to: 5.00}}]",
            ("fallback", 0, "stand_in"),
            "allows neither stand-in nor a queue",
        ),
    ],
)
def test_tenders_that_cannot_be_meant_are_mistakes(
    tenders: str, more: str, key: tuple[Any, ...], what: str
) -> None:
    declared = Chain.model_validate(parse(chain(tenders=tenders, more=more)).value)
    problem = check_chain(declared)[0]
    assert problem.path == ("links", "gateway", "calls", "authorise", *key)
    assert what in problem.what


def test_only_a_gateway_takes_a_payment_in_parts() -> None:
    text = chain(tenders="min_time_left: 1ms").replace(
        "{to: issuer, timeout: 400ms}",
        "{to: issuer, timeout: 400ms, tenders: [{to: gift, of: 1%}]}",
    )
    (problem,) = check_chain(Chain.model_validate(parse(text).value))
    assert problem.path[-1] == "tenders"
    assert "takes no payment in parts" in problem.what
