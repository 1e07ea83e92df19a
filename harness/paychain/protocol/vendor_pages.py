"""Pages of the edge in front of a vendor's API: HTML, whatever the API itself answers with."""

from __future__ import annotations

from http import HTTPStatus

from paychain.wire.http import HttpResponse

EDGE_PAGE = "text/html"


def edge_page(status: int) -> HttpResponse:
    """A page that shows a status."""
    title = f"{status} {phrase_of(status)}"
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return HttpResponse(status, page.encode(), {"content-type": EDGE_PAGE})


def phrase_of(status: int) -> str:
    """What a status is called: `Bad Gateway`. RFC 9110 §15."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
