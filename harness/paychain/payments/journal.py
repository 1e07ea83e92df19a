"""The records a run is judged by. Every process appends them to a spool; run.db holds them all.

Times are integer nanoseconds since the run's epoch (a CLOCK_MONOTONIC reading shared by all
processes of a machine, or the virtual clock). Amounts are minor units.

On disk a record is a msgpack array of its tag and its fields in the order they are declared here:
a new field goes to the end and has a default, so that older spools stay readable.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Protocol

import msgspec

from paychain.payments.exchanges import HttpExchange, ReceivedRequest
from paychain.payments.outcome import HopResult, Outcome

# Operations beside or after a payment's own route: none of them is where a payment breaks.
ASIDE = frozenset(
    {"void", "query", "capture", "refund", "advise", "notify", "dispute", "recall", "confirm"}
)
# In the detail of QUEUE_DELIVERED: `CODE STORED as OTHER`. STORED was accepted,
# OTHER is the reference that it settled under.
DELIVERED_AS = " as "
Leg = Literal["in", "out"]  # of a payment: what is taken, and what is given for it


class MovementKind(StrEnum):
    """What a link's journal says happened to money."""

    AUTHORISED = "authorised"
    CAPTURED = "captured"
    UNCAPTURED = "uncaptured"  # a capture that a link behind refused later: it is held again
    VOIDED = "voided"
    REFUNDED = "refunded"
    CHARGED_BACK = "charged_back"  # returned by the issuer because the cardholder disputes it
    EXPIRED = "expired"  # not captured in time: the hold is over
    STOOD_IN = "stood_in"  # approved in place of the link that should have decided
    STORED = "stored"  # accepted now, to be decided when it is forwarded
    REDUCED = "reduced"  # what was stored: less of it was approved when it was forwarded
    ADVISED = "advised"  # the deciding link booked what another link had approved for it
    RESERVED = "reserved"  # set apart of the funding of payouts, or of a payer's account
    FREED = "freed"  # a reservation that is the funding's or the payer's again
    SPENT = "spent"  # a reservation whose payout or transfer is final
    TRANSFERRED = "transferred"  # a ledger has it in a block
    UNDONE = "undone"  # its block was replaced
    CREDITED = "credited"  # a deposit or transfer that is its receiver's to use
    TAKEN_BACK = "taken_back"  # a credit whose transfer was rejected
    RETURNED = "returned"  # by the payee's bank after a recall, and by the payer's to the payer
    REVERSED = "reversed"  # a debit whose transfer was not made: the payer has it back
    COVERED = "covered"  # a transfer that a bank paid itself: its customer's money was gone

    @property
    def verb(self) -> Verb:
        """What it does to money, whatever the rail calls it."""
        return VERB[self]

    @property
    def sign(self) -> int:
        """+1 when the movement holds the customer's money, -1 when it frees or returns it.

        A capture is 0: it takes what is held already.
        """
        return _SIGNS[self.verb]


class Verb(StrEnum):
    """The five things that can happen to money, on any rail (docs/domain.md §1.9)."""

    HOLD = "hold"  # it is set apart for the payee
    RELEASE = "release"  # what was set apart is the payer's again
    MOVE = "move"  # what was set apart is the payee's
    RETURN = "return"  # what was moved is the payer's again
    UNDONE = "undone"  # a move that was not final has not happened


VERB: dict[MovementKind, Verb] = {
    MovementKind.AUTHORISED: Verb.HOLD,
    MovementKind.STOOD_IN: Verb.HOLD,
    MovementKind.STORED: Verb.HOLD,
    MovementKind.REDUCED: Verb.RELEASE,
    MovementKind.ADVISED: Verb.HOLD,
    MovementKind.RESERVED: Verb.HOLD,
    MovementKind.FREED: Verb.RELEASE,
    MovementKind.SPENT: Verb.MOVE,
    MovementKind.TRANSFERRED: Verb.MOVE,
    MovementKind.UNDONE: Verb.UNDONE,
    MovementKind.CREDITED: Verb.MOVE,
    MovementKind.TAKEN_BACK: Verb.RETURN,
    MovementKind.RETURNED: Verb.RETURN,
    MovementKind.REVERSED: Verb.RETURN,
    MovementKind.COVERED: Verb.MOVE,
    MovementKind.VOIDED: Verb.RELEASE,
    MovementKind.EXPIRED: Verb.RELEASE,
    MovementKind.CAPTURED: Verb.MOVE,
    MovementKind.UNCAPTURED: Verb.UNDONE,
    MovementKind.REFUNDED: Verb.RETURN,
    MovementKind.CHARGED_BACK: Verb.RETURN,
}
_SIGNS = {Verb.HOLD: 1, Verb.RELEASE: -1, Verb.MOVE: 0, Verb.RETURN: -1, Verb.UNDONE: -1}


