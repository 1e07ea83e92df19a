"""What follows an authorisation: captures, cancellations and refunds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec.structs import replace

from paychain.payments.codes import INVALID_AMOUNT, NOT_FOUND
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.stripe import disputes
from paychain.protocol.dialects.stripe.account import Account, Plan, RoutedRequest, merged, written
from paychain.protocol.dialects.stripe.details import Shown
from paychain.protocol.dialects.stripe.errors import Invalid, invalid, missing
from paychain.protocol.dialects.stripe.intents import free_intent, request_of, unexpected
from paychain.protocol.dialects.stripe.parameters import boolean, choice, integer, text
from paychain.protocol.dialects.stripe.records import (
    PROCESSING,
    REFUND_UPDATED,
    REQUIRES_CAPTURE,
    SUCCEEDED,
    WAITING_OR_HELD,
    CaptureOrRefund,
    Charge,
    Intent,
    item_of_update,
)
from paychain.protocol.message import Answer
from paychain.protocol.vendor_before import Before

REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
_DESCRIPTORS = ("statement_descriptor", "statement_descriptor_suffix")
REFUND_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def capture(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/payment_intents/{intent}/capture`: the rest is released unless more is to come."""
    intent = free_intent(account, asked)
    entry = account.objects.entry(intent)
    status = intent.status(entry)
    if status != REQUIRES_CAPTURE or entry is None or intent.charge is None:
        raise unexpected(
            intent,
            f"This PaymentIntent could not be captured because it has a status of {status}. Only "
            "a PaymentIntent with one of the following statuses may be captured: "
            f"{REQUIRES_CAPTURE}.",
        )
    amount_minor = integer(asked.given, "amount_to_capture") or entry.rest_minor
    if amount_minor > entry.rest_minor:
        raise _too_large("amount_to_capture", amount_minor, entry.rest_minor)
    is_final = boolean(asked.given, "final_capture", default=True)
    write, take_back = _write_fields(intent, asked)
    charge = intent.charge
    part = CaptureOrRefund(
        item=charge.next_item("c"),
        amount_minor=amount_minor,
        created_s=account.backend.now_s(),
    )
    charge.captures.append(part)
    request = replace(
        charge.request,
        amount_minor=amount_minor,
        item=part.item,
        is_final=is_final,
        is_sale=False,
    )

    def show(answer: Answer) -> Shown:
        _settle(charge.captures, part, answer)
        if answer.outcome is Outcome.DECLINED:
            raise _refused(account, intent, charge, answer, "amount_to_capture")
        is_open = answer.outcome is Outcome.UNKNOWN
        return account.objects.intent(intent, PROCESSING if is_open else "")

    def undo() -> None:
        take_back()
        _forget(charge.captures, part)

    return Plan(
        operation="capture",
        request=request,
        show=show,
        change=write,
        undo=undo,
        note=partial(_if_declined, take_back),
    )


