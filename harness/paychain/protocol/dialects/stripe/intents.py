"""What every request about a payment intent needs: the intent, and its refusals."""

from __future__ import annotations

from paychain.payments.cards import TEST_CARDS
from paychain.protocol.dialects.stripe.account import Account, RoutedRequest
from paychain.protocol.dialects.stripe.errors import Invalid, invalid, missing
from paychain.protocol.dialects.stripe.records import Intent
from paychain.protocol.message import PaymentRequest


def found_intent(account: Account, asked: RoutedRequest) -> Intent:
    """The intent that a path names. Raises Invalid for an unknown id."""
    name = asked.names[0]
    asked.concerns(name)
    intent = account.intents.named(name)
    if intent is None:
        raise missing("payment_intent", name)
    return intent


def free_intent(account: Account, asked: RoutedRequest) -> Intent:
    """The same, for a request that changes it.

    Raises Invalid while another request works on it. Otherwise an intent could be cancelled during
    its confirmation, and hold money afterwards. Source:
    https://docs.stripe.com/rate-limits#object-lock-timeouts
    """
    intent = found_intent(account, asked)
    if intent.is_busy:
        raise locked()
    return intent


def locked() -> Invalid:
    """The error while another request works on the object."""
    return invalid(
        "This object cannot be accessed right now because another API request or Stripe process is "
        "currently accessing it.",
        code="lock_timeout",
        status=429,
    )


def unexpected(intent: Intent, message: str, param: str = "") -> Invalid:
    """The error for a request that the intent's status does not allow."""
    return invalid(
        message, code="payment_intent_unexpected_state", param=param, about=intent.reference
    )


def request_of(intent: Intent) -> PaymentRequest:
    """An intent as a request to the link behind."""
    return PaymentRequest(
        intent.payment,
        intent.amount_minor,
        intent.currency.upper(),
        intent.method.card if intent.method is not None else TEST_CARDS[0],
        attempt=intent.attempt,
        reference=intent.reference,
    )
