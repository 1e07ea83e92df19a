"""Each planted accounting bug gives exactly its own finding."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.payments.journal import Movement
from harness.payments.rules import RULES, Reconciled, authorisations

PATH = ("gateway", "processor-a", "scheme", "issuer")
Make = Callable[..., Movement]


def broken(movements: list[Movement], *, told_approved: bool = True) -> list[str]:
    found = authorisations(movements)
    for one in found:
        one.path = frozenset(PATH) if told_approved else frozenset()
    payment = Reconciled("p1", 1_000, "EUR", told_approved, found, frozenset({"issuer"}))
    return [name for name, (_, rule) in RULES.items() if rule(payment) is not None]


def test_a_sound_payment_breaks_no_rule(movement: Make) -> None:
    assert broken([movement(link) for link in PATH]) == []


def test_a_reversed_first_attempt_breaks_no_rule(movement: Make) -> None:
    first = [movement(link, reference="p1-0") for link in PATH[1:]]
    undone = [movement(link, "voided", reference="p1-0") for link in PATH[1:]]
    assert broken([*first, *undone, *[movement(link) for link in PATH]]) == []


def test_a_dropped_journal_entry_is_a_disagreement_of_the_books(movement: Make) -> None:
    assert broken([movement(link) for link in PATH if link != "scheme"]) == ["books_agree"]


def test_charging_twice_under_one_reference_is_a_double_charge(movement: Make) -> None:
    moves = [movement(link) for link in PATH]
    assert broken([*moves, movement("issuer")]) == ["no_double_charge"]


def test_a_second_authorisation_elsewhere_is_a_double_charge(movement: Make) -> None:
    left = [movement(link, reference="p1-0") for link in PATH[1:]]
    assert broken([*left, *[movement(link) for link in PATH]]) == ["no_double_charge"]


def test_a_changed_amount_is_found(movement: Make) -> None:
    moves = [movement(link, amount=990 if link == "issuer" else 1_000) for link in PATH]
    assert broken(moves) == ["amounts_equal"]


def test_an_approval_without_the_issuer_has_no_money_behind_it(movement: Make) -> None:
    moves = [movement(link, decided_by="processor-a") for link in ("gateway", "processor-a")]
    assert broken(moves) == ["no_approval_without_money"]


def test_money_held_for_a_customer_who_was_not_told_is_orphaned(movement: Make) -> None:
    moves = [movement(link) for link in PATH[1:]]
    assert broken(moves, told_approved=False) == ["no_orphaned_authorisation"]


@pytest.mark.parametrize("told_approved", [True, False])
def test_nothing_held_and_nothing_told_is_nobodys_money(told_approved: bool) -> None:
    assert broken([], told_approved=told_approved) == (
        ["no_approval_without_money"] if told_approved else []
    )
