"""Exchange: pays out in an asset, and credits what comes in (`deposits`).

What a payout needs is reserved before anything is sent.

    asked ─┬─▶ reserved ──▶ transfer ──▶ final: spent · declined: freed
           │                   ▲  │
           │                   └──┴─ no answer: asked again, and the reservation stays
           └─ paused: refused, with nothing reserved

A payout continues even if nobody waits for it any more; its status can be queried.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial

import msgspec

from paychain.model.ledger_checks import block_interval_s
from paychain.payments.codes import IN_PROGRESS, INSUFFICIENT_FUNDS
from paychain.payments.journal import DecisionKind, MovementKind
from paychain.payments.money import to_minor
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.roles.deposits import Deposits
from paychain.services.roles.paused_payouts import PausedPayouts
from paychain.services.roles.role import Role, Work
from paychain.services.roles.transfers import nothing, on_ledger, transferred

PATIENCE = 0.9  # of the deadline: "pending" has to reach the customer in time, too


@dataclass(slots=True)
class _Payout:
    """One payout. `known`: its outcome, None while it is pending."""

    request: PaymentRequest
    number: int = 1  # of the payment, where repeats are executed
    is_reserved: bool = False
    known: Outcome | None = None
    code: str = ""
    answerable: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Exchange(Role):
    """Keeps the funding of payouts, and lets a wallet send them; watches its account."""

    once = frozenset({"pay", "forward"})
    _payouts: dict[str, _Payout] = field(default_factory=dict, init=False)  # by payment
    _free_minor: int = field(init=False)
    _deposits: Deposits | None = field(default=None, init=False)
    _pauses: PausedPayouts | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        funding = self.link.funding
        self._free_minor = to_minor(str(funding.amount), self.chain.currency) if funding else 0
        if self.link.credits:
            self._deposits = Deposits(
                context=self.context,
                credits_after=self.link.credits,
                currency=self.chain.currency,
                scale=self.chain.scale,
                network=self.chain.network,
                block_s=block_interval_s(self.chain),
                scan=self.calls["scan"],
                read=self.calls["read"],
                background=self.background,
                known_by=self.link.deposits_known_by,
            )

        if self.link.pauses is not None:
            self._pauses = PausedPayouts(
                self.context, self.link.pauses, self.chain.currency, self.chain.network, self.calls
            )

    def connected(self) -> None:
        """Start to watch the account for deposits."""
        if self._deposits is not None:
            self._deposits.watch()

    def operations(self) -> dict[str, Work]:
        """Payouts and looks at deposits, from an edge or straight from the customer."""
        return {"pay": self._pay, "forward": self._pay}

    async def _pay(self, request: PaymentRequest, parent: str) -> Answer:
        """Begin a payout, once, and answer when its end is known or the customer's time is over.

        Who shows a signed transfer asks what became of the deposit.
        """
        if request.signed is not None:
            return self._deposited(request)
        before = self._payouts.get(request.payment)
        payout = None if self.executes_repeats else before
        if payout is None and self._pauses is not None and await self._pauses.is_on(parent):
            if self._pauses.frees:
                self._free_all_early()
            return self.decline(self._pauses.code, request.reference)
        if payout is None:
            if request.amount_minor > self._free_minor:
                return self.decline(INSUFFICIENT_FUNDS, request.reference)
            number = before.number + 1 if before is not None else 1
            payout = self._payouts[request.payment] = self._reserve(request, number)
            self.background.start(self._pay_out(payout, parent))
        try:
            async with asyncio.timeout(self.chain.deadline * PATIENCE):
                await payout.answerable.wait()
        except TimeoutError:
            pass
        return self._status(payout)

    def _deposited(self, request: PaymentRequest) -> Answer:
        """Whether a deposit is credited."""
        deposit = self._deposits.credited(request.payment) if self._deposits is not None else None
        if deposit is None:
            return Answer(Outcome.UNKNOWN, IN_PROGRESS, self.name, request.reference)
        credited = msgspec.structs.replace(request, amount_minor=deposit.amount_minor)
        return self.approve(credited)

    def _reserve(self, request: PaymentRequest, number: int) -> _Payout:
        reference = f"{request.payment}-{number}"
        reserved = msgspec.structs.replace(request, reference=reference, key=reference)
        payout = _Payout(reserved, number)
        if self._reserves_first:
            self._set_apart(payout)
        return payout

    @property
    def _reserves_first(self) -> bool:
        """Whether the money of a payout is set apart before it is sent."""
        return self.link.funding is None or self.link.funding.reserves == "first"

    def _set_apart(self, payout: _Payout) -> None:
        payout.is_reserved = True
        self._free_minor -= payout.request.amount_minor
        # Never more is reserved than there is, unless that is found out only afterwards.
        assert self._free_minor >= 0 or not self._reserves_first
        self.context.moved(MovementKind.RESERVED, payout.request, self.name)

    def _status(self, payout: _Payout) -> Answer:
        """The status that a caller sees now."""
        match payout.known:
            case Outcome.APPROVED:
                return self.approve(payout.request)
            case Outcome.DECLINED:
                return self.decline(payout.code, payout.request.reference)
            case _:
                return Answer(Outcome.UNKNOWN, IN_PROGRESS, self.name, payout.request.reference)

    async def _pay_out(self, payout: _Payout, parent: str) -> None:
        """Query the wallet until the outcome of the transfer is known."""
        assert self.link.funding is not None
        is_early = self.link.funding.frees == "on_timeout"
        on_no_answer = partial(self._free_early, payout) if is_early else nothing
        request = on_ledger(payout.request, self.chain)
        ended = await transferred(
            self.calls["transfer"], request, parent, self.context, on_no_answer
        )
        if ended is None:
            return
        if ended.outcome is Outcome.APPROVED and not self._reserves_first:
            self._set_apart(payout)
        if ended.outcome is Outcome.APPROVED and payout.is_reserved:
            self.context.moved(MovementKind.SPENT, payout.request, self.name)
        elif payout.is_reserved:
            self._free(payout)
        payout.known, payout.code = ended.outcome, ended.code
        self.context.decided(
            DecisionKind.REPORTED,
            "pay",
            "",
            payment=payout.request.payment,
            attempt=payout.request.attempt,
            detail=ended.outcome.value,
        )
        payout.answerable.set()

    def _free_early(self, payout: _Payout) -> None:
        """Take a transfer without an answer for one that failed."""
        if payout.is_reserved:
            self._free(payout)
            payout.answerable.set()

    def _free_all_early(self) -> None:
        """Take all that has begun for what failed."""
        for payout in self._payouts.values():
            if payout.known is None:
                self._free_early(payout)

    def _free(self, payout: _Payout) -> None:
        payout.is_reserved = False
        self._free_minor += payout.request.amount_minor
        self.context.moved(MovementKind.FREED, payout.request, self.name)
