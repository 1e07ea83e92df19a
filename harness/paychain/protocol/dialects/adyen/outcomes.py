"""Outcomes in Adyen's terms: resultCode and refusal reason, and how a test chooses them."""

from __future__ import annotations

from typing import Any

from paychain.payments.codes import IN_PROGRESS, asks_for_authentication, is_technical, lookup
from paychain.payments.outcome import Outcome
from paychain.protocol.dialects.adyen.tables import Reason, mapped, reasons, reasons_by_name
from paychain.protocol.message import Answer

AUTHORISED, PARTIALLY_AUTHORISED = "Authorised", "PartiallyAuthorised"
PENDING, RECEIVED = "Pending", "Received"
ACQUIRER_ERROR, DECLINED_NON_GENERIC, AUTHENTICATION_REQUIRED = "4", "27", "38"
STEER = "RequestedTestAcquirerResponseCode"
RECEIVED_NAME, RECEIVED_CODE = "PENDING", "13"  # with which a test asks for `Received`


def reason_of(code: str, scheme: str) -> Reason:
    """Why an authorisation with this DE39 code was not approved."""
    known = reasons()
    if asks_for_authentication(code, scheme):
        return known[AUTHENTICATION_REQUIRED]
    otherwise = ACQUIRER_ERROR if is_technical(code) else DECLINED_NON_GENERIC
    return known[mapped().get(code, otherwise)]


def steered(holder_name: str, additional: dict[str, Any]) -> Reason | None:
    """The refusal that a test asks for, None when it asks for none."""
    by_code = reasons().get(str(additional.get(STEER, "")))
    return by_code or reasons_by_name().get(holder_name)


def is_received(holder_name: str, additional: dict[str, Any]) -> bool:
    """Whether a test asks that only the webhook has the outcome."""
    return holder_name == RECEIVED_NAME or str(additional.get(STEER, "")) == RECEIVED_CODE


def is_pending(answer: Answer) -> bool:
    """Whether Adyen has accepted the request and will know its outcome later."""
    return answer.outcome is Outcome.UNKNOWN and answer.code == IN_PROGRESS


def shown(answer: Answer, asked_minor: int, scheme: str, steer: Reason | None) -> dict[str, Any]:
    """The resultCode, with the reason unless the payment is approved."""
    if answer.outcome is Outcome.APPROVED:
        is_part = 0 < answer.amount_minor < asked_minor
        return {"resultCode": PARTIALLY_AUTHORISED if is_part else AUTHORISED}
    if is_pending(answer):  # the webhook brings the outcome
        return {"resultCode": PENDING}
    # The network did not answer: for Adyen the payment ends as an error (`reason_of`: 4).
    reason = steer or reason_of(answer.code, scheme)
    return {
        "resultCode": reason.result,
        "refusalReason": reason.reason,
        "refusalReasonCode": reason.code,
    }


def raw_reason(answer: Answer) -> str:
    """The network's answer in the form of additionalData.refusalReasonRaw."""
    if answer.outcome is Outcome.APPROVED:
        return "AUTHORISED"
    known = lookup(answer.code)
    return f"{answer.code} : {known.meaning}" if known is not None else answer.code
