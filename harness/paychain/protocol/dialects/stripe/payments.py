"""Payment intents: created, updated, confirmed and retrieved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from paychain.payments.money import currencies
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest, written
from paychain.protocol.dialects.stripe.cards import Method
from paychain.protocol.dialects.stripe.confirmation_tokens import TOKEN
from paychain.protocol.dialects.stripe.confirming import confirmed
from paychain.protocol.dialects.stripe.details import Shown, address
from paychain.protocol.dialects.stripe.errors import Invalid, invalid
from paychain.protocol.dialects.stripe.intents import (
    found_intent,
    free_intent,
    request_of,
    unexpected,
)
from paychain.protocol.dialects.stripe.objects import method_id
from paychain.protocol.dialects.stripe.parameters import (
    boolean,
    choice,
    integer,
    mapping,
    required,
    text,
)
from paychain.protocol.dialects.stripe.records import (
    PROCESSING,
    REQUIRES_ACTION,
    REQUIRES_CAPTURE,
    REQUIRES_CONFIRMATION,
    REQUIRES_METHOD,
    SUCCEEDED,
    Intent,
)
from paychain.protocol.message import Answer
from paychain.protocol.vendor import Evidence

# Smallest charge by currency, in minor units (docs.stripe.com/currencies, "minimum amounts"); M.
MIN_MINOR = {"usd": 50, "eur": 50, "gbp": 30, "chf": 50, "cad": 50, "aud": 50, "jpy": 50}
_TEXTS = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)
CAPTURES = ("automatic", "automatic_async", "manual")
WAITING = (REQUIRES_METHOD, REQUIRES_CONFIRMATION, REQUIRES_ACTION)
_FIXED = ("amount", "currency", "payment_method", "payment_method_data")  # when it is confirmed
_CONFIRMED_WITH = ("capture_method",)  # also fixed while it is being confirmed


def create(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/payment_intents`, with or without `confirm`."""
    given = asked.given
    required(given, "amount")
    required(given, "currency")
    amount_minor = integer(given, "amount") or 0
    currency = currency_of(text(given, "currency"), amount_minor)
    confirms = boolean(given, "confirm")
    for name in ("off_session", "error_on_requires_action"):
        if given.get(name) and not confirms:
            raise invalid(
                f"The parameter {name} cannot be passed when creating a PaymentIntent unless "
                "confirm is set to true.",
                param=name,
            )
    draft = Intent(
        reference="-",
        payment="",
        attempt=1,
        amount_minor=amount_minor,
        currency=currency,
        created_s=account.backend.now_s(),
        key=asked.key,
    )
    write(account, draft, given)
    if confirms:
        _check_method(account, draft)
    found = asked.call.attribute(
        Evidence(
            headers=asked.call.http.headers,
            texts=asked.texts(),
            key=asked.key,
            instrument=draft.method.card if draft.method is not None else None,
            amount_minor=amount_minor,
            currency=currency.upper(),
        )
    )
    draft.reference, draft.payment, draft.attempt = found.reference, found.payment, found.attempt
    draft.is_stranger = found.by == "nothing" and not confirms
    # A link that keeps no keys makes another intent for a repeat: it needs a name of its own.
    if account.intents.of(found.reference) is not None:
        account.made += 1
        draft.reference = f"{found.reference}~{account.backend.link}.i{account.made}"
    if draft.method is not None and draft.method.id == "":
        draft.method.id = method_id(draft)
    if confirms:
        return first_confirmed(account, asked, draft)

    def add() -> None:
        account.intents.add(draft)
        account.backend.notify("payment_intent.created", request_of(draft))

    return account.looked_up(lambda: account.objects.intent(draft), request_of(draft), change=add)


def first_confirmed(account: Account, asked: RoutedRequest, intent: Intent) -> Plan:
    """Confirm a new intent: it is registered once anything has come of it."""
    before = account.intents.before(intent)
    account.intents.add(intent)
    plan = confirmed(account, asked, intent)
    plan.undo = before()
    change = plan.change

    def created() -> None:
        account.backend.notify("payment_intent.created", request_of(intent))
        if change is not None:
            change()

    plan.change = created
    return plan


