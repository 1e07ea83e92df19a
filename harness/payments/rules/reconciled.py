"""One payment beside all books: what the customer wanted and was told, what every link holds.

An authorisation is what all movements with one reference say. Its money is where it was decided:
in the issuer's book, or with the link that stood in for the issuer until the advice reached it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.payments.journal import Movement, MovementKind
from harness.payments.money import written
from harness.payments.retry_limits import Presentation

REPEAT = "~"  # marks a second execution of the same request: "c1~2"


@dataclass(slots=True)
class Position:
    """What one link's book says of one authorisation. Amounts are minor units."""

    times: int = 0  # holds less releases
    authorised_minor: int = 0  # of the first hold
    released_minor: int = 0
    captured: dict[str, int] = field(default_factory=dict)  # by item, repeats apart
    refunded: dict[str, int] = field(default_factory=dict)
    again_minor: int = 0  # booked again under an item that was booked already
    is_expired: bool = False
    stood_in: bool = False
    is_advised: bool = False

    @property
    def captured_minor(self) -> int:
        """Taken, repeats left out."""
        return _distinct(self.captured) if self.captured else 0

    @property
    def refunded_minor(self) -> int:
        """Given back, repeats left out."""
        return _distinct(self.refunded) if self.refunded else 0

    @property
    def repeated_minor(self) -> int:
        """Taken or given back a second time for the same request."""
        again = sum(self.captured.values()) - self.captured_minor
        return self.again_minor + again + sum(self.refunded.values()) - self.refunded_minor

    @property
    def charges(self) -> int:
        """How many times the customer's money is held or taken here."""
        if self.captured and self.captured_minor > self.refunded_minor:
            return max(1, self.times)
        return max(0, self.times) if self.exposure_minor > 0 else 0

    @property
    def exposure_minor(self) -> int:
        """How much of the customer's money is held or taken."""
        held = max(0, self.times) * self.authorised_minor
        return max(held, self.captured_minor) - self.refunded_minor


def _distinct(items: dict[str, int]) -> int:
    return sum({item.partition(REPEAT)[0]: amount for item, amount in items.items()}.values())


@dataclass(slots=True)
class Authorisation:
    """One authorisation on all links."""

    reference: str
    attempt: int
    decided_by: str
    positions: dict[str, Position] = field(default_factory=dict)  # by link
    amounts: set[tuple[int, str]] = field(default_factory=set)  # held amounts with currency
    currencies: set[str] = field(default_factory=set)  # of any movement
    path: frozenset[str] = frozenset()  # links whose books must have it once it is approved
    is_partial: bool = False  # approved for less than asked (code 10)

    def money(self, issuers: frozenset[str]) -> Position | None:
        """The position that says where the money is; None when no decider ever held it."""
        for link in issuers:
            if link in self.positions:
                return self.positions[link]
        decider = self.positions.get(self.decided_by)
        return decider if decider is not None and decider.stood_in else None


@dataclass(frozen=True, slots=True)
class StoodIn:
    """One stand-in approval. `nth` and `nth_of_card` count those of the link before it, too."""

    link: str
    reference: str
    amount_minor: int
    nth: int
    nth_of_card: int
    up_to_minor: int
    most: int | None
    per_card: int | None


@dataclass(slots=True)
class Reconciled:
    """One payment: what the customer wanted and was told, and what the books say."""

    payment: str
    amount_minor: int
    currency: str
    told_approved: bool
    authorisations: list[Authorisation]
    issuers: frozenset[str] = frozenset()
    gateways: frozenset[str] = frozenset()
    told_minor: int = 0  # amount the customer was told is approved, 0 when not said
    scheme: str = ""
    presentations: Sequence[tuple[Presentation, bool]] = ()  # each with: was it declined
    unresolved: Sequence[str] = ()  # hops that ended unknown and were never cleared up
    unauthenticated: Sequence[str] = ()  # authorised after authentication had failed
    unsettled: Sequence[str] = ()  # captures, refunds, advices due and never done
    stood_in: Sequence[StoodIn] = ()

    def held(self) -> Iterable[tuple[Authorisation, Position]]:
        """The authorisations that hold or took the customer's money, with where it is."""
        for one in self.authorisations:
            position = one.money(self.issuers)
            if position is not None and position.charges > 0:
                yield one, position

    @property
    def times_held(self) -> int:
        """How many times the customer's money is held, over all processors together."""
        return sum(position.charges for _, position in self.held())

    def money(self, amount_minor: int) -> str:
        """An amount as people write it."""
        return written(amount_minor, self.currency)


@dataclass(frozen=True)
class Finding:
    """One payment that broke a rule, and by how much money."""

    payment: str
    amount_minor: int
    text: str
    references: tuple[str, ...]

    @classmethod
    def of(cls, payment: Reconciled, amount_minor: int, text: str) -> Finding:
        """With every authorisation that any link still holds."""
        references = tuple(
            f"{one.reference} at {', '.join(holding)}"
            for one in payment.authorisations
            if (holding := sorted(link for link, at in one.positions.items() if at.charges > 0))
        )
        return cls(payment.payment, amount_minor, text, references)


def authorisations(movements: Iterable[Movement]) -> list[Authorisation]:
    """The authorisations that a payment's movements speak of."""
    found: dict[str, Authorisation] = {}
    for move in movements:
        one = found.get(move.reference)
        if one is None:
            one = Authorisation(move.reference, move.attempt, move.decided_by)
            found[move.reference] = one
        position = one.positions.get(move.link)
        if position is None:
            position = one.positions[move.link] = Position()
        one.currencies.add(move.currency)
        _book(one, position, move)
    return list(found.values())


def _book(one: Authorisation, position: Position, move: Movement) -> None:
    match move.kind:
        case (
            MovementKind.AUTHORISED
            | MovementKind.STOOD_IN
            | MovementKind.STORED
            | MovementKind.ADVISED
        ):
            position.times += 1
            position.authorised_minor = position.authorised_minor or move.amount_minor
            position.stood_in |= move.kind in (MovementKind.STOOD_IN, MovementKind.STORED)
            position.is_advised |= move.kind is MovementKind.ADVISED
            one.amounts.add((move.amount_minor, move.currency))
        case MovementKind.VOIDED | MovementKind.EXPIRED:
            position.times -= 1
            position.released_minor += move.amount_minor
            position.is_expired |= move.kind is MovementKind.EXPIRED
        case MovementKind.CAPTURED | MovementKind.REFUNDED:
            took = move.kind is MovementKind.CAPTURED
            items = position.captured if took else position.refunded
            if move.item in items:
                position.again_minor += move.amount_minor
            else:
                items[move.item] = move.amount_minor
