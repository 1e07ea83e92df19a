"""What an own service sends in place of a card is a published test card, or is refused."""

from __future__ import annotations

import pytest

from paychain.payments.cards import TEST_CARDS, Card
from paychain.payments.checkout_card import token_of
from paychain.protocol.vendor_cards import (
    BadNumber,
    card_of_number,
    card_of_token,
    passes_luhn,
    scheme_of,
)


@pytest.mark.parametrize("card", TEST_CARDS)
def test_a_test_card_is_known_by_its_token_and_by_its_number(card: Card) -> None:
    assert card_of_token(token_of(card)) == card
    assert card_of_number(card.number) == card
    assert card_of_number(f"{card.number[:4]} {card.number[4:8]}-{card.number[8:]}") == card
    assert scheme_of(card.number) == card.scheme
    assert passes_luhn(card.number)


def test_tokens_are_distinct() -> None:
    assert len({token_of(card) for card in TEST_CARDS}) == len(TEST_CARDS)


@pytest.mark.parametrize(
    ("token", "number"),
    [("tok_visa", "4242424242424242"), ("tok_amex", "378282246310005")],
)
def test_a_token_of_a_scheme_is_its_first_card(token: str, number: str) -> None:
    card = card_of_token(token)
    assert card is not None
    assert card.number == number


@pytest.mark.parametrize("token", ["", "tok_", "tok_visa_0000", "tok_diners", "visa_4242", "pm_x"])
def test_another_text_is_no_token(token: str) -> None:
    assert card_of_token(token) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not a number"),
        ("4242", "not a number"),
        ("4242x24242424242", "not a number"),
        ("４２４２４２４２４２４２４２４２", "not a number"),
        ("4242424242424241", "no such card"),
        ("4000000000000002", "not for testing"),
    ],
)
def test_what_is_not_published_for_testing_is_refused(text: str, fault: str) -> None:
    assert card_of_number(text) == BadNumber(fault=fault)  # type: ignore[arg-type]  # one of its words


def test_a_number_that_the_provider_publishes_is_charged_as_a_card_of_its_scheme() -> None:
    published = frozenset({"4000000000000002", "3056930009020004"})
    assert card_of_number("4000 0000 0000 0002", published=published) == TEST_CARDS[0]
    assert card_of_number("3056930009020004", published=published) == TEST_CARDS[0]
