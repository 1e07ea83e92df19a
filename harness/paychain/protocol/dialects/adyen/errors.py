"""How Adyen fails: a ServiceError with its code, or an error page of the edge before the API."""

from __future__ import annotations

from math import ceil
from typing import Any

from paychain.protocol.dialects.adyen.tables import errors
from paychain.protocol.message import Error, ErrorKind
from paychain.protocol.vendor_pages import edge_page_of, phrase_of
from paychain.wire.http import HttpResponse, json_response

TRANSIENT = "transient-error"  # "true": the same key may be sent again and is not used up
RETRY_AFTER = "retry-after"
_GARBLED = b'{"pspReference":"'
_BY_KIND = {
    ErrorKind.MALFORMED: "malformed",
    ErrorKind.NOT_FOUND: "not_allowed",
    ErrorKind.UNAUTHENTICATED: "unauthorised",
    ErrorKind.KEY_TOO_LONG: "key_too_long",
    ErrorKind.KEY_MISMATCH: "key_mismatch",
    ErrorKind.KEY_IN_FLIGHT: "in_progress",
    ErrorKind.RATE_LIMITED: "too_many",
}
# By injected status: the error that Adyen sends with it.
_BY_STATUS = {
    400: "malformed",
    401: "unauthorised",
    403: "not_allowed",
    404: "not_found",
    409: "in_progress",
    422: "key_mismatch",
    429: "too_many",
    500: "internal",
}


class Invalid(Exception):
    """A request that Adyen refuses before any work. `name`: a line of `data/errors.yaml`."""

    def __init__(self, name: str, **shown: str) -> None:
        super().__init__(name)
        self.name = name
        self.shown = shown


def service_error(
    name: str, *, psp_reference: str = "", message: str = "", **shown: str
) -> HttpResponse:
    """A ServiceError; `shown` fills the placeholders of its message."""
    shape = errors()[name]
    body: dict[str, Any] = {
        "status": shape.status,
        "errorCode": shape.code,
        "message": message or shape.message.format(**shown),
        "errorType": shape.type,
    }
    if psp_reference:
        body["pspReference"] = psp_reference
    return json_response(shape.status, body)


def of_link(error: Error) -> HttpResponse:
    """An error of the link or an injected one, in Adyen's format."""
    if error.kind is ErrorKind.GARBLED:
        return HttpResponse(200, _GARBLED, {"content-type": "application/json"})
    response = edge_page_of(error)
    if response is None:
        response = _of_api(error)
    if error.retry_after_s:
        response.headers[RETRY_AFTER] = str(ceil(error.retry_after_s))
    # The first request with the key is still in progress: this one was not executed.
    if error.kind is ErrorKind.KEY_IN_FLIGHT:
        response.headers[TRANSIENT] = "true"
    return response


def _of_api(error: Error) -> HttpResponse:
    if error.kind is ErrorKind.INJECTED:
        return _injected(error.status)
    if error.kind is ErrorKind.INTERNAL:
        return service_error("internal", message=error.message)
    return service_error(_BY_KIND[error.kind])


def _injected(status: int) -> HttpResponse:
    name = _BY_STATUS.get(status)
    if name is not None:
        return service_error(name)
    body = {
        "status": status,
        "errorCode": "000",
        "message": f"HTTP Status Response - {phrase_of(status)}",
        "errorType": "internal" if status >= 500 else "validation",
    }
    return json_response(status, body)
