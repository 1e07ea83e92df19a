"""Money rules: what must hold for every payment when all is done. Each is small and pure.

An authorisation is what all movements with one reference say. The money is where it was decided:
in the book of the link that decided it, normally the issuer. Source: domain.md §2.5.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from harness.payments.journal import Movement, MovementKind
from harness.payments.money import written


@dataclass
class Authorisation:
    """One authorisation on all links: how often each holds it (1 held, 0 freed or never)."""

    reference: str
    decided_by: str
    held: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    amounts: set[tuple[int, str]] = field(default_factory=set)
    books: set[str] = field(default_factory=set)
    path: frozenset[str] = frozenset()  # links whose books must have it once it is approved

    @property
    def times_held(self) -> int:
        """How many times the deciding link holds the money."""
        return self.held.get(self.decided_by, 0)


@dataclass
class Reconciled:
    """One payment: what the customer wanted and was told, and what the books say."""

    payment: str
    amount_minor: int
    currency: str
    told_approved: bool
    authorisations: list[Authorisation]
    deciders: frozenset[str] = frozenset()  # links that may hold money: the issuers

    @property
    def times_held(self) -> int:
        """How many times the customer's money is held, over all processors together."""
        return sum(
            max(0, one.times_held)
            for one in self.authorisations
            if one.decided_by in self.deciders and one.decided_by in one.books
        )


@dataclass(frozen=True)
class Finding:
    """One payment that broke a rule, and by how much money."""

    payment: str
    amount_minor: int
    text: str
    references: tuple[str, ...]


Rule = Callable[[Reconciled], "Finding | None"]


def no_double_charge(payment: Reconciled) -> Finding | None:
    """The money of one payment is held more than once, over all processors together."""
    if payment.times_held <= 1:
        return None
    over = (payment.times_held - 1) * payment.amount_minor
    taken = written(payment.times_held * payment.amount_minor, payment.currency)
    order = written(payment.amount_minor, payment.currency)
    return _finding(payment, over, f"{taken} held for an order of {order}")


def no_orphaned_authorisation(payment: Reconciled) -> Finding | None:
    """Money is held although the customer was not told that the payment was approved."""
    if payment.told_approved or payment.times_held != 1:
        return None  # held more than once is a double charge, whatever the customer was told
    held = written(payment.amount_minor, payment.currency)
    return _finding(payment, payment.amount_minor, f"{held} held, but the customer was not told")


def no_approval_without_money(payment: Reconciled) -> Finding | None:
    """The customer was told that it is approved, and no issuer holds money for it."""
    if not payment.told_approved or payment.times_held >= 1:
        return None
    if any(one.decided_by in payment.deciders for one in payment.authorisations):
        return None  # an issuer did decide: its lost entry is for the books to disagree about
    amount = written(payment.amount_minor, payment.currency)
    return _finding(payment, payment.amount_minor, f"{amount} approved with no money behind it")


def amounts_equal(payment: Reconciled) -> Finding | None:
    """A link booked another amount or currency than the customer agreed to."""
    agreed = (payment.amount_minor, payment.currency)
    others = sorted({a for one in payment.authorisations for a in one.amounts if a != agreed})
    if not others:
        return None
    booked = ", ".join(written(*other) for other in others)
    off = max(abs(amount - payment.amount_minor) for amount, _ in others)
    return _finding(payment, off, f"{booked} booked for an order of {written(*agreed)}")


def books_agree(payment: Reconciled) -> Finding | None:
    """The links that took part in an approved authorisation do not all hold it."""
    if not payment.told_approved or payment.times_held > 1:
        return None  # what is held twice is one finding, not two
    for one in payment.authorisations:
        if one.decided_by not in payment.deciders:
            continue
        holding = {link for link in one.books if one.held[link] > 0}
        missing = sorted((one.books | one.path) - holding)
        if holding and missing:
            text = f"{one.reference} is missing in the book of {', '.join(missing)}"
            return _finding(payment, payment.amount_minor, text)
    return None


RULES: dict[str, tuple[str, Rule]] = {
    "no_double_charge": ("No double charge", no_double_charge),
    "no_orphaned_authorisation": ("No orphaned authorisation", no_orphaned_authorisation),
    "no_approval_without_money": ("No approval without money", no_approval_without_money),
    "amounts_equal": ("Amounts and currencies equal", amounts_equal),
    "books_agree": ("Books of all links agree", books_agree),
}


def authorisations(movements: Iterable[Movement]) -> list[Authorisation]:
    """The authorisations that a payment's movements speak of."""
    found: dict[str, Authorisation] = {}
    for move in movements:
        one = found.setdefault(move.reference, Authorisation(move.reference, move.decided_by))
        one.held[move.link] += move.kind.sign
        one.books.add(move.link)
        if move.kind in (MovementKind.AUTHORISED, MovementKind.STOOD_IN):
            one.amounts.add((move.amount_minor, move.currency))
    return list(found.values())


def _finding(payment: Reconciled, amount_minor: int, text: str) -> Finding:
    references = tuple(
        f"{one.reference} at {', '.join(sorted(k for k, v in one.held.items() if v > 0))}"
        for one in payment.authorisations
        if any(value > 0 for value in one.held.values())
    )
    return Finding(payment.payment, amount_minor, text, references)
