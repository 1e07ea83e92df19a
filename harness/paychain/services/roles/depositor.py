"""Depositor: the wallet of customers who deposit, and their app, which looks for the credit.

asked ──▶ signed ──▶ broadcast … final            over a node, whoever else is away
  └─────▶ look ──▶ credited? ── no ──▶ look       over the exchange's front end
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import msgspec

from paychain.payments.codes import APPROVED, IN_PROGRESS
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import Answer, PaymentRequest, Signed
from paychain.services.roles.role import Work
from paychain.services.roles.transfers import on_ledger
from paychain.services.roles.wallet import GIVE_UP_S, PATIENCE, Transfer, Wallet

LOOK_S = 0.5  # between two looks for the credit, at least
OF_DEADLINE = 0.9  # "pending" has to reach the customer in time, too


@dataclass(slots=True)
class _Deposit:
    """One deposit. `ended`: the exchange's answer, once it is credited; or that it was reverted."""

    transfer: Transfer
    number: int = 1  # of the payment, where repeats are executed
    ended: Answer | None = None
    answerable: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def look(self) -> PaymentRequest:
        """Shows the first transfer, so that it asks for a deposit and not for a payout."""
        first = self.transfer.transactions[0].request
        assert isinstance(first.signed, Signed)
        return first


@dataclass
class Depositor(Wallet):
    """Sends customers' money to the exchange's account, and asks until it is credited."""

    signs_for = "pay"
    once = frozenset({"pay"})
    _deposits: dict[str, _Deposit] = field(default_factory=dict, init=False)  # by payment

    def __post_init__(self) -> None:
        super().__post_init__()
        self.account = next(
            name for name, link in self.chain.links.items() if link.credits
        )  # the checks require it

    def operations(self) -> dict[str, Work]:
        """Deposits."""
        return {"pay": self._pay}

    async def _pay(self, request: PaymentRequest, parent: str) -> Answer:
        """Send a deposit once, and answer when it is credited or the customer's time is over."""
        before = self._deposits.get(request.payment)
        deposit = None if self.executes_repeats else before
        if deposit is None:
            number = before.number + 1 if before is not None else 1
            deposit = self._deposits[request.payment] = self._begin(request, number, parent)
            self.background.start(self._look_until_credited(deposit, parent))
        try:
            async with asyncio.timeout(self.chain.deadline * OF_DEADLINE):
                await deposit.answerable.wait()
        except TimeoutError:
            pass
        reference = deposit.look.reference
        return deposit.ended or Answer(Outcome.UNKNOWN, IN_PROGRESS, self.name, reference)

    def _begin(self, request: PaymentRequest, number: int, parent: str) -> _Deposit:
        reference = f"{request.payment}-{number}"
        sent = msgspec.structs.replace(request, reference=reference, key=reference)
        sent = on_ledger(sent, self.chain)
        return _Deposit(self.begin(sent, parent), number)

    async def _look_until_credited(self, deposit: _Deposit, parent: str) -> None:
        """Ask the exchange, ever more seldom, until it has credited the deposit.

        Nobody credits one that the ledger reverted.
        """
        began_ns = self.context.now_ns()
        taken_s = 0.0
        while taken_s <= GIVE_UP_S:
            await asyncio.sleep(max(LOOK_S, taken_s * PATIENCE))
            if deposit.transfer.outcome is Outcome.DECLINED:
                deposit.ended = self.status(deposit.transfer)
                deposit.answerable.set()
                return
            end = await self.calls["forward"].execute(deposit.look, parent)
            answer = end.reply.answer
            if (
                end.reply.result is HopResult.APPROVED
                and answer is not None
                and answer.code == APPROVED
                and answer.reference == deposit.look.reference
            ):
                deposit.ended = answer
                deposit.answerable.set()
                return
            taken_s = (self.context.now_ns() - began_ns) / 1e9
