"""The parts of a web address that somebody else wrote: a user, a service, a browser."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def split_address(text: str) -> SplitResult:
    """The parts of an address. One that is none has no scheme and no host: all of it is path.

    `urlsplit` raises ValueError for `http://[::1`, and its `port` does for `http://host:99999`.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return SplitResult(scheme="", netloc="", path=text, query="", fragment="")
    return parts
