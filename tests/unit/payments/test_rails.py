"""A rail is data: it agrees with what the journal calls the same things."""

from __future__ import annotations

from paychain.model.operations import MOVES_MONEY, REVERSIBLE
from paychain.payments.journal import VERB, MovementKind, Verb
from paychain.payments.rails import CARD


def test_an_operation_of_a_card_makes_the_movement_of_its_name() -> None:
    made = {
        "authorise": MovementKind.AUTHORISED,
        "void": MovementKind.VOIDED,
        "capture": MovementKind.CAPTURED,
        "refund": MovementKind.REFUNDED,
    }
    assert CARD.makes == {operation: VERB[kind] for operation, kind in made.items()}
    assert set(VERB) == set(MovementKind)


def test_only_what_is_held_can_be_reversed() -> None:
    assert {"authorise", "capture", "refund"} == MOVES_MONEY
    assert {"authorise"} == REVERSIBLE
    assert {kind.sign for kind in MovementKind if kind.verb is Verb.HOLD} == {1}
