"""What the books say of a payout: what was reserved for it, signed, transferred, reported.

exchange    reserved ──▶ spent | freed                   leg in
wallet      signed …1, signed …2                         each is a transaction of its own
ledger      transferred ──▶ undone ──▶ transferred       leg out
customer    the answer to the request, then what the exchange reports
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from paychain.payments.journal import (
    Decision,
    DecisionKind,
    Movement,
    MovementKind,
    PaymentRecord,
)
from paychain.payments.outcome import Outcome

_RESERVATIONS = (MovementKind.RESERVED, MovementKind.FREED, MovementKind.SPENT)
Funded = Mapping[str, tuple[int, int]]
"""By reference of a reservation: what was reserved or spent with it in all, and the funding."""


@dataclass(slots=True, kw_only=True)
class Transaction:
    """Signed bytes and what a ledger made of them. `blocks`: how many have it: 0 or 1."""

    name: str
    signed_ns: int | None = None  # None: no wallet says that it signed them
    mined_ns: int | None = None  # for the first time
    blocks: int = 0
    amount_minor: int = 0

    @property
    def stands(self) -> bool:
        """Whether a block has it in the end."""
        return self.blocks > 0


@dataclass(kw_only=True)
class OnChain:
    """Everything about one payment's way over a ledger. Times are ns since the run's epoch.

    `together`: the names of the transactions that blocks had at the moment when they had most.
    `reserved`, `freed` and `spent`: times of such movements with their amounts. `reported`: what
    the customer saw, in this order: approved or declined; nothing while it was pending. `funded`:
    see `Funded`, of this payment's reservation.
    """

    transactions: Sequence[Transaction]
    together: Sequence[str] = ()
    reserved: Sequence[tuple[int, int]] = ()
    freed: Sequence[tuple[int, int]] = ()
    spent: Sequence[tuple[int, int]] = ()
    reported: Sequence[str] = ()
    funded: tuple[int, int] | None = None

    @property
    def standing(self) -> list[Transaction]:
        """The transactions that a block has in the end."""
        return [transaction for transaction in self.transactions if transaction.stands]

    def amount_of(self, name: str) -> int:
        """The amount of a transaction, in minor units."""
        return next(each.amount_minor for each in self.transactions if each.name == name)


def on_chain(
    customer: PaymentRecord,
    movements: Iterable[Movement],
    decisions: Iterable[Decision],
    funded: Funded | None = None,
) -> OnChain:
    """A payment's records, as the rules about ledgers read them.

    Movements come in the order of the ledger's book: what is undone and mined at one moment keeps
    its order there.
    """
    found: dict[str, Transaction] = {}
    reservations: dict[MovementKind, list[tuple[int, int]]] = {kind: [] for kind in _RESERVATIONS}
    reference = ""
    together: list[str] = []
    reported: list[tuple[int, str]] = []
    if customer.outcome is not Outcome.UNKNOWN:
        reported.append((customer.ended_ns, customer.outcome.value))
    for decision in decisions:
        if decision.kind is DecisionKind.SIGNED:
            _of(found, decision.detail).signed_ns = decision.at_ns
        elif decision.kind is DecisionKind.REPORTED:
            reported.append((decision.at_ns, decision.detail))
    for move in movements:
        if move.kind in reservations:
            reservations[move.kind].append((move.at_ns, move.amount_minor))
            reference = move.reference
        elif move.leg == "out":
            transaction = _of(found, move.reference)
            transaction.amount_minor = move.amount_minor
            if move.kind is MovementKind.UNDONE:
                transaction.blocks -= 1
                continue
            transaction.blocks += 1
            if transaction.mined_ns is None:
                transaction.mined_ns = move.at_ns
            now = [each.name for each in found.values() if each.stands]
            together = max(together, now, key=len)
    return OnChain(
        transactions=list(found.values()),
        together=together,
        reserved=reservations[MovementKind.RESERVED],
        freed=reservations[MovementKind.FREED],
        spent=reservations[MovementKind.SPENT],
        reported=[word for _, word in sorted(reported)],
        funded=(funded or {}).get(reference),
    )


def _of(found: dict[str, Transaction], name: str) -> Transaction:
    return found.setdefault(name, Transaction(name=name))


def funded_by(
    movements: Iterable[Movement], funding: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """What each reservation added up to; `movements` of reservations, in the order they happened.

    `funding`: what there is, by the link that pays out, in minor units.
    """
    taken: dict[str, int] = {}
    found: dict[str, tuple[int, int]] = {}
    for move in movements:
        if move.link not in funding:
            continue
        before = taken.get(move.link, 0)
        if move.kind is MovementKind.RESERVED:
            taken[move.link] = before + move.amount_minor
            found[move.reference] = taken[move.link], funding[move.link]
        elif move.kind is MovementKind.FREED:
            taken[move.link] = before - move.amount_minor
    return found
