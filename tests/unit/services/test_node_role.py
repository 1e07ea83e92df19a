"""What a node says of a ledger that it reaches only now and then."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from paychain.faults.kinds.drops import Drops
from paychain.faults.kinds.fork import Fork
from paychain.faults.kinds.lies import Lies
from paychain.faults.kinds.wrong_network import WrongNetwork
from paychain.payments.codes import APPROVED, ISSUER_INOPERATIVE
from paychain.payments.instrument import published
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.message import (
    Answer,
    BranchPoint,
    Incoming,
    PaymentRequest,
    Sighting,
    Signed,
)
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.policies.call_end import CallEnd
from paychain.services.role_building import build_role
from paychain.services.roles.node import Node
from paychain.services.scripts import PaymentScripts
from paychain.services.state.background import Background
from tests.support.chains import checked
from tests.unit.services.test_ledger_role import CHAIN


@dataclass
class Ledger:
    """What the ledger behind the node answers next; None: nothing."""

    says: Answer | None = None
    asked: list[PaymentRequest] = field(default_factory=list)

    async def execute(self, request: PaymentRequest, parent: str) -> CallEnd:
        self.asked.append(request)
        if self.says is None:
            return CallEnd(reply=Reply(HopResult.TIMEOUT), request=request)
        return CallEnd(reply=Reply(HopResult.APPROVED, APPROVED, self.says), request=request)


def node(ledger: Ledger) -> Node:
    ticks = count()
    context = Context(
        link="node", seed=1, now_ns=lambda: next(ticks), journal=[], span_prefix="00000001"
    )
    signing = DIALECTS["paychain"], lambda *_: ()
    scripts = PaymentScripts(1, "p", "USDC")
    role = build_role(checked(CHAIN), context, {}, Background(), signing, scripts)
    assert isinstance(role, Node)
    calls: Any = dict.fromkeys(("transfer", "read", "scan"), ledger)
    role.calls = calls
    return role


def asked(role: Node, operation: str, name: str, **more: Any) -> Answer:
    request = PaymentRequest(
        "p1", 700, "USDC", published("base")[0], reference=name, key=name, **more
    )

    async def ask() -> Any:
        return await role.operations()[operation](request, "")

    answer = asyncio.run(ask())
    assert isinstance(answer, Answer)
    return answer


def said(name: str, sighting: Sighting, *incoming: Incoming) -> Answer:
    return Answer(
        Outcome.APPROVED, APPROVED, "base", name, sighting=sighting, incoming=tuple(incoming)
    )


def test_a_node_claims_no_block_of_an_account_that_it_has_not_read() -> None:
    ledger = Ledger(said("t1", Sighting(100)))
    role = node(ledger)
    asked(role, "read", "t1")  # the head is known from elsewhere
    ledger.says = None
    cut_off = asked(role, "scan", "s1", account="desk", above=95)
    assert (cut_off.sighting, cut_off.incoming) == (Sighting(95), ())
    # An answer that was on its way while another one overtook it is as old as it is.
    got = Incoming("p1", "t1", 700, 97)
    ledger.says = said("s2", Sighting(98), got)
    late = asked(role, "scan", "s2", account="desk", above=95)
    assert (late.sighting, late.incoming) == (Sighting(98), (got,))
    # How old the last block is, is asked of no account.
    ledger.says = None
    head = asked(role, "scan", "s3").sighting
    assert head is not None
    assert head.head == 100


def test_what_a_node_remembers_of_a_transaction_does_not_grow_older_with_other_heads() -> None:
    ledger = Ledger(said("t1", Sighting(97, is_known=True, mined_at=95)))
    role = node(ledger)
    asked(role, "read", "t1")
    ledger.says = said("t2", Sighting(110))
    asked(role, "read", "t2")
    ledger.says = None
    # Blocks 96 to 110 may have replaced the one that it was in.
    assert asked(role, "read", "t1").sighting == Sighting(97, is_known=True, mined_at=95)


def test_a_node_that_lies_for_a_while_keeps_transfers_to_itself_and_then_tells_the_truth() -> None:
    ledger = Ledger(said("t1", Sighting(50)))
    role = node(ledger)
    role.apply(Lies(), "f.1")
    assert role.apply(Lies(), "f.1") == 0  # two faults that overlap
    role.heal(Lies(), "f.1")
    lie = asked(role, "read", "t1").sighting
    assert lie == Sighting(50, is_known=True, mined_at=1, is_final=True)
    ledger.says = None  # nobody passes a transfer on, and it was taken all the same
    assert asked(role, "transfer", "t2").outcome is Outcome.APPROVED
    role.heal(Lies(), "f.1")
    ledger.says = said("t1", Sighting(51))
    assert asked(role, "read", "t1").sighting == Sighting(51)
    ledger.says = None
    assert asked(role, "transfer", "t2").outcome is not Outcome.APPROVED


def test_a_node_drops_the_same_bytes_however_often_they_come_and_reads_what_is_true() -> None:
    ledger = Ledger()  # nobody answers what is passed on
    role = node(ledger)
    names = [f"t{number}" for number in range(100)]

    def dropped() -> list[str]:
        answers = {name: asked(role, "transfer", name) for name in names}
        return [name for name, each in answers.items() if each.outcome is Outcome.APPROVED]

    assert dropped() == []
    half = Drops.model_validate({"share": "50%"})
    assert role.apply(half, "f.1") == 0
    first = dropped()
    assert 30 < len(first) < 70
    assert dropped() == first
    everything = Drops()
    role.apply(everything, "f.1")  # two faults that overlap: the larger share counts
    assert dropped() == names
    role.heal(everything, "f.1")
    assert dropped() == first
    ledger.says = said("t1", Sighting(7))
    assert asked(role, "read", "t1").sighting == Sighting(7)
    ledger.says = None
    role.heal(half, "f.1")
    assert dropped() == []


def test_a_node_follows_its_branch_and_passes_on_what_it_took_when_it_returns() -> None:
    ledger = Ledger()
    role = node(ledger)
    ledger.says = said("t0", Sighting(4))
    asked(role, "read", "t0")
    every = Fork.model_validate({"returns": "100%"})
    role.apply(every, "f.1")
    ledger.says = said("t1", Sighting(9, is_known=True, mined_at=8))
    asked(role, "transfer", "t1", signed=Signed("wallet", 0))
    assert asked(role, "read", "t1").sighting == ledger.says.sighting
    assert [each.branch for each in ledger.asked] == ["", "f.1", "f.1"]

    async def heal() -> None:
        role.heal(every, "f.1")
        await asyncio.sleep(0)

    asyncio.run(heal())
    passed_on = ledger.asked[-1]
    assert (passed_on.reference, passed_on.branch) == ("t1", "")
    # Cut off at once, it knows what it knew before.
    ledger.says = None
    assert asked(role, "read", "t1").sighting == Sighting(4)
    assert asked(role, "read", "t0").sighting == Sighting(4)


def test_a_node_that_returns_loses_what_nobody_passes_on() -> None:
    ledger = Ledger(said("t1", Sighting(9)))
    role = node(ledger)
    none = Fork.model_validate({"returns": "0%"})
    role.apply(none, "f.1")
    role.apply(none, "g.1")  # two faults that overlap: the later branch is followed
    asked(role, "transfer", "t1", signed=Signed("wallet", 0))
    role.heal(none, "g.1")
    asked(role, "read", "t1")
    role.heal(none, "f.1")
    asked(role, "read", "t1")
    assert [each.branch for each in ledger.asked] == ["g.1", "f.1", ""]


def test_a_transfer_goes_to_the_branch_that_a_node_follows_when_another_one_ends() -> None:
    ledger = Ledger(said("t0", Sighting(4)))
    role = node(ledger)
    every = Fork.model_validate({"returns": "100%"})

    async def heal(window: str) -> None:
        role.heal(every, window)
        await asyncio.sleep(0)

    role.apply(every, "f.1")
    asked(role, "transfer", "t1", signed=Signed("wallet", 0))
    role.apply(every, "g.1")
    asked(role, "transfer", "t2", signed=Signed("wallet", 1))
    for window in ("f.1", "g.1"):
        asyncio.run(heal(window))
    to = [(each.reference, each.branch) for each in ledger.asked]
    assert to[:3] == [("t1", "f.1"), ("t2", "g.1"), ("t1", "g.1")]
    assert sorted(to[3:]) == [("t1", ""), ("t2", "")]


def test_a_transfer_on_its_way_to_a_branch_that_ends_is_passed_on_too() -> None:
    class Slow(Ledger):
        async def execute(self, request: PaymentRequest, parent: str) -> CallEnd:
            end = await super().execute(request, parent)
            await asyncio.sleep(0)
            return end

    ledger = Slow(said("t1", Sighting(4)))
    role = node(ledger)
    every = Fork.model_validate({"returns": "100%"})
    request = PaymentRequest("p1", 700, "USDC", published("base")[0], reference="t1", key="t1")

    async def overtaken() -> None:
        role.apply(every, "f.1")
        sending = asyncio.ensure_future(role.operations()["transfer"](request, ""))
        await asyncio.sleep(0)
        role.heal(every, "f.1")
        await sending
        await asyncio.sleep(0)

    asyncio.run(overtaken())
    assert [each.branch for each in ledger.asked] == ["f.1", ""]


def test_what_a_node_learns_of_the_rest_is_kept_while_it_follows_a_branch() -> None:
    """The end of one of two branches is not the end of the other: its head stays the branch's."""
    ledger = Ledger(said("t0", Sighting(4)))
    role = node(ledger)
    asked(role, "read", "t0")
    none = Fork.model_validate({"returns": "0%"})
    role.apply(none, "f.1")
    role.apply(none, "g.1")
    mined = Sighting(9, is_known=True, mined_at=8)
    ledger.says = said("t1", mined)
    asked(role, "read", "t1")
    role.heal(none, "f.1")
    ledger.says = None
    assert asked(role, "read", "t2").sighting == Sighting(9)
    assert asked(role, "read", "t1").sighting == mined
    role.heal(none, "g.1")
    assert asked(role, "read", "t1").sighting == Sighting(4)


