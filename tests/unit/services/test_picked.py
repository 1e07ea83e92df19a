"""A call to some of many nodes: whom it asks, when it stops, what it believes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from paychain.model.pick import Pick
from paychain.payments.instrument import published
from paychain.payments.journal import Decision, Record
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import Answer, BranchPoint, Incoming, PaymentRequest, Sighting
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.policies.call_end import Attempt, CallEnd
from paychain.services.policies.decisions import Decisions
from paychain.services.policies.picked import PickedCall, agreed, scanned
from paychain.services.state.background import Background
from paychain.simulation.loop import VirtualLoop
from paychain.simulation.simulate import simulate

NODES = tuple(f"node-{number}" for number in range(1, 9))
REQUEST = PaymentRequest("p1", 700, "USDC", published("base")[0], reference="p1-1.wallet.1")
FINAL = Sighting(9, is_known=True, mined_at=4, is_final=True)
MINED = Sighting(8, is_known=True, mined_at=4)
LIE = Sighting(9, is_known=True, mined_at=1, is_final=True)
WAITING = Sighting(7, is_known=True)
UNSEEN = Sighting(9)
SILENT = Reply(HopResult.TIMEOUT)


def saw(sighting: Sighting | None) -> Reply:
    answer = Answer(Outcome.APPROVED, "00", "node", REQUEST.reference, sighting=sighting)
    return Reply(HopResult.APPROVED, "00", answer)


class Nodes:
    """Answers as a policy would, and remembers who was asked."""

    def __init__(self, replies: Callable[[int], Reply]) -> None:
        self.asked: list[str] = []
        self._replies = replies

    async def try_target(
        self, target: str, first: Any, parent: str, max_tries: int, *, route: Any = None
    ) -> Attempt:
        number = len(self.asked)
        self.asked.append(target)
        await asyncio.sleep(0.001 * number)
        reply = self._replies(number)
        return Attempt(target, first, reply, reply.result.leaves_unknown)

    async def settle_attempt(self, attempt: Attempt, parent: str) -> CallEnd:
        return CallEnd(reply=attempt.reply, request=attempt.request)


def asks(
    replies: list[Reply],
    *,
    operation: str = "read",
    ask: int = 3,
    agree: int = 2,
    re_pick: int = 2,
    request: PaymentRequest = REQUEST,
) -> tuple[CallEnd, Nodes, list[Record]]:
    journal: list[Record] = []
    context = Context(link="wallet", seed=1, now_ns=lambda: 0, journal=journal, span_prefix="0")
    nodes = Nodes(lambda number: replies[number])
    picked = PickedCall(
        operation=operation,
        pick=Pick(of=NODES, ask=ask, agree=agree, re_pick=re_pick, timeout=1.0, needs=agree),
        attempts=1,
        context=context,
        decisions=Decisions(context, operation),
        background=Background(),
        first=dict.fromkeys(NODES),  # type: ignore[arg-type]  # no route is used here
        policy=nodes,
    )

    async def call(_: VirtualLoop) -> CallEnd:
        end = await picked.execute(request, "")
        await asyncio.sleep(0.05)
        return end

    return simulate(call), nodes, journal


def sighting_of(end: CallEnd) -> Sighting | None:
    return end.reply.answer.sighting if end.reply.answer is not None else None


@pytest.mark.parametrize(
    ("seen", "agree", "believed"),
    [
        ([FINAL, FINAL, UNSEEN], 2, FINAL),
        ([FINAL, MINED, WAITING], 2, Sighting(8, is_known=True, mined_at=4)),
        ([LIE, MINED, MINED], 2, Sighting(8, is_known=True, mined_at=4)),
        ([LIE, UNSEEN, UNSEEN], 2, UNSEEN),
        ([LIE, LIE, MINED], 2, Sighting(9, is_known=True, mined_at=1, is_final=True)),
        ([WAITING, MINED, UNSEEN], 2, Sighting(8, is_known=True)),
        ([LIE], 1, LIE),
        ([FINAL, FINAL, FINAL], 3, FINAL),
        ([FINAL, FINAL, LIE], 3, Sighting(9, is_known=True)),
    ],
)
def test_it_believes_the_most_that_enough_of_them_say(
    seen: list[Sighting], agree: int, believed: Sighting
) -> None:
    for order in (seen, seen[::-1]):
        assert agreed(order, agree) == believed


def test_two_alike_are_enough_and_nobody_else_is_waited_for_or_asked() -> None:
    end, nodes, journal = asks([saw(FINAL), saw(FINAL), SILENT])
    assert sighting_of(end) == FINAL
    assert len(nodes.asked) == 3
    assert [(each.kind, each.detail) for each in journal if isinstance(each, Decision)] == [
        ("agreed", "2 of 2")
    ]


def test_another_is_asked_for_each_that_is_silent_until_there_are_enough() -> None:
    end, nodes, journal = asks([SILENT, SILENT, saw(MINED), saw(MINED)])
    assert sighting_of(end) == MINED
    assert len(set(nodes.asked)) == 4
    kinds = [each.kind for each in journal if isinstance(each, Decision)]
    assert kinds == ["re_picked", "agreed"]


def test_too_few_are_no_answer_at_all() -> None:
    end, nodes, journal = asks([SILENT, SILENT, saw(FINAL), SILENT, SILENT])
    assert end.reply.result is HopResult.TECHNICAL
    assert len(set(nodes.asked)) == 5
    last = journal[-1]
    assert isinstance(last, Decision)
    assert (last.kind, last.detail) == ("too_few", "1 of 5")


def test_one_that_takes_a_transfer_is_enough() -> None:
    taken = saw(None)
    end, nodes, _ = asks([SILENT, taken, SILENT], operation="transfer", agree=1)
    assert end.reply == taken
    assert len(nodes.asked) == 3
    end, _, journal = asks([SILENT] * 5, operation="transfer", agree=1)
    assert end.reply == SILENT
    assert [each.kind for each in journal if isinstance(each, Decision)][-1] == "too_few"


def test_the_next_call_asks_others() -> None:
    journal: list[Record] = []
    context = Context(link="wallet", seed=1, now_ns=lambda: 0, journal=journal, span_prefix="0")
    picked = PickedCall(
        operation="read",
        pick=Pick(of=NODES, ask=2, agree=1, re_pick=0, timeout=1.0, needs=1),
        attempts=1,
        context=context,
        decisions=Decisions(context, "read"),
        background=Background(),
        first={},
        policy=Nodes(lambda _: SILENT),
    )
    orders = {tuple(picked._order(REQUEST)[:2]) for _ in range(40)}
    assert len(orders) > 20
    assert {node for order in orders for node in order} == set(NODES)


TRUE = Incoming("p1", "p1-1.depositors.1", 700, mined_at=9)
LARGER = Incoming("p1", "p1-1.depositors.1", 7_000, mined_at=9)
OLD = Incoming("p0", "p0-1.depositors.1", 300, mined_at=4)


FORK = BranchPoint("f.1", 6)


def scan(head: int, *incoming: Incoming, branch: BranchPoint | None = None) -> Answer:
    seen = Sighting(head, branch=branch)
    return Answer(Outcome.APPROVED, "00", "node", "scan", sighting=seen, incoming=incoming)


@pytest.mark.parametrize(
    ("answers", "agree", "head", "found"),
    [
        # All say the same.
        ([scan(9, OLD, TRUE), scan(9, OLD, TRUE)], 2, 9, (OLD, TRUE)),
        # One lies, and two do not.
        ([scan(9, LARGER), scan(9, TRUE), scan(9, TRUE)], 2, 9, (TRUE,)),
        # One of two lies: what is below is believed, and it is looked at once more.
        ([scan(9, OLD, LARGER), scan(9, OLD, TRUE)], 2, 8, (OLD,)),
        # One of two is behind, so that nobody agrees with the other one yet.
        ([scan(9, OLD, TRUE), scan(8, OLD)], 2, 8, (OLD,)),
        # One invents what two of three do not have.
        ([scan(9, TRUE), scan(9), scan(9)], 2, 9, ()),
        # Whoever is asked is believed.
        ([scan(9, LARGER)], 1, 9, (LARGER,)),
        # A far head that one node claims is no head.
        ([scan(900), scan(9, TRUE), scan(9, TRUE)], 2, 9, (TRUE,)),
    ],
)
def test_what_enough_nodes_have_seen_of_an_account_is_believed(
    answers: list[Answer], agree: int, head: int, found: tuple[Incoming, ...]
) -> None:
    assert scanned(answers, agree) == (Sighting(head), found)


def test_what_nodes_have_seen_on_two_branches_agrees_up_to_where_they_part() -> None:
    here, there = scan(9, OLD, TRUE), scan(9, OLD, branch=FORK)
    assert scanned([there, here, here], 2) == (Sighting(9), (OLD, TRUE))
    assert scanned([there, here, there], 2) == (Sighting(9, branch=FORK), (OLD,))
    # Nothing came, and that is said of different blocks.
    assert scanned([scan(9), scan(9, branch=FORK)], 2) == (Sighting(6), ())
    assert scanned([here, there], 2) == (Sighting(6), (OLD,))


def test_a_node_on_another_branch_does_not_agree_that_nothing_came_here() -> None:
    on_rest, on_branch = (
        msgspec.structs.replace(scan(9, branch=branch), reference=REQUEST.reference)
        for branch in (None, FORK)
    )
    scanning = msgspec.structs.replace(REQUEST, account="desk")
    replies = [Reply(HopResult.APPROVED, "00", each) for each in (on_rest, on_branch, on_rest)]
    end, nodes, _ = asks(replies, request=scanning, operation="scan")
    assert len(nodes.asked) == 3
    assert sighting_of(end) == Sighting(9)
