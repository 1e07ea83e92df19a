"""What links exchange: a request for one operation, and an answer or an error in return.

Nothing here knows how a message looks on the wire: that is a dialect's (`protocol/dialects/`).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from paychain.payments.codes import is_technical
from paychain.payments.instrument import Instrument
from paychain.payments.ledger_log import Past
from paychain.payments.outcome import Outcome
from paychain.payments.transaction import LedgerEvent


class Signed(msgspec.Struct, frozen=True, gc=False):
    """What makes a transfer bytes that can be sent again: who signed it, and its place in line.

    `fee`: what its sender offers for it, in the smallest unit of the ledger. `to`: the account that
    it pays, of a deposit; "": the address that the payment is made to. `raw`: the bytes themselves
    in hex digits, where a real client made them. `network`: the one whose id is signed with it; "":
    it is valid on any. `valid_until_ns`: no block that is made then or later (ns since the run's
    epoch) gets it.
    """

    sender: str
    nonce: int
    fee: int = 1
    to: str = ""
    raw: str = ""
    network: str = ""
    valid_until_ns: int | None = None


class News(msgspec.Struct, frozen=True, gc=False):
    """What a ledger tells a node that keeps a copy of it. Times in nanoseconds since 1970.

    `changes`: what happened since as many changes as `first`. `head_ns`: when the last block was
    made; `every_ns`: from one block to the next. `final`: the last height that is never replaced;
    below 0: none is. `past`: what the changes before those left, for a node that knows fewer.
    `lowest_fee`: that is mined now, as a multiple of the usual one.
    """

    first: int
    changes: tuple[LedgerEvent, ...]
    head_ns: int
    every_ns: int
    final: int
    past: Past | None = None
    lowest_fee: int = 1


class BranchPoint(msgspec.Struct, frozen=True, gc=False):
    """Where a branch leaves the one that the rest follows: the last height of both."""

    name: str
    height: int


class Sighting(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a node says of one transaction. `head`: the height of the last block that it has seen.

    `mined_at`: the height of its block; None while it has none, or the node does not know it.
    `made_ns`: when the head was made (ns since the run's epoch), for who asks for no account, or
    for a transaction that expires.
    `is_reverted`: its block says that it failed. `branch`: of a scan of an account, whose blocks
    were read; None: the rest's.
    """

    head: int
    is_known: bool = False
    mined_at: int | None = None
    is_final: bool = False
    news: News | None = None
    made_ns: int = 0
    is_reverted: bool = False
    branch: BranchPoint | None = None


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A transfer to an account, as a block has it. `mined_at`: the height of its block."""

    payment: str  # whom the account credits with it
    reference: str
    amount_minor: int
    mined_at: int


class Quote(msgspec.Struct, frozen=True, gc=False):
    """What one coin costs, in `money.PRICE_UNIT`, and when that was published (ns since epoch)."""

    price: int
    at_ns: int


# Positional as well: both are made for every exchange, and keywords would cost each of them time.
class PaymentRequest(msgspec.Struct, omit_defaults=True, gc=False):
    """One request for one operation. `reference` names the authorisation on every link it passes.

    `key` is the idempotency key: the same for every repeat of the same attempt.
    """

    payment: str
    amount_minor: int
    currency: str
    instrument: Instrument
    merchant: str = ""
    attempt: int = 1
    reference: str = ""
    key: str = ""
    authenticated: bool = False
    exempt: bool = False
    three_ds: str = ""  # how authentication ended: frictionless, challenge, attempted
    wants_challenge: bool = False  # the issuer declined softly: frictionless will not do
    accepts_partial: bool = False  # the merchant takes an approval for less
    item: str = ""  # which capture or refund this is: "c1", "r1"
    is_final: bool = False  # the last capture: the rest is released
    decided_by: str = ""  # of an advice: who stood in
    order: str = ""  # what the payment is for; "": an order of this payment alone
    proof_for: tuple[str, ...] = ()  # links that accept the authentication; empty: every one
    # Of a request at a vendor's API, for the link that it reaches and no other:
    is_sale: bool = False  # captured at once when it is approved
    digest: str = ""  # of its bytes, which repeats of a key have to share
    declined_as: str = ""  # the code that a test card is declined with, before any other link
    signed: Signed | None = None  # of a transfer on its way to a ledger
    # Of a scan: the account whose incoming transfers are wanted, and above which height.
    account: str = ""
    above: int = 0
    since: int = -1  # of a read by a node with a copy of the ledger: how many changes it has
    branch: str = ""  # of the ledger, that a node follows; "": the one that the rest follows


class Event(PaymentRequest, kw_only=True):
    """The outcome of a request, as a webhook reports it. `key` is the event's id.

    It carries the request itself, so that its receiver can act on the authorisation.
    """

    # authorised, declined, captured, refunded, disputed; at a vendor's API
    # also voided, expired, and what was refused: capture_refused, refund_refused, void_refused, or
    # failed behind the link: capture_failed, refund_failed
    event: str = ""
    at_ns: int = 0  # when it was signed
    signature: str = ""

    @classmethod
    def of(cls, request: PaymentRequest, kind: str, at_ns: int) -> Event:
        """The event that `request` became `kind`, not signed yet."""
        values = {name: getattr(request, name) for name in PaymentRequest.__struct_fields__}
        values["key"] = f"{request.reference}-{request.item or 'payment'}-{kind}"
        return cls(**values, event=kind, at_ns=at_ns)

    def authorisation(self) -> PaymentRequest:
        """The request to authorise that this event is about."""
        values = {name: getattr(self, name) for name in PaymentRequest.__struct_fields__}
        return PaymentRequest(**{**values, "key": self.reference, "item": ""})


class Answer(msgspec.Struct, omit_defaults=True, gc=False):
    """A link's answer. An HTTP status alone says nothing about money: the outcome is here."""

    outcome: Outcome
    code: str = ""
    decided_by: str = ""
    reference: str = ""
    amount_minor: int = 0
    three_ds: str = ""
    replayed: bool = False  # the stored answer to an earlier request with the same key
    # What the code means where that differs from the table: business or technical.
    code_class: str = ""
    sighting: Sighting | None = None  # of a read: what the node knows of the transaction
    incoming: tuple[Incoming, ...] = ()  # of a scan, by height
    quote: Quote | None = None  # of an oracle

    @property
    def is_technical(self) -> bool:
        """Whether its code is about the chain's health, as its chain or the table says."""
        return self.code_class == "technical" if self.code_class else is_technical(self.code)


