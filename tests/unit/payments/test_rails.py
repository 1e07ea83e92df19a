"""A rail is data: it agrees with what the journal calls the same things."""

from __future__ import annotations

from paychain.model.operations import MOVES_MONEY, REVERSIBLE
from paychain.payments.journal import VERB, MovementKind, Verb
from paychain.payments.rails import AT_ONCE, CARD, LEDGER, Finality


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
    assert {"authorise", "capture", "refund", "transfer"} == MOVES_MONEY
    assert {"authorise"} == REVERSIBLE
    assert {kind.sign for kind in MovementKind if kind.verb is Verb.HOLD} == {1}


def test_a_transfer_is_sent_again_and_never_reversed() -> None:
    assert LEDGER.makes == {"transfer": Verb.MOVE}
    assert LEDGER.on_unknown[0] == "resend"
    assert "reverse" not in LEDGER.on_unknown
    assert CARD.on_unknown[0] == "reverse"


def test_a_move_is_final_at_once_after_blocks_or_after_a_time() -> None:
    assert AT_ONCE.is_at_once
    assert AT_ONCE.is_final(blocks_since=0, seconds_since=0.0)
    after = Finality(after_blocks=10)
    assert not after.is_final(blocks_since=9, seconds_since=1e6)
    assert after.is_final(blocks_since=10, seconds_since=0.0)
    until = Finality(until_s=60.0)
    assert not until.is_final(blocks_since=10**6, seconds_since=59.9)
    assert until.is_final(blocks_since=0, seconds_since=60.0)
