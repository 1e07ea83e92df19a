"""The records a run is judged by. Every process appends them to a spool; run.db holds them all.

Times are integer nanoseconds since the run's epoch (a CLOCK_MONOTONIC reading shared by all
processes of a machine, or the virtual clock). Amounts are minor units.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Protocol

import msgspec

from harness.payments.outcome import HopResult, Outcome

# Operations beside or after a payment's own way: none of them is where a payment breaks.
ASIDE = frozenset({"void", "query", "capture", "refund", "advise", "notify"})


class MovementKind(StrEnum):
    """What a link's journal says happened to money."""

    AUTHORISED = "authorised"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"
    EXPIRED = "expired"  # nobody captured it in time: the hold is over
    STOOD_IN = "stood_in"  # approved in place of the link that should have decided
    STORED = "stored"  # accepted now, to be decided when it is forwarded
    ADVISED = "advised"  # the deciding link took over what was stood in for it

    @property
    def sign(self) -> int:
        """+1 when the movement holds the customer's money, -1 when it frees it, 0 otherwise.

        A capture takes what is held already: 0.
        """
        if self in _HOLDS:
            return 1
        return 0 if self is MovementKind.CAPTURED else -1


_HOLDS = (
    MovementKind.AUTHORISED, MovementKind.STOOD_IN, MovementKind.STORED, MovementKind.ADVISED,
)  # fmt: skip


class DecisionKind(StrEnum):
    """What a policy or a link decided; each is one event in the journal."""

    RETRY = "retry"
    FAILOVER = "failover"
    SKIP = "skip"
    EXEMPT = "exempt"
    STAND_IN = "stand_in"  # the link decided in place of the one it could not reach
    QUEUE = "queue"  # accepted now, to be delivered later
    QUEUE_DELIVERED = "queue_delivered"
    QUEUE_EXPIRED = "queue_expired"  # never delivered: too old
    DECLINE = "decline"
    HEDGE = "hedge"  # a second request while the first had no answer
    HEDGE_LOST = "hedge_lost"  # an answer came first from the other one
    WITHHELD = "withheld"  # a retry or fallback that a limit forbade; detail says which
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
    FOLLOW_UP_SENT = "follow_up_sent"  # a capture, refund, advice or notification is on its way
    FOLLOW_UP_ACKNOWLEDGED = "follow_up_acknowledged"
    FOLLOW_UP_REFUSED = "follow_up_refused"
    FOLLOW_UP_ABANDONED = "follow_up_abandoned"
    NOTIFIED = "notified"  # a notification was taken
    NOTIFICATION_REPEATED = "notification_repeated"  # known already: without effect
    NOTIFICATION_REFUSED = "notification_refused"  # its signature or its age is wrong
    FAULT_HIT = "fault_hit"  # an in-link fault acted on this request


class PaymentRecord(msgspec.Struct, frozen=True, tag="payment", array_like=True, gc=False):
    """The customer's side of one payment: what was asked, and what the customer was told."""

    payment: str
    intended_ns: int
    started_ns: int
    ended_ns: int
    outcome: Outcome
    technical: bool  # declined for a technical reason, or unknown
    code: str  # response code (DE39) or "" when none came
    told: str  # words of what the customer saw: "approved", "declined", "error", "no answer"
    amount_minor: int
    currency: str
    scheme: str
    card: str  # first six and last four digits only
    merchant: str
    decided_by: str  # link that decided, "" when none
    error: HopResult | None  # how the customer's own hop failed, when it did
    warm_up: bool
    approved_minor: int = 0  # what the customer was told is approved; less when it is partial


class HopRecord(msgspec.Struct, frozen=True, tag="hop", array_like=True, gc=False):
    """One execution of a call, recorded by its caller."""

    payment: str
    attempt: int  # counts tries to authorise over one route, from 1
    span: str
    parent: str  # span of the hop that led to it, "" for the customer's own
    caller: str
    operation: str
    callee: str
    route: int  # 0 the declared target, n the n-th fallback
    try_number: int  # 1 for the first, 2 and more for retries on the same target
    started_ns: int
    ended_ns: int
    result: HopResult
    code: str


class Movement(msgspec.Struct, frozen=True, tag="movement", array_like=True, gc=False):
    """One line of a link's book."""

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


class Decision(msgspec.Struct, frozen=True, tag="decision", array_like=True, gc=False):
    """One decision of a policy or of a link."""

    link: str
    kind: DecisionKind
    at_ns: int
    payment: str  # "" when it concerns no single payment (a breaker that opened)
    attempt: int
    operation: str
    target: str  # link the decision is about: failed over to, retried, reversed, …
    detail: str


class FaultSwitch(msgspec.Struct, frozen=True, tag="switch", array_like=True, gc=False):
    """One fault put on or taken off, as the conductor did it."""

    fault: str
    action: str  # "applied" or "healed"
    planned_ns: int
    effective_ns: int  # the engine or the mock had acknowledged it
    place: str  # "hop" or "link"
    targets: list[str]
    error: str  # "" when it worked


class EngineEvent(msgspec.Struct, frozen=True, tag="engine_event", array_like=True):
    """One thing the fault engine did: a switch, a connection, a toxic's first act on one."""

    seq: int  # the engine's own number; a gap is an event it had thrown away
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


class Standstill(msgspec.Struct, frozen=True, tag="standstill", array_like=True, gc=False):
    """A process of the run's own did nothing at all: the machine's doing, not the chain's."""

    process: str
    from_ns: int
    until_ns: int
    pays: bool = False  # the customers' side


Record = PaymentRecord | HopRecord | Movement | Decision | FaultSwitch | EngineEvent | Standstill

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Record)
_LENGTH_BYTES = 4
MAX_FRAME_BYTES = 1_000_000  # far above any record: a longer length is a corrupt file


class Journal(Protocol):
    """Where a link's code puts its records; it never waits and never fails."""

    def append(self, record: Record) -> None:
        """Take one record."""


def encode(records: Iterable[Record]) -> bytes:
    """Frames of a spool file: each record length-prefixed (4 bytes, big endian)."""
    out = bytearray()
    for record in records:
        frame = _ENCODER.encode(record)
        out += len(frame).to_bytes(_LENGTH_BYTES, "big")
        out += frame
    return bytes(out)


def decode(data: bytes) -> tuple[list[Record], int]:
    """Whole records in `data` and how many bytes they took; a cut tail is left for later.

    A frame that is no record ends the list before it, so that nothing read is lost.
    Raises msgspec.DecodeError when it is the first.
    """
    records: list[Record] = []
    position = 0
    for start, end in _frames(data):
        try:
            if end - start > MAX_FRAME_BYTES:
                raise msgspec.DecodeError(f"a frame of {end - start} bytes")
            records.append(_DECODER.decode(memoryview(data)[start:end]))
        except msgspec.DecodeError:
            if not records:
                raise
            break
        position = end
    return records, position


def _frames(data: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each whole frame, and of one that is longer than any record can be."""
    position = 0
    while position + _LENGTH_BYTES <= len(data):
        start = position + _LENGTH_BYTES
        end = start + int.from_bytes(data[position:start], "big")
        if end > len(data) and end - start <= MAX_FRAME_BYTES:
            return
        yield start, end
        position = end
