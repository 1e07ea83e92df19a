"""Transactions of a ledger, and what happens to each. Source: docs/crypto.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf

REPLACES_FROM = 110  # percent of the fee of the transaction that is replaced; geth's default


class Refusal(StrEnum):
    """Why a ledger does not take a transaction, in the words of geth."""

    ALREADY_KNOWN = "already known"
    NONCE_TOO_LOW = "nonce too low"
    REPLACEMENT_UNDERPRICED = "replacement transaction underpriced"
    UNDERPRICED = "transaction underpriced"
    POOL_FULL = "txpool is full"
    INSUFFICIENT_FUNDS = "insufficient funds"
    EXPIRED = "message expired"  # geth's transactions do not expire


class TransactionChange(StrEnum):
    """What happened to a transaction."""

    ACCEPTED = "accepted"  # it waits in the pool; the ledger leaves it to its keeper to note that
    MINED = "mined"  # a block has it; if it was reverted, it moves nothing
    UNDONE = "undone"  # its block was replaced: it waits in the pool again, or is lost
    FORGOTTEN = "forgotten"  # it left the pool and will not be mined unless it is sent again


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """Signed bytes: `id` is their hash. A sender's nonces count from 0, each used once.

    `raw`: the bytes themselves in hex digits, where a real client made them. `usual_fee`: what
    those who sign as its sender does offer while nobody has to outbid others. `valid_until_ns`: a
    block that is made then or later does not get it; None: it is valid forever. `is_reverted`: the
    block that has it says that it failed: its nonce is used, and nothing is moved.
    """

    id: str
    sender: str
    nonce: int
    to: str
    amount_minor: int
    fee: int = 1
    raw: str = ""
    usual_fee: int = 1
    valid_until_ns: int | None = None
    is_reverted: bool = False

    @property
    def moved_minor(self) -> int:
        """How much of its amount it moves, once it is in a block: all of it, or nothing."""
        return 0 if self.is_reverted else self.amount_minor

    @property
    def receiver(self) -> str:
        """Who has its amount once it is in a block."""
        return self.sender if self.is_reverted else self.to

    @property
    def expires_ns(self) -> float:
        """From when on no block gets it."""
        return inf if self.valid_until_ns is None else self.valid_until_ns

    def outbids(self, other: Transaction) -> bool:
        """Whether it offers enough to take the place of another one with its nonce."""
        return self.fee * 100 >= other.fee * REPLACES_FROM

    def is_expired(self, at_ns: int) -> bool:
        """Whether a block that is made then does not get it any more."""
        return self.expires_ns <= at_ns

    @property
    def waiting(self) -> Transaction:
        """The same bytes before a block has them: they may fare better in another one."""
        return replace(self, is_reverted=False) if self.is_reverted else self


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """What happened to a transaction, when, and at which height."""

    at_ns: int
    change: TransactionChange
    transaction: Transaction
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a ledger says of a transaction at one moment.

    `mined_at`: the height of its block, None while it has none. `is_known`: it waits in the pool,
    or is mined. `is_reverted`: its block says that it failed.
    """

    is_known: bool
    mined_at: int | None = None
    is_final: bool = False
    is_reverted: bool = False
