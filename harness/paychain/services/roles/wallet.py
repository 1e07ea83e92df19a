"""Wallet: signs transfers, keeps the sequence of its nonces, and sends until each is final.

    asked ──▶ signed ──▶ broadcast ──▶ mined ──▶ final: made, or reverted and so declined
                 ▲           │            │
                 ├───────────┴────────────┴─ no answer, unknown to the node: the same bytes again
                 └─ in no block, and none can get it any more: signed again

A nonce is used once, so that the same bytes can be sent as often as one likes. What is signed anew
is another transfer: with `nonces: each_try` a lost answer sends the money twice. What waits for a
block because it offers too little is replaced by one with its nonce, where that is declared. So is
what has expired, once a block shows that it has: a clock or a lost answer shows nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from paychain.model.ledger_checks import block_interval_s
from paychain.payments.codes import IN_PROGRESS, INVALID_TRANSACTION, NOT_FOUND
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult, Outcome
from paychain.payments.transaction import Refusal
from paychain.protocol.message import Answer, PaymentRequest, Sighting, Signed
from paychain.services.policies.call_end import CallEnd
from paychain.services.roles.role import Role, Work

# Refusals that say that the ledger has these bytes, had them, or can get them no more: a look will
# show which.
_TAKEN = frozenset({Refusal.ALREADY_KNOWN, Refusal.NONCE_TOO_LOW, Refusal.EXPIRED})
MAX_SIGNED = 5  # transactions of one transfer: so often a naive wallet tries
UNSEEN_LOOKS = 3  # in a row, after which a node has lost what it was sent
GIVE_UP_S = 86_400.0  # without news: a day, longer than ledgers have halted; then people look
PATIENCE = 1 / 8  # of the time without news is the pause before the next look, at least


@dataclass(slots=True)
class _Transaction:
    """Signed bytes. `is_sent`: the ledger has them, as far as a node's word goes.

    `was_sent`: a node has said so before, of these bytes or of those that they renew, so that its
    word is no news any more. `sighting`: the last one of either, for the same reason.
    """

    request: PaymentRequest
    signed: Signed
    signed_ns: int
    is_sent: bool = False
    was_sent: bool = False
    unseen: int = 0  # looks in a row at which no node knew it
    sighting: Sighting | None = None

    @property
    def has_expired(self) -> bool:
        """Whether no block has it, and a later one than could have got it is there."""
        until_ns, sighting = self.signed.valid_until_ns, self.sighting
        if until_ns is None or sighting is None:
            return False
        return not sighting.is_known and sighting.made_ns >= until_ns


@dataclass(slots=True)
class Transfer:
    """What the wallet was asked to send, with all that it signed for it.

    `outcome`: what became of it, None while that is open; `final` is set with it.
    """

    request: PaymentRequest
    transactions: list[_Transaction] = field(default_factory=list)
    final: asyncio.Event = field(default_factory=asyncio.Event)
    outcome: Outcome | None = None
    news_ns: int = 0  # when something became of it

    @property
    def open(self) -> list[_Transaction]:
        """What may still be mined: of each nonce nothing is left once one of its is final."""
        used = {each.signed.nonce for each in self.transactions if _is_final(each)}
        return [each for each in self.transactions if each.signed.nonce not in used]

    @property
    def last(self) -> list[_Transaction]:
        """Of each open nonce what was signed last: it offers most."""
        return list({each.signed.nonce: each for each in self.open}.values())


@dataclass
class Wallet(Role):
    """The only one who signs with its key, so that it alone counts the nonces."""

    signs_for: ClassVar[str] = "transfer"  # the operation by which it is asked to
    account = ""  # that all its transfers go to; "": where each payment says
    _transfers: dict[str, Transfer] = field(default_factory=dict, init=False)  # by reference
    _next_nonce: int = field(default=0, init=False)
    _block_s: float = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._block_s = block_interval_s(self.chain)

    def operations(self) -> dict[str, Work]:
        """Transfers and their outcomes."""
        return {"transfer": self._transfer, "query": self.query}

    async def _transfer(self, request: PaymentRequest, parent: str) -> Answer:
        """Sign a transfer once, and answer when it is final, or that it is on its way."""
        transfer = self._transfers.get(request.reference)
        if transfer is None:
            code = self.declines(request)
            if code is not None:
                return self.decline(code, request.reference)
            transfer = self.begin(request, parent)
        elif self.executes_repeats:
            self._repeat(transfer, parent)
        try:
            async with asyncio.timeout(self.chain.deadline):
                await transfer.final.wait()
        except TimeoutError:
            pass
        return self.status(transfer)

    def begin(self, request: PaymentRequest, parent: str) -> Transfer:
        """Sign a transfer, and send it in the background until it is final."""
        transfer = self._transfers[request.reference] = Transfer(
            request, news_ns=self.context.now_ns()
        )
        self._sign(transfer)
        self.background.start(self._deliver(transfer, parent))
        return transfer

    def _repeat(self, transfer: Transfer, parent: str) -> None:
        """Send a transfer once more, as a wallet does that knows no request again."""
        is_over = not transfer.open
        self._sign(transfer)
        if transfer.outcome is Outcome.DECLINED:
            # What was reverted may be made this time.
            transfer.outcome = None
            transfer.final.clear()
        if is_over:
            self.background.start(self._deliver(transfer, parent))

    async def query(self, request: PaymentRequest, parent: str) -> Answer:
        """The outcome of a transfer, as far as the wallet knows it now."""
        transfer = self._transfers.get(request.reference)
        if transfer is None:
            return self.decline(NOT_FOUND, request.reference)
        return self.status(transfer)

    def status(self, transfer: Transfer) -> Answer:
        """The outcome of a transfer, as far as the wallet knows it now."""
        reference = transfer.request.reference
        match transfer.outcome:
            case Outcome.APPROVED:
                return self.approve(transfer.request)
            case Outcome.DECLINED:
                return self.decline(INVALID_TRANSACTION, reference)
            case _:
                return Answer(Outcome.UNKNOWN, IN_PROGRESS, self.name, reference)

    def _conclude(self, transfer: Transfer) -> None:
        """Note what became of a transfer, once that is final.

        What was reverted has moved nothing, and never will: its nonce is used.
        """
        made = [
            each
            for each in transfer.transactions
            if _is_final(each) and not (self.link.checks_receipt and _is_reverted(each))
        ]
        if made:
            transfer.outcome = Outcome.APPROVED
        elif not transfer.open:
            transfer.outcome = Outcome.DECLINED
        if transfer.outcome is not None:
            transfer.final.set()

    def _sign(self, transfer: Transfer, fee: int = 1, nonce: int | None = None) -> str:
        """Sign with the next nonce: from now on it has to be mined, or all later ones wait.

        With a `nonce` that another one has, either of the two is. Returns the transaction's name.
        """
        number = len(transfer.transactions) + 1
        name = f"{transfer.request.reference}.{self.context.mark}{number}"
        if nonce is None:
            nonce = self._next_nonce
            self._next_nonce += 1
        signed = self._signed(nonce, fee)
        request = msgspec.structs.replace(transfer.request, reference=name, key=name, signed=signed)
        transfer.transactions.append(_Transaction(request, signed, self.context.now_ns()))
        self._decided(DecisionKind.SIGNED, request, name)
        return name

    def _signed(self, nonce: int, fee: int) -> Signed:
        valid_until, until_ns = self.link.valid_until, None
        if valid_until is not None:
            until_ns = self.context.now_ns() + round(valid_until * 1e9)
        network = self.chain.network if self.link.checks_network else ""
        return Signed(
            self.name, nonce, fee=fee, to=self.account, network=network, valid_until_ns=until_ns
        )

    def _decided(self, kind: DecisionKind, request: PaymentRequest, detail: str) -> None:
        self.context.decided(
            kind,
            self.signs_for,
            self.link.calls["transfer"].to,
            payment=request.payment,
            attempt=request.attempt,
            detail=detail,
        )

    def _replace(self, transfer: Transfer) -> None:
        """Offer more for what has waited for a block for too long."""
        declared = self.link.replaces
        if declared is None:
            return
        is_naive = declared.nonce == "new"
        for waiting in transfer.last[-1:] if is_naive else transfer.last:
            fee = waiting.signed.fee * declared.times
            waited_s = (self.context.now_ns() - waiting.signed_ns) / 1e9
            if not _waits(waiting) or waited_s < declared.after or fee > declared.up_to:
                continue
            if is_naive:
                if len(transfer.transactions) < MAX_SIGNED:
                    self._sign(transfer, fee)
                continue
            self._sign_again(transfer, waiting, fee, DecisionKind.REPLACED)

    def _renew(self, transfer: Transfer) -> None:
        """Sign again what has expired: its number is unused, so that one of the two is mined."""
        for expired in transfer.last:
            if expired.has_expired:
                self._sign_again(transfer, expired, expired.signed.fee, DecisionKind.RENEWED)
                renewed = transfer.transactions[-1]
                renewed.was_sent, renewed.sighting = expired.was_sent, expired.sighting

    def _sign_again(
        self, transfer: Transfer, old: _Transaction, fee: int, kind: DecisionKind
    ) -> None:
        """Sign with the nonce of another transaction, in its place."""
        name = self._sign(transfer, fee, old.signed.nonce)
        self._decided(kind, old.request, f"{old.request.reference} by {name}")

    async def _deliver(self, transfer: Transfer, parent: str) -> None:
        """Send and look until all that was signed is final."""
        while transfer.open:
            if self._quiet_s(transfer) > GIVE_UP_S:
                return
            for transaction in transfer.last:
                if not transaction.is_sent:
                    await self._broadcast(transfer, transaction, parent)
            await asyncio.sleep(self._pause_s(transfer))
            last = transfer.last
            for transaction in transfer.open:
                # What was signed again is sent no more, and may be in a block all the same.
                if transaction.is_sent or transaction not in last:
                    await self._look(transfer, transaction, parent)
            self._conclude(transfer)
            self._replace(transfer)
            self._renew(transfer)

    async def _broadcast(self, transfer: Transfer, transaction: _Transaction, parent: str) -> None:
        """Send the bytes; whether a node took them is only its word until they are seen."""
        end = await self.calls["transfer"].execute(transaction.request, parent)
        transaction.is_sent = _is_taken(end, transaction.request.reference)
        if transaction.is_sent and not transaction.was_sent:
            transaction.was_sent = True
            transfer.news_ns = self.context.now_ns()
        is_naive = self.link.nonces == "each_try"
        if (
            is_naive
            and end.reply.result.leaves_unknown
            and transaction is transfer.transactions[-1]
            and len(transfer.transactions) < MAX_SIGNED
        ):
            self._sign(transfer)

    async def _look(self, transfer: Transfer, transaction: _Transaction, parent: str) -> None:
        """Read what a node knows of it, if one answers; bytes that were lost are sent again."""
        end = await self.calls["read"].execute(transaction.request, parent)
        answer = end.reply.answer
        if (
            end.reply.result is not HopResult.APPROVED
            or answer is None
            or answer.sighting is None
            or answer.reference != transaction.request.reference
        ):
            return
        before = transaction.sighting
        if before is None or before.mined_at != answer.sighting.mined_at:
            transfer.news_ns = self.context.now_ns()
        transaction.sighting = answer.sighting
        if answer.sighting.is_known:
            transaction.unseen = 0
            return
        transaction.unseen += 1
        if transaction.unseen >= UNSEEN_LOOKS:
            transaction.unseen = 0
            transaction.is_sent = False

    def _pause_s(self, transfer: Transfer) -> float:
        """Seconds until the next look: as many blocks as are missing, longer without any news."""
        after = self.chain.links[self.chain.network].final.after or 0
        missing = [
            after - (sighting.head - sighting.mined_at)
            if sighting is not None and sighting.mined_at is not None
            else 1
            for transaction in transfer.open
            for sighting in (transaction.sighting,)
        ]
        blocks = max(1, min(missing, default=1))
        return blocks * self._block_s + self._quiet_s(transfer) * PATIENCE

    def _quiet_s(self, transfer: Transfer) -> float:
        """Seconds since something became of a transfer."""
        return (self.context.now_ns() - transfer.news_ns) / 1e9


def _is_final(transaction: _Transaction) -> bool:
    return transaction.sighting is not None and transaction.sighting.is_final


def _is_reverted(transaction: _Transaction) -> bool:
    return transaction.sighting is not None and transaction.sighting.is_reverted


def _waits(transaction: _Transaction) -> bool:
    """Whether a node says that it is in the pool, and in no block."""
    sighting = transaction.sighting
    return sighting is not None and sighting.is_known and sighting.mined_at is None


def _is_taken(end: CallEnd, reference: str) -> bool:
    answer = end.reply.answer
    if answer is None or answer.reference != reference:
        return False
    return answer.outcome is Outcome.APPROVED or answer.code in _TAKEN
