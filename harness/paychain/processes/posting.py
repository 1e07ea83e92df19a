"""Sends data to a server of somebody else, which may answer slowly, without end, or never."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import requests


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
    ended: SimpleQueue[Posted | Exception] = SimpleQueue()

    def exchange() -> None:
        try:
            with session.post(
                url, timeout=within_s, stream=True, allow_redirects=False, **options
            ) as response:
                content = response.raw.read(max_bytes, decode_content=True)
                ended.put(Posted(response.status_code, content))
        except Exception as error:
            ended.put(error)

    # Nothing can end a request from outside: one that hangs ends with this process.
    threading.Thread(target=exchange, daemon=True).start()
    try:
        outcome = ended.get(timeout=within_s)
    except Empty:
        raise requests.Timeout(f"no whole answer within {within_s:g} s") from None
    if isinstance(outcome, requests.RequestException):
        raise outcome
    if isinstance(outcome, Exception):  # of the library below
        raise requests.ConnectionError(str(outcome)) from outcome
    return outcome


def no_answer(error: requests.RequestException, within_s: float) -> str:
    """What an error of `post` says of the server."""
    if isinstance(error, requests.Timeout):
        return f"has not answered within {within_s:g} s"
    return "does not answer"
