"""What a link had yet to deliver at a time: captures, cancels, webhooks, reversals, a queue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from paychain.analysis.store.store import RunStore
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult
from paychain.payments.rules.follow_ups import without_repeat

_SENT = (DecisionKind.FOLLOW_UP_SENT, DecisionKind.REVERSAL_SENT)
_END = (
    DecisionKind.FOLLOW_UP_ACKNOWLEDGED,
    DecisionKind.FOLLOW_UP_REFUSED,
    DecisionKind.FOLLOW_UP_ABANDONED,
    DecisionKind.FOLLOW_UP_CANCELLED,
    DecisionKind.REVERSAL_ACKNOWLEDGED,
    DecisionKind.REVERSAL_ABANDONED,
)
_QUEUE_END = (
    DecisionKind.QUEUE_DELIVERED,
    DecisionKind.QUEUE_EXPIRED,
    DecisionKind.QUEUE_CANCELLED,
)
_KINDS = (DecisionKind.FOLLOW_UP_DUE, *_SENT, *_END, DecisionKind.QUEUE, *_QUEUE_END)


_Named = tuple[str, str, str]  # operation, target and reference


class _Decision(NamedTuple):
    """What a link decided about a piece of its work."""

    at_ns: int
    kind: DecisionKind
    attempt: int
    operation: str
    target: str
    detail: str

    @property
    def queued(self) -> tuple[int, str, str]:
        """The request in a queue that it is about."""
        return self.attempt, self.operation, self.target

    @property
    def sent(self) -> _Named:
        """The request under way that it is about. The detail of an end: `NAME after N tries`."""
        return self.operation, self.target, self.detail.partition(" after ")[0]

    @property
    def due(self) -> _Named:
        """What was due that it is about: two triggers may send it."""
        operation, target, name = self.sent
        return operation, target, without_repeat(name)


def has_work_left(store: RunStore, link: str, at_ns: int, crashes_ns: Sequence[int] = ()) -> bool:
    """Whether a link had something to deliver at a time.

    `crashes_ns`: when it may have lost what it had yet to deliver, before that time. What it sends
    or ends afterwards all the same it has not lost.
    """
    marks = ", ".join("?" * len(_KINDS))
    rows = store.select(
        "SELECT payment, at_ns, kind, attempt, operation, target, detail FROM decision "
        f"WHERE link = ? AND kind IN ({marks}) ORDER BY payment, at_ns, rowid",
        (link, *(kind.value for kind in _KINDS)),
    )
    crashes_ns = sorted(crashes_ns)
    for _, of_payment in groupby(rows, itemgetter(0)):
        decisions = [
            _Decision(decided_ns, DecisionKind(kind), *named)
            for _, decided_ns, kind, *named in of_payment
        ]
        if _work_left(decisions, at_ns, crashes_ns).is_left:
            return True
    return False


def _work_left(decisions: Sequence[_Decision], at_ns: int, crashes_ns: Sequence[int]) -> _Work:
    """What was to be done for a payment at a time."""
    work, done = _Work(), 0
    for until_ns in (*crashes_ns, at_ns):
        while done < len(decisions) and decisions[done].at_ns < until_ns:
            work.decide(decisions[done])
            done += 1
        if until_ns != at_ns:
            work.lose(decisions[done:])
    return work


class _Work:
    """What one link had yet to do for one payment.

    A cancel is due as a follow-up is, and carried out as any reversal: so both are named alike, by
    operation, target and reference.
    """

    def __init__(self) -> None:
        self._due: set[_Named] = set()
        self._sent: set[_Named] = set()
        self._queued: set[tuple[int, str, str]] = set()

    @property
    def is_left(self) -> bool:
        return bool(self._due or self._sent or self._queued)

    def decide(self, decision: _Decision) -> None:
        """Take in the next decision of the link."""
        kind = decision.kind
        if kind is DecisionKind.QUEUE:
            self._queued.add(decision.queued)
        elif kind in _QUEUE_END:
            self._queued.discard(decision.queued)
        elif kind is DecisionKind.FOLLOW_UP_DUE:
            self._due.add(decision.due)
        else:
            # What two triggers send is due once, and may be under way twice.
            self._due.discard(decision.due)
            self._sent.discard(decision.sent)
            if kind in _SENT:
                self._sent.add(decision.sent)

    def lose(self, later: Iterable[_Decision]) -> None:
        """Keep only what a later decision of the link goes on with."""
        due, sent, queued = self._due, self._sent, self._queued
        self._due, self._sent, self._queued = set(), set(), set()
        for decision in later:
            kind = decision.kind
            # What begins anew says nothing about what was there before.
            if kind is DecisionKind.QUEUE:
                queued.discard(decision.queued)
            elif kind is DecisionKind.FOLLOW_UP_DUE:
                due.discard(decision.due)
            elif kind in _QUEUE_END:
                self._queued |= queued & {decision.queued}
            else:
                self._due |= due & {decision.due}
                self._sent |= sent & {decision.sent}


def failing_since(store: RunStore, since_ns: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """The calls of a payment that began since then and of which the last one failed.

    Caller, operation, callee, result and code; and the payment.
    """
    failures = [result.value for result in HopResult if not result.worked]
    # SQLite takes the columns beside MAX from the row that has it.
    for *call, payment, _ in store.select(
        "SELECT * FROM (SELECT caller, operation, callee, result, code, payment, MAX(started_ns) "
        "FROM hop WHERE started_ns >= ? GROUP BY payment, caller, operation, callee) "
        f"WHERE result IN ({', '.join('?' * len(failures))})",
        (since_ns, *failures),
    ):
        yield tuple(call), payment