class DecisionKind(StrEnum):
    """What a policy or a link decided; each is one event in the journal."""

    RETRY = "retry"
    FAILOVER = "failover"
    SKIP = "skip"
    EXEMPT = "exempt"
    LAST_KNOWN = "last_known"  # the payment went on with the last answer that the call had brought
    DEFAULT = "default"  # it went on with the calling link's own value
    LEFT_OUT = "left_out"  # a call beside the payment's path failed: it was not waited for
    STAND_IN = "stand_in"  # the link decided in place of the one it could not reach
    QUEUE = "queue"  # accepted now, to be delivered later
    QUEUE_DELIVERED = "queue_delivered"
    QUEUE_EXPIRED = "queue_expired"  # never delivered: too old
    QUEUE_CANCELLED = "queue_cancelled"  # never delivered: reversed while it was stored
    DECLINE = "decline"
    HEDGE = "hedge"  # a second request while the first had no answer
    HEDGE_LOST = "hedge_lost"  # the other request was answered first
    SUPPRESSED = "suppressed"  # a retry or fallback that a limit did not permit; detail says which
    DEADLINE_TOO_SHORT = "deadline_too_short"  # no time left for the call or the work
    BULKHEAD_REJECTED = "bulkhead_rejected"
    EXHAUSTED = "exhausted"  # no retry and no fallback was left
    GAVE_UP = "gave_up"  # an unknown outcome was left as it is
    QUERY = "query"
    RESEND = "resend"
    REVERSAL_SENT = "reversal_sent"
    REVERSAL_ACKNOWLEDGED = "reversal_acknowledged"
    REVERSAL_ABANDONED = "reversal_abandoned"
    BREAKER_OPENED = "breaker_opened"
    BREAKER_HALF_OPEN = "breaker_half_open"
    BREAKER_CLOSED = "breaker_closed"
    BREAKER_REJECTED = "breaker_rejected"
    ANSWER_UNDELIVERABLE = "answer_undeliverable"
    REAUTHENTICATE = "reauthenticate"  # a soft decline: the cardholder is challenged
    AUTHENTICATION_LOST = "authentication_lost"  # it is not valid at the link that is called
    FOLLOW_UP_DUE = "follow_up_due"  # a capture, refund, cancel or webhook must follow from now on
    FOLLOW_UP_SENT = "follow_up_sent"  # a capture, refund, advice or webhook is on its way
    FOLLOW_UP_ACKNOWLEDGED = "follow_up_acknowledged"
    FOLLOW_UP_REFUSED = "follow_up_refused"
    FOLLOW_UP_ABANDONED = "follow_up_abandoned"
    REFUSED_LATER = "refused_later"  # after a provider had answered that it received it
    FOLLOW_UP_CANCELLED = "follow_up_cancelled"  # not due any more: its payment was reversed, say
    WEBHOOK_ACCEPTED = "webhook_accepted"
    WEBHOOK_DUPLICATE = "webhook_duplicate"  # without effect
    WEBHOOK_REJECTED = "webhook_rejected"  # its signature or its age is wrong
    DUPLICATE_REFUSED = "duplicate_refused"  # as a repeat within a duplicate window
    PARAMETER_IGNORED = "parameter_ignored"  # of a vendor's API, by its mock; detail says which
    NOT_SERVED = "not_served"  # a path or method that the mock has nothing at; detail says which
    BOOKED_PAID = "booked_paid"  # an own service's books have the order as paid; detail: its amount
    BOOKED_UNPAID = "booked_unpaid"  # they do not, or have no such order
    KEY_REUSED = "key_reused"  # an own service sent another payment's key; detail says whose
    KEY_SHARED = "key_shared"  # two different requests of one payment came to a link under one key
    REPEATED_WITHOUT_KEY = "repeated_without_key"  # an own service sent it again, without a key
    CAPTURED_AGAIN = "captured_again"  # an own service captured twice; detail: by how many keys
    REFUNDED_AGAIN = "refunded_again"  # it refunded once more; detail: under which kind of key
    WEBHOOK_FORGED = "webhook_forged"  # signed with a secret that its receiver does not share
    SIGNED = "signed"  # a wallet signed a transaction; detail: its name
    REPLACED = "replaced"  # by one with its nonce and a higher fee; detail: `OLD by NEW`
    RENEWED = "renewed"  # the same for one that has expired
    REVERTED = "reverted"  # a block has a transfer, which failed; detail: its name
    REVERT_UNDONE = "revert_undone"  # the block of one that had failed was replaced
    QUOTED = "quoted"  # sold at a price; detail: `PRICE since NANOSECONDS`
    REPORTED = "reported"  # from now on a link says to whoever asks: approved or declined
    RE_PICKED = "re_picked"  # another of many links was asked in place of one without an answer
    AGREED = "agreed"  # enough of many links answered a call; detail: how many of how many
    TOO_FEW = "too_few"  # not enough did
    CARD_GIVEN = "card_given"  # by the customer, on a provider's page
    FAULT_HIT = "fault_hit"  # an in-link fault acted on this request


