"""How Square fails: a list of errors with category and code, whatever the status."""

from __future__ import annotations

from math import ceil
from typing import Any

from paychain.protocol.dialects.square.tables import errors
from paychain.protocol.message import Error, ErrorKind
from paychain.wire.http import HttpResponse, json_response

RETRY_AFTER = "retry-after"
_GARBLED = b'{"payment":{"id":"'
_BY_KIND = {
    ErrorKind.MALFORMED: "malformed",
    ErrorKind.NOT_FOUND: "no_resource",
    ErrorKind.UNAUTHENTICATED: "unauthorised",
    ErrorKind.KEY_MISSING: "missing",
    ErrorKind.KEY_TOO_LONG: "key_too_long",
    ErrorKind.KEY_MISMATCH: "key_mismatch",
    ErrorKind.KEY_IN_FLIGHT: "in_flight",
    ErrorKind.RATE_LIMITED: "too_many",
    ErrorKind.OVERLOADED: "unavailable",
    ErrorKind.UNAVAILABLE: "unavailable",
    ErrorKind.BAD_GATEWAY: "bad_gateway",
    ErrorKind.GATEWAY_TIMEOUT: "gateway_timeout",
    ErrorKind.FORWARDED: "bad_gateway",
}
# Square's error for each status that a fault can inject.
_BY_STATUS = {
    400: "bad_request",
    401: "unauthorised",
    403: "forbidden",
    404: "no_resource",
    408: "request_timeout",
    409: "in_flight",
    429: "too_many",
    500: "internal",
    502: "bad_gateway",
    503: "unavailable",
    504: "gateway_timeout",
}


class Invalid(Exception):
    """A request that Square refuses before any work. `name`: a line of `data/errors.yaml`."""

    def __init__(self, name: str, *, field: str = "", what: str = "") -> None:
        super().__init__(name)
        self.name, self.field, self.what = name, field, what


def failure(
    name: str, *, field: str = "", what: str = "", status: int = 0, detail: str = ""
) -> HttpResponse:
    """An error response. `field`: the wrong field of the body; `what`: completes the detail."""
    shape = errors()[name]
    error: dict[str, Any] = {
        "category": shape.category,
        "code": shape.code,
        "detail": detail or shape.detail.format(what=what),
    }
    if field:
        error["field"] = field
    return json_response(status or shape.status, {"errors": [error]})


def of_link(error: Error) -> HttpResponse:
    """An error of the link or an injected one, in Square's format."""
    if error.kind is ErrorKind.GARBLED:
        return HttpResponse(200, _GARBLED, {"content-type": "application/json"})
    if error.kind is ErrorKind.INTERNAL:
        response = failure("internal", detail=error.message)
    elif error.kind is ErrorKind.INJECTED:
        otherwise = "internal" if error.status >= 500 else "bad_request"
        response = failure(_BY_STATUS.get(error.status, otherwise), status=error.status)
    else:
        response = failure(_BY_KIND[error.kind])
    if error.retry_after_s:
        response.headers[RETRY_AFTER] = str(ceil(error.retry_after_s))
    return response
