"""How Braintree fails: validation errors with their codes, or a status that its SDKs know."""

from __future__ import annotations

from math import ceil
from typing import Any

from paychain.protocol.dialects.braintree.documents import Rows, Symbol, write
from paychain.protocol.dialects.braintree.tables import errors
from paychain.protocol.message import Error, ErrorKind
from paychain.wire.http import HttpResponse

XML = "application/xml; charset=utf-8"
INVALID = 422
_GARBLED = b'<?xml version="1.0" encoding="UTF-8"?>\n<transaction><id>'
_OF_KEYS = {
    ErrorKind.KEY_TOO_LONG: "key_too_long",
    ErrorKind.KEY_MISMATCH: "key_mismatch",
    ErrorKind.KEY_IN_FLIGHT: "key_in_flight",
}
# By the kind of error; Braintree's SDKs have an exception for each status.
_STATUS = {
    ErrorKind.MALFORMED: 400,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.NOT_FOUND: 403,
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.INTERNAL: 500,
    ErrorKind.OVERLOADED: 503,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.BAD_GATEWAY: 503,
    ErrorKind.GATEWAY_TIMEOUT: 504,
    ErrorKind.FORWARDED: 503,
}


class Invalid(Exception):
    """A request that Braintree refuses before any work. `name`: a line of `data/errors.yaml`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class NotFound(Exception):
    """There is no object with the id in the path."""


def document(status: int, name: str, value: Any) -> HttpResponse:
    """An answer with an XML document."""
    return HttpResponse(status, write(name, value), {"content-type": XML})


def plain(status: int) -> HttpResponse:
    """A status without a document; the SDKs read no more of it."""
    return HttpResponse(status, b"", {"content-type": "text/plain; charset=utf-8"})


def validation_error(name: str, params: dict[str, Any] | None = None) -> HttpResponse:
    """422 with one validation error."""
    error = errors()[name]
    own = Rows(
        "error",
        [
            {
                "code": error.code,
                "attribute": Symbol(error.attribute),
                "message": error.message,
            }
        ],
    )
    inside: dict[str, Any] = {"errors": own}
    if error.object:
        inside = {"errors": Rows("error", []), error.object: {"errors": own}}
    shown = {
        "errors": {"errors": Rows("error", []), error.root: inside},
        "params": params or {},
        "message": error.message,
    }
    return document(INVALID, "api_error_response", shown)


def first_error(found: Any) -> tuple[str, str]:
    """Code and message of the first validation error at any depth; empty if there is none."""
    if isinstance(found, dict) and isinstance(found.get("code"), str):
        return found["code"], str(found.get("message") or "")
    values = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return next((each for each in map(first_error, values) if each[0]), ("", ""))


def of_link(error: Error) -> HttpResponse:
    """An error of the link or an injected one, in Braintree's format."""
    if error.kind is ErrorKind.GARBLED:
        return HttpResponse(200, _GARBLED, {"content-type": XML})
    if error.kind in _OF_KEYS:
        return validation_error(_OF_KEYS[error.kind])
    response = plain(error.status or _STATUS.get(error.kind, 500))
    if response.status == INVALID:
        # The SDKs expect a document in every 422, also in an injected one.
        shown = {"errors": {"errors": Rows("error", [])}, "params": {}, "message": error.message}
        response = document(INVALID, "api_error_response", shown)
    # The SDKs ignore the body of an error; it is for readers of the run's exchanges.
    if error.kind is ErrorKind.INTERNAL:
        response.body = error.message.encode()
    if error.retry_after_s:
        response.headers["retry-after"] = str(ceil(error.retry_after_s))
    return response
