"""Confirming an intent: its card is charged, or its customer has to authenticate first."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from paychain.payments.codes import AUTHENTICATION_REQUIRED, asks_for_authentication
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest
from paychain.protocol.dialects.stripe.cards import Method
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import Invalid
from paychain.protocol.dialects.stripe.intents import request_of
from paychain.protocol.dialects.stripe.parameters import boolean
from paychain.protocol.dialects.stripe.records import (
    PROCESSES,
    PROCESSING,
    REQUIRES_CAPTURE,
    SUCCEEDED,
    CaptureOrRefund,
    Charge,
    Intent,
)
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.vendor import Evidence
from paychain.protocol.vendor_pages import PAID


def confirmed(
    account: Account, asked: RoutedRequest, intent: Intent, *, is_customer_back: bool = False
) -> Plan:
    """Charge an intent's card, or let its customer authenticate first.

    `is_customer_back`: from authenticating. Raises Invalid, before any change, for a card that may
    not be used again: it may have paid another intent since this one has it, or be detached.
    """
    method = intent.method
    assert method is not None  # checked before
    account.check_usable(method, intent)
    given = asked.given
    if intent.token is not None:
        account.check_usable(intent.token, intent)
    intent.is_authenticated = intent.is_authenticated or is_customer_back
    off_session = given.get("off_session", "false")
    intent.is_off_session = intent.is_off_session or off_session not in ("false", "0", "")
    declines_instead = intent.is_off_session or boolean(given, "error_on_requires_action")
    must_ask = method.must_ask(off_session=intent.is_off_session)
    must_wait = must_ask and not intent.is_authenticated
    if must_wait and not declines_instead:
        intent.waits = intent.is_busy = True
        return _waiting(account, intent)
    intent.waits = False
    intent.error = None
    request = _charged(account, asked, intent, method)
    if must_wait:
        request = replace(request, declined_as=AUTHENTICATION_REQUIRED)
    charge = Charge(
        request=request, method=method, token=intent.token, created_s=account.backend.now_s()
    )
    if request.is_sale:
        charge.captures.append(
            CaptureOrRefund(
                item="c1", amount_minor=request.amount_minor, created_s=charge.created_s
            )
        )
    account.intents.add_charge(intent, charge)
    intent.is_busy = True
    # At once: another intent may be confirmed with the card while this one is charged.
    if not method.customer:
        method.used_by = method.used_by or intent.reference
    if charge.token is not None:
        charge.token.used_by = intent.reference

    def free() -> None:
        intent.is_busy = False
        settle_card(account, intent, charge)

    return Plan(
        operation="authorise",
        request=request,
        show=lambda answer: _authorised(account, intent, charge, answer, declines_instead),
        after=free,
        note=lambda answer: _note(account, intent, charge, answer, declines_instead),
    )


def settle_card(account: Account, intent: Intent, charge: Charge) -> None:
    """What becomes of a charged card, as far as the outcome is known.

    It is kept for the payment's customer, where the payment says so (`setup_future_usage`); another
    that has no customer is used. A charge that is declined, or never reached the link, leaves it as
    it was. Once the outcome is definite, nothing more becomes of it: what is done with the card
    afterwards stays, whatever is done with the charge.
    """
    if charge.is_settled:
        return
    answer, method = charge.answer, charge.method
    entry = account.backend.entry(charge.reference)
    # The book is right where a fault has changed the answer.
    is_paid = entry is not None and entry.state in PAID
    is_declined = answer is not None and answer.outcome is Outcome.DECLINED
    if entry is not None:
        is_declined = entry.state == "not_authorised"
    charge.is_settled = is_paid or is_declined
    is_unused = is_declined or (answer is None and entry is None)
    if charge.token is not None:
        charge.token.used_by = "" if is_unused else intent.reference
    if is_paid and _is_kept(account, intent, method):
        return
    if not method.customer and method.used_by in ("", intent.reference):
        method.used_by = "" if is_unused else intent.reference


def _is_kept(account: Account, intent: Intent, method: Method) -> bool:
    """Keep the card of a paid intent for its customer, where the payment says so and it can be."""
    customer, usage = intent.fields.get("customer"), intent.fields.get("setup_future_usage")
    if not customer or not usage:
        return False
    try:
        account.keep_for(method, customer, intent)
    except Invalid:
        return False
    method.is_set_up = method.is_set_up or usage == "off_session"
    return True


def _charged(
    account: Account, asked: RoutedRequest, intent: Intent, method: Method
) -> PaymentRequest:
    """The authorisation of the next charge: each charge of a card is an attempt."""
    if not intent.charges and intent.is_stranger:
        _recognise(asked, intent, method)
    reference, attempt = intent.first_reference or intent.reference, intent.attempt
    if intent.charges:
        found = asked.call.attribute(Evidence(headers={}, texts=(intent.payment,), key=asked.key))
        is_known = found.payment == intent.payment
        attempt = found.attempt if is_known else intent.attempt + len(intent.charges)
        reference = found.reference if is_known else reference
    if intent.charges and account.intents.of(reference) is not None:
        account.made += 1
        reference = f"{reference}~{account.backend.link}.i{account.made}"
    return replace(
        request_of(intent),
        instrument=method.card,
        attempt=attempt,
        reference=reference,
        authenticated=intent.is_authenticated,
        three_ds="challenge" if intent.is_authenticated else "",
        is_sale=not intent.is_manual,
        declined_as=method.declined_as,
    )


def _recognise(asked: RoutedRequest, intent: Intent, method: Method) -> None:
    """Attribute an intent that was created before its card was known."""
    found = asked.call.attribute(
        Evidence(
            headers=asked.call.http.headers,
            texts=asked.texts(),
            key=asked.key,
            instrument=method.card,
            amount_minor=intent.amount_minor,
            currency=intent.currency.upper(),
        )
    )
    if found.by != "nothing":
        intent.payment, intent.attempt = found.payment, found.attempt
        intent.first_reference, intent.is_stranger = found.reference, False


def _authorised(
    account: Account, intent: Intent, charge: Charge, answer: Answer, declines_instead: bool
) -> Shown:
    """What the answer to a charge shows; a decline is an error."""
    # A fault may change the link's answer.
    noted = charge.answer
    if noted is None or (noted.outcome, noted.code) != (answer.outcome, answer.code):
        _note(account, intent, charge, answer, declines_instead)
    if answer.reference.startswith(f"{charge.reference}~"):
        # The link executed a repeated key again: the new authorisation is another intent.
        booked = account.backend.entry(answer.reference)
        again = booked.request if booked is not None and booked.request is not None else None
        if again is not None:
            return account.objects.intent(account.intents.booked(again, intent))
    if answer.outcome is Outcome.UNKNOWN:
        return account.objects.intent(intent, PROCESSING)
    if answer.outcome is Outcome.APPROVED:
        approved = REQUIRES_CAPTURE if intent.is_manual else SUCCEEDED
        return account.objects.intent(intent, approved)
    if intent.error is None:
        return account.objects.intent(intent)
    raise Invalid(402, dict(intent.error), intent.reference)


def _note(
    account: Account, intent: Intent, charge: Charge, answer: Answer, declines_instead: bool
) -> None:
    """Record the answer to an intent's charge, even if nobody receives it."""
    charge.answer, intent.error = answer, None
    if answer.outcome is Outcome.UNKNOWN and not charge.was_unknown:
        charge.was_unknown = True
        account.backend.notify(PROCESSES, charge.request)
    if answer.outcome is not Outcome.DECLINED:
        return
    is_soft = asks_for_authentication(answer.code, charge.request.instrument.group)
    if is_soft and not declines_instead and not intent.is_authenticated:
        intent.waits = True
        account.backend.notify("payment_intent.requires_action", charge.request)
        return
    intent.error = account.objects.decline(charge, AUTHENTICATION_REQUIRED if is_soft else "")
    intent.is_authenticated = False


def _waiting(account: Account, intent: Intent) -> Plan:
    plan = account.looked_up(
        lambda: account.objects.intent(intent),
        request_of(intent),
        change=lambda: account.backend.notify("payment_intent.requires_action", request_of(intent)),
    )
    plan.after = partial(setattr, intent, "is_busy", False)
    return plan