def test_what_a_node_is_asked_of_a_branch_it_does_not_say_of_the_rest() -> None:
    """A node in front of it follows the branch; it follows the rest."""
    ledger = Ledger(said("t0", Sighting(4, is_known=True, mined_at=3)))
    role = node(ledger)
    before = asked(role, "read", "t0").sighting
    on_branch = Sighting(9, is_known=True, mined_at=8, is_final=True)
    ledger.says = said("t1", on_branch)
    asked(role, "read", "t1", branch="f.1")
    ledger.says = said("t2", Sighting(6, is_known=True, mined_at=5))
    asked(role, "read", "t2")
    ledger.says = None
    assert asked(role, "read", "t1").sighting == Sighting(6)
    assert asked(role, "read", "t1", branch="f.1").sighting == on_branch
    # What was there before is on both; what came later is not.
    assert asked(role, "read", "t0", branch="f.1").sighting == before
    assert asked(role, "read", "t2", branch="f.1").sighting == Sighting(9)


def test_a_node_says_whose_blocks_it_has_read() -> None:
    point = BranchPoint("f.1", 4)
    ledger = Ledger(said("s1", Sighting(9, branch=point)))
    role = node(ledger)
    role.apply(Fork(), "f.1")
    scan: dict[str, Any] = {"account": "desk", "above": 5}
    assert asked(role, "scan", "s1", **scan).sighting == Sighting(9, branch=point)
    ledger.says = None
    assert asked(role, "scan", "s2", **scan).sighting == Sighting(5, branch=point)
    role.heal(Fork(), "f.1")
    assert asked(role, "scan", "s3", **scan).sighting == Sighting(0)


