"""How Checkout.com fails: error codes with the request's id, or the error page of its edge."""

from __future__ import annotations

from math import ceil
from typing import Any

from paychain.protocol.dialects.checkout.tables import errors
from paychain.protocol.message import Error, ErrorKind
from paychain.protocol.vendor_pages import edge_page_of, phrase_of
from paychain.wire.http import HttpResponse, json_response

REQUEST_ID = "cko-request-id"
RETRY_AFTER = "retry-after"
DUPLICATE = "duplicate_request"  # answers a repeat, and proves nothing about the first request
_GARBLED = b'{"id":"pay_'
_BY_KIND = {
    ErrorKind.MALFORMED: "malformed",
    ErrorKind.NOT_FOUND: "not_found",
    ErrorKind.UNAUTHENTICATED: "unauthorised",
    ErrorKind.KEY_MISSING: "malformed",
    ErrorKind.KEY_TOO_LONG: "malformed",
    ErrorKind.KEY_MISMATCH: "malformed",
    ErrorKind.KEY_IN_FLIGHT: "in_flight",
    ErrorKind.RATE_LIMITED: "too_many",
}
_BY_STATUS = {
    401: "unauthorised",
    403: "capture_not_allowed",
    404: "not_found",
    422: "malformed",
    429: "too_many",
    500: "internal",
}


class Invalid(Exception):
    """A request that is refused before any work. `name`: a line of `data/errors.yaml`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def failure(name: str, request_id: str, *, message: str = "") -> HttpResponse:
    """The answer to a request that is not executed. `message`: our own error code, if any."""
    shape = errors()[name]
    if not shape.codes:
        return HttpResponse(shape.status, b"", {REQUEST_ID: request_id})
    return _coded(shape.status, shape.type, [message] if message else shape.codes, request_id)


def of_link(error: Error, request_id: str) -> HttpResponse:
    """An error of the link or an injected one, in Checkout.com's format."""
    if error.kind is ErrorKind.GARBLED:
        return HttpResponse(201, _GARBLED, {"content-type": "application/json"})
    response = edge_page_of(error)
    if response is None:
        response = _of_api(error, request_id)
    if error.retry_after_s:
        response.headers[RETRY_AFTER] = str(ceil(error.retry_after_s))
    return response


def _of_api(error: Error, request_id: str) -> HttpResponse:
    if error.kind is ErrorKind.INJECTED:
        return _injected(error.status, request_id)
    if error.kind is ErrorKind.INTERNAL:
        return failure("internal", request_id, message=error.message)
    return failure(_BY_KIND[error.kind], request_id)


def _injected(status: int, request_id: str) -> HttpResponse:
    name = _BY_STATUS.get(status)
    if name is not None:
        return failure(name, request_id)
    kind = "processing_error" if status >= 500 else "request_invalid"
    return _coded(status, kind, [phrase_of(status).lower().replace(" ", "_")], request_id)


def _coded(status: int, kind: str, codes: list[str], request_id: str) -> HttpResponse:
    body: dict[str, Any] = {"request_id": request_id, "error_type": kind, "error_codes": codes}
    response = json_response(status, body)
    response.headers[REQUEST_ID] = request_id
    return response
