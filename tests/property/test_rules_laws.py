"""Sound lifecycles break no money rule; one planted bug breaks exactly its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from paychain.payments.journal import Movement, MovementKind
from paychain.payments.rules import RULES, Reconciled, authorisations
from paychain.payments.rules.follow_ups import FollowUp

LINKS = ("gateway", "processor", "scheme", "issuer")
KINDS = MovementKind

CANCELLED = FollowUp(
    link="gateway",
    operation="void",
    target="processor",
    attempt=1,
    name="p-9",
    amount_minor=0,
    end="done",
    is_due=True,
)


@dataclass(frozen=True)
class Life:
    """A payment's movements, and what the customer learned."""

    amount: int
    movements: tuple[Movement, ...]
    shown_approved: bool
    shown_minor: int
    is_partial: bool
    last: str  # reference of the attempt that was approved, "" when none was

    @property
    def is_cancelled(self) -> bool:
        return any(
            move.kind is KINDS.VOIDED and move.reference == self.last for move in self.movements
        )

    def broken(self) -> set[str]:
        found = authorisations(self.movements)
        for each in found:
            each.path = frozenset(LINKS) if each.reference == self.last else frozenset()
            each.is_partial = self.is_partial
        payment = Reconciled(
            payment="p",
            amount_minor=self.amount,
            currency="EUR",
            shown_approved=self.shown_approved,
            authorisations=found,
            settling=frozenset({"issuer"}),
            merchants=frozenset({"gateway"}),
            accepts_partial=True,
            follow_ups=[CANCELLED] if self.is_cancelled else [],
            shown_minor=self.shown_minor,
        )
        return {name for name, rule in RULES.items() if rule(payment) is not None}


def booked(
    kind: MovementKind,
    reference: str,
    amount: int,
    *,
    links: tuple[str, ...] = LINKS,
    item: str = "",
    decided_by: str = "issuer",
) -> list[Movement]:
    return [
        Movement(
            link=link,
            payment="p",
            attempt=1,
            kind=kind,
            amount_minor=amount,
            currency="EUR",
            reference=reference,
            at_ns=0,
            decided_by=decided_by,
            item=item,
        )
        for link in links
    ]


@st.composite
def lives(draw: st.DrawFn) -> Life:
    amount = draw(st.integers(100, 100_000))
    moves: list[Movement] = []
    for number in range(draw(st.integers(0, 3))):  # attempts that were undone
        links = LINKS[draw(st.integers(1, 2)) :]
        moves += booked(KINDS.AUTHORISED, f"p-{number}", amount, links=links)
        moves += booked(KINDS.VOIDED, f"p-{number}", amount, links=links)
    if draw(st.booleans()):
        return Life(amount, tuple(moves), False, 0, False, "")
    is_partial = draw(st.booleans())
    held = draw(st.integers(50, amount)) if is_partial else amount
    if draw(st.booleans()):
        moves += booked(KINDS.AUTHORISED, "p-9", held)
    else:
        moves += booked(KINDS.AUTHORISED, "p-9", held, links=LINKS[:2], decided_by="scheme")
        moves += booked(KINDS.STOOD_IN, "p-9", held, links=("scheme",), decided_by="scheme")
        moves += booked(KINDS.ADVISED, "p-9", held, links=("issuer",), decided_by="scheme")
    left = held
    for number in range(draw(st.integers(0, 3))):
        part = draw(st.integers(0, left))
        if part:
            moves += booked(KINDS.CAPTURED, "p-9", part, item=f"c{number}")
            left -= part
    taken = held - left
    if left and draw(st.booleans()):  # cancelled, or the rest of it released
        moves += booked(KINDS.VOIDED, "p-9", left)
    for number in range(draw(st.integers(0, 2))):
        back = draw(st.integers(0, taken))
        if back:
            moves += booked(KINDS.REFUNDED, "p-9", back, item=f"r{number}")
            taken -= back
    return Life(amount, tuple(moves), True, held, is_partial, "p-9")


def held_lives() -> st.SearchStrategy[Life]:
    """Lives in which the customer's money is held or taken at the end, on every link."""
    return lives().filter(
        lambda life: (
            life.last != ""
            and not any(
                move.kind is KINDS.VOIDED and move.reference == life.last for move in life.movements
            )
            and sum(_net(move) for move in life.movements) > 0
        )
    )


