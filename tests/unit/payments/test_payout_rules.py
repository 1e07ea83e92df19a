"""Rules about payouts over a ledger: each planted bug gives exactly its own finding."""

from __future__ import annotations

from typing import Any

import pytest

from paychain.payments.journal import (
    Decision,
    DecisionKind,
    Movement,
    MovementKind,
    PaymentRecord,
)
from paychain.payments.outcome import Outcome
from paychain.payments.rules import RULES, Finding, Reconciled, authorisations
from paychain.payments.rules.on_chain import funded_by, on_chain

AMOUNT = 5_000_000
K = MovementKind
FIRST, SECOND = "p1-1.wallet.1", "p1-1.wallet.2"


def customer(outcome: Outcome, ended_ns: int = 900) -> PaymentRecord:
    return PaymentRecord(
        payment="p1",
        intended_ns=0,
        started_ns=0,
        ended_ns=ended_ns,
        outcome=outcome,
        technical=outcome is Outcome.UNKNOWN,
        code="",
        shown="",
        amount_minor=AMOUNT,
        currency="USDC",
        scheme="base",
        instrument="0xf39F…2266",
        merchant="a",
        decided_by="payouts",
        error=None,
        warm_up=False,
    )


def move(kind: MovementKind, at_ns: int, **more: Any) -> Movement:
    is_out = kind in (K.TRANSFERRED, K.UNDONE)
    values: dict[str, Any] = {
        "link": "base" if is_out else "payouts",
        "reference": FIRST if is_out else "p1-1",
        "leg": "out" if is_out else "in",
        "amount_minor": AMOUNT,
    }
    return Movement(
        payment="p1",
        attempt=1,
        kind=kind,
        currency="USDC",
        at_ns=at_ns,
        decided_by="payouts",
        **{**values, **more},
    )


def decision(kind: DecisionKind, at_ns: int, detail: str) -> Decision:
    return Decision(
        link="wallet" if kind is DecisionKind.SIGNED else "payouts",
        kind=kind,
        at_ns=at_ns,
        payment="p1",
        attempt=1,
        operation="transfer",
        target="",
        detail=detail,
    )


def signed(name: str = FIRST, at_ns: int = 200) -> Decision:
    return decision(DecisionKind.SIGNED, at_ns, name)


def reported(word: str, at_ns: int = 800) -> Decision:
    return decision(DecisionKind.REPORTED, at_ns, word)


RESERVED, SPENT, FREED = move(K.RESERVED, 100), move(K.SPENT, 700), move(K.FREED, 400)
MINED, UNDONE = move(K.TRANSFERRED, 500), move(K.UNDONE, 550)


def findings(
    movements: list[Movement],
    decisions: list[Decision],
    outcome: Outcome = Outcome.APPROVED,
    funding: int = 100 * AMOUNT,
    more: tuple[Movement, ...] = (),
) -> dict[str, Finding]:
    """What is found of a payment; `more` are reservations of others, made before."""
    record = customer(outcome)
    funded = funded_by([*more, *movements], {"payouts": funding})
    payment = Reconciled(
        payment="p1",
        amount_minor=AMOUNT,
        currency="USDC",
        shown_approved=outcome is Outcome.APPROVED,
        authorisations=authorisations([each for each in movements if each.leg == "in"]),
        settling=frozenset({"payouts"}),
        on_chain=on_chain(record, movements, decisions, funded),
    )
    found = {name: rule(payment) for name, rule in RULES.items()}
    return {name: each for name, each in found.items() if each is not None}


def test_a_payout_that_went_as_it_should_breaks_nothing() -> None:
    sound = [RESERVED, MINED, SPENT]
    assert findings(sound, [signed(), reported("approved")]) == {}
    # The customer had left by then, and can see what became of it.
    assert findings(sound, [signed(), reported("approved")], Outcome.UNKNOWN) == {}
    # Nothing was ever sent.
    assert findings([RESERVED, FREED], [reported("declined")], Outcome.DECLINED) == {}
    assert findings([], [], Outcome.DECLINED) == {}


def test_what_is_undone_and_mined_once_more_was_sent_once() -> None:
    moves = [RESERVED, MINED, UNDONE, move(K.TRANSFERRED, 550), SPENT]
    assert findings(moves, [signed(), reported("approved")]) == {}


def test_two_transactions_of_one_payment_are_sent_twice() -> None:
    again = move(K.TRANSFERRED, 600, reference=SECOND)
    signs = [signed(), signed(SECOND, 300), reported("approved")]
    found = findings([RESERVED, MINED, again, SPENT], signs)
    assert {name: each.amount_minor for name, each in found.items()} == {"sent_once": AMOUNT}
    assert found["sent_once"].text == f"sent 2 times: {FIRST}, {SECOND}"
    # Even where one of them is undone later: nobody knew that it would be.
    undone = move(K.UNDONE, 650, reference=SECOND)
    assert "sent_once" in findings([RESERVED, MINED, again, undone, SPENT], signs)


def test_a_reservation_that_is_freed_after_signing_is_found() -> None:
    found = findings([RESERVED, FREED, MINED], [signed(), reported("approved")], Outcome.UNKNOWN)
    assert {name: each.amount_minor for name, each in found.items()} == {
        "reservation_kept_until_dead": AMOUNT
    }