def _write_fields(
    intent: Intent, asked: RoutedRequest
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Write the capture's descriptors and metadata: the events of the link's work show them.

    Returns what writes them again, onto what others have written meanwhile, and what takes them
    back: a decline reverts them.
    """
    fields: dict[str, Any] = {
        name: text(asked.given, name) or None for name in _DESCRIPTORS if name in asked.given
    }
    if "metadata" in asked.given:
        written(intent.fields.get("metadata", {}), asked.given)
    before = Before(intent, "fields")

    def write() -> None:
        if "metadata" in asked.given:
            fields["metadata"] = merged(intent.fields.get("metadata", {}), asked.given)
        intent.fields = {**intent.fields, **fields}

    write()
    return write, before.written()


def cancel(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/payment_intents/{intent}/cancel`: what is held is released."""
    intent = free_intent(account, asked)
    entry = account.objects.entry(intent)
    status = intent.status(entry)
    reason = choice(asked.given, "cancellation_reason", REASONS)
    if status not in WAITING_OR_HELD:
        raise unexpected(
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {status}. Only a "
            "PaymentIntent with one of the following statuses may be canceled: "
            f"{', '.join(WAITING_OR_HELD)}.",
        )
    # Its confirmation is still in progress: cancelled now, it would hold money afterwards.
    if status == PROCESSING and entry is None:
        raise unexpected(
            intent, f"You cannot cancel this PaymentIntent because it has a status of {status}."
        )

    def end() -> None:
        intent.cancellation_reason = reason
        intent.canceled_s = account.backend.now_s()

    charge = intent.charge
    if charge is None or entry is None or entry.state == "not_authorised":

        def end_and_report() -> None:
            end()
            account.backend.notify("payment_intent.canceled", request_of(intent))

        return account.looked_up(
            lambda: account.objects.intent(intent), request_of(intent), change=end_and_report
        )

    def show(answer: Answer) -> Shown:
        if answer.outcome is Outcome.DECLINED:
            raise _refused(account, intent, charge, answer, "")
        is_open = answer.outcome is Outcome.UNKNOWN
        return account.objects.intent(intent, PROCESSING if is_open else "")

    before = Before(intent, "cancellation_reason")
    intent.cancellation_reason = reason
    take_back = before.written()
    return Plan(
        operation="void",
        request=replace(charge.request, is_sale=False),
        show=show,
        change=end,
        undo=take_back,
        note=partial(_if_declined, take_back),
    )


def refund(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/refunds`, of an intent or a charge."""
    given = asked.given
    intent, charge = _refunded(account, asked)
    entry = account.backend.entry(charge.reference)
    left_minor = entry.captured_minor - entry.refunded_minor if entry is not None else 0
    reason = choice(given, "reason", REFUND_REASONS)
    asked_minor = integer(given, "amount")
    if entry is None or not entry.captured_minor:
        raise invalid(
            f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.",
            param="payment_intent",
        )
    if charge.dispute is not None:
        raise disputes.not_refundable(charge)
    if not left_minor:
        raise invalid(
            f"Charge {account.objects.charge(intent, charge)['id']} has already been refunded.",
            code="charge_already_refunded",
        )
    amount_minor = asked_minor or left_minor
    if amount_minor > left_minor:
        raise invalid(
            f"Refund amount ({amount_minor}) is greater than unrefunded amount on charge "
            f"({left_minor})",
            param="amount",
        )
    part = CaptureOrRefund(
        item=charge.next_item("r"),
        amount_minor=amount_minor,
        created_s=account.backend.now_s(),
        fields={"metadata": written({}, given), "reason": reason or None},
    )
    charge.refunds.append(part)
    request = replace(charge.request, amount_minor=amount_minor, item=part.item, is_sale=False)

    def show(answer: Answer) -> Shown:
        if answer.outcome is Outcome.DECLINED and answer.code in (INVALID_AMOUNT, NOT_FOUND):
            _forget(charge.refunds, part)
            raise _refused(account, intent, charge, answer, "amount")
        _settle([], part, answer)
        return account.objects.refund(intent, charge, part)

    undo = partial(_forget, charge.refunds, part)
    return Plan(operation="refund", request=request, show=show, undo=undo)


def update_refund(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/refunds/{refund}`: its metadata."""
    intent, charge, part = found_refund(account, asked)

    # Other updates may be made before this one is done.
    def metadata() -> dict[str, str]:
        return written(part.fields.get("metadata", {}), asked.given)

    metadata()
    request = replace(charge.request, is_sale=False)

    def change() -> None:
        if "metadata" not in asked.given:
            return
        part.fields.update(metadata=metadata())
        part.updated_s.append(account.backend.now_s())
        account.backend.notify(REFUND_UPDATED, replace(request, item=item_of_update(part)))

    return account.looked_up(
        lambda: account.objects.refund(intent, charge, part), request, change=change
    )


def cancel_refund(account: Account, asked: RoutedRequest) -> Plan:
    """`POST /v1/refunds/{refund}/cancel`: only of one that waits for its customer. Raises Invalid.

    Refunds to cards never do.
    """
    refund = account.objects.refund(*found_refund(account, asked))
    status = refund["status"]
    raise invalid(
        f"You can only cancel refunds that are in the requires_action state, this refund is "
        f"currently in the {status} state."
    )


def retrieve_refund(account: Account, asked: RoutedRequest) -> Plan:
    """`GET /v1/refunds/{refund}`."""
    intent, charge, part = found_refund(account, asked)
    return account.looked_up(
        lambda: account.objects.refund(intent, charge, part), replace(charge.request, is_sale=False)
    )


def found_refund(account: Account, asked: RoutedRequest) -> tuple[Intent, Charge, CaptureOrRefund]:
    """The refund that a path names. Raises Invalid for an unknown."""
    name = asked.names[0]
    asked.concerns(name)
    found = account.intents.refund_named(name)
    if found is None:
        raise missing("refund", name)
    return found


def _refunded(account: Account, asked: RoutedRequest) -> tuple[Intent, Charge]:
    """The intent and charge to refund. Raises Invalid."""
    given = asked.given
    name, of_charge = text(given, "payment_intent"), text(given, "charge")
    if not name and not of_charge:
        raise invalid(
            "One of the following params should be provided for this request: payment_intent or "
            "charge.",
            code="parameter_missing",
        )
    asked.concerns(name or of_charge)
    found = None
    if of_charge:
        found = account.intents.charge_named(of_charge)
        what, param = "charge", "charge"
    else:
        intent = account.intents.named(name)
        what, param = "payment_intent", "payment_intent"
        if intent is not None and intent.charge is not None:
            found = (intent, intent.charge)
        elif intent is not None:
            raise invalid(
                f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.",
                param="payment_intent",
            )
    if found is None:
        refusal = missing(what, of_charge or name, param)
        refusal.status = 404
        raise refusal
    return found


def _if_declined(take_back: Callable[[], None], answer: Answer) -> None:
    """Revert what was written for a request that is declined."""
    if answer.outcome is Outcome.DECLINED:
        take_back()


def _forget(parts: list[CaptureOrRefund], part: CaptureOrRefund) -> None:
    parts[:] = [each for each in parts if each is not part]


def _settle(parts: list[CaptureOrRefund], part: CaptureOrRefund, answer: Answer) -> None:
    """Record the answer to a capture or refund; a declined capture is forgotten."""
    match answer.outcome:
        case Outcome.APPROVED:
            part.state = SUCCEEDED
        case Outcome.UNKNOWN:
            part.state = ""
        case Outcome.DECLINED:
            part.state = "failed"
            if part in parts:
                parts.remove(part)


def _too_large(param: str, asked_minor: int, left_minor: int) -> Invalid:
    return invalid(
        f"The amount {asked_minor} is greater than the amount that is left: {left_minor}.",
        code="amount_too_large",
        param=param,
    )


def _refused(
    account: Account, intent: Intent, charge: Charge, answer: Answer, param: str
) -> Invalid:
    """Stripe's error when the network, or a fault in its place, declines a follow-up."""
    if answer.code == INVALID_AMOUNT:
        entry = account.backend.entry(charge.reference)
        return _too_large(param, 0, entry.rest_minor if entry is not None else 0)
    if answer.code == NOT_FOUND:
        status = intent.status(account.objects.entry(intent))
        return unexpected(intent, f"This PaymentIntent has a status of {status}.")
    error = account.objects.decline(charge, answer.code)
    return Invalid(402, error, intent.reference)