def _net(move: Movement) -> int:
    """Of the issuer's book: more is held or taken than given back."""
    if move.link != "issuer" or move.reference != "p-9":
        return 0
    if move.kind in (KINDS.AUTHORISED, KINDS.ADVISED):
        return move.amount_minor
    return -move.amount_minor if move.kind is KINDS.REFUNDED else 0


@given(lives())
def test_a_sound_life_breaks_no_rule(life: Life) -> None:
    assert life.broken() == set()


Bug = Callable[[Life], Life]


def plus(life: Life, more: list[Movement]) -> Life:
    return replace(life, movements=(*life.movements, *more))


def held_minor(life: Life) -> int:
    return next(
        move.amount_minor
        for move in life.movements
        if move.reference == life.last and move.kind.sign > 0
    )


def total(life: Life, kind: MovementKind) -> int:
    return sum(
        move.amount_minor
        for move in life.movements
        if move.kind is kind and move.link == "gateway" and move.reference == life.last
    )


def charge_again(life: Life) -> Life:
    other = booked(KINDS.AUTHORISED, "p-x", life.amount, links=LINKS[1:])
    return plus(life, other)


def tell_nobody(life: Life) -> Life:
    return replace(life, shown_approved=False, shown_minor=0)


def tell_more(life: Life) -> Life:
    return replace(life, shown_minor=life.shown_minor + 1)


def lose_scheme(life: Life) -> Life:
    kept = (move for move in life.movements if (move.link, move.reference) != ("scheme", life.last))
    return replace(life, movements=tuple(kept))


def book_a_cent_more(life: Life) -> Life:
    changed = tuple(
        msgspec.structs.replace(move, amount_minor=move.amount_minor + 1)
        if move.link == "processor" and move.reference == life.last and move.kind.sign > 0
        else move
        for move in life.movements
    )
    return replace(life, movements=changed)


def capture_too_much(life: Life) -> Life:
    more = held_minor(life) - total(life, KINDS.CAPTURED) + 1
    return plus(life, booked(KINDS.CAPTURED, life.last, more, item="c-more"))


def capture_in_one_book(life: Life) -> Life:
    """One cent less than a partial capture of what is left, so that no limit is passed."""
    left = held_minor(life) - total(life, KINDS.CAPTURED)
    if not left:
        return life
    return plus(life, booked(KINDS.CAPTURED, life.last, left, item="c-x", links=("processor",)))


def refund_too_much(life: Life) -> Life:
    more = total(life, KINDS.CAPTURED) - total(life, KINDS.REFUNDED) + 1
    return plus(life, booked(KINDS.REFUNDED, life.last, more, item="r-more"))


def capture_again(life: Life) -> Life:
    again = [
        move for move in life.movements if move.kind is KINDS.CAPTURED and move.link == "processor"
    ]
    return plus(life, again[:1])


def plant(bug: Bug, rule: str, life: Life) -> None:
    planted = bug(life)
    assert planted.broken() == ({rule} if planted != life else set())


@given(held_lives())
def test_a_second_charge_is_a_double_charge(life: Life) -> None:
    plant(charge_again, "no_double_charge", life)


@given(held_lives())
def test_money_the_customer_knows_nothing_of_is_orphaned(life: Life) -> None:
    plant(tell_nobody, "no_orphaned_authorisation", life)


@given(lives().filter(lambda life: life.shown_approved))
def test_another_amount_reported_is_found(life: Life) -> None:
    plant(tell_more, "customer_saw_the_amount", life)


@given(held_lives().filter(lambda life: all(m.kind is not KINDS.STOOD_IN for m in life.movements)))
def test_a_lost_book_disagrees(life: Life) -> None:
    plant(lose_scheme, "books_agree", life)


@given(lives().filter(lambda life: life.shown_approved))
def test_another_amount_booked_is_found(life: Life) -> None:
    plant(book_a_cent_more, "amounts_equal", life)


@given(held_lives())
def test_more_captured_than_authorised_is_found(life: Life) -> None:
    plant(capture_too_much, "captured_within_authorised", life)


@given(held_lives())
def test_a_capture_in_one_book_only_is_not_conserved(life: Life) -> None:
    plant(capture_in_one_book, "money_conserved", life)


@given(lives().filter(lambda life: life.shown_approved))
def test_more_refunded_than_captured_is_found(life: Life) -> None:
    plant(refund_too_much, "refunded_within_captured", life)


@given(lives())
def test_a_capture_booked_again_for_a_repeat_is_found(life: Life) -> None:
    plant(capture_again, "repeats_without_effect", life)