class PaymentRecord(
    msgspec.Struct, kw_only=True, frozen=True, tag="payment", array_like=True, gc=False
):
    """The customer's side of one payment: the request, and what the customer saw.

    `shown` is the page in words: "approved", "declined", "error", "no answer". `code` is the
    response code (DE39), "" when none came; `instrument` its masked form, `scheme` its group;
    `decided_by` the link that decided, "" when none did; `error` how the customer's own hop failed,
    if it did.
    """

    payment: str
    intended_ns: int
    started_ns: int
    ended_ns: int
    outcome: Outcome
    technical: bool  # declined for a technical reason, or unknown
    code: str
    shown: str
    amount_minor: int
    currency: str
    scheme: str
    instrument: str
    merchant: str
    decided_by: str
    error: HopResult | None
    warm_up: bool
    approved_minor: int = 0  # shown as approved; less than the amount when it is partial
    order: str = ""  # what the customer pays for, once; "": an order of this payment alone
    order_minor: int = 0  # of the whole order; 0: this payment's amount


class HopRecord(msgspec.Struct, kw_only=True, frozen=True, tag="hop", array_like=True, gc=False):
    """One execution of a call, recorded by its caller.

    `attempt` counts tries to authorise over one route, from 1; `try_number` is 2 and more for
    retries on the same target. `parent` is the span of the hop that led to this one, "" for the
    customer's own. `route` is 0 for the declared target, n for the n-th fallback target.
    """

    payment: str
    attempt: int
    span: str
    parent: str
    caller: str
    operation: str
    callee: str
    route: int
    try_number: int
    started_ns: int
    ended_ns: int
    result: HopResult
    code: str


class Movement(
    msgspec.Struct, kw_only=True, frozen=True, tag="movement", array_like=True, gc=False
):
    """One line of a link's book.

    `leg`: money is taken from the customer (`in`) or given to the payee on another rail (`out`).
    `merchant` and `instrument` are who is credited and who is charged, the latter masked; "" where
    a book does not say.
    """

    link: str
    payment: str
    attempt: int
    kind: MovementKind
    amount_minor: int
    currency: str
    reference: str  # shared by every movement of one authorisation, on every link
    at_ns: int
    decided_by: str
    item: str = ""  # which capture or refund of the authorisation: "c1", "r1"
    merchant: str = ""
    instrument: str = ""
    leg: Leg = "in"


class Decision(
    msgspec.Struct, kw_only=True, frozen=True, tag="decision", array_like=True, gc=False
):
    """One decision of a policy or of a link."""

    link: str
    kind: DecisionKind
    at_ns: int
    payment: str  # "" when it concerns no single payment (a breaker that opened)
    attempt: int
    operation: str
    target: str  # link the decision is about: failed over to, retried, reversed, …
    detail: str
    amount_minor: int = 0  # of a follow-up that is due; 0 where it is about no amount


class FaultSwitch(
    msgspec.Struct, kw_only=True, frozen=True, tag="switch", array_like=True, gc=False
):
    """One fault applied or healed, as the run did it."""

    fault: str
    action: str  # "applied" or "healed"
    planned_ns: int
    effective_ns: int  # of an injection when it was requested, of a heal when it was acknowledged
    place: str  # "hop" or "link"
    targets: list[str]
    error: str  # "" when it worked
    took_ns: int = 0  # from asking for it until it was acknowledged

    @property
    def asked_ns(self) -> int:
        """When the run requested it."""
        return self.effective_ns - (self.took_ns if self.action == "healed" else 0)

    @property
    def acknowledged_ns(self) -> int:
        """When the engine or the link had done it."""
        return self.effective_ns + (self.took_ns if self.action == "applied" else 0)

    @property
    def problem(self) -> str:
        """What went wrong, in a sentence; "" when it worked."""
        return f"fault {self.fault} was not {self.action}: {self.error}" if self.error else ""


class EngineEvent(msgspec.Struct, kw_only=True, frozen=True, tag="engine_event", array_like=True):
    """One thing the fault engine did: a switch, a connection, a toxic's first act on one."""

    seq: int  # the engine's own number; a gap is an event it dropped
    at_ns: int
    kind: str  # "connected", "toxic_hit", "closed", "toxic_added", "proxy_disabled", …
    proxy: str  # the hop's name, "" when it concerns no single one
    connection: int | None  # number on its proxy
    toxic: str | None  # as the injector calls it: FAULT_STREAM
    detail: str

    @property
    def fault(self) -> str:
        """The fault that the toxic stands for, "" without one."""
        return (self.toxic or "").rpartition("_")[0]


class LinkSwitch(msgspec.Struct, kw_only=True, frozen=True, tag="link_switch", array_like=True):
    """One instruction that a services process got over its control API."""

    process: str
    action: str  # "applied", "healed", or "connected": its routes were set
    fault: str  # "" when it concerns none
    at_ns: int


class Stall(msgspec.Struct, frozen=True, tag="stall", array_like=True, gc=False):
    """A span in which a process of the run did not get the processor: the host's doing."""

    process: str
    from_ns: int
    until_ns: int
    pays: bool = False  # the process makes payments: it is the customers' side


Record = (
    PaymentRecord
    | HopRecord
    | Movement
    | Decision
    | FaultSwitch
    | EngineEvent
    | LinkSwitch
    | Stall
    | HttpExchange
    | ReceivedRequest
)


class Journal(Protocol):
    """Where a link's code puts its records; appending never waits and never fails."""

    def append(self, record: Record) -> None:
        """Add one record."""
