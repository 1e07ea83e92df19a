"""Deposits of an exchange: what comes to its account is credited once it is deep enough.

    block ──▶ seen ──▶ enough confirmations ──▶ credited, once
                ▲              │
                └── undone ────┘

Nobody has to report a deposit: the exchange reads what its account got, whether its front end is up
or not. The same transfer may come again in another block, and is the same deposit.
"""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec

from paychain.model.crypto import Credit, confirmations
from paychain.payments.codes import APPROVED
from paychain.payments.instrument import published
from paychain.payments.journal import Decision, DecisionKind, Movement, MovementKind
from paychain.payments.money import PRICE_UNIT, to_minor, worth_of
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import BranchPoint, Incoming, PaymentRequest, Sighting
from paychain.services.context import Context
from paychain.services.policies.policy import PolicyCall
from paychain.services.roles.ledger_looks import LedgerLooks
from paychain.services.state.background import Background

PATIENCE = 1 / 8  # of the time without news is the pause before the next look, at least
GIVE_UP_S = 86_400.0  # without news, a deposit is for people to look at


class Deposits:
    """The deposits of one exchange.

    `scale`: minor units of what comes in, in one of the currency that is credited. `block_s`:
    seconds from one block to the next. `scan` and `read`: calls with their policies. `known_by`:
    what makes a deposit the same one when it is seen again.
    """

    def __init__(
        self,
        *,
        context: Context,
        credits_after: list[Credit],
        currency: str,
        scale: int,
        network: str,
        block_s: float,
        scan: PolicyCall,
        read: PolicyCall,
        background: Background,
        known_by: Literal["transaction", "block"],
    ) -> None:
        self._context = context
        self._needed = [
            (None if credit.up_to is None else to_minor(str(credit.up_to), currency), credit.after)
            for credit in credits_after
        ]
        self._currency = currency
        self._scale = scale
        self._anybody = published(network)[0]  # what no request is without
        self._block_s = block_s
        self._looks = LedgerLooks(context, scan, what="scan", currency=currency, network=network)
        self._read_call = read
        self._background = background
        self._known_by = known_by
        self._seen: set[tuple[str, int]] = set()  # transfers to the account, by `_identity`
        self._credited: dict[str, Incoming] = {}  # the first of each payment
        self._scanned = 0  # up to this height
        self._branch: BranchPoint | None = None  # in whose blocks

    def watch(self) -> None:
        """Look at the account from now on."""
        self._background.watch(self._watch())

    def credited(self, payment: str) -> Incoming | None:
        """The first transfer of a payment that its customer has the money of, None without one.

        Others of the payment may have been undone, or made as failed ones.
        """
        return self._credited.get(payment)

    async def _watch(self) -> None:
        """Look at every block; ever more seldom while nothing comes."""
        news_ns = self._context.now_ns()
        while True:
            quiet_s = (self._context.now_ns() - news_ns) / 1e9
            await asyncio.sleep(max(self._block_s, quiet_s * PATIENCE))
            if await self._scan():
                news_ns = self._context.now_ns()

    async def _scan(self) -> bool:
        """Take note of what came above the last height that was seen; false when nothing did."""
        link, span = self._context.link, self._context.new_span()
        answer = await self._looks.look(span, account=link, above=self._scanned)
        if answer is None or answer.sighting is None:
            return False
        is_new = self._advance(answer.sighting)
        for incoming in answer.incoming:
            if self._identity(incoming) in self._seen:
                continue
            is_new = True
            self._seen.add(self._identity(incoming))
            amount_minor = worth_of(incoming.amount_minor, self._scale, PRICE_UNIT)
            incoming = msgspec.structs.replace(incoming, amount_minor=amount_minor)
            self._background.start(self._credit(incoming), payment=incoming.payment)
        return is_new

    def _identity(self, incoming: Incoming) -> tuple[str, int]:
        """What a transfer is known by: its reference, or by mistake its block as well."""
        is_by_block = self._known_by == "block"
        return incoming.reference, incoming.mined_at if is_by_block else 0

    def _advance(self, seen: Sighting) -> bool:
        """Take note of how far it has scanned; true when the next look goes back.

        The blocks of another branch are others from where it leaves the rest: they are read anew.
        """
        if seen.branch == self._branch:
            # A node that lags behind the last one is not gone back to.
            self._scanned = max(self._scanned, seen.head)
            return False
        points = [point.height for point in (self._branch, seen.branch) if point is not None]
        self._branch = seen.branch
        self._scanned = min(self._scanned, *points)
        return True

    async def _credit(self, incoming: Incoming) -> None:
        """Wait until a transfer is deep enough, and credit it."""
        needed = confirmations(self._needed, incoming.amount_minor)
        request = PaymentRequest(
            incoming.payment,
            incoming.amount_minor,
            self._currency,
            self._anybody,
            reference=incoming.reference,
            key=incoming.reference,
        )
        missing, head, news_ns = needed, 0, self._context.now_ns()
        while missing > 0:
            quiet_s = (self._context.now_ns() - news_ns) / 1e9
            if quiet_s > GIVE_UP_S:
                return
            await asyncio.sleep(missing * self._block_s + quiet_s * PATIENCE)
            seen = await self._look(request)
            if seen is None:
                continue
            # Its block was replaced, and the one that has it now has it as one that failed.
            if seen.is_reverted and seen.is_final:
                return
            mined_at = None if seen.is_reverted else seen.mined_at
            # Of what is in no block, later blocks say nothing new.
            if mined_at is not None and seen.head > head:
                head, news_ns = seen.head, self._context.now_ns()
            # Undone, and not made again yet: it begins anew.
            missing = needed if mined_at is None else needed - (seen.head - mined_at)
        self._book(incoming)

    async def _look(self, request: PaymentRequest) -> Sighting | None:
        """What a node says of a transfer, None when none says anything."""
        end = await self._read_call.execute(request, self._context.new_span())
        answer = end.reply.answer
        if (
            end.reply.result is not HopResult.APPROVED
            or answer is None
            or answer.code != APPROVED
            or answer.reference != request.reference
        ):
            return None
        return answer.sighting

    def _book(self, incoming: Incoming) -> None:
        self._credited.setdefault(incoming.payment, incoming)
        link, now_ns = self._context.link, self._context.now_ns()
        self._context.journal.append(
            Movement(
                link=link,
                payment=incoming.payment,
                attempt=1,
                kind=MovementKind.CREDITED,
                amount_minor=incoming.amount_minor,
                currency=self._currency,
                reference=incoming.reference,
                at_ns=now_ns,
                decided_by=link,
                leg="out",
            )
        )
        self._context.journal.append(
            Decision(
                link=link,
                kind=DecisionKind.REPORTED,
                at_ns=now_ns,
                payment=incoming.payment,
                attempt=1,
                operation="pay",
                target="",
                detail=Outcome.APPROVED.value,
            )
        )