def update(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/payment_intents/{intent}`."""
    intent = free_intent(account, asked)
    fixed = [name for name in _FIXED if asked.given.get(name)]
    if fixed and intent.status(account.objects.entry(intent)) not in WAITING:
        raise _fixed(account, intent, fixed[0])
    write_all, plan = written_by(account, intent, asked.given), _looked_at(account, intent)

    def change() -> None:
        # Another request may have come in between: what it has done, or is about to do, does
        # not use these values.
        used = [*fixed, *(name for name in _CONFIRMED_WITH if name in asked.given)]
        is_over = fixed and intent.status(account.objects.entry(intent)) not in WAITING
        if is_over or (used and intent.is_busy):
            raise _fixed(account, intent, used[0])
        write_all()

    plan.change_when_done(change)
    return plan


def _fixed(account: Account, intent: Intent, name: str) -> Invalid:
    """The error for a parameter that can no longer be changed."""
    status = PROCESSING if intent.is_busy else intent.status(account.objects.entry(intent))
    return unexpected(
        intent,
        f"This PaymentIntent's {name} could not be updated because it has a status of {status}.",
        name,
    )


def retrieve(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/payment_intents/{intent}`."""
    return _looked_at(account, found_intent(account, asked))


def confirm(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/payment_intents/{intent}/confirm`."""
    intent = free_intent(account, asked)
    status = intent.status(account.objects.entry(intent))
    if status not in WAITING:
        raise unexpected(
            intent,
            f"This PaymentIntent's status is {status}: it has already been confirmed, canceled or "
            "is being worked on, and cannot be confirmed again.",
        )
    before = account.intents.before(intent)
    write(account, intent, asked.given)
    # To confirm an intent that waits for the customer means that the customer is back.
    is_back = status == REQUIRES_ACTION and not asked.given.get("payment_method")
    try:
        _check_method(account, intent)
        plan = confirmed(account, asked, intent, is_customer_back=is_back)
    except Invalid:
        take_back = before()
        take_back()
        raise
    plan.undo = before()
    return plan


def increment(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/payment_intents/{intent}/increment_authorization`: no card here allows it."""
    intent = found_intent(account, asked)
    raise unexpected(intent, "This PaymentIntent is not eligible for an incremental authorization.")


def _looked_at(account: Account, intent: Intent) -> Plan:
    """A plan that shows an intent as the book has it, or as a fault falsifies it."""
    request = intent.charge.request if intent.charge is not None else request_of(intent)

    def show(answer: Answer) -> Shown:
        entry = account.objects.entry(intent)
        if entry is None:
            return account.objects.intent(intent)
        is_held = entry.state == "authorised"
        if answer.outcome is Outcome.UNKNOWN:
            return account.objects.intent(intent, PROCESSING)
        if answer.outcome is Outcome.APPROVED and not is_held:
            claimed = REQUIRES_CAPTURE if intent.is_manual else SUCCEEDED
            return account.objects.intent(intent, claimed)
        if answer.outcome is Outcome.DECLINED and is_held:
            return account.objects.intent(intent, REQUIRES_METHOD)
        return account.objects.intent(intent)

    return Plan(operation="query", request=replace(request, is_sale=False), show=show)


def _check_method(account: Account, intent: Intent) -> None:
    """Raises Invalid when there is no card to charge."""
    if intent.usable_method(account.objects.entry(intent)) is None:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can "
            "either update the PaymentIntent with a payment method and then confirm it again, or "
            "confirm it again directly with a payment method or ConfirmationToken.",
            code="payment_intent_unexpected_state",
            about="" if intent.reference == "-" else intent.reference,
        )


def write(account: Account, intent: Intent, given: dict[str, Any]) -> None:
    """Write the values of a request into an intent. Raises Invalid before any change."""
    written_by(account, intent, given)()


def written_by(account: Account, intent: Intent, given: dict[str, Any]) -> Callable[[], None]:
    """A function that writes them into the intent.

    Raises Invalid, as may that function. Metadata is merged when it is written: another request may
    have written some meanwhile.
    """
    fields: dict[str, Any] = {}
    for name in _TEXTS:
        if name in given:
            fields[name] = text(given, name) or None
    if "customer" in given:
        fields["customer"] = account.customer_asked(given)
    if "metadata" in given:
        written(intent.fields.get("metadata", {}), given)
    if "shipping" in given:
        fields["shipping"] = _shipping(mapping(given, "shipping"))
    choice(given, "setup_future_usage", ("off_session", "on_session"))
    if given.get("payment_method_types"):
        if not isinstance(given["payment_method_types"], list):
            raise invalid("Invalid array", param="payment_method_types")
        fields["payment_method_types"] = list(given["payment_method_types"])
    if "automatic_payment_methods" in given:
        automatic = mapping(given, "automatic_payment_methods")
        fields["automatic_payment_methods"] = {
            "allow_redirects": automatic.get("allow_redirects", "always"),
            "enabled": boolean(automatic, "enabled"),
        }
    for name, choices in (
        ("capture_method", CAPTURES),
        ("confirmation_method", ("automatic", "manual")),
    ):
        chosen = choice(given, name, choices)
        if chosen:
            fields[name] = chosen
    amount_minor = integer(given, "amount")
    currency = text(given, "currency")
    if currency or amount_minor:
        currency = currency_of(currency or intent.currency, amount_minor or intent.amount_minor)
    made_id = method_id(intent) if intent.reference != "-" else ""
    method = account.method_given(given, lambda: made_id, intent)
    if method is not None or "customer" in fields:
        _check_owner(method or intent.method, {**intent.fields, **fields}.get("customer"))
    return_url = text(given, "return_url")

    def write_all() -> None:
        if "metadata" in given:
            fields["metadata"] = written(intent.fields.get("metadata", {}), given)
        intent.fields = {**intent.fields, **fields}
        intent.is_manual = intent.fields.get("capture_method") == "manual"
        intent.amount_minor = amount_minor or intent.amount_minor
        intent.currency = currency or intent.currency
        intent.return_url = return_url or intent.return_url
        if method is not None:
            # Another card has to be authenticated separately, and so has the same one again.
            intent.method, intent.is_method_new = method, True
            intent.token = account.confirmation_tokens.get(text(given, TOKEN))
            intent.waits = intent.is_authenticated = False

    return write_all


def _check_owner(method: Method | None, customer: str | None) -> None:
    """Raises Invalid when the card belongs to another customer."""
    if method is not None and method.customer and method.customer != customer:
        raise invalid(
            f"The payment method {method.id} belongs to the Customer {method.customer}. Please "
            "include the Customer in the `customer` parameter on the PaymentIntent.",
            param="payment_method",
        )


def known_currency(name: str) -> str:
    """The currency in lower case. Raises Invalid."""
    currency = name.lower()
    if currency.upper() not in currencies():
        raise invalid(f"Invalid currency: {name}.", param="currency")
    return currency


def currency_of(name: str, amount_minor: int) -> str:
    """The currency in lower case. Raises Invalid, also if the amount is too small."""
    currency = known_currency(name)
    least_minor = MIN_MINOR.get(currency, 1)
    if amount_minor < least_minor:
        raise invalid(
            f"Amount must be at least {least_minor} in the smallest unit of {currency}.",
            code="amount_too_small",
            param="amount",
        )
    return currency


def _shipping(given: dict[str, Any]) -> Shown | None:
    if not given:
        return None
    shown = {name: given.get(name) for name in ("carrier", "name", "phone", "tracking_number")}
    return {"address": address(given.get("address") or {}), **shown}
