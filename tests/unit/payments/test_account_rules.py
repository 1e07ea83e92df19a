"""Rules about transfers between accounts: each planted bug gives exactly its own finding."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from paychain.payments.journal import (
    Decision,
    DecisionKind,
    Movement,
    MovementKind,
    PaymentRecord,
)
from paychain.payments.outcome import Outcome
from paychain.payments.rules import RULES, Reconciled, authorisations
from paychain.payments.rules.account_transfer import BESIDE_ACCOUNTS, account_transfer

AMOUNT = 5_000
K = MovementKind
PAYEES = frozenset({K.CREDITED, K.TAKEN_BACK, K.RETURNED})
HELD, FREED, SPENT, ENDED = K.RESERVED, K.FREED, K.SPENT, K.EXPIRED
CREDITED, TAKEN_BACK, COVERED, RETURNED = K.CREDITED, K.TAKEN_BACK, K.COVERED, K.RETURNED
# A debit without a hold is booked as a hold of its own that is spent at once.
LATE = (K.RESERVED, K.SPENT)


def customer(outcome: Outcome) -> PaymentRecord:
    return PaymentRecord(
        payment="p1",
        intended_ns=0,
        started_ns=0,
        ended_ns=10,
        outcome=outcome,
        technical=outcome is Outcome.UNKNOWN,
        code="",
        shown="",
        amount_minor=AMOUNT,
        currency="EUR",
        scheme="SCT Inst",
        instrument="DE8937…3000",
        merchant="a",
        decided_by="payer-bank",
        error=None,
        warm_up=False,
    )


def movements(kinds: tuple[MovementKind, ...]) -> list[Movement]:
    """One of each, in this order; each hold has a name of its own."""
    return [
        Movement(
            link="payee-bank" if kind in PAYEES else "payer-bank",
            payment="p1",
            attempt=1,
            kind=kind,
            amount_minor=AMOUNT,
            currency="EUR",
            reference=_reference(kinds[: number + 1].count(HELD)),
            at_ns=number,
            decided_by="payer-bank",
            leg="out" if kind in PAYEES else "in",
        )
        for number, kind in enumerate(kinds)
    ]


def _reference(holds: int) -> str:
    return "p1-1" if holds < 2 else f"p1-1.late{holds}"


def reports(words: tuple[str, ...]) -> list[Decision]:
    return [
        Decision(
            link="payer-bank",
            kind=DecisionKind.REPORTED,
            at_ns=20 + number,
            payment="p1",
            attempt=1,
            operation="pay",
            target="",
            detail=word,
        )
        for number, word in enumerate(words)
    ]


def findings(
    kinds: tuple[MovementKind, ...],
    outcome: Outcome,
    *reported: str,
    refunds: int = 0,
) -> dict[str, tuple[int, str]]:
    """`refunds`: how often the payer got the money back, beside what the payee's bank returned."""
    moves = movements(kinds)
    moves += [replace(moves[0], kind=RETURNED, at_ns=len(kinds) + each) for each in range(refunds)]
    record = customer(outcome)
    payment = Reconciled(
        payment="p1",
        amount_minor=AMOUNT,
        currency="EUR",
        shown_approved=outcome is Outcome.APPROVED,
        shown_minor=AMOUNT if outcome is Outcome.APPROVED else 0,
        authorisations=authorisations([each for each in moves if each.kind not in BESIDE_ACCOUNTS]),
        settling=frozenset({"payer-bank", "payee-bank"}),
        transfer=account_transfer(record, moves, reports(reported)),
    )
    found = {name: rule(payment) for name, rule in RULES.items()}
    return {name: (each.amount_minor, each.text) for name, each in found.items() if each}


@pytest.mark.parametrize(
    ("kinds", "outcome", "reported"),
    [
        ((HELD, CREDITED, SPENT), Outcome.APPROVED, ("approved",)),
        ((HELD, FREED), Outcome.DECLINED, ("declined",)),
        # The clearing rejected what the payee's bank had credited.
        ((HELD, CREDITED, TAKEN_BACK, FREED), Outcome.DECLINED, ("declined",)),
        # The hold ended, and a late confirmation or rejection came.
        ((HELD, CREDITED, ENDED, *LATE), Outcome.UNKNOWN, ("approved",)),
        ((HELD, CREDITED, ENDED, COVERED), Outcome.UNKNOWN, ("approved",)),
        ((HELD, ENDED), Outcome.UNKNOWN, ("declined",)),
        # The payer asked once more after that, and saw it.
        ((HELD, CREDITED, ENDED, COVERED), Outcome.APPROVED, ("approved",)),
        ((), Outcome.DECLINED, ()),
    ],
)
def test_what_went_as_it_should_breaks_nothing(
    kinds: tuple[MovementKind, ...], outcome: Outcome, reported: tuple[str, ...]
) -> None:
    assert findings(kinds, outcome, *reported) == {}


