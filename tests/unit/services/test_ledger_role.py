"""A ledger's link on a clock that goes on while it works, as a real one does."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import msgspec
import pytest

from paychain.faults.kinds import KINDS
from paychain.faults.kinds.halt import Halt
from paychain.faults.kinds.reorg import Reorg
from paychain.faults.kinds.reverts import Reverts
from paychain.model.places import InLinkPlace
from paychain.payments.instrument import published
from paychain.payments.journal import Decision, DecisionKind, Movement, MovementKind, Record
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects import DIALECTS
from paychain.protocol.message import Answer, BranchPoint, Error, PaymentRequest, Sighting, Signed
from paychain.services.context import Context
from paychain.services.in_link_faults import ActiveFault
from paychain.services.role_building import build_role
from paychain.services.roles.ledger import Ledger
from paychain.services.roles.ledger_branches import IDLE_BLOCKS, MAX_FORKS
from paychain.services.scripts import PaymentScripts
from paychain.services.state.background import Background
from tests.support.chains import checked
from tests.support.virtual_links import VirtualLinks, on_links

BLOCK_NS = 1_000_000
CHAIN = """\
chain: payouts
currency: USDC
entry: payouts
links:
  payouts: {role: exchange, funding: 5000, calls: {transfer: {to: wallet, on_unknown: query}}}
  wallet: {role: wallet, calls: {transfer: {to: node, on_unknown: resend}, read: {to: node}}}
  node: {role: node, calls: {transfer: {to: base}, read: {to: base}}}
  base: {role: ledger, blocks: {every: 1ms}, final: {after: 2}}
