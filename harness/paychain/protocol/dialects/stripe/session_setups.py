"""Checkout Sessions in which a card is kept for later, and nothing is paid (`mode: setup`).

A setup intent stands behind the session from the beginning; the customer confirms it on the page.
"""

from __future__ import annotations

from typing import Any

from paychain.protocol.dialects.stripe import setup_changes
from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest, written
from paychain.protocol.dialects.stripe.errors import Invalid
from paychain.protocol.dialects.stripe.intents import request_of
from paychain.protocol.dialects.stripe.parameters import required, text
from paychain.protocol.dialects.stripe.payments import known_currency
from paychain.protocol.dialects.stripe.records import CheckoutSession, Setup
from paychain.protocol.dialects.stripe.setup_changes import Change, save_card

_NAMING_METHODS = ("payment_method_types", "allowed_payment_method_types")


def begin(account: Account, session: CheckoutSession, data: dict[str, Any]) -> Change:
    """The setup intent of a new session, which its request keeps. `data`: setup_intent_data."""
    intent = session.intent
    name = account.new_id("seti")
    request = request_of(intent)
    request.reference = name
    session.setup = setup = Setup(
        id=name,
        request=request,
        created_s=intent.created_s,
        customer=intent.fields.get("customer") or "",
        session=intent.reference,
        fields={
            "description": text(data, "description") or None,
            "metadata": written({}, data),
        },
    )
    change = Change(account, setup)
    change.report("created")
    return change


def currency_in(given: dict[str, Any]) -> str:
    """The currency for which cards are offered, "" if the request names the methods itself.

    Raises Invalid. Source: docs.stripe.com/api/checkout/sessions/create, currency.
    """
    if not any(given.get(each) for each in _NAMING_METHODS):
        required(given, "currency")
    currency = text(given, "currency")
    return known_currency(currency) if currency else ""


def confirm(
    account: Account, asked: RoutedRequest, session: CheckoutSession, card: str, return_url: str
) -> Plan:
    """The customer gives a card on the page: it is kept, or they authenticate first.

    Raises Invalid for a card that cannot be kept.
    """
    setup = session.setup
    assert setup is not None  # the session is for a setup
    asked.concerns(session.id)
    method = account.method_asked(card, account.new_id("pm"))
    change = Change(account, setup)
    change.undos.append(session.fail)
    setup.return_url, setup.method, setup.waits = return_url, method, False
    change.kept = method
    try:
        save_card(change)
    except Invalid:
        change.take_back()
        raise
    return change.plan()


def end(account: Account, setup: Setup) -> None:
    """The session has ended, and its intent with it. Stripe's reason is not known."""
    change = Change(account, setup)
    setup_changes.end(change, "abandoned")
    change.make()
