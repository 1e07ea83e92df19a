"""Stripe's payment methods: test cards by number, token and name, and how each behaves."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from paychain.payments.cards import TEST_CARDS, Card
from paychain.payments.packaged import packaged_yaml
from paychain.protocol.dialects.stripe.errors import card_refused, invalid, missing
from paychain.protocol.dialects.stripe.parameters import integer, mapping, text
from paychain.protocol.vendor_cards import BadNumber, card_of_number, card_of_token

DETACHED = "detached"
BRANDS = {"30": "diners", "35": "jcb", "62": "unionpay"}  # of which we have no test card
EXPIRES = (12, 2034)  # month and year, where none is given


class TestCard(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One of Stripe's test cards.

    `declined_as` is a DE39 code, "" for a card that is approved. `can_be_saved`: it can be kept
    although payments with it are declined.
    """

    __test__ = False  # no test, whatever its name says

    number: str
    names: list[str]
    source: str
    confidence: str
    declined_as: str = ""
    authenticate: str = ""
    can_be_saved: bool = False
    funding: str = "credit"


class Method(msgspec.Struct, kw_only=True, gc=False):
    """A payment method. `card` is what is charged; `last4` and `brand` are what is shown.

    A method that is no customer's pays once. `used_by`: the intent that it paid, or DETACHED; ""
    while it has a customer.
    """

    id: str
    card: Card
    brand: str
    last4: str
    created_s: int
    month: int = EXPIRES[0]
    year: int = EXPIRES[1]
    funding: str = "credit"
    declined_as: str = ""
    must_authenticate: bool = False
    remembers: bool = False  # once set up, payments without the customer need no authentication
    is_set_up: bool = False
    can_be_saved: bool = True
    has_cvc: bool = False
    customer: str = ""
    used_by: str = ""
    billing: dict[str, Any] = {}
    metadata: dict[str, str] = {}

    def give_to(self, customer: str) -> None:
        """Attach it to a customer, for whom it pays any number of intents."""
        self.customer, self.used_by = customer, ""

    def detach(self) -> None:
        """Take it away from its customer: nobody can use it any more."""
        self.customer, self.used_by = "", DETACHED

    def must_ask(self, *, off_session: bool) -> bool:
        """Whether the cardholder must authenticate a payment."""
        return self.must_authenticate and not (self.remembers and self.is_set_up and off_session)


class ConfirmationToken(msgspec.Struct, kw_only=True, gc=False):
    """What a front end has collected. It pays one intent, `used_by`, however often its card may."""

    given: dict[str, Any]
    method: Method
    created_s: int
    used_by: str = ""


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    cards: list[TestCard]


@cache
def test_cards() -> dict[str, TestCard]:
    """By number, and by every name."""
    cards = msgspec.convert(packaged_yaml(__package__, "test_cards.yaml"), _Table).cards
    return {name: card for card in cards for name in (card.number, *card.names)}


@cache
def _numbers() -> frozenset[str]:
    return frozenset(card.number for card in test_cards().values())


def named(name: str, made_id: str, created_s: int) -> Method | None:
    """The method that one of Stripe's names or of our tokens stands for; None for other text."""
    known = test_cards().get(name) if not name.isdigit() else None
    if known is not None:
        return _of_number(known.number, made_id, created_s)
    card = card_of_token(name)
    return _of_number(card.number, made_id, created_s) if card is not None else None


def of_parameters(given: dict[str, Any], made_id: str, created_s: int) -> Method:
    """The method that `payment_method_data`, or a request to create one, describes.

    Raises Invalid for a card that Stripe does not accept.
    """
    kind = text(given, "type") or "card"
    if kind != "card":
        raise invalid(f"The payment method type provided: {kind} is invalid.", param="type")
    card = mapping(given, "card")
    token = text(card, "token")
    if token:
        method = named(token, made_id, created_s)
        if method is None:
            raise missing("token", token, "card[token]")
    else:
        if "number" not in card:
            raise invalid(
                "Missing required param: card[number].",
                code="parameter_missing",
                param="card[number]",
            )
        method = _of_number(text(card, "number"), made_id, created_s)
        _add_details(method, card)
    method.billing = mapping(given, "billing_details")
    method.metadata = {name: str(value) for name, value in mapping(given, "metadata").items()}
    return method


def expiry(card: dict[str, Any]) -> tuple[int, int]:
    """Month and year of a card's parameters, 0 where they have none. Raises Invalid."""
    month, year = integer(card, "exp_month") or 0, integer(card, "exp_year") or 0
    if month > 12:
        raise card_refused(
            "Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month"
        )
    return month, year + 2000 if 0 < year < 100 else year


def _add_details(method: Method, card: dict[str, Any]) -> None:
    month, year = expiry(card)
    method.month, method.year = month or method.month, year or method.year
    cvc = text(card, "cvc")
    if cvc and not (cvc.isdecimal() and len(cvc) in (3, 4)):
        raise card_refused("Your card's security code is invalid.", "invalid_cvc", "cvc")
    method.has_cvc = bool(cvc)


def _of_number(number: str, made_id: str, created_s: int) -> Method:
    found = card_of_number(number, published=_numbers())
    if isinstance(found, BadNumber):
        if found.fault == "not for testing":
            raise card_refused(
                "Your card was declined. Your request was in test mode, but used a non test card. "
                "For a list of valid test cards, visit: https://stripe.com/docs/testing.",
                "card_declined",
                "number",
                "test_mode_live_card",
            )
        raise card_refused("Your card number is incorrect.", "incorrect_number", "number")
    digits = number.replace(" ", "").replace("-", "")
    known = test_cards().get(digits)
    return Method(
        id=made_id,
        card=found,
        brand=BRANDS.get(digits[:2], found.scheme),
        last4=digits[-4:],
        created_s=created_s,
        funding=known.funding if known is not None else "credit",
        declined_as=known.declined_as if known is not None else "",
        must_authenticate=known is not None and known.authenticate != "",
        remembers=known is not None and known.authenticate == "unless_set_up",
        can_be_saved=known is None or known.can_be_saved or not known.declined_as,
    )


def of_card(card: Card, made_id: str, created_s: int) -> Method:
    """The method for a card that the book already has."""
    return _of_number(
        card.number if card in TEST_CARDS else TEST_CARDS[0].number, made_id, created_s
    )
