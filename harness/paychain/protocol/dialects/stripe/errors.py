"""Stripe's errors: their status, type and code, in the shape that its SDKs raise exceptions from.

Source: docs/domain.md §2.1 (docs.stripe.com/api/errors).
"""

from __future__ import annotations

from typing import Any

from paychain.protocol.message import Error, ErrorKind

DOCS = "https://stripe.com/docs/error-codes/"
LOGS = "https://dashboard.stripe.com/test/logs/"
INVALID, CARD, API, IDEMPOTENCY = (
    "invalid_request_error",
    "card_error",
    "api_error",
    "idempotency_error",
)
GARBAGE = b'{\n  "id": "pi_3'
_MISMATCH = (
    "Keys for idempotent requests can only be used with the same parameters they were first used "
    "with. Try using a key other than the one given if you meant to execute a different request."
)
_IN_FLIGHT = (
    "There is currently another in-progress request using this Idempotent Key (that probably means "
    "you submitted twice, and the other request is still going through). Please try again later."
)
_RATE = (
    "Request rate limit exceeded. You can learn more about rate limits here "
    "https://stripe.com/docs/rate-limits."
)
_OURS = "Sorry! There was an error while talking to one of our backends."
_BY_KIND: dict[ErrorKind, tuple[int, str, str, str]] = {
    ErrorKind.MALFORMED: (400, INVALID, "", ""),
    ErrorKind.NOT_FOUND: (404, INVALID, "", ""),
    ErrorKind.UNAUTHENTICATED: (401, INVALID, "", ""),
    ErrorKind.KEY_MISSING: (400, INVALID, "", ""),
    ErrorKind.KEY_TOO_LONG: (400, INVALID, "", "The idempotency key is longer than 255 characters"),
    ErrorKind.KEY_MISMATCH: (400, IDEMPOTENCY, "", _MISMATCH),
    ErrorKind.KEY_IN_FLIGHT: (409, IDEMPOTENCY, "idempotency_key_in_use", _IN_FLIGHT),
    ErrorKind.RATE_LIMITED: (429, INVALID, "rate_limit", _RATE),
    ErrorKind.OVERLOADED: (503, API, "", _OURS),
    ErrorKind.UNAVAILABLE: (503, API, "", _OURS),
    ErrorKind.BAD_GATEWAY: (502, API, "", _OURS),
    ErrorKind.GATEWAY_TIMEOUT: (504, API, "", _OURS),
    ErrorKind.FORWARDED: (502, API, "", _OURS),
    ErrorKind.INTERNAL: (500, API, "", ""),
}
DECLINED = "card_declined"
# An injected error has only its status: the error that Stripe sends with each.
_BY_STATUS: dict[int, tuple[str, str, str]] = {
    401: (INVALID, "", "Invalid API Key provided."),
    402: (CARD, DECLINED, "Your card was declined."),
    409: (INVALID, "lock_timeout", "This object cannot be accessed right now."),
    424: (API, "", "A dependency outside of Stripe failed."),
    429: (INVALID, "rate_limit", _RATE),
}


class Invalid(Exception):
    """A request that is refused before any work: its error and status.

    `has_intent`: the error shows the payment intent that `about` names.
    """

    def __init__(self, status: int, error: dict[str, Any], about: str = "") -> None:
        super().__init__(error["message"])
        self.status = status
        self.error = error
        self.about = about  # the reference of the intent that the error shows


def shaped(
    kind: str, message: str, *, code: str = "", param: str = "", **more: Any
) -> dict[str, Any]:
    """An error object; what is "" is left out, as Stripe does."""
    error: dict[str, Any] = {}
    if code:
        error["code"] = code
        error["doc_url"] = f"{DOCS}{code.replace('_', '-')}"
    error["message"] = message
    if param:
        error["param"] = param
    error.update({name: value for name, value in more.items() if value not in ("", None)})
    error["type"] = kind
    return error


def invalid(
    message: str, *, code: str = "", param: str = "", status: int = 400, about: str = ""
) -> Invalid:
    """The error for a request that Stripe cannot execute as it stands."""
    return Invalid(status, shaped(INVALID, message, code=code, param=param), about)


def missing(what: str, name: str, param: str = "") -> Invalid:
    """The error for an id that names no object."""
    return invalid(
        f"No such {what}: '{name}'",
        code="resource_missing",
        param=param
        or {"payment_intent": "intent", "PaymentMethod": "payment_method"}.get(what, "id"),
        status=404,
    )


def card_refused(message: str, code: str, param: str = "", decline_code: str = "") -> Invalid:
    """The error for a card that Stripe itself declines."""
    return Invalid(402, shaped(CARD, message, code=code, param=param, decline_code=decline_code))


def of_link(error: Error) -> tuple[int, dict[str, Any]]:
    """The status and error object for an error of the link behind."""
    if error.kind is ErrorKind.INJECTED or error.kind not in _BY_KIND:
        status = error.status or 500
        kind, code, message = _BY_STATUS.get(
            status, (INVALID, "", "Invalid request.") if status < 500 else (API, "", _OURS)
        )
        why = "generic_decline" if code == DECLINED else ""
        return status, shaped(kind, message, code=code, decline_code=why)
    status, kind, code, message = _BY_KIND[error.kind]
    return error.status or status, shaped(kind, message or error.message or _OURS, code=code)
