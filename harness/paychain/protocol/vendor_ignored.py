"""Parameters that a provider knows and its mock ignores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from paychain.protocol.vendor import VendorCall

_NOTHING: tuple[object, ...] = (None, "", {}, [])  # asks for nothing


def within(name: str, *used: str) -> frozenset[str]:
    """What is used of an object in a request, and nothing else of it: `source.type`."""
    return frozenset(f"{name}.{each}" for each in used)


class Ignored:
    """Names each of them once: a service sends them with every request."""

    def __init__(self) -> None:
        self._named: set[str] = set()

    def note(
        self, call: VendorCall, given: Mapping[str, Any], used: frozenset[str], at: str = ""
    ) -> None:
        """Report what of a request's parameters is none of those that are used.

        One that is used by its name is used as a whole; of one in `within`, only what that names.
        `at`: where `given` is in the request, with a dot at its end; `used` is relative to it.
        """
        for path, value in _unused(given, used):
            name = f"{at}{path}"
            if name not in self._named and value not in _NOTHING:
                self._named.add(name)
                call.ignored(name)


def _unused(
    given: Mapping[str, Any], used: frozenset[str], at: str = ""
) -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        path = f"{at}{name}"
        if path in used:
            continue
        if path not in _objects(used):
            yield path, value
        elif isinstance(value, Mapping):
            yield from _unused(value, used, f"{path}.")


@cache
def _objects(used: frozenset[str]) -> frozenset[str]:
    """The paths of the objects of which some parts are used."""
    found: set[str] = set()
    for path in used:
        parts = path.split(".")
        found.update(".".join(parts[:size]) for size in range(1, len(parts)))
    return frozenset(found)