class ErrorKind(StrEnum):
    """Why a link gives no answer. Each dialect has its own words and status for each kind."""

    MALFORMED = "malformed"  # the request cannot be read
    NOT_FOUND = "not_found"  # the link does not offer the operation
    UNAUTHENTICATED = "unauthenticated"  # of an event: not signed by a known link
    KEY_MISSING = "key_missing"  # no idempotency key
    KEY_TOO_LONG = "key_too_long"
    KEY_MISMATCH = "key_mismatch"  # the idempotency key came with another body before
    KEY_IN_FLIGHT = "key_in_flight"  # the first request with the key is still worked on
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    BAD_GATEWAY = "bad_gateway"  # a proxy reached nothing behind it
    GATEWAY_TIMEOUT = "gateway_timeout"  # a proxy waited for nothing
    FORWARDED = "forwarded"  # a proxy passes on the error of the link behind it
    INTERNAL = "internal"
    INJECTED = "injected"  # a fault's error, with the status that the experiment declares
    GARBLED = "garbled"  # bytes that no caller can read


_CALLERS = frozenset(
    {
        ErrorKind.MALFORMED,
        ErrorKind.NOT_FOUND,
        ErrorKind.UNAUTHENTICATED,
        ErrorKind.KEY_MISSING,
        ErrorKind.KEY_TOO_LONG,
        ErrorKind.KEY_MISMATCH,
        ErrorKind.KEY_IN_FLIGHT,
        ErrorKind.RATE_LIMITED,
    }
)


class Error(msgspec.Struct, frozen=True, gc=False):
    """A link fails to answer. `status` is the declared one; 0: the dialect's own for the kind."""

    kind: ErrorKind
    message: str = ""
    status: int = 0
    retry_after_s: float = 0.0  # when the caller may try again; 0: unspecified
    replayed_as: str = ""  # under which name a provider marks a stored error; "": it is fresh
    is_after_work: bool = False  # it takes the place of an answer: the link has done its work

    @property
    def is_callers(self) -> bool:
        """The request is at fault, or its caller's pace: an error of the 400 class."""
        return 400 <= self.status < 500 if self.status else self.kind in _CALLERS


AnswerOrError = Answer | Error


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """How an answer leaves a link when it leaves otherwise than once and in good order.

    `is_stale`: it is that to an earlier request; this one was not seen.
    """

    given: AnswerOrError
    copies: int = 1
    is_stale: bool = False


def as_approved(request: PaymentRequest, answer: Answer) -> PaymentRequest:
    """What was approved: maybe over another route, which has its reference, maybe for less."""
    approved = (answer.reference, answer.amount_minor)
    if approved == (request.reference, request.amount_minor):
        return request
    return msgspec.structs.replace(
        request, reference=answer.reference, amount_minor=answer.amount_minor
    )
