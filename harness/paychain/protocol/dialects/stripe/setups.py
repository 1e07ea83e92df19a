"""Setup intents: a card is checked and saved for later payments; no money moves.

    POST /v1/setup_intents ─▶ confirm ─▶ succeeded: the card is attached to its customer
                                  └────▶ requires_action ─ the customer authenticates ─▶ succeeded

`GET /3d_secure_2/setup/{setup}` authenticates; with `?result=failed` authentication fails.
Source: the fixtures and the description in Stripe's stripe-mock v0.203.0 (2026-08-26.dahlia).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from paychain.payments.cards import TEST_CARDS
from paychain.protocol.dialects.stripe.account import (
    ATTACHED,
    Account,
    Plan,
    RoutedRequest,
    written,
)
from paychain.protocol.dialects.stripe.authentication import Returned
from paychain.protocol.dialects.stripe.errors import CARD, Invalid, invalid, missing, shaped
from paychain.protocol.dialects.stripe.listing import page
from paychain.protocol.dialects.stripe.parameters import boolean, choice, mapping, text
from paychain.protocol.dialects.stripe.records import (
    REQUIRES_ACTION,
    REQUIRES_CONFIRMATION,
    REQUIRES_METHOD,
    Setup,
)
from paychain.protocol.dialects.stripe.setup_changes import (
    Change,
    card_to_save,
    end,
    fail,
    save_card,
    unexpected,
)
from paychain.protocol.dialects.stripe.setup_objects import USAGES, secret_of, shown_of
from paychain.protocol.message import PaymentRequest
from paychain.protocol.vendor import Evidence

REASONS = ("abandoned", "duplicate", "requested_by_customer")
_WAITING = (REQUIRES_METHOD, REQUIRES_CONFIRMATION, REQUIRES_ACTION)


def create(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/setup_intents`, with or without `confirm`."""
    given = asked.given
    found = asked.call.attribute(
        Evidence(
            headers=asked.call.http.headers,
            texts=asked.texts(),
            key=asked.key,
            makes_attempt=False,
        )
    )
    name = account.new_id("seti")
    request = PaymentRequest(
        found.payment, 0, "", TEST_CARDS[0], attempt=found.attempt, reference=name
    )
    setup = Setup(id=name, request=request, created_s=account.backend.now_s())
    change = Change(account, setup)
    change.undos.append(lambda: account.setups.pop(name, None))
    _write(change, given)
    is_confirmed = boolean(given, "confirm")
    if is_confirmed:
        card_to_save(account, setup)
    account.setups[name] = setup
    change.report("created")
    if is_confirmed:
        save_card(change)
    return change.plan()


