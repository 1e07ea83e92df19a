"""How a caller reads a response of Stripe's API, and what it proves."""

from __future__ import annotations

from typing import Any

import msgspec

from paychain.payments.outcome import HopResult
from paychain.protocol.dialects.stripe.declines import TECHNICAL
from paychain.protocol.dialects.stripe.records import PROCESSING, REQUIRES_ACTION
from paychain.protocol.json_text import decoded
from paychain.protocol.reply import Reply
from paychain.protocol.vendor_pages import data_in
from paychain.wire.http import HttpResponse

PAYMENT_REQUIRED = 402


def classify(response: HttpResponse) -> Reply:
    """The reply that a response stands for.

    A status of 400 to 499 proves that nothing was done; one of 500 and above proves nothing.
    """
    status = response.status
    if status in (301, 302, 303, 307, 308):
        return Reply(HopResult.APPROVED, str(status))
    try:
        shown: Any = decoded(data_in(response.body))
    except msgspec.MsgspecError:
        return Reply(HopResult.HTTP_ERROR if status >= 400 else HopResult.MALFORMED, str(status))
    if status == PAYMENT_REQUIRED:
        return _declined(shown)
    if status >= 400:
        is_callers = status < 500
        return Reply(HopResult.REJECTED if is_callers else HopResult.HTTP_ERROR, str(status))
    if not isinstance(shown, dict):
        return Reply(HopResult.MALFORMED)
    if shown.get("object") == "payment_intent":
        match shown.get("status"):
            case str() as found if found == PROCESSING:
                return Reply(HopResult.UNKNOWN)
            case str() as found if found == REQUIRES_ACTION:
                # Nothing is held before the customer has authenticated.
                return Reply(HopResult.DECLINED, REQUIRES_ACTION)
    return Reply(HopResult.APPROVED)


def _declined(shown: Any) -> Reply:
    error = shown.get("error") if isinstance(shown, dict) else None
    if not isinstance(error, dict):
        return Reply(HopResult.HTTP_ERROR, str(PAYMENT_REQUIRED))
    words = [
        str(error.get(name) or "") for name in ("network_decline_code", "decline_code", "code")
    ]
    is_technical = not TECHNICAL.isdisjoint(words)
    code = next((word for word in words if word), str(PAYMENT_REQUIRED))
    return Reply(HopResult.TECHNICAL if is_technical else HopResult.DECLINED, code)
