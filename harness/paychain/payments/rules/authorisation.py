"""One authorisation on all links: what every book says under one reference, and where its money is.

Its money is where it settles: in the book of a settling link (the issuer's), or with the link that
stood in until the advice arrived.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from paychain.payments.journal import Leg, Movement, MovementKind
from paychain.payments.rules.position import Position, attempt_of, tender_of


@dataclass(slots=True, kw_only=True)
class Authorisation:
    """One authorisation on all links.

    `positions` are by link, `amounts` are held amounts (minor units, currency), `currencies` those
    of any movement, `parties` its merchants and instruments as the books name them. `path`: links
    whose books must have it once it is approved. `is_partial`: approved for less than was asked
    (code 10). `stored_as`: the names that it was stored under, and delivered under another one.
    `deciders`: whom the books name as having approved it; after a wrong answer they name several.
    """

    reference: str
    attempt: int
    decided_by: str
    leg: Leg = "in"
    positions: dict[str, Position] = field(default_factory=dict)
    amounts: set[tuple[int, str]] = field(default_factory=set)
    currencies: set[str] = field(default_factory=set)
    parties: set[tuple[str, str]] = field(default_factory=set)
    path: frozenset[str] = frozenset()
    is_partial: bool = False
    stored_as: frozenset[str] = frozenset()
    deciders: frozenset[str] = frozenset()

    def money(self, settling: frozenset[str]) -> list[Position]:
        """The positions that say where the money is; none when nobody who may ever held it.

        There are several where one reference was authorised at several banks, as by two gateways
        that share keys. A settling link's book counts before that of a link that stood in: once the
        advice arrived, both hold the same money. What was stored is nobody's until it is delivered.
        """
        settled = [position for link, position in self.positions.items() if link in settling]
        decider = self.positions.get(self.decided_by)
        if not settled and decider is not None and decider.stood_in:
            return [decider]
        return settled

    def charged(self, settling: frozenset[str]) -> list[Position]:
        """The positions that say what the customer is out of; none while no card holds a cent.

        A stand-in is a promise of the link that stood in: before its advice arrives where money
        settles, it holds nobody's money. Source: docs/domain.md §1.7.
        """
        is_promise = settling and not settling & self.positions.keys()
        return [] if is_promise else self.money(settling)

    def is_sound(self, overcapture: Mapping[str, float]) -> bool:
        """All books booked one amount, and each keeps the laws by itself.

        `overcapture`: how much more than it holds a link may capture, as a share of the hold.
        """
        return len(self.amounts) <= 1 and all(
            position.is_sound(overcapture.get(link, 0.0))
            for link, position in self.positions.items()
        )


def times_charged(charges: Iterable[tuple[Authorisation, Position]], *, has_tenders: bool) -> int:
    """How often a customer pays the same: the tenders of one attempt are one charge together.

    Without `has_tenders` none is one, whatever its name: an own service may call its attempts so.
    """
    times: defaultdict[str, Counter[str]] = defaultdict(Counter)  # by attempt and tender
    for entry, position in charges:
        is_again = position.holds > 1 and position.exposure_minor > position.first_minor
        attempt = attempt_of(entry.reference) if has_tenders else entry.reference
        times[attempt][tender_of(entry.reference)] += 2 if is_again else 1
    return sum(max(by_tender.values()) for by_tender in times.values())


Renamed = Mapping[tuple[str, str], str]
"""By reference and the link that decided under it: the reference that its money settles under."""


def authorisations(
    movements: Iterable[Movement], renamed: Renamed | None = None
) -> list[Authorisation]:
    """The authorisations that a payment's movements speak of, in the order they first appear.

    `renamed`: what was stored under one reference and delivered under another is one authorisation.
    """
    found: dict[str, Authorisation] = {}
    for movement in movements:
        reference = movement.reference
        if renamed:
            reference = renamed.get((reference, movement.decided_by), reference)
        entry = found.get(reference)
        if entry is None:
            entry = found[reference] = Authorisation(
                reference=reference,
                attempt=movement.attempt,
                decided_by=movement.decided_by,
                leg=movement.leg,
            )
        if movement.reference != reference:
            entry.stored_as |= {movement.reference}
        position = entry.positions.get(movement.link)
        if position is None:
            position = entry.positions[movement.link] = Position()
        entry.currencies.add(movement.currency)
        entry.parties.add((movement.merchant, movement.instrument))
        if movement.kind.sign > 0:
            entry.amounts.add((movement.amount_minor, movement.currency))
            entry.deciders |= {movement.decided_by}
        if movement.kind is MovementKind.REDUCED:
            _reduce(entry, movement)
        position.book(movement)
    return list(found.values())


def _reduce(entry: Authorisation, reduced: Movement) -> None:
    """Take the amount that a link had stored for the one that it was approved for on delivery."""
    stored_minor = entry.positions[reduced.link].first_minor
    elsewhere = {book.first_minor for link, book in entry.positions.items() if link != reduced.link}
    if stored_minor not in elsewhere:
        entry.amounts.discard((stored_minor, reduced.currency))
    entry.amounts.add((stored_minor - reduced.amount_minor, reduced.currency))
