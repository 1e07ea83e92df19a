"""A server on loopback that answers only those who know its token: other accounts can reach it."""

from __future__ import annotations

from collections.abc import Callable

from paychain.wire.http import Handler, HttpRequest, HttpResponse, json_response

_CHALLENGE = {"www-authenticate": "Bearer"}  # RFC 6750 §3


def behind(
    is_right: Callable[[str], bool], handler: Handler, open_to_all: tuple[str, ...] = ()
) -> Handler:
    """The handler behind a look at the authorization header ("" without one); 401 if it fails.

    `open_to_all`: paths that anybody may GET.
    """

    async def handle(http: HttpRequest) -> HttpResponse | None:
        is_open = http.method == "GET" and http.target in open_to_all
        if is_open or is_right(http.headers.get("authorization", "")):
            return await handler(http)
        refused = json_response(401, {"error": "missing or wrong token", "status": 401})
        refused.headers.update(_CHALLENGE)
        return refused

    return handle
