"""How access to a node fails: rate limits, exhausted quotas, an unavailable backend.

Sources: docs.infura.io and docs.metamask.io (429, 402), docs.alchemy.com (429, also within a
batch), docs.quicknode.com; RFC 9110 §10.2.3 for Retry-After.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from math import ceil
from typing import Any

import msgspec

from paychain.protocol.dialects.json_rpc.values import INTERNAL, SERVER_ERROR
from paychain.protocol.message import Error, ErrorKind
from paychain.wire.http import HttpResponse

JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html"}
PAYMENT_REQUIRED, TOO_MANY, SERVER_FAILED = 402, 429, 500
RETRY_AFTER = "retry-after"
_GARBAGE = b'{"jsonrpc":"2.0","id":1,"resu'
_PAGES = frozenset({502, 503, 504})
_STATUS = {
    ErrorKind.RATE_LIMITED: TOO_MANY,
    ErrorKind.OVERLOADED: 503,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.BAD_GATEWAY: 502,
    ErrorKind.GATEWAY_TIMEOUT: 504,
    ErrorKind.FORWARDED: 502,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a provider answers above its rate limit (`limited`) and above its quota (`unpaid`).

    `in_batches`: a batch is answered with 200, and each refused call with an error in its place.
    """

    limited: dict[str, Any]
    unpaid: dict[str, Any]
    in_batches: bool = False


_UNPAID = {"code": PAYMENT_REQUIRED, "message": "Payment Required"}
TERMS: dict[str, Terms] = {
    "none": Terms(limited={"code": -32005, "message": "limit exceeded"}, unpaid=_UNPAID),
    "infura": Terms(
        limited={
            "code": -32005,
            "message": "project ID request rate exceeded",
            "data": {"see": "https://infura.io/dashboard"},
        },
        unpaid={**_UNPAID, "event": -33000},
    ),
    "alchemy": Terms(
        limited={
            "code": TOO_MANY,
            "message": (
                "Your app has exceeded its compute units per second capacity. If you have retries "
                "enabled, you can safely ignore this message."
            ),
        },
        unpaid={
            "code": TOO_MANY,
            "message": "Monthly capacity limit exceeded.",
        },
        in_batches=True,
    ),
    "quicknode": Terms(
        limited={
            "code": -32007,
            "message": "50/second request limit reached - reduce calls per second or upgrade your "
            "account at quicknode.com",
        },
        unpaid=_UNPAID,
    ),
}


def is_limit(error: Error) -> bool:
    """Whether an error is a rate limit."""
    return error.kind is ErrorKind.RATE_LIMITED or error.status == TOO_MANY


def failure(terms: Terms, error: Error, request_id: Any) -> HttpResponse:
    """An error of the link as the provider in front of the node shows it."""
    if error.kind is ErrorKind.GARBLED:
        return HttpResponse(200, _GARBAGE, dict(JSON))
    status = error.status or _STATUS.get(error.kind, SERVER_FAILED)
    if status in _PAGES:
        return _with_pause(_page(status), error)
    if status == TOO_MANY:
        return _with_pause(_object(status, request_id, terms.limited), error)
    if status == PAYMENT_REQUIRED:
        return _object(status, request_id, terms.unpaid)
    if error.kind is ErrorKind.INJECTED:
        shown = {"code": INTERNAL, "message": "Internal error"}
    else:
        shown = {"code": SERVER_ERROR, "message": error.message or "Internal error"}
    return _with_pause(_object(status, request_id, shown), error)


def _object(status: int, request_id: Any, error: dict[str, Any]) -> HttpResponse:
    shown = {"jsonrpc": "2.0", "id": request_id, "error": error}
    return HttpResponse(status, msgspec.json.encode(shown), dict(JSON))


def _page(status: int) -> HttpResponse:
    """A load balancer's error page."""
    title = escape(f"{status} {HTTPStatus(status).phrase}")
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return HttpResponse(status, page.encode(), dict(HTML))


def _with_pause(response: HttpResponse, error: Error) -> HttpResponse:
    if error.retry_after_s:
        response.headers[RETRY_AFTER] = str(ceil(error.retry_after_s))
    return response