def test_a_late_confirmation_that_nobody_paid_for_is_found() -> None:
    found = findings((HELD, CREDITED, ENDED), Outcome.UNKNOWN, "approved")
    text = "the hold of 50.00 EUR ended, the payee has 50.00 EUR, and 0.00 EUR was paid for it"
    assert found == {"held_not_lost": (AMOUNT, text)}


def test_a_late_confirmation_that_was_paid_for_twice_is_found() -> None:
    # 2 × 50.00 paid for a credit of 50.00.
    found = findings((HELD, CREDITED, ENDED, *LATE, COVERED), Outcome.UNKNOWN, "approved")
    assert {name: amount for name, (amount, _) in found.items()} == {"held_not_lost": AMOUNT}
    found = findings((HELD, CREDITED, ENDED, *LATE, *LATE), Outcome.UNKNOWN, "approved")
    assert {name: amount for name, (amount, _) in found.items()} == {
        "held_not_lost": AMOUNT,
        "no_double_charge": AMOUNT,
    }


def test_a_late_debit_for_what_was_rejected_is_found() -> None:
    found = findings((HELD, CREDITED, TAKEN_BACK, ENDED, *LATE), Outcome.UNKNOWN, "declined")
    assert found["held_not_lost"][0] == AMOUNT


def test_a_credit_that_nobody_was_debited_for_is_found() -> None:
    found = findings((HELD, CREDITED, FREED), Outcome.DECLINED, "declined")
    assert found == {
        "debit_equals_credit": (AMOUNT, "the payee has 50.00 EUR, the payer paid 0.00 EUR")
    }


def test_a_debit_that_nobody_was_credited_for_is_found() -> None:
    found = findings((HELD, SPENT), Outcome.UNKNOWN, "approved")
    assert found == {
        "debit_equals_credit": (AMOUNT, "the payee has 0.00 EUR, the payer paid 50.00 EUR")
    }
    # Also what the payee's bank took back after all.
    found = findings((HELD, CREDITED, SPENT, TAKEN_BACK), Outcome.UNKNOWN, "approved")
    assert found["debit_equals_credit"][0] == AMOUNT


def test_a_payee_who_was_credited_twice_is_found() -> None:
    # 2 × 50.00 credited for a debit of 50.00.
    found = findings((HELD, CREDITED, CREDITED, SPENT), Outcome.APPROVED, "approved")
    assert found == {
        "debit_equals_credit": (AMOUNT, "the payee has 100.00 EUR, the payer paid 50.00 EUR")
    }


def test_what_the_payer_sees_last_is_what_the_books_say() -> None:
    made = (HELD, CREDITED, SPENT)
    found = findings(made, Outcome.DECLINED, "declined")
    assert found["reported_once_and_right"] == (
        AMOUNT,
        "the credit stands, and the customer saw declined",
    )
    found = findings(made, Outcome.APPROVED, "declined")
    assert found["reported_once_and_right"][1] == "the customer saw approved, then declined"
    # Shown as made without any money: a finding of its own, and one is enough.
    assert set(findings((HELD, FREED), Outcome.APPROVED, "approved")) == {
        "no_approval_without_money"
    }


MADE = (HELD, CREDITED, SPENT)


def test_what_is_recalled_and_returned_once_breaks_nothing() -> None:
    assert findings((*MADE, RETURNED), Outcome.APPROVED, "approved", refunds=1) == {}
    # The hold had ended, and the bank itself had paid.
    ended = (HELD, CREDITED, ENDED, COVERED, RETURNED)
    assert findings(ended, Outcome.UNKNOWN, "approved", refunds=1) == {}


def test_what_is_returned_more_than_once_is_found_and_nothing_else() -> None:
    found = findings((*MADE, RETURNED, RETURNED), Outcome.APPROVED, "approved", refunds=1)
    text = "the payee got 50.00 EUR and returned 100.00 EUR, the payer paid 50.00 EUR and got "
    assert found == {"returned_within_moved": (AMOUNT, f"{text}50.00 EUR")}
    found = findings((*MADE, RETURNED), Outcome.APPROVED, "approved", refunds=3)
    text = text.replace("returned 100.00", "returned 50.00")
    assert found == {"returned_within_moved": (2 * AMOUNT, f"{text}150.00 EUR")}


def test_what_is_returned_by_one_side_only_is_found() -> None:
    # The payer has it back, and the payee's bank refused; and the other way round.
    found = findings(MADE, Outcome.APPROVED, "approved", refunds=1)
    assert found == {
        "debit_equals_credit": (AMOUNT, "the payee has 50.00 EUR, the payer paid 0.00 EUR")
    }
    found = findings((*MADE, RETURNED), Outcome.APPROVED, "approved")
    assert found["debit_equals_credit"][0] == AMOUNT
