"""Pages of a vendor: its edge's in front of the API, and those where customers pay.

They are HTML, whatever the API itself answers with.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from html import escape
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode

from paychain.payments.web_hosts import is_vendors
from paychain.payments.whole_number import whole_number
from paychain.protocol.message import Error, ErrorKind
from paychain.wire.http import HttpRequest, HttpResponse

EDGE_PAGE = "text/html"
# Of an authorisation in the book: it was approved, whatever has become of it since.
PAID = frozenset({"authorised", "voided", "expired"})
# Errors with which a request has not reached the API, by the status of the edge's page.
_EDGE_STATUS = {
    ErrorKind.OVERLOADED: 503,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.BAD_GATEWAY: 502,
    ErrorKind.GATEWAY_TIMEOUT: 504,
    ErrorKind.FORWARDED: 502,
}
_DATA = re.compile(rb'<script type="application/json">(.*?)</script>', re.DOTALL)


def edge_page(status: int) -> HttpResponse:
    """A page that shows a status."""
    title = f"{status} {phrase_of(status)}"
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return HttpResponse(status, page.encode(), {"content-type": EDGE_PAGE})


def edge_page_of(error: Error) -> HttpResponse | None:
    """The edge's page for an error of the link or an injected one; None if the API answers it."""
    status = error.status or _EDGE_STATUS.get(error.kind, 0)
    return edge_page(status) if status in _EDGE_STATUS.values() else None


def customers_page(status: int, text: str, data: bytes) -> HttpResponse:
    """What a customer sees, with an answer of the API in it, as pages with scripts have it."""
    shown = data.replace(b"</", b"<\\/")
    head = f"<!doctype html><title>Pay</title><p>{escape(text)}</p>".encode()
    body = head + b'<script type="application/json">' + shown + b"</script>"
    return HttpResponse(status, body, {"content-type": "text/html; charset=utf-8"})


def processing_page(data: bytes) -> HttpResponse:
    """What a customer sees whose payment may yet be approved."""
    return customers_page(200, "Your payment is being processed.", data)


def data_in(body: bytes) -> bytes:
    """The answer of the API in a page; the body itself of what is none."""
    found = _DATA.search(body)
    return found[1] if found is not None else body


def sent_to(url: str, brings: Mapping[str, str] | None = None) -> HttpResponse:
    """A page that sends the customer on; what it `brings` is added to the query of the address."""
    return HttpResponse(303, b"", {"location": with_query(url, brings) if brings else url})


def with_query(url: str, further: Mapping[str, str]) -> str:
    """An address with further parameters at the end of its query, before its fragment."""
    url, mark, fragment = url.partition("#")
    return f"{url}{'&' if '?' in url else '?'}{urlencode(further)}{mark}{fragment}"


def query_of(http: HttpRequest) -> dict[str, str]:
    """What the address of a page says beside its path; of a name that comes twice, the last."""
    return dict(parse_qsl(http.target.partition("?")[2]))


def number_in(text: str, otherwise: int) -> int:
    """A whole number that may be in an address; `otherwise` for what is none, or has 19 digits."""
    number = whole_number(text)
    return otherwise if number is None else number


def key_of_press(target: str, number: int) -> str:
    """The key of one press of a page's button; `number`: of the payments that were tried on it."""
    return hashlib.sha256(f"{target}#{number}".encode()).hexdigest()[:32]


def base_of(http: HttpRequest, hosts: Iterable[str], otherwise: str = "localhost") -> str:
    """Where a link was asked. A vendor's own host name stands for TLS, a near end may speak it.

    `hosts`: the vendor's own. `otherwise`: the host of a request that names none.
    """
    host = http.headers.get("host", otherwise)
    return f"{'https' if http.is_secure or is_vendors(host, hosts) else 'http'}://{host}"


def phrase_of(status: int) -> str:
    """What a status is called: `Bad Gateway`. RFC 9110 §15."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