def retrieve(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/setup_intents/{intent}`."""
    return Change(account, _found(account, asked)).plan()


def update(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/setup_intents/{intent}`."""
    setup = _found(account, asked)
    change = Change(account, setup)
    fixed = [name for name in ("customer", "payment_method") if asked.given.get(name)]
    if fixed and setup.status not in _WAITING:
        raise unexpected(
            f"This SetupIntent's {fixed[0]} could not be updated because it has a status of "
            f"{setup.status}.",
        )
    _write(change, asked.given)
    return change.plan()


def confirm(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/setup_intents/{intent}/confirm`."""
    setup = _found(account, asked)
    _only_without_session(setup, "confirm")
    if setup.status not in _WAITING:
        raise unexpected(
            f"This SetupIntent's status is {setup.status}: it has already been confirmed or "
            "canceled, and cannot be confirmed again.",
        )
    change = Change(account, setup)
    is_return = setup.waits and not asked.given.get("payment_method")
    _write(change, asked.given)
    try:
        save_card(change, is_authenticated=is_return)
    except Invalid:
        change.take_back()
        raise
    return change.plan()


def cancel(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/setup_intents/{intent}/cancel`."""
    setup = _found(account, asked)
    reason = choice(asked.given, "cancellation_reason", REASONS)
    _only_without_session(setup, "cancel")
    if setup.status not in _WAITING:
        raise unexpected(
            f"You cannot cancel this SetupIntent because it has a status of {setup.status}. Only "
            "a SetupIntent with one of the following statuses may be canceled: "
            f"{', '.join(_WAITING)}.",
        )
    change = Change(account, setup)
    end(change, reason)
    return change.plan()


def listed(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/setup_intents`."""
    shown = (shown_of(account, setup) for setup in reversed(account.setups.values()))
    return page(account, asked, shown, ("customer", "customer_account", "payment_method"))


HANDLERS: dict[str, Callable[[Account, RoutedRequest], Plan]] = {
    "POST /v1/setup_intents": create,
    "GET /v1/setup_intents": listed,
    "GET /v1/setup_intents/{intent}": retrieve,
    "POST /v1/setup_intents/{intent}": update,
    "POST /v1/setup_intents/{intent}/confirm": confirm,
    "POST /v1/setup_intents/{intent}/cancel": cancel,
}


def authenticate(account: Account, asked: RoutedRequest) -> tuple[Plan, Returned]:
    """The customer authenticates on the bank's page. Raises Invalid if the intent awaits none."""
    setup = _found(account, asked)
    has_failed = asked.given.get("result") == "failed"
    returned = Returned(
        url=setup.return_url,
        kind="setup_intent",
        id=setup.id,
        client_secret=secret_of(setup),
        has_failed=has_failed,
    )
    if not setup.waits:
        raise unexpected(f"This SetupIntent has a status of {setup.status}.")
    change = Change(account, setup)
    if has_failed:
        error = shaped(
            CARD,
            "The latest attempt to set up the payment method has failed because authentication "
            "failed.",
            code="setup_intent_authentication_failure",
        )
        fail(change, error)
    else:
        try:
            save_card(change, is_authenticated=True)
        except Invalid as refusal:
            # The customer is at the bank's page: the shop learns of it when they are back.
            fail(change, refusal.error)
            returned = replace(returned, has_failed=True)
    return change.plan(), returned


def _found(account: Account, asked: RoutedRequest) -> Setup:
    """The intent that a path names. Raises Invalid for an unknown id."""
    name = asked.names[0]
    setup = account.setups.get(name)
    if setup is None:
        raise missing("setupintent", name, "intent")
    return setup


def _only_without_session(setup: Setup, what: str) -> None:
    """Only the page confirms the intent of a Checkout Session, and only its end cancels it.

    Raises Invalid, whose wording is deduced. Source: docs.stripe.com/api/checkout/sessions/object,
    setup_intent.
    """
    if setup.session:
        instead = " Expire the Checkout Session instead." if what == "cancel" else ""
        raise unexpected(f"You can't {what} the SetupIntent for a Checkout Session.{instead}")


def _write(change: Change, given: dict[str, Any]) -> None:
    """Write what a request sets into an intent. Raises Invalid before it changes anything."""
    account, setup = change.account, change.setup
    fields: dict[str, Any] = {}
    if "description" in given:
        fields["description"] = text(given, "description") or None
    if "metadata" in given:
        fields["metadata"] = written(setup.fields.get("metadata", {}), given)
    if usage := choice(given, "usage", USAGES):
        fields["usage"] = usage
    if types := given.get("payment_method_types"):
        if not isinstance(types, list):
            raise invalid("Invalid array", param="payment_method_types")
        fields["payment_method_types"] = list(types)
    if "automatic_payment_methods" in given:
        automatic = mapping(given, "automatic_payment_methods")
        fields["automatic_payment_methods"] = {
            "allow_redirects": automatic.get("allow_redirects", "always"),
            "enabled": boolean(automatic, "enabled"),
        }
    customer = account.customer_asked(given) or setup.customer
    method = account.method_given(given, partial(account.new_id, "pm"))
    kept = method or setup.method
    if kept is not None and kept.customer not in ("", customer):
        raise invalid(ATTACHED, code="payment_method_unexpected_state", param="payment_method")
    setup.fields = {**setup.fields, **fields}
    setup.customer = customer
    setup.return_url = text(given, "return_url") or setup.return_url
    if method is not None:
        setup.method, setup.waits = method, False
        change.kept = method