@pytest.mark.parametrize("reserved", [[], [move(K.RESERVED, 300)]])
def test_what_is_signed_before_it_is_reserved_has_no_funding(reserved: list[Movement]) -> None:
    spent = [SPENT] if reserved else []
    found = findings([*reserved, MINED, *spent], [signed(), reported("approved")])
    assert "no_payout_without_funding" in found
    assert found["no_payout_without_funding"].amount_minor == AMOUNT


def test_more_reserved_than_there_is_has_no_funding() -> None:
    before = move(K.RESERVED, 50, reference="p0-1", amount_minor=3 * AMOUNT)
    sound, signs = [RESERVED, MINED, SPENT], [signed(), reported("approved")]
    assert findings(sound, signs, funding=4 * AMOUNT, more=(before,)) == {}
    found = findings(sound, signs, funding=4 * AMOUNT - 7, more=(before,))
    assert {name: each.amount_minor for name, each in found.items()} == {
        "no_payout_without_funding": 7
    }
    freed = move(K.FREED, 60, reference="p0-1", amount_minor=3 * AMOUNT)
    assert findings(sound, signs, funding=AMOUNT, more=(before, freed)) == {}


@pytest.mark.parametrize(
    ("words", "outcome", "text"),
    [
        (["declined"], Outcome.APPROVED, "the customer saw declined, then approved"),
        ([], Outcome.UNKNOWN, f"{FIRST} stands, and the customer saw no outcome"),
    ],
)
def test_what_the_customer_saw_is_what_the_ledger_says(
    words: list[str], outcome: Outcome, text: str
) -> None:
    decisions = [signed(), *(reported(word) for word in words)]
    found = findings([RESERVED, MINED, SPENT], decisions, outcome)
    assert found["reported_once_and_right"].text == text


def test_an_approval_without_a_transfer_is_one_without_money() -> None:
    found = findings([RESERVED, SPENT], [reported("approved")])
    assert set(found) == {"no_approval_without_money", "legs_balance"}


def test_a_transaction_that_is_never_mined_leaves_a_gap() -> None:
    found = findings([RESERVED], [signed()], Outcome.UNKNOWN)
    assert found["sequence_without_gaps"].amount_minor == AMOUNT
    # Another one was mined: nothing is missing but the place in the sequence.
    signs = [signed(), signed(SECOND, 300), reported("approved")]
    found = findings([RESERVED, MINED, SPENT], signs)
    assert {name: each.amount_minor for name, each in found.items()} == {"sequence_without_gaps": 0}


@pytest.mark.parametrize("mined", [FIRST, SECOND])
def test_of_those_with_one_nonce_one_is_mined_and_the_other_is_no_gap(mined: str) -> None:
    replaced = decision(DecisionKind.REPLACED, 300, f"{FIRST} by {SECOND}")
    signs = [signed(), signed(SECOND, 300), replaced, reported("approved")]
    mine = move(K.TRANSFERRED, 500, reference=mined)
    assert not findings([RESERVED, mine, SPENT], signs)
    # None of the two: the nonce is missing.
    found = findings([RESERVED], signs[:3], Outcome.UNKNOWN)
    assert SECOND in found["sequence_without_gaps"].text


def test_what_was_reverted_frees_its_reservation_and_leaves_no_gap() -> None:
    reverted = decision(DecisionKind.REVERTED, 300, FIRST)
    undone = decision(DecisionKind.REVERT_UNDONE, 350, FIRST)
    declined = reported("declined")
    assert findings([RESERVED, FREED], [signed(), reverted, declined], Outcome.DECLINED) == {}
    # Freed before the block had it: nobody could know that it would fail.
    late = decision(DecisionKind.REVERTED, 500, FIRST)
    found = findings([RESERVED, FREED], [signed(), late, declined], Outcome.DECLINED)
    assert set(found) == {"reservation_kept_until_dead"}
    # Its block was replaced, and then it was made.
    signs = [signed(), reverted, undone, reported("approved")]
    assert findings([RESERVED, MINED, SPENT], signs) == {}
    found = findings([RESERVED, FREED, MINED], signs, Outcome.UNKNOWN)
    assert set(found) == {"reservation_kept_until_dead"}
    # Another one can still be made, unless it has the same nonce.
    both = [signed(), signed(SECOND, 250), reverted, declined]
    found = findings([RESERVED, FREED], both, Outcome.DECLINED)
    assert SECOND in found["reservation_kept_until_dead"].text
    replaced = decision(DecisionKind.REPLACED, 250, f"{FIRST} by {SECOND}")
    assert findings([RESERVED, FREED], [*both, replaced], Outcome.DECLINED) == {}
    # Taken for made.
    found = findings([RESERVED, SPENT], [signed(), reverted, reported("approved")])
    assert set(found) == {"no_approval_without_money", "legs_balance"}


def test_what_is_given_is_what_is_taken() -> None:
    less = move(K.TRANSFERRED, 500, amount_minor=AMOUNT // 10)
    found = findings([RESERVED, less, SPENT], [signed(), reported("approved")])
    assert {name: each.amount_minor for name, each in found.items()} == {
        "legs_balance": AMOUNT - AMOUNT // 10
    }


def test_a_reservation_that_is_kept_for_ever_is_an_orphan() -> None:
    assert set(findings([RESERVED], [], Outcome.UNKNOWN)) == {"no_orphaned_authorisation"}
