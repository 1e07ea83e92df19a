"""Sends data to a server of somebody else, which may answer slowly, without end, or never."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import wait
from typing import Any, NamedTuple, TypeVar

import requests

from paychain.processes.background import in_background

T = TypeVar("T")


class Posted(NamedTuple):
    """What a server answered, cut off at the limit."""

    status: int
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether it took the data itself; a redirect did not."""
        return 200 <= self.status < 300


def post(
    session: requests.Session, url: str, *, within_s: float, max_bytes: int, **options: Any
) -> Posted:
    """Post something and read the answer, within a time for all of it.

    The time limits of `requests` begin anew with each byte that comes. No redirect is followed.
    Raises requests.RequestException, also when the time is over.
    """

    def exchange() -> Posted:
        with session.post(
            url, timeout=within_s, stream=True, allow_redirects=False, **options
        ) as response:
            return Posted(response.status_code, response.raw.read(max_bytes, decode_content=True))

    try:
        return exchanged(exchange, within_s)
    except requests.RequestException:
        raise
    except Exception as error:  # of the library below
        raise requests.ConnectionError(str(error)) from error


def exchanged(exchange: Callable[[], T], within_s: float) -> T:
    """What an exchange returns or raises; requests.Timeout when its time is over.

    The names of its server are looked up within that time as well.
    """
    # Nothing can end a request from outside: one that hangs ends with this process.
    coming = in_background(exchange, "exchange")
    if not wait([coming], within_s).done:
        raise requests.Timeout(f"no whole answer within {within_s:g} s")
    return coming.result()


def no_answer(error: requests.RequestException, within_s: float) -> str:
    """What an error of `post` says of the server."""
    if isinstance(error, requests.Timeout):
        return f"has not answered within {within_s:g} s"
    return "does not answer"
