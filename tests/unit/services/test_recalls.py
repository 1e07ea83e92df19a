"""Recalls that nobody should send, and those that come at the edge of what a rail permits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from paychain.faults.kinds.lost_answer import LostAnswer
from paychain.model.files import available
from paychain.model.places import InLinkPlace
from paychain.payments.codes import APPROVED, NOT_FOUND, RECALL_REFUSED
from paychain.payments.instrument import published
from paychain.payments.journal import Movement, MovementKind
from paychain.payments.outcome import HopResult
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.in_link_faults import ActiveFault
from tests.support.virtual_links import VirtualLinks, on_links

DAY_S = 86_400
# The bank recalls nothing by itself within the time of these tests.
CHAIN = (
    available("chain")["sepa-instant-recalls"]
    .read_text()
    .replace(
        "share: 30%, after: 5s, reason: duplicate", "share: 100%, after: 300d, reason: duplicate"
    )
)
AGREES = CHAIN.replace("agrees: 80%", "agrees: 100%")
REFUSES = CHAIN.replace("agrees: 80%", "agrees: 0%")
ACCOUNT = published("SCT Inst")[0]

Recall = Callable[..., Awaitable[Answer]]


def recalls(links: VirtualLinks) -> Recall:
    """Recalls the first payment at the clearing, as some payer's bank might."""
    clearing = links.role("clearing")

    async def recall(reason: str = "duplicate", **changed: object) -> Answer:
        request = PaymentRequest(
            "p1",
            1_000,
            "EUR",
            ACCOUNT,
            "shop",
            reference="p1-1",
            item=reason,
            key=f"p1-1-{reason}",
        )
        return await clearing.operations()["recall"](
            msgspec.structs.replace(request, **changed), "s"
        )

    return recall


def returned(links: VirtualLinks) -> list[str]:
    """What the payee's bank has booked as returned."""
    return [
        move.leg
        for move in links.of(Movement)
        if move.kind is MovementKind.RETURNED and move.link == "payee-bank"
    ]


def outcome(text: str, work: Callable[[VirtualLinks, Recall], Awaitable[None]]) -> None:
    async def paid(links: VirtualLinks) -> None:
        assert (await links.pay(card=ACCOUNT)).result is HopResult.APPROVED
        await work(links, recalls(links))

    on_links(text, paid)


def test_a_repeat_of_a_recall_has_its_answer_and_returns_nothing_more() -> None:
    async def work(links: VirtualLinks, recall: Recall) -> None:
        for _ in range(3):
            answer = await recall()
            assert (answer.code, answer.amount_minor) == (APPROVED, 1_000)
        assert returned(links) == ["out"]

    outcome(AGREES, work)


@pytest.mark.parametrize(("text", "times"), [(AGREES, 1), (REFUSES, 0)])
def test_a_transfer_is_recalled_once_whatever_came_of_it(text: str, times: int) -> None:
    """After a return as after a refusal, another recall of the same transfer is refused."""

    async def work(links: VirtualLinks, recall: Recall) -> None:
        first = await recall("duplicate")
        assert first.code == (APPROVED if times else RECALL_REFUSED)
        for reason in ("fraud", "technical"):
            assert (await recall(reason)).code == RECALL_REFUSED
        assert (await recall("duplicate")).code == first.code
        assert len(returned(links)) == times

    outcome(text, work)


@pytest.mark.parametrize("amount_minor", [1, 999, 1_001])
def test_no_part_of_a_transfer_is_returned(amount_minor: int) -> None:
    """Nobody could say whether the payer has all of it back."""

    async def work(links: VirtualLinks, recall: Recall) -> None:
        assert (await recall(amount_minor=amount_minor)).code == RECALL_REFUSED
        assert returned(links) == []
        # That is no reason to refuse the recall of all of it.
        assert (await recall("fraud")).code == APPROVED
        assert returned(links) == ["out"]

    outcome(AGREES, work)


@pytest.mark.parametrize(("reason", "days"), [("duplicate", 14), ("fraud", 395)])
def test_a_recall_is_refused_after_the_time_for_its_reason(reason: str, days: int) -> None:
    async def work(links: VirtualLinks, recall: Recall) -> None:
        await asyncio.sleep(days * DAY_S + 60)
        assert (await recall(reason)).code == RECALL_REFUSED
        assert returned(links) == []

    outcome(AGREES.replace("300d", "1000d"), work)


def test_a_recall_that_came_in_time_is_answered_after_it() -> None:
    """Its answer was lost, and it comes again when the time for recalls is over."""

    async def work(links: VirtualLinks, recall: Recall) -> None:
        await asyncio.sleep(13.99 * DAY_S)
        assert (await recall()).code == APPROVED
        await asyncio.sleep(DAY_S)
        assert (await recall()).code == APPROVED
        assert returned(links) == ["out"]

    outcome(AGREES, work)


def test_every_recall_that_came_in_time_is_answered_after_it_and_no_other() -> None:
    """The one that returned the money is not the first, and one without a key repeats none."""

    async def work(links: VirtualLinks, recall: Recall) -> None:
        assert (await recall("technical", amount_minor=1)).code == RECALL_REFUSED
        assert (await recall()).code == APPROVED
        await asyncio.sleep(15 * DAY_S)
        assert (await recall()).code == APPROVED
        assert (await recall(key="")).code == RECALL_REFUSED
        assert returned(links) == ["out"]

    outcome(AGREES, work)


def test_a_recall_without_a_key_is_refused_after_its_time() -> None:
    async def work(links: VirtualLinks, recall: Recall) -> None:
        await asyncio.sleep(15 * DAY_S)
        assert (await recall(key="")).code == RECALL_REFUSED
        assert returned(links) == []

    outcome(AGREES, work)


def test_a_transfer_that_nobody_knows_is_not_returned() -> None:
    async def work(links: VirtualLinks, recall: Recall) -> None:
        assert (await recall(reference="p1-2", key="p1-2-duplicate")).code == NOT_FOUND
        assert returned(links) == []

    outcome(AGREES, work)


def test_a_transfer_that_was_rejected_is_not_returned() -> None:
    """The payee's bank has credited it, and takes it back: there is nothing to return."""

    async def work(links: VirtualLinks) -> None:
        spots = (InLinkPlace("payee-bank"),)
        links.host.faults.apply(ActiveFault(id="f", parameters=LostAnswer(), spots=spots))
        await links.pay(card=ACCOUNT, timeout_s=20.0)
        links.host.faults.heal("f")
        await asyncio.sleep(60)
        assert (await recalls(links)()).code == NOT_FOUND
        assert returned(links) == []
        assert links.broken() == {}

    on_links(AGREES, work)
