"""What a link had yet to deliver at a time: captures, cancels, webhooks, reversals, a queue."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from paychain.analysis.store.store import RunStore
from paychain.payments.journal import DecisionKind
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


def has_work_left(store: RunStore, link: str, at_ns: int, since_ns: int = 0) -> bool:
    """Whether a link had something to deliver at a time.

    `since_ns`: when it last lost what it had yet to deliver.
    """
    marks = ", ".join("?" * len(_KINDS))
    rows = store.select(
        "SELECT payment, kind, attempt, operation, target, detail FROM decision "
        f"WHERE link = ? AND at_ns >= ? AND at_ns < ? AND kind IN ({marks}) "
        "ORDER BY payment, at_ns, rowid",
        (link, since_ns, at_ns, *(kind.value for kind in _KINDS)),
    )
    for _, of_payment in groupby(rows, itemgetter(0)):
        work = _Work()
        for _, kind, *named in of_payment:
            work.decide(DecisionKind(kind), *named)
        if work.is_left:
            return True
    return False


class _Work:
    """What one link had yet to do for one payment.

    A cancel is due as a follow-up is, and carried out as any reversal: so both are named alike, by
    operation, target and reference.
    """

    def __init__(self) -> None:
        self._due: set[tuple[str, str, str]] = set()
        self._sent: set[tuple[str, str, str]] = set()
        self._queued: set[tuple[int, str, str]] = set()

    @property
    def is_left(self) -> bool:
        return bool(self._due or self._sent or self._queued)

    def decide(
        self, kind: DecisionKind, attempt: int, operation: str, target: str, detail: str
    ) -> None:
        """Take in the next decision of the link."""
        queued = (attempt, operation, target)
        # The detail of an end reads `NAME after N tries`.
        name = detail.partition(" after ")[0]
        sent, due = (operation, target, name), (operation, target, without_repeat(name))
        if kind is DecisionKind.QUEUE:
            self._queued.add(queued)
        elif kind in _QUEUE_END:
            self._queued.discard(queued)
        elif kind is DecisionKind.FOLLOW_UP_DUE:
            self._due.add(due)
        else:
            # What two triggers send is due once, and may be under way twice.
            self._due.discard(due)
            self._sent.discard(sent)
            if kind in _SENT:
                self._sent.add(sent)