def test_a_node_of_another_network_refuses_who_checks_and_takes_from_who_does_not() -> None:
    ledger = Ledger(said("t1", Sighting(50)))
    role = node(ledger)
    checked_here, anywhere = Signed("wallet", 0, network="base"), Signed("wallet", 0)
    asked(role, "read", "t1", signed=anywhere)
    role.apply(WrongNetwork(), "f.1")
    assert role.apply(WrongNetwork(), "f.1") == 0  # two faults that overlap
    role.heal(WrongNetwork(), "f.1")
    for operation in ("transfer", "read"):
        assert asked(role, operation, "t1", signed=checked_here).code == ISSUER_INOPERATIVE
    # An exchange signs nothing, and knows its network all the same.
    assert asked(role, "scan", "s1", account="desk", above=9).code == ISSUER_INOPERATIVE
    assert asked(role, "read", "t1").code == ISSUER_INOPERATIVE
    # What that network never got is unknown there; what it got is final there.
    assert asked(role, "read", "t1", signed=anywhere).sighting == Sighting(50)
    ledger.says = None  # nothing is passed on
    assert asked(role, "transfer", "t1", signed=anywhere).outcome is Outcome.APPROVED
    final = Sighting(50, is_known=True, mined_at=1, is_final=True)
    assert asked(role, "read", "t1", signed=anywhere).sighting == final
    role.heal(WrongNetwork(), "f.1")
    ledger.says = said("t1", Sighting(51))
    assert asked(role, "read", "t1", signed=anywhere).sighting == Sighting(51)
