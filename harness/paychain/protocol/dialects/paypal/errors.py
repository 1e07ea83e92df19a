"""How PayPal fails: a name, an issue and links, or an error page of the edge before the API."""

from __future__ import annotations

from math import ceil
from typing import Any
from zlib import crc32

from paychain.protocol.dialects.paypal.tables import issues
from paychain.protocol.message import Error, ErrorKind
from paychain.wire.http import HttpResponse, json_response

# Issues that stand for a failure of PayPal itself, when a test requests one.
INTERNAL = frozenset({"INTERNAL_SERVER_ERROR", "INTERNAL_SERVICE_ERROR"})
DEBUG_ID = "paypal-debug-id"
_GARBLED = b'{"id":"'
_MESSAGES = {
    "INVALID_REQUEST": ("Request is not well-formed, syntactically incorrect, or violates schema."),
    "AUTHENTICATION_FAILURE": (
        "Authentication failed due to missing authorization header, or invalid authentication "
        "credentials."
    ),
    "NOT_AUTHORIZED": "Authorization failed due to insufficient permissions.",
    "RESOURCE_NOT_FOUND": "The specified resource does not exist.",
    "RESOURCE_CONFLICT": "The server has detected a conflict while processing this request.",
    "UNPROCESSABLE_ENTITY": (
        "The requested action could not be performed, semantically incorrect, or failed business "
        "validation."
    ),
    "RATE_LIMIT_REACHED": "Too many requests. Blocked due to rate limiting.",
    "INTERNAL_SERVER_ERROR": "An internal server error occurred.",
    "SERVICE_UNAVAILABLE": "Service Unavailable.",
}
_NAMES = {
    400: "INVALID_REQUEST",
    401: "AUTHENTICATION_FAILURE",
    403: "NOT_AUTHORIZED",
    404: "RESOURCE_NOT_FOUND",
    409: "RESOURCE_CONFLICT",
    422: "UNPROCESSABLE_ENTITY",
    429: "RATE_LIMIT_REACHED",
    503: "SERVICE_UNAVAILABLE",
}
_STATUS = {
    ErrorKind.MALFORMED: 400,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.NOT_FOUND: 403,
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.OVERLOADED: 503,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.BAD_GATEWAY: 503,
    ErrorKind.GATEWAY_TIMEOUT: 504,
    ErrorKind.FORWARDED: 503,
}
_OF_KEYS = {
    ErrorKind.KEY_TOO_LONG: "PAYPAL_REQUEST_ID_TOO_LONG",
    ErrorKind.KEY_IN_FLIGHT: "PREVIOUS_REQUEST_IN_PROGRESS",
}


class Invalid(Exception):
    """A request that PayPal refuses before any work. `issue`: a line of `data/issues.yaml`."""

    def __init__(self, issue: str, field: str = "", value: str = "") -> None:
        super().__init__(issue)
        self.issue = issue
        self.field = field
        self.value = value


def refusal(issue: str, field: str = "", value: str = "", payer_at: str = "") -> HttpResponse:
    """The error with one issue. `payer_at`: where the payer has to go first."""
    known = issues().get(issue)
    detail = {
        "issue": issue,
        "description": known.description if known is not None else issue,
        **({"field": field, "location": "body"} if field else {}),
        **({"value": value} if value else {}),
    }
    status, name = (known.status, known.name) if known is not None else (422, _NAMES[422])
    links = [_link(issue)]
    if payer_at:
        links.append({"href": payer_at, "rel": "payer-action", "method": "GET"})
    return error_response(status, name, [detail], links)


def error_response(
    status: int,
    name: str = "",
    details: list[dict[str, Any]] | None = None,
    links: list[dict[str, Any]] | None = None,
    *,
    message: str = "",
) -> HttpResponse:
    """An error in PayPal's shape."""
    name = name or _NAMES.get(status, "INTERNAL_SERVER_ERROR")
    debug_id = f"{crc32(f'{status}{name}{details}'.encode()):08x}paych"
    body: dict[str, Any] = {
        "name": name,
        "message": message or _MESSAGES.get(name, name),
        "debug_id": debug_id,
    }
    if details:
        body["details"] = details
    body["links"] = links or []
    response = json_response(status, body)
    response.headers[DEBUG_ID] = debug_id
    return response


def of_link(error: Error) -> HttpResponse:
    """An error of the link or an injected one, in PayPal's format."""
    if error.kind is ErrorKind.GARBLED:
        return HttpResponse(200, _GARBLED, {"content-type": "application/json"})
    if error.kind in _OF_KEYS:
        return refusal(_OF_KEYS[error.kind])
    status = error.status or _STATUS.get(error.kind, 500)
    message = error.message if error.kind is ErrorKind.INTERNAL else ""
    response = error_response(status, message=message)
    if error.retry_after_s:
        response.headers["retry-after"] = str(ceil(error.retry_after_s))
    return response


def _link(issue: str) -> dict[str, str]:
    href = f"https://developer.paypal.com/api/rest/reference/orders/v2/errors/#{issue}"
    return {"href": href, "rel": "information_link", "method": "GET"}
