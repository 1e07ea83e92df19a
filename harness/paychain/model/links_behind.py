"""Which links a request may reach from one link on: what it calls, what those call, and so on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from paychain.model.policy import Call


class Calling(Protocol):
    """A link, as far as it calls others."""

    @property
    def calls(self) -> Mapping[str, Call]:
        """By operation."""

    @property
    def forwards_to(self) -> str | None:
        """Of an edge: the link that its call `forward` goes to."""


def called_by(links: Mapping[str, Calling], link: str, operation: str | None = None) -> list[str]:
    """The links that a link may call, each once; by one operation, or by any."""
    calls = links[link].calls
    chosen = calls.values() if operation is None else filter(None, [calls.get(operation)])
    found: Iterable[str] = [target for call in chosen for target in call.targets]
    forwards_to = links[link].forwards_to
    if forwards_to is not None and operation in (None, "forward"):
        found = [*found, forwards_to]
    return list(dict.fromkeys(found))


def callers(links: Mapping[str, Calling], operation: str) -> dict[str, list[str]]:
    """By link: those that may call it by an operation, in the order of `links`."""
    found: dict[str, list[str]] = {}
    for caller in links:
        for target in called_by(links, caller, operation):
            found.setdefault(target, []).append(caller)
    return found


def behind(links: Mapping[str, Calling], link: str, operation: str | None = None) -> list[str]:
    """The links behind a link, the nearest first, each once; over one operation, or over any.

    A link that calls itself by way of others is behind itself. A name that is no link's has nothing
    behind it.
    """
    found = dict.fromkeys(called_by(links, link, operation))
    waiting = list(found)
    for name in waiting:
        further = called_by(links, name, operation) if name in links else []
        waiting += [target for target in further if target not in found]
        found |= dict.fromkeys(further)
    return list(found)