"""


class Clock:
    """Goes on by a microsecond whenever somebody looks at it."""

    def __init__(self) -> None:
        self._ticks = count(step=1_000)
        self.ahead_ns = 0

    def now_ns(self) -> int:
        return next(self._ticks) + self.ahead_ns


def ledger(journal: list[Record]) -> tuple[Ledger, Clock]:
    clock = Clock()
    context = Context(
        link="base", seed=1, now_ns=clock.now_ns, journal=journal, span_prefix="00000001"
    )
    chain = checked(CHAIN)
    signing = DIALECTS["paychain"], lambda *_: ()
    scripts = PaymentScripts(1, "p", "USDC")
    role = build_role(chain, context, {}, Background(), signing, scripts)
    assert isinstance(role, Ledger)
    return role, clock


def transfer(number: int, **more: Any) -> PaymentRequest:
    name = f"p{number}-1.wallet.1"
    return PaymentRequest(
        f"p{number}", 700, "USDC", published("base")[0], reference=name, key=name, **more
    )


def asked(role: Ledger, operation: str, request: PaymentRequest) -> Answer:
    async def ask() -> Any:
        given = await role.operations()[operation](request, "")
        role.background.cancel()
        return given

    given = asyncio.run(ask())
    assert isinstance(given, Answer), given
    return given


def test_a_transfer_is_taken_once_mined_and_final() -> None:
    journal: list[Record] = []
    role, clock = ledger(journal)
    request = transfer(1, signed=Signed("wallet", 0))
    assert asked(role, "transfer", request).outcome is Outcome.APPROVED
    again = asked(role, "transfer", request)
    assert (again.outcome, again.code) == (Outcome.DECLINED, "already known")
    seen = asked(role, "read", request).sighting
    assert seen is not None
    assert (seen.is_known, seen.mined_at) == (True, None)
    clock.ahead_ns += BLOCK_NS
    assert asked(role, "read", request).sighting.mined_at == 1  # type: ignore[union-attr]  # it was read
    clock.ahead_ns += 2 * BLOCK_NS
    assert asked(role, "read", request).sighting.is_final  # type: ignore[union-attr]  # it was read
    assert asked(role, "transfer", request).code == "nonce too low"
    (moved,) = (record for record in journal if isinstance(record, Movement))
    assert (moved.kind, moved.at_ns, moved.leg) == (MovementKind.TRANSFERRED, BLOCK_NS, "out")
    assert (moved.amount_minor, moved.reference) == (700, request.reference)


def test_what_can_be_undone_no_more_takes_no_room_as_a_request() -> None:
    role, clock = ledger([])
    for number in range(20):
        asked(role, "transfer", transfer(number, signed=Signed("wallet", number)))
        clock.ahead_ns += BLOCK_NS
    assert len(role._forks.rest.requests) <= 4  # one that waits, and those that two blocks follow


def test_nothing_unsigned_is_taken() -> None:
    role, _ = ledger([])
    given = asyncio.run(role.operations()["transfer"](transfer(1), ""))
    assert isinstance(given, Error)
    assert given.message == "the transfer is not signed"


def test_a_halt_mines_nothing_and_a_reorganisation_undoes_what_is_not_final() -> None:
    journal: list[Record] = []
    role, clock = ledger(journal)
    asked(role, "transfer", transfer(1, signed=Signed("wallet", 0)))
    halt = Halt()
    role.apply(halt, "f.1")
    clock.ahead_ns += 9 * BLOCK_NS
    assert asked(role, "read", transfer(1)).sighting.mined_at is None  # type: ignore[union-attr]  # it was read

    async def heal() -> None:
        role.heal(halt, "f.1")
        role.background.cancel()

    asyncio.run(heal())
    clock.ahead_ns += BLOCK_NS
    asked(role, "read", transfer(1))
    assert role.apply(Reorg.model_validate({"depth": 5, "returns": "0%"}), "f.1") == 1
    kinds = [record.kind for record in journal if isinstance(record, Movement)]
    assert kinds == [MovementKind.TRANSFERRED, MovementKind.UNDONE]
    assert not asked(role, "read", transfer(1)).sighting.is_known  # type: ignore[union-attr]  # it was read


def test_what_is_reverted_is_in_a_block_and_moves_nothing() -> None:
    journal: list[Record] = []
    role, clock = ledger(journal)
    paid_in = transfer(1, signed=Signed("a", 0, to="payouts"))
    scan = PaymentRequest("", 0, "USDC", paid_in.instrument, reference="s", account="payouts")
    everything, nothing = (Reverts.model_validate({"share": share}) for share in ("100%", "0%"))
    role.apply(nothing, "f.1")
    role.apply(everything, "g.1")  # two faults that overlap: the larger share counts
    asked(role, "transfer", paid_in)
    clock.ahead_ns += 3 * BLOCK_NS
    seen = asked(role, "read", paid_in).sighting
    assert seen is not None
    assert (seen.mined_at, seen.is_final, seen.is_reverted) == (1, True, True)
    assert asked(role, "transfer", paid_in).code == "nonce too low"
    assert not asked(role, "scan", scan).incoming
    (reverted,) = journal
    assert isinstance(reverted, Decision)
    assert (reverted.kind, reverted.at_ns) == (DecisionKind.REVERTED, BLOCK_NS)
    assert (reverted.payment, reverted.detail) == ("p1", paid_in.reference)

    async def heal() -> None:
        role.heal(everything, "g.1")
        role.background.cancel()

    asyncio.run(heal())
    asked(role, "transfer", transfer(2, signed=Signed("a", 1, to="payouts")))
    clock.ahead_ns += BLOCK_NS
    assert [each.payment for each in asked(role, "scan", scan).incoming] == ["p2"]
    # What failed in a block that is replaced may fare better in the next one.
    role.apply(everything, "g.2")
    asked(role, "transfer", transfer(3, signed=Signed("a", 2, to="payouts")))
    clock.ahead_ns += BLOCK_NS
    asyncio.run(heal())
    role.apply(Reorg.model_validate({"depth": 1, "returns": "100%"}), "r.1")
    clock.ahead_ns += BLOCK_NS
    assert [each.payment for each in asked(role, "scan", scan).incoming] == ["p2", "p3"]
    kinds = [each.kind for each in journal if isinstance(each, Decision | Movement)]
    undone = [DecisionKind.REVERTED, DecisionKind.REVERT_UNDONE, MovementKind.TRANSFERRED]
    assert kinds[-3:] == undone


def test_a_branch_has_what_was_there_and_then_blocks_of_its_own() -> None:
    journal: list[Record] = []
    role, clock = ledger(journal)
    before = transfer(1, signed=Signed("a", 0, to="payouts"))
    asked(role, "transfer", before)
    clock.ahead_ns += BLOCK_NS
    there = transfer(2, signed=Signed("a", 1, to="payouts"), branch="f.1")
    here = transfer(3, signed=Signed("b", 0, to="payouts"))
    scan = PaymentRequest("", 0, "USDC", before.instrument, reference="s", account="payouts")

    def got(branch: str) -> list[str]:
        asking = msgspec.structs.replace(scan, branch=branch)
        return [each.payment for each in asked(role, "scan", asking).incoming]

    assert asked(role, "transfer", there).outcome is Outcome.APPROVED
    asked(role, "transfer", here)
    clock.ahead_ns += 3 * BLOCK_NS
    assert (got(""), got("f.1")) == (["p1", "p3"], ["p1", "p2"])
    on_branch = asked(role, "read", there).sighting
    assert on_branch is not None
    assert (on_branch.mined_at, on_branch.is_final) == (2, True)
    of_the_rest = asked(role, "read", msgspec.structs.replace(there, branch="")).sighting
    assert of_the_rest is not None
    assert not of_the_rest.is_known
    # No book is about the branch, and the next fork begins with what the rest has then.
    assert [each.payment for each in journal if isinstance(each, Movement)] == ["p1", "p3"]
    assert got("f.2") == ["p1", "p3"]
    # A halt is one of every branch.
    halt = Halt()
    role.apply(halt, "h.1")
    asked(role, "transfer", transfer(4, signed=Signed("a", 2), branch="f.1"))
    clock.ahead_ns += 3 * BLOCK_NS
    halted = asked(role, "read", transfer(4, branch="f.1")).sighting
    assert halted is not None
    assert (halted.is_known, halted.mined_at) == (True, None)


def test_a_branch_that_is_followed_keeps_its_blocks_beside_many_others() -> None:
    role, clock = ledger([])
    asked(role, "transfer", transfer(1, signed=Signed("a", 0), branch="long"))
    clock.ahead_ns += BLOCK_NS

    def mined_at(branch: str) -> int | None:
        seen = asked(role, "read", transfer(1, branch=branch)).sighting
        assert seen is not None
        return seen.mined_at

    for number in range(1, 3 * MAX_FORKS):
        asked(role, "read", transfer(2, branch=f"short.{number}"))
    assert mined_at("long") == 1
    # It is asked about now and then, and the others are not for long.
    for number in range(1, 3 * MAX_FORKS):
        clock.ahead_ns += IDLE_BLOCKS * BLOCK_NS // 2
        asked(role, "read", transfer(2, branch=f"late.{number}"))
        assert mined_at("long") == 1
    assert len(role._forks.chains()) == 1 + MAX_FORKS


def test_a_scan_of_a_branch_names_it_and_the_height_where_it_left_the_rest() -> None:
    role, clock = ledger([])
    clock.ahead_ns += 3 * BLOCK_NS
    scan = msgspec.structs.replace(transfer(1), account="payouts", branch="f.1")
    asked(role, "scan", scan)
    clock.ahead_ns += 2 * BLOCK_NS
    on_branch = Sighting(5, branch=BranchPoint("f.1", 3))
    assert asked(role, "scan", scan).sighting == on_branch
    of_the_rest = msgspec.structs.replace(scan, branch="")
    assert asked(role, "scan", of_the_rest).sighting == Sighting(5)


def test_a_scan_shows_what_an_account_has_got_above_a_height() -> None:
    role, clock = ledger([])
    first = transfer(1, signed=Signed("a", 0, to="payouts"))
    second = transfer(2, signed=Signed("a", 1, to="payouts"))
    elsewhere = transfer(3, signed=Signed("b", 0))

    def got(above: int) -> list[tuple[str, int]]:
        scan = PaymentRequest(
            "", 0, "USDC", first.instrument, reference="s", account="payouts", above=above
        )
        return [(each.payment, each.mined_at) for each in asked(role, "scan", scan).incoming]

    asked(role, "transfer", first)
    asked(role, "transfer", elsewhere)
    assert got(0) == []
    clock.ahead_ns += BLOCK_NS
    asked(role, "transfer", second)
    assert got(0) == [("p1", 1)]
    assert got(1) == []
    clock.ahead_ns += BLOCK_NS
    assert got(0) == [("p1", 1), ("p2", 2)]
    assert got(1) == [("p2", 2)]
    # Its block is replaced, and it is in a later one.
    role.apply(Reorg.model_validate({"depth": 1, "returns": "100%"}), "f.1")
    assert got(1) == []
    clock.ahead_ns += BLOCK_NS
    assert got(1) == [("p2", 3)]


def test_a_deposit_is_taken_from_the_customer() -> None:
    journal: list[Record] = []
    role, clock = ledger(journal)
    asked(role, "transfer", transfer(1, signed=Signed("a", 0, to="payouts")))
    clock.ahead_ns += BLOCK_NS
    asked(role, "read", transfer(1))
    assert [each.leg for each in journal if isinstance(each, Movement)] == ["in"]


@pytest.mark.parametrize(
    ("kind", "parameters"), [("halt", {}), ("no_finality", {}), ("fee_spike", {"times": 3})]
)
def test_a_ledger_that_dies_and_forgets_under_a_fault_is_still_under_it(
    kind: str, parameters: dict[str, int]
) -> None:
    async def work(links: VirtualLinks) -> None:
        faults = links.host.faults
        for name, given in ((kind, parameters), ("crash", {"forgets": True})):
            what = KINDS[name].model_validate(given)
            faults.apply(ActiveFault(id=name, parameters=what, spots=(InLinkPlace("base"),)))
        faults.heal("crash")
        await asyncio.sleep(0.1)
        faults.heal(kind)  # which ends what was begun

    on_links(CHAIN, work)
